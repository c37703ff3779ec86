"""A paper's figures beside those found, and the figures that methods store with their cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.cells.rows import stored_figures
from benchmark.leaderboard.markdown import render, side_by_side
from benchmark.registry.discovery import discover
from benchmark.statistics.metrics import score
from benchmark.suites.suite import Reported, ReportedRow, Suite
from tests.leaderboard.made_standings import made_task, row, table

REPORTED = Reported(
    "a paper of other patients",
    (
        ReportedRow("Full", {"auc": "81.06 (1.97)", "f1": "69.26 (3.68)"}, ("alpha", "beta")),
        ReportedRow("Text", {"auc": "49.51 (0.92)"}, ("gamma",)),
    ),
)
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), ("alpha", "beta"), reported=REPORTED)


def test_the_papers_figures_stand_beside_the_mean_and_sd_over_cells() -> None:
    task = made_task()
    alpha = row(task, "alpha", 0.7)
    heading, said, first, folded = side_by_side(SUITE, [table(task, [alpha, row(task, "beta", 0.1)])])
    values = [
        100 * score(task.labels[split.test], alpha.probabilities[split.name][None], np.array([0.5]))["auc"][0]
        for split in task.splits
    ]
    assert heading == "## Reported and found, side by side"
    assert "a paper of other patients" in said and "says nothing about either" in said
    assert f"| Full | 81.06 (1.97) | `alpha` | {np.mean(values):.2f} ({np.std(values, ddof=1):.2f}) |" in first
    assert "|  |  | `beta` |" in first and "| Text | 49.51 (0.92) | `gamma` |  |" in first
    assert "69.26 (3.68)" in folded and "69.26" not in first


def test_a_suite_that_reports_nothing_has_no_such_section() -> None:
    task = made_task()
    assert side_by_side(replace(SUITE, reported=None), [table(task, [row(task, "alpha", 0.7)])]) == []


def test_numbers_stored_with_every_cell_are_told_with_their_spread() -> None:
    task = made_task()
    names = [split.name for split in task.splits]
    chosen = {name: {"angle": float(i), "word": "x", "flag": True, "sometimes": 1} for i, name in enumerate(names)}
    del chosen[names[3]]["sometimes"]
    told = replace(row(task, "alpha", 0.7), chosen=chosen)
    assert stored_figures(told) == {"angle": (pytest.approx(9.5), pytest.approx(np.std(np.arange(20), ddof=1)))}
    suite = replace(SUITE, ranked=("alpha",), reported=None, name="m", note="Said of all rows.")
    page = render(suite, [table(task, [told])], _Catalogue())
    assert "## Methods and data\n\nSaid of all rows.\n" in page
    assert "- `alpha`: angle 9.5 (5.9)" in page


class _Catalogue:
    """`majority`'s card for every method."""

    @property
    def methods(self) -> _Catalogue:
        return self

    def get(self, name: str) -> object:
        return discover().methods.get("majority")
