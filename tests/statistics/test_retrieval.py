"""Metrics of retrieval against scikit-learn, by simulation and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.statistics.metric_names import ERROR_METRICS, RETRIEVAL_METRICS
from benchmark.statistics.metrics import metric_range
from benchmark.statistics.retrieval import Answers, chance, score

RNG = np.random.default_rng(3)
N = 40
FINDINGS = {"infarct": RNG.integers(0, 2, N), "bleed": RNG.integers(0, 2, N), "never": np.zeros(N, dtype=int)}
SCORES = {name: RNG.random(N).round(1) for name in FINDINGS}
OWN = RNG.normal(size=N).round(1)
WRONG = np.where(np.arange(N) % 3 == 0, np.nan, RNG.normal(size=N).round(1))


def test_the_macro_auc_is_scikit_learns_over_the_findings_of_which_both_classes_are_there() -> None:
    found = score(FINDINGS, Answers(SCORES), 0.25)
    expected = np.mean([roc_auc_score(FINDINGS[name], SCORES[name]) for name in ("infarct", "bleed")])
    assert found["zero_shot_auc_macro"] == pytest.approx(expected, abs=1e-12)
    assert found["ruled_out_at_95_sensitivity"] == 0.25
    rest = set(RETRIEVAL_METRICS) - {"zero_shot_auc_macro", "ruled_out_at_95_sensitivity"}
    assert all(np.isnan(found[name]) for name in rest)


def test_errors_are_told_by_the_cases_that_have_both_reports() -> None:
    swapped = np.where(np.arange(N) < 10, OWN - 1, np.nan)
    found = score({}, Answers({}, similarity=OWN, altered={"exchanged": WRONG, "side-swapped": swapped}), np.nan)
    there = ~np.isnan(WRONG)
    expected = roc_auc_score(np.repeat([1, 0], there.sum()), np.r_[OWN[there], WRONG[there]])
    assert found["error_auc_exchanged"] == pytest.approx(expected, abs=1e-12)
    assert found["error_auc"] == pytest.approx((expected + found["error_auc_side_swapped"]) / 2)
    assert np.isnan(found["error_auc_finding_removed"])


def test_held_out_wording_is_told_from_the_exchanged_report_in_such_words_and_is_no_error() -> None:
    style = -5.0  # how much further away a report in such words lies, whatever it says
    altered = {"exchanged": WRONG, "held-out-wording": OWN + style, "held-out-wording-exchanged": WRONG + style}
    found = score({}, Answers({}, similarity=OWN, altered=altered), np.nan)
    there = ~np.isnan(WRONG)
    expected = roc_auc_score(np.repeat([1, 0], there.sum()), np.r_[OWN[there], WRONG[there]])
    assert found["held_out_wording_auc"] == pytest.approx(expected, abs=1e-12)
    assert found["error_auc"] == found["error_auc_exchanged"]
    del altered["held-out-wording-exchanged"]
    assert np.isnan(score({}, Answers({}, similarity=OWN, altered=altered), np.nan)["held_out_wording_auc"])


def test_errors_that_change_how_ill_a_report_sounds_have_no_chance_level() -> None:
    found = chance([20], [np.full(20, 3)])
    assert {name for name in RETRIEVAL_METRICS if name not in found} == {
        "error_auc",
        *ERROR_METRICS,
        "held_out_wording_auc",
        "ruled_out_at_95_sensitivity",
    }


def test_recall_median_and_map_leave_out_cases_without_a_report() -> None:
    rank = np.array([1.0, 5.0, 5.5, 11.0, np.nan])
    found = score({}, Answers({}, rank, np.array([1.0, 0.5, 0.5, 0.0, np.nan])), np.nan)
    assert [found[f"recall_at_{k}"] for k in (1, 5, 10)] == [0.25, 0.5, 0.75]
    assert (found["median_rank"], found["map"]) == (5.25, 0.5)
    assert metric_range("median_rank") == (1.0, np.inf)


@given(seed=st.integers(0, 2**20))
@settings(max_examples=20)
def test_the_order_of_cases_changes_nothing(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(N)
    rank, precision = np.arange(N) % 13 + 1.0, np.linspace(0, 1, N)
    whole = score(FINDINGS, Answers(SCORES, rank, precision, OWN, {"exchanged": WRONG}), 0.5)
    turned = score(
        {name: shown[order] for name, shown in FINDINGS.items()},
        Answers(
            {name: values[order] for name, values in SCORES.items()},
            rank[order],
            precision[order],
            OWN[order],
            {"exchanged": WRONG[order]},
        ),
        0.5,
    )
    assert turned == pytest.approx(whole, nan_ok=True, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "relevant"), [(20, 1), (20, 4), (7, 7), (2, 1), (1, 1)])
def test_chance_is_the_mean_over_random_orders(size: int, relevant: int) -> None:
    truth = np.arange(size) < relevant
    rng = np.random.default_rng(size)
    drawn = [average_precision_score(truth, rng.permutation(size)) for _ in range(1000)]
    found = chance([size], [np.full(size, relevant)])
    assert found["map"] == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(1000) + 1e-9)
    assert found["recall_at_5"] == min(5 / size, 1)
    assert found["median_rank"] == (size + 1) / 2
