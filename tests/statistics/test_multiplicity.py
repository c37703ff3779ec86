"""Holm, the best set and rank intervals."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.stats.multitest import multipletests

from benchmark.statistics.multiplicity import best_set, better_than, holm, rank_intervals

REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures" / "mcnemar_holm.json").read_text())["holm"]
P = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))


def test_the_reference_values_of_r_are_met():
    assert holm(REFERENCE["p"]) == pytest.approx(REFERENCE["holm"], abs=1e-9)


@given(P)
def test_statsmodels_agrees(p):
    with patch("gc.collect"):  # which it calls every time, and which takes a second where much is loaded
        theirs = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), theirs, rtol=1e-12)


@given(P)
def test_untested_pairs_stay_untested_and_do_not_count(p):
    padded = np.insert(p, 0, np.nan)
    np.testing.assert_array_equal(holm(padded), np.insert(holm(p), 0, np.nan))


def matrix(methods, wins):
    """All pairs of `methods` in which only `wins`, (winner, loser), are significant."""
    a, b = np.triu_indices(methods, 1)
    p = np.array([0.01 if (i, j) in wins or (j, i) in wins else 0.6 for i, j in zip(a, b, strict=True)])
    difference = np.array([-1.0 if (j, i) in wins else 1.0 for i, j in zip(a, b, strict=True)])
    return better_than(p, difference, a, b, methods)


def test_nothing_significant_leaves_all_in_the_best_set_with_all_ranks():
    better = matrix(4, set())
    assert best_set(better).all()
    assert [list(bounds) for bounds in rank_intervals(better)] == [[1] * 4, [4] * 4]


def test_a_hand_example():
    # 0 and 1 beat 2 and 3; 2 beats 3; 0 and 1 are not told apart.
    better = matrix(4, {(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)})
    assert best_set(better).tolist() == [True, True, False, False]
    low, high = rank_intervals(better)
    assert low.tolist() == [1, 1, 3, 4]
    assert high.tolist() == [2, 2, 3, 4]


def test_a_method_that_beats_nobody_may_be_in_the_best_set():
    # 0 beats 2 but is told apart from neither 1 nor 2 from 1.
    better = matrix(3, {(0, 2)})
    assert best_set(better).tolist() == [True, True, False]
    low, high = rank_intervals(better)
    assert (low.tolist(), high.tolist()) == ([1, 1, 2], [2, 3, 3])


def test_a_p_of_exactly_05_and_a_missing_p_are_not_significant():
    a, b = np.triu_indices(3, 1)
    assert not better_than(np.array([0.05, np.nan, 0.9]), np.ones(3), a, b, 3).any()


@given(hnp.arrays(np.float64, 10, elements=st.floats(0, 0.2)), hnp.arrays(np.float64, 5, elements=st.floats(0, 1)))
def test_ranks_and_best_set_cannot_contradict_each_other(p, scores):
    a, b = np.triu_indices(5, 1)
    better = better_than(p, scores[a] - scores[b], a, b, 5)
    low, high = rank_intervals(better)
    assert np.array_equal(best_set(better), low == 1)
    assert (low <= high).all()
    assert best_set(better)[np.argmax(scores)]
