"""A flipped bit in a file of results gives the same figures or a refusal, never another number."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.cells.rows import published_seconds, read_reference, reference_folders
from benchmark.cells.task import read_task
from benchmark.leaderboard.drawn import drawn
from benchmark.system.errors import BenchmarkError
from tests.made_benchmark import MadeBenchmark

TABLE = ("made", "holdout")
FLIPS = 150


@pytest.fixture
def published(shared: Path, once: Any, tmp_path: Path, isolated: None, monkeypatch: pytest.MonkeyPatch) -> MadeBenchmark:
    def make() -> MadeBenchmark:
        words = ("--method", "dicey", "--method", "blunt", "--protocol", "holdout")
        benchmark = MadeBenchmark(shared / "flipped")
        benchmark.run(*words)
        benchmark.cli("publish", *benchmark.options, *words)
        return benchmark

    own = once("flipped", make).copied_to(tmp_path)
    for name in ("STROKEBENCH_DATA", "STROKEBENCH_OUTPUT"):
        monkeypatch.setenv(name, own.environment[name])
    return own


def plain(value: Any) -> Any:
    """A value as something that compares."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return plain(vars(value)) if hasattr(value, "__dict__") else value


def row(folder: Path) -> Any:
    task = read_task(folder / "task.json")
    assert task is not None
    return plain(read_reference(folder, "dicey", task.splits, None))


def draws(_: Path) -> Any:
    with drawn("made") as remembered:
        return remembered.get("one", [1.0, 0.5])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("dicey.parquet", row),
        ("task.json", lambda folder: plain(read_task(folder / "task.json"))),
        ("seconds.json", lambda folder: published_seconds(*TABLE)),
    ],
)
def test_of_a_published_table(published: MadeBenchmark, name: str, read: Callable[[Path], Any]) -> None:
    folder = reference_folders(*TABLE)[0]
    refused = flipped(folder / name, lambda: read(folder))
    assert refused > FLIPS / 2, "most bits tell something"


def test_of_a_table_of_this_machine(published: MadeBenchmark) -> None:
    path = published.output / "results" / "cells" / "made" / "holdout" / "task.json"
    assert flipped(path, lambda: plain(read_task(path))) == FLIPS


def test_of_what_was_drawn(made: MadeBenchmark) -> None:
    with drawn("made") as remembered:
        remembered["one"] = [1.0, 0.5]
    path = made.output / "results" / "drawn" / "made.json"
    whole = path.read_bytes()

    def read() -> Any:
        found = draws(path)
        path.write_bytes(whole)
        return found

    flipped(path, read)


def flipped(path: Path, read: Callable[[], Any]) -> int:
    """Flip bits one after another; returns how often the file was refused."""
    whole, chance, refused = path.read_bytes(), random.Random(24), 0
    expected = read()
    for _ in range(FLIPS):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            assert read() == expected
        except BenchmarkError:
            refused += 1
    return refused
