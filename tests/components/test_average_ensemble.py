"""The average of two members: equal to scikit-learn by hand, and no test case has a say in what is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from baselines._intensity_components import IntensityComponents, blocks_of, intensity_view
from baselines.average_ensemble import AverageEnsemble
from benchmark.audit.made_cohorts import Specimen
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.data.sources import Sources
from benchmark.learning.design_matrix import DesignMatrix
from benchmark.system.errors import BenchmarkError


@pytest.fixture(scope="module")
def specimen() -> Cohort:
    """72 cases of image, table and text; rows 0-31 train, 32-39 validate, 40-71 test in what follows."""
    whole = Specimen().build(Sources(Path(), {}, ""))
    return replace(whole, rows=np.arange(len(whole)))


@pytest.fixture(scope="module")
def parts(specimen: Cohort) -> tuple[Cohort, Cohort, Cohort]:
    """Training, validation and test part."""
    return specimen.take(range(32)), specimen.take(range(32, 40)), specimen.take(range(40, 72)).blind()


def pictures(cases: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, size=(cases, *shape), dtype=np.uint8)


def cohort(**views: NDArray[np.uint8]) -> Cohort:
    cases = len(next(iter(views.values())))
    ids = np.array([f"c{i:03d}" for i in range(cases)])
    return Cohort("made", ids, images={name: ImageView(array) for name, array in views.items()}, rows=np.arange(cases))


@pytest.mark.slow
def test_it_is_the_mean_of_a_regression_with_components_and_a_forest_without(parts: tuple[Cohort, Cohort, Cohort]) -> None:
    train, validation, test = parts
    learnt = train.join(validation)
    columns = DesignMatrix("table+derived").fit(learnt)

    pixels = {name: part.images["flair"].load().reshape(len(part), -1) for name, part in (("fit", learnt), ("test", test))}
    pca = PCA(10, svd_solver="full").fit(pixels["fit"].astype(np.float64))
    scale = pca.transform(pixels["fit"]).std(axis=0, ddof=1)
    x = {
        "fit": np.c_[columns.transform(learnt), pca.transform(pixels["fit"]) / scale],
        "test": np.c_[columns.transform(test), pca.transform(pixels["test"]) / scale],
    }
    regression = LogisticRegression(C=0.02, max_iter=1000).fit(x["fit"], learnt.labels)
    forest = RandomForestClassifier(20, random_state=7).fit(columns.transform(learnt), learnt.labels)
    expected = (regression.predict_proba(x["test"])[:, 1] + forest.predict_proba(columns.transform(test))[:, 1]) / 2

    method = AverageEnsemble(components=10, trees=20)
    method.fit(train, validation, seed=7)
    np.testing.assert_allclose(method.predict_proba(test), expected, atol=1e-5)


@pytest.mark.slow
def test_a_prediction_does_not_depend_on_the_other_cases(parts: tuple[Cohort, Cohort, Cohort]) -> None:
    train, validation, test = parts
    method = AverageEnsemble(components=5, trees=10)
    method.fit(train, validation, seed=0)
    together = method.predict_proba(test)
    alone = np.concatenate([method.predict_proba(test.take([i])) for i in range(len(test))])
    np.testing.assert_allclose(alone, together, atol=1e-9)


def test_components_are_fitted_on_the_learning_part_alone(specimen: Cohort) -> None:
    flair = specimen.images["flair"]
    other = flair.array.copy()
    other[41:] = 255 - other[41:]  # every test picture but that of case 40
    changed = replace(specimen, images={**specimen.images, "flair": ImageView(other, scale=flair.scale)})
    told = []
    for whole in (specimen, changed):
        method = AverageEnsemble(components=5, trees=10)
        method.fit(whole.take(range(32)), whole.take(range(32, 40)), seed=0)
        told.append(method.predict_proba(whole.take(range(40, 72)).blind()))
    assert told[0][0] == told[1][0]
    assert not np.allclose(told[0][1:], told[1][1:])


@pytest.mark.slow
def test_the_validation_part_is_learnt_from(parts: tuple[Cohort, Cohort, Cohort]) -> None:
    train, validation, test = parts
    turned = replace(validation, labels=1 - validation.labels)
    told = []
    for part in (validation, turned):
        method = AverageEnsemble(components=5, trees=10)
        method.fit(train, part, seed=0)
        told.append(method.predict_proba(test))
    assert not np.allclose(*told)


def test_components_have_unit_variance_and_do_not_correlate_on_the_cases_that_they_were_fitted_on() -> None:
    cases = cohort(flair=pictures(40, 2, 6, 6))
    z = IntensityComponents(8).fit(cases).transform(cases)
    np.testing.assert_allclose(np.cov(z.T), np.eye(8), atol=1e-5)


def test_scaling_is_that_of_scikit_learn() -> None:
    cases, others = cohort(flair=pictures(30, 1, 5, 5)), cohort(flair=pictures(9, 1, 5, 5, seed=1))
    flat = [blocks_of(part).reshape(len(part), -1) for part in (cases, others)]
    pca = PCA(4, svd_solver="full").fit(flat[0])
    scaler = StandardScaler().fit(pca.transform(flat[0]))
    expected = scaler.transform(pca.transform(flat[1])) * np.sqrt(29 / 30)  # a variance of n - 1 degrees of freedom
    np.testing.assert_allclose(IntensityComponents(4).fit(cases).transform(others), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "taken"),
    [(("flair", "mask"), "flair"), (("mask", "mri"), "mri"), (("mask",), "mask"), (("t1", "flair"), "flair")],
)
def test_intensities_are_preferred_to_the_mask(names: tuple[str, ...], taken: str) -> None:
    assert intensity_view(cohort(**{name: pictures(3, 1, 4, 4) for name in names})) == taken


def test_large_pictures_are_averaged_over_blocks_and_what_fills_none_is_left_out() -> None:
    picture = pictures(2, 3, 189, 189)
    by_hand = picture[0, 1, 2:187, 2:187].astype(float).reshape(37, 5, 37, 5).mean(axis=(1, 3))
    told = blocks_of(cohort(flair=picture)).reshape(2, 3, 37, 37)
    np.testing.assert_allclose(told[0, 1], by_hand, rtol=1e-5)


def test_small_volumes_are_taken_as_they_are() -> None:
    volume = pictures(70, 1, 8, 8, 8)  # more cases than are read at once
    np.testing.assert_array_equal(blocks_of(cohort(mri=volume)), volume.reshape(70, 1, -1))


def test_a_case_without_an_image_stands_at_the_mean_and_moves_no_component() -> None:
    array = pictures(20, 1, 5, 5)
    array[15:] = 0
    there = np.arange(20) < 15
    lacking = replace(cohort(flair=array), present={"image": there})
    fitted = IntensityComponents(3).fit(lacking)
    assert not fitted.transform(lacking)[15:].any()
    complete = IntensityComponents(3).fit(lacking.take(range(15)))
    np.testing.assert_allclose(fitted.transform(lacking)[:15], complete.transform(lacking.take(range(15))))


def test_what_cannot_be_had_is_refused_by_name() -> None:
    with pytest.raises(BenchmarkError, match="components=0"):
        IntensityComponents(0)
    with pytest.raises(BenchmarkError, match="no image view"):
        intensity_view(Cohort("made", np.array(["a"])))
    nobody = replace(cohort(flair=pictures(3, 1, 4, 4)), present={"image": np.zeros(3, dtype=bool)})
    with pytest.raises(BenchmarkError, match="0 of the training cases have an image"):
        IntensityComponents(2).fit(nobody)
