"""In worker processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from benchmark.cells.compute import initialise
from benchmark.cells.executors import CellExecutor, R
from benchmark.suites.suite import Limits
from benchmark.system.threads import limit_threads


class LocalProcesses(CellExecutor):
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

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def submit(self, fn: Callable[..., R], /, *args: Any, fits: int | None = 1) -> Future[R]:
        """Run a function in a worker; past the time limit the worker is killed and the future holds a TimeoutError."""
        future: Future[R] = self._pool.schedule(fn, args=list(args), timeout=None if fits is None else fits * self._seconds)
        return future
