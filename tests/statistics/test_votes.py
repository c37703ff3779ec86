"""McNemar's mid-p on one vote per patient."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.statistics.inference import mcnemar_midp, mcnemar_pairs, patient_votes

REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures" / "mcnemar_holm.json").read_text())["mcnemar"]


def test_the_reference_value_is_met():
    assert mcnemar_midp(25, 12) == pytest.approx(REFERENCE["midp_p"], abs=1e-9)


@given(st.integers(0, 400), st.integers(0, 400))
def test_it_is_the_exact_test_less_half_the_mass_on_either_side(b, c):
    from scipy.stats import binom

    k, n = min(b, c), b + c
    expected = 1.0 if b == c else 2 * (binom.cdf(k, n, 0.5) - 0.5 * binom.pmf(k, n, 0.5))
    assert mcnemar_midp(b, c) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_it_is_symmetric_and_a_probability(b, c):
    p = mcnemar_midp(b, c)
    assert p == mcnemar_midp(c, b)
    assert 0 <= p <= 1


def test_no_discordant_patient_gives_p_1():
    assert mcnemar_midp(0, 0) == 1
    assert mcnemar_midp([5, 0], [5, 0]).tolist() == [1, 1]


def test_pairs_count_the_patients_that_only_one_votes_rightly():
    correct = np.zeros((3, 50), dtype=bool)
    correct[0, :25] = True
    correct[1, 25:37] = True
    a, b = np.triu_indices(3, 1)
    found = mcnemar_pairs(correct, a, b)
    assert found == pytest.approx([REFERENCE["midp_p"], 2.0**-25, 2.0**-12], abs=1e-9)


def test_a_mean_margin_of_exactly_0_is_a_vote_for_label_0():
    assert patient_votes(np.array([[-0.1, 0.0, 1e-9]])).tolist() == [[False, False, True]]
