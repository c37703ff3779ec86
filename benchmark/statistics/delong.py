"""DeLong's test and interval of the AUC (Biometrics 44, 1988), by patient, over seeds and folds.

Within each (seed, fold) every patient gets a placement (`ordering.placements`); a patient's placements are averaged over seeds,
and the variance of the AUC is S2(V_pos)/m + S2(V_neg)/n, for pairs of methods by one covariance matrix. Where a patient has
several cases it is clustered by patient (Obuchowski, Biometrics 53, 1997). Under repeated cross-validation a row's variance
is multiplied by `RESAMPLING`, a heuristic of the form of Nadeau and Bengio's; pairs have factors of their own (`max_t`).
"""

import numpy as np
from scipy.special import expit, logit

from benchmark.statistics.arrays import Floats, Index, Labels
from benchmark.statistics.ordering import order_cases, placements
from benchmark.statistics.student import Test, quantile, t_test

RESAMPLING = 1.25
"""1 + n_test/n_train of five folds: the factor on a single row's variance under repeated cross-validation."""


def average_by_patient(values: Floats, patients: Index, count: int) -> Floats:
    """Mean of `values` (M, R) over the rows of each patient: `patients` (R,) in 0..count-1 -> (M, count)."""
    rows = np.bincount(patients, minlength=count)
    order = np.argsort(patients, kind="stable")
    sums = np.add.reduceat(values[:, order], np.concatenate(([0], np.cumsum(rows)[:-1])), axis=1)
    return np.asarray(sums / rows)


def covariance(values: Floats, labels: Labels, groups: Index | None = None) -> Floats:
    """Covariance (M, M) of the AUCs from placements (M, N) and `labels` (N,); NaN with fewer than two of a class.

    With `groups` (N,) in 0..G-1 it is clustered: the sum over groups of the products of their deviations, those of a class
    times sqrt(G_c/(G_c - 1)), G_c the groups that hold it, so that every case doubled changes nothing.
    """
    if degrees_of_freedom(labels, groups) < 1:
        return np.full((len(values), len(values)), np.nan)
    parts = [np.flatnonzero(labels == label) for label in (0, 1)]
    if groups is None:
        centred = [_centred(values[:, part]) for part in parts]
        return np.asarray(sum(part @ part.T / ((part.shape[1] - 1) * part.shape[1]) for part in centred))
    deviations = np.zeros_like(values)
    for part in parts:
        units = len(np.unique(groups[part]))
        deviations[:, part] = _centred(values[:, part]) / len(part) * np.sqrt(units / (units - 1))
    count = int(groups.max()) + 1
    sums = np.stack([np.bincount(groups, weights=row, minlength=count) for row in deviations])
    return np.asarray(sums @ sums.T)


def _centred(values: Floats) -> Floats:
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def degrees_of_freedom(labels: Labels, groups: Index | None = None) -> int:
    """The smaller class's cases - 1; its groups - 1 where patients have several cases."""
    units = [np.flatnonzero(labels == label) if groups is None else np.unique(groups[labels == label]) for label in (0, 1)]
    return min(map(len, units)) - 1


def variance(values: Floats, labels: Labels, groups: Index | None = None) -> Floats:
    """The diagonal (M,) of `covariance`."""
    if groups is not None or degrees_of_freedom(labels) < 1:
        return np.diagonal(covariance(values, labels, groups)).copy()
    parts = [values[:, labels == label] for label in (0, 1)]
    return np.asarray(sum(part.var(axis=1, ddof=1) / part.shape[1] for part in parts))


def pairwise(auc: Floats, cov: Floats, a: Index, b: Index, factor: float = 1.0, df: float = np.inf) -> Test:
    """Test of auc[a] - auc[b] for pairs of methods: `auc` (M,), `cov` (M, M), `a` and `b` (P,); normal but for finite `df`."""
    spread = np.diagonal(cov)
    of_difference = np.maximum(spread[a] + spread[b] - 2.0 * cov[a, b], 0.0)
    # Cancellation: what is below the rounding of its terms is no variance (identical or monotone scores).
    of_difference = np.where(of_difference <= 1e-14 * (spread[a] + spread[b]), 0.0, of_difference)
    return t_test(auc[a] - auc[b], np.sqrt(factor * of_difference), df)


def delong_test(labels: Labels, scores: Floats) -> tuple[Floats, Floats, Test]:
    """The plain test on one test set: `labels` (n,), `scores` (M, n) -> AUC (M,), covariance (M, M), all pairs i < j."""
    values = placements(order_cases(labels, scores))
    cov = covariance(values, labels)
    auc = values[:, labels == 1].mean(axis=1)
    a, b = np.triu_indices(len(scores), 1)
    return auc, cov, pairwise(auc, cov, a, b)


def logit_interval(auc: Floats, error: Floats) -> tuple[Floats, Floats]:
    """The 95 % interval of AUCs (M,) by their standard errors (M,) on the logit scale; NaN for an AUC of exactly 0 or 1."""
    inside = (auc > 0) & (auc < 1)
    safe = np.where(inside, auc, 0.5)
    half = quantile(np.inf) * error / (safe * (1.0 - safe))
    low, high = expit(logit(safe) - half), expit(logit(safe) + half)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)
