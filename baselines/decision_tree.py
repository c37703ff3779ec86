"""A single classification tree of few leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark import EstimatorMethod, register_method

LEAVES = (4, 8, 16, 32)


@register_method(
    "decision-tree",
    family="classical",
    reference="Breiman, Friedman, Olshen and Stone 1984 (CART)",
    differences="the number of leaves is bounded while growing, in place of pruning by cost and complexity",
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
class DecisionTree(EstimatorMethod):
    """CART whose number of leaves is chosen by inner 5-fold cross-validation of the AUC; an unbounded tree votes 0 or 1.

    The order in which equally good splits are tried, and the inner folds, are the same for every seed.
    """

    stochastic = False

    def estimator(self, seed: int) -> Any:
        """The search over trees."""
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.tree import DecisionTreeClassifier

        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        tree = DecisionTreeClassifier(random_state=0)
        return GridSearchCV(tree, {"max_leaf_nodes": list(LEAVES)}, scoring="roc_auc", cv=folds)
