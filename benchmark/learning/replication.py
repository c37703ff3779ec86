"""Replication SMOTE: evening out the classes of a training part."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, OneToOneFeatureMixin
from sklearn.feature_selection import SelectorMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.metaestimators import available_if

from benchmark.learning.composites import classifiers_within, parameters
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
    """The estimator, fitting on replicated classes: copies of a case never stand on both sides of an inner fold.

    Where something within splits the cases again (a search, a calibration, a stack), it is the classifiers inside that
    replicate, each time on the part that they are fitted on. A stack's last classifier gets no copies.
    Raises `BenchmarkError` for an estimator that splits them where no copy can be kept out.
    """
    if not _splits(estimator):
        return Evened(estimator, measured, neighbours, seed)
    name, inner = type(estimator).__name__, classifiers_within(estimator)
    if not inner or isinstance(estimator, SelectorMixin):
        how = "copies would stand on both sides: choose smote=0, or a search or calibration around a classifier that does not"
        raise BenchmarkError(f"smote={neighbours}: {name} itself splits the cases that it is fitted on, and {how}")
    before = getattr(estimator, "steps", [])[:-1]
    if not all(isinstance(step, OneToOneFeatureMixin) for _, step in before):
        how = "put the whole pipeline inside, as in GridSearchCV(make_pipeline(...))"
        raise BenchmarkError(f"smote={neighbours}: the {name} makes other columns before it splits the cases: {how}")
    return estimator.set_params(**{at: evened(each, measured, neighbours, seed) for at, each in inner.items()})


def _splits(estimator: Any) -> bool:
    """Whether the estimator, or one within it, splits the cases that it is fitted on."""
    parts = [estimator, *parameters(estimator, deep=True).values()]
    given = [parameters(part) for part in parts if not isinstance(part, type)]
    return any(
        options.get("cv", "prefit") != "prefit" or options.get("early_stopping") is True or options.get("probability") is True
        for options in given
    )


class Evened(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that is fitted on replicated classes; to whoever sets parameters it is that classifier."""

    def __init__(self, classifier: Any, measured: NDArray[np.bool_], neighbours: int, seed: int) -> None:
        self.classifier = classifier
        self.measured = measured
        self.neighbours = neighbours
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its own parameters, from which a copy is made; if `deep`, the classifier's as well, by their plain names."""
        own: dict[str, Any] = super().get_params(deep=False)
        return {**own, **parameters(self.classifier, deep=True)} if deep else own

    def set_params(self, **params: Any) -> Self:
        """Set the classifier's parameters by their plain names."""
        self.classifier.set_params(**params)
        return self

    def fit(self, x: Matrix, y: NDArray[Any]) -> Self:
        """Fit the classifier on the cases and their copies. Raises `BenchmarkError` where columns were left out before."""
        if x.shape[1] != len(self.measured):
            given = f"{type(self.classifier).__name__} is given {x.shape[1]} of {len(self.measured)} columns"
            raise BenchmarkError(f"smote={self.neighbours}: {given}: choose features inside the classifier's own pipeline")
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
