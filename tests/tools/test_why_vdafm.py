"""The experiments of docs/why-vdafm.md: who is trained on and scored, and the intervals that the tables show."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy import stats

from tools.why_vdafm import FITS, SIZES, TESTED, _pieces, interval


def people(cases: int, number: int) -> tuple[set[int], set[int]]:
    """Those scored, and those that a fit learns from."""
    numbers = {each for start, stop in _pieces(cases, number) for each in range(start, stop)}
    return {each for each in numbers if each < TESTED}, {each for each in numbers if each >= TESTED}


def test_no_two_fits_learn_from_the_same_patients_and_all_are_scored_on_the_same():
    found = [people(max(SIZES), number) for number in range(FITS)]
    assert all(scored == set(range(TESTED)) for scored, _ in found)
    assert not any(one & other for (_, one), (_, other) in combinations(found, 2))


def test_a_larger_sample_holds_the_smaller_and_four_fifths_of_it_are_the_cases_it_is_named_by():
    for number in range(FITS):
        samples = [people(cases, number)[1] for cases in sorted(SIZES)]
        assert all(small < large for small, large in zip(samples, samples[1:], strict=False))
        for cases, sample in zip(sorted(SIZES), samples, strict=True):
            assert abs(0.8 * len(sample) - cases) <= 1


def test_an_interval_is_students_over_the_fits():
    values = np.random.default_rng(0).normal(0.02, 0.01, FITS)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    said = interval(values.tolist()).replace("(", "").replace(")", "").replace("to ", "").split()
    assert [float(each) for each in said] == [round(each, 3) for each in (values.mean(), low, high)]
