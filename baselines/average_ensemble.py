"""The mean of a linear and a tree model that look at the image in different ways: what a fusion must beat to earn its image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines._intensity_components import IntensityComponents
from benchmark import Cohort, register_method
from benchmark.learning.design_matrix import DesignMatrix


@register_method(
    "average-ensemble",
    family="classical",
    reference="mean of two probabilities (Perrone and Cooper 1993): logistic regression on table, image-derived columns and "
    "principal components of the image's intensities; random forest (Breiman 2001) on table and image-derived columns",
    fit_modalities={"table", "image"},
    predict_modalities={"table", "image"},
    accepts_missing=True,
)
@dataclass
class AverageEnsemble:
    """The mean of the members' probabilities, both fitted on train + validation.

    components : principal components of the intensities, found on the same cases.
    C : the inverse strength of the logistic regression's L2 penalty; its numbers have unit variance.
    trees : of the forest.
    """

    components: int = 40
    C: float = 0.02
    trees: int = 500

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit columns, components and members on train + validation."""
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LogisticRegression

        cases = train.join(validation)
        self._columns = DesignMatrix("table+derived").fit(cases)
        self._intensities = IntensityComponents(self.components).fit(cases)
        columns, all_columns = self._inputs(cases)
        y = np.asarray(cases.labels)
        self._forest = RandomForestClassifier(self.trees, random_state=seed).fit(columns, y)
        self._regression = LogisticRegression(C=self.C, max_iter=1000).fit(all_columns, y)

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,): a mean of probabilities, so that no case's rank among the others enters."""
        columns, all_columns = self._inputs(cases)
        return (_of_label_1(self._forest, columns) + _of_label_1(self._regression, all_columns)) / 2

    def _inputs(self, cases: Cohort) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The forest's columns, and these with the components beside them."""
        columns = self._columns.transform(cases)
        return columns, np.concatenate([columns, self._intensities.transform(cases)], axis=1)


def _of_label_1(model: Any, columns: NDArray[np.float64]) -> NDArray[np.float64]:
    probabilities: NDArray[np.float64] = model.predict_proba(columns)[:, list(model.classes_).index(1)]
    return probabilities
