"""One number: whatever the page shows is what `export` prints, rounded once, as the Markdown rounds it."""

from __future__ import annotations

import copy
import csv
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark.leaderboard.columns import COLUMNS
from benchmark.leaderboard.exports import as_csv, pairs_as_csv
from benchmark.leaderboard.page import page
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import IDEAL, LOWER_IS_BETTER, METRICS, metric_name
from tests.browser.conftest import Reader, made_suite, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TIES = (0.0625, 0.1875, 0.3125, 0.8125, 0.9375, 0.9995, 0.0005)
"""Numbers that lie exactly between two of three decimals, and two that only seem to."""
NEAR_THE_LEVEL = (0.0499999, 0.05, 0.0500001, 0.00099999)
METRIC_LIST = (*METRICS, "calibration_error")
TABLES = (0, 1, 2)
SIGN = "\u2212"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, written: tuple[Path, list[Standings], Catalogue]):
    """The made tables with numbers that are easily rounded wrongly, and their page."""
    tables = [replace(table, comparison=copy.deepcopy(table.comparison)) for table in written[1][: len(TABLES)]]
    first = tables[0].comparison
    assert first is not None
    first.metrics.loc[:, "accuracy"] = TIES
    first.low.loc[:, "accuracy"] = TIES[::-1]
    first.metrics.loc[:, "calibration_intercept"] = [0.125, -0.125, 0.375, -0.001, 0.0, float("nan"), -2.5]
    with_first = (first.pairs[["a", "b"]] == tables[0].ranked[0]).any(axis=1)
    first.pairs.loc[with_first, "p_adjusted"] = NEAR_THE_LEVEL
    first.pairs.loc[with_first, "p"] = (0.0994999, 0.0995, 0.125, float("nan"))
    path = tmp_path_factory.mktemp("numbers") / "made.html"
    path.write_text(page(made_suite(), tables, written[2]), encoding="utf-8")
    return path, tables, written[2]


@pytest.fixture
def reader(browser: Browser, hostile: tuple[Path, list[Standings], Catalogue]) -> Iterator[Reader]:
    with opened(browser, *hostile) as found:
        yield found


def exported(reader: Reader, table: int) -> dict[str, dict[str, str]]:
    """The complete rows of a table as `export csv` prints them, by name."""
    rows = csv.DictReader(io.StringIO(as_csv([reader.tables[table]])))
    return {row["method"]: row for row in rows if row["cells_ok"] == row["cells"]}


def number(text: str) -> float:
    return float(text) if text else math.nan


def as_written(value: float, metric: str) -> str:
    """As the Markdown writes it."""
    if math.isnan(value):
        return "n/a"
    return f"{value:+.2f}" if COLUMNS[metric].kind == "intercept" else f"{value:.3f}"


def estimate(row: dict[str, str], metric: str) -> str:
    mean, low, high = (number(row.get(f"{metric}{part}", "")) for part in ("", "_low", "_high"))
    whole = not (math.isnan(low) or math.isnan(high))
    return as_written(mean, metric) + (f" {as_written(low, metric)} to {as_written(high, metric)}" if whole else "")


def cells(reader: Reader, column: str) -> dict[str, str]:
    """Method -> what its cell of a column shows."""
    rows = reader.page.evaluate(
        "name => [...document.querySelectorAll('#table tbody tr')].map((row) =>"
        " [row.querySelector('th').textContent, row.querySelector(`[data-cell=${name}]`)?.innerText ?? ''])",
        column,
    )
    return {method: " ".join(text.replace(SIGN, "-").split()) for method, text in rows}


def best_first(metric: str, value: float) -> float:
    if metric in IDEAL:
        return abs(value - IDEAL[metric])
    return value if metric in LOWER_IS_BETTER or metric == "calibration_error" else -value


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_every_estimate_and_difference_of_every_metric_is_that_of_the_export_best_first(reader: Reader, table: int):
    task, rows = reader.tables[table].task, exported(reader, table)
    names = [name for name, row in rows.items() if row["ranked"] == "true"]
    assert len(rows) == 7
    reader.open(f"dataset={task.dataset}&protocol={task.protocol}&view=two")
    for metric in METRIC_LIST:
        reader.page.get_by_label("Metric").select_option(metric)
        assert cells(reader, "estimate") == {name: estimate(row, metric) for name, row in rows.items()}
        order = list(cells(reader, "method"))
        values = {name: number(row[metric]) for name, row in rows.items()}
        if metric != "auc":
            best = sorted(names, key=lambda name: (math.isnan(values[name]), best_first(metric, values[name]), name))
            assert order[: len(names)] == best
        if metric not in ("auc", "accuracy"):  # the accuracy's differences were made, as its means were
            first, differences = values[order[0]], cells(reader, "difference")
            for name in order[1 : len(names)]:
                gap = values[name] - first
                digits = 2 if COLUMNS[metric].kind == "intercept" else 3
                assert differences[name] == ("n/a" if math.isnan(gap) else f"{gap + 0.0:+.{digits}f}"), metric


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_differences_and_p_are_those_of_the_exported_pairs(reader: Reader, table: int):
    standings, first = reader.tables[table], reader.tables[table].ranked[0]
    columns = "".join(f"&column={name}" for name in ("p", "p_holm", "p_equivalent", "letters", "best_set", "ensemble_auc"))
    reader.open(f"dataset={standings.task.dataset}&protocol={standings.task.protocol}{columns}")
    shown = {name: cells(reader, name) for name in ("difference", "p", "p_adjusted", "p_holm", "p_equivalent")}
    found = 0
    for pair in csv.DictReader(io.StringIO(pairs_as_csv([standings]))):
        if first not in (pair["a"], pair["b"]):
            continue
        other, sign = (pair["b"], -1) if pair["a"] == first else (pair["a"], 1)
        gap, *ends = (sign * number(pair[key]) for key in ("difference", "low", "high"))
        interval = "" if math.isnan(ends[0]) else f" {min(ends):+.3f} to {max(ends):+.3f}"
        assert shown["difference"][other] == f"{gap:+.3f}{interval}"
        for key in ("p", "p_adjusted", "p_holm", "p_equivalent"):
            if shown[key][other] or standings.tested and key in ("p", "p_adjusted"):
                assert shown[key][other] == p_value(number(pair[key])), key
                found += 1
    assert (found > 7) == standings.tested
    rows = exported(reader, table)
    assert cells(reader, "ensemble_auc") == {name: f"{number(row['ensemble_auc']):.3f}" for name, row in rows.items()}
    if standings.tested:
        letters = {name: row["letters"] for name, row in rows.items()}
        assert cells(reader, "letters") == letters and len(set(letters.values())) > 1
        ranks = {name: "\u2013".join(dict.fromkeys((row["rank_low"], row["rank_high"]))) for name, row in rows.items()}
        assert cells(reader, "rank") == {name: text or "descriptive" for name, text in ranks.items()}


def test_the_picture_and_the_heat_map_show_the_same_figures(reader: Reader):
    rows = exported(reader, 0)
    reader.open("dataset=made&protocol=repeated-cv&view=across")
    reader.page.locator("#overview summary").click()
    drawn = {row[0]: row[1:4] for row in data_table(reader, "#overview")}
    assert drawn == {
        name: [as_written(number(row[f"auc{part}"]), "auc") for part in ("", "_low", "_high")]
        for name, row in rows.items()
        if row["ranked"] == "true"
    }
    heads = reader.page.locator("#panel thead th").all_inner_texts()
    place = heads.index("made")
    map_cells = {row[0]: row[place].rstrip("*\u25beabcdefghijklmnopqrstuvwxyz \n") for row in data_table(reader, "#panel")}
    assert {name: text for name, text in map_cells.items() if text} == {
        name: as_written(number(row["auc"]), "auc") for name, row in rows.items()
    }


def data_table(reader: Reader, place: str) -> list[list[str]]:
    cells = reader.page.locator(f"{place} tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((cell) => cell.innerText.trim()))"
    )
    return [[text.replace(SIGN, "-") for text in row] for row in cells]


def test_the_names_of_the_metrics_are_those_of_the_markdown(reader: Reader):
    names = reader.page.locator("#metric option").all_inner_texts()
    assert names == [*map(metric_name, METRICS), COLUMNS["calibration_error"].heading]
