"""Tests by Student's t, or by the normal at infinitely many degrees of freedom.

For repeated cross-validation alone: Nadeau and Bengio's corrected resampled t (Machine Learning 52, 2003).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from benchmark.statistics.arrays import Bools, Floats

ZERO = 1e-12
"""Standard errors and differences of metrics below this are rounding, not variation."""
TEST_OVER_TRAIN = 0.25
"""5 folds: a fifth of the cases is tested, all others are the learning procedure's (validation included)."""
ROPE = 0.01
"""The region of practical equivalence: half its width, in units of the metric."""
EQUIVALENT = 0.95
"""Two rows are called equivalent where the probability to lie in it is greater."""


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
    degenerate: Bools


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


def corrected_t(differences: ArrayLike, test_over_train: float = TEST_OVER_TRAIN) -> Test:
    """Two-sided test of paired differences (..., J) over J (seed, fold) cells; J - 1 degrees of freedom.

    t = mean(d) / sqrt((1/J + n_test/n_train) var(d)): the second term stands for the correlation between cells whose
    training parts overlap, and does not shrink with more seeds. Zero variance: p = 1 when the mean is 0, else p = 0, flagged.
    """
    d = np.asarray(differences, dtype=np.float64)
    return t_test(d.mean(axis=-1), corrected_error(d, test_over_train), d.shape[-1] - 1)


def corrected_interval(values: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of the mean of single fold values (..., J); not cut to the metric's range (the caller's part)."""
    mean, half = values.mean(axis=-1), quantile(values.shape[-1] - 1) * corrected_error(values)
    return mean - half, mean + half


def equivalence(differences: Floats) -> Floats:
    """P(|difference| < `ROPE`) by the Bayesian correlated t (Corani and Benavoli, 2015): (..., J) -> (...).

    Under a flat prior the posterior of the mean is the corrected t's own distribution: rho / (1 - rho) = n_test / n_train.
    Without variance it is 0 or 1; NaN for fewer than two cells.
    """
    mean, error, df = differences.mean(axis=-1), corrected_error(differences), differences.shape[-1] - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = stdtr(df, (ROPE - mean) / error) - stdtr(df, (-ROPE - mean) / error)
    return np.asarray(np.where(error <= ZERO, (np.abs(mean) < ROPE).astype(np.float64), inside))


def corrected_error(values: Floats, test_over_train: float = TEST_OVER_TRAIN) -> Floats:
    """The standard error sqrt((1/J + n_test/n_train) var) of the mean over the last axis; NaN for fewer than two cells."""
    cells = values.shape[-1]
    if cells < 2:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(np.sqrt((1.0 / cells + test_over_train) * values.var(axis=-1, ddof=1)))
