"""The metrics of a test part, for many methods at once and with either class taken as positive."""

import numpy as np
from numpy.typing import ArrayLike

from benchmark.statistics import ordering
from benchmark.statistics.arrays import Floats
from benchmark.statistics.metric_names import FLAGS, METRICS, UNORDERED
from benchmark.statistics.recalibration import recalibrate


def metric_range(metric: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can take."""
    if metric in UNORDERED:
        return -np.inf, np.inf
    if metric == "median_rank":
        return 1.0, np.inf
    return (-1.0, 1.0) if metric.startswith("mcc") else (0.0, 1.0)


def score(labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> dict[str, Floats]:
    """Every metric and flag of one test part.

    Parameters
    ----------
    labels : (n,)
        0 or 1.
    probabilities : (M, n)
        P(label = 1) by each of M methods, within [0, 1].
    thresholds : (M,)
        A probability above its method's threshold is a vote for label 1, one equal to it for label 0.

    Returns
    -------
    dict of (M,) arrays
        Keys `METRICS` + `FLAGS` (a flag is 0 or 1). Undefined values are NaN: in a part with one class AUC, AUPRC, MCC,
        balanced accuracy, both calibration figures and the rate within the absent class.
    """
    y = np.asarray(labels)
    p = np.atleast_2d(np.asarray(probabilities, dtype=np.float64))
    positive = y == 1
    vote = p > np.reshape(np.asarray(thresholds, dtype=np.float64), (-1, 1))
    tp, fp = (vote & positive).sum(axis=1), (vote & ~positive).sum(axis=1)
    fn, tn = positive.sum() - tp, (~positive).sum() - fp

    cases = ordering.order_cases(y, p)
    intercept, slope = recalibrate(y, p)
    area, brier = ordering.auc(cases), np.mean((p - positive) ** 2, axis=1)
    values = {
        **confusion_metrics(tp, fn, fp, tn),
        "auc": area,
        "auprc": ordering.average_precision(cases),
        "brier": brier,
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        # logit(1 - p) = -logit(p): turning the classes round negates the intercept and keeps the slope.
        "auc_label0": area,
        "auprc_label0": ordering.average_precision_of_negatives(cases),
        "brier_label0": brier,
        "calibration_intercept_label0": -intercept,
        "calibration_slope_label0": slope,
        "constant": p.min(axis=1) == p.max(axis=1),
        "no_predicted_positives": tp + fp == 0,
        "no_predicted_positives_label0": tn + fn == 0,
    }
    return {key: np.asarray(values[key], dtype=np.float64) for key in METRICS + FLAGS}


def confusion_metrics(tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike) -> dict[str, Floats]:
    """The metrics of a confusion matrix, with either class as positive; counts of any one shape, values of that shape.

    Precision and F1 are 0 where nothing is predicted positive but positives exist; MCC is 0 where all votes agree (its limit,
    Chicco and Jurman, BMC Genomics 2020). Rates within an absent class are NaN.
    """
    tp, fn, fp, tn = (np.asarray(count, dtype=np.float64) for count in (tp, fn, fp, tn))
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    balanced = (recall + specificity) / 2
    spread = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    mcc = np.where(np.isnan(balanced), np.nan, _ratio(tp * tn - fp * fn, spread, empty=0.0))
    either = {"accuracy": _ratio(tp + tn, tp + fn + fp + tn), "balanced_accuracy": balanced, "mcc": mcc}
    of_label1 = {"recall": recall, "specificity": specificity, **_of_predicted(tp, fn, fp), **either}
    of_label0 = {"recall": specificity, "specificity": recall, **_of_predicted(tn, fp, fn), **either}
    return of_label1 | {f"{metric}_label0": value for metric, value in of_label0.items()}


def _of_predicted(tp: Floats, fn: Floats, fp: Floats) -> dict[str, Floats]:
    """Precision and F1: 0 where no positive is predicted; NaN where none exists (precision: nor is predicted)."""
    absent = tp + fn == 0
    precision = np.where(absent & (fp == 0), np.nan, _ratio(tp, tp + fp, empty=0.0))
    return {"precision": precision, "f1": np.where(absent, np.nan, _ratio(2 * tp, 2 * tp + fp + fn))}


def _ratio(above: Floats, below: Floats, empty: float = np.nan) -> Floats:
    """Above / below, and `empty` where the denominator is 0."""
    return np.asarray(np.divide(above, below, out=np.full(np.shape(below), empty), where=below != 0))
