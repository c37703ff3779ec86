"""Executors: where cells are computed, in this process or in worker processes. Each gives futures, as `concurrent.futures`."""

import multiprocessing
import os
import signal
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Generic, TypeVar, cast

from benchmark.suites.suite import Limits
from benchmark.system.errors import BenchmarkError
from benchmark.system.orphans import end_with_parent
from benchmark.system.secrets import take_secrets
from benchmark.system.terminal import print_any_letter
from benchmark.system.threads import limit_threads

R = TypeVar("R")
T = TypeVar("T")
OwnLimits = tuple[float | None, float | None]
"""Seconds and GiB of memory in place of those of a cell; None for each that stays."""


def bounds(limits: Limits, fits: int | None, own: OwnLimits) -> tuple[float | None, float]:
    """The seconds (None: no limit) and the GiB of memory that a function of so many fits may take."""
    seconds, memory_gib = own
    of_fits = None if fits is None else fits * limits.seconds
    return of_fits if seconds is None else seconds, limits.memory_gib if memory_gib is None else memory_gib


@dataclass(frozen=True)
class Folders:
    """Sealed folders below the data folder that a function reads, and those that it makes."""

    needs: tuple[Path, ...] = ()
    makes: tuple[Path, ...] = ()


NO_FOLDERS = Folders()
POOL_GONE = (
    "a worker process was killed while it waited (is memory short?): finished cells are saved; run the same command again"
)


class CellExecutor(AbstractContextManager["CellExecutor"]):
    """What the runner needs of an executor; leaving the block with an exception stops what is running."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """How many functions run at once, by what is known now."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """How many functions should be submitted and not have ended, so that no worker waits."""

    @property
    def remarks(self) -> list[str]:
        """What a user should know of it before anything is computed, a line each."""
        return []

    @abstractmethod
    def submit(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        fits: int | None = 1,
        limits: OwnLimits = (None, None),
        folders: Folders = NO_FOLDERS,
    ) -> Future[R]:
        """Run a function with `fits` times the time limit of a cell, for it may fit its method so often; None: without a limit.

        An executor whose workers have data folders of their own brings `folders` to them, and from them. The future fails with
        TimeoutError past the limit, or with another exception where the worker died.
        """


class InProcess(CellExecutor):
    """Runs each function where it is submitted: for tests and debugging; there are no hard limits."""

    at_once = in_flight = 1

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        return None

    def submit(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        fits: int | None = 1,
        limits: OwnLimits = (None, None),
        folders: Folders = NO_FOLDERS,
    ) -> Future[R]:
        """A future that is done."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalProcesses(CellExecutor):
    """Worker processes of this machine, one thread each, with hard limits of time and memory per task (pebble).

    They end with this process, however that ends, and get no secrets of its environment: it has none while they are there.
    `variables` are added to their environment; `prepare` is called in each
    before its first task, outside of any limit.
    """

    def __init__(
        self,
        jobs: int,
        limits: Limits,
        variables: Mapping[str, str] = MappingProxyType({}),
        prepare: Callable[[], object] | None = None,
    ) -> None:
        from pebble import ProcessPool
        from pebble.pool import process

        # its limits go by a clock that nobody sets, and that stands still while a laptop sleeps
        process.time = SimpleNamespace(time=time.monotonic, sleep=time.sleep)
        self._jobs, self._limits = jobs, limits
        limit_threads()
        self._secrets = take_secrets()
        self._pool = ProcessPool(
            max_workers=jobs,
            initializer=_initialise,
            initargs=[dict(variables), prepare],
            context=multiprocessing.get_context("spawn"),
        )

    @property
    def at_once(self) -> int:
        """The worker processes."""
        return self._jobs

    @property
    def is_whole(self) -> bool:
        """Whether it takes tasks: no longer once a process died that was at none."""
        return bool(self._pool.active)

    @property
    def in_flight(self) -> int:
        """Two for each worker: the next one waits where the last one ends."""
        return 2 * self._jobs

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._pool.close()
            self._pool.join()
            os.environ.update(self._secrets)
        else:
            self.end()

    def end(self) -> None:
        """Stop what is running."""
        self._pool.stop()
        self._pool.join()
        os.environ.update(self._secrets)

    def submit(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        fits: int | None = 1,
        limits: OwnLimits = (None, None),
        folders: Folders = NO_FOLDERS,
    ) -> Future[R]:
        """Run a function in a worker; past the time limit the worker is killed and the future holds a TimeoutError."""
        seconds, memory_gib = bounds(self._limits, fits, limits)
        try:
            call = [int(memory_gib * 2**30), fn, *args]
            return cast(Future[R], self._pool.schedule(_bounded, args=call, timeout=seconds))
        except RuntimeError as error:
            raise BenchmarkError(POOL_GONE) from error


def _initialise(variables: Mapping[str, str], prepare: Callable[[], object] | None) -> None:
    """Prepare a worker process: it ends with its parent, leaves Ctrl-C to that, and prints any letter."""
    end_with_parent()
    os.environ.update(variables)
    print_any_letter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()


def _bounded(memory_bytes: int, fn: Callable[..., R], *args: Any) -> R:
    """Call a function with so much memory at most for the process."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
    return fn(*args)


class InFlight(Generic[T, R]):
    """What is submitted and has not ended: item by future."""

    def __init__(self, submit: Callable[[T], Future[R]], executor: CellExecutor) -> None:
        self._submit, self._executor = submit, executor
        self._items: dict[Future[R], T] = {}

    @property
    def running(self) -> list[T]:
        """The items at which a worker is now."""
        return [item for future, item in list(self._items.items()) if future.running()]

    def completed(self, give: Callable[[], T | None], every: float | None = None) -> Iterator[tuple[T, Future[R]] | None]:
        """Each item and its future, in the order in which they complete; `give` gives the next item to submit.

        It gives None where nothing is left, or where what is left waits for the end of another item. None is yielded when
        `every` seconds went by in which nothing completed.
        """
        while True:
            while len(self._items) < self._executor.in_flight and (item := give()) is not None:
                self._items[self._submit(item)] = item
            if not self._items:
                return
            done = wait(self._items, timeout=every, return_when=FIRST_COMPLETED).done
            if not done:
                yield None
            for future in sorted(done, key=lambda future: future.exception() is not None):  # what ends the run comes last
                yield self._items.pop(future), future


def default_jobs() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
