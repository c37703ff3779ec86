"""The MLflow mirror: one experiment per suite, a parent run per table, a child run per method, and below a tuned one a run
per search. It can be rebuilt at will.

The runner never calls MLflow: `Mirror` starts `sync` in a child process with a time limit, so that a server that is
away costs a run nothing.
"""

import contextlib
import logging
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pandas as pd
from filelock import FileLock

from benchmark.cells.rows import PER_SPLIT, Row, TableRows, gather, predictions_of
from benchmark.cells.scored import scored
from benchmark.cells.store import CellRecord, Store
from benchmark.cells.studies import trials_of
from benchmark.cells.task import Task
from benchmark.data.stages import stored_stages
from benchmark.registry.budget import budget_of
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.background import Background
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import results_folder

LIMIT_SECONDS = 90.0
CONNECT_SECONDS = 2.0
DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "GIT_PYTHON_REFRESH": "quiet"}
ROW_TAG, DIGEST_TAG = "strokebench.row", "strokebench.digest"


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


def is_away(uri: str) -> bool:
    """Whether the tracking server does not take a connection; a file-based store is never away."""
    try:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https"):
            return False
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "localhost", port), CONNECT_SECONDS):
            return False
    except (OSError, ValueError):  # a ValueError says that it is no address
        return True


class Mirror(contextlib.AbstractContextManager["Mirror"]):
    """Mirrors a run's results in a child process; leaving the block ends a child that still works."""

    def __init__(self, suite: str, plugins: Sequence[str], *, enabled: bool) -> None:
        self._child, self._enabled = Background(("sync", "--suite", suite), plugins), enabled

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._child.end()

    def start(self) -> None:
        """Begin to mirror what is stored by now, unless a mirroring is still at work; returns at once."""
        if self._enabled:
            self._child.start()

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
        last = (output.strip() or errors.strip()).splitlines()[-1:]
        return last[0] if last else f"mlflow: sync ended with code {code}"


def mirror_results(suite: Suite, catalogue: Catalogue) -> str:
    """Bring MLflow level with this machine's rows; rows that are there already are left alone. Returns one line.

    Raises `BenchmarkError` for whatever keeps MLflow from it.
    """
    uri = tracking_uri()
    if is_away(uri):
        return f"mlflow: {shown(uri)} does not answer; nothing is lost: `python -m benchmark sync` mirrors the results later"
    os.environ |= {**DEFAULTS, **os.environ}
    folder = results_folder() / "mlflow"
    tables = gather(suite, catalogue)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            written, level = _Session(uri, suite.name, folder).mirror(tables)
    except Exception as error:  # MLflow, its database, a driver that is not installed, the disk: no result depends on it
        reason = shown(f"{type(error).__name__}: {' '.join(str(error).splitlines()[:1])[:200]}")
        mend = "`sync` again when it is mended" + (f", or delete {folder}" if uri == own_database() else "")
        raise BenchmarkError(f"mlflow: {shown(uri)}: {reason} (nothing is lost: {mend})") from error
    return f"mlflow: {written} rows written, {level} were up to date ({shown(uri)})"


class _Session:
    """One connection to MLflow for one suite."""

    def __init__(self, uri: str, suite: str, folder: Path) -> None:
        for library in ("alembic", "mlflow"):
            logging.getLogger(library).setLevel(logging.WARNING)
        from mlflow import MlflowClient

        database, unfinished = folder / "mlflow.db", folder / ".mlflow.db.part"
        if uri == own_database() and not database.exists():  # aside: MLflow cannot go on with one that was left half-made
            for left in folder.glob(f"{unfinished.name}*"):
                left.unlink()
            MlflowClient(tracking_uri=_sqlite(unfinished)).search_experiments(max_results=1)
            unfinished.replace(database)
        self.client = MlflowClient(tracking_uri=uri)
        self.store = Store()
        self.revision = provenance.git_revision()
        self.experiment = self._experiment(uri, suite, (folder / "artifacts").as_uri())
        self.runs: dict[str, list[Any]] = {}
        """Runs of the experiment by the row that they mirror."""
        page = self.client.search_runs([self.experiment], max_results=1000)
        while page:
            for run in page:
                self.runs.setdefault(run.data.tags.get(ROW_TAG, ""), []).append(run)
            page = page.token and self.client.search_runs([self.experiment], max_results=1000, page_token=page.token)

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
            return str(self.client.create_experiment(suite, artifact_location=location if uri.startswith("sqlite") else None))
        return str(known.experiment_id)

    def mirror(self, tables: Sequence[TableRows]) -> tuple[int, int]:
        """Write what differs; returns how many rows were written and how many were level."""
        rows = ((table, row) for table in tables for row in (*table.complete, *table.incomplete) if row.source == "local")
        written = [self._row(table.task, row, self._parent(table.task)) for table, row in rows]
        return written.count(True), written.count(False)

    def _parent(self, task: Task) -> str:
        name = f"{task.dataset} x {task.protocol}"
        if name not in self.runs:
            self.runs[name] = [self.client.create_run(self.experiment, run_name=name, tags={ROW_TAG: name})]
            sizes = {"cases": len(task.case_ids), "splits": len(task.splits), "task_digest": task.digest}
            self._log(self.runs[name][0].info.run_id, [], sizes)
            self.client.set_terminated(self.runs[name][0].info.run_id)
        return str(self.runs[name][0].info.run_id)

    def _row(self, task: Task, row: Row, parent: str) -> bool:
        """Mirror a row unless it is level; a run that was left half-written is replaced."""
        name = f"{task.dataset} x {task.protocol} x {row.method}"
        stored = self.store.row(task.dataset, task.protocol, row.method)
        records = [stored[split.name] for split in task.splits if split.name in stored]
        digest = provenance.digest([[record.key, record.outcome, record.probabilities] for record in records])
        known = self.runs.get(name, [])
        if len(known) == 1 and known[0].data.tags.get(DIGEST_TAG) == digest:
            return False
        searches = [run for tag, runs in self.runs.items() if tag.startswith(f"{name} x ") for run in runs]
        for old in (*known, *searches):
            self.client.delete_run(old.info.run_id)
        tags = {ROW_TAG: name, "mlflow.parentRunId": parent, "method": row.method, "git revision": self.revision}
        run = self.client.create_run(self.experiment, run_name=row.method, tags=tags).info.run_id
        self._content(run, task, row, records)
        if budget_of(row.method) is not None:
            for record in records:
                self._search(run, f"{name} x {record.address.split}", record)
        self.client.set_tag(run, DIGEST_TAG, digest)
        self.client.set_terminated(run, "FINISHED" if row.complete else "FAILED" if row.failures else "RUNNING")
        return True

    def _content(self, run: str, task: Task, row: Row, records: Sequence[CellRecord]) -> None:
        now = int(time.time() * 1000)
        steps = {split.name: step for step, split in enumerate(task.splits)}
        cells = {
            name: scored(task, name, probabilities, row.thresholds[name], row.columns.get(name, {}))
            for name, probabilities in row.probabilities.items()
        }
        measured = (*METRICS, *RETRIEVAL_METRICS) if any(row.columns.values()) else METRICS
        values = {metric: {name: found[metric] for name, found in cells.items()} for metric in measured}
        metrics = [(f"mean_{key}", float(np.mean(list(each.values()))), now, 0) for key, each in values.items() if each]
        values["fit_seconds"] = {each.address.split: float(each.measured.get("fit_seconds", np.nan)) for each in records}
        metrics += [(key, value, now, steps[name]) for key, each in values.items() for name, value in each.items()]
        kept = (
            {stage.digest: stage for stage in stored_stages()} if any(each.measured.get("stages") for each in records) else {}
        )
        stages = {each.address.split: [kept[key] for key in each.measured.get("stages", ()) if key in kept] for each in records}
        metrics += [
            ("stage_seconds", sum(stage.seconds for stage in each), now, steps[name]) for name, each in stages.items() if each
        ]
        ingredients = records[0].ingredients if records else {}
        tags = [(f"key {record.address.split}", record.key) for record in records]
        tags += [
            (f"stages {name}", ", ".join(f"{stage} ({stage.digest[:12]})" for stage in each))
            for name, each in stages.items()
            if each
        ]
        tags += [(f"ingredient {name}", str(value)[:500]) for name, value in ingredients.items() if name not in PER_SPLIT]
        self._log(run, metrics, ingredients.get("configuration", {}), tags)
        predictions = predictions_of(task, row)[["case", "split", "label", "probability"]]
        self.client.log_text(run, predictions.to_csv(index=False), "predictions.csv")

    def _log(
        self,
        run: str,
        metrics: Sequence[tuple[str, float, int, int]],
        parameters: Mapping[str, Any],
        tags: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Log parameters, finite metrics (name, value, milliseconds, step) and tags, in batches that MLflow takes."""
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(run, params=[Param(key, str(value)[:500]) for key, value in parameters.items()])
        finite = [Metric(*each) for each in metrics if np.isfinite(each[1])]
        for start in range(0, len(finite), 900):
            self.client.log_batch(run, metrics=finite[start : start + 900])
        for start in range(0, len(tags), 90):
            self.client.log_batch(run, tags=[RunTag(*each) for each in tags[start : start + 90]])

    def _search(self, parent: str, name: str, record: CellRecord) -> None:
        """A cell's trials: a step each of the inner AUC and of the numbers tried, all of them as a file, the values chosen."""
        trials = trials_of(record.address, record.key)
        if not trials:
            return
        tags = {ROW_TAG: name, "mlflow.parentRunId": parent, "method": record.address.method, "key": record.key}
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
        self.client.log_text(run, figures.to_csv(index=False), "trials.csv")
        self.client.set_terminated(run)
