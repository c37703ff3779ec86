"""The synthetic cohort: counts, reproducibility, and the planted truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.audit.leaks.checks import CHECKS
from benchmark.audit.leaks.subject import Subject
from benchmark.data.cohort import Cohort
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.sources import Sources
from benchmark.learning.writers.measurement import measure_voxels
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.errors import UnknownNameError
from datasets.synthetic.brain import artery_atlas, load_brain
from datasets.synthetic.hospitals import HOSPITALS
from datasets.synthetic.patients import LABELLED, Patient, draw_labelled, draw_patient, draw_pool
from datasets.synthetic.planted import PLANTS, planted
from datasets.synthetic.scans import draw_masks, draw_scans

NO_FILES = Sources(Path(), {}, "")


@dataclass(frozen=True)
class Built:
    cohort: Cohort
    seconds: float
    patients: list[Patient]

    @property
    def labels(self) -> np.ndarray:
        return self.cohort.labels


@pytest.fixture(scope="module")
def built(built_once: Callable[[str], Any]) -> Built:
    real = built_once("synthetic-stroke")
    return Built(real.cohort, real.seconds, draw_labelled(1))


def complete_table(patients: list[Patient]) -> pd.DataFrame:
    return pd.DataFrame([vars(patient.admission) for patient in patients]).astype(float)


def true_features(built: Built) -> np.ndarray:
    """Log volume and eloquent damage, by their definition, from the cohort's own derived columns."""
    derived = built.cohort.derived
    deep = derived[[name for name in derived if name.startswith("lateral lenticulostriate")]].sum(axis=1)
    return np.column_stack([np.log1p(derived["lesion_volume_ml"]), np.minimum(1, 4 * deep)])


def cross_validated_auc(x: np.ndarray, built: Built, c: float = 1.0) -> float:
    """Mean AUC of a logistic regression over the 20 splits of `repeated-cv`."""
    aucs = []
    for split in RepeatedCV().splits(built.cohort):
        rest = np.concatenate([split.train, split.validation])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)).fit(x[rest], built.labels[rest])
        aucs.append(roc_auc_score(built.labels[split.test], model.decision_function(x[split.test])))
    return float(np.mean(aucs))


def test_the_class_counts_of_the_case_control_hospitals_are_those_of_the_source_paper(built: Built) -> None:
    sites, labels = built.cohort.sites, built.labels
    assert (np.sum(labels[sites == "Tongji"] == 0), np.sum(labels[sites == "Tongji"] == 1)) == (366, 196)
    assert (np.sum(labels[sites == "Xinhua"] == 0), np.sum(labels[sites == "Xinhua"] == 1)) == (131, 36)
    assert (np.sum(sites == "Oriental"), np.sum(sites == "Putuo")) == (120, 90)
    assert len(built.cohort) == 939


def test_the_card_says_what_the_cohort_is(built: Built) -> None:
    card = discover().datasets.get("synthetic-stroke")
    assert card.error is None
    assert card.card.cases == len(built.cohort)
    assert card.card.sites == len(np.unique(built.cohort.sites))
    assert card.card.modalities == built.cohort.modalities
    assert "never clinical evidence" in card.card.scope


def test_the_pool_has_2000_other_cases_of_the_same_hospitals_without_labels(built: Built) -> None:
    pool = built.cohort.pool
    assert pool is not None
    assert len(pool) == 2000
    assert pool.labels is None
    assert not set(pool.case_ids) & set(built.cohort.case_ids)
    assert set(pool.sites) == set(built.cohort.sites)
    assert pool.modalities == built.cohort.modalities
    masks, pool_masks = (view.array.reshape(len(view), -1) for view in (built.cohort.images["mask"], pool.images["mask"]))
    assert not {mask.tobytes() for mask in masks if mask.sum() > 255 * 50} & {mask.tobytes() for mask in pool_masks}


def test_ids_are_sorted_and_tell_neither_hospital_nor_outcome(built: Built) -> None:
    assert list(built.cohort.case_ids) == sorted(built.cohort.case_ids)
    order = np.arange(len(built.cohort))
    assert abs(roc_auc_score(built.labels, order) - 0.5) < 0.06
    for site in np.unique(built.cohort.sites):
        assert abs(roc_auc_score(built.cohort.sites == site, order) - 0.5) < 0.1


def test_the_same_seed_gives_the_same_patients_labels_and_images(built: Built) -> None:
    assert [patient.good_outcome for patient in built.patients] == built.labels.astype(bool).tolist()
    some = built.patients[:40]
    np.testing.assert_array_equal(draw_masks(some), built.cohort.images["mask"].array[:40])
    np.testing.assert_array_equal(draw_scans(some), built.cohort.images["mri"].array[:40])


def test_a_patient_does_not_depend_on_those_drawn_before() -> None:
    hospital = HOSPITALS[0]
    alone = draw_patient(1, hospital, LABELLED, 7)
    in_turn = [draw_patient(1, hospital, LABELLED, number) for number in range(8)][-1]
    assert alone.admission == in_turn.admission
    np.testing.assert_array_equal(alone.infarct, in_turn.infarct)


def test_another_seed_gives_other_patients() -> None:
    hospital = HOSPITALS[2]
    first, second = ([draw_patient(seed, hospital, LABELLED, k) for k in range(60)] for seed in (1, 2))
    assert [patient.admission for patient in first] != [patient.admission for patient in second]
    assert [patient.good_outcome for patient in first] != [patient.good_outcome for patient in second]


def test_the_known_probability_is_the_documented_formula(built: Built) -> None:
    table = complete_table(built.patients)
    volume, damage = true_features(built).T
    a, e, t = (table["age"] - 66) / 12, damage - 0.35, 2 * table["thrombolysis"] - 1
    logit = (
        -0.45
        - 0.80 * a
        - 0.90 * (table["nihss"] - 8) / 5
        - 0.55 * table["prestroke_mrs"]
        - 0.60 * table["diabetes"]
        - 0.40 * table["prior_stroke"]
        - 0.40 * (table["glucose_mmol_l"] - 7) / 2.5
        - 2.20 * e
        - 0.25 * (volume - 2.4)
        - 0.30 * a * e
        - 1.90 * t * e
    )
    known = [patient.terms.probability for patient in built.patients]
    np.testing.assert_allclose(known, expit(logit), atol=2e-6)
    assert built.cohort.facts["oracle_auc"] == pytest.approx(roc_auc_score(built.labels, known), abs=1e-4)


@pytest.mark.slow
def test_labels_follow_the_known_probability_where_they_are_drawn_freely() -> None:
    pool = draw_pool(1)
    known = np.array([patient.terms.probability for patient in pool])
    outcome = np.array([patient.good_outcome for patient in pool])
    edges = np.quantile(known, [0.2, 0.4, 0.6, 0.8])
    for part in range(5):
        inside = np.digitize(known, edges) == part
        standard_error = np.sqrt(np.sum(known[inside] * (1 - known[inside]))) / inside.sum()
        assert abs(outcome[inside].mean() - known[inside].mean()) < 3.5 * standard_error


def test_the_optimum_and_its_parts_stand_where_they_were_meant_to(built: Built) -> None:
    facts = built.cohort.facts
    assert 0.83 < facts["oracle_auc"] < 0.87
    assert 0.76 < facts["oracle_auc_table"] < 0.80
    assert 0.65 < facts["oracle_auc_image"] < 0.71
    assert facts["oracle_auc_additive"] < facts["oracle_auc"] - 0.02


def test_table_and_image_alone_reach_their_optimum_but_not_the_oracle(built: Built) -> None:
    table = pd.get_dummies(built.cohort.table, drop_first=True).astype(float)
    table = cross_validated_auc(table.fillna(table.median()).to_numpy(), built)
    image = cross_validated_auc(np.column_stack([true_features(built)[:, 0], built.cohort.derived.iloc[:, 1:]]), built, c=0.1)
    assert 0.75 < table < 0.80
    assert 0.62 < image < 0.70
    assert built.cohort.facts["oracle_auc"] > table + 0.05


def test_the_interaction_gains_over_the_sum_of_both_parts(built: Built) -> None:
    table, image = complete_table(built.patients), true_features(built)
    t = 2 * table["thrombolysis"].to_numpy()[:, None] - 1
    additive = cross_validated_auc(np.column_stack([table, image]), built)
    interaction = cross_validated_auc(np.column_stack([table, image, image * t]), built)
    alone = cross_validated_auc(table.to_numpy(), built)
    assert additive > alone + 0.02
    assert interaction > additive + 0.02


def test_the_hospital_adds_next_to_nothing_to_the_oracle(built: Built) -> None:
    logit = np.array([patient.terms.logit for patient in built.patients])[:, None]
    hospitals = pd.get_dummies(built.cohort.sites).to_numpy(dtype=float)
    gain = cross_validated_auc(np.column_stack([logit, hospitals]), built) - cross_validated_auc(logit, built)
    assert gain < 0.01


def test_derived_fractions_are_mask_times_atlas(built: Built) -> None:
    cohort = built.cohort
    atlas = cohort.atlas
    for case in (0, 17, 400, 938):
        mask = cohort.images["mask"][case][0]
        assert set(np.unique(mask)) == {0.0, 1.0}
        row = cohort.derived.iloc[case]
        assert row["lesion_volume_ml"] == pytest.approx(mask.sum() * atlas.voxel_mm**3 / 1000)
        for k, name in enumerate(atlas.names):
            assert row[name] == pytest.approx(mask[atlas.labels == k + 1].mean(), abs=1e-6)


def test_reports_speak_of_the_mask(built: Built) -> None:
    cohort = built.cohort
    assert {len(drafts) for drafts in cohort.reports} == {4}
    for case in range(20):
        found = measure_voxels(np.flatnonzero(cohort.images["mask"][case][0]), artery_atlas())
        for side, there, other in (("left", found.left_ml, found.right_ml), ("right", found.right_ml, found.left_ml)):
            if there > 0 and other == 0:
                assert all(side in draft.lower() for draft in cohort.reports[case])


def test_drafts_on_topics_are_the_first_draft_in_four_parts(built: Built) -> None:
    for cohort in (built.cohort, built.cohort.pool):
        topics = cohort.report_sets["topics"]
        assert {len(drafts) for drafts in topics} == {4}
        assert [" ".join(drafts) for drafts in topics] == [drafts[0] for drafts in cohort.reports]


def test_the_table_is_typed_plausible_and_lacks_some_values(built: Built) -> None:
    table = built.cohort.table
    assert {str(dtype) for dtype in table.dtypes} == {"float64", "category"}
    assert 0.01 < table.isna().mean().mean() < 0.05
    assert table.notna().all(axis=1).mean() > 0.7
    limits = {
        "age": (18, 100),
        "nihss": (0, 42),
        "prestroke_mrs": (0, 5),
        "systolic_mmhg": (60, 260),
        "glucose_mmol_l": (2, 35),
    }
    for column, (low, high) in limits.items():
        assert table[column].dropna().between(low, high).all()


def test_the_atlas_is_symmetric_and_covers_the_tissue() -> None:
    brain = load_brain()
    labels = brain.atlas.labels
    np.testing.assert_array_equal(labels > 0, brain.tissue)
    assert set(np.unique(labels)) == set(range(31))
    sizes = np.bincount(labels.ravel())[1:]
    np.testing.assert_array_equal(sizes[::2], sizes[1::2])


def test_scanners_differ_between_hospitals_and_infarcts_shine(built: Built) -> None:
    scans, masks = built.cohort.images["mri"], built.cohort.images["mask"]
    tissue, sites = load_brain().tissue, built.cohort.sites
    brightness = {site: scans[np.flatnonzero(sites == site)[:30]][:, 0, tissue].mean() for site in np.unique(sites)}
    assert brightness["Oriental"] < brightness["Tongji"] < brightness["Putuo"]
    for case in range(10):
        dwi, lesion = scans[case][0], masks[case][0] > 0
        assert dwi[lesion].mean() > dwi[tissue & ~lesion].mean() + 0.15


def test_older_patients_have_more_white_matter_hyperintensity(built: Built) -> None:
    flair = built.cohort.images["mri"][np.flatnonzero(built.cohort.sites == "Tongji")][:, 1]
    near = load_brain().periventricular > 0.6
    age = built.cohort.table["age"][built.cohort.sites == "Tongji"]
    assert np.corrcoef(flair[:, near].mean(axis=1), age)[0, 1] > 0.4


@pytest.fixture(scope="module")
def everything() -> Catalogue:
    return discover()


def codes(cohort: Cohort, catalogue: Catalogue, *checks: str) -> set[str]:
    subject = Subject(cohort, catalogue.dataset("synthetic-stroke").card, catalogue)
    return {code for code in checks for _ in CHECKS[code].look(subject)}


CAUGHT = {
    "ward-code": {"SB131"},
    "row-number": {"SB134"},
    "site-code": {"SB141"},
    "late-column": {"SB152"},
    "copies": {"SB111", "SB113", "SB115"},
    "near-copies": {"SB114"},
    "pool-copies": {"SB121", "SB122", "SB123"},
    "outcome-words": {"SB161"},
    "outcome-word": {"SB132"},
    "image-mark": {"SB133"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_each_leak_that_can_be_planted_is_caught_by_its_codes(built: Built, everything: Catalogue, name: str) -> None:
    leaking = planted(built.cohort, name, 1)
    assert codes(leaking, everything, *CAUGHT[name]) == CAUGHT[name]
    assert leaking.source_digest != built.cohort.source_digest


@pytest.mark.slow
def test_none_of_these_codes_is_found_where_nothing_is_planted(built: Built, everything: Catalogue) -> None:
    by_chance = {"SB115", "SB123"}  # short reports on one topic are equal as often as chance makes them
    assert codes(built.cohort, everything, *sorted(set.union(*CAUGHT.values()))) <= by_chance
    subject = Subject(built.cohort, everything.dataset("synthetic-stroke").card, everything)
    assert {found.state for code in by_chance for found in CHECKS[code].look(subject)} <= {"reports"}


def test_a_planted_column_leaves_the_others_as_they_are(built: Built) -> None:
    leaking = planted(built.cohort, "ward-code+row-number", 1)
    assert roc_auc_score(leaking.labels, leaking.table["ward_code"]) == 1.0
    pd.testing.assert_frame_equal(leaking.table.drop(columns=["ward_code", "admission_number"]), built.cohort.table)
    with pytest.raises(UnknownNameError, match="unknown plant 'ward-cod': did you mean 'ward-code'"):
        planted(built.cohort, "ward-cod", 1)


def test_no_column_of_the_default_cohort_comes_near_telling_the_outcome(built: Built) -> None:
    numbers = pd.get_dummies(pd.concat([built.cohort.table, built.cohort.derived], axis=1)).astype(float)
    for column in numbers:
        there = numbers[column].notna()
        auc = roc_auc_score(built.labels[there], numbers[column][there])
        assert max(auc, 1 - auc) < 0.75


def test_building_takes_less_than_a_minute(built: Built) -> None:
    assert built.seconds < 60
