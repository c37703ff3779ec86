"""Gradient-boosted trees by XGBoost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "xgboost",
    family="classical",
    reference="Chen and Guestrin 2016, arXiv 1603.02754",
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
class XGBoost(EstimatorMethod):
    """`XGBClassifier` with the library's defaults, which draw nothing at random; one thread."""

    stochastic = False

    def estimator(self, seed: int) -> Any:
        """The booster."""
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=1)

    def search_space(self) -> dict[str, list[object]]:
        """Depth, step, number of trees, sampling and leaves: ranges that are usual for small tables [A]."""
        return {
            "estimator.max_depth": [2, 3, 4, 6],
            "estimator.learning_rate": [0.02, 0.05, 0.1, 0.3],
            "estimator.n_estimators": [50, 100, 200, 400],
            "estimator.subsample": [0.6, 0.8, 1.0],
            "estimator.colsample_bytree": [0.6, 0.8, 1.0],
            "estimator.min_child_weight": [1, 3, 10],
        }
