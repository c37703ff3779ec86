"""Executors: where cells are computed, in this process or in worker processes. Each gives futures, as `concurrent.futures`."""

import multiprocessing
import os
import signal
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from itertools import islice, takewhile
from typing import Any, TypeVar, cast

from benchmark.suites.suite import Limits
from benchmark.system.terminal import print_any_letter
from benchmark.system.threads import limit_threads

R = TypeVar("R")
T = TypeVar("T")


class CellExecutor(AbstractContextManager["CellExecutor"]):
    """What the runner needs of an executor; leaving the block with an exception stops what is running."""

    in_flight: int

    @abstractmethod
    def submit(self, fn: Callable[..., R], /, *args: Any, fits: int | None = 1) -> Future[R]:
        """Run a function with `fits` times the time limit of a cell, for it may fit its method so often; None: without a limit.

        The future fails with TimeoutError past the limit, or with another exception where the worker died.
        """


class InProcess(CellExecutor):
    """Runs each function where it is submitted: for tests and debugging; there are no hard limits."""

    in_flight = 1

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        return None

    def submit(self, fn: Callable[..., R], /, *args: Any, fits: int | None = 1) -> Future[R]:
        """A future that is done."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalProcesses(CellExecutor):
    """Worker processes of this machine, one thread each, with hard limits of time and memory per task (pebble)."""

    def __init__(self, jobs: int, limits: Limits) -> None:
        from pebble import ProcessPool

        self.in_flight = 2 * jobs
        self._seconds = limits.seconds
        limit_threads()
        self._pool = ProcessPool(
            max_workers=jobs,
            initializer=_initialise,
            initargs=(int(limits.memory_gib * 2**30),),
            context=multiprocessing.get_context("spawn"),
        )

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def submit(self, fn: Callable[..., R], /, *args: Any, fits: int | None = 1) -> Future[R]:
        """Run a function in a worker; past the time limit the worker is killed and the future holds a TimeoutError."""
        limit = None if fits is None else fits * self._seconds
        return cast(Future[R], self._pool.schedule(fn, args=list(args), timeout=limit))


def _initialise(memory_bytes: int) -> None:
    """Prepare a worker process: bound its memory, leave Ctrl-C to the parent, print any letter."""
    print_any_letter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def completed(items: Iterable[T | None], submit: Callable[[T], Future[R]], in_flight: int) -> Iterator[tuple[T, Future[R]]]:
    """Each item and its future, in the order in which they complete; at most `in_flight` are submitted at a time.

    None among the items holds back what follows until one more is complete.
    """
    waiting = iter(items)
    running: dict[Future[R], T] = {}
    while True:
        ready = takewhile(lambda item: item is not None, islice(waiting, in_flight - len(running)))
        running |= {submit(item): item for item in ready if item is not None}
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future


def default_jobs() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
