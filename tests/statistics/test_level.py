"""The level of the tests in simulated cross-validation: a short run of `calibrate`, held to the bars of the full one.

A full run has 800 repetitions of each world; with fewer, a bar counts as broken where the share lies beyond it by more than two
Monte-Carlo errors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
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
    repeat,
)
from benchmark.audit.calibration.worlds import WORLDS

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
