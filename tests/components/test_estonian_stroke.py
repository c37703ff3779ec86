"""estonian-stroke: the register of Tartu, against what is known of it and by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets.estonian_stroke import FILE, INPUTS, EstonianStroke


@pytest.fixture(scope="module")
def register(real_cohort: Callable[[str], Cohort]) -> Cohort:
    return real_cohort("estonian-stroke")


def made(tmp_path, *rows: str) -> Sources:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text("\r\n".join(["SEX;DIED;DSTR;AGE;DGN;COMA;DIAB;MINF;HAN", *rows, ""]))
    return Sources(tmp_path, {FILE: ""}, "")


def test_829_patients_of_one_town_446_of_them_alive_after_a_year(register: Cohort) -> None:
    assert (len(register), int(register.labels.sum())) == (829, 446)
    assert set(register.sites) == {"Tartu"}
    card = discover().datasets.get("estonian-stroke").card
    assert (card.cases, card.sites) == (829, 1)


def test_labels_follow_the_dates_of_the_file(register: Cohort, source_files) -> None:
    def day(text: str) -> date:
        number, month, year = map(int, text.split("."))
        return date(year, month, number)

    lines = source_files("estonian-stroke").path(FILE).read_text().splitlines()[1:]
    alive = []
    for line in lines:
        _, died, stroke, *_ = line.split(";")
        alive.append(died == "." or day(died) > day(stroke) + timedelta(days=365))
    assert alive == register.labels.astype(bool).tolist()


def test_the_table_holds_no_date(register: Cohort) -> None:
    assert tuple(register.table.columns) == INPUTS
    assert register.table.isna().sum().to_dict() == {
        "AGE": 0, "COMA": 4, "DIAB": 10, "MINF": 7, "HAN": 8, "SEX": 0, "DGN": 0,
    }  # fmt: skip
    assert set(register.table["DGN"]) == {"ICH", "ID", "INF", "SAH"}
    assert register.table["SEX"].value_counts().to_dict() == {"female": 510, "male": 319}


@pytest.mark.parametrize(("died", "alive"), [(".", 1), ("2.01.1992", 0), ("3.01.1992", 1), ("2.01.1991", 0)])
def test_a_year_is_365_days(tmp_path, died: str, alive: int) -> None:
    cohort = EstonianStroke().build(made(tmp_path, f"1;{died};2.01.1991;76;INF;0;.;1;0"))
    assert cohort.labels.tolist() == [alive]
    assert np.isnan(cohort.table["DIAB"][0])


def test_a_date_of_another_form_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="estonian-stroke: stroke.csv cannot be read"):
        EstonianStroke().build(made(tmp_path, "1;.;1991-01-02;76;INF;0;0;1;0"))


def test_a_missing_column_is_refused(tmp_path) -> None:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text("SEX;DIED;DSTR\n1;.;2.01.1991\n")
    with pytest.raises(DataError, match="estonian-stroke: stroke.csv cannot be read"):
        EstonianStroke().build(Sources(tmp_path, {FILE: ""}, ""))
