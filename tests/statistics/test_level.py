"""The level of the tests in simulated cross-validation: a short run of `calibrate`, held to the bars of the full one.

A full run has 800 repetitions of each world; with fewer, a bar counts as broken where the share lies beyond it by more than two
Monte-Carlo errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.audit.calibration.rates import coverage, judge, rejections
from benchmark.audit.calibration.repetition import (
    AUC,
    CORRECTED_T,
    NAIVE_T,
    SHOWN_ACCURACY,
    SHOWN_AUC,
    STANDARD_DEVIATION,
    Repetition,
    predict,
    repeat,
)
from benchmark.audit.calibration.worlds import CASES, POSITIVES, POWER_WORLD, WORLDS, World, draw
from benchmark.leaderboard.one_pair import SOUGHT, patients_needed
from benchmark.statistics.comparison import compare

pytestmark = pytest.mark.slow

REPETITIONS = 250
Results = dict[str, list[Repetition]]


@pytest.fixture(scope="module")
def results(once: Callable[[str, Callable[[], Results]], Results]) -> Results:
    def repeated() -> Results:
        return {name: [repeat(WORLDS[name], number) for number in range(REPETITIONS)] for name in ("s1", "s2")}

    return once("level", repeated)


def test_every_calibration_bar_holds(results: Results):
    broken = [(bar.world, bar.test, rate) for bar, rate in judge(results) if not bar.holds(rate, errors=2)]
    assert len(judge(results)) == 12
    assert not broken


def test_a_test_as_bold_as_the_naive_t_would_break_the_bar_of_the_corrected_one(results: Results):
    bars = [bar for bar, _ in judge(results) if bar.test == CORRECTED_T]
    assert len(bars) == 2
    assert not any(bar.holds(rejections(results[bar.world], NAIVE_T), errors=2) for bar in bars)


@pytest.mark.parametrize("world", ["s1", "s2"])
@pytest.mark.parametrize("interval", [SHOWN_AUC, SHOWN_ACCURACY])
def test_the_intervals_shown_hold_the_truth_about_as_often_as_they_say(results: Results, world: str, interval: str):
    assert coverage(results[world], interval).value >= 0.92


@pytest.mark.parametrize("world", ["s1", "s2"])
def test_the_standard_error_over_folds_does_not(results: Results, world: str):
    assert coverage(results[world], STANDARD_DEVIATION).value <= 0.75


@pytest.mark.parametrize("world", ["s1", "s2"])
def test_the_methods_are_equal_and_of_the_intended_strength(results: Results, world: str):
    truth = np.array([each.truth[AUC] for each in results[world]])
    gap = truth[:, 0] - truth[:, 1]
    assert abs(gap.mean()) <= 3 * gap.std() / np.sqrt(REPETITIONS)
    assert 0.75 <= truth.mean() <= 0.80


def test_the_number_of_patients_that_compare_names_is_enough_to_find_the_difference():
    """80 % are promised where the standard error is the inflated one; the true one is smaller, so more are found."""
    world = WORLDS[POWER_WORLD]
    pilot = [_one_pair(world, number) for number in range(20)]
    gap = float(np.mean([difference for *_, difference in pilot]))
    detectable = float(np.mean([each["detectable"] for each, _ in pilot]))
    patients = round(patients_needed(CASES, detectable) * (SOUGHT / gap) ** 2)
    assert patients > 2 * CASES, "the world's own cases are too few"
    enough = replace(world, name="enough", patients=patients, positives=round(patients * POSITIVES / CASES))
    found = [_one_pair(enough, number)[0] for number in range(40)]
    assert np.mean([each["p"] < 0.05 and each["difference"] > 0 for each in found]) >= 0.7


def _one_pair(world: World, number: int) -> tuple[pd.Series, float]:
    """The pair of a world as a question of its own, and the true difference of the trained models."""
    drawn = predict(world, draw(world, world.generator(number)))
    frames = drawn.task, drawn.scores, drawn.thresholds
    found = compare(*frames, inference="fold", ranked=list(world.methods), families={"one": [world.methods]})
    return found.families["one"].iloc[0], float(np.subtract(*drawn.truth[AUC]))


def test_with_few_positives_the_interval_of_a_single_row_covers_with_its_own_factor_and_not_with_the_usual_one() -> None:
    world = WORLDS["8-few-positives"]
    every = [predict(world, draw(world, world.generator(number))) for number in range(40)]
    truth = np.mean([made.truth[AUC] for made in every])
    shares = {}
    for inference in ("few-labels", "fold"):
        covered = []
        for made in every:
            found = compare(made.task, made.scores, made.thresholds, inference=inference, ranked=list(world.methods))
            covered.append(np.mean((found.low["auc"] <= truth) & (truth <= found.high["auc"])))
        shares[inference] = (np.mean(covered), np.std(covered, ddof=1) / np.sqrt(len(covered)))
    (rate, error), (usual, _) = shares["few-labels"], shares["fold"]
    assert abs(rate - 0.95) <= 2 * error
    assert usual < rate - 0.02
