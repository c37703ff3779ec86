"""Nadeau and Bengio's corrected resampled t (Machine Learning 52, 2003), for repeated cross-validation only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from benchmark.statistics.student import ZERO, Test, quantile, t_test

Floats = NDArray[np.float64]

TEST_OVER_TRAIN = 0.25
"""5 folds: a fifth of the cases is tested, all others are the learning procedure's (validation included)."""

ROPE = 0.01
"""The region of practical equivalence: half its width, in units of the metric."""
EQUIVALENT = 0.95
"""Two rows are called equivalent where the probability to lie in it is greater."""


def corrected_t(differences: ArrayLike, test_over_train: float = TEST_OVER_TRAIN) -> Test:
    """Two-sided test of paired differences (..., J) over J (seed, fold) cells; J - 1 degrees of freedom.

    t = mean(d) / sqrt((1/J + n_test/n_train) var(d)): the second term stands for the correlation between cells whose
    training parts overlap, and does not shrink with more seeds. Zero variance: p = 1 when the mean is 0, else p = 0, flagged.
    """
    d = np.asarray(differences, dtype=np.float64)
    return t_test(d.mean(axis=-1), corrected_error(d, test_over_train), d.shape[-1] - 1)


def corrected_interval(values: ArrayLike, test_over_train: float = TEST_OVER_TRAIN) -> tuple[Floats, Floats]:
    """The 95 % interval of the mean of single fold values (..., J); not cut to the metric's range (the caller's part)."""
    v = np.asarray(values, dtype=np.float64)
    mean, half = v.mean(axis=-1), quantile(v.shape[-1] - 1) * corrected_error(v, test_over_train)
    return mean - half, mean + half


def equivalence(differences: ArrayLike, rope: float = ROPE, test_over_train: float = TEST_OVER_TRAIN) -> Floats:
    """P(|difference| < `rope`) by the Bayesian correlated t (Corani and Benavoli, 2015): (..., J) -> (...).

    Under a flat prior the posterior of the mean is the corrected t's own distribution: rho / (1 - rho) = n_test / n_train.
    Without variance it is 0 or 1; NaN for fewer than two cells.
    """
    d = np.asarray(differences, dtype=np.float64)
    mean, error = d.mean(axis=-1), corrected_error(d, test_over_train)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = stdtr(d.shape[-1] - 1, (rope - mean) / error) - stdtr(d.shape[-1] - 1, (-rope - mean) / error)
    return np.asarray(np.where(error <= ZERO, (np.abs(mean) < rope).astype(np.float64), inside))


def corrected_error(values: Floats, test_over_train: float = TEST_OVER_TRAIN) -> Floats:
    """The standard error sqrt((1/J + n_test/n_train) var) of the mean over the last axis; NaN for fewer than two cells."""
    cells = values.shape[-1]
    if cells < 2:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(np.sqrt((1.0 / cells + test_over_train) * values.var(axis=-1, ddof=1)))
