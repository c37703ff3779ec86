"""Names of 80 characters, no row, rows that all failed, undefined metrics: every form of the leaderboard bears them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.leaderboard.exports import as_csv, as_json, pairs_as_csv
from benchmark.leaderboard.figures import figures, write_figures
from benchmark.leaderboard.latex import as_latex
from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.mirrored import mirrored
from benchmark.leaderboard.standings import Standings, standings
from benchmark.leaderboard.terminal import shown
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

LONG = "logistic-regression[class_weight=balanced,features=table+derived+image+text,max_iter=123456789]"
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), (LONG, "svm", "mlp"))


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


def long_names() -> Standings:
    task = made_task()
    return table(task, [row(task, LONG, 1.0), row(task, "svm", 0.9), row(task, "mlp", 0.1)])


def no_rows() -> Standings:
    return table(made_task(), [])


def all_failed() -> Standings:
    task = made_task()
    return table(task, [row(task, name, 1.0, splits=0, failed=f"no memory | {'x' * 500}\nline") for name in ("svm", LONG)])


def undefined() -> Standings:
    """Test parts of one class: no AUC of any row."""
    task = made_task()
    task = replace(task, labels=np.ones_like(task.labels))
    rows = table(made_task(), [row(task, "svm", 1.0), row(task, LONG, 0.5)]).rows
    return standings(replace(rows, task=task), "auc")


CASES = (long_names, no_rows, all_failed, undefined)


@pytest.mark.parametrize("made", CASES, ids=lambda made: made.__name__)
def test_every_form_bears_it_and_says_no_nan(made: Callable[[], Standings], shipped: Catalogue, tmp_path: Path) -> None:
    found = made()
    forms = {
        "terminal": shown(found, shipped, [LONG, "svm"], asked=True),
        "brief": render(SUITE, [found], shipped, brief=True),
        "whole": render(SUITE, [found], shipped),
        "csv": as_csv([found]),
        "pairs": pairs_as_csv([found]),
        "latex": as_latex([found]),
        "json": str(as_json("made", [found])),
        "mlflow": str(
            [(each.note, [(one.note, one.stated) for one in each.rows]) for each in mirrored(SUITE, [found], shipped).tables]
        ),
    }
    for name, text in forms.items():
        assert not re.search(r"\bnan\b", text, re.IGNORECASE), name
    assert [
        line for line in forms["terminal"].splitlines() if len(line) > 80 and LONG not in line and "x" * 80 not in line
    ] == []
    for line in (line for name in ("brief", "whole") for line in forms[name].splitlines() if line.startswith("|")):
        assert line.count(" | ") or line.startswith("|---"), "a name or reason breaks no table"
    paths = write_figures(tmp_path, SUITE, [found], shipped, "svg", names=("roc", "forest"))
    assert len(paths) == len([each for each in figures(SUITE, found, shipped) if each.name in ("roc", "forest")])
    for path in paths:
        assert "NaN" not in path.read_text(encoding="utf-8")


def test_a_long_name_stands_whole_everywhere(shipped: Catalogue, tmp_path: Path) -> None:
    found = long_names()
    (path,) = write_figures(tmp_path, SUITE, [found], shipped, "svg", names=("forest",))
    texts = (shown(found, shipped, [], asked=True), render(SUITE, [found], shipped, brief=True), as_csv([found]))
    assert all(LONG in text for text in (*texts, path.read_text(encoding="utf-8")))
    assert LONG in [each.row.method for each in mirrored(SUITE, [found], shipped).tables[0].rows]


def test_rows_that_all_failed_say_why_in_one_line(shipped: Catalogue) -> None:
    found = all_failed()
    assert "No row is complete yet" in shown(found, shipped, ["svm"], asked=True)
    brief = render(SUITE, [found], shipped, brief=True)
    (line,) = [line for line in brief.splitlines() if line.startswith("| `svm` |")]
    assert "no memory \\| xxx" in line and len(line) < 300
    notes = {each.row.method: each.note for each in mirrored(SUITE, [found], shipped).tables[0].rows}
    assert notes["svm"].startswith("0 of 20 cells, so there is no mean AUC: failed: no memory")


def test_a_suite_without_tables_has_every_form(shipped: Catalogue, tmp_path: Path) -> None:
    assert "No predictions are stored yet" in render(SUITE, [], shipped, brief=True)
    assert write_figures(tmp_path, SUITE, [], shipped, "pdf") == []
    assert mirrored(SUITE, [], shipped).tables == []
