"""What a method may give as probabilities, and how far off it is where it may not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.data.splits import Split
from benchmark.learning.fitting import InvalidPredictions, checked, views_of
from benchmark.learning.stages import Declared, Seen
from tests.learning.text_vision.made_reports import made

BOTH = frozenset({"image", "text"})


@pytest.mark.parametrize("given", [[0.0, 0.5, 1.0], [0, 1, 1], np.float32([0.25, 0.5, 0.75]), np.float16([0, 0.5, 1])])
def test_what_lies_in_the_range_is_taken_as_it_is(given: Any) -> None:
    taken = checked(given, 3)
    assert taken.dtype == np.float64
    assert taken.tolist() == [float(value) for value in given]


def test_what_lies_outside_by_the_rounding_of_single_precision_is_clipped() -> None:
    assert checked(np.float32([1.0000001, 0.3, -1e-7]), 3).tolist() == [1.0, float(np.float32(0.3)), 0.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.000002, 0.5, 0.5], "1 of 3 probabilities lie outside [0, 1], by up to 2e-06 (they range from 0.5 to 1)"),
        ([-0.01, 0.5, 1.2], "2 of 3 probabilities lie outside [0, 1], by up to 0.2 (they range from -0.01 to 1.2)"),
        ([-2.0, 0.1, 3.5], "by up to 2.5 (they range from -2 to 3.5): these look like log-odds: 1 / (1 + exp(-x))"),
        ([-4.0, -0.5, -1.0], "these look like log-odds"),
        ([7, 93, 50], "(they range from 7 to 93): these look like percent: divide by 100"),
        ([-1, 1, 1], "these look like classes -1 and 1"),
        ([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], "shape (3, 2) for 3 cases: it must be (3,): take column 1, P(label = 1)"),
        ([[0.1], [0.2], [0.3]], "shape (3, 1) for 3 cases: it must be (3,): take its one column"),
        ([0.1, 0.9], "shape (2,) for 3 cases: it must be (3,)"),
    ],
)
def test_what_is_no_probability_is_refused_with_the_excess_and_what_it_looks_like(given: Any, message: str) -> None:
    with pytest.raises(InvalidPredictions) as caught:
        checked(np.array(given), 3)
    assert message in str(caught.value)


def test_a_method_and_its_stages_know_which_case_has_which_image_view() -> None:
    whole, _ = made(30, 0, second_view=True)
    there = np.arange(30) % 3 > 0
    cohort = replace(
        whole, present={"dwi": there}, pool=replace(made(4, 1, "p", second_view=True)[0], labels=None, findings=None)
    )
    rows = np.arange(30)
    views = views_of(cohort, Split("s", 1, rows[:15], rows[15:20], rows[20:], np.arange(4)), (BOTH, frozenset({"image"})))
    for part, own in ((views.train, rows[:15]), (views.validation, rows[15:20]), (views.test, rows[20:])):
        assert part.having("dwi").tolist() == there[own].tolist() and part.having("flair").all()
    seen = Seen(
        Declared("vision", frozenset({"unlabelled"}), (), (), False, None, None, modalities=BOTH), views.train, views.validation
    )
    cases = seen.unlabelled
    expected = [case.startswith("p") or there[int(case[1:])] for case in cases.case_ids.tolist()]
    assert len(cases) == 19 and cases.having("dwi").tolist() == expected


def test_a_view_of_the_text_alone_knows_of_no_image_view() -> None:
    cohort = replace(made(6, 0, second_view=True)[0], present={"dwi": np.arange(6) > 2})
    assert not cohort.only({"text"}).present
