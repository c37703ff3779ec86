"""Which statistics the splits allow: from an `Evaluation` to estimates, intervals and tests (over sites: `by_site`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics import delong, resampled, votes
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.metric_names import METRICS
from benchmark.statistics.metrics import metric_range
from benchmark.statistics.ordering import auc, order_cases
from benchmark.statistics.student import Test

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Values = dict[str, Floats]
AREAS = ("auc", "auc_label0")


@dataclass(frozen=True, eq=False)
class Inferred:
    """What an inference gives: `mean`, `low`, `high` by metric (M,); the primary test of the pairs (P,), if there is one."""

    mean: Values
    low: Values
    high: Values
    test: Test | None
    ensemble_auc: Floats
    prevalence: float
    secondary: Values = field(default_factory=dict)
    spread: Values = field(default_factory=dict)
    per_site: pd.DataFrame | None = None
    heterogeneity: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)


def by_fold(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Repeated cross-validation: Nadeau-Bengio; for the AUC the interval and a second opinion by repeated-CV DeLong."""
    cells = run.cells
    mean = {key: cells[key].mean(axis=1) for key in METRICS}
    intervals = {key: cut(key, *resampled.corrected_interval(cells[key])) for key in METRICS}
    covariance = delong.covariance(run.patient_placements, run.patient_labels)
    smooth = delong.logit_interval(mean["auc"], np.sqrt(delong.RESAMPLING * np.diagonal(covariance)))
    extreme = (mean["auc"] == 0) | (mean["auc"] == 1)
    for key in AREAS:
        low, high = intervals[key]
        intervals[key] = np.where(extreme, low, smooth[0]), np.where(extreme, high, smooth[1])
    secondary = _mcnemar(run, a, b)
    if metric in AREAS:
        secondary["p_delong"] = delong.pairwise(mean["auc"], covariance, a, b, delong.RESAMPLING).p
    secondary["p_equivalent"] = resampled.equivalence(cells[metric][a] - cells[metric][b])
    test = resampled.corrected_t(cells[metric][a] - cells[metric][b])
    return Inferred(mean, *unzip(intervals), test, _pooled_auc(run), _prevalence(run), secondary)


def held_out(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """One test set: DeLong on the placements averaged over seeds, conditional on the trained models; the AUC only."""
    cells = run.cells
    mean = {key: cells[key].mean(axis=1) for key in METRICS}
    intervals = no_intervals(run)
    covariance = delong.covariance(run.patient_placements, run.patient_labels)
    for key in AREAS:
        intervals[key] = delong.logit_interval(mean["auc"], np.sqrt(np.diagonal(covariance)))
    test = delong.pairwise(mean["auc"], covariance, a, b) if metric in AREAS else None
    runs = len(run.splits)
    spread = {key: cells[key].std(axis=1, ddof=1) for key in METRICS} if runs > 1 else {}
    notes = ["intervals and p-values are conditional on the trained models; the spread is the SD over training seeds"]
    return Inferred(mean, *unzip(intervals), test, _pooled_auc(run), _prevalence(run), _mcnemar(run, a, b), spread, notes=notes)


def descriptive(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Any other splits: means over the splits, neither intervals nor p-values."""
    mean = {key: run.cells[key].mean(axis=1) for key in METRICS}
    return Inferred(mean, *unzip(no_intervals(run)), None, _pooled_auc(run), _prevalence(run))


def without_tests(inferred: Inferred) -> Inferred:
    """The same estimates without intervals and p-values."""
    blank = {key: np.full_like(values, np.nan) for key, values in inferred.mean.items()}
    return replace(inferred, low=blank, high=blank, test=None, secondary={}, spread={})


def _mcnemar(run: Evaluation, a: Index, b: Index) -> Values:
    """Mid-p of one vote per patient: all patients (accuracy), positives (recall), negatives (specificity)."""
    correct = votes.patient_votes(run.patient_margins) == (run.patient_labels == 1)
    return {
        "p_mcnemar": votes.mcnemar_pairs(correct, a, b),
        "p_mcnemar_recall": votes.mcnemar_pairs(correct[:, run.patient_labels == 1], a, b),
        "p_mcnemar_specificity": votes.mcnemar_pairs(correct[:, run.patient_labels == 0], a, b),
    }


def _pooled_auc(run: Evaluation) -> Floats:
    """The AUC (M,) of seed-averaged predictions over all patients."""
    return auc(order_cases(run.patient_labels, run.patient_scores))


def _prevalence(run: Evaluation) -> float:
    """The mean share of label 1 in a test part: the AUPRC of a constant prediction."""
    return float(np.mean([run.labels[part].mean() for part in run.rows]))


def cut(metric: str, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """An interval cut to the metric's range."""
    return np.clip(low, *metric_range(metric)), np.clip(high, *metric_range(metric))


def no_intervals(run: Evaluation) -> dict[str, tuple[Floats, Floats]]:
    """NaN for every metric and method."""
    return {key: (np.full(len(run.methods), np.nan), np.full(len(run.methods), np.nan)) for key in METRICS}


def unzip(intervals: dict[str, tuple[Floats, Floats]]) -> tuple[Values, Values]:
    """The lower and the upper bounds by metric."""
    return {key: low for key, (low, _) in intervals.items()}, {key: high for key, (_, high) in intervals.items()}
