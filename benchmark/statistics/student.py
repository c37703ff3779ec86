"""A tested estimate: mean, standard error, Student's t (or the normal, at infinitely many degrees of freedom)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]

ZERO = 1e-12
"""Standard errors and differences of metrics below this are rounding, not variation."""


@dataclass(frozen=True, eq=False)
class Test:
    """The result of a two-sided test of mean = 0; all arrays of one shape, NaN where the estimate is undefined.

    `low` and `high` bound the 95 % interval; `degenerate` marks an estimate without variance: p is then 1 for a mean of 0,
    else 0.
    """

    __test__ = False  # not a test class of pytest

    mean: Floats
    error: Floats
    statistic: Floats
    df: float
    p: Floats
    low: Floats
    high: Floats
    degenerate: NDArray[np.bool_]


def t_test(mean: ArrayLike, error: ArrayLike, df: float) -> Test:
    """Test estimates (...) with standard errors (...) of the same shape by t with `df` degrees of freedom."""
    mean, error = np.asarray(mean, dtype=np.float64), np.asarray(error, dtype=np.float64)
    degenerate = error <= ZERO
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = mean / error
    statistic = np.where(degenerate, np.where(np.abs(mean) <= ZERO, 0.0, np.copysign(np.inf, mean)), statistic)
    statistic = np.where(np.isnan(mean), np.nan, statistic)
    half = quantile(df) * error
    p = np.asarray(2.0 * stdtr(df, -np.abs(statistic)))
    return Test(mean, error, statistic, df, p, mean - half, mean + half, degenerate)


def quantile(df: float, p: float = 0.975) -> float:
    """The p-quantile of t with `df` degrees of freedom."""
    return float(stdtrit(df, p))
