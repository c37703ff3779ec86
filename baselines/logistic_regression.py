"""Logistic regression, on the table or on any blocks of features side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@register_method(
    "logistic-regression",
    family="classical",
    reference="Cox 1958; wide inputs as in HAIM (Soenksen et al. 2022, arXiv 2202.12998)",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={
        "features": {
            "image": {"image"},
            "text": {"text"},
            "table+derived": {"table", "image"},
            "table+image": {"table", "image"},
            "table+image+text": {"table", "image", "text"},
        },
        "smote": {1: set()},
        "class_weight": {"balanced": set()},
    },
    accepts_missing=True,
)
@dataclass
class LogisticRegressionMethod(EstimatorMethod):
    """L2-penalised logistic regression: C = 1 on the table, elsewhere C by inner 5-fold cross-validation of the log loss.

    By the AUC alone C may be so small that all probabilities lie near the share of label 1.
    """

    stochastic = False
    max_iter: int = 1000

    def estimator(self, seed: int) -> Any:
        """The classifier for these features; the inner folds are the same for every seed."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        model = LogisticRegression(max_iter=self.max_iter)
        if self.features == "table":
            return model
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        return GridSearchCV(model, {"C": list(PENALTIES)}, scoring="neg_log_loss", cv=folds)
