"""framingham: exams and strokes of the Framingham Heart Study, against what is known of them and by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdata

from benchmark.cells.planning import splits_of
from benchmark.data.cohort import Cohort
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets._row_ids import row_ids
from datasets.framingham import FILE, FOLLOWED, LIPIDS, NUMBERS, Framingham

Build = Callable[[str], Cohort]
PLAIN = {"RANDID": 7, "SEX": 1, "PERIOD": 1, "PREVSTRK": 0, "TIME": 0}
FOLLOWED_UP = {"STROKE": 0, "TIMESTRK": 8766, "DEATH": 0, "TIMEDTH": 8766}


@pytest.fixture(scope="module")
def exams(real_cohort: Build) -> Cohort:
    return real_cohort("framingham")


def made(folder: Path, *rows: dict[str, float], without: str = "") -> Sources:
    """A file of the given exams, everything that a row does not say being 1."""
    path = folder / FILE
    path.parent.mkdir(parents=True)
    columns = [*FOLLOWED, *NUMBERS, "educ"]
    frame = pd.DataFrame([{**dict.fromkeys(columns, 1.0), **PLAIN, **FOLLOWED_UP, **row} for row in rows], dtype=float)
    rdata.write_rda(path, {"framingham": frame.drop(columns=without or [])})
    return Sources(folder, {FILE: ""}, "")


@pytest.mark.parametrize(
    ("spelled", "cases", "strokes", "people"),
    [
        ("framingham", 11449, 440, 4386),
        ("framingham[exam=first]", 4386, 111, 4386),
        ("framingham[deaths=excluded]", 10120, 440, None),
    ],
)
def test_exams_strokes_and_people_are_as_many_as_are_known(
    real_cohort: Build, spelled: str, cases: int, strokes: int, people: int | None
) -> None:
    cohort = real_cohort(spelled)
    assert (len(cohort), int(cohort.labels.sum())) == (cases, strokes)
    assert people is None or len(np.unique(cohort.groups)) == people
    card = discover().dataset(spelled).card
    assert (card.cases, card.sites) == (cases, 1)


def test_labels_of_exams_in_the_file_are_those_worked_out_by_hand(exams: Cohort) -> None:
    """Row 1: no stroke in 24 years; 198 and 199: lost after 2,911 days; 5086: a death within, yet followed for 24 years."""
    label = dict(zip(exams.case_ids, exams.labels, strict=True))
    here = [label.get(case) for case in row_ids("framingham", [1, 198, 199, 5086])]
    assert here == [0, None, None, 0]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ({"STROKE": 1, "TIMESTRK": 3652}, 1),
        ({"STROKE": 1, "TIMESTRK": 3653}, 0),
        ({"STROKE": 1, "TIMESTRK": 6000, "TIME": 2348, "PERIOD": 2}, 1),
        ({"STROKE": 1, "TIMESTRK": 0, "PREVSTRK": 1}, None),
        ({"DEATH": 1, "TIMEDTH": 900, "TIMESTRK": 900}, 0),
        ({"TIMESTRK": 900}, None),
        ({"TIMESTRK": 3653}, 0),
    ],
    ids=["just within", "just after", "counted from the exam", "before the exam", "died", "lost", "followed so long"],
)
def test_the_label_is_a_first_stroke_within_ten_years_of_the_exam(tmp_path: Path, said: dict, label: int | None) -> None:
    cohort = Framingham().build(made(tmp_path, {}, said))
    assert cohort.labels.tolist() == [0, *([] if label is None else [label])]


def test_who_dies_without_a_stroke_is_counted_or_left_out(tmp_path: Path) -> None:
    sources = made(
        tmp_path, {"DEATH": 1, "TIMEDTH": 900, "TIMESTRK": 900}, {"DEATH": 1, "TIMEDTH": 900, "STROKE": 1, "TIMESTRK": 890}
    )
    assert Framingham().build(sources).labels.tolist() == [0, 1]
    assert Framingham(deaths="excluded").build(sources).labels.tolist() == [1]


def test_the_table_holds_what_is_known_at_the_exam(exams: Cohort, real_cohort: Build) -> None:
    assert tuple(exams.table.columns) == (*NUMBERS, "SEX", "educ")
    assert (exams.table[list(NUMBERS)].dtypes == "float64").all()
    assert set(exams.table["educ"].cat.categories) == {"1", "2", "3", "4"}
    assert not {*LIPIDS} & {*real_cohort("framingham[exam=first]").table.columns}


def test_sex_is_told_in_words(tmp_path: Path) -> None:
    cohort = Framingham().build(made(tmp_path, {"SEX": 1}, {"SEX": 2}))
    assert list(cohort.table["SEX"]) == list(cohort.strata["sex"]) == ["male", "female"]


@pytest.mark.slow
def test_no_split_parts_the_exams_of_a_person(exams: Cohort) -> None:
    assert len(np.unique(exams.groups)) < len(exams)
    for split in splits_of(discover().protocol("repeated-cv"), exams):
        parts = [set(exams.groups[part]) for part in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2], split.name


def test_ids_do_not_tell_whose_exam_it_is(exams: Cohort) -> None:
    assert not any(group in case for case, group in zip(exams.case_ids, exams.groups, strict=True))


def test_survival_is_a_descriptive_configuration_and_the_plain_one_is_tested() -> None:
    dataset = discover().dataset
    assert not dataset("framingham").card.descriptive and not dataset("framingham[exam=first]").card.descriptive
    for spelled in ("framingham[deaths=excluded]", "framingham[deaths=excluded,exam=first]"):
        assert "dies without a stroke" in dataset(spelled).card.descriptive
    assert dataset("framingham[deaths=counted]").spelled == "framingham"


@pytest.mark.parametrize(("field", "message"), [("exam", "give 'all' or 'first'"), ("deaths", "give 'counted' or 'excluded'")])
def test_another_value_of_a_field_is_refused(field: str, message: str) -> None:
    with pytest.raises(DataError, match=f"framingham: {field}=some: {message}"):
        Framingham(**{field: "some"}).build(Sources(Path(), {}, ""))


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"framingham: framingham.rda cannot be read \(KeyError.*PREVSTRK.*\): fetch it again"):
        Framingham().build(made(tmp_path / "column", {}, without="PREVSTRK"))
    with pytest.raises(DataError, match=r"framingham: framingham.rda, row 2: TIMESTRK is missing"):
        Framingham().build(made(tmp_path / "value", {}, {"TIMESTRK": np.nan}))
    sources = made(tmp_path / "bytes", {})
    sources.path(FILE).write_bytes(b"not R data")
    with pytest.raises(DataError, match="framingham: framingham.rda cannot be read"), warnings.catch_warnings():
        warnings.simplefilter("error")
        Framingham().build(sources)
