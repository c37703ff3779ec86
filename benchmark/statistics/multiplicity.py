"""One matrix of comparisons: Holm over all pairs, and the best set and rank intervals that follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA = 0.05


def holm(p: ArrayLike, awaited: int = 0) -> Floats:
    """Holm's step-down adjustment of `p` (K,) (Scand J Stat 6, 1979). NaN stays NaN and does not count in the family.

    `awaited` comparisons belong to the family besides, whose p-values are not known yet: they count as if they were 1.
    """
    values = np.asarray(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    adjusted = np.full(values.shape, np.nan)
    steps = np.arange(len(order), 0, -1) + awaited
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return adjusted


def better_than(
    p_holm: Floats, difference: Floats, a: NDArray[np.intp], b: NDArray[np.intp], methods: int, alpha: float = ALPHA
) -> Bools:
    """The matrix (M, M) whose entry [i, j] says that i is significantly better than j.

    `p_holm`, `difference` (a - b, greater is better), `a`, `b` are (P,), each unordered pair once.
    """
    better = np.zeros((methods, methods), dtype=bool)
    significant = p_holm < alpha
    better[a, b] = significant & (difference > 0)
    better[b, a] = significant & (difference < 0)
    return better


def best_set(better: Bools) -> Bools:
    """The methods (M,) not distinguishable from the best: no other is significantly better."""
    return np.asarray(~better.any(axis=0))


def rank_intervals(better: Bools, awaited: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From 1 + (number significantly better) to M + `awaited` rows that are still to come - (number significantly worse)."""
    return 1 + better.sum(axis=0), len(better) + awaited - better.sum(axis=1)
