"""Side effects of a method that a check looks for: what it unpickles, and what it changes in place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmark.data.cohort import Cohort
from benchmark.system import provenance


class _PickleWatch:
    """An audit hook, which cannot be removed: outside `unpickling` it does nothing."""

    def __init__(self) -> None:
        self.seen: list[str] | None = None
        self.hooked = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is not None and event == "pickle.find_class":
            self.seen.append(".".join(map(str, arguments)))


_WATCH = _PickleWatch()


@contextmanager
def unpickling() -> Iterator[list[str]]:
    """The classes and functions that pickles name while the block runs, as `module.name`.

    `torch.load(weights_only=True)` resolves names by its own list and adds none; nor do pickles of plain numbers and text.
    """
    if not _WATCH.hooked:
        sys.addaudithook(_WATCH)
        _WATCH.hooked = True
    seen: list[str] = []
    _WATCH.seen = seen
    try:
        yield seen
    finally:
        _WATCH.seen = None


def digests(cohort: Cohort) -> dict[str, str]:
    """Part of a view -> its digest, for every part and for the rows that the view holds."""
    parts = {part.name: list(part.digested(value)) for part, value in cohort.contents()}
    return {name: provenance.digest(_json(value)) for name, value in (*parts.items(), ("rows", cohort.rows))}


def _json(value: Any) -> Any:
    """Arrays as JSON has them, at any depth."""
    if isinstance(value, np.ndarray):
        return [value.dtype.str, value.shape, value.tobytes().hex()]
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value
