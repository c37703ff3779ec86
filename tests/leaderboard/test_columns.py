"""One list of columns: every format chooses from it, and all show the same figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.leaderboard import exports, latex, markdown_table, page_data
from benchmark.leaderboard.columns import COLUMNS, Column, lines, ranked_first, written
from benchmark.leaderboard.standings import Standings
from benchmark.registry.discovery import discover
from benchmark.statistics.multiplicity import ALPHA
from benchmark.suites.suite import Suite
from benchmark.system.locations import ROOT
from tests.leaderboard.made_standings import made_task, row, table

SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), ("svm", "xgboost", "random-forest"), ("majority",))


@pytest.fixture(scope="module")
def tested() -> Standings:
    """Two rows that do not differ, a far worse one, and a descriptive one."""
    strengths = {"svm": 2.0, "xgboost": 1.9, "random-forest": 0.0, "majority": 0.5}
    task = made_task()
    return table(task, [row(task, name, strength) for name, strength in strengths.items()], ("majority",))


def test_a_column_shows_in_every_table_that_it_names(tested: Standings, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = ("ranked", "descriptive", "secondary", "latex", "page", "csv")
    monkeypatch.setitem(COLUMNS, "twice", Column("twice", "twice the estimate", "figure", ("twice",), tables))
    markdown = "\n".join(markdown_table.table_parts(tested, discover()))
    assert markdown.count("| twice the estimate |") == 2 + any(not line["ranked"] for line in lines(tested))
    assert "twice the estimate" in latex.as_latex([tested])
    assert ",twice," in exports.as_csv([tested]).splitlines()[0]
    assert "Twice the estimate" in str(page_data.table_data(SUITE, tested, discover()))


def test_markdown_latex_csv_json_and_page_show_the_same_figures_of_each_row(tested: Standings) -> None:
    markdown = "\n".join(markdown_table.table_parts(tested, discover()))
    tex = latex.as_latex([tested]).replace(r"\allowbreak{}", "").replace("$", "")
    csv = exports.as_csv([tested]).splitlines()
    json = {item["method"]: item for item in exports.as_json("made", [tested])["tables"][0]["rows"]}
    page = page_data.table_data(SUITE, tested, discover())
    for line in ranked_first(lines(tested)):
        name = line["method"]
        estimate = written(COLUMNS["estimate"], line)
        assert f"| `{name}` | {estimate} |" in markdown
        assert rf"\texttt{{{name}}}" in tex and estimate in tex
        assert f",{line['mean']!r},{line['low']!r},{line['high']!r}," in next(each for each in csv if f",{name}," in each)
        assert json[name]["metrics"]["auc"] == {"mean": line["mean"], "ci": [line["low"], line["high"]]}
        place = page["rows"]["method"].index(name)
        assert page["metrics"]["auc"]["mean"][place] == line["mean"]
        if line["ranked"]:
            assert json[name]["rank"] == [page["rows"][key][place] for key in ("rank_low", "rank_high")]


def test_a_row_outside_the_tests_has_empty_cells_and_an_undefined_value_is_said(tested: Standings) -> None:
    *_, descriptive = ranked_first(lines(tested))
    assert [written(COLUMNS[name], descriptive) for name in ("rank", "difference", "p_adjusted", "best_set")] == [""] * 4
    assert written(COLUMNS["p"], {"p": float("nan")}) == "n/a"


def test_python_decides_the_verdict_of_each_pair_and_what_its_cells_show(tested: Standings) -> None:
    pairs = page_data.table_data(SUITE, tested, discover())["pairs"]
    for p, verdict, of_a, of_b in zip(*(pairs[key] for key in ("p_adjusted", "verdict", "of_a", "of_b")), strict=True):
        if p < ALPHA:
            assert verdict == "better" and of_a.startswith("row better, p < ") and of_b.startswith("row worse, p < ")
            assert p < float(of_a.rpartition(" ")[2])
        else:
            assert verdict in ("none", "equal") and of_a == of_b == "no difference shown"
    assert set(pairs["verdict"]) >= {"better"} and len(set(pairs["verdict"])) > 1


@pytest.mark.parametrize("room", ["leaderboard", "statistics"])
def test_no_module_knows_a_protocol_and_no_script_compares_with_a_level(room: str) -> None:
    protocols = [entry.name for entry in discover().protocols]
    for path in (Path(ROOT) / "benchmark" / room).rglob("*"):
        if path.suffix in (".py", ".js"):
            text = path.read_text(encoding="utf-8")
            assert not [name for name in protocols if f'"{name}"' in text or f"`{name}`" in text], path
            assert path.suffix == ".py" or not re.search(r"[<>]=?\s*0?\.(05|95)\b", text), path
