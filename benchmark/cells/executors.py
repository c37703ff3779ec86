"""Executors: where cells are computed. Each gives futures, as `concurrent.futures` does."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

from benchmark.cells.compute import initialise
from benchmark.suites.suite import Limits
from benchmark.system.threads import limit_threads

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class CellExecutor(Protocol):
    """What the runner needs of an executor; leaving the block with an exception stops what is running."""

    in_flight: int

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run a function; its future fails with TimeoutError, or with another exception where the worker died."""

    def submit_for(self, fits: int, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Like `submit`, with the time limit multiplied by `fits`, for a cell that fits its method so often."""

    def prepare(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Like `submit` without a time limit, for what is no cell, such as encoding a dataset."""

    def __enter__(self) -> CellExecutor: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class InProcess:
    """Runs each function where it is submitted: for tests and debugging; there are no hard limits."""

    in_flight = 1

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        return None

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """A future that is done."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def submit_for(self, fits: int, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """A future that is done."""
        return self.submit(fn, *args, **kwargs)

    prepare = submit


class LocalProcesses:
    """Worker processes of this machine, one thread each, with hard limits of time and memory per task (pebble)."""

    def __init__(self, jobs: int, limits: Limits) -> None:
        from pebble import ProcessPool

        self.in_flight = 2 * jobs
        self._seconds = limits.seconds
        limit_threads()
        self._pool = ProcessPool(
            max_workers=jobs,
            initializer=initialise,
            initargs=(int(limits.memory_gib * 2**30),),
            context=multiprocessing.get_context("spawn"),
        )

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run a function in a worker; past the time limit the worker is killed and the future holds a TimeoutError."""
        return self.submit_for(1, fn, *args, **kwargs)

    def submit_for(self, fits: int, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Like `submit`, with the time limit multiplied by `fits`."""
        future: Future[R] = self._pool.schedule(fn, args=list(args), kwargs=kwargs, timeout=fits * self._seconds)
        return future

    def prepare(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run a function in a worker without a time limit."""
        future: Future[R] = self._pool.schedule(fn, args=list(args), kwargs=kwargs)
        return future


def completed(items: Iterable[T], submit: Callable[[T], Future[R]], in_flight: int) -> Iterator[tuple[T, Future[R]]]:
    """Each item and its future, in the order in which they complete; at most `in_flight` are submitted at a time."""
    waiting = iter(items)
    running: dict[Future[R], T] = {}
    while True:
        running |= {submit(item): item for item in islice(waiting, in_flight - len(running))}
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future


def default_jobs() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
