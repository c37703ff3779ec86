"""Replication SMOTE: evening out the classes of a training part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.metaestimators import available_if

from benchmark.system.errors import BenchmarkError

Matrix = NDArray[np.float64]


def replicate(
    x: Matrix, labels: NDArray[Any], measured: NDArray[np.bool_], neighbours: int, seed: int
) -> tuple[Matrix, NDArray[Any]]:
    """The cases, and altered copies that bring the smaller class to the size of the larger one.

    A copy is a case drawn with replacement whose measured numbers go a random part of the way to one of its `neighbours`
    nearest cases of the same class; all else (categories, flags, image, text) is replicated as it is. Without measured
    columns the copies are plain. x (n, p), labels (n,) of 0 and 1, measured (p,); returns both with the copies appended.
    Raises `BenchmarkError` where a class is empty.
    Source: Chawla et al. 2002 (SMOTE); what is copied and what interpolated is this project's reading [A].
    """
    ones = int(labels.sum())
    if not 0 < ones < len(labels):
        raise BenchmarkError("SMOTE needs cases of both classes in the training part")
    smaller = int(ones < len(labels) - ones)
    own = np.flatnonzero(labels == smaller)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(own), size=len(labels) - 2 * len(own))
    copies = x[own[drawn]]
    most = min(neighbours, len(own) - 1)
    if measured.any() and most:
        numbers = x[np.ix_(own, measured)]
        near = NearestNeighbors(n_neighbors=most).fit(numbers).kneighbors(return_distance=False)
        chosen = near[drawn, rng.integers(most, size=len(drawn))]
        copies[:, measured] += rng.random((len(drawn), 1)) * (numbers[chosen] - numbers[drawn])
    return np.concatenate([x, copies]), np.concatenate([labels, np.full(len(drawn), smaller, dtype=labels.dtype)])


def evened(estimator: Any, measured: NDArray[np.bool_], neighbours: int, seed: int) -> Any:
    """The estimator, fitting on replicated classes.

    Inside a search or a calibration it is the inner classifier that replicates, each time on the part that it is fitted on:
    copies of a case never stand on both sides of an inner fold.
    """
    inner = estimator.get_params(deep=False).get("estimator") if hasattr(estimator, "get_params") else None
    if inner is not None:
        return estimator.set_params(estimator=evened(inner, measured, neighbours, seed))
    return Evened(estimator, measured, neighbours, seed)


class Evened(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that is fitted on replicated classes; parameters that are not its own are the classifier's."""

    def __init__(self, classifier: Any, measured: NDArray[np.bool_], neighbours: int, seed: int) -> None:
        self.classifier = classifier
        self.measured = measured
        self.neighbours = neighbours
        self.seed = seed

    def set_params(self, **params: Any) -> Evened:
        """Set the classifier's parameters by their plain names."""
        own = {name: value for name, value in params.items() if name.partition("__")[0] in self._get_param_names()}
        self.classifier.set_params(**{name: value for name, value in params.items() if name not in own})
        super().set_params(**own)
        return self

    def fit(self, x: Matrix, y: NDArray[Any]) -> Evened:
        """Fit the classifier on the cases and their copies."""
        self.classifier.fit(*replicate(x, y, self.measured, self.neighbours, self.seed))
        self.classes_ = self.classifier.classes_
        return self

    def predict(self, x: Matrix) -> NDArray[Any]:
        """The classifier's."""
        return np.asarray(self.classifier.predict(x))

    @available_if(lambda self: hasattr(self.classifier, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, x: Matrix) -> Matrix:
        """The classifier's."""
        return np.asarray(self.classifier.predict_proba(x))

    @available_if(lambda self: hasattr(self.classifier, "decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, x: Matrix) -> Matrix:
        """The classifier's."""
        return np.asarray(self.classifier.decision_function(x))
