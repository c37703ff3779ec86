"""Runs a suite: prepares data and features, computes the cells that are missing or stale, stores each as it ends."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmark.cells.compute import compute, encode, failure
from benchmark.cells.executors import CellExecutor, InProcess, LocalProcesses, completed
from benchmark.cells.first_cells import FirstCells
from benchmark.cells.planning import Cell, Plan, PlannedRow, plan
from benchmark.cells.store import CUT_SHORT, CellAddress, CellRecord, Store
from benchmark.cells.studies import end_interrupted
from benchmark.cells.task import write_task
from benchmark.data.cohort import Cohort
from benchmark.data.features import is_pretrained_on_pool
from benchmark.data.intake import read_remarks
from benchmark.data.preparation import load_cohort, prepared_folder
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, NotFetchedError, place_of
from benchmark.system.files import write_durably
from benchmark.system.locations import results_folder

NAMED = 5
"""Methods that a line names."""


class Reporter(Protocol):
    """Shows how far long-running work is."""

    def say(self, line: str) -> None:
        """Print one line."""

    def progress(self, total: int, unit: str = "cells") -> AbstractContextManager[Callable[[str, str], None]]:
        """A block in which each finished piece of work is reported by its name and its problem ("" where there is none)."""


@dataclass(frozen=True)
class Request:
    """What to run of a suite (already validated and narrowed), and how; `debug` lets a cell's exception through in-process."""

    suite: Suite
    seeds: tuple[int, ...] = ()
    jobs: int = 1
    in_process: bool = False
    retry: tuple[str, ...] = ()
    recompute: bool = False
    debug: bool = False


@dataclass
class Summary:
    """What a run did: `skipped` datasets are not fetched, `broken` components cannot be used, `given_up` methods fail."""

    computed: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    not_ok: list[CellRecord] = field(default_factory=list)
    cohorts: dict[str, Cohort] = field(default_factory=dict)
    given_up: Mapping[str, str] = field(default_factory=dict)


def prepare_plan(suite: Suite, seeds: Sequence[int], catalogue: Catalogue, reporter: Reporter) -> tuple[Plan, Summary]:
    """Load the cohorts that are on this machine and plan their cells; other datasets are skipped with the reason.

    Methods whose file is broken are said once and left out. Raises `BenchmarkError` where no dataset is left.
    """
    summary = Summary()
    for name in suite.methods:
        error = catalogue.method(name).entry.error
        if error:
            summary.broken[name] = f"{name} is broken: {error}"
    ranked, descriptive = (
        tuple(name for name in names if name not in summary.broken) for names in (suite.ranked, suite.descriptive)
    )
    suite = replace(suite, ranked=ranked, descriptive=descriptive)
    for dataset in suite.datasets:
        started = time.perf_counter()
        try:
            prepared = prepared_folder(dataset, catalogue).is_dir()
            if not prepared:
                reporter.say(f"preparing {dataset}, once ...")
            summary.cohorts[dataset] = load_cohort(dataset, catalogue)
            for line in [] if prepared else read_remarks(Path(summary.cohorts[dataset].folder)).lines:
                reporter.say(f"  {line.state}: {line}")
        except NotFetchedError as error:
            summary.skipped[dataset] = f"skipped: {error}"
        except Exception as error:  # a dataset is somebody's code: whatever it raises stops no other dataset
            reason = str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}{place_of(error)}"
            summary.broken[dataset] = f"{dataset} cannot be prepared: {reason}"
        else:
            seconds = time.perf_counter() - started
            if seconds > 2:
                reporter.say(f"{dataset}: prepared in {seconds:.0f} s")
    problems = [*summary.broken.values(), *summary.skipped.values()]
    if not summary.cohorts:
        raise BenchmarkError("\n".join([*problems, "no dataset to run on"] if len(problems) != 1 else problems))
    for problem in problems:
        reporter.say(problem)
    return plan(suite, catalogue, summary.cohorts, Store(), seeds), summary


def run(
    request: Request,
    catalogue: Catalogue,
    reporter: Reporter,
    after_seed: Callable[[int], None],
    prepared: tuple[Plan, Summary] | None = None,
) -> Summary:
    """Compute what this machine's cells lack. `after_seed` is called when every method has completed a seed.

    `prepared` is what `prepare_plan` gave, where that was called before. Raises `StoreError` where results cannot be written;
    what was computed before is kept.
    """
    planned, summary = prepared or prepare_plan(request.suite, request.seeds, catalogue, reporter)
    store = Store()
    for task in planned.tasks:
        write_task(task, store.task_path(task.dataset, task.protocol))
    for line in (*planned.impossible, *_not_applicable(planned.not_applicable)):
        reporter.say(line)
    cells = planned.to_run(retry=request.retry, recompute=request.recompute)
    if not planned.cells:
        reporter.say("nothing to compute: no cell applies")
    elif not cells and request.retry:
        reporter.say(f"nothing to compute: no cell has the outcome {' or '.join(request.retry)}")
    elif not cells:
        reporter.say(f"nothing to compute: all {len(planned.cells)} cells are fresh")
    else:
        fresh = sum(cell.state == "fresh" for cell in planned.cells)
        reporter.say(f"{len(cells)} of {len(planned.cells)} cells to compute ({fresh} are fresh)")
        run_id = _record_run(request, catalogue)
        try:
            with InProcess() if request.in_process else LocalProcesses(request.jobs, request.suite.limits) as executor:
                _encode(cells, catalogue, executor, reporter)
                debug = request.debug and request.in_process
                with reporter.progress(len(cells)) as advance:
                    first = FirstCells(planned.cells, cells)
                    for record in _completed(cells, executor, store, run_id, after_seed, first, debug=debug):
                        summary.computed += 1
                        advance(str(record.address), "" if record.outcome == "ok" else f"{record.outcome}: {record.reason}")
                summary.given_up = first.given_up
        finally:  # no worker is left: what a killed one tried runs no more
            end_interrupted({cell.address.row for cell in cells if cell.row.fits > 1})
    stored = ((store.read(cell.address), cell.key) for cell in planned.cells)
    summary.not_ok = [record for record, key in stored if record is not None and record.key == key and record.outcome != "ok"]
    return summary


def _not_applicable(rows: Iterable[PlannedRow]) -> Iterator[str]:
    """A line for each dataset and reason."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        alike.setdefault((row.dataset, row.not_applicable), []).append(row.method.spelled)
    for (dataset, reason), methods in alike.items():
        named = f"{methods[0]} is" if len(methods) == 1 else f"{len(methods)} methods are"
        some = "" if len(methods) == 1 else f" ({', '.join(methods[:NAMED])}{' ...' if len(methods) > NAMED else ''})"
        yield f"{dataset}: {named} not applicable: {reason}{some}"


def _encode(cells: Iterable[Cell], catalogue: Catalogue, executor: CellExecutor, reporter: Reporter) -> None:
    """Fill the feature cache before the cells, outside their time limits; a failure shows in the cells that need it.

    An encoder that is trained on the pool runs once for each part of the pool that a split allows.
    """
    needed: dict[tuple[str, str, bytes], Future[None]] = {}
    for cell in cells:
        for modality, name in cell.row.encoders.items():
            pool = cell.split.pool if _sees_the_pool(name, catalogue) else None
            key = (cell.row.dataset, name, b"" if pool is None else pool.tobytes())
            if key not in needed:
                needed[key] = executor.submit(encode, cell.row.folder, modality, name, catalogue.plugins, pool, fits=None)
    for (dataset, name, _), future in needed.items():
        started = time.perf_counter()
        error, seconds = future.exception(), time.perf_counter() - started
        if error is not None or seconds > 2:
            reporter.say(f"{dataset}: encoder {name}" + (f" done in {seconds:.0f} s" if error is None else f": {error}"))


def _sees_the_pool(encoder: str, catalogue: Catalogue) -> bool:
    try:
        return is_pretrained_on_pool(encoder, catalogue)
    except BenchmarkError:  # there is no such encoder, as the cells will say
        return False


def _completed(
    cells: Sequence[Cell],
    executor: CellExecutor,
    store: Store,
    run_id: str,
    after_seed: Callable[[int], None],
    first: FirstCells,
    *,
    debug: bool,
) -> Iterator[CellRecord]:
    """Compute cells, store each as it ends, and call `after_seed` when a seed is complete."""
    work = partial(compute, debug=debug)
    left = {cell.split.seed: set[CellAddress]() for cell in cells}
    for cell in cells:
        left[cell.split.seed].add(cell.address)
    turns = first.in_turn(cells)
    for cell, future in completed(turns, lambda cell: executor.submit(work, cell, fits=cell.row.fits), executor.in_flight):
        if debug:
            future.result()
        record = _record(future, cell)
        store.write(replace(record, measured={**record.measured, "run": run_id, **_reproduced(cell, record)}))
        yield record
        left[cell.split.seed].discard(cell.address)
        if first.ended(record):
            left = {seed: {other for other in rest if other.method != record.address.method} for seed, rest in left.items()}
        if not left[cell.split.seed]:
            after_seed(cell.split.seed)


def _reproduced(cell: Cell, record: CellRecord) -> dict[str, bool]:
    """A mark for a cell that was computed again under the same key and gave another answer, now or before.

    A limit of time or memory and a death of the worker are no answer of the method.
    """
    before = cell.stored
    if before is None or cell.state != "fresh":
        return {}
    answers = [(each.outcome, each.probabilities) for each in (before, record) if each.outcome not in CUT_SHORT]
    changed = len(answers) == 2 and answers[0] != answers[1]
    return {"changed_on_recomputation": True} if changed or before.measured.get("changed_on_recomputation") else {}


def _record(future: Future[CellRecord], cell: Cell) -> CellRecord:
    """The record of a cell whose worker answered, ran out of time, or died."""
    if (error := future.exception()) is None:
        return future.result()
    if isinstance(error, TimeoutError):
        return failure(cell, "timeout", "more time than the suite's limit per cell")
    if isinstance(error, MemoryError):
        return failure(cell, "out-of-memory", "more memory than the suite's limit per cell")
    return failure(cell, "crashed", f"the worker process died: {error}")


def _record_run(request: Request, catalogue: Catalogue) -> str:
    """Store the environment of this run once; returns its id."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    content = {
        "run": run_id,
        "started": now.isoformat(timespec="seconds"),
        "suite": request.suite.name,
        "jobs": request.jobs,
        "executor": "in-process" if request.in_process else "local processes",
        "plugins": list(catalogue.plugins),
        "environment": provenance.environment(),
    }
    write_durably(results_folder() / "runs" / f"{run_id}.json", (json.dumps(content, indent=1) + "\n").encode())
    return run_id
