"""What a dataset's card bars reaches no method: not by name, not under another name, not in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.cohort import MODALITIES, Cohort
from benchmark.discovery import discover
from benchmark.sources import Sources

CARDS = {entry.name: entry.metadata for entry in discover().datasets}
BARRING = [name for name, card in CARDS.items() if card["barred"]]


def barred_columns(name: str) -> list[str]:
    """Each key of a card's `barred` is a column, or several with commas between."""
    return [column for key in CARDS[name]["barred"] for column in re.split(r",\s*", key)]


@pytest.fixture(scope="module")
def built(
    source_files: Callable[[str], Sources], request: pytest.FixtureRequest
) -> Callable[[str], tuple[Cohort, pd.DataFrame]]:
    """`built(name)` -> the dataset's cohort and the source's own columns of its cases, as text."""

    def soop(name: str) -> tuple[Cohort, pd.DataFrame]:
        from datasets._soop_files import OPENNEURO

        cohort = discover().datasets.get(name).configure({}).build(source_files(name))
        path = source_files(name).path(f"{OPENNEURO}participants.tsv")
        raw = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).set_index("participant_id")
        return cohort, raw.loc[cohort.case_ids].reset_index(drop=True)

    def ist(name: str) -> tuple[Cohort, pd.DataFrame]:
        trial = request.getfixturevalue("trial")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("datasets.ist.read_trial", lambda sources: trial)
            cohort = discover().datasets.get(name).configure({}).build(source_files(name))
        rows = [int(case.removeprefix("ist-")) - 1 for case in cohort.case_ids]
        return cohort, trial.iloc[rows].reset_index(drop=True).astype(str)

    def estonian(name: str) -> tuple[Cohort, pd.DataFrame]:
        from datasets.estonian_stroke import FILE

        cohort = discover().datasets.get(name).configure({}).build(source_files(name))
        return cohort, pd.read_csv(source_files(name).path(FILE), sep=";", dtype=str)

    readers = {"soop": soop, "soop-nihss": soop, "ist": ist, "estonian-stroke": estonian}
    done: dict[str, tuple[Cohort, pd.DataFrame]] = {}

    def reader(name: str) -> tuple[Cohort, pd.DataFrame]:
        assert name in readers, f"{name} bars columns: add a reader of its source's own columns to this test"
        if name not in done:
            done[name] = readers[name](name)
        return done[name]

    return reader


def view(cohort: Cohort) -> Cohort:
    """The most that any method receives for training."""
    return replace(cohort, feature_source=None).only(set(MODALITIES))


@pytest.mark.parametrize("name", BARRING)
def test_every_barred_column_exists_in_the_source(built, name: str) -> None:
    _, raw = built(name)
    assert set(barred_columns(name)) <= set(raw.columns)


@pytest.mark.parametrize("name", BARRING)
def test_every_column_of_the_source_is_an_input_or_barred(built, name: str) -> None:
    cohort, raw = built(name)
    inputs = {str(column) for column in view(cohort).table.columns}
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


@pytest.mark.parametrize("name", BARRING)
def test_no_draft_speaks_of_a_barred_column(built, name: str) -> None:
    cohort, _ = built(name)
    drafts = {draft.lower() for case in cohort.reports or () for draft in case}
    words = {"rankin" if column.startswith("gs_rankin") else column.lower() for column in barred_columns(name)}
    assert not [draft for draft in drafts for word in words if re.search(rf"\b{re.escape(word)}\b", draft)]


@pytest.mark.parametrize("name", BARRING)
def test_sites_groups_and_strata_reach_no_prediction_and_strata_no_training(built, name: str) -> None:
    cohort, _ = built(name)
    held = view(cohort)
    assert held.strata is None
    blind = cohort.only(set(MODALITIES)).blind()
    assert (blind.labels, blind.sites, blind.groups, blind.strata) == (None, None, None, None)
