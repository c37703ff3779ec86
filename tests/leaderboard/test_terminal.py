"""What a terminal shows of a table after a run: one's own row wherever it stands, in lines of 80 columns."""

from __future__ import annotations

import re

import pytest

from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.terminal import shown
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from tests.leaderboard.made_standings import made_task, row, table

OTHERS = ("random-forest", "svm", "xgboost", "lightgbm", "mlp", "concat")
OWN = "logistic-regression[max_iter=900]"
LONG = "logistic-regression[C=0.123456789012,class_weight=balanced,max_iter=123456789,smote=1]"


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


def ranked(*weak: str, descriptive: tuple[str, ...] = ()) -> Standings:
    task = made_task()
    rows = [row(task, name, 2.0 - 0.05 * place) for place, name in enumerate(OTHERS)]
    return table(task, [*rows, *(row(task, name, 0.3) for name in weak)], descriptive)


def lines(text: str) -> list[str]:
    return text.splitlines()


def test_a_row_just_run_is_shown_with_its_sentence_although_others_lead(shipped: Catalogue) -> None:
    found = ranked(OWN)
    text = shown(found, shipped, [OWN], asked=False)
    mean = f"{found.comparison.metrics.at[OWN, 'auc']:.3f}"
    assert list(found.comparison.metrics.index)[-1] == OWN
    (line,) = [line for line in lines(text) if line.startswith("> ")]
    assert OWN in line and mean in line and re.match(r"> 7 ", line)
    assert f"`{OWN}` has AUC {mean}" in " ".join(text.split())
    assert [name for name in OTHERS if any(f"  {name} " in line for line in lines(text))] == list(OTHERS[:5])


def test_every_line_fits_80_columns_and_long_names_are_whole(shipped: Catalogue) -> None:
    assert len(LONG) > 80
    text = shown(ranked(LONG), shipped, [LONG], asked=True)
    assert LONG in text
    assert [line for line in lines(text) if len(line) > 80 and LONG not in line] == []


def test_a_tuned_row_stands_beside_its_untuned_one_with_their_difference(shipped: Catalogue) -> None:
    found = ranked("ft-transformer[tuned=tpe-10]", "ft-transformer", descriptive=("ft-transformer",))
    text = shown(found, shipped, ["ft-transformer[tuned=tpe-10]"], asked=False)
    assert any(re.match(r"> \d+(-\d+)? +ft-transformer\[tuned=tpe-10\] ", line) for line in lines(text))
    assert any(re.match(r"  descriptive +ft-transformer ", line) for line in lines(text))
    means = found.comparison.metrics["auc"]
    difference = means["ft-transformer[tuned=tpe-10]"] - means["ft-transformer"]
    sentence = f"`ft-transformer[tuned=tpe-10]` differs by {difference:+.3f}"
    assert f"Untuned, `ft-transformer` has {means['ft-transformer']:.3f}: {sentence}" in " ".join(text.split())


def test_a_row_that_failed_says_how_many_cells_it_has_and_why(shipped: Catalogue) -> None:
    task = made_task()
    rows = [row(task, "svm", 1.0), row(task, "mlp", 0.9), row(task, OWN, 1.0, splits=1, failed="no memory")]
    said = " ".join(shown(table(task, rows), shipped, [OWN], asked=False).split())
    assert f"`{OWN}` has 1 of 20 cells, AUC " in said and "failed: no memory" in said


def test_a_table_without_a_complete_row_says_so(shipped: Catalogue) -> None:
    task = made_task()
    text = shown(table(task, [row(task, OWN, 1.0, splits=0, failed="no memory")]), shipped, [OWN], asked=True)
    assert "No row is complete yet" in text and "0 ranked rows" in text and "failed: no memory" in text


def test_many_rows_just_run_have_no_sentence_each_and_are_counted(shipped: Catalogue) -> None:
    task = made_task()
    names = [f"logistic-regression[max_iter={900 + i}]" for i in range(20)]
    text = shown(table(task, [row(task, name, 1.0) for name in names], tuple(names[2:])), shipped, names, asked=True)
    assert len([line for line in lines(text) if line.startswith("> ")]) == 2 + 10
    assert "and 8 more rows that were just run" in text
    assert "has AUC" not in text


def test_a_table_that_ranks_no_row_shows_its_first_ones(shipped: Catalogue) -> None:
    task = made_task()
    found = table(task, [row(task, name, 2.0 - 0.05 * i) for i, name in enumerate(OTHERS)], OTHERS)
    text = shown(found, shipped, [], asked=True)
    assert [name for name in OTHERS if f"  descriptive  {name} " in text] == list(OTHERS[:5])
