"""The compact letter display."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.statistics.multiplicity import letters

DISPLAYS = json.loads((Path(__file__).parents[1] / "fixtures" / "friedman_letters_decision.json").read_text())["cld"]
MATRICES = st.integers(1, 12).flatmap(lambda m: hnp.arrays(np.bool_, (m, m)))


@pytest.mark.parametrize("name", DISPLAYS)
def test_the_reference_displays_are_met(name):
    display = DISPLAYS[name]
    order = display["order"]
    better = np.zeros((len(order), len(order)), dtype=bool)
    for a, b in display["significant_pairs"]:
        better[order.index(a), order.index(b)] = True
    assert dict(zip(order, letters(better), strict=True)) == display["letters"]


@given(MATRICES)
def test_two_rows_share_a_letter_exactly_where_neither_is_better(matrix):
    better = np.triu(matrix, 1)
    found = letters(better)
    for a in range(len(better)):
        assert found[a]
        for b in range(a + 1, len(better)):
            assert bool(set(found[a]) & set(found[b])) == (not better[a, b])


@given(MATRICES)
def test_no_letter_can_be_left_out(matrix):
    better = np.triu(matrix, 1)
    found = letters(better)
    columns = [frozenset(i for i, text in enumerate(found) if letter in text) for letter in set("".join(found))]
    assert not any(one < other for one in columns for other in columns)


def test_without_differences_all_share_one_letter():
    assert letters(np.zeros((5, 5), dtype=bool)) == ["a"] * 5


def test_where_all_differ_each_has_its_own_letter_in_display_order():
    assert letters(np.triu(np.ones((3, 3), dtype=bool), 1)) == ["a", "b", "c"]


def test_sixty_rows_that_all_differ_have_sixty_letters():
    assert len(set(letters(np.triu(np.ones((60, 60), dtype=bool), 1)))) == 60
