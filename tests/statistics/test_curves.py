"""ROC, decision and calibration curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from benchmark.statistics.curves import BINS, CUTS, RATES, calibration_error, curves, draw_patients, net_benefit, ratio_interval
from benchmark.statistics.evaluation import Evaluation, evaluate

FIXTURES = Path(__file__).parents[1] / "fixtures"
SCORES = pd.read_csv(FIXTURES / "delong_scores.csv")
DECISION = json.loads((FIXTURES / "friedman_letters_decision.json").read_text())["dca_s1"]


def made(
    methods: dict[str, np.ndarray],
    labels: np.ndarray,
    sites: int = 0,
    seeds: tuple[int, ...] = (39, 40, 41, 42),
    cases: int = 1,
) -> Evaluation:
    """Five folds by case number under each seed (or as many sites), scores given by case; a patient has so many cases."""
    parts = sites or 5
    rows = [
        {
            "split": f"{seed}-{part}",
            "seed": seed,
            "site": f"s{part}" if sites else "",
            "case": f"c{case:04d}",
            "label": labels[case],
            **({"group": f"p{case // cases}"} if cases > 1 else {}),
        }
        for seed in seeds
        for part in range(parts)
        for case in np.arange(part, len(labels), parts)
    ]
    task = pd.DataFrame(rows)
    place = task["case"].str[1:].astype(int).to_numpy()
    scores = pd.DataFrame({name: values[place] for name, values in methods.items()})
    thresholds = pd.DataFrame(0.5, index=task["split"].unique(), columns=list(methods))
    return evaluate(task, scores, thresholds)


RNG = np.random.default_rng(3)
TRUTH = RNG.uniform(size=1000)
LABELS = (RNG.uniform(size=1000) < TRUTH).astype(np.int8)
RUN = made({"true": TRUTH, "constant": np.full(1000, 0.5), "sharpened": np.clip(2 * TRUTH - 0.5, 0, 1)}, LABELS)


def test_the_net_benefit_is_that_of_dcurves():
    labels = SCORES.filter(regex="label|outcome|^y$").iloc[:, 0].to_numpy()
    cuts = np.array(DECISION["thresholds"])
    assert net_benefit(labels, SCORES["s1"].to_numpy()[None], cuts)[0] == pytest.approx(DECISION["net_benefit"], abs=1e-9)
    assert net_benefit(labels, np.ones((1, len(labels))), cuts)[0] == pytest.approx(DECISION["treat_all"], abs=1e-9)


def test_the_mean_roc_curve_passes_through_the_sensitivities_of_scikit_learn():
    from sklearn.metrics import roc_curve

    found = curves(RUN, "fold", draws=10)
    expected = []
    for part in RUN.rows:
        false, true, _ = roc_curve(RUN.labels[part], RUN.scores[0, part], drop_intermediate=False)
        expected.append(np.interp(RATES, false, true))
    assert found.roc.y[0] == pytest.approx(np.mean(expected, axis=0), abs=1e-12)
    assert np.trapezoid(found.roc.y[0], RATES) == pytest.approx(RUN.cells["auc"][0].mean(), abs=0.005)


def test_a_constant_prediction_has_the_diagonal_as_its_roc_curve():
    assert curves(RUN, "fold", draws=10).roc.y[1] == pytest.approx(RATES, abs=1e-12)


def test_the_band_of_a_decision_curve_is_the_corrected_interval_over_the_cells():
    found = curves(RUN, "fold", draws=10)
    at = int(np.flatnonzero(CUTS == 0.3)[0])
    cells = [net_benefit(RUN.labels[part], RUN.scores[:1, part], CUTS[at : at + 1])[0, 0] for part in RUN.rows]
    half = student.ppf(0.975, 19) * np.sqrt((1 / 20 + 1 / 4) * np.var(cells, ddof=1))
    assert found.decision.y[0, at] == pytest.approx(np.mean(cells), abs=1e-12)
    assert found.decision.low[0, at] == pytest.approx(np.mean(cells) - half, abs=1e-12)


def test_few_sites_have_curves_without_bands_and_six_have_bands():
    few, enough = (curves(made({"true": TRUTH}, LABELS, sites=sites), "site", draws=10) for sites in (4, 6))
    assert np.isfinite(few.roc.y).all() and np.isnan(few.roc.low).all()
    assert np.isfinite(enough.roc.low).all()
    assert np.isnan(enough.calibration.low).all()


def test_a_small_site_is_left_out_of_the_curves():
    labels = LABELS.copy()
    labels[0::4] = 0
    run = made({"true": TRUTH}, labels, sites=4)
    kept = [part for name, part in zip(run.site, run.rows, strict=True) if name != "s0"]
    expected = np.mean([net_benefit(run.labels[part], run.scores[:, part], CUTS) for part in kept], axis=0)
    assert curves(run, "site", draws=10).decision.y == pytest.approx(expected, abs=1e-12)


def test_where_every_site_is_small_there_is_no_curve():
    labels = (np.arange(1000) < 3).astype(np.int8)
    found = curves(made({"true": TRUTH}, labels, sites=4), "site", draws=10)
    assert np.isnan(found.roc.y).all() and np.isnan(found.decision.y).all()


def test_true_probabilities_lie_within_their_calibration_band_and_sharpened_ones_do_not():
    found = curves(RUN, "fold").calibration
    held = found.share[0] > 0
    inside = (found.low <= found.predicted) & (found.predicted <= found.high)
    assert inside[0, held].mean() >= 0.8
    assert not inside[2, [0, -1]].any()
    assert found.share.sum(axis=1) == pytest.approx(np.ones(3))
    assert np.isnan(found.observed[1]).sum() == BINS - 1


def test_the_calibration_error_is_the_weighted_gap_of_the_bins():
    values = np.array([0.1, 0.1, 0.9, 0.9])
    labels = np.array([0, 1, 1, 1], dtype=np.int8)
    run = made({"m": np.tile(values, 5)}, np.tile(labels, 5), seeds=(39,))
    assert calibration_error(run) == pytest.approx([0.5 * 0.4 + 0.5 * 0.1], abs=1e-12)


def test_a_probability_of_one_falls_into_the_last_bin():
    run = made({"m": np.ones(20)}, np.ones(20, dtype=np.int8) * (np.arange(20) % 2 == 0).astype(np.int8), seeds=(39,))
    assert curves(run, "fold", draws=10).calibration.share[0, -1] == 1.0


def test_the_draws_are_the_same_for_the_same_seed_and_hold_every_patient_count():
    one = draw_patients(40, 30)
    np.testing.assert_array_equal(one, draw_patients(40, 30))
    assert (one.sum(axis=1) == 40).all()
    assert not np.array_equal(one, draw_patients(40, 30, seed=1))


def test_the_bootstrap_interval_of_a_share_comes_near_the_binomial_one():
    y = (np.arange(400) < 120).astype(float)
    low, high = ratio_interval(draw_patients(400, 4000), y, np.ones(400))
    half = 1.96 * np.sqrt(0.3 * 0.7 / 400)
    assert (float(low), float(high)) == pytest.approx((0.3 - half, 0.3 + half), abs=0.005)


def test_a_ratio_whose_denominator_is_often_absent_has_no_interval():
    held = np.zeros((1, 50))
    held[0, 0] = 1.0
    low, high = ratio_interval(draw_patients(50), held, held)
    assert np.isnan(low).all() and np.isnan(high).all()


def test_cases_of_one_patient_are_drawn_together():
    labels, values = LABELS[:300], TRUTH[:300]
    once = made({"true": values}, labels)
    twice = made({"true": np.repeat(values, 2)}, np.repeat(labels, 2))
    grouped = made({"true": np.repeat(values, 2)}, np.repeat(labels, 2), cases=2)
    bands = [curves(run, "fold", draws=2000).calibration for run in (once, grouped, twice)]
    width, of_groups, of_cases = (np.nanmean((band.high - band.low)[0]) for band in bands)
    assert of_groups == pytest.approx(width, rel=0.05)
    assert of_cases == pytest.approx(width / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("label", [0, 1])
def test_a_bin_of_one_label_has_the_exact_interval_of_its_patients(label):
    labels = LABELS.copy()
    values = np.where(np.arange(1000) < 40, 0.05, 0.5)
    labels[:40] = label
    found = curves(made({"m": values}, labels), "fold", draws=50).calibration
    exact = binomtest(40 * label, 40).proportion_ci(method="exact")
    assert (found.observed[0, 0], found.low[0, 0], found.high[0, 0]) == pytest.approx((label, exact.low, exact.high))
