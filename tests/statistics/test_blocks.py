"""Friedman's test and Nemenyi's critical difference over blocks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import friedmanchisquare

from benchmark.statistics.blocks import block_test

FIXTURES = Path(__file__).parents[1] / "fixtures"
RANKS = pd.read_csv(FIXTURES / "demsar_table6_ranks.csv", index_col=0)
REFERENCE = json.loads((FIXTURES / "friedman_letters_decision.json").read_text())
SCORES = st.tuples(st.integers(5, 12), st.integers(3, 8)).flatmap(
    lambda shape: hnp.arrays(np.float64, shape, elements=st.integers(0, 6).map(float))
)


def test_demsar_s_table_gives_his_figures_which_leave_ties_uncorrected():
    found, exact = (
        block_test(-RANKS.to_numpy(), correct_ties=False),
        REFERENCE["demsar_table6"]["from_ranks_csv_full_precision"],
    )
    assert found.ranks == pytest.approx(REFERENCE["demsar_table6"]["published"]["avg_ranks"], abs=5e-4)
    assert found.chi2 == pytest.approx(exact["chi2"], abs=1e-9)
    assert found.f == pytest.approx(exact["F_F"], abs=1e-9)


@pytest.mark.parametrize(("alpha", "published"), [(0.05, "CD_a05"), (0.10, "CD_a10")])
def test_the_critical_difference_of_four_methods_over_fourteen_data_sets_is_nemenyi_s(alpha, published):
    # Demsar rounds: 2.569 x sqrt(4 x 5 / (6 x 14)) = 1.2536 and 2.291 -> 1.1180.
    difference = block_test(-RANKS.to_numpy(), alpha).critical_difference
    assert difference == pytest.approx(REFERENCE["demsar_table6"]["published"][published], abs=5e-3)
    quantile = REFERENCE["nemenyi_q"][f"k4_{published[3:]}"]
    assert difference == pytest.approx(quantile * np.sqrt(4 * 5 / (6 * 14)), abs=1e-6)


def test_the_critical_difference_of_ten_methods_has_nemenyi_s_quantile():
    difference = block_test(np.random.default_rng(0).normal(size=(14, 10))).critical_difference
    # The fixture has six decimals.
    assert difference == pytest.approx(REFERENCE["nemenyi_q"]["k10_a05"] * np.sqrt(10 * 11 / (6 * 14)), abs=1e-6)


@given(SCORES)
def test_scipy_agrees_ties_included(scores):
    found = block_test(scores)
    if np.ptp(scores, axis=1).any():
        expected = friedmanchisquare(*scores.T)
        assert found.chi2 == pytest.approx(expected.statistic, abs=1e-9)


@given(SCORES)
def test_the_order_of_methods_and_blocks_does_not_matter(scores):
    one, other = block_test(scores), block_test(scores[::-1, ::-1])
    assert one.chi2 == pytest.approx(other.chi2, abs=1e-9)
    np.testing.assert_allclose(one.ranks, other.ranks[::-1], atol=1e-9)


def test_methods_that_tie_in_every_block_are_not_distinguished():
    found = block_test(np.ones((6, 3)))
    assert (found.chi2, found.f, found.f_p) == (0.0, 0.0, 1.0)


def test_the_same_order_in_every_block_is_found():
    found = block_test(np.tile([3.0, 2.0, 1.0], (8, 1)))
    assert found.f == np.inf and found.f_p == 0.0
    np.testing.assert_array_equal(found.ranks, [1, 2, 3])


@pytest.mark.parametrize("scores", [np.ones((4, 3)), np.ones((5, 1)), np.full((5, 3), np.nan)])
def test_too_few_blocks_or_methods_and_missing_scores_are_refused(scores):
    with pytest.raises(ValueError, match="need 5 blocks, 2 methods and no missing score"):
        block_test(scores)
