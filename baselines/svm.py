"""Support vector machine with an RBF kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "svm",
    family="classical",
    reference="Cortes and Vapnik 1995; probabilities by Platt 1999",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={
        "features": {
            "image": {"image"},
            "text": {"text"},
            "table+derived": {"table", "image"},
            "table+image+text": {"table", "image", "text"},
        },
        "smote": {1: set()},
        "class_weight": {"balanced": set()},
    },
    accepts_missing=True,
)
@dataclass
class SupportVectorMachine(EstimatorMethod):
    """`SVC` with scikit-learn's defaults; Platt's sigmoid is fitted on its inner 5-fold out-of-fold scores."""

    stochastic = False
    max_cases = 5000
    max_cases_reason = "training time of an RBF kernel grows with the square of the cases, and six fits are needed"

    def estimator(self, seed: int) -> Any:
        """The calibrated machine."""
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.svm import SVC

        return CalibratedClassifierCV(SVC(), ensemble=False)
