"""The minimum detectable difference and the |t| of Holm's first rejection."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.statistics.multiplicity import detectable_difference, holm


@pytest.mark.parametrize(("methods", "t"), [(10, 3.8), (20, 4.5), (40, 5.1), (60, 5.5)])
def test_the_first_rejection_needs_the_published_t(methods, t):
    pairs = methods * (methods - 1) // 2
    power = detectable_difference(np.full(pairs, 0.01), 19, pairs)
    assert round(power.first_rejection_t, 1) == t


def test_a_t_just_above_the_first_threshold_is_holms_first_rejection():
    from scipy.stats import t as student

    first = detectable_difference(np.ones(45), 19, 45).first_rejection_t
    for factor, rejected in ((1.0001, True), (0.9999, False)):
        p = np.concatenate(([2 * student.sf(factor * first, 19)], np.full(44, 0.5)))
        assert (holm(p)[0] < 0.05) == rejected


@pytest.mark.parametrize(("df", "methods"), [(19, 20), (5, 22), (5, 3), (np.inf, 10)])
def test_the_difference_is_found_with_a_probability_of_80_per_cent(df, methods):
    from scipy.stats import nct, norm

    pairs = methods * (methods - 1) // 2
    power = detectable_difference(np.full(pairs, 0.02), df, pairs)
    shift = power.detectable / 0.02
    found = norm.sf(power.first_rejection_t - shift) if np.isinf(df) else nct.sf(power.first_rejection_t, df, shift)
    assert found == pytest.approx(0.8, abs=1e-6)


def test_it_grows_with_the_family_and_the_error():
    one, many = detectable_difference([0.02], 19, 1), detectable_difference(np.full(190, 0.02), 19, 190)
    assert one.detectable == one.detectable_alone == many.detectable_alone < many.detectable
    assert detectable_difference(np.full(190, 0.04), 19, 190).detectable == pytest.approx(2 * many.detectable)


def test_untested_pairs_do_not_count_and_no_pairs_give_nan():
    assert detectable_difference([0.02, np.nan], 19, 1) == detectable_difference([0.02], 19, 1)
    assert np.isnan(detectable_difference([], 19, 0).detectable)
