"""The brief leaderboard, which is committed, beside the whole one, which `export md` prints."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.standings import Standings, standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

RANKED, DESCRIPTIVE = ("svm", "image-net", "concat"), ("majority", "decision-tree")
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), RANKED, DESCRIPTIVE)
STRENGTHS = {"svm": 2.0, "image-net": 1.6, "concat": 0.4, "majority": 0.1, "decision-tree": 0.9}


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


@pytest.fixture(scope="module")
def published() -> Standings:
    """A tested table whose rows are published, with a ranked and a descriptive row that do not apply."""
    task = made_task()
    rows = [replace(row(task, name, strength), source="reference") for name, strength in STRENGTHS.items()]
    found = table(task, rows, DESCRIPTIVE).rows
    barred = (("lesion-volume", "made has no mask"), ("span", "made has no nihss"), ("text-net", "made has no mask"))
    return standings(replace(found, not_applicable=barred, ranked=(*RANKED, "lesion-volume", "text-net")), "auc")


def rows_of(text: str) -> dict[str, list[str]]:
    """Method -> the cells of its first line in a table."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found: dict[str, list[str]] = {}
    for line in lines:
        for name in re.findall(r"`([^`]+)`", " | ".join(line[:2])):
            found.setdefault(name, line)
    return found


def test_ranked_rows_have_six_columns_and_the_figures_of_the_whole(published: Standings, shipped: Catalogue) -> None:
    brief, whole = (render(SUITE, [published], shipped, brief=each) for each in (True, False))
    assert "| rank | method | inputs | AUC (95 % CI) | difference from the first row (95 % CI) | p, all pairs |" in brief
    for name in RANKED:
        rank, method, _, *figures = rows_of(brief)[name]
        assert set(filter(None, (rank, method, *figures))) <= set(rows_of(whole)[name])
    assert rows_of(brief)["concat"][2] == "image+table+text" and rows_of(brief)["svm"][2] == "table"


def test_the_whole_holds_what_the_brief_one_leaves_out(published: Standings, shipped: Catalogue) -> None:
    brief, whole = (render(SUITE, [published], shipped, brief=each) for each in (True, False))
    for text in ("Secondary metrics", "letters", "P(equal)", "`span`"):
        assert text in whole and text not in brief
    assert "python -m benchmark export md --suite made" in brief
    assert "<summary>2 descriptive rows" in brief and "| `majority` | 0." in brief


def test_rows_that_do_not_apply_for_one_reason_share_a_line(published: Standings, shipped: Catalogue) -> None:
    assert "| made | `lesion-volume`, `text-net` | made has no mask |" in render(SUITE, [published], shipped, brief=True)


def test_a_row_of_this_machine_is_marked_where_others_are_published(published: Standings, shipped: Catalogue) -> None:
    mixed = replace(published.rows.complete[1], source="local")
    rest = [each for each in published.rows.complete if each.method != mixed.method]
    found = standings(replace(published.rows, complete=(mixed, *rest)), "auc")
    text = render(SUITE, [found], shipped, brief=True)
    assert rows_of(text)[mixed.method][-1].strip("| ") == "local" and "None" not in text
    assert "source" not in rows_of(render(SUITE, [published], shipped, brief=True))["svm"]


def test_a_dataset_is_described_once(published: Standings, shipped: Catalogue) -> None:
    other = replace(published, rows=replace(published.rows, task=replace(published.rows.task, protocol="holdout")))
    text = render(replace(SUITE, protocols=("repeated-cv", "holdout")), [published, other], shipped, brief=True)
    assert text.count("label 0: poor outcome") == 1 and "The same 200 cases." in text
