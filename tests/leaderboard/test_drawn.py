"""What max-T drew is kept from one ranking to the next, as long as it is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.leaderboard.drawn import drawn
from benchmark.system.files import without_digest
from benchmark.system.locations import results_folder


def test_what_was_used_stays_and_the_rest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path))
    with drawn("made") as remembered:
        remembered["one"], remembered["two"] = [1.0, 0.5], [2.0, 0.25]
    with drawn("made") as remembered:
        known = remembered.get("two")
        assert known == [2.0, 0.25]
        remembered["two"] = known
    path = results_folder() / "drawn" / "made.json"
    assert json.loads(without_digest(path.read_bytes())) == {"two": [2.0, 0.25]}
    path.write_text("torn")
    with drawn("made") as remembered:
        assert remembered.get("two") is None


def test_ranking_a_part_of_the_tables_keeps_what_the_others_drew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path))
    with drawn("made") as remembered:
        remembered["one"], remembered["two"] = [1.0, 0.5], [2.0, 0.25]
    with drawn("made", part=True) as remembered:
        remembered["three"] = [3.0, 0.1]
    with drawn("made") as remembered:
        assert [remembered.get(name) for name in ("one", "two", "three")] == [[1.0, 0.5], [2.0, 0.25], [3.0, 0.1]]
