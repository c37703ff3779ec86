"""Real worker processes with small limits: each way to go wrong has its outcome, and none stops the others."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from benchmark.cells import interim
from benchmark.cells.executors import InFlight, InProcess, LocalProcesses, default_jobs
from benchmark.cells.planning import plan
from benchmark.cells.run import Request, cut_short, run
from benchmark.cells.store import CellRecord, Store
from benchmark.data.preparation import load_cohort
from benchmark.suites.suite import Limits, Suite
from benchmark.system.errors import BenchmarkError
from benchmark.system.threads import VARIABLES
from tests.made_benchmark import MadeBenchmark

AMPLE = Limits(seconds=120, memory_gib=2)
SHORT = Limits(seconds=3, memory_gib=2)
OUTCOMES = {
    "failing": "failed",
    "invalid": "invalid",
    "invalid[gives=shape]": "invalid",
    "invalid[gives=above]": "invalid",
    "sleeping": "timeout",
    "hungry": "out-of-memory",
    "dying": "crashed",
    "dying[by=killed]": "crashed",
    "steady": "ok",
    "majority": "ok",
}


class Quiet:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    @contextlib.contextmanager
    def progress(
        self, total: int, unit: str = "cells", status: Callable[[], str] | None = None
    ) -> Iterator[Callable[[str, str], None]]:
        yield lambda name, problem: None


def suite(*methods: str, limits: Limits = AMPLE) -> Suite:
    return Suite("s", "t", ("made",), ("holdout",), methods, limits=limits)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellRecord]:
    """The records of runs of every bad method and two good ones, by method."""
    folder = tmp_path_factory.mktemp("outcomes")
    made = MadeBenchmark(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DATA", "OUTPUT"):
            patch.setenv(f"STROKEBENCH_{name}", str(folder / name))
        for name in VARIABLES:
            patch.setenv(name, "1")
        catalogue = made.catalogue(made.broken)
        others = [method for method in OUTCOMES if method != "sleeping"]
        for each in (suite(*others), suite("sleeping", limits=SHORT)):
            run(Request(each, seeds=(39,)), catalogue, Quiet(), lambda seconds: None)
        return {method: Store().row("made", "holdout", method).get("holdout-seed39") for method in OUTCOMES}


@pytest.mark.slow
@pytest.mark.parametrize("method", OUTCOMES)
def test_each_cell_has_its_own_outcome_whatever_the_others_do(outcomes: dict[str, CellRecord], method: str) -> None:
    record = outcomes[method]
    assert record is not None, f"{method} has no record"
    assert record.outcome == OUTCOMES[method], record.reason
    assert bool(record.probabilities) == (record.outcome == "ok")
    assert bool(record.reason) == (record.outcome != "ok")


@pytest.mark.slow
def test_a_worker_that_ends_by_sys_exit_costs_its_cell_alone(made: MadeBenchmark) -> None:
    catalogue = made.catalogue(made.broken)
    run(Request(suite("dying[by=quit]", "majority"), seeds=(39,)), catalogue, Quiet(), lambda seconds: None)
    found = {method: Store().row("made", "holdout", method) for method in ("dying[by=quit]", "majority")}
    assert found["majority"]["holdout-seed39"].outcome == "ok"
    assert found["dying[by=quit]"]["holdout-seed39"].outcome == "failed"


@pytest.mark.slow
def test_predictions_do_not_depend_on_the_number_of_workers(
    made: MadeBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = made.catalogue(made.broken)
    parts: list[dict[str, bytes]] = []
    for jobs, in_process in ((1, True), (1, False), (2, False)):
        monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / f"{jobs}{in_process}"))
        run(Request(suite("dicey", "steady"), jobs=jobs, in_process=in_process), catalogue, Quiet(), lambda seconds: None)
        planned = plan(suite("dicey", "steady"), catalogue, {"made": load_cohort("made", catalogue)}, Store())
        parts.append({str(cell.address): Store().path(cell.address).read_bytes().split(b"\n")[1] for cell in planned.cells})
    assert len(parts[0]) == 5
    assert parts[0] == parts[1] == parts[2]


def test_a_second_run_computes_nothing(made: MadeBenchmark) -> None:
    catalogue, reporter = made.catalogue(made.broken), Quiet()
    request = Request(suite("steady", "failing"), in_process=True)
    assert run(request, catalogue, Quiet(), lambda seconds: None).computed == 5
    again = run(request, catalogue, reporter, lambda seconds: None)
    assert again.computed == 0
    assert [record.outcome for record in again.not_ok] == ["failed"] * 4
    assert any("all 5 cells are fresh" in line for line in reporter.lines)


def test_interim_tables_are_due_at_their_times_and_each_once(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    seconds = itertools.count()
    monkeypatch.setattr(interim, "monotonic", lambda: next(seconds))  # a second goes by whenever the clock is looked at
    monkeypatch.setattr(interim, "DUE", (12.0, 3600.0))
    monkeypatch.setattr(interim, "FEW", 1)
    request, reporter = Request(suite("dicey", "failing"), in_process=True, started=0.0), Quiet()
    run(request, made.catalogue(made.broken), reporter, told.append)
    assert len(told) == 1
    assert 12 <= told[0] < 60
    shown = next(line for line in reporter.lines if line.startswith("interim after"))
    assert "AUC so far, no tests yet\n  made x holdout, " in shown
    assert re.search(r"1 of 2 rows, seed 39\n    dicey  0\.\d{3}$", shown)


# Workers


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalProcesses]:
    for name in VARIABLES:
        monkeypatch.setenv(name, "4")
    with LocalProcesses(1, Limits(seconds=2, memory_gib=1.5)) as pool:
        yield pool


def test_a_worker_has_one_thread_its_memory_limit_and_leaves_ctrl_c_to_the_parent(workers: LocalProcesses) -> None:
    assert [workers.submit(os.getenv, name).result() for name in VARIABLES] == ["1"] * len(VARIABLES)
    assert workers.submit(resource.getrlimit, resource.RLIMIT_DATA).result()[0] == 1.5 * 2**30
    assert workers.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
    assert workers.submit(os.getpid).result() != os.getpid()


def test_a_task_past_its_time_is_killed_and_the_next_one_runs(workers: LocalProcesses) -> None:
    first = workers.submit(os.getpid).result()
    started = time.perf_counter()
    assert isinstance(workers.submit(time.sleep, 60).exception(), TimeoutError)
    assert time.perf_counter() - started < 20
    assert workers.submit(os.getpid).result() != first


def test_the_death_of_a_worker_fails_its_task_and_the_next_one_runs(workers: LocalProcesses) -> None:
    dead, alive = workers.submit(exec, "import os, time; time.sleep(0.5); os._exit(7)"), workers.submit(abs, -1)
    error = dead.exception()
    assert error is not None
    assert not isinstance(error, TimeoutError)
    assert alive.result() == 1


def test_a_worker_that_is_killed_while_it_waits_ends_the_run_in_one_line(workers: LocalProcesses) -> None:
    os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
    until = time.monotonic() + 60
    while workers.is_whole:
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(BenchmarkError, match="a worker process was killed while it waited"):
        workers.submit(abs, -1)
    with pytest.raises(BenchmarkError, match="a worker process was killed while it waited"):
        cut_short(BrokenProcessPool(), "its limit")


def test_limits_go_by_a_clock_that_nobody_sets(workers: LocalProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    task = workers.submit(time.sleep, 1)
    until = time.monotonic() + 60
    while not task.running():
        assert time.monotonic() < until
        time.sleep(0.01)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)  # a laptop wakes up
    assert task.exception() is None


def test_leaving_with_an_exception_stops_what_is_running() -> None:
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), LocalProcesses(1, Limits(seconds=120)) as pool:
        pid = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 100)
        raise KeyboardInterrupt
    assert time.perf_counter() - started < 30
    assert pid not in {child.pid for child in multiprocessing.active_children()}


def test_in_process_a_future_is_done_and_holds_result_or_exception() -> None:
    with InProcess() as executor:
        assert executor.submit(abs, -1).result() == 1
        assert isinstance(executor.submit(int, "x").exception(), ValueError)


def test_jobs_default_to_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert default_jobs() == 3


def test_of_what_ends_together_the_good_results_come_first() -> None:
    class Pool(InProcess):
        in_flight = 16

    def work(number: int) -> int:
        return 1 // (number % 2)

    pool, numbers = Pool(), iter(range(16))
    flight = InFlight(lambda number: pool.submit(work, number), pool)
    ended = [done for done in flight.completed(lambda: next(numbers, None)) if done is not None]
    assert [future.exception() is None for _, future in ended] == [True] * 8 + [False] * 8
