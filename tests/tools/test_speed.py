"""What `make speed` adds up and divides: the interim tables, the whole suite and a cell's cost, without running them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from benchmark.cells.run import Request, Summary
from benchmark.registry.discovery import read_entries
from tools import speed


def test_times_of_the_synthetic_part_add_up_and_memory_is_the_greatest(monkeypatch) -> None:
    given = iter([speed.Measured(300, 900, 500), speed.Measured(120, 800, 700), speed.Measured(3000, 1000, 600)])
    commands, folders, told = [], set(), {}

    def measured(words: list[str], **environment: str) -> speed.Measured:
        commands.append(words)
        folders.add(environment["STROKEBENCH_OUTPUT"])
        return next(given)

    monkeypatch.setattr(speed, "measured", measured)
    speed.synthetic(lambda what, figure, unit, goal: told.update({what.strip(): (figure, unit)}))
    assert len(folders) == 1, "one output: what is stored is not computed twice"
    assert commands[0] == [*commands[1], "--protocol", "repeated-cv"]
    assert "--method" in commands[1]
    assert "39" in commands[1]
    assert not {"--method", "--seeds", "--protocol"} & set(commands[2]), "the whole suite on the dataset"
    assert list(told.values()) == [(5, "min"), (7, "min"), (57, "min"), (700, "MiB"), (1000, "MiB")]


def test_a_methods_file_holds_that_method_alone(tmp_path: Path) -> None:
    options = speed.made_benchmark(tmp_path, 2, 3)
    files = [Path(value) for option, value in pairwise(options) if option == "--plugin"]
    registered = [read_entries(file, "method") for file in files]
    assert [[entry.name for entry in entries] for entries in registered] == [
        ["speed-0", "speed-1"],
        ["no-op-0"],
        ["no-op-1"],
        ["no-op-2"],
    ]


def test_what_happens_once_per_run_is_no_cost_of_a_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = [0.0]

    def run(request: Request, *_: object) -> Summary:
        cells = 50 if request.suite.protocols == ("repeated-cv[repeats=1]",) else 200
        assert request.recompute and request.suite.protocols[0].startswith("repeated-cv")
        clock[0] += 7 + cells * 0.004
        return Summary(computed=cells)

    monkeypatch.setattr("benchmark.cells.run.run", run)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    assert speed.engine_per_cell(tmp_path) == pytest.approx(4)
