"""One matrix of comparisons: Holm over all pairs, and the best set, rank intervals and letters that follow from it."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA = 0.05
ALPHABET = ascii_lowercase + ascii_uppercase


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


def letters(better: Bools) -> list[str]:
    """The letters of M methods in display order, from the matrix (M, M) of `better_than`: a compact letter display.

    Rows that share a letter are not shown to differ (Piepho, J Comput Graph Stat 13, 2004).

    Insert and absorb: one column of letters holds all methods; for each significant pair every column that holds both is split
    in two, and columns within others are absorbed. Two methods share a letter exactly where neither is significantly better.
    Columns are lettered by their best method, then the next. Beyond 52 columns letters are numbered: `a2`.
    """
    differ = better | better.T
    columns = {frozenset(range(len(better)))}
    for a, b in zip(*np.nonzero(np.triu(differ)), strict=True):
        together = {column for column in columns if a in column and b in column}
        split = {column - {left} for column in together for left in (int(a), int(b))}
        kept = columns - together
        columns = kept | {new for new in split if not any(new <= old for old in kept) and not any(new < old for old in split)}
    ordered = sorted((sorted(column) for column in columns), key=lambda column: (column, len(column)))
    return ["".join(_letter(i) for i, column in enumerate(ordered) if method in column) for method in range(len(better))]


def _letter(place: int) -> str:
    turn, rest = divmod(place, len(ALPHABET))
    return ALPHABET[rest] + (str(turn + 1) if turn else "")
