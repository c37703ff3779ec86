"""Runs a suite: prepares data and features, computes the cells that are missing or stale, stores each as it ends."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar

from benchmark.cells.compute import Built, compute, failure
from benchmark.cells.executors import POOL_GONE, CellExecutor, InFlight, InProcess, LocalProcesses
from benchmark.cells.forecast import RowName, forecast, in_order
from benchmark.cells.interim import Clock, Interim
from benchmark.cells.needs import Needs
from benchmark.cells.planning import Cell, Plan, PlannedRow, plan
from benchmark.cells.rows import is_synthetic
from benchmark.cells.schedule import FirstCells, Need, Schedule
from benchmark.cells.store import CUT_SHORT, CellRecord, Outcome, Store, WriteBehind
from benchmark.cells.studies import end_interrupted
from benchmark.cells.task import write_task
from benchmark.data.cohort import Cohort
from benchmark.data.intake import read_remarks
from benchmark.data.preparation import load_cohort, prepared_folder
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import metric_name
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, NotFetchedError, place_of
from benchmark.system.files import write_durably
from benchmark.system.locations import results_folder

T = TypeVar("T")

TICK = 1.0
"""Seconds after which a run looks at the clock although nothing ended."""
NAMED = 5
"""Methods that a line names."""


class Reporter(Protocol):
    """Shows how far long-running work is."""

    def say(self, line: str) -> None:
        """Print one line."""

    def progress(
        self, total: int, unit: str = "cells", status: Callable[[], str] | None = None
    ) -> AbstractContextManager[Callable[[str, str], None]]:
        """A block in which each finished piece of work is reported by its name and its problem ("" where there is none).

        `status` says in words how far the work is; by default the time left is.
        """


@dataclass(frozen=True)
class Request:
    """What to run of a suite (already validated and narrowed), and how.

    `jobs` are worker processes of this machine, and on a cluster the cells at once (None: as many as its workers compute).
    `cluster` is a Dask scheduler, or `local:N`. `debug` lets a cell's exception through in-process; `started` is when it was
    asked for, on the monotonic clock.
    """

    suite: Suite
    seeds: tuple[int, ...] = ()
    jobs: int | None = 1
    cluster: str = ""
    in_process: bool = False
    retry: tuple[str, ...] = ()
    recompute: bool = False
    debug: bool = False
    started: float = field(default_factory=monotonic)


@dataclass
class Summary:
    """What a run did: `skipped` datasets are not fetched, `broken` components cannot be used, `given_up` methods fail.

    `unmet` are records of what could not be built for cells of which a result is stored, which stays.
    """

    computed: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    not_ok: list[CellRecord] = field(default_factory=list)
    unmet: list[CellRecord] = field(default_factory=list)
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
    on_interim: Callable[[float], None],
    prepared: tuple[Plan, Summary] | None = None,
) -> Summary:
    """Compute what this machine's cells lack. `on_interim` is called whenever an interim table is due, with the seconds
    since the start.

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
        _Running(request, catalogue, reporter, planned, summary).compute(cells, on_interim)
    stored = ((store.read(cell.address), cell.key) for cell in planned.cells)
    not_ok = [record for record, key in stored if record is not None and record.key == key and record.outcome != "ok"]
    summary.not_ok = [*not_ok, *summary.unmet]
    return summary


class _Running:
    """A run at work: the order of its cells, what it shows while it goes on, and where it stores them."""

    def __init__(self, request: Request, catalogue: Catalogue, reporter: Reporter, planned: Plan, summary: Summary) -> None:
        self._request, self._catalogue, self._reporter = request, catalogue, reporter
        self._planned, self._summary = planned, summary
        self._store, self._clock, self._shown = Store(), Clock(request.started), False
        self._behind = WriteBehind(self._store)
        self._due = False
        self._unmet: set[Cell] = set()
        self._synthetic = {name for name in summary.cohorts if is_synthetic(name, catalogue)}
        shown = sorted(planned.tasks, key=lambda task: task.dataset in self._synthetic)
        self._interim = Interim(planned.cells, shown, request.suite.primary_metric)
        self._forecast = forecast(planned.cells)
        self._left: Counter[RowName] = Counter()
        self._needs_left = 0.0

    def compute(self, cells: Sequence[Cell], on_interim: Callable[[float], None]) -> None:
        """Compute the cells and what they need, and store each as it ends."""
        debug = self._request.debug and self._request.in_process
        needs = Needs(cells, self._summary.cohorts, self._catalogue, self._forecast, debug=debug)
        needs.check()
        ordered = in_order(cells, self._forecast, {cell: needs.seconds(cell) for cell in cells}, self._synthetic)
        first = FirstCells(self._planned.cells, ordered)
        schedule = Schedule(ordered, needs.by_key, needs.of, first)
        self._left = Counter(cell.address.row for cell in cells)
        self._needs_left = sum(need.seconds for need in needs.by_key.values())
        run_id = _record_run(self._request, self._catalogue)
        request = self._request
        try:
            with self._behind, _executor(request) as executor:
                for line in executor.remarks:
                    self._reporter.say(line)
                work = partial(compute, debug=debug)

                def submit(item: Cell | Need) -> Future[Any]:
                    if isinstance(item, Need):
                        return item.submit(executor)
                    return executor.submit(work, item, fits=item.row.fits, folders=needs.folders(item))

                flight = InFlight(submit, executor)
                status = partial(self._status, flight, executor)
                with self._reporter.progress(len(cells), status=status) as advance:
                    for done in flight.completed(schedule.next, every=TICK):
                        for cell, record in [] if done is None else self._ended(schedule, *done, debug=debug):
                            marks = {"run": run_id, **needs.marks(cell), **self._reproduced(cell, record)}
                            self._keep(cell, replace(record, measured={**record.measured, **marks}))
                            self._take(record)
                            advance(str(record.address), "" if record.outcome == "ok" else f"{record.outcome}: {record.reason}")
                        if self._is_due():
                            self._show()
                            on_interim(self._clock.seconds)
        except KeyboardInterrupt:
            self._show()
            raise
        finally:  # no worker is left: what a killed one tried runs no more
            end_interrupted({cell.address.row for cell in cells if cell.row.fits > 1})
        self._summary.given_up = first.given_up

    def _ended(
        self, schedule: Schedule, item: Cell | Need, future: Future[Any], *, debug: bool
    ) -> Iterator[tuple[Cell, CellRecord]]:
        """The cells that end with an item, with their records: itself, or those that wait for a need that cannot be met."""
        if debug:
            future.result()
        if isinstance(item, Cell):
            ended = [(item, _ended(future, partial(failure, item), "the suite's limit per cell"))]
        else:
            self._needs_left -= item.seconds
            built = _ended(future, Built, "its limit")
            if built.outcome == "ok":
                schedule.met(item)
                return
            reason = f"{item.name}: {built.reason}"
            ended = [(cell, failure(cell, built.outcome, reason, built.traceback)) for cell in schedule.failed(item)]
            self._unmet |= {cell for cell, _ in ended}
        for cell, record in ended:
            schedule.ended(record)
            yield cell, record

    def _take(self, record: CellRecord) -> None:
        self._summary.computed += 1
        self._interim.add(record)
        self._left[record.address.row] -= 1
        if record.outcome == "ok":
            self._forecast.took(record)

    def _keep(self, cell: Cell, record: CellRecord) -> None:
        """Store a record, but not over a result where what the cell needs could not be built: the machine may lack it."""
        before = self._store.read(cell.address) if cell in self._unmet else None
        if before is not None and before.outcome == "ok":
            self._summary.unmet.append(record)
        else:
            self._behind.write(record)

    def _is_due(self) -> bool:
        """Whether an interim table is due; the first one waits until it has some rows."""
        self._due |= self._clock.is_due()
        if not self._due or not (self._shown or self._interim.is_worth_showing):
            return False
        self._due, self._shown = False, True
        return True

    def _show(self) -> None:
        """Print the interim table, of what is stored."""
        self._behind.flush()
        lines = list(self._interim.lines())
        if lines:
            minutes = f"{self._clock.seconds / 60:.1f} min" if self._clock.seconds >= 60 else f"{self._clock.seconds:.0f} s"
            title = f"interim after {minutes}: {metric_name(self._request.suite.primary_metric)} so far, no tests yet"
            self._reporter.say("\n".join([title, *lines]))

    def _status(self, flight: InFlight[Cell | Need, Any], executor: CellExecutor) -> str:
        """Rows that are complete, the time that is left, and what is running."""
        complete, rows = self._interim.complete
        left = self._forecast.left(self._left, self._needs_left, max(executor.at_once, 1))
        named = [
            item.name if isinstance(item, Need) else f"{item.address.method} on {item.address.dataset}"
            for item in flight.running
        ]
        at = f"; now {', '.join(dict.fromkeys(named))}" if named else ""
        return f"{complete} of {rows} rows complete, about {duration(left)} left{at}"

    def _reproduced(self, cell: Cell, record: CellRecord) -> dict[str, bool]:
        """A mark for a cell that was computed again under the same key and gave another answer, now or before.

        A limit of time or memory and a death of the worker are no answer of the method.
        """
        before = self._store.read(cell.address) if cell.state == "fresh" else None
        if before is None:
            return {}
        answers = [
            (each.outcome, each.probabilities, each.columns) for each in (before, record) if each.outcome not in CUT_SHORT
        ]
        changed = len(answers) == 2 and answers[0] != answers[1]
        return {"changed_on_recomputation": True} if changed or before.measured.get("changed_on_recomputation") else {}


def duration(seconds: float) -> str:
    """Seconds in words."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _not_applicable(rows: Iterable[PlannedRow]) -> Iterator[str]:
    """A line for each dataset and reason."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        alike.setdefault((row.dataset, row.not_applicable), []).append(row.method.spelled)
    for (dataset, reason), methods in alike.items():
        named = f"{methods[0]} is" if len(methods) == 1 else f"{len(methods)} methods are"
        some = "" if len(methods) == 1 else f" ({', '.join(methods[:NAMED])}{' ...' if len(methods) > NAMED else ''})"
        yield f"{dataset}: {named} not applicable: {reason}{some}"


def _executor(request: Request) -> CellExecutor:
    """Where a run's cells are computed. Raises `BenchmarkError` where a cluster cannot be used."""
    if request.in_process:
        return InProcess()
    if request.cluster:
        from benchmark.cells.cluster import DaskCluster

        return DaskCluster(request.cluster, request.suite.limits, request.jobs)
    return LocalProcesses(request.jobs or 1, request.suite.limits)


def _ended(future: Future[T], otherwise: Callable[[Outcome, str], T], limit: str) -> T:
    """What a worker answered, or what is made of its running out of time or dying. Raises the `BenchmarkError` of a cluster."""
    if (error := future.exception()) is None:
        return future.result()
    if isinstance(error, BenchmarkError):
        raise error
    return otherwise(*cut_short(error, limit))


def cut_short(error: BaseException, limit: str) -> tuple[Outcome, str]:
    """The outcome of what a worker did not end, with the reason. Raises `BenchmarkError` where no worker was at it."""
    if isinstance(error, BrokenProcessPool):
        raise BenchmarkError(POOL_GONE) from error
    if isinstance(error, TimeoutError):
        return "timeout", f"more time than {limit}"
    if isinstance(error, MemoryError):
        return "out-of-memory", f"more memory than {limit}"
    return "crashed", f"the worker process died: {error}"


def _record_run(request: Request, catalogue: Catalogue) -> str:
    """Store the environment of this run once; returns its id."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    content = {
        "run": run_id,
        "started": now.isoformat(timespec="seconds"),
        "suite": request.suite.name,
        "jobs": request.jobs,
        "executor": "in-process" if request.in_process else request.cluster or "local processes",
        "plugins": list(catalogue.plugins),
        "environment": provenance.environment(),
    }
    write_durably(results_folder() / "runs" / f"{run_id}.json", (json.dumps(content, indent=1) + "\n").encode())
    return run_id
