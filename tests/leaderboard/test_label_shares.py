"""Rows by the share of the labels: which tables belong together, and that a figure shows what the tables hold."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.leaderboard.figures import label_figures, write_figures
from benchmark.leaderboard.label_shares import by_share, label_curves
from benchmark.leaderboard.page import page
from benchmark.leaderboard.page_data import suite_data
from benchmark.leaderboard.records import records
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

RANKED = ("logistic-regression", "svm", "xgboost")
TENTH, HALF, ALL = "label-efficiency[share=0.1]", "label-efficiency[share=0.5]", "repeated-cv"
SUITE = Suite("made", "Made", ("made",), (ALL, HALF, TENTH), RANKED)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return discover()


def made(protocol: str, strength: float = 1.0, dataset: str = "made", rows: tuple[str, ...] = RANKED) -> Standings:
    task = replace(made_task(), dataset=dataset, protocol=protocol)
    return table(task, [row(task, name, strength * (1 + 0.2 * place)) for place, name in enumerate(rows)])


@pytest.fixture(scope="module")
def tables() -> list[Standings]:
    return [made(ALL), made(HALF, 0.7), made(TENTH, 0.3, rows=RANKED[:2])]


def test_tables_that_differ_in_the_share_alone_belong_together(tables: list[Standings]) -> None:
    sites = table(made_task("leave-one-site-out", 6), [row(made_task("leave-one-site-out", 6), "svm", 1.0)])
    found = by_share([*tables, sites, made("repeated-cv[repeats=2]"), made(ALL, dataset="other"), made(TENTH, dataset="third")])
    assert {name: list(shares) for name, shares in found.items()} == {"made": [0.1, 0.5, 1.0]}
    assert [found["made"][share] for share in (0.1, 0.5, 1.0)] == [tables[2], tables[1], tables[0]]


def test_a_curve_holds_each_tables_mean_and_interval_and_a_row_of_one_table_has_none(tables: list[Standings]) -> None:
    (shares,) = by_share(tables).values()
    found = records(label_curves(shares))
    assert {each["method"] for each in found} == {*RANKED}
    assert [each["x"] for each in found if each["method"] == "svm"] == [0.1, 0.5, 1.0]
    assert [each["x"] for each in found if each["method"] == "xgboost"] == [0.5, 1.0]
    for each in found:
        comparison = shares[each["x"]].comparison
        assert comparison is not None
        for key, frame in (("y", comparison.metrics), ("low", comparison.low), ("high", comparison.high)):
            assert each[key] == pytest.approx(frame.loc[each["method"], "auc"], abs=1e-4)
        assert each["low"] < each["y"] < each["high"]
    alone = by_share([tables[0], made(HALF, rows=("svm",))])["made"]
    assert [block["method"] for block in label_curves(alone)] == ["svm"]


def test_the_figure_has_a_log_axis_with_the_shares_and_an_interval(tables: list[Standings], catalogue: Catalogue) -> None:
    ((dataset, figure),) = label_figures(SUITE, tables, catalogue)
    x = [layer["encoding"]["x"] for layer in figure.spec["layer"]]
    assert dataset == "made" and figure.name == "labels"
    assert all(axis["scale"]["type"] == "log" and set(axis["axis"]["values"]) == {0.1, 0.5, 1.0} for axis in x)
    area = next(layer for layer in figure.spec["layer"] if layer["mark"]["type"] == "area")
    assert (area["encoding"]["y"]["field"], area["encoding"]["y2"]["field"]) == ("low", "high")


def test_it_is_drawn_beside_the_tables_figures(tables: list[Standings], catalogue: Catalogue, tmp_path: Path) -> None:
    *others, last = write_figures(tmp_path, SUITE, tables, catalogue, "svg")
    assert last.name == "made-labels.svg" and not any("labels.svg" in path.name for path in others)
    text = " ".join(ElementTree.fromstring(last.read_text(encoding="utf-8")).itertext())
    assert "Few labels: made" in text and "share of the labels (log scale)" in text and "10%" in text and "100%" in text
    assert "AUC, 95 % CI" in text and "svm" in text


def test_a_suite_without_such_tables_has_neither_figure_nor_data(catalogue: Catalogue, tmp_path: Path) -> None:
    one = Suite("made", "Made", ("made",), (ALL,), RANKED)
    assert "labels" not in suite_data(one, [made(ALL)], catalogue)
    assert not any("labels" in path.name for path in write_figures(tmp_path, one, [made(ALL)], catalogue, "svg"))
    assert page(one, [made(ALL)], catalogue) == page(one, [made(ALL)], catalogue)


def test_the_page_holds_the_curves_of_every_row(tables: list[Standings], catalogue: Catalogue) -> None:
    held = suite_data(SUITE, tables, catalogue)["labels"]
    (shares,) = by_share(tables).values()
    assert held == {"made": label_curves(shares)}
