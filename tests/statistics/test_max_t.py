"""Step-down max-T: against the studentized range, and what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import studentized_range
from scipy.stats import t as student

from benchmark.statistics.families import near_chance
from benchmark.statistics.max_t import adjust


def independent(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A covariance of unrelated rows of one variance, and all pairs: the greatest |z| is then Tukey's range / sqrt(2)."""
    return np.eye(rows) * 0.3, *np.triu_indices(rows, 1)


@pytest.mark.parametrize(("rows", "df"), [(3, 20), (6, 69), (22, 300)])
def test_the_critical_value_of_unrelated_rows_is_tukeys(rows: int, df: int):
    covariance, a, b = independent(rows)
    found = adjust(np.linspace(0.1, 4.5, len(a)), covariance, a, b, df)
    assert found.critical == pytest.approx(studentized_range.ppf(0.95, rows, df) / np.sqrt(2), abs=0.02)


def test_the_single_step_p_of_unrelated_rows_is_tukeys():
    covariance, a, b = independent(6)
    z = np.linspace(0.5, 4.0, len(a))
    p = adjust(z, covariance, a, b, 40, step_down=False).p
    exact = studentized_range.sf(z * np.sqrt(2), 6, 40)
    assert np.all(np.abs(p - exact) < 4 * np.sqrt(exact * (1 - exact) / 1e5) + 1e-5)


def test_an_undecided_p_is_drawn_on_until_it_lies_on_its_side():
    covariance, a, b = independent(4)
    z = np.full(len(a), 0.5)
    z[0] = studentized_range.isf(0.0497, 4, 50) / np.sqrt(2)
    p = adjust(z, covariance, a, b, 50).p[0]
    assert p == pytest.approx(0.0497, abs=3 * np.sqrt(0.05 * 0.95 / 2e6))


def test_a_family_of_one_pair_is_students_t():
    found = adjust(np.array([-2.1]), np.array([[2.0, 0.4], [0.4, 1.0]]), np.array([0]), np.array([1]), 17)
    assert found.p[0] == pytest.approx(2 * student.sf(2.1, 17)) and found.critical == pytest.approx(student.isf(0.025, 17))


def test_a_pair_that_is_not_tested_changes_nothing():
    covariance, a, b = independent(4)
    z = np.array([3.0, 2.0, np.nan, 1.0, 0.5, np.inf])
    found = adjust(z, covariance, a, b, 30)
    tested = np.isfinite(z)
    alone = adjust(z[tested], covariance, a[tested], b[tested], 30)
    assert np.isnan(found.p[~tested]).all() and found.p[tested].tolist() == alone.p.tolist()
    assert found.critical == alone.critical
    assert np.isnan(adjust(np.array([np.nan]), covariance, a[:1], b[:1], 30).critical)


def test_comparisons_to_come_count_by_their_bound():
    covariance, a, b = independent(3)
    z = np.array([2.5, 1.0, 0.2])
    now, awaited = (adjust(z, covariance, a, b, 60, awaited=count) for count in (0, 7))
    own = 2 * student.sf(z, 60)
    np.testing.assert_allclose(awaited.p, np.minimum(now.p + 7 * own, 1), atol=1e-12)
    assert awaited.critical > now.critical
    at = adjust(np.array([awaited.critical + 0.02, 1.0, 0.2]), covariance, a, b, 60, awaited=7, step_down=False)
    assert at.p[0] < 0.05


def test_rows_that_are_alike_cost_less_than_unrelated_ones():
    _, a, b = independent(8)
    alike = np.full((8, 8), 0.2) + np.eye(8) * 0.01
    alike[0] += np.linspace(0, 0.1, 8)
    alike = alike @ alike.T
    z = np.full(len(a), 3.0)
    assert adjust(z, alike, a, b, 100).critical < adjust(z, np.eye(8), a, b, 100).critical


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 7))
def test_neither_the_order_of_rows_nor_signs_matter_and_p_falls_with_z(seed: int, rows: int):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(rows, rows + 2))
    covariance, (a, b) = root @ root.T, np.triu_indices(rows, 1)
    z = rng.normal(size=len(a)) * 2
    found = adjust(z, covariance, a, b, 50, draws=5000)
    order = rng.permutation(rows)
    place = np.argsort(order)
    turned = adjust(-z, covariance[np.ix_(order, order)], place[b], place[a], 50, draws=5000)
    np.testing.assert_allclose(turned.p, found.p, atol=2e-3)
    assert turned.critical == pytest.approx(found.critical, abs=1e-6)
    by_z = found.p[np.argsort(-np.abs(z))]
    assert (np.diff(by_z) >= 0).all() and (found.p >= 2 * student.sf(np.abs(z), 50) - 1e-12).all()
    single = adjust(z, covariance, a, b, 50, step_down=False, draws=5000)
    assert (found.p <= single.p + 1e-12).all()


def test_the_same_call_gives_the_same_bytes():
    covariance, a, b = independent(5)
    one, two = (adjust(np.linspace(0, 3.5, len(a)), covariance, a, b, 25) for _ in range(2))
    assert one.p.tobytes() == two.p.tobytes() and one.critical == two.critical


def test_rows_are_near_chance_unless_the_interval_for_all_rows_lies_above_it():
    above = np.array([0.02, 0.3, 0.001, 0.5])
    a, b = np.triu_indices(4, 1)
    limit = 0.025 / 4
    expected = [(above[i] >= limit) and (above[j] >= limit) for i, j in zip(a, b, strict=True)]
    assert near_chance(above, a, b).tolist() == expected
    assert near_chance(above, np.array([0]), np.array([1])).tolist() == [True]
    assert near_chance(np.array([0.012, 0.3]), np.array([0]), np.array([1])).tolist() == [False]


def test_what_was_drawn_before_is_not_drawn_again_and_other_input_is():
    covariance, a, b = independent(4)
    z = np.linspace(0.5, 3.0, len(a))
    remembered: dict[str, list[float]] = {}
    first = adjust(z, covariance, a, b, 40, remembered=remembered)
    (key,) = remembered
    assert first.p.tolist() == adjust(z, covariance, a, b, 40).p.tolist()
    remembered[key] = [9.0, *([0.5] * len(a))]
    again = adjust(z, covariance, a, b, 40, remembered=remembered)
    assert again.critical == 9 and (again.p == 0.5).all()
    assert adjust(z, covariance * 2, a, b, 40, remembered=remembered).critical != 9 and len(remembered) == 2


def test_a_z_that_no_draw_reaches_has_no_smaller_p_than_the_draws_can_tell():
    covariance, a, b = independent(22)
    z = np.full(len(a), 0.3)
    z[0] = 4.9
    p = adjust(z, covariance, a, b, 300, draws=2000).p[0]
    own = 2 * student.sf(4.9, 300)
    assert p == pytest.approx(min(1 / 2001, own * len(a)))


def test_what_other_code_drew_is_drawn_again(monkeypatch: pytest.MonkeyPatch):
    covariance, a, b = independent(3)
    remembered: dict[str, list[float]] = {}
    adjust(np.array([2.0, 1.0, 0.5]), covariance, a, b, 40, remembered=remembered, draws=1000)
    monkeypatch.setattr("benchmark.statistics.max_t.code_digest", lambda path: "other code")
    adjust(np.array([2.0, 1.0, 0.5]), covariance, a, b, 40, remembered=remembered, draws=1000)
    assert len(remembered) == 2


@pytest.mark.parametrize("df", [12.0, np.inf])
def test_a_refined_p_is_what_many_counted_draws_give(df: float):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(6, 3))
    covariance, (a, b) = root @ root.T + 0.2 * np.eye(6), np.triu_indices(6, 1)
    z = np.full(len(a), 0.5)
    z[0] = adjust(z, covariance, a, b, df, draws=2_000_000).critical + 0.003
    counted, refined = (adjust(z, covariance, a, b, df, draws=draws).p[0] for draws in (2_000_000, None))
    assert refined == pytest.approx(counted, abs=4 * np.sqrt(2 * 0.05 * 0.95 / 2e6)) and refined != counted


@pytest.mark.slow
@pytest.mark.parametrize("awaited", [0, 2])
def test_p_and_critical_value_agree_where_the_draws_were_refined(awaited: int):
    covariance, a, b = independent(5)
    z = np.full(len(a), 0.5)
    critical = adjust(z, covariance, a, b, 60, awaited=awaited, draws=500_000).critical
    for step_down in (True, False):
        for shift in (-0.003, 0.003):
            z[3] = critical + shift
            found = adjust(z, covariance, a, b, 60, awaited=awaited, step_down=step_down)
            assert (found.p[3] < 0.05) == (z[3] > found.critical)
