"""What a leaderboard can show: the minimum detectable difference and the |t| that Holm's first rejection needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtr, ndtri

from benchmark.statistics.multiplicity import ALPHA
from benchmark.statistics.student import quantile

POWER = 0.8


@dataclass(frozen=True)
class Power:
    """The sensitivity of a family of comparisons.

    `first_rejection_t` is the |t| that the smallest p of the family needs; `detectable` the true difference that it finds with
    power .8 for a pair of typical standard error; `detectable_alone` the same for one comparison named in advance.
    """

    pairs: int
    df: float
    first_rejection_t: float
    detectable: float
    detectable_alone: float


def detectable_difference(
    errors: ArrayLike, df: float, pairs: int | None = None, alpha: float = ALPHA, power: float = POWER
) -> Power:
    """From the pairs' standard errors (P,), NaN for pairs not tested; `pairs` is their number where some have no variance.

    Minimum detectable difference = median SE x the noncentrality at which t exceeds Holm's first threshold, which is
    Bonferroni's, t at 1 - alpha/2K, with probability `power`; K the number of pairs.
    """
    tested = np.asarray(errors, dtype=np.float64)
    tested = tested[~np.isnan(tested)]
    if len(tested) == 0:
        return Power(0, df, np.nan, np.nan, np.nan)
    pairs = len(tested) if pairs is None else pairs
    first, alone = quantile(df, 1 - alpha / (2 * pairs)), quantile(df, 1 - alpha / 2)
    error = float(np.median(tested))
    return Power(pairs, df, first, error * _noncentrality(df, first, power), error * _noncentrality(df, alone, power))


def _noncentrality(df: float, threshold: float, power: float) -> float:
    """The d at which t(df, d) exceeds the threshold with the given probability; the normal's at infinitely many df."""
    if np.isinf(df):
        return float(threshold + ndtri(power))
    low, high = 0.0, 10.0 * threshold
    for _ in range(60):  # bisection: SciPy's own inverse (nctdtrinc) is good to 6e-8 only
        middle = (low + high) / 2.0
        low, high = (middle, high) if nctdtr(df, middle, threshold) > 1.0 - power else (low, middle)
    return low
