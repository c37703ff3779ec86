"""Which statistics the splits allow: from an `Evaluation` to estimates, intervals and tests (over sites: `sites`)."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import bdtr, gammaln

from benchmark.statistics import delong, student
from benchmark.statistics.arrays import Bools, Floats, Index
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.metric_names import METRICS
from benchmark.statistics.metrics import metric_range
from benchmark.statistics.ordering import auc, order_cases

Values = dict[str, Floats]
AREAS = ("auc", "auc_label0")


@dataclass(frozen=True, eq=False)
class Inferred:
    """What an inference gives: `mean` by metric (M,), and what the splits allow besides.

    `intervals` are (2, M) by metric, lower bounds first, without the metrics that have none; `test` is the primary test of the
    pairs (P,), `secondary` their other p-values.
    """

    mean: Values
    ensemble_auc: Floats
    prevalence: float
    intervals: Values = field(default_factory=dict)
    test: student.Test | None = None
    secondary: Values = field(default_factory=dict)
    spread: Values = field(default_factory=dict)
    per_site: pd.DataFrame | None = None
    heterogeneity: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def descriptive(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Any splits: means over them, the AUC of seed-averaged predictions and the prevalence; neither intervals nor p-values."""
    mean = {key: run.cells[key].mean(axis=1) for key in METRICS}
    ensemble = auc(order_cases(run.patient_labels, run.patient_scores))
    return Inferred(mean, ensemble, float(np.mean([run.labels[part].mean() for part in run.rows])))


def by_fold(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Repeated cross-validation: Nadeau-Bengio; for the AUC the interval and a second opinion by repeated-CV DeLong."""
    estimates, differences = descriptive(run, metric, a, b), run.cells[metric][a] - run.cells[metric][b]
    area, covariance = estimates.mean["auc"], delong.covariance(run.patient_placements, run.patient_labels)
    intervals = {key: cut(key, student.corrected_interval(run.cells[key])) for key in METRICS}
    smooth = delong.logit_interval(area, np.sqrt(delong.RESAMPLING * np.diagonal(covariance)))
    intervals |= {key: np.where((area == 0) | (area == 1), intervals[key], smooth) for key in AREAS}
    secondary = {**_mcnemar(run, a, b), "p_equivalent": student.equivalence(differences)}
    if metric in AREAS:
        secondary["p_delong"] = delong.pairwise(area, covariance, a, b, delong.RESAMPLING).p
    return replace(estimates, intervals=intervals, test=student.corrected_t(differences), secondary=secondary)


def held_out(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """One test set: DeLong on the placements averaged over seeds, conditional on the trained models; the AUC only."""
    estimates = descriptive(run, metric, a, b)
    area, covariance = estimates.mean["auc"], delong.covariance(run.patient_placements, run.patient_labels)
    interval = np.array(delong.logit_interval(area, np.sqrt(np.diagonal(covariance))))
    note = "intervals and p-values are conditional on the trained models; the spread is the SD over training seeds"
    return replace(
        estimates,
        intervals=dict.fromkeys(AREAS, interval),
        test=delong.pairwise(area, covariance, a, b) if metric in AREAS else None,
        secondary=_mcnemar(run, a, b),
        spread={key: run.cells[key].std(axis=1, ddof=1) for key in METRICS} if len(run.splits) > 1 else {},
        notes=(note,),
    )


def without_tests(inferred: Inferred) -> Inferred:
    """The same estimates without intervals and p-values."""
    return replace(inferred, intervals={}, test=None, secondary={}, spread={})


def cut(metric: str, interval: ArrayLike) -> Floats:
    """An interval cut to the metric's range."""
    return np.asarray(np.clip(interval, *metric_range(metric)))


def _mcnemar(run: Evaluation, a: Index, b: Index) -> Values:
    """Mid-p of one vote per patient: all patients (accuracy), positives (recall), negatives (specificity)."""
    positive = run.patient_labels == 1
    correct = patient_votes(run.patient_margins) == positive
    groups = {"": np.ones_like(positive), "_recall": positive, "_specificity": ~positive}
    return {f"p_mcnemar{of}": mcnemar_pairs(correct[:, who], a, b) for of, who in groups.items()}


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
