"""Figures for papers: which rows they show, and that they look the same wherever they are opened."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmark.leaderboard.figures import figures, write_figures
from benchmark.leaderboard.plotting import as_pdf, as_svg
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

STRENGTHS = {"svm": 2.0, "xgboost": 1.9, "lightgbm": 1.8, "mlp": 1.7, "concat": 1.6, "logistic-regression": 1.5, "vdafm": 0.4}
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), tuple(STRENGTHS))
LONG = "logistic-regression[C=0.123456789012,class_weight=balanced,max_iter=123456789,smote=1]"
SPEC = {
    "data": {"values": [{"name": LONG, "x": 1}, {"name": "a < b & c", "x": 2}]},
    "mark": "bar",
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "name", "type": "nominal", "axis": {"labelLimit": 0}},
    },
    "config": {"font": "DejaVu Sans"},
}


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


@pytest.fixture(scope="module")
def tested() -> Standings:
    task = made_task()
    return table(task, [row(task, name, strength) for name, strength in STRENGTHS.items()])


def methods_of(found: Standings, shipped: Catalogue, *wanted: str) -> dict[str, set[str]]:
    """Figure -> the methods whose records it holds."""
    rows = {each.name: each.spec["datasets"]["rows"] for each in figures(SUITE, found, shipped, wanted)}
    return {name: {each.get("method", each.get("a")) for each in records} for name, records in rows.items()}


def test_the_proposed_row_is_in_every_figure_of_curves_although_it_is_last(tested: Standings, shipped: Catalogue) -> None:
    assert tested.ranked[-1] == "vdafm"
    drawn = methods_of(tested, shipped)
    for name in ("roc", "calibration", "decision"):
        assert drawn[name] == {*tested.ranked[:4], "logistic-regression", "vdafm"}


def test_named_rows_are_drawn_alone_and_keep_the_first_row_and_the_tables_p(tested: Standings, shipped: Catalogue) -> None:
    wanted = (tested.ranked[2], "vdafm")
    drawn = methods_of(tested, shipped, *wanted)
    assert {name: drawn[name] for name in ("roc", "calibration", "decision")} == dict.fromkeys(
        ("roc", "calibration", "decision"), set(wanted)
    )
    assert drawn["forest"] == {tested.ranked[0], *wanted}
    matrix = next(each for each in figures(SUITE, tested, shipped, wanted) if each.name == "matrix")
    (pair,) = matrix.spec["datasets"]["rows"]
    truth = tested.against(wanted[0])["vdafm"]
    assert pair["p_adjusted"] == pytest.approx(truth["p_adjusted"], rel=1e-3)
    assert "Pairs, of 21 tests" in str(matrix.spec["title"])
    assert methods_of(tested, shipped, "gated") == {}


def test_every_ranked_row_is_in_the_figure_of_intervals_with_its_mean(tested: Standings, shipped: Catalogue) -> None:
    drawn = next(each for each in figures(SUITE, tested, shipped) if each.name == "intervals").spec["datasets"]["rows"]
    assert [each["method"] for each in drawn] == tested.ranked
    assert tested.comparison is not None
    assert [each["mean"] for each in drawn] == pytest.approx(list(tested.comparison.metrics["auc"]), abs=1e-3)


def test_rows_of_curves_have_numbers_in_the_figure_of_time_and_a_key(
    tested: Standings, shipped: Catalogue, tmp_path: Path
) -> None:
    wanted = ("vdafm", "svm")
    drawn = next(each for each in figures(SUITE, timed(tested), shipped, wanted) if each.name == "time")
    keyed = {each["key"]: each["method"] for each in drawn.spec["datasets"]["named"]}
    assert keyed == {"1 svm": "svm", "2 vdafm": "vdafm"}
    (path,) = write_figures(tmp_path, SUITE, [timed(tested)], shipped, "svg", wanted, ("time",))
    titles = {
        each.text for each in ElementTree.fromstring(path.read_text(encoding="utf-8")).iter("{http://www.w3.org/2000/svg}title")
    }
    assert {"1", "2", "1 svm", "2 vdafm"} <= titles


def timed(found: Standings) -> Standings:
    """The same with a training time at every row."""
    rows = tuple(replace(row, seconds=1.0 + place) for place, row in enumerate(found.rows.complete))
    return replace(found, rows=replace(found.rows, complete=rows))


def test_an_svg_has_its_texts_as_outlines_and_names_them(tested: Standings, shipped: Catalogue, tmp_path: Path) -> None:
    (path,) = write_figures(tmp_path, SUITE, [tested], shipped, "svg", ("svm", "vdafm"), ("roc",))
    text = path.read_text(encoding="utf-8")
    assert "<text" not in text and "font-family" not in text
    titles = {each.text for each in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")}
    assert {"svm", "vdafm"} <= titles


def test_a_long_name_stands_whole_and_inside_the_drawing() -> None:
    svg = as_svg(SPEC).decode()
    assert f"<title>{LONG}</title>" in svg and "<title>a &lt; b &amp; c</title>" in svg
    inset = float(re.search(r'stroke-miterlimit="10" transform="translate\(([\d.]+),', svg)[1])
    place = re.search(
        rf'<path transform="translate\((-?[\d.]+),[^"]*translate\((-?[\d.]+),0\)[^>]*><title>{re.escape(LONG)}<', svg
    )
    assert place is not None
    assert inset + float(place[1]) + float(place[2]) >= 0, "the name begins left of the drawing"


def test_a_pdf_holds_its_font() -> None:
    pdf = as_pdf(SPEC)
    assert pdf.startswith(b"%PDF-") and b"DejaVuSans" in pdf
