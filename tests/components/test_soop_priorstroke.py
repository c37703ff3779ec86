"""soop[label=priorstroke]: the patients of soop under another label, against the file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.fetching import read_manifest
from benchmark.registry.discovery import discover
from benchmark.suites.suite import DEFAULT, load_suite
from datasets._soop_files import OPENNEURO

NAME = "soop[label=priorstroke]"
Build = Callable[[str], Cohort]


@pytest.fixture(scope="module")
def patients(real_cohort: Build) -> Cohort:
    return real_cohort(NAME)


def test_944_patients_with_flair_slices_114_of_them_with_a_stroke_before(patients: Cohort) -> None:
    assert (len(patients), int(patients.labels.sum())) == (944, 114)
    card = discover().dataset(NAME).card
    assert (card.cases, card.sites) == (944, len(np.unique(patients.sites))) == (944, 4)


def test_labels_are_the_column_of_the_file(patients: Cohort, source_files) -> None:
    path = source_files("soop").path(f"{OPENNEURO}participants.tsv")
    raw = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).set_index("participant_id")["priorstroke"]
    assert (raw.loc[patients.case_ids] == "1").tolist() == patients.labels.astype(bool).tolist()
    assert set(raw.loc[patients.case_ids]) == {"0", "1"}


def test_a_method_sees_the_person_and_the_flair_slices_alone(patients: Cohort, real_cohort: Build) -> None:
    assert tuple(patients.table.columns) == ("age", "bmi", "sex", "race")
    assert patients.modalities == {"table", "image"} and set(patients.images) == {"flair"}
    assert patients.derived is None and patients.reports is None and patients.pool is None
    same = real_cohort("soop-nihss")
    assert patients.case_ids.tolist() == same.case_ids.tolist()
    assert np.array_equal(patients.images["flair"][[0, -1]], same.images["flair"][[0, -1]])


def test_the_card_says_that_the_disease_is_there_already() -> None:
    card = discover().dataset(NAME).card
    assert card.scope.startswith("Prevalent disease, not risk") and "prevalent disease, not risk" in card.label_time
    assert {"priorstroke", "nihss", "gs_rankin_6isdeath", "etiology"} <= set(card.barred)


def test_it_needs_no_other_file_than_soop_and_the_default_suite_does_not_have_it() -> None:
    assert read_manifest(NAME) == read_manifest("soop")
    assert not {NAME, "framingham", "emidec"} & set(load_suite(DEFAULT).datasets)


def test_the_spelling_gives_its_own_component_and_other_fields_are_soops() -> None:
    catalogue = discover()
    assert catalogue.dataset(NAME).entry.path.name == "soop_priorstroke.py"
    assert catalogue.dataset("soop[ label = priorstroke ]").spelled == NAME
    assert catalogue.dataset("soop").entry.path.name == catalogue.dataset("soop[cases=any]").entry.path.name == "soop.py"
