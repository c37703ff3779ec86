"""Which statistics the splits allow: from an `Evaluation` to estimates, intervals and tests (over sites: `sites`)."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import bdtr, gammaln, logit, ndtr, stdtr

from benchmark.statistics import delong, inflation, student
from benchmark.statistics.arrays import Bools, Floats, Index
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.metrics import metric_range
from benchmark.statistics.ordering import auc, order_cases

Values = dict[str, Floats]
AREAS = ("auc", "auc_label0")
MEAN_AREAS = ("zero_shot_auc_macro",)
"""Means of several AUCs, which Nadeau-Bengio's t tests; they are judged against chance as an AUC is."""
CHANCE = 2.0
"""The factor on the variance of cross-validated AUCs that are judged against chance [A]: without signal they vary most."""


@dataclass(frozen=True, eq=False)
class Areas:
    """AUCs (M,) with their covariance (M, M) and the degrees of freedom of tests between them.

    A test between two of them multiplies the covariance by `all_pairs` in the family of all pairs, and by `questions` in
    families that were named in advance.
    """

    auc: Floats
    covariance: Floats
    df: float
    all_pairs: float = 1.0
    questions: float = 1.0


@dataclass(frozen=True, eq=False)
class Inferred:
    """What an inference gives: `mean` by metric (M,), and what the splits allow besides.

    `intervals` are (2, M) by metric, lower bounds first, without the metrics that have none. Pairs (P,) are tested by their
    `areas` where these are given, else by `test`, if any; `opinion` is a second test of theirs, `secondary` other p-values.
    `above_chance` (M,) is the one-sided p of an AUC above .5, NaN where there is none.
    """

    mean: Values
    ensemble_auc: Floats
    prevalence: float
    intervals: Values = field(default_factory=dict)
    areas: Areas | None = None
    test: student.Test | None = None
    opinion: student.Test | None = None
    secondary: Values = field(default_factory=dict)
    above_chance: Floats | None = None
    spread: Values = field(default_factory=dict)
    per_site: pd.DataFrame | None = None
    heterogeneity: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def descriptive(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Any splits: means over them, the AUC of seed-averaged predictions and the prevalence; neither intervals nor p-values."""
    mean = {key: run.cells[key].mean(axis=1) for key in run.metrics}
    ensemble = auc(order_cases(run.patient_labels, run.patient_scores))
    return Inferred(mean, ensemble, float(np.mean([run.labels[part].mean() for part in run.rows])))


def by_fold(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Repeated cross-validation: inflated repeated-CV DeLong for AUCs beside Nadeau-Bengio, which tests other metrics."""
    return _by_fold(run, metric, a, b, fold_areas(run), delong.RESAMPLING)


def by_fold_with_few_labels(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """The same where methods learn from a small share of the labels: AUCs vary more, and Nadeau-Bengio keeps its 1/4."""
    areas = replace(fold_areas(run), all_pairs=inflation.FEW_LABELS, questions=inflation.FEW_LABELS)
    return _by_fold(run, metric, a, b, areas, inflation.ROW_WITH_FEW_LABELS)


def _by_fold(run: Evaluation, metric: str, a: Index, b: Index, areas: Areas, of_row: float) -> Inferred:
    """`of_row` is the factor on the variance of a single AUC in its interval, on the logit scale."""
    estimates, differences = descriptive(run, metric, a, b), run.cells[metric][a] - run.cells[metric][b]
    intervals = {key: cut(key, student.corrected_interval(run.cells[key])) for key in run.metrics}
    smooth = delong.logit_interval(areas.auc, np.sqrt(of_row * np.diagonal(areas.covariance)))
    intervals |= {key: np.where((areas.auc == 0) | (areas.auc == 1), intervals[key], smooth) for key in AREAS}
    test = student.corrected_t(differences)
    return replace(
        estimates,
        intervals=intervals,
        areas=areas if metric in AREAS else None,
        test=test,
        opinion=test,
        above_chance=above_chance(areas, CHANCE),
        secondary={**_mcnemar(run, a, b), "p_equivalent": student.equivalence(differences)},
    )


def fold_areas(run: Evaluation) -> Areas:
    """The AUCs of repeated cross-validation with their covariance and the factors on it."""
    return _areas(run, run.fold_auc.mean(axis=1), inflation.ALL_PAIRS, inflation.QUESTIONS)


def _areas(run: Evaluation, auc: Floats, *factors: float) -> Areas:
    """The AUCs with the covariance of the patients' placements."""
    df = delong.degrees_of_freedom(run.patient_labels, run.groups)
    return Areas(auc, delong.covariance(run.patient_placements, run.patient_labels, run.groups), df, *factors)


def above_chance(areas: Areas, factor: float) -> Floats:
    """The one-sided p of AUCs (M,) above .5, normal on the logit scale; `factor` is on their variance, a constant has p .5."""
    auc, error = areas.auc, np.sqrt(factor * np.diagonal(areas.covariance))
    inside = np.clip(auc, 1e-12, 1 - 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(auc == 0.5, 0.0, logit(inside) * inside * (1 - inside) / error)
    return np.asarray(np.where(np.isin(auc, (0.0, 1.0)), 1.0 - auc, ndtr(-z)))


def mean_above_chance(values: Floats) -> Floats:
    """The one-sided p (M,) of a mean above .5 by Nadeau-Bengio's t, from its value in each test part (M, J)."""
    mean, error = values.mean(axis=1), student.corrected_error(values)
    return np.asarray(stdtr(values.shape[1] - 1, -(mean - 0.5) / np.maximum(error, student.ZERO)))


def held_out(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """One test set: DeLong on the placements averaged over seeds, conditional on the trained models; the AUC only."""
    estimates = descriptive(run, metric, a, b)
    areas = _areas(run, estimates.mean["auc"])
    interval = np.array(delong.logit_interval(areas.auc, np.sqrt(np.diagonal(areas.covariance))))
    note = "intervals and p-values are conditional on the trained models; the spread is the SD over training seeds"
    return replace(
        estimates,
        intervals=dict.fromkeys(AREAS, interval),
        areas=areas if metric in AREAS else None,
        secondary=_mcnemar(run, a, b),
        above_chance=above_chance(areas, 1.0),
        spread={key: run.cells[key].std(axis=1, ddof=1) for key in run.metrics} if len(run.splits) > 1 else {},
        notes=(note,),
    )


def without_tests(inferred: Inferred) -> Inferred:
    """The same estimates without intervals and p-values."""
    between = inferred.heterogeneity
    if between is not None:
        between = between.assign(random_effects_low=np.nan, random_effects_high=np.nan)
    return replace(inferred, heterogeneity=between, intervals={}, areas=None, test=None, opinion=None, secondary={}, spread={})


def cut(metric: str, interval: ArrayLike) -> Floats:
    """An interval cut to the metric's range."""
    return np.asarray(np.clip(interval, *metric_range(metric)))


def _mcnemar(run: Evaluation, a: Index, b: Index) -> Values:
    """Mid-p of one vote per patient: all patients (accuracy), positives (recall), negatives (specificity)."""
    positive = run.patient_labels == 1
    correct = patient_votes(run.patient_margins) == positive
    parts = {"": np.ones_like(positive), "_recall": positive, "_specificity": ~positive}
    if run.groups is None:
        return {f"p_mcnemar{of}": mcnemar_pairs(correct[:, who], a, b) for of, who in parts.items()}
    return {f"p_mcnemar{of}": _grouped(correct[:, who], run.groups[who], a, b) for of, who in parts.items()}


def _grouped(correct: Bools, groups: Index, a: Index, b: Index) -> Floats:
    """Mid-p over groups of cases, each of which speaks for the method that is right in more of its cases."""
    count = int(groups.max(initial=0)) + 1
    right = np.stack([np.bincount(groups, weights=row, minlength=count) for row in correct.astype(np.float64)])
    return np.array([mcnemar_midp((x > y).sum(), (x < y).sum()) for x, y in zip(right[a], right[b], strict=True)])


def patient_votes(margins: Floats) -> Bools:
    """Votes for label 1 from each patient's mean over seeds of (probability - threshold); exactly 0 votes for label 0."""
    return np.asarray(margins > 0)


def mcnemar_midp(b: ArrayLike, c: ArrayLike) -> Floats:
    """Two-sided mid-p of McNemar's test for discordant counts `b` and `c` (...); 1 where they are equal, both 0 included.

    2 P(X <= min(b, c)) - P(X = min(b, c)) for X ~ Binomial(b + c, 1/2) (Fagerland, Lydersen and Laake, BMC Med Res Methodol
    13:91, 2013).
    """
    b, c = np.asarray(b, dtype=np.float64), np.asarray(c, dtype=np.float64)
    least, n = np.minimum(b, c), b + c
    mass = np.exp(gammaln(n + 1) - gammaln(least + 1) - gammaln(n - least + 1) - n * np.log(2.0))
    p = 2.0 * bdtr(least, n.astype(np.int64), 0.5) - mass
    return np.asarray(np.where(b == c, 1.0, np.clip(p, 0.0, 1.0)))


def mcnemar_pairs(correct: Bools, a: Index, b: Index) -> Floats:
    """Mid-p for pairs of methods: `correct` (M, N) marks each patient voted rightly, `a` and `b` (P,) are rows of it."""
    right = correct.astype(np.float64)
    both = right @ right.T
    alone = np.diagonal(both)
    return mcnemar_midp(alone[a] - both[a, b], alone[b] - both[a, b])
