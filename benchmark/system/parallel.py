"""A list computed by forked processes, each of which sees what its parent holds; computed here where forking is not safe."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from benchmark.system.orphans import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(function: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> list[Result]:
    """`[function(item) for item in items]`, by as many processes as `jobs` says; results travel as pickles, items do not.

    A process that has other threads is not forked: a lock that one of them holds would stay closed in the child. Where a child
    fails, everything is computed here, so that an error is raised as it is.
    """
    if jobs > 1 and len(items) > 1 and _can_fork():
        context = multiprocessing.get_context("fork")
        with suppress(Exception), ProcessPoolExecutor(min(jobs, len(items)), context, _take, (function, items)) as pool:
            return list(pool.map(_call, range(len(items))))
    return [function(item) for item in items]


def _can_fork() -> bool:
    return sys.platform == "linux" and threading.active_count() == 1


_TAKEN: list[Any] = []


def _take(function: Callable[[Any], Any], items: Sequence[Any]) -> None:
    """Remember in a child what it is to compute: both came with the fork. It ends with its parent, however that ends."""
    end_with_parent()
    _TAKEN[:] = [function, items]


def _call(position: int) -> Any:
    function, items = _TAKEN
    return function(items[position])
