"""Leave-one-site-out: sites as the units of generalisation, never pooled with cross-validation."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtr

from benchmark.statistics import delong
from benchmark.statistics.arrays import Bools, Counts, Floats, Index
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.inference import Inferred, cut
from benchmark.statistics.ordering import auc, order_cases
from benchmark.statistics.student import ZERO, Test, quantile, t_test

MIN_SITES = 6
"""With fewer sites a sign-flip test cannot reach .05: the rows are descriptive."""
MIN_OF_A_CLASS = 5
"""A site with fewer cases of either class is shown and marked, and left out of the mean."""
COUNTED = 36
"""Up to so many sites all sign patterns are counted; beyond, `FLIPS` of them are drawn."""
FLIPS = 9_999
TOGETHER = 256
"""For about so many pairs at once it is counted which drawn patterns reach them."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The S held-out sites of a task in order of appearance: their splits and patients, class counts, and which are small."""

    names: tuple[str, ...]
    splits: list[Index]
    patients: list[Index]
    positives: Counts
    negatives: Counts
    small: Bools

    @property
    def counted(self) -> Index:
        """The H sites that enter means and tests."""
        return np.flatnonzero(~self.small)


def held_out_sites(run: Evaluation) -> HeldOut:
    """The sites that the splits of a task hold out."""
    names = tuple(dict.fromkeys(run.site))
    splits = [np.flatnonzero([site == name for site in run.site]) for name in names]
    patients = [np.unique(run.patient[run.rows[of_site[0]]]) for of_site in splits]
    positives, negatives = (np.array([(run.patient_labels[who] == label).sum() for who in patients]) for label in (1, 0))
    return HeldOut(names, splits, patients, positives, negatives, small_sites(positives, negatives))


def by_site(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Means over the sites that are not small; with at least six of them t over site differences and intervals.

    The intervals are about the plain mean. Hartung and Knapp's is about another mean, and stands in `heterogeneity`.
    """
    held = held_out_sites(run)
    counted = held.counted
    scores = {
        key: np.stack([run.cells[key][:, of_site].mean(axis=1) for of_site in held.splits], axis=1) for key in run.metrics
    }
    scored = {key: values[:, counted] for key, values in scores.items()}
    ensemble = np.stack(
        [auc(order_cases(run.patient_labels[who], run.patient_scores[:, who])) for who in held.patients], axis=1
    )
    cases = held.positives + held.negatives
    small = [name for name, is_small in zip(held.names, held.small, strict=True) if is_small]
    notes = [f"site {name} has fewer than 5 of a class: shown, left out of the mean" for name in small]
    facts = {"n": cases, "positives": held.positives, "small": held.small}
    estimates = Inferred(
        {key: _mean(values) for key, values in scored.items()},
        _mean(ensemble[:, counted]),
        float(_mean((held.positives / cases)[counted])),
        per_site=pd.DataFrame(facts | dict(zip(run.methods, scores[metric], strict=True)), index=held.names),
        heterogeneity=_heterogeneity(run, held, scored["auc"]) if len(counted) >= 2 else None,
        notes=tuple(notes),
    )
    if len(counted) < MIN_SITES:
        few = f"{len(counted)} sites are too few (6 are needed) for intervals and p-values over sites: descriptive"
        return replace(estimates, notes=(*notes, few))
    differences = scored[metric][a] - scored[metric][b]
    tests = {key: site_t(values) for key, values in scored.items()}
    return replace(
        estimates,
        intervals={key: cut(key, (test.low, test.high)) for key, test in tests.items()},
        test=site_t(differences),
        secondary={"p_sign_flip": sign_flip(differences)},
        above_chance=stdtr(len(counted) - 1, -(tests["auc"].mean - 0.5) / np.maximum(tests["auc"].error, ZERO)),
    )


def _mean(values: Floats) -> Floats:
    """The mean over the last axis, NaN where it is empty."""
    return np.asarray(values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan))


def _heterogeneity(run: Evaluation, held: HeldOut, areas: Floats) -> pd.DataFrame:
    """Random effects of the AUC (M, H) over the counted sites, with DeLong's variance within each."""
    parts = [held.patients[site] for site in held.counted]
    variances = np.stack(
        [delong.variance(run.patient_placements[:, who], run.patient_labels[who], run.groups_of(who)) for who in parts], axis=1
    )
    floor = auc_variance_floor(areas, held.positives[held.counted], held.negatives[held.counted])
    effects = random_effects(areas, np.where(variances <= 1e-15, floor, variances))
    enough = len(parts) >= MIN_SITES
    return pd.DataFrame(
        {
            "tau": effects.tau,
            "i2": effects.i2,
            "random_effects_auc": effects.mean,
            "random_effects_low": np.where(enough, np.clip(effects.low, 0.0, 1.0), np.nan),
            "random_effects_high": np.where(enough, np.clip(effects.high, 0.0, 1.0), np.nan),
            "worst_site": np.array(held.names)[held.counted][areas.argmin(axis=1)],
            "worst_auc": areas.min(axis=1),
        },
        index=list(run.methods),
    )


def small_sites(positives: ArrayLike, negatives: ArrayLike) -> Bools:
    """Which sites (H,) have too few cases of a class."""
    return np.asarray(np.minimum(positives, negatives) < MIN_OF_A_CLASS)


def site_t(differences: Floats) -> Test:
    """Two-sided t over site differences (..., H), df = H - 1; all NaN below `MIN_SITES`."""
    sites = differences.shape[-1]
    if sites < MIN_SITES:
        blank = np.full(differences.shape[:-1], np.nan)
        return t_test(blank, blank, max(sites - 1, 1))
    return t_test(differences.mean(axis=-1), differences.std(axis=-1, ddof=1) / np.sqrt(sites), sites - 1)


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
    known = np.flatnonzero(~np.isnan(reach))
    p = np.full(pairs, np.nan)
    if sites > COUNTED:
        p[known] = _drawn_shares(differences[known], reach[known])
    else:
        p[known] = [_counted_share(differences[pair], reach[pair]) for pair in known]
    return p


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


def _drawn_shares(differences: Floats, least: Floats) -> Floats:
    """The shares of `FLIPS` sign patterns and the observed one; all pairs have the same patterns."""
    drawn = 1.0 - 2.0 * np.random.default_rng(0).integers(0, 2, size=(FLIPS, differences.shape[1]))
    parts = np.array_split(np.arange(len(least)), len(least) // TOGETHER + 1)
    reached = [np.sum(np.abs(drawn @ differences[part].T) >= least[part], axis=0) for part in parts]
    return np.asarray((1 + np.concatenate(reached)) / (FLIPS + 1))


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
    half = quantile(sites - 1) * np.sqrt(q / weights.sum(axis=1))
    heterogeneity = _cochran(scores, variances)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        i2 = np.maximum(0.0, 1.0 - (sites - 1) / heterogeneity)
    return RandomEffects(mean, mean - half, mean + half, np.sqrt(tau2), np.where(heterogeneity == 0, 0.0, i2))


def auc_variance_floor(auc: Floats, positives: Counts, negatives: Counts) -> Floats:
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
