"""The contract of a method, and the short form of it for anything with scikit-learn's interface."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.learning.composites import chosen_within, weighable
from benchmark.learning.design_matrix import DesignMatrix, parts_of
from benchmark.learning.replication import evened
from benchmark.system.errors import BenchmarkError


class Method(Protocol):
    """What the engine calls. A method is a dataclass whose fields are its hyper-parameters.

    Class attributes that the engine reads, all optional and literal: `stochastic = False` where the seed changes nothing
    (such a method runs once where seeds change the training only, unless its field `smote` is set); `max_cases = 5000` with
    `max_cases_reason = "..."`; `evaluation_only = ("field", ...)`, fields that change nothing of the training;
    `trained_as = "method"`, whose training is repeated, with its seed; `combines = ("method", ...)`, whose trained models are
    combined: `self.stages["method"]` is the training that each one's `NeuralMethod` goes on from. An attribute or a property
    `unencoded` names modalities of which it asks for no features. `weights_digest()`, optional, is the digest of the weights
    that it starts from, and part of the cell's key.
    Fields named `image_encoder` and `text_encoder`, if there are any, choose another encoder than the dataset's default; the
    cell's key and the feature cache follow them. A field named `corpora` names the corpora that it learns language from, joined
    by +: without them the row does not apply; nor does one with `needs_queries = True` where no sentences state the dataset's
    findings. Instance attributes read after `fit`, optional: `threshold` (default 0.5),
    the probability above which a case counts as label 1, `chosen`, a dict of hyper-parameters chosen inside the training
    part, and `history`, figures of training by name, one list each. A method that can be tuned has `search_space()`, which
    returns field -> values to try (see `benchmark.learning.tuning.space`); its trials are pruned if it has an attribute
    `on_epoch`, None by default, and calls it with epoch and validation AUC.
    """

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Learn from the training part; the validation part is for early stopping, thresholds, or more training."""

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1) of each case, shape (n,), in [0, 1]; `cases` is a blind view."""


@dataclass
class EstimatorMethod:
    """A method made of a scikit-learn classifier: subclass it, and return the classifier from `estimator(seed)`.

    It trains on train + validation. What a search such as `GridSearchCV` chooses is stored with the cell. The fields that
    every such method has:

    features : the columns of the design matrix: modalities joined by "+", of "table", "image" and "text" (pooled vectors of
        the dataset's default encoders) and "derived" (the named image-derived columns).
    smote : neighbours of replication SMOTE on the cases that it trains on (the source paper's value is 1); 0 for none.
        Probabilities then follow the evened class counts, unless the estimator calibrates them.
    class_weight : "balanced" weighs each case by the inverse share of its class; None weighs all alike.
    """

    features: str = "table"
    smote: int = 0
    class_weight: str | None = None

    def __post_init__(self) -> None:
        """Refuse what the options cannot mean. Raises `BenchmarkError`."""
        parts_of(self.features)
        if type(self.smote) is not int or self.smote < 0:
            raise BenchmarkError(f"smote={self.smote}: give a number of neighbours such as 1, or 0 for none")
        if self.class_weight not in (None, "balanced"):
            raise BenchmarkError(f"class_weight={self.class_weight}: give 'balanced' or 'none'")
        if self.smote and self.class_weight:
            raise BenchmarkError("smote and class_weight would even the classes twice: choose one")

    def estimator(self, seed: int) -> Any:
        """The unfitted classifier; it has `fit(X, y)`, `predict_proba(X)` and `classes_`."""
        raise NotImplementedError(f"{type(self).__name__} must define estimator(seed)")

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit preprocessing and classifier on train + validation. Raises `BenchmarkError` where the options do not apply."""
        from sklearn.utils.class_weight import compute_sample_weight

        cases = train.join(validation)
        self._matrix = DesignMatrix(self.features).fit(cases)
        x, y = self._matrix.transform(cases), np.asarray(cases.labels)
        model, weights = self.estimator(seed), {}
        if not hasattr(model, "predict_proba"):
            how = "wrap it in CalibratedClassifierCV, or choose the option that has it give them"
            raise BenchmarkError(f"{type(model).__name__} gives no probabilities as it is configured: {how}")
        if self.smote:
            model = evened(model, self._matrix.measured, self.smote, seed)
        if self.class_weight:
            model, weights = weighable(model), {"sample_weight": compute_sample_weight(self.class_weight, y)}
        self._fitted = model.fit(x, y, **weights)
        best = getattr(self._fitted, "best_score_", None)
        if isinstance(best, float) and not np.isfinite(best):
            few = f"{int(y.sum())} of {len(y)} training cases have label 1"
            raise BenchmarkError(f"{type(model).__name__} chose among candidates none of which has a score ({few})")
        self.chosen = chosen_within(self._fitted)

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1), (n,)."""
        one = list(self._fitted.classes_).index(1)
        return np.asarray(self._fitted.predict_proba(self._matrix.transform(cases))[:, one])
