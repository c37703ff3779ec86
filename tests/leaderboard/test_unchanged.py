"""Ranking the same rows again computes nothing; whatever a leaderboard is made of, when it changes it is written anew."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from benchmark.cells.rows import current_suite
from benchmark.cells.store import Store, parse
from benchmark.leaderboard import publication, unchanged
from benchmark.system import provenance
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
    suite, catalogue = suite_of(ranked)

    def now(code: str = "as it is", **options: Any) -> str:
        return unchanged.state(suite, catalogue, code, **options)

    before = now()
    assert now("edited") != before and now(local=False) != before
    assert now() == before
    (tmp_path / "numpy-99.dist-info").mkdir()
    monkeypatch.setattr(unchanged.sys, "path", [*unchanged.sys.path, str(tmp_path)])
    other = now()
    monkeypatch.setattr(unchanged, "browser_bundle", lambda: "another library")
    assert len({before, other, now()}) == 3


def test_the_code_counts_as_it_was_when_the_command_began(tmp_path, monkeypatch):
    (tmp_path / "benchmark").mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    found = set()
    for name, content in (("a.py", "1"), ("a.py", "2"), ("page.css", "1"), ("suite.toml", "1")):
        (tmp_path / "benchmark" / name).write_text(content)
        found.add(provenance.package_digest())
    (tmp_path / "benchmark" / ".a.py.swp").write_text("an editor's own")
    assert len(found) == 4 and provenance.package_digest() in found


def test_what_came_while_it_worked_is_not_remembered(ranked, monkeypatch):
    edit_cell(ranked)
    page_file = publication.page_file

    def slow(*words: Any, **options: Any) -> Any:
        found = page_file(*words, **options)
        next((ranked.output / "results" / "cells").rglob("steady/*.json")).unlink()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(publication, "page_file", slow)
        ranked.cli("rank", *ranked.options)
    ranked.cli("rank", *ranked.options)
    assert ranked.computed == ["made-suite"] * 2


def test_what_another_command_wrote_meanwhile_is_not_remembered(ranked, monkeypatch):
    edit_cell(ranked)
    page_file = publication.page_file

    def slow(*words: Any, **options: Any) -> Any:
        ranked.leaderboard.write_text("of another command")
        return page_file(*words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(publication, "page_file", slow)
        ranked.cli("rank", *ranked.options)
    ranked.cli("rank", *ranked.options)
    assert ranked.computed == ["made-suite"] * 2 and "Made suite" in ranked.leaderboard.read_text()


def test_no_other_command_writes_leaderboards_between_reading_and_writing(ranked, monkeypatch):
    edit_cell(ranked)
    page_file, held = publication.page_file, []

    def watched(*words: Any, **options: Any) -> Any:
        with pytest.raises(Timeout):
            FileLock(ranked.output / "results" / ".leaderboards.lock", timeout=0).acquire()
        held.append(True)
        return page_file(*words, **options)

    monkeypatch.setattr(publication, "page_file", watched)
    ranked.cli("rank", *ranked.options)
    assert held
    with FileLock(ranked.output / "results" / ".leaderboards.lock", timeout=0):
        pass


def test_cards_of_protocols_and_of_methods_of_further_suites_count(ranked, monkeypatch):
    suite, catalogue = suite_of(ranked)
    before = unchanged.state(suite, catalogue, "")
    further = dataclasses.replace(suite, name="made-suite-ablations", ranked=("majority",), descriptive=())
    monkeypatch.setattr(unchanged, "further_suites", lambda *words, **options: [further])
    beside = unchanged.state(suite, catalogue, "")
    entry = catalogue.protocol("repeated-cv").entry
    card = dataclasses.replace(entry.card, elsewhere=not entry.card.elsewhere)
    monkeypatch.setitem(vars(entry), "read_card", card)
    assert len({before, beside, unchanged.state(suite, catalogue, "")}) == 3


def test_numbers_and_names_of_any_size_have_a_digest(ranked, monkeypatch):
    suite, catalogue = suite_of(ranked)
    entry = catalogue.method(suite.ranked[0]).entry
    values = [2**200, 2**200 + 1, -(2**70), "caf\udce9", float("nan"), {3, 1, 2}, {1: 2}, None, True, 1, 1.0, "1"]
    found = []
    for value in values:
        monkeypatch.setitem(vars(entry), "constants", {"given": value})
        found.append(unchanged.state(suite, catalogue, ""))
    assert len(set(found)) == len(values)


def test_the_files_of_other_tables_do_not_count_and_no_stored_row_is_read(ranked, monkeypatch):
    suite, catalogue = suite_of(ranked)
    before = unchanged.state(suite, catalogue, "")
    other = ranked.output / "results" / "cells" / "elsewhere" / "repeated-cv" / "steady" / "seed39-fold0.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    monkeypatch.setattr(Path, "read_bytes", None)
    assert unchanged.state(suite, catalogue, "") == before


@pytest.mark.parametrize(
    "where", ["cells/{0}/{1}/new-row/seed39-fold0.json", "reference/{0}/{1}/new.parquet", "audit/{0}.json"]
)
def test_a_file_that_comes_counts(ranked, where):
    suite, catalogue = suite_of(ranked)
    before = unchanged.state(suite, catalogue, "")
    new = ranked.output / "results" / where.format(*suite.pairings[0])
    new.parent.mkdir(parents=True, exist_ok=True)
    new.write_text("{}")
    assert unchanged.state(suite, catalogue, "") != before


def test_a_cell_that_is_written_in_its_place_with_its_old_time_counts(ranked):
    suite, catalogue = suite_of(ranked)
    path = next((ranked.output / "results" / "cells").rglob("steady/*.json"))
    was, before = path.stat(), unchanged.state(suite, catalogue, "")
    path.write_bytes(path.read_bytes()[:-3] + b"x}\n")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert unchanged.state(suite, catalogue, "") != before


def suite_of(ranked: MadeBenchmark) -> tuple[Any, Any]:
    catalogue = ranked.catalogue()
    return current_suite(str(ranked.suite), catalogue), catalogue


def test_json_is_computed_whatever_was_written(ranked):
    assert json.loads(ranked.cli("rank", *ranked.options, "--json").stdout)["suite"] == "made-suite"
    assert ranked.computed == ["made-suite"]
