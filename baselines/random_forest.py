"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "random-forest",
    family="classical",
    reference="Breiman 2001, Machine Learning 45:5-32",
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
class RandomForest(EstimatorMethod):
    """500 trees, scikit-learn's defaults otherwise."""

    trees: int = 500

    def estimator(self, seed: int) -> Any:
        """The forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.trees, random_state=seed)
