"""The simulated worlds of `calibrate`: their truth is what they say, and their learner is logistic regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmark.audit.calibration.families import choose, upper_bound
from benchmark.audit.calibration.rates import Bar, Rate, any_called, coverage, rate, rejections
from benchmark.audit.calibration.repetition import (
    ALL_PAIRS,
    AUC,
    CORRECTED_T,
    SHOWN_AUC,
    WITH_HOLM,
    Repetition,
    _labelled,
    fit_logistic,
    predict,
    repeat,
    true_accuracy,
    true_auc,
)
from benchmark.audit.calibration.worlds import CASES, DESCRIPTIONS, POSITIVES, WORLDS, World, draw
from benchmark.data.cohort import Cohort
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.system.errors import BenchmarkError

FRESH = 400_000


def fresh(difference: np.ndarray, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels and features of many cases."""
    rng = np.random.default_rng(5)
    y = (rng.random(FRESH) < prevalence).astype(np.int8)
    return y, rng.normal(size=(FRESH, len(difference))) + y[:, None] * difference


@pytest.mark.parametrize("penalty", [1.0, 0.0])
def test_the_learner_is_scikit_learns_logistic_regression(penalty: float):
    drawn = draw(WORLDS["s1"], np.random.default_rng(1))
    learning = np.random.default_rng(2).random((3, CASES)) < 0.8
    found = fit_logistic(drawn.features[0], drawn.labels, learning, penalty)
    for coefficients, part in zip(found, learning, strict=True):
        model = LogisticRegression(C=1 / penalty if penalty else np.inf, tol=1e-10, max_iter=10_000)
        model.fit(drawn.features[0][part], drawn.labels[part])
        np.testing.assert_allclose(coefficients, [*model.coef_[0], *model.intercept_], atol=2e-5)


def test_classes_that_are_separable_have_no_fit_without_a_penalty():
    y = np.repeat([0, 1], 20).astype(np.int8)
    with pytest.raises(BenchmarkError, match="are the classes separable"):
        fit_logistic(y[:, None] * 10.0 + np.arange(40)[:, None] / 100, y, np.ones((1, 40), dtype=bool), 0.0)


def test_the_true_auc_and_accuracy_of_a_model_are_those_on_very_many_fresh_cases():
    difference, model = np.array([0.9, 0.3, 0.0]), np.array([[1.0, -0.2, 0.5, -0.7]])
    y, x = fresh(difference, 0.3)
    linear = x @ model[0, :-1] + model[0, -1]
    assert true_auc(model, difference)[0] == pytest.approx(roc_auc_score(y, linear), abs=0.003)
    assert true_accuracy(model, difference, 0.3)[0] == pytest.approx(np.mean((linear > 0) == (y == 1)), abs=0.003)


@pytest.mark.parametrize("name", [name for name, world in WORLDS.items() if not world.sites])
def test_the_best_rule_of_each_method_has_the_auc_that_the_world_states(name: str):
    world = WORLDS[name]
    drawn = draw(world, world.generator(0))
    for auc, differences in zip(world.auc, drawn.differences, strict=True):
        best = np.append(differences[0], 0.0)[None] + 1e-300
        assert true_auc(best, differences)[0] == pytest.approx(auc) if world.signals else auc == 0.5


def test_common_signals_are_the_same_columns_and_noise_is_not():
    drawn = draw(WORLDS["s1"], np.random.default_rng(3))
    first, second = drawn.features
    np.testing.assert_array_equal(first[:, :3], second[:, :3])
    assert abs(np.corrcoef(first[:, 3], second[:, 3])[0, 1]) < 0.2
    assert drawn.labels.sum() == POSITIVES


def test_a_method_is_tested_on_the_protocols_own_parts_after_learning_from_train_and_validation():
    world = WORLDS["s2"]
    drawn = draw(world, world.generator(4))
    predicted = predict(world, drawn)
    cohort = Cohort("the same", np.array([f"{case:04d}" for case in range(CASES)]), drawn.labels)
    for split in RepeatedCV().splits(cohort)[::7]:
        seen = np.concatenate([split.train, split.validation])
        model = LogisticRegression(tol=1e-10).fit(drawn.features[1][seen], drawn.labels[seen])
        rows = (predicted.task["split"] == split.name).to_numpy()
        assert predicted.task["case"][rows].tolist() == cohort.case_ids[split.test].tolist()
        expected = model.predict_proba(drawn.features[1][split.test])[:, 1]
        np.testing.assert_allclose(predicted.scores["method-2"][rows], expected, atol=1e-5)


def test_a_repetition_is_the_same_whatever_was_computed_before():
    alone = repeat(WORLDS["gap"], 3)
    repeat(WORLDS["sites"], 0)
    assert repeat(WORLDS["gap"], 3) == alone
    assert repeat(WORLDS["gap"], 2) != alone


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_is_described_and_gives_figures(name: str):
    done = repeat(WORLDS[name], 0)
    figures = [*done.p.values(), *done.called.values(), *np.ravel(list(done.intervals.values())), *done.truth[AUC]]
    assert DESCRIPTIONS[name] and len(figures) > 3 and np.isfinite(figures).all()


def test_a_true_difference_is_called_where_it_is_large():
    world = World("plain", (0.9, 0.6))
    assert repeat(world, 0).p[CORRECTED_T] < 0.01
    assert repeat(World("plain family", (0.9, 0.6, 0.6)), 0).called[WITH_HOLM] == 2


def test_rates_and_coverage_count_what_they_say():
    repetitions = [
        Repetition(
            p={"t": p}, intervals={SHOWN_AUC: [(0.5, 0.7), (0.6, high)]}, truth={AUC: [0.6, truth]}, called={"holm": called}
        )
        for p, high, truth, called in [(0.01, 0.7, 0.6, 0), (0.2, 0.62, 0.7, 3), (0.05, 0.7, 0.65, 0), (0.04, 0.64, 0.65, 1)]
    ]
    assert rejections(repetitions, "t") == Rate(0.5, 0.25, 4)
    assert any_called(repetitions, "holm").value == 0.5
    assert coverage(repetitions, SHOWN_AUC).value == (4 + 2) / 8, "the mean truth of the second method is .65"
    assert coverage(repetitions, SHOWN_AUC, of_own_models=True).value == (4 + 2) / 8


def test_what_never_happened_has_an_error_all_the_same():
    assert rate([0] * 96) == Rate(0.0, pytest.approx(np.sqrt(0.02 * 0.98 / 96)), 96)


def test_a_bar_has_its_limits_included_and_slack_where_it_is_asked_for():
    bar = Bar("s1", "t", 0.03, 0.08)
    assert bar.holds(Rate(0.03, 0.01, 800)) and bar.holds(Rate(0.08, 0.01, 800))
    assert not bar.holds(Rate(0.099, 0.01, 800)) and bar.holds(Rate(0.099, 0.01, 800), errors=2)
    assert not bar.holds(Rate(0.101, 0.01, 800), errors=2)


def _erring(shares: list[float]) -> list[Repetition]:
    """Repetitions of which a share errs at an inflation of 1.6, the rest at none: of the even and of the odd ones."""
    count = 1000
    errs = [number // 2 < shares[number % 2] * count / 2 for number in range(count)]
    return [Repetition(least={ALL_PAIRS: 1.6 if err else 0.5}, truth={AUC: [0.8]}) for err in errs]


@pytest.mark.parametrize(
    ("even", "odd", "chosen", "refuted"),
    [(0.02, 0.02, 1.25, ()), (0.09, 0.02, 1.75, ()), (0.02, 0.09, 1.75, (1.25, 1.5)), (0.046, 0.046, 1.25, ())],
)
def test_the_inflation_is_the_least_that_both_halves_hold(even: float, odd: float, chosen: float, refuted: tuple[float, ...]):
    quiet = _erring([0.0, 0.0])
    found = choose({"loud": _erring([even, odd]), "quiet": quiet}, ["loud", "quiet", "absent"], [ALL_PAIRS])
    assert (found.inflation, found.refuted, found.open_worlds) == (chosen, refuted, ())


def test_a_world_that_no_inflation_holds_is_named_and_left_out():
    hopeless = [replace(each, least={ALL_PAIRS: 9.0}) for each in _erring([0.0, 0.0])]
    found = choose({"hopeless": hopeless, "quiet": _erring([0.0, 0.0])}, ["hopeless", "quiet"], [ALL_PAIRS])
    assert found.open_worlds == ("hopeless",) and found.inflation == 1.25 and found.worst == "quiet"


def test_the_upper_bound_is_clopper_pearsons():
    from scipy.stats import beta

    assert upper_bound(rate([1] * 20 + [0] * 480)) == pytest.approx(beta.ppf(0.95, 21, 480))


def test_few_repetitions_of_a_doubled_world_give_each_patient_two_cases_in_one_part():
    drawn = draw(WORLDS["8-doubled"], WORLDS["8-doubled"].generator(0))
    found = predict(WORLDS["8-doubled"], drawn).task
    assert len(drawn.labels) == 2 * WORLDS["8-doubled"].patients
    assert (found.groupby(["split", "group"], observed=True).size() == 2).all()


def test_a_tenth_of_the_labels_is_a_tenth_of_either_class():
    labels = (np.arange(200) < 60).astype(np.int8)
    chosen = _labelled(0.1, np.arange(0, 200, 2), labels)
    assert (chosen[labels == 1].sum(), chosen[labels == 0].sum()) == (3, 7)
    assert not chosen[1::2].any() and _labelled(1.0, np.arange(0, 200, 2), labels).sum() == 100
