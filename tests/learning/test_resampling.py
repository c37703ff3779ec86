"""Replication SMOTE: what is copied, what moves, and that no copy leaves the part it was made in."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes HalvingGridSearchCV importable
from sklearn.feature_selection import RFE, RFECV
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from benchmark.learning.replication import Evened, evened, replicate
from benchmark.system.errors import BenchmarkError


def test_replication_brings_the_smaller_class_to_the_size_of_the_larger() -> None:
    rng = np.random.default_rng(1)
    x, labels = rng.normal(size=(30, 3)), np.array([1] * 8 + [0] * 22)
    measured = np.array([True, True, False])
    more, classes = replicate(x, labels, measured, 1, seed=3)
    assert np.bincount(classes).tolist() == [22, 22]
    np.testing.assert_array_equal(more[:30], x)
    np.testing.assert_array_equal(classes[:30], labels)


def test_a_copy_lies_between_a_case_and_its_nearest_neighbour_and_keeps_all_that_is_not_measured() -> None:
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(40, 3)), np.array([0] * 10 + [1] * 30)
    copies = replicate(x, labels, np.array([True, True, False]), 1, seed=5)[0][40:]
    own = x[:10]
    for copy in copies:
        base = own[own[:, 2] == copy[2]]
        assert len(base) == 1, "what is not measured is copied from one case"
        distances = np.linalg.norm(own[:, :2] - base[0, :2], axis=1)
        neighbour = own[np.argsort(distances)[1], :2]
        way = (copy[:2] - base[0, :2]) / (neighbour - base[0, :2])
        assert 0 <= way[0] <= 1
        assert way[0] == pytest.approx(way[1])


def test_without_measured_columns_the_copies_are_plain() -> None:
    x, labels = np.arange(12.0).reshape(6, 2), np.array([1, 0, 0, 0, 0, 1])
    copies = replicate(x, labels, np.zeros(2, bool), 1, seed=0)[0][6:]
    assert {tuple(row) for row in copies} <= {(0.0, 1.0), (10.0, 11.0)}


def test_a_single_case_of_a_class_is_copied() -> None:
    x, labels = np.arange(4.0)[:, None], np.array([0, 0, 0, 1])
    assert replicate(x, labels, np.ones(1, bool), 1, seed=0)[0][4:].ravel().tolist() == [3, 3]


def test_equal_classes_are_left_as_they_are() -> None:
    x, labels = np.arange(4.0)[:, None], np.array([0, 1, 0, 1])
    assert len(replicate(x, labels, np.ones(1, bool), 1, seed=0)[0]) == 4


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 0]])
def test_a_training_part_of_one_class_is_refused(labels: list[int]) -> None:
    with pytest.raises(BenchmarkError, match="SMOTE needs cases of both classes"):
        replicate(np.zeros((len(labels), 1)), np.array(labels), np.ones(1, bool), 1, seed=0)


def noise(cases: int = 200, ones: int = 30) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(4).normal(size=(cases, 5))
    return x, np.array([1] * ones + [0] * (cases - ones))


def test_a_search_scores_on_cases_alone_and_never_on_copies() -> None:
    """On noise an inner AUC far above .5 would be that of copies standing on both sides of a fold."""
    x, y = noise()
    grid = {"max_leaf_nodes": [64]}
    search = evened(GridSearchCV(DecisionTreeClassifier(random_state=0), grid, scoring="roc_auc"), np.ones(5, bool), 1, 0)
    assert search.fit(x, y).best_score_ < 0.6
    copied = GridSearchCV(DecisionTreeClassifier(random_state=0), grid, scoring="roc_auc")
    assert copied.fit(*replicate(x, y, np.ones(5, bool), 1, 0)).best_score_ > 0.7, "the mistake that is avoided"


def test_a_searchs_parameters_reach_the_classifier_and_are_told_by_their_plain_names() -> None:
    x, y = noise()
    search = evened(GridSearchCV(LogisticRegression(), {"C": [1e-3, 1.0]}, scoring="neg_log_loss"), np.ones(5, bool), 1, 0)
    search.fit(x, y)
    assert set(search.best_params_) == {"C"}
    assert search.best_params_["C"] == search.best_estimator_.classifier.C


def test_a_calibration_replicates_within_its_own_folds() -> None:
    x, y = noise()
    machine = evened(CalibratedClassifierCV(SVC(), ensemble=False), np.ones(5, bool), 1, 0).fit(x, y)
    assert isinstance(machine.calibrated_classifiers_[0].estimator, Evened)
    np.testing.assert_allclose(machine.predict_proba(x).sum(axis=1), 1)


def test_evening_equals_replicating_by_hand_where_there_is_no_inner_fold() -> None:
    x, y = noise()
    ours = evened(LogisticRegression(), np.ones(5, bool), 1, 7).fit(x, y).predict_proba(x)
    plain = LogisticRegression().fit(*replicate(x, y, np.ones(5, bool), 1, 7)).predict_proba(x)
    np.testing.assert_array_equal(ours, plain)


def test_a_clone_is_unfitted_and_of_the_same_parameters() -> None:
    model = evened(LogisticRegression(C=3.0), np.ones(5, bool), 1, 7)
    copy = clone(model)
    assert copy.classifier.C == 3.0
    assert copy.classifier is not model.classifier


class Counting(LogisticRegression):
    """A classifier that notes the classes of each part that it is fitted on."""

    seen: ClassVar[list[list[int]]] = []

    def fit(self, x: Any, y: Any, sample_weight: Any = None) -> Counting:
        self.seen.append(np.bincount(y).tolist())
        return super().fit(x, y, sample_weight)


NESTED = {
    "pipeline": lambda: make_pipeline(PolynomialFeatures(2), Counting()),
    "search of a pipeline": lambda: GridSearchCV(make_pipeline(PCA(2), Counting()), {"counting__C": [0.1, 1]}),
    "step named classifier": lambda: GridSearchCV(Pipeline([("classifier", Counting())]), {"classifier__C": [0.1, 1]}),
    "search over classifiers": lambda: GridSearchCV(Pipeline([("own", Counting())]), {"own": [Counting(), Counting(C=2)]}),
    "pipeline of a search": lambda: make_pipeline(StandardScaler(), GridSearchCV(Counting(), {"C": [0.1, 1]})),
    "calibration": lambda: CalibratedClassifierCV(Counting()),
    "calibration of a pipeline": lambda: CalibratedClassifierCV(make_pipeline(PCA(2), Counting()), ensemble=False),
    "search of a calibration": lambda: GridSearchCV(CalibratedClassifierCV(Counting()), {"estimator__C": [0.1, 1]}),
    "vote": lambda: VotingClassifier([("a", Counting()), ("b", Counting(C=2))], voting="soft"),
    "vote with a search": lambda: VotingClassifier(
        [("a", Counting()), ("b", GridSearchCV(Counting(), {"C": [0.1, 1]}))], voting="soft"
    ),
    "search of a vote": lambda: GridSearchCV(VotingClassifier([("a", Counting())], voting="soft"), {"a__C": [0.1, 1]}),
    "stack": lambda: StackingClassifier([("a", Counting()), ("b", Counting(C=2))], LogisticRegression()),
    "selection": lambda: RFE(Counting(), n_features_to_select=2),
    "threshold": lambda: TunedThresholdClassifierCV(Counting(), thresholds=3),
    "one against the rest": lambda: OneVsRestClassifier(Counting()),
}
"""Estimators made of estimators, as users write them."""


@pytest.mark.parametrize("name", NESTED)
def test_a_nested_classifier_is_fitted_on_even_classes_and_gives_probabilities(name: str) -> None:
    Counting.seen.clear()
    x, y = noise()
    p = evened(NESTED[name](), np.ones(5, bool), 1, 0).fit(x, y).predict_proba(x)
    assert Counting.seen
    assert all(zeros == ones for zeros, ones in Counting.seen)
    assert p.shape == (200, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.parametrize(
    "around",
    [
        lambda search: make_pipeline(StandardScaler(), search),
        lambda search: VotingClassifier([("tree", search)]),
        lambda search: CalibratedClassifierCV(search, ensemble=False),
    ],
    ids=["pipeline", "vote", "calibration"],
)
def test_a_search_inside_something_else_scores_on_cases_alone(around: Any) -> None:
    x, y = noise()
    scores = []

    class Search(GridSearchCV):
        def fit(self, x: Any, y: Any) -> Search:
            super().fit(x, y)
            scores.append(self.best_score_)
            return self

    search = Search(DecisionTreeClassifier(random_state=0), {"max_leaf_nodes": [64]}, scoring="roc_auc")
    evened(around(search), np.ones(5, bool), 1, 0).fit(x, y)
    assert scores
    assert max(scores) < 0.65


def test_a_stack_learns_from_predictions_of_cases_that_no_copy_of_stood_in_for() -> None:
    """On noise the last classifier trusts the tree in nothing; it would, were there copies on both sides of its folds."""
    x, y = noise()
    stack = StackingClassifier([("tree", DecisionTreeClassifier(random_state=0))], LogisticRegression())
    right = evened(stack, np.ones(5, bool), 1, 0).fit(x, y).final_estimator_.coef_
    wrong = clone(stack).fit(*replicate(x, y, np.ones(5, bool), 1, 0)).final_estimator_.coef_
    assert right.max() < 0.5
    assert wrong.min() > 2, "the mistake that is avoided"


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (LogisticRegressionCV(), "LogisticRegressionCV itself splits"),
        (CalibratedClassifierCV(), "CalibratedClassifierCV itself splits"),
        (MLPClassifier(early_stopping=True), "MLPClassifier itself splits"),
        (RFECV(LogisticRegression()), "RFECV itself splits"),
        (GridSearchCV(LogisticRegressionCV(), {"Cs": [3]}), "LogisticRegressionCV itself splits"),
        (make_pipeline(PCA(2), GridSearchCV(LogisticRegression(), {"C": [1]})), "the Pipeline makes other columns"),
        (BaggingClassifier(CalibratedClassifierCV(SVC()), 2, max_features=0.5), "SVC is given 2 of 5 columns"),
    ],
)
def test_where_a_copy_could_not_be_kept_out_the_option_is_refused(estimator: Any, named: str) -> None:
    x, y = noise()
    with pytest.raises(BenchmarkError, match=f"smote=1: .*{named}"):
        evened(estimator, np.ones(5, bool), 1, 0).fit(x, y)


def test_ensembles_that_draw_cases_columns_or_weights_are_fitted_on_the_copies_as_they_are() -> None:
    x, y = noise()
    for estimator in (
        BaggingClassifier(LogisticRegression(), 5, max_features=0.7, random_state=0),
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=5, random_state=0),
    ):
        ours = evened(clone(estimator), np.ones(5, bool), 1, 7).fit(x, y).predict_proba(x)
        np.testing.assert_array_equal(ours, clone(estimator).fit(*replicate(x, y, np.ones(5, bool), 1, 7)).predict_proba(x))


def test_a_successive_halving_can_spend_the_classifiers_own_parameter() -> None:
    x, y = noise()
    search = HalvingGridSearchCV(
        RandomForestClassifier(random_state=0), {"max_depth": [2, 4]}, resource="n_estimators", max_resources=6, min_resources=2
    )
    fitted = evened(search, np.ones(5, bool), 1, 0).fit(x, y)
    assert fitted.best_estimator_.classifier.n_estimators == fitted.best_params_["n_estimators"]
