"""ist: the International Stroke Trial, against what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets._row_ids import row_ids
from datasets.ist import CATEGORIES, COUNTRIES, FILE, NUMBERS, InternationalStrokeTrial, read_trial

Build = Callable[[str], Cohort]


@pytest.fixture(scope="module")
def ist(real_cohort: Build) -> Cohort:
    return real_cohort("ist")


def test_19285_patients_of_36_countries_7160_of_them_independent(ist: Cohort, trial: pd.DataFrame) -> None:
    assert len(trial) == 19435
    assert (len(ist), int(ist.labels.sum())) == (19285, 3864 + 3296)
    card = discover().datasets.get("ist").card
    assert (card.cases, card.sites) == (19285, len(np.unique(ist.sites))) == (19285, 36)
    assert set(ist.sites) == set(COUNTRIES.values())


def test_labels_are_the_outcome_codes_of_the_file(ist: Cohort, trial: pd.DataFrame) -> None:
    code = dict(zip(row_ids("ist", range(1, len(trial) + 1)), trial["OCCODE"].astype(int), strict=True))
    assert [code[case] in (3, 4) for case in ist.case_ids] == ist.labels.astype(bool).tolist()
    assert {code[case] for case in ist.case_ids} == {1, 2, 3, 4}


def test_the_table_holds_the_22_columns_of_randomisation(ist: Cohort) -> None:
    assert tuple(ist.table.columns) == (*NUMBERS, *CATEGORIES)
    assert (ist.table[list(NUMBERS)].dtypes == "float64").all()
    assert (ist.table[list(CATEGORIES)].dtypes == "category").all()


def test_empty_text_is_missing(ist: Cohort, trial: pd.DataFrame) -> None:
    raw = {name: int((trial[name] == "").sum()) for name in ("RATRIAL", "RASP3", "RHEP24")}
    assert raw == {"RATRIAL": 984, "RASP3": 984, "RHEP24": 344}
    missing = ist.table.isna().sum()
    assert set(missing[missing > 0].index) == set(raw)
    assert not any("" in ist.table[name].cat.categories for name in CATEGORIES)


def test_heparin_has_its_fourth_level(ist: Cohort) -> None:
    assert set(ist.table["RXHEP"].cat.categories) == {"N", "L", "M", "H"}


def test_hospitals_as_sites_are_464_each_in_one_country(real_cohort: Build, ist: Cohort) -> None:
    hospitals = real_cohort("ist[site=hospital]").sites
    assert len(np.unique(hospitals)) == 464
    assert pd.crosstab(hospitals, ist.sites).astype(bool).sum(axis=1).max() == 1


def test_hospital_groups_hold_whole_hospitals_and_about_equally_many_patients(real_cohort: Build) -> None:
    groups, hospitals = (real_cohort(f"ist[site={site}]").sites for site in ("hospital-group", "hospital"))
    assert pd.crosstab(hospitals, groups).astype(bool).sum(axis=1).max() == 1
    sizes = np.unique(groups, return_counts=True)[1]
    assert len(sizes) == 20
    assert sizes.max() - sizes.min() <= 1


def test_strata_are_told_in_words(ist: Cohort) -> None:
    assert list(ist.strata) == ["age", "sex", "stroke_type", "country"]
    assert set(ist.strata["sex"]) == {"female", "male"}
    assert (ist.strata["country"] == ist.sites).all()


def test_another_kind_of_site_is_refused(real_cohort: Build) -> None:
    with pytest.raises(DataError, match="ist: site=city: give 'country', 'hospital' or 'hospital-group'"):
        real_cohort("ist[site=city]")


def test_an_unknown_country_is_named(trial: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.ist.read_trial", lambda sources: trial.head(50).assign(COUNTRY="ATLA"))
    with pytest.raises(DataError, match="ist: country code 'ATLA' is not known"):
        InternationalStrokeTrial().build(Sources(Path(), {}, ""))


def test_a_file_that_is_no_database_is_refused(tmp_path) -> None:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not R data")
    with pytest.raises(DataError, match="ist: IST.rda cannot be read"):
        read_trial(Sources(tmp_path, {FILE: ""}, ""))
