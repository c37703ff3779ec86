"""Nadeau and Bengio's corrected resampled t."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.statistics.student import corrected_interval, corrected_t, equivalence

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "nadeau_bengio.json").read_text())
DIFFERENCES = hnp.arrays(np.float64, st.integers(2, 25), elements=st.floats(-0.5, 0.5).map(lambda x: round(x, 4)))


def test_the_reference_value_is_met():
    test = corrected_t(np.array(FIXTURE["a"]) - np.array(FIXTURE["b"]))
    assert test.statistic == pytest.approx(FIXTURE["t"], abs=1e-9)
    assert test.df == FIXTURE["df"]
    assert test.p == pytest.approx(FIXTURE["p_two_sided"], abs=1e-9)
    assert (test.low, test.high) == pytest.approx(tuple(FIXTURE["ci95"]), abs=1e-9)


def test_without_the_correction_it_is_the_paired_t_test():
    from scipy.stats import ttest_rel

    test, plain = corrected_t(np.array(FIXTURE["a"]) - np.array(FIXTURE["b"]), 0.0), ttest_rel(FIXTURE["a"], FIXTURE["b"])
    assert test.statistic == pytest.approx(plain.statistic, abs=1e-9)
    assert test.statistic == pytest.approx(FIXTURE["naive_t"], abs=1e-9)
    assert test.p == pytest.approx(plain.pvalue, abs=1e-12)


@given(DIFFERENCES)
def test_swapping_the_methods_negates_t_and_keeps_p(d):
    one, other = corrected_t(d), corrected_t(-d)
    assert one.statistic == -other.statistic
    assert one.p == other.p
    assert (one.low, one.high) == (-other.high, -other.low)


@given(DIFFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_the_folds_does_not_matter(d, random):
    shuffled = list(d)
    random.shuffle(shuffled)
    assert corrected_t(shuffled).p == pytest.approx(float(corrected_t(d).p), rel=1e-6)


@given(DIFFERENCES)
def test_the_interval_excludes_zero_exactly_when_p_is_below_05(d):
    test = corrected_t(d)
    if not test.degenerate and abs(test.p - 0.05) > 1e-9:
        assert ((test.low > 0) or (test.high < 0)) == (test.p < 0.05)


def test_zero_variance_is_flagged_and_gives_p_1_or_0():
    test = corrected_t(np.array([np.zeros(20), np.full(20, 0.1), np.full(20, -0.3), np.linspace(-1, 1, 20)]))
    assert test.degenerate.tolist() == [True, True, True, False]
    assert test.p[:3].tolist() == [1.0, 0.0, 0.0]
    assert test.statistic[:3].tolist() == [0.0, np.inf, -np.inf]


def test_an_undefined_fold_gives_no_p_value():
    test = corrected_t([[0.1, np.nan, 0.3], [0.1, 0.2, 0.3]])
    assert np.isnan(test.p).tolist() == [True, False]
    assert np.isnan(test.mean[0])
    assert not test.degenerate[0]


def test_more_seeds_do_not_shrink_the_error_below_the_correction():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=20), rng.normal(size=20_000)
    assert corrected_t(many).error == pytest.approx(0.5 * many.std(ddof=1), rel=1e-3)
    assert corrected_t(few).error == pytest.approx(np.sqrt(0.3) * few.std(ddof=1))


def test_the_interval_of_single_fold_values_is_that_of_the_test():
    values = np.array([FIXTURE["a"], FIXTURE["b"]])
    low, high = corrected_interval(values)
    test = corrected_t(values)
    np.testing.assert_array_equal(low, test.low)
    np.testing.assert_array_equal(high, test.high)


def test_the_probability_of_practical_equality_is_the_reference_s():
    differences = np.array(FIXTURE["a"]) - np.array(FIXTURE["b"])
    assert equivalence(differences) == pytest.approx(FIXTURE["bayes_rope001"]["P_equiv"], abs=1e-9)


@given(DIFFERENCES)
def test_the_probability_of_equality_does_not_depend_on_which_row_comes_first(d):
    assert equivalence(d) == pytest.approx(float(equivalence(-d)), abs=1e-12)
    assert 0.0 <= float(equivalence(d)) <= 1.0


def test_differences_without_variance_are_equal_or_not_for_certain():
    assert equivalence(np.full(20, 0.004)) == 1.0
    assert equivalence(np.full(20, 0.02)) == 0.0
    assert np.isnan(equivalence(np.array([0.004])))
