"""Replication SMOTE: what is copied, what moves, and that no copy leaves the part it was made in."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
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
