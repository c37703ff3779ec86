"""Gradient-boosted trees by LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method


@register_method(
    "lightgbm",
    family="classical",
    reference="Ke et al. 2017, NeurIPS 30",
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
class LightGBM(EstimatorMethod):
    """`LGBMClassifier` with the library's defaults, which draw nothing at random; one thread."""

    stochastic = False

    def estimator(self, seed: int) -> Any:
        """The booster."""
        from lightgbm import LGBMClassifier

        return LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)
