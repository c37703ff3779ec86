"""docs/results.md agrees with the published tables: each AUC and interval that its prose gives of a row."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from benchmark.system.locations import ROOT

SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", flags=re.MULTILINE | re.DOTALL)
DATASET = re.compile(r"`(soop-nihss|soop|ist|estonian-stroke|synthetic-stroke)`")
FIGURE = re.compile(r"`([a-z][^`]*)`(?:,| has|\)|, descriptive\)| has| has now)*\s\(?(\.\d{3})(?: \((\.\d{3} to \.\d{3}))?")
"""A row's name, its figure, its interval if it has one: `` `gated` has .801 `` or `` `nihss`, .750 (.711 to .787) ``."""
TABLE_ROW = re.compile(r"^\|(?:[^`|]*\|)? `([^`]+)` \|.*?(0\.\d{3})(?: \((0\.\d{3} to 0\.\d{3})\))?", flags=re.MULTILINE)


def published() -> dict[str, dict[str, set[str]]]:
    """Dataset -> row -> its figures and intervals in any of the published tables, as prose writes them."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for page in (ROOT / "leaderboard.md", *sorted((ROOT / "results").glob("*.md"))):
        for title, text in SECTION.findall(page.read_text(encoding="utf-8")):
            for name, figure, interval in TABLE_ROW.findall(text):
                found[title.split(",")[0]][name] |= {shown.replace("0.", ".") for shown in (figure, interval)}
    return found


def claims() -> list[tuple[str, str, str, str]]:
    """Datasets of the section, row, figure and interval of each figure that follows a row's name."""
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    return [
        (" ".join(sorted(set(DATASET.findall(title + body)))), *found)
        for title, body in SECTION.findall(text)
        for found in FIGURE.findall(re.sub(r"\s+", " ", body))
        if not DATASET.fullmatch(f"`{found[0]}`")
    ]


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, set[str]]]:
    return published()


def test_the_figures_of_the_page_are_found() -> None:
    assert len(claims()) > 35


@pytest.mark.parametrize(("datasets", "row", "figure", "interval"), claims())
def test_a_figure_of_the_page_is_one_of_a_published_table(
    tables: dict[str, dict[str, set[str]]], datasets: str, row: str, figure: str, interval: str
) -> None:
    base = row.split("[")[0]
    of_row = [shown for name in datasets.split() for other, shown in tables[name].items() if other.split("[")[0] == base]
    assert any(figure in shown and (not interval or interval in shown) for shown in of_row), (figure, interval, of_row)
