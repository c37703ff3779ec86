"""The short form of a method: what its shared fields do to the training part."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from benchmark.data.cohort import Cohort
from benchmark.learning.fitting import saved_attributes
from benchmark.learning.method import EstimatorMethod
from benchmark.system.errors import BenchmarkError


class Recorder:
    """A classifier that remembers what it was fitted on."""

    classes_ = np.array([0, 1])

    def fit(self, x: Any, y: Any, sample_weight: Any = None) -> Recorder:
        self.x, self.y, self.weights = x, y, sample_weight
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.column_stack([1 - x[:, 0], x[:, 0]])


@dataclass
class Recording(EstimatorMethod):
    def estimator(self, seed: int) -> Any:
        self.seen = Recorder()
        return self.seen


def parts(ones: int = 6, zeros: int = 24) -> tuple[Cohort, Cohort]:
    n = ones + zeros
    labels = np.array([1] * ones + [0] * zeros, dtype=np.int8)
    x = np.random.default_rng(1).normal(size=n)
    whole = Cohort("made", np.array([f"c{i:02d}" for i in range(n)]), labels, table=pd.DataFrame({"x": x}), rows=np.arange(n))
    return whole.take(np.arange(0, n, 2)), whole.take(np.arange(1, n, 2))


def test_it_trains_on_train_and_validation_unweighted_by_default() -> None:
    method = Recording()
    method.fit(*parts(), seed=1)
    assert method.seen.x.shape == (30, 1)
    assert method.seen.weights is None


def test_smote_evens_the_classes_and_follows_the_seed() -> None:
    seen = []
    for seed in (1, 1, 2):
        method = Recording(smote=1)
        method.fit(*parts(), seed=seed)
        assert np.bincount(method.seen.y).tolist() == [24, 24]
        seen.append(method.seen.x)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_balanced_weights_give_both_classes_the_same_sum() -> None:
    method = Recording(class_weight="balanced")
    method.fit(*parts(), seed=1)
    weights, labels = method.seen.weights, method.seen.y
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())
    assert weights.sum() == pytest.approx(30)


def classifier(made: Any, **options: Any) -> EstimatorMethod:
    """A method that is made of a scikit-learn classifier."""

    @dataclass
    class Made(EstimatorMethod):
        def estimator(self, seed: int) -> Any:
            return made

    return Made(**options)


@pytest.mark.parametrize(
    "within",
    [
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: make_pipeline(StandardScaler(), make_pipeline(PCA(1), model)),
        lambda model: GridSearchCV(make_pipeline(StandardScaler(), model), {"logisticregression__C": [0.1, 1]}, cv=4),
        lambda model: make_pipeline(StandardScaler(), GridSearchCV(model, {"C": [0.1, 1]}, cv=4)),
        lambda model: VotingClassifier([("a", make_pipeline(StandardScaler(), model))], voting="soft"),
    ],
    ids=["pipeline", "pipeline of pipelines", "search", "search last", "vote"],
)
def test_weights_reach_the_classifier_through_whatever_stands_around_it(within: Any) -> None:
    """32 and 128 cases in 4 folds: each part has the shares of the whole, so scikit-learn's own `class_weight` is the same."""
    train, validation = parts(32, 128)
    ours = classifier(within(LogisticRegression()), class_weight="balanced")
    theirs = classifier(within(LogisticRegression(class_weight="balanced")))
    predictions = []
    for method in (ours, theirs):
        method.fit(train, validation, 1)
        predictions.append(method.predict_proba(train.blind()))
    np.testing.assert_allclose(*predictions, rtol=1e-6)
    assert predictions[0].mean() > 0.4


def test_weights_that_a_classifier_does_not_take_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="class_weight: KNeighborsClassifier takes no weights of cases"):
        classifier(make_pipeline(StandardScaler(), KNeighborsClassifier()), class_weight="balanced").fit(*parts(), seed=1)


@pytest.mark.parametrize("model", [LinearSVC(), SVC(), VotingClassifier([("a", LogisticRegression())], voting="hard")])
def test_a_classifier_without_probabilities_is_refused_with_the_mend(model: Any) -> None:
    with pytest.raises(BenchmarkError, match=f"{type(model).__name__} gives no probabilities.*CalibratedClassifierCV"):
        classifier(model).fit(*parts(), seed=1)


def test_what_a_search_at_the_end_of_a_pipeline_chose_among_classifiers_is_told() -> None:
    chain = Pipeline([("own", GaussianNB())])
    search = GridSearchCV(chain, {"own": [LogisticRegression(C=0.5)]}, cv=2)
    method = classifier(make_pipeline(StandardScaler(), search), smote=1)
    method.fit(*parts(), seed=1)
    assert saved_attributes(method)[1] == {"own": "LogisticRegression(C=0.5)"}


def test_smote_and_weights_at_once_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="even the classes twice"):
        Recording(smote=1, class_weight="balanced")


@pytest.mark.parametrize("given", ["tabel", "table+table", ""])
def test_features_that_cannot_be_are_refused_when_they_are_spelled(given: str) -> None:
    with pytest.raises(BenchmarkError, match=re.escape(f"features={given}: ")):
        Recording(features=given)


def test_what_a_search_chooses_inside_the_training_part_is_told() -> None:
    from benchmark.registry.discovery import discover

    tree, forest = (discover().methods.get(name).make({}) for name in ("decision-tree", "random-forest"))
    for method in (tree, forest):
        method.fit(*parts(40, 160), seed=1)
    assert tree.chosen["max_leaf_nodes"] in (4, 8, 16, 32)
    assert forest.chosen == {}


@pytest.mark.parametrize("given", [-1, 0.5, True, "1"])
def test_a_number_of_neighbours_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(BenchmarkError, match=f"smote={given}: give a number of neighbours such as 1, or 0 for none"):
        Recording(smote=given)


@pytest.mark.parametrize("given", ["auto", "Balanced", 1])
def test_another_word_for_the_weights_is_refused(given: Any) -> None:
    with pytest.raises(BenchmarkError, match=f"class_weight={given}: give 'balanced' or 'none'"):
        Recording(class_weight=given)


@pytest.mark.parametrize("spelled", ["xgboost[smote=0]", "xgboost[class_weight=none]", "xgboost[features=table,smote=0]"])
def test_an_option_at_its_default_is_the_plain_row(spelled: str) -> None:
    from benchmark.registry.discovery import discover
    from benchmark.suites.suite import canonical

    assert canonical("method", spelled, discover()) == "xgboost"


@pytest.mark.parametrize("name", ["logistic-regression", "decision-tree", "random-forest", "svm", "xgboost", "lightgbm"])
@pytest.mark.parametrize("option", ["smote=1", "class_weight=balanced"])
def test_every_classical_row_is_moved_by_either_option(name: str, option: str) -> None:
    """On 1 good case in 5 the mean probability of the plain row follows the share, and that of the option lies above.

    But for `svm[smote=1]`, whose calibration sees the cases alone and puts the mean right.
    """
    from benchmark.registry.discovery import discover

    catalogue = discover()
    train, validation = parts(40, 160)
    plain, moved = (catalogue.method(spelled) for spelled in (name, f"{name}[{option}]"))
    predictions = []
    for configured in (plain, moved):
        method = configured.make()
        method.fit(train, validation, 1)
        predictions.append(method.predict_proba(train.blind()))
    before, after = predictions
    assert before.mean() == pytest.approx(0.2, abs=0.06)
    assert np.abs(after - before).max() > 0.001
    if (name, option) == ("svm", "smote=1"):
        assert after.mean() == pytest.approx(0.2, abs=0.06)
    else:
        assert after.mean() > before.mean() + 0.05


def test_the_seed_counts_where_smote_draws_and_nowhere_else_in_a_deterministic_row() -> None:
    from benchmark.registry.discovery import discover

    xgboost = discover().method("xgboost")
    assert not xgboost.stochastic
    assert not replace(xgboost, parameters={"class_weight": "balanced"}).stochastic
    assert replace(xgboost, parameters={"smote": 1}).stochastic
    evened = replace(xgboost, entry=replace(xgboost.entry, constants={**xgboost.entry.constants, "smote": 1}))
    assert evened.stochastic, "a class may have SMOTE as its default"
    assert not replace(evened, parameters={"smote": 0}).stochastic


def test_a_search_in_which_no_candidate_has_a_score_is_an_error() -> None:
    @dataclass
    class Searched(EstimatorMethod):
        def estimator(self, seed: int) -> Any:
            return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, scoring="roc_auc", cv=5)

    with pytest.warns(UserWarning), pytest.raises(BenchmarkError, match="none of which has a score .2 of 30 training cases"):
        Searched().fit(*parts(2, 28), seed=1)
