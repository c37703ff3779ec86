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

ERROR_METRICS = tuple(f"error_auc_{kind}" for kind in ("exchanged", "side_swapped", "finding_removed", "finding_invented"))
"""How well a case's own report is told from a wrong one, by the kind of its error."""
RETRIEVAL_METRICS = (
    "zero_shot_auc_macro",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "median_rank",
    "map",
    "ruled_out_at_95_sensitivity",
    "error_auc",
    *ERROR_METRICS,
    "held_out_wording_auc",
)
"""The further metrics of task retrieval; see `retrieval.score`."""

FLAGS = ("constant", "no_predicted_positives", "no_predicted_positives_label0")
"""What `score` marks besides: all probabilities equal; no case voted 1 (or 0), so that precision and F1 are 0 by rule."""

LOWER_IS_BETTER = frozenset({"brier", "brier_label0", "median_rank"})
UNORDERED = frozenset(metric for metric in METRICS if metric.startswith("calibration"))
"""Metrics whose best value lies in the middle: shown, never ranked."""
IDEAL = {metric: 0.0 if "intercept" in metric else 1.0 for metric in METRICS if metric in UNORDERED}
"""The best value of each of them."""

NAMES = {
    "auc": "AUC",
    "f1": "F1",
    "mcc": "MCC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "zero_shot_auc_macro": "AUC of findings, macro mean",
    "map": "mAP",
    "ruled_out_at_95_sensitivity": "label 0 ruled out at 95 % sensitivity",
    "error_auc": "AUC of errors in reports",
    "held_out_wording_auc": "AUC of own reports in held-out wording",
    **{f"recall_at_{k}": f"recall@{k}" for k in (1, 5, 10)},
    **{name: f"AUC of errors, {name.removeprefix('error_auc_').replace('_', ' ')}" for name in ERROR_METRICS},
}
"""Metrics whose names are not their keys in words."""


def metric_name(metric: str) -> str:
    """A metric's key in words."""
    key = metric.removesuffix("_label0")
    plain = NAMES.get(key, key.replace("_", " "))
    return f"{plain} (label 0 as positive)" if metric.endswith("_label0") else plain
