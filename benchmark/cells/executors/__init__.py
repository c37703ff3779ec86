"""Executors: where cells are computed. Each gives futures, as `concurrent.futures` does."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, TypeVar

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
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
