"""What a method does behind its predictions, as a check sees it: what it unpickles, and what it changes in place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from benchmark.data.cohort import Cohort
from benchmark.system import provenance


class _PickleWatch:
    """An audit hook, which cannot be taken out again: outside `unpickling` it does nothing."""

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
    """Part of a view -> its digest, for every part that a method could change in place; `present` by name.

    Images and atlas are memory maps opened for reading: writing into them raises.
    """
    return {name: _digest(value) for name, value in _parts(cohort).items()}


def _parts(cohort: Cohort) -> dict[str, Any]:
    plain = ("case_ids", "labels", "sites", "groups", "table", "reports", "derived", "rows")
    return {
        **{name: getattr(cohort, name) for name in plain},
        **{f"present['{name}']": there for name, there in cohort.present.items()},
    }


def _digest(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return provenance.digest([value.dtypes.astype(str).tolist(), value.to_csv()])
    if isinstance(value, np.ndarray):
        return provenance.digest([value.dtype.str, value.shape, value.tobytes().hex()])
    return provenance.digest(value)
