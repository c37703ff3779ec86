"""Logistic regression on the table, whose penalty is chosen inside the training part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@register_method(
    "penalised-regression",
    family="classical",
    reference="ridge: le Cessie and van Houwelingen 1992, Applied Statistics 41:191",
    differences="C comes from inner 5-fold cross-validation of the log loss, as `logistic-regression` has it on other features "
    "than the table, where its C is 1: the heads on frozen embeddings have a penalty that is chosen, too",
    fit_modalities={"table"},
    predict_modalities={"table"},
    accepts_missing=True,
)
@dataclass
class PenalisedRegression(EstimatorMethod):
    """L2-penalised logistic regression with C of five by inner cross-validation."""

    stochastic = False
    max_iter: int = 1000

    def estimator(self, seed: int) -> Any:
        """The classifier; the inner folds are the same for every seed."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        return GridSearchCV(
            LogisticRegression(max_iter=self.max_iter), {"C": list(PENALTIES)}, scoring="neg_log_loss", cv=folds
        )
