"""In this process, one cell after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from benchmark.cells.executors import CellExecutor, R


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
