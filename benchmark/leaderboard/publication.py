"""Reads stored predictions, ranks them, and writes the leaderboard's files."""

from __future__ import annotations

from pathlib import Path

from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.standings import Standings, standings
from benchmark.locations import output_folder, results_folder
from benchmark.predictions import gather
from benchmark.registry import Catalogue
from benchmark.store import write_if_changed
from benchmark.suite import DEFAULT, Suite


def rank(suite: Suite, catalogue: Catalogue, *, local: bool = True) -> list[Standings]:
    """The tables of a suite from stored predictions: no training, the same result every time."""
    return [standings(rows, suite.primary_metric) for rows in gather(suite, catalogue, local=local)]


def write_leaderboard(suite: Suite, catalogue: Catalogue, tables: list[Standings]) -> Path:
    """Write `leaderboard.md` (or `results/<suite>.md` for another suite); returns its path."""
    path = output_folder() / "leaderboard.md" if suite.name == DEFAULT else results_folder() / f"{suite.name}.md"
    content = render(suite, tables, catalogue).encode()
    write_if_changed(path, content)
    return path
