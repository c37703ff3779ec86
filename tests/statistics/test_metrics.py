"""Metrics against scikit-learn, statsmodels, the source paper's own confusion matrices, and their invariants."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark.statistics.metric_names import FLAGS, METRICS
from benchmark.statistics.metrics import confusion_metrics, metric_range, score

TIES = st.sampled_from([0.0, 0.1, 0.2, 0.35, 0.5, 0.501, 0.8, 1.0])


def parts(minimum: int = 4) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Labels with both classes and three methods' probabilities, full of ties."""
    return st.integers(minimum, 25).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int8, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < len(y)),
            hnp.arrays(np.float64, (3, n), elements=TIES),
        )
    )


@pytest.mark.slow
@given(parts())
@settings(deadline=None, max_examples=60)
def test_every_metric_equals_scikit_learn_also_with_ties(part):
    y, p = part
    found = score(y, p, np.array([0.5, 0.2, 0.35]))
    for m, threshold in enumerate((0.5, 0.2, 0.35)):
        vote = (p[m] > threshold).astype(int)
        expected = {
            "auc": reference.roc_auc_score(y, p[m]),
            "accuracy": reference.accuracy_score(y, vote),
            "f1": reference.f1_score(y, vote, zero_division=0),
            "precision": reference.precision_score(y, vote, zero_division=0),
            "recall": reference.recall_score(y, vote),
            "specificity": reference.recall_score(y, vote, pos_label=0),
            "balanced_accuracy": reference.balanced_accuracy_score(y, vote),
            "mcc": reference.matthews_corrcoef(y, vote),
            "auprc": reference.average_precision_score(y, p[m]),
            "brier": np.mean((y - p[m]) ** 2),
            "auc_label0": reference.roc_auc_score(1 - y, -p[m]),
            "f1_label0": reference.f1_score(y, vote, pos_label=0, zero_division=0),
            "precision_label0": reference.precision_score(y, vote, pos_label=0, zero_division=0),
            "auprc_label0": reference.average_precision_score(1 - y, -p[m]),
        }
        for key, value in expected.items():
            assert found[key][m] == pytest.approx(value, abs=1e-12), key
        assert found["no_predicted_positives"][m] == (vote.sum() == 0)
        assert found["no_predicted_positives_label0"][m] == (vote.sum() == len(vote))


@given(parts(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_of_the_cases_does_not_matter(part, random):
    y, p = part
    order = list(range(len(y)))
    random.shuffle(order)
    thresholds = np.array([0.5, 0.2, 0.35])
    before, after = score(y, p, thresholds), score(y[order], p[:, order], thresholds)
    for key in METRICS + FLAGS:
        np.testing.assert_allclose(after[key], before[key], atol=1e-7, err_msg=key)


@given(parts())
@settings(deadline=None, max_examples=60)
def test_turning_the_classes_round_exchanges_the_two_halves(part):
    y, p = part
    p = np.where(p == 0.5, 0.4, p)  # a probability at the threshold votes for label 0 in either reading
    straight = score(y, p, np.full(3, 0.5))
    turned = score(1 - y, 1.0 - p, np.full(3, 0.5))
    for key in METRICS:
        partner = key.removesuffix("_label0") if key.endswith("_label0") else f"{key}_label0"
        np.testing.assert_allclose(turned[partner], straight[key], atol=1e-6, err_msg=key)


def test_a_probability_at_the_threshold_is_a_vote_for_label_0():
    found = score(np.array([0, 1]), np.array([[0.5, 0.5], [0.3, 0.3]]), np.array([0.5, 0.29]))
    assert found["recall"].tolist() == [0.0, 1.0]
    assert found["recall_label0"].tolist() == [1.0, 0.0]


def test_calibration_equals_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 150)
    p = 1 / (1 + np.exp(-(rng.normal(size=(6, 150)) * np.array([0.6, 1, 2, 4, 8, 30])[:, None] + y - 1)))
    found = score(y, p, np.full(6, 0.5))
    for m in range(6):
        x = np.log(np.clip(p[m], 1e-6, 1 - 1e-6) / (1 - np.clip(p[m], 1e-6, 1 - 1e-6)))
        slope = sm.Logit(y, sm.add_constant(x)).fit(disp=0, method="newton", tol=1e-12).params[1]
        intercept = sm.GLM(y, np.ones(150), family=sm.families.Binomial(), offset=x).fit(tol=1e-13).params[0]
        assert found["calibration_slope"][m] == pytest.approx(slope, abs=1e-8)
        assert found["calibration_intercept"][m] == pytest.approx(intercept, abs=1e-8)


def test_perfectly_recalibrated_probabilities_have_intercept_0_and_slope_1():
    import statsmodels.api as sm

    rng = np.random.default_rng(5)
    x, y = rng.normal(size=200), rng.integers(0, 2, 200)
    p = sm.Logit(y, sm.add_constant(x)).fit(disp=0).predict()
    found = score(y, p[None], np.array([0.5]))
    assert found["calibration_intercept"][0] == pytest.approx(0, abs=1e-6)
    assert found["calibration_slope"][0] == pytest.approx(1, abs=1e-5)


def test_a_slope_without_a_finite_estimate_is_nan():
    y = np.array([0, 0, 1, 1])
    constant, separated, reversed_, touching, crossing = (
        [0.3, 0.3, 0.3, 0.3],
        [0.1, 0.2, 0.3, 0.4],
        [0.9, 0.8, 0.3, 0.1],
        [0.1, 0.3, 0.3, 0.4],
        [0.1, 0.35, 0.3, 0.4],
    )
    found = score(y, np.array([constant, separated, reversed_, touching, crossing]), np.full(5, 0.5))
    assert np.isnan(found["calibration_slope"]).tolist() == [True, True, True, True, False]
    assert np.isfinite(found["calibration_intercept"]).all()
    assert found["constant"].tolist() == [1, 0, 0, 0, 0]
    assert found["auc"][0] == 0.5


@given(parts())
@settings(deadline=None, max_examples=60)
def test_calibration_solves_its_likelihood_equations_or_is_nan(part):
    y, p = part
    found = score(y, p, np.full(3, 0.5))
    x = np.log(np.clip(p, 1e-6, 1 - 1e-6) / (1 - np.clip(p, 1e-6, 1 - 1e-6)))
    fitted = 1 / (1 + np.exp(-(found["calibration_intercept"][:, None] + x)))
    np.testing.assert_allclose(fitted.mean(axis=1), y.mean(), atol=1e-9)
    overlap = (x[:, y == 1].min(axis=1) < x[:, y == 0].max(axis=1)) & (x[:, y == 0].min(axis=1) < x[:, y == 1].max(axis=1))
    assert np.array_equal(np.isfinite(found["calibration_slope"]), overlap)


@pytest.mark.parametrize("label", [0, 1])
def test_a_one_class_part_is_undefined_not_guessed(label):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(np.full(5, label), np.array([[0.1, 0.2, 0.6, 0.7, 0.7]]), np.array([0.5]))
    undefined = {key for key in METRICS if np.isnan(found[key][0])}
    both = {"auc", "auprc", "mcc", "balanced_accuracy", "calibration_intercept", "calibration_slope"}
    assert {f"{key}{end}" for key in both for end in ("", "_label0")} <= undefined
    assert ("recall" in undefined) == (label == 0)
    assert ("specificity" in undefined) == (label == 1)
    assert found["accuracy"][0] == (0.6 if label else 0.4)


def test_no_predicted_positives_give_zero_precision_and_f1_and_a_flag():
    found = score(np.array([0, 1, 1]), np.array([[0.1, 0.2, 0.3]]), np.array([0.5]))
    assert (found["precision"][0], found["f1"][0], found["mcc"][0]) == (0, 0, 0)
    assert found["no_predicted_positives"][0] == 1
    assert found["no_predicted_positives_label0"][0] == 0


def test_ranges_hold():
    rng = np.random.default_rng(0)
    found = score(rng.integers(0, 2, 40), rng.uniform(size=(50, 40)), np.full(50, 0.5))
    for key in METRICS:
        low, high = metric_range(key)
        assert ((found[key] >= low) & (found[key] <= high)).all(), key


# The source paper (arXiv 2605.14710): TP of 46 good and TN of 100 poor outcomes in four runs, and its printed mean and SD
# (in per cent) of accuracy, F1, recall, precision and specificity; the AUC does not follow from a confusion matrix.
PAPER = {
    "Text": ([(28, 37), (40, 12), (41, 13), (44, 12)], "38.87 3.40 45.85 3.13 83.15 13.26 31.85 0.97 18.50 10.69"),
    "Image": ([(19, 89), (33, 62), (34, 61), (39, 50)], "66.27 4.75 55.33 3.12 67.93 16.15 50.05 7.75 65.50 14.36"),
    "Table": ([(25, 87), (28, 73), (30, 86), (36, 73)], "75.00 3.77 61.92 4.67 64.67 8.75 60.51 6.90 79.75 6.76"),
    "Text+Image": ([(25, 84), (28, 72), (31, 63), (34, 66)], "69.01 3.67 56.60 2.11 64.13 7.29 51.64 5.68 71.25 8.04"),
    "Text+Table": ([(29, 84), (30, 84), (32, 69), (34, 87)], "76.88 4.92 65.20 5.17 67.93 4.17 63.20 7.80 81.00 7.04"),
    "Image+Table": ([(28, 87), (29, 85), (30, 82), (31, 74)], "76.37 2.67 63.21 1.76 64.13 2.43 62.77 5.26 82.00 4.95"),
    "all": ([(29, 84), (29, 90), (33, 87), (33, 89)], "81.16 2.30 69.26 3.68 67.39 4.35 71.39 4.19 87.50 2.29"),
    "L_cls only": ([(30, 85), (31, 78), (33, 83), (33, 87)], "78.77 2.70 67.26 3.37 69.02 2.82 65.72 4.73 83.25 3.34"),
    "one loss more": ([(30, 85), (31, 79), (32, 85), (33, 87)], "79.11 2.49 67.44 3.17 68.48 2.43 66.53 4.40 84.00 3.00"),
    # Printed: F1 SD 2.24, which is the accuracy's; the confusion matrices give 2.44.
    "the other loss more": ([(30, 86), (32, 87), (32, 79), (32, 87)], "79.62 2.24 67.99 2.44 68.48 1.88 67.70 4.39 84.75 3.34"),
}


@pytest.mark.parametrize("row", PAPER)
def test_the_papers_table_follows_from_its_confusion_matrices(row):
    runs, printed = PAPER[row]
    tp, tn = np.array(runs).T
    found = confusion_metrics(tp, 46 - tp, 100 - tn, tn)
    said = []
    for key in ("accuracy", "f1", "recall", "precision", "specificity"):
        said += [f"{100 * found[key].mean():.2f}", f"{100 * found[key].std():.2f}"]
    assert " ".join(said) == printed
