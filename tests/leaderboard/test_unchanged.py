"""Ranking the same rows again computes nothing; whatever a leaderboard is made of, when it changes it is written anew."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.cells.rows import TableRows, current_suite, gather
from benchmark.cells.store import Store, parse
from benchmark.leaderboard import publication, unchanged
from tests.made_benchmark import MadeBenchmark


@pytest.fixture
def ranked(ran: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> MadeBenchmark:
    """The made benchmark, ranked; whatever ranks it again is counted in `computed`."""
    ran.cli("rank", *ran.options)
    computed: list[str] = []
    rank = publication.rank

    def counted(suite: Any, *words: Any, **options: Any) -> Any:
        computed.append(suite.name)
        return rank(suite, *words, **options)

    monkeypatch.setattr(publication, "rank", counted)
    monkeypatch.setattr(ran, "computed", computed, raising=False)
    return ran


def page_of(ranked: MadeBenchmark) -> Path:
    return ranked.leaderboard.with_suffix(".html")


def test_the_same_rows_are_ranked_once_and_said_twice(ranked):
    before = ranked.leaderboard.read_bytes(), page_of(ranked).read_bytes()
    said = [ranked.cli("rank", *ranked.options).stdout for _ in range(2)]
    assert ranked.computed == [] and said[0] == said[1]
    assert f"{ranked.leaderboard}: 2 tables, " in said[0] and str(page_of(ranked)) in said[0]
    assert (ranked.leaderboard.read_bytes(), page_of(ranked).read_bytes()) == before


def edit_cell(ranked: MadeBenchmark) -> None:
    """One probability of one cell in its last digit, with the digest that belongs to it."""
    path = next((ranked.output / "results" / "cells").rglob("*.json"))
    path = next(each for each in sorted(path.parent.rglob("*.json")) if each.name != "task.json")
    record = parse(path.read_bytes())
    assert record is not None
    record.probabilities[0] = record.probabilities[0] / 2 + 1e-3
    Store(ranked.output / "results" / "cells").write(record)


CHANGES: dict[str, Callable[[MadeBenchmark], Any]] = {
    "a probability": edit_cell,
    "a cell is gone": lambda ranked: next((ranked.output / "results" / "cells").rglob("steady/*.json")).unlink(),
    "the leaderboard was edited": lambda ranked: ranked.leaderboard.write_text("the proposed method wins"),
    "the leaderboard is gone": lambda ranked: ranked.leaderboard.unlink(),
    "the page is gone": lambda ranked: page_of(ranked).unlink(),
    "the suite's title": lambda ranked: ranked.edit('title = "', 'title = "Further ', ranked.suite),
    "a dataset's card": lambda ranked: ranked.edit('scope="Made for tests.",', 'scope="Made for further tests.",'),
    "a method's card": lambda ranked: ranked.edit('reference="', 'reference="Anew: '),
    "what was kept is torn": lambda ranked: (ranked.output / "results" / "drawn" / "made-suite.files.json").write_text('{"st'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_ranked_anew(ranked, change):
    CHANGES[change](ranked)
    ranked.cli("rank", *ranked.options)
    assert ranked.computed == ["made-suite"]
    ranked.cli("rank", *ranked.options)
    assert ranked.computed == ["made-suite"], "and once only"
    whole = publication.rank(*suite_of(ranked))
    assert ranked.leaderboard.read_text() == publication.render(suite_of(ranked)[0], whole, suite_of(ranked)[1], brief=True)


def test_another_library_or_other_code_is_ranked_anew(ranked, monkeypatch, tmp_path):
    before = unchanged.state(*suite_of(ranked))
    with monkeypatch.context() as patch:
        patch.setattr(unchanged.sysconfig, "get_path", lambda name: str(tmp_path))
        assert unchanged.state(*suite_of(ranked)) != before
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "page.css").write_text("body {}")
    with monkeypatch.context() as patch:
        patch.setattr(unchanged, "CODE", tmp_path / "code")
        other = unchanged.state(*suite_of(ranked))
        (tmp_path / "code" / "page.css").write_text("body { }")
        assert len({before, other, unchanged.state(*suite_of(ranked))}) == 3
    assert unchanged.state(*suite_of(ranked)) == before
    assert unchanged.state(*suite_of(ranked), local=False) != before
    assert unchanged.state(*suite_of(ranked), jobs=2) == before


def test_every_field_of_the_rows_and_of_the_task_counts(ranked, monkeypatch):
    suite, catalogue = suite_of(ranked)
    table = gather(suite, catalogue)[0]

    def state_of(other: TableRows) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(unchanged, "gathered", lambda *words, **options: other)
            return unchanged.state(suite, catalogue)

    found = {"as it is": state_of(table)}
    for name in (field.name for field in dataclasses.fields(TableRows)):
        found[name] = state_of(dataclasses.replace(table, **{name: ["changed"]}))
    for name in (field.name for field in dataclasses.fields(table.task)):
        found[f"task.{name}"] = state_of(dataclasses.replace(table, task=changed(table.task, name)))
    row = table.complete[0]
    for name in (field.name for field in dataclasses.fields(row)):
        found[f"row.{name}"] = state_of(dataclasses.replace(table, complete=(changed(row, name), *table.complete[1:])))
    assert len(set(found.values())) == len(found)


def changed(of: Any, name: str) -> Any:
    """The same with one field changed, whatever its class makes of it when it is made."""
    other = object.__new__(type(of))
    fields = [field.name for field in dataclasses.fields(of)]
    for field in fields:
        object.__setattr__(other, field, ["changed"] if field == name else getattr(of, field))
    return other


def suite_of(ranked: MadeBenchmark) -> tuple[Any, Any]:
    catalogue = ranked.catalogue()
    return current_suite(str(ranked.suite), catalogue), catalogue


def test_json_is_computed_whatever_was_written(ranked):
    assert json.loads(ranked.cli("rank", *ranked.options, "--json").stdout)["suite"] == "made-suite"
    assert ranked.computed == ["made-suite"]
