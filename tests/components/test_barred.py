"""What a dataset's card bars reaches no method: not by name, not under another name, not in the text."""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import rdata

from benchmark.data.cohort import Cohort
from benchmark.data.modalities import MODALITIES
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from datasets._row_ids import row_ids
from datasets._soop_files import OPENNEURO
from datasets.emidec import TABLE as CASES
from datasets.estonian_stroke import FILE
from datasets.framingham import FILE as EXAMS
from datasets.lgg import TABLE as GLIOMAS
from datasets.medpix import FOLDER as MEDPIX
from datasets.ptbxl import FOLDER as PTBXL

CARDS = {entry.name: entry.card for entry in discover().datasets}
ALIKE = {"ptbxl-full": "ptbxl", "soop-volumes": "soop"}
"""A dataset whose files no test has -> another of the same columns and the same loader."""
OWN_WORDS = {"medpix"}
"""A dataset whose reports people wrote, who may use the word that a column is named by ("exam")."""
ELSEWHERE = {"isles24"}
"""A dataset of which no file is here: tests/components/test_user_downloads.py sees that what comes later is no input."""
BARRING = [name for name, card in CARDS.items() if card.barred and name not in {*ALIKE, *ELSEWHERE}]


def barred_columns(name: str) -> list[str]:
    """Each key of a card's `barred` is a column, or several with commas between."""
    return [column for key in CARDS[name].barred for column in re.split(r",\s*", key)]


@pytest.fixture(scope="session")
def built(
    real_cohort: Callable[[str], Cohort], source_files: Callable[[str], Sources], request: pytest.FixtureRequest
) -> Callable[[str], tuple[Cohort, pd.DataFrame]]:
    """`built(name)` -> the dataset's cohort and the source's own columns of its cases, as text."""

    def soop(cohort: Cohort) -> pd.DataFrame:
        path = source_files("soop").path(f"{OPENNEURO}participants.tsv")
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).set_index("participant_id").loc[cohort.case_ids]

    def ist(cohort: Cohort) -> pd.DataFrame:
        trial = request.getfixturevalue("trial")
        return trial.set_index(row_ids("ist", range(1, len(trial) + 1))).loc[cohort.case_ids].astype(str)

    def estonian(cohort: Cohort) -> pd.DataFrame:
        return pd.read_csv(source_files("estonian-stroke").path(FILE), sep=";", dtype=str)

    def framingham(cohort: Cohort) -> pd.DataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # classes of R that only say how the file was parsed
            exams = rdata.read_rda(source_files("framingham").path(EXAMS))["framingham"]
        return exams.set_index(row_ids("framingham", range(1, len(exams) + 1))).loc[cohort.case_ids].astype(str)

    def emidec(cohort: Cohort) -> pd.DataFrame:
        cases = pd.read_csv(source_files("emidec").path(CASES), dtype=str)
        return cases.set_index(row_ids("emidec", cases["case"].astype(int))).loc[cohort.case_ids]

    def ptbxl(cohort: Cohort) -> pd.DataFrame:
        records = pd.read_csv(source_files("ptbxl").path(f"{PTBXL}ptbxl_database.csv"), dtype=str)
        return records.set_index(row_ids("ptbxl", records["ecg_id"].astype(int))).loc[cohort.case_ids]

    def lgg(cohort: Cohort) -> pd.DataFrame:
        people = pd.read_csv(source_files("lgg").path(GLIOMAS), sep=";", dtype=str)
        return people.set_index("Patient", drop=False).loc[cohort.groups]

    def medpix(cohort: Cohort) -> pd.DataFrame:
        cases = json.loads(source_files("medpix").path(f"{MEDPIX}Case_topic.json").read_text(encoding="utf-8"))
        rows = {case["U_id"]: {**case["Case"], "Topic": case["Topic"]["Title"]} for case in cases}
        return pd.DataFrame.from_dict(rows, orient="index").loc[cohort.case_ids].drop(columns="Findings").astype(str)

    readers = {
        **{"soop": soop, "soop-nihss": soop, "soop[label=priorstroke]": soop, "soop-findings": soop, "ist": ist},
        **{
            "estonian-stroke": estonian,
            "framingham": framingham,
            "emidec": emidec,
            "ptbxl": ptbxl,
            "lgg": lgg,
            "medpix": medpix,
        },
    }

    @functools.cache
    def reader(name: str) -> tuple[Cohort, pd.DataFrame]:
        assert name in readers, f"{name} bars columns: add a reader of its source's own columns to this test"
        cohort = real_cohort(name)
        return cohort, readers[name](cohort).reset_index(drop=True)

    return reader


def view(cohort: Cohort) -> Cohort:
    """The most that any method receives for training."""
    return cohort.only(set(MODALITIES))


@pytest.mark.parametrize("name", ALIKE)
def test_a_dataset_of_the_same_columns_bars_the_same(name: str) -> None:
    assert sorted(barred_columns(name)) == sorted(barred_columns(ALIKE[name]))


@pytest.mark.parametrize("name", BARRING)
def test_every_barred_column_exists_in_the_source(built, name: str) -> None:
    _, raw = built(name)
    assert set(barred_columns(name)) <= set(raw.columns)


@pytest.mark.parametrize("name", BARRING)
def test_every_column_of_the_source_is_an_input_or_barred(built, name: str) -> None:
    cohort, raw = built(name)
    inputs = {*view(cohort).columns}
    assert inputs <= set(raw.columns)
    assert set(raw.columns) == inputs | set(barred_columns(name))
    assert not inputs & set(barred_columns(name))


@pytest.mark.parametrize("name", BARRING)
def test_no_input_is_a_barred_column_under_another_name(built, name: str) -> None:
    """No input parts the cases exactly as a barred column does (one that is constant parts nothing)."""
    cohort, raw = built(name)
    held = view(cohort)
    frames = [frame for frame in (held.table, held.derived) if frame is not None]
    inputs = {str(column): _parts(frame[column].astype(str)) for frame in frames for column in frame}
    for column in barred_columns(name):
        barred = _parts(raw[column])
        same = [given for given, parts in inputs.items() if barred.max() > 0 and np.array_equal(parts, barred)]
        assert not same, f"{name}: {same[0]} is {column}"


def _parts(values: pd.Series) -> np.ndarray:
    """The partition of the cases by a column's values, whatever they are called."""
    return pd.factorize(values)[0]


@pytest.mark.parametrize("name", [name for name in BARRING if name not in OWN_WORDS])
def test_no_draft_speaks_of_a_barred_column(built, name: str) -> None:
    cohort, _ = built(name)
    drafts = {draft.lower() for case in cohort.reports or () for draft in case}
    words = {"rankin" if column.startswith("gs_rankin") else column.lower() for column in barred_columns(name)}
    assert not [draft for draft in drafts for word in words if re.search(rf"\b{re.escape(word)}\b", draft)]
