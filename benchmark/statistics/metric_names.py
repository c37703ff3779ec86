"""The names of the metrics, apart from what computes them, so that a suite is checked without numpy."""

LABEL1 = (
    "auc",
    "accuracy",
    "f1",
    "precision",
    "recall",
    "specificity",
    "balanced_accuracy",
    "mcc",
    "auprc",
    "brier",
    "calibration_intercept",
    "calibration_slope",
)
METRICS = LABEL1 + tuple(f"{metric}_label0" for metric in LABEL1)
"""The metric keys; `_label0`: label 0 is taken as positive, with probability 1 - p and the same vote."""

FLAGS = ("constant", "no_predicted_positives", "no_predicted_positives_label0")
"""What `score` marks besides: all probabilities equal; no case voted 1 (or 0), so that precision and F1 are 0 by rule."""

LOWER_IS_BETTER = frozenset({"brier", "brier_label0"})
UNORDERED = frozenset(metric for metric in METRICS if metric.startswith("calibration"))
"""Metrics whose best value lies in the middle: shown, never ranked."""

NAMES = {"auc": "AUC", "f1": "F1", "mcc": "MCC", "auprc": "AUPRC", "brier": "Brier score"}
"""Metrics whose names are not their keys in words."""


def metric_name(metric: str) -> str:
    """A metric's key in words."""
    key = metric.removesuffix("_label0")
    plain = NAMES.get(key, key.replace("_", " "))
    return f"{plain} (label 0 as positive)" if metric.endswith("_label0") else plain
