"""Leave-one-site-out: sites as the units of generalisation, never pooled with cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from benchmark.statistics.student import Test, t_test

Floats = NDArray[np.float64]

MIN_SITES = 6
"""With fewer sites a sign-flip test cannot reach .05: the rows are descriptive."""
MIN_OF_A_CLASS = 5
"""A site with fewer cases of either class is shown and marked, and left out of the mean."""
COUNTED = 36
"""Up to so many sites all sign patterns are counted; beyond, `FLIPS` of them are drawn."""
FLIPS = 9_999


def small_sites(positives: ArrayLike, negatives: ArrayLike) -> NDArray[np.bool_]:
    """Which sites (H,) have too few cases of a class."""
    return np.asarray(np.minimum(positives, negatives) < MIN_OF_A_CLASS)


def site_t(differences: Floats) -> Test:
    """Two-sided t over site differences (..., H), df = H - 1; all NaN below `MIN_SITES`."""
    sites = differences.shape[-1]
    if sites < MIN_SITES:
        blank = np.full(differences.shape[:-1], np.nan)
        return t_test(blank, blank, max(sites - 1, 1))
    error = differences.std(axis=-1, ddof=1) / np.sqrt(sites)
    return t_test(differences.mean(axis=-1), error, sites - 1)


def sign_flip(differences: Floats) -> Floats:
    """Two-sided sign-flip test of the mean of site differences (P, H) -> p (P,); NaN below `MIN_SITES`.

    p is the share of sign patterns, the observed one among them, whose |sum| is at least the observed: of all 2^H up to
    `COUNTED` sites, else of `FLIPS` drawn with a fixed seed and the observed one, which keeps the test's level exact.
    """
    pairs, sites = differences.shape
    if sites < MIN_SITES:
        return np.full(pairs, np.nan)
    # Sums that are equal but for the rounding of their terms count as reached.
    reach = np.abs(differences.sum(axis=1)) - 1e-12 * (1.0 + np.abs(differences).sum(axis=1))
    share = _counted_share if sites <= COUNTED else _drawn_share
    return np.array([np.nan if np.isnan(least) else share(d, least) for d, least in zip(differences, reach, strict=True)])


def _counted_share(differences: Floats, least: float) -> float:
    """The share of all 2^H sign patterns whose |sum| is at least `least`, by the sums of two halves (Horowitz, Sahni 1974)."""
    if least <= 0:
        return 1.0
    # |sum| is the same for a pattern and its opposite: the first sign may stay fixed.
    first = differences[0] + _signed_sums(differences[1 : len(differences) // 2])
    second = np.sort(_signed_sums(differences[len(differences) // 2 :]))
    above = len(second) - np.searchsorted(second, least - first, side="left")
    below = np.searchsorted(second, -least - first, side="right")
    return float((above.sum() + below.sum()) / (len(first) * len(second)))


def _signed_sums(values: Floats) -> Floats:
    """The sums of `values` (k,) under all 2^k sign patterns."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _drawn_share(differences: Floats, least: float) -> float:
    drawn = 1.0 - 2.0 * np.random.default_rng(0).integers(0, 2, size=(FLIPS, len(differences)))
    return float((1 + np.sum(np.abs(drawn @ differences) >= least)) / (FLIPS + 1))


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """A random-effects summary of M methods over H sites, (M,) each: mean, 95 % interval, between-site SD and I2."""

    mean: Floats
    low: Floats
    high: Floats
    tau: Floats
    i2: Floats


def random_effects(scores: Floats, variances: Floats, truncated: bool = True) -> RandomEffects:
    """Random effects with the Hartung-Knapp interval: `scores` and within-site `variances` (M, H) > 0.

    tau2 by Paule and Mandel (Veroniki et al., Res Synth Methods 7, 2016). Hartung and Knapp (Stat Med 20, 2001): SE2 =
    q / sum(w), q = sum(w (s - mean)^2) / (H - 1), w = 1/(v + tau2), t with H - 1 df. `truncated` keeps q at 1 or more, so that
    sites that agree by chance do not give an interval narrower than their own sampling error allows (Rover et al., BMC
    Med Res Methodol 15:99, 2015).
    """
    sites = scores.shape[1]
    tau2 = _paule_mandel(scores, variances)
    weights = 1.0 / (variances + tau2[:, None])
    mean = np.sum(weights * scores, axis=1) / weights.sum(axis=1)
    q = np.sum(weights * (scores - mean[:, None]) ** 2, axis=1) / (sites - 1)
    q = np.maximum(q, 1.0) if truncated else q
    half = stdtrit(sites - 1, 0.975) * np.sqrt(q / weights.sum(axis=1))
    heterogeneity = _cochran(scores, variances)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        i2 = np.maximum(0.0, 1.0 - (sites - 1) / heterogeneity)
    return RandomEffects(mean, mean - half, mean + half, np.sqrt(tau2), np.where(heterogeneity == 0, 0.0, i2))


def auc_variance_floor(auc: Floats, positives: NDArray[np.integer], negatives: NDArray[np.integer]) -> Floats:
    """A within-site variance (M, H) for AUCs (M, H) whose DeLong variance is 0: a perfect or constant ranking.

    Hanley and McNeil's (Radiology 143, 1982) at the AUC moved half a pair inwards from 0 and 1; `positives`, `negatives` (H,).
    """
    pairs = positives * negatives
    a = np.minimum(np.maximum(auc, 1.0 - auc), 1.0 - 0.5 / pairs)
    q1, q2 = a / (2.0 - a), 2.0 * a**2 / (1.0 + a)
    return np.asarray((a * (1.0 - a) + (positives - 1) * (q1 - a**2) + (negatives - 1) * (q2 - a**2)) / pairs)


def _cochran(scores: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Cochran's Q (M,) under the given variances, and -dQ/dv for a variance added to all of them."""
    weights = 1.0 / variances
    mean = np.sum(weights * scores, axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    squares = (scores - mean) ** 2
    return np.sum(weights * squares, axis=1), np.sum(weights**2 * squares, axis=1)


def _paule_mandel(scores: Floats, variances: Floats) -> Floats:
    """tau2 (M,) at which Q equals its expectation H - 1; 0 where it is below that already. Q falls and is convex in tau2."""
    expected = scores.shape[1] - 1
    tau2 = np.zeros(len(scores))
    for _ in range(100):
        q, slope = _cochran(scores, variances + tau2[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(q > expected, (q - expected) / slope, 0.0)
        tau2 = tau2 + step
        if np.all(np.abs(step) <= 1e-14 + 1e-12 * tau2):
            break
    return np.asarray(tau2)
