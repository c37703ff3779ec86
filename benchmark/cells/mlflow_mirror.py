"""The MLflow mirror: one experiment per suite, a parent run per table, a child run per method, and below a tuned one a run
per search. It can be rebuilt at will.

Its numbers are the leaderboard's: the metric `auc` of a method's run is the mean that its row has there, and `split_auc` has
the splits, one a step. The runner never calls MLflow: `Mirror` starts `sync` in a child process with a time limit, so that a
server that is away costs a run nothing.
"""

import contextlib
import json
import logging
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd

from benchmark.cells.mlflow_rivals import PARENT_TAG, WRITER_TAG, is_busy, is_whole_elsewhere, runs_by_row, settle, writer
from benchmark.cells.rows import Row, predictions_of
from benchmark.cells.scored import scored
from benchmark.cells.store import CellRecord, Store
from benchmark.cells.studies import journal_path, study_name, trials_of
from benchmark.cells.task import Task
from benchmark.data.stages import StoredStage, stored_stages
from benchmark.registry.budget import budget_of
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS
from benchmark.system import provenance
from benchmark.system.background import Background
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import locked
from benchmark.system.locations import results_folder
from benchmark.system.terminal import counted

LIMIT_SECONDS = 90.0
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where a server listens whose address names no port."""
CONNECT_SECONDS = 2.0
DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "GIT_PYTHON_REFRESH": "quiet"}
ROW_TAG, DIGEST_TAG = "strokebench.row", "strokebench.digest"
NOTE_TAG = "mlflow.note.content"
"""What MLflow shows as the description of a run or an experiment."""
KIND = ("mlflow.experimentKind", "custom_model_development")
"""Has MLflow open the experiment as trainings: its pages for language models show no metric."""
TRAININGS = "workflowType=machine_learning"
"""What an address of MLflow's pages says for that."""
LAYOUT = 2
"""What a run holds: with another number every run is written anew."""


@dataclass(frozen=True, eq=False)
class MirroredRow:
    """A row with what the leaderboard says of it: `stated` metrics, none of an incomplete row, and a sentence."""

    row: Row
    stated: Mapping[str, float]
    note: str


@dataclass(frozen=True, eq=False)
class MirroredTable:
    """A table with the rows to mirror, and what the leaderboard says of it."""

    task: Task
    rows: Sequence[MirroredRow]
    note: str


@dataclass(frozen=True, eq=False)
class MirroredSuite:
    """What to mirror of a suite, and its description."""

    name: str
    tables: Sequence[MirroredTable]
    note: str


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, by default a SQLite file below `results/mlflow/`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or own_database()


def own_database() -> str:
    """The URI of the SQLite file below `results/mlflow/`."""
    return _sqlite(results_folder() / "mlflow" / "mlflow.db")


def _sqlite(path: Path) -> str:
    """The URI of a SQLite file, escaped as SQLAlchemy reads it."""
    escaped = quote(str(path), safe=" +/")
    # for a URI that begins with `sqlite:///` MLflow makes the folder of the escaped name as well
    return f"sqlite:///{path}" if escaped == str(path) else f"sqlite+pysqlite:///{escaped}"


def shown(uri: str) -> str:
    """A URI for messages: without its password."""
    return re.sub(r"(//[^:/@]*):[^/]*@", r"\1:***@", uri)


def how_to_look(uri: str, experiment: str = "") -> str:
    """The command that shows what is mirrored, and the address where a server shows it, from the id of an experiment if known.

    The address asks for MLflow's pages of trainings: those that it shows a new reader are for language models, without metrics.
    """
    page = f"/#/experiments/{experiment}/runs?{TRAININGS}" if experiment else f"/#/experiments?{TRAININGS}"
    if urlsplit(uri).scheme in ("http", "https"):
        return f"to look at it, open {shown(uri).rstrip('/')}{page}"
    beside = Path(sys.executable).with_name("mlflow")
    command = "mlflow" if shutil.which("mlflow") or not beside.is_file() else str(beside)
    return f"to look at it: {command} ui --backend-store-uri {shlex.quote(shown(uri))}\nthen open http://127.0.0.1:5000{page}"


def is_away(uri: str) -> bool:
    """Whether the tracking server, or its database, takes no connection; a store on this machine's disk is never away."""
    try:
        parts = urlsplit(uri)
        port = parts.port or PORTS.get(parts.scheme.partition("+")[0])
        if port is None or not parts.hostname:
            return False
        with socket.create_connection((parts.hostname, port), CONNECT_SECONDS):
            return False
    except (OSError, ValueError):  # a ValueError says that it is no address
        return True


class Mirror(contextlib.AbstractContextManager["Mirror"]):
    """Mirrors a run's results in a child process; leaving the block ends a child that still works."""

    def __init__(self, suite: str, plugins: Sequence[str], *, enabled: bool) -> None:
        self._child, self._enabled = Background(("sync", "--suite", suite), plugins, secrets=True), enabled

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._child.end()

    def start(self) -> None:
        """Begin to mirror what is stored by now, unless a mirroring is still at work; returns at once."""
        if self._enabled:
            self._child.start()

    def look(self) -> str:
        """The line that says how to look at what was mirrored before; empty where nothing was."""
        uri = tracking_uri()
        there = uri != own_database() or (results_folder() / "mlflow" / "mlflow.db").is_file()
        return how_to_look(uri) if self._enabled and there else ""

    def finish(self) -> str:
        """Mirror everything, within the time limit; returns the line to tell the user."""
        if not self._enabled:
            return "mlflow: not mirrored (--no-sync)"
        until = time.monotonic() + LIMIT_SECONDS
        self._child.settle(LIMIT_SECONDS)
        try:
            output, errors, code = self._child.run(max(until - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired:
            return f"mlflow: not finished within {LIMIT_SECONDS:.0f} s; `python -m benchmark sync` brings it level"
        except OSError as error:
            return f"mlflow: not mirrored ({error}); `python -m benchmark sync` brings it level"
        if code == 0 and output.strip():
            return output.strip()
        last = (output.strip() or errors.strip()).splitlines()[-1:]
        return last[0] if last else f"mlflow: sync ended with code {code}"


def why_away() -> str:
    """Why nothing can be mirrored now, in one line; empty where the tracking server answers or none is needed."""
    uri = tracking_uri()
    if not is_away(uri):
        return ""
    return f"mlflow: {shown(uri)} does not answer; nothing is lost: `python -m benchmark sync` mirrors the results later"


def mirror_results(suite: MirroredSuite) -> str:
    """Bring MLflow level with a suite's rows; rows that are there already are left alone. Returns two lines, or three.

    Raises `BenchmarkError` for whatever keeps MLflow from it.
    """
    uri = tracking_uri()
    os.environ |= {**DEFAULTS, **os.environ}
    folder = results_folder() / "mlflow"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            session = _Session(uri, suite, folder)
            written, level = session.mirror(suite.tables)
    except Exception as error:  # MLflow, its database, a driver that is not installed, the disk: no result depends on it
        reason = shown(f"{type(error).__name__}: {' '.join(str(error).splitlines()[:1])[:200]}")
        mend = "`sync` again when it is mended" + (f", or delete {folder}" if uri == own_database() else "")
        raise BenchmarkError(f"mlflow: {shown(uri)}: {reason} (nothing is lost: {mend})") from error
    said = f"mlflow: {counted(written, 'row')} written, {level} {'was' if level == 1 else 'were'} up to date"
    return f"{said}\n{how_to_look(uri, session.experiment)}"


class _Session:
    """One connection to MLflow for one suite."""

    def __init__(self, uri: str, suite: MirroredSuite, folder: Path) -> None:
        for library in ("alembic", "mlflow"):
            logging.getLogger(library).setLevel(logging.WARNING)
        from mlflow import MlflowClient

        database, unfinished = folder / "mlflow.db", folder / ".mlflow.db.part"
        if uri == own_database() and not database.exists():  # aside: MLflow cannot go on with one that was left half-made
            for left in folder.glob(f"{unfinished.name}*"):
                left.unlink()
            MlflowClient(tracking_uri=_sqlite(unfinished)).search_experiments(max_results=1)
            unfinished.replace(database)
        self.uri, self.client = uri, MlflowClient(tracking_uri=uri)
        self.store = Store()
        self.revision = provenance.git_revision()
        self.experiment = self._experiment(uri, suite.name, (folder / "artifacts").as_uri())
        self.client.set_experiment_tag(self.experiment, NOTE_TAG, suite.note)
        self.client.set_experiment_tag(self.experiment, *KIND)
        self.runs = runs_by_row(self.client, self.experiment, ROW_TAG)

    def _experiment(self, uri: str, suite: str, location: str) -> str:
        """The id of the suite's experiment: a deleted one is restored; a new one where the results folder was moved since."""
        known = self.client.get_experiment_by_name(suite)
        if known is not None and known.lifecycle_stage == "deleted":
            self.client.restore_experiment(known.experiment_id)
        if known is not None and uri == own_database() and known.artifact_location != location:
            self.client.rename_experiment(known.experiment_id, f"{suite} (experiment {known.experiment_id}, elsewhere)")
            self.client.delete_experiment(known.experiment_id)
            known = None
        if known is None:
            try:
                return str(self.client.create_experiment(suite, artifact_location=None if uri.startswith("http") else location))
            except Exception:  # of another machine that was quicker, or of the server
                if (known := self.client.get_experiment_by_name(suite)) is None:
                    raise
        return str(known.experiment_id)

    def mirror(self, tables: Sequence[MirroredTable]) -> tuple[int, int]:
        """Write what differs; returns how many rows were written and how many were level."""
        written = [self._row(table.task, each, self._parent(table)) for table in tables for each in table.rows]
        if True in written or any(name and len(runs) > 1 for name, runs in self.runs.items()):
            settle(self.client, self.experiment, ROW_TAG, DIGEST_TAG)
        return written.count(True), written.count(False)

    def _parent(self, table: MirroredTable) -> str:
        task = table.task
        name = f"{task.dataset} x {task.protocol}"
        if name not in self.runs:
            self.runs[name] = [self.client.create_run(self.experiment, run_name=name, tags={ROW_TAG: name})]
            sizes = {"cases": len(task.tested), "splits": len(task.splits), "task_digest": task.digest}
            self._log(self.runs[name][0].info.run_id, [], sizes)
            self.client.set_terminated(self.runs[name][0].info.run_id)
        self._describe(self.runs[name][0], table.note)
        return str(self.runs[name][0].info.run_id)

    def _describe(self, run: Any, note: str) -> None:
        """Have a run's description say what the leaderboard says now: ranks change with other rows."""
        if run.data.tags.get(NOTE_TAG) != note:
            self.client.set_tag(run.info.run_id, NOTE_TAG, note)

    def _row(self, task: Task, mirrored: MirroredRow, parent: str) -> bool:
        """Mirror a row unless it is level; a run that was left half-written is replaced."""
        row = mirrored.row
        name = f"{task.dataset} x {task.protocol} x {row.method}"
        stored = self.store.row(task.dataset, task.protocol, row.method) if row.source == "local" else {}
        records = [stored[split.name] for split in task.splits if split.name in stored]
        answers = [[split, *row.probabilities[split].tolist()] for split in row.probabilities]
        held = [LAYOUT, row.source, dict(row.keys), sorted(row.outcomes.items()), answers, dict(mirrored.stated)]
        digest = provenance.digest(held)
        known = self.runs.get(name, [])
        if len(known) == 1 and known[0].data.tags.get(DIGEST_TAG) == digest:
            self._describe(known[0], mirrored.note)
            if known[0].data.tags.get(PARENT_TAG) != parent:
                self.client.set_tag(known[0].info.run_id, PARENT_TAG, parent)
            return False
        if any(is_busy(run, DIGEST_TAG) for run in known):
            return False
        if not row.complete and any(map(is_whole_elsewhere, known)):
            return False
        searches = [run for tag, runs in self.runs.items() if tag.startswith(f"{name} x ") for run in runs]
        for old in (*known, *searches):
            self.client.delete_run(old.info.run_id)
        tags = {ROW_TAG: name, PARENT_TAG: parent, "method": row.method, "source": row.source, WRITER_TAG: writer()}
        tags |= {"dataset": task.dataset, "protocol": task.protocol, NOTE_TAG: mirrored.note}
        tags |= {"git revision": self.revision} if row.source == "local" else {}
        run = self.client.create_run(self.experiment, run_name=row.method, tags=tags).info.run_id
        self._content(run, task, mirrored, records)
        if budget_of(row.method) is not None and records:
            self.client.set_tag(run, "optuna journal", str(journal_path(task.dataset, task.protocol, row.method)))
            for record in records:
                self._search(run, f"{name} x {record.address.split}", record)
        self.client.set_terminated(run, "FINISHED" if row.complete else "FAILED" if row.failures else "RUNNING")
        self.client.set_tag(run, DIGEST_TAG, digest)  # the last step: without it the row is written anew
        return True

    def _content(self, run: str, task: Task, mirrored: MirroredRow, records: Sequence[CellRecord]) -> None:
        """The leaderboard's numbers under plain names, those of the splits by step; the cells and predictions as files."""
        now, row = int(time.time() * 1000), mirrored.row
        steps = {split.name: step for step, split in enumerate(task.splits)}
        cells = {
            name: scored(task, name, probabilities, row.thresholds[name], row.columns.get(name, {}))
            for name, probabilities in row.probabilities.items()
        }
        measured = (*METRICS, *RETRIEVAL_METRICS) if any(row.columns.values()) else METRICS
        values = {metric: {name: found[metric] for name, found in cells.items()} for metric in measured}
        values["fit_seconds"] = {each.address.split: float(each.measured.get("fit_seconds", np.nan)) for each in records}
        stages = _stages_of(records)
        values["stage_seconds"] = {name: sum(stage.seconds for stage in each) for name, each in stages.items() if each}
        metrics = [(name, value, now, 0) for name, value in mirrored.stated.items()]
        metrics += [("seconds", row.seconds, now, 0)] if row.seconds is not None else []
        metrics += [(f"split_{key}", value, now, steps[name]) for key, each in values.items() for name, value in each.items()]
        self._log(run, metrics, row.ingredients.get("configuration", {}))
        figures = pd.DataFrame(
            {
                "split": name,
                "key": key,
                "ok": name in row.probabilities,
                "stages": ", ".join(f"{stage} ({stage.digest[:12]})" for stage in stages.get(name, ())),
            }
            for name, key in row.keys.items()
        )
        self._file(run, figures.to_csv(index=False), "cells.csv")
        ingredients = json.dumps(row.ingredients, indent=1, sort_keys=True, default=str)
        self._file(run, f"{ingredients}\n", "ingredients.json")
        predictions = predictions_of(task, row)[["case", "split", "label", "probability"]]
        self._file(run, predictions.to_csv(index=False), "predictions.csv")

    def _file(self, run: str, text: str, name: str) -> None:
        """Keep a text as a file of a run, unless the files of a shared database lie on another machine's disk."""
        try:
            self.client.log_text(run, text, name)
        except OSError:
            if self.uri == own_database():
                raise

    def _log(
        self,
        run: str,
        metrics: Sequence[tuple[str, float, int, int]],
        parameters: Mapping[str, Any],
    ) -> None:
        """Log parameters and finite metrics (name, value, milliseconds, step), in batches that MLflow takes."""
        from mlflow.entities import Metric, Param

        self.client.log_batch(run, params=[Param(key, str(value)[:500]) for key, value in parameters.items()])
        finite = [Metric(*each) for each in metrics if np.isfinite(each[1])]
        for start in range(0, len(finite), 900):
            self.client.log_batch(run, metrics=finite[start : start + 900])

    def _search(self, parent: str, name: str, record: CellRecord) -> None:
        """A cell's trials: a step each of the inner AUC and of the numbers tried, all of them as a file, the values chosen."""
        trials = trials_of(record.address, record.key)
        if not trials:
            return
        study = study_name(record.address, record.key)
        tags = {ROW_TAG: name, PARENT_TAG: parent, "method": record.address.method, "optuna study": study}
        run = self.client.create_run(self.experiment, run_name=record.address.split, tags=tags).info.run_id
        metrics = []
        for step, trial in enumerate(trials):
            tried = {"inner_auc": trial.value, **trial.params} if trial.state.name == "COMPLETE" else trial.params
            when = int(trial.datetime_complete.timestamp() * 1000)
            metrics += [(key, float(value), when, step) for key, value in tried.items() if type(value) in (bool, int, float)]
        self._log(run, metrics, record.chosen.get("values", {}))
        figures = pd.DataFrame(
            {
                "trial": place,
                "state": trial.state.name.lower(),
                "inner_auc": trial.value,
                "seconds": trial.duration.total_seconds(),
                **trial.params,
                "error": trial.user_attrs.get("error", ""),
            }
            for place, trial in enumerate(trials)
        )
        self._file(run, figures.to_csv(index=False), "trials.csv")
        self.client.set_terminated(run)


def _stages_of(records: Sequence[CellRecord]) -> dict[str, list[StoredStage]]:
    """Split -> the stages on which its cell rests, of those that are on this machine."""
    if not any(each.measured.get("stages") for each in records):
        return {}
    kept = {stage.digest: stage for stage in stored_stages()}
    return {each.address.split: [kept[key] for key in each.measured.get("stages", ()) if key in kept] for each in records}
