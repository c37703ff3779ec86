"""The super learner: what its weights minimise, what its columns are, and that no test case has a say in what is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from baselines._intensity_components import IntensityComponents
from baselines.super_learner import SuperLearner, bent, logits, out_of_fold, scores_from_zero, stacked
from benchmark.audit.made_cohorts import Specimen
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.data.sources import Sources
from benchmark.system.errors import BenchmarkError


@pytest.fixture(scope="module")
def specimen() -> Cohort:
    """72 cases of image, table and text, without the encoders of the engine: views with table and image are what is used."""
    whole = Specimen().build(Sources(Path(), {}, "")).only({"image", "table"})
    return replace(whole, rows=np.arange(len(whole)))


def made_logits(cases: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two members that tell of the label, one that tells nothing."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, cases)
    return np.stack([1.5 * y + rng.normal(size=cases), y + rng.normal(size=cases), rng.normal(size=cases)]), y


def test_without_a_pull_the_weights_are_those_of_a_logistic_regression() -> None:
    z, y = made_logits()
    z, expected = z[:2], LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z[:2].T, y)
    assert (expected.coef_ > 0).all()
    intercept, weights = stacked(z, y, pull=0)
    np.testing.assert_allclose(np.r_[intercept, weights], np.r_[expected.intercept_, expected.coef_[0]], atol=1e-3)


def test_a_strong_pull_makes_the_weights_equal_and_leaves_their_sum_free() -> None:
    z, y = made_logits()
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z.mean(axis=0)[:, None], y)
    intercept, weights = stacked(z, y, pull=1e6)
    np.testing.assert_allclose(weights, np.full(3, expected.coef_[0, 0] / 3), atol=1e-3)
    assert intercept == pytest.approx(float(expected.intercept_[0]), abs=1e-3)


def test_a_member_that_misleads_has_no_weight_rather_than_a_negative_one() -> None:
    z, y = made_logits()
    _, weights = stacked(np.stack([z[0], -z[1]]), y, pull=0)
    assert weights[1] == 0
    assert weights[0] > 0


def test_stacking_lowers_the_log_loss_of_the_members() -> None:
    z, y = made_logits()
    intercept, weights = stacked(z, y, pull=1)
    assert log_loss(y, expit(intercept + weights @ z)) < min(log_loss(y, expit(member)) for member in z)


def test_a_probability_of_0_or_1_has_a_finite_logit() -> None:
    np.testing.assert_allclose(logits(np.array([[0, 0.5, 1]])), [[-5.2933, 0, 5.2933]], atol=1e-4)


def test_out_of_fold_probabilities_come_from_models_that_lack_the_case() -> None:
    class Memory:
        """Knows the labels of the cases that it was fitted on, and of no others."""

        classes_ = (0, 1)

        def fit(self, x: np.ndarray, y: np.ndarray) -> Memory:
            self.seen = dict(zip(x[:, 0].tolist(), y.tolist(), strict=True))
            return self

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            one = np.array([self.seen.get(case, 0.5) for case in x[:, 0].tolist()])
            return np.stack([1 - one, one], axis=1)

    y = np.arange(50) % 2
    told = out_of_fold({"memory": ("plain", Memory)}, {"plain": np.arange(50.0)[:, None]}, y)
    assert told.tolist() == [[0.5] * 50]


def test_scores_are_numbers_that_start_at_zero_and_take_more_than_two_values() -> None:
    table = pd.DataFrame(
        {
            "nihss": [0.0, 4, 20, np.nan],
            "age": [50.0, 60, 70, 80],
            "prior": [0.0, 1, 0, 1],
            "change": [-1.0, 0, 1, 2],
            "sex": pd.Categorical(["f", "m", "f", "m"]),
        }
    )
    assert scores_from_zero(Cohort("made", np.array(list("abcd")), table=table)) == ["nihss"]


def test_volumes_become_logarithms_and_shares_square_roots_in_a_copy() -> None:
    table = pd.DataFrame({"nihss": [0.0, np.e - 1, np.nan]})
    derived = pd.DataFrame({"lesion_volume_ml": [0.0, np.e - 1, np.nan], "MCA left": [0.0, 0.25, np.nan]})
    cases = Cohort("made", np.array(list("abc")), table=table, derived=derived)
    told = bent(cases, ["nihss"])
    assert told.table is not None
    assert told.derived is not None
    np.testing.assert_allclose(told.table["log nihss"], [0, 1, np.nan])
    np.testing.assert_allclose(told.derived["lesion_volume_ml"], [0, 1, np.nan])
    np.testing.assert_allclose(told.derived["MCA left"], [0, 0.5, np.nan])
    assert list(table) == ["nihss"]
    assert derived["MCA left"][1] == 0.25


def test_ranks_of_intensities_do_not_follow_the_scanner_scale() -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(40, 120, size=(30, 2, 6, 6), dtype=np.uint8)
    ids = np.array([f"c{i:02d}" for i in range(30)])
    gain = np.where(np.arange(30) % 2, 2, 1).astype(np.uint8)[:, None, None, None]
    told = [
        IntensityComponents(5, ranks=True, whiten=False).fit(cases).transform(cases)
        for cases in (Cohort("made", ids, images={"flair": ImageView(pixels)}) for pixels in (array, array * gain))
    ]
    np.testing.assert_allclose(told[0], told[1], atol=1e-9)


def test_without_whitening_components_keep_their_share_of_the_variance() -> None:
    array = np.random.default_rng(0).integers(40, 120, size=(30, 1, 5, 5), dtype=np.uint8)
    cases = Cohort("made", np.array([f"c{i:02d}" for i in range(30)]), images={"flair": ImageView(array)})
    z = IntensityComponents(25, whiten=False).fit(cases).transform(cases)
    deviations = z.std(axis=0, ddof=1)
    assert deviations[0] == pytest.approx(1)
    assert (np.diff(deviations) <= 1e-12).all()
    pixels = array.reshape(30, -1).astype(float)
    ratio = np.linalg.norm(pixels[0] - pixels[1]) / np.linalg.norm(pixels[2] - pixels[3])
    assert np.linalg.norm(z[0] - z[1]) / np.linalg.norm(z[2] - z[3]) == pytest.approx(ratio)


def test_test_pictures_and_tables_change_nothing_that_is_fitted(specimen: Cohort) -> None:
    assert specimen.table is not None
    other = specimen.take(range(72))
    flair = specimen.images["flair"]
    pixels = flair.array.copy()
    pixels[51:] = 255 - pixels[51:]  # every test case but case 50
    table = specimen.table.copy()
    table.loc[51:, "nihss"] += 10
    other = replace(other, table=table, images={**specimen.images, "flair": ImageView(pixels, scale=flair.scale)})
    told = []
    for whole in (specimen, other):
        method = SuperLearner(modalities="image+table")
        method.fit(whole.take(range(40)), whole.take(range(40, 50)), seed=0)
        told.append(method.predict_proba(whole.take(range(50, 72)).blind()))
    assert told[0][0] == told[1][0]
    assert not np.allclose(told[0][1:], told[1][1:])


def test_weights_are_told_and_all_three_members_have_one(specimen: Cohort) -> None:
    method = SuperLearner(modalities="image+table")
    method.fit(specimen.take(range(40)), specimen.take(range(40, 50)), seed=0)
    assert set(method.chosen) == {"weight_linear", "weight_kernel", "weight_trees"}
    assert sum(method.chosen.values()) > 0


@pytest.mark.parametrize("modalities", ["image", "table+sound", "", "image+text"])
def test_modalities_without_a_table_or_unknown_are_refused(modalities: str) -> None:
    with pytest.raises(BenchmarkError, match=r"modalities=.*give 'table'"):
        SuperLearner(modalities=modalities)
