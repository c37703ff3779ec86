"""One matrix of comparisons: Holm, what follows from adjusted p (best set, rank intervals, letters), and a family's power."""

from dataclasses import dataclass
from string import ascii_letters

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, ndtri

from benchmark.statistics.arrays import Bools, Counts, Floats, Index

ALPHA = 0.05
POWER = 0.8


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


def better_than(p_adjusted: Floats, difference: Floats, a: Index, b: Index, methods: int) -> Bools:
    """The matrix (M, M) whose entry [i, j] says that i is significantly better than j.

    `p_adjusted`, `difference` (a - b, greater is better), `a`, `b` are (P,), each unordered pair once.
    """
    better = np.zeros((methods, methods), dtype=bool)
    better[a, b] = (p_adjusted < ALPHA) & (difference > 0)
    better[b, a] = (p_adjusted < ALPHA) & (difference < 0)
    return better


def best_set(better: Bools) -> Bools:
    """The methods (M,) not distinguishable from the best: no other is significantly better."""
    return np.asarray(~better.any(axis=0))


def rank_intervals(better: Bools, awaited: int = 0) -> tuple[Counts, Counts]:
    """From 1 + (number significantly better) to M + `awaited` rows that are still to come - (number significantly worse)."""
    return 1 + better.sum(axis=0), len(better) + awaited - better.sum(axis=1)


def letters(better: Bools) -> list[str]:
    """The letters of M methods in display order, from the matrix (M, M) of `better_than`: a compact letter display.

    Rows that share a letter are not shown to differ (Piepho, J Comput Graph Stat 13, 2004).

    Insert and absorb: one column of letters holds all methods; for each significant pair every column that holds both is split
    in two, and columns within others are absorbed. Two methods share a letter exactly where neither is significantly better.
    Columns are lettered by their best method, then the next. Beyond 52 columns letters are numbered: `a2`.
    """
    columns = {frozenset(range(len(better)))}
    for a, b in zip(*np.nonzero(np.triu(better | better.T)), strict=True):
        together = {column for column in columns if a in column and b in column}
        split = {column - {left} for column in together for left in (int(a), int(b))}
        kept = columns - together
        columns = kept | {new for new in split if not any(new <= old for old in kept) and not any(new < old for old in split)}
    ordered = sorted((sorted(column) for column in columns), key=lambda column: (column, len(column)))
    return ["".join(_letter(i) for i, column in enumerate(ordered) if method in column) for method in range(len(better))]


def _letter(place: int) -> str:
    turn, rest = divmod(place, len(ascii_letters))
    return ascii_letters[rest] + (str(turn + 1) if turn else "")


@dataclass(frozen=True)
class Power:
    """The sensitivity of a family of comparisons.

    `first_rejection_t` is the |t| that the first rejection needs; `detectable` the true difference that is then found with
    probability `POWER` for a pair of typical standard error; `detectable_alone` the same for one comparison named in advance.
    """

    pairs: int
    df: float
    first_rejection_t: float
    detectable: float
    detectable_alone: float


def detectable_difference(error: ArrayLike, df: float, critical: float) -> Floats:
    """The true differences (...) that are found with probability `POWER` where |t| must exceed `critical`.

    Standard error (...) x the noncentrality at which t with `df` degrees of freedom exceeds it so often.
    """
    return np.asarray(error, dtype=np.float64) * _noncentrality(df, critical)


def _noncentrality(df: float, threshold: float) -> float:
    """The d at which t(df, d) exceeds the threshold with probability `POWER`; the normal's at infinitely many df."""
    if np.isinf(df) or np.isnan(df + threshold):
        return float(threshold + ndtri(POWER))
    low, high = 0.0, 10.0 * threshold
    for _ in range(60):  # bisection: SciPy's own inverse (nctdtrinc) is good to 6e-8 only
        middle = (low + high) / 2.0
        low, high = (middle, high) if nctdtr(df, middle, threshold) > 1.0 - POWER else (low, middle)
    return low
