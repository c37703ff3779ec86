"""DeLong's test, plain and over repeated cross-validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.statistics.delong import average_by_patient, covariance, delong_test, logit_interval, pairwise, variance
from benchmark.statistics.ordering import order_cases, placements

FIXTURES = Path(__file__).parents[1] / "fixtures"
SCORES = pd.read_csv(FIXTURES / "delong_scores.csv")
PROC = pd.read_csv(FIXTURES / "delong_proc.csv", skipinitialspace=True)
Y = SCORES["y"].to_numpy()


def slow_placements(y, s):
    """Direct O(mn) definition."""
    values = np.empty(len(y))
    for i in range(len(y)):
        others = s[y != y[i]]
        wins = np.mean(others < s[i]) if y[i] else np.mean(others > s[i])
        values[i] = wins + 0.5 * np.mean(others == s[i])
    return values


@pytest.mark.parametrize("row", list(PROC.itertuples()), ids=lambda row: f"{row.a}-{row.b}")
def test_proc_is_met_to_1e_9(row):
    auc, cov, test = delong_test(Y, SCORES[[row.a, row.b]].to_numpy().T)
    assert auc == pytest.approx([row.auc_a, row.auc_b], abs=1e-9)
    assert cov == pytest.approx(np.array([[row.var_a, row.cov_ab], [row.cov_ab, row.var_b]]), abs=1e-9)
    assert test.statistic[0] == pytest.approx(row.z, abs=1e-9)
    assert test.p[0] == pytest.approx(row.p, abs=1e-9)
    assert (test.low[0], test.high[0]) == pytest.approx((row.diff_lo, row.diff_hi), abs=1e-9)


def test_all_pairs_of_one_covariance_equal_the_pairs_alone():
    names = ["s1", "s2", "s3", "s4ties"]
    _, _, together = delong_test(Y, SCORES[names].to_numpy().T)
    a, b = np.triu_indices(4, 1)
    for k, (i, j) in enumerate(zip(a, b, strict=True)):
        _, _, alone = delong_test(Y, SCORES[[names[i], names[j]]].to_numpy().T)
        assert together.p[k] == pytest.approx(alone.p[0], abs=1e-12)


SMALL = st.integers(4, 20).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.int8, n, elements=st.integers(0, 1)).filter(lambda y: 2 <= y.sum() <= len(y) - 2),
        hnp.arrays(np.float64, (2, n), elements=st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.9])),
    )
)


@given(SMALL)
@settings(deadline=None)
def test_placements_equal_their_definition(part):
    y, scores = part
    found = placements(order_cases(y, scores))
    for row, s in zip(found, scores, strict=True):
        np.testing.assert_allclose(row, slow_placements(y, s), atol=1e-12)


@given(SMALL)
@settings(deadline=None)
def test_swapping_the_methods_negates_z_and_keeps_p(part):
    y, scores = part
    one, other = delong_test(y, scores)[2], delong_test(y, scores[::-1])[2]
    assert one.statistic == -other.statistic
    assert one.p == other.p


@given(SMALL)
@settings(deadline=None)
def test_a_monotone_transform_changes_nothing(part):
    y, scores = part
    one = delong_test(y, scores)[2]
    other = delong_test(y, np.stack([scores[0], scores[1] ** 3 / 7]))[2]
    assert (one.statistic, one.p) == (other.statistic, other.p)


@given(SMALL)
@settings(deadline=None)
def test_identical_rankings_give_p_1(part):
    y, scores = part
    test = delong_test(y, np.stack([scores[0], np.sqrt(scores[0])]))[2]
    assert test.mean[0] == 0
    assert test.p[0] == 1


def test_a_difference_without_variance_is_flagged():
    y = np.array([0, 0, 1, 1])
    test = delong_test(y, np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]]))[2]
    assert (test.mean[0], test.p[0], bool(test.degenerate[0])) == (1.0, 0.0, True)


def test_one_class_or_a_single_case_of_it_gives_nan():
    assert np.isnan(placements(order_cases(np.zeros(4), np.ones((2, 4))))).all()
    _, cov, test = delong_test(np.array([0, 0, 0, 1]), np.array([[0.1, 0.5, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]]))
    assert np.isnan(cov).all()
    assert np.isnan(test.p).all()


def test_repeated_cross_validation_equals_a_direct_loop():
    rng = np.random.default_rng(1)
    n, methods, seeds, folds = 60, 3, 4, 5
    y = rng.permutation(np.repeat([0, 1], [40, 20]))
    values, patients, sums = [], [], np.zeros((methods, n))
    for _ in range(seeds):
        for part in np.array_split(rng.permutation(n), folds):
            scores = np.round(rng.normal(size=(methods, len(part))) + y[part], 1)
            values.append(placements(order_cases(y[part], scores)))
            patients.append(part)
            for m in range(methods):
                sums[m, part] += slow_placements(y[part], scores[m]) / seeds
    found = average_by_patient(np.concatenate(values, axis=1), np.concatenate(patients), n)
    np.testing.assert_allclose(found, sums, atol=1e-12)
    cov = covariance(found, y)
    for i in range(methods):
        for j in range(methods):
            expected = sum(np.cov(sums[i, y == c], sums[j, y == c])[0, 1] / np.sum(y == c) for c in (0, 1))
            assert cov[i, j] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(variance(found, y), np.diagonal(cov), atol=1e-15)
    auc = found[:, y == 1].mean(axis=1)
    test = pairwise(auc, cov, np.array([0]), np.array([1]), 1.25)
    error = np.sqrt(1.25 * (cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]))
    assert test.statistic[0] == pytest.approx((auc[0] - auc[1]) / error)


def test_the_interval_lies_within_0_and_1_and_is_left_open_at_the_ends():
    low, high = logit_interval(np.array([0.5, 0.99, 1.0, 0.0, np.nan]), np.array([0.05, 0.05, 0.0, 0.0, 0.1]))
    assert np.isnan(low).tolist() == [False, False, True, True, True]
    assert low[0] + high[0] == pytest.approx(1)
    assert 0 < low[1] < 0.99 < high[1] < 1


def test_the_interval_is_the_delta_method_on_the_logit():
    low, high = logit_interval(np.array([0.8]), np.array([0.03]))
    half = 1.959963984540054 * 0.03 / (0.8 * 0.2)
    assert np.log(low / (1 - low))[0] == pytest.approx(np.log(4) - half)
    assert np.log(high / (1 - high))[0] == pytest.approx(np.log(4) + half)
