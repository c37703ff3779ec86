"""Statistics over held-out sites."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import norm

from benchmark.statistics.sites import auc_variance_floor, random_effects, sign_flip, site_t, small_sites


def test_a_site_with_fewer_than_5_of_either_class_is_small():
    assert small_sites([5, 4, 100, 0], [5, 100, 4, 9]).tolist() == [False, True, True, True]


def test_fewer_than_6_sites_give_no_p_and_no_interval():
    d = np.random.default_rng(0).normal(size=(3, 5))
    test = site_t(d)
    assert np.isnan(test.p).all()
    assert np.isnan(test.low).all()
    assert np.isnan(sign_flip(d)).all()


def test_six_sites_give_the_one_sample_t_test():
    from scipy.stats import ttest_1samp

    d = np.random.default_rng(0).normal(0.3, 1, size=(3, 6))
    reference = ttest_1samp(d, 0, axis=1)
    test = site_t(d)
    assert test.df == 5
    np.testing.assert_allclose(test.statistic, reference.statistic)
    np.testing.assert_allclose(test.p, reference.pvalue)


def test_sign_flip_equals_the_enumeration_of_all_patterns():
    d = np.random.default_rng(2).normal(0.4, 1, size=(4, 7))
    for row, p in zip(d, sign_flip(d), strict=True):
        sums = [abs(np.dot(signs, row)) for signs in itertools.product((-1, 1), repeat=7)]
        assert p == pytest.approx(np.mean([s >= abs(row.sum()) - 1e-12 for s in sums]))


def test_sign_flip_of_six_agreeing_sites_is_its_least_value():
    assert sign_flip(np.full((1, 6), 0.1))[0] == 2 / 2**6


def test_sign_flip_is_unchanged_by_swapping_and_1_for_identical_scores():
    d = np.random.default_rng(3).normal(size=(2, 20))
    np.testing.assert_array_equal(sign_flip(d), sign_flip(-d))
    assert sign_flip(np.zeros((1, 20)))[0] == 1


def test_drawn_sign_flips_are_those_of_each_pair_alone_and_near_the_normal_ones():
    d = np.random.default_rng(4).normal(0.02, 0.2, size=(600, 200))
    d[5, 3] = np.nan
    p = sign_flip(d)
    alone = np.concatenate([sign_flip(row[None]) for row in d[::40]])
    np.testing.assert_array_equal(p[::40], alone)
    assert np.isnan(p[5]) and np.isfinite(np.delete(p, 5)).all()
    z = np.delete(d, 5, 0).sum(axis=1) / np.sqrt((np.delete(d, 5, 0) ** 2).sum(axis=1))
    assert np.abs(np.delete(p, 5) - 2 * norm.sf(np.abs(z))).max() < 0.02


def test_sign_flip_over_33_sites_counts_every_pattern():
    # One site of weight 31 among 32 of weight 1: |sum| >= 31 + 32 needs all signs alike; >= 31 + 30 one of the 32 to differ.
    d = np.concatenate([[31.0], np.ones(32)])
    assert sign_flip(d[None])[0] == 2 / 2**33
    d[-1] = -1.0
    assert sign_flip(d[None])[0] == 2 * (1 + 32) / 2**33


def test_patterns_drawn_for_many_sites_agree_with_the_count_of_all():
    values = np.random.default_rng(4).normal(0.2, 1, size=15)
    exact = sign_flip(values[None])[0]
    padded = np.concatenate([values, np.zeros(25)])  # sites without a difference change no sum
    assert sign_flip(padded[None])[0] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000))


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.2])
def test_tau2_solves_the_equation_of_paule_and_mandel(spread):
    rng = np.random.default_rng(7)
    variances = rng.uniform(0.0005, 0.004, size=(20, 9))
    scores = 0.75 + rng.normal(size=(20, 9)) * np.sqrt(variances + spread**2)
    tau = random_effects(scores, variances).tau
    weights = 1 / (variances + tau[:, None] ** 2)
    mean = np.average(scores, axis=1, weights=weights)
    q = np.sum(weights * (scores - mean[:, None]) ** 2, axis=1)
    np.testing.assert_allclose(q[tau > 0], 8)
    assert (q[tau == 0] <= 8).all()


@pytest.mark.filterwarnings("ignore:`use_t=True` requires")
@pytest.mark.parametrize("spread", [0.0, 0.02, 0.2])
def test_the_hartung_knapp_interval_equals_statsmodels(spread):
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(7)
    variances = rng.uniform(0.0005, 0.004, size=(4, 9))
    scores = 0.75 + rng.normal(size=(4, 9)) * np.sqrt(variances + spread**2)
    found = random_effects(scores, variances, truncated=False)
    for m in range(4):
        # Given tau2, which the test above checks (statsmodels' own iteration at times falls to 0 although Q exceeds H - 1).
        reference = combine_effects(scores[m], variances[m] + found.tau[m] ** 2, use_t=True)
        row = reference.summary_frame().loc["fixed effect wls", ["eff", "ci_low", "ci_upp"]]
        np.testing.assert_allclose([found.mean[m], found.low[m], found.high[m]], row.to_numpy(dtype=float), rtol=1e-10)
        assert found.i2[m] == pytest.approx(max(combine_effects(scores[m], variances[m]).i2, 0), abs=1e-9)


def test_hartung_knapp_by_hand():
    # Equal variances: the mean is plain, tau2 = s2 - v, and the untruncated SE is s / sqrt(H).
    scores, v = np.array([[0.6, 0.7, 0.8, 0.9, 0.5, 0.7]]), np.full((1, 6), 0.001)
    found = random_effects(scores, v, truncated=False)
    s = scores.std(ddof=1)
    assert found.tau[0] ** 2 == pytest.approx(s**2 - 0.001)
    assert found.high[0] - found.mean[0] == pytest.approx(2.570581835636314 * s / np.sqrt(6))
    assert found.i2[0] == pytest.approx(1 - 0.001 / s**2)


def test_sites_that_agree_by_chance_do_not_shrink_the_interval():
    scores, v = np.array([[0.70, 0.70, 0.7001, 0.70, 0.70, 0.70]]), np.full((1, 6), 0.004)
    plain, kept = random_effects(scores, v, truncated=False), random_effects(scores, v)
    assert plain.high[0] - plain.low[0] < 0.001
    assert kept.high[0] - kept.mean[0] == pytest.approx(2.570581835636314 * np.sqrt(0.004 / 6))
    assert kept.tau[0] == 0
    assert kept.i2[0] == 0


def test_the_variance_floor_is_positive_and_shrinks_with_the_site():
    floor = auc_variance_floor(np.array([[1.0, 1.0, 0.5, 0.0]]), np.array([5, 50, 5, 5]), np.array([20, 200, 20, 20]))[0]
    assert (floor > 0).all()
    assert floor[1] < floor[0] < floor[2]
    assert floor[3] == floor[0]
