"""The order of work: a stage of the corpora goes first, all else by the priority of the cells that wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmark.cells.needs import Needs
from benchmark.cells.schedule import FirstCells, Schedule
from benchmark.cells.store import CellAddress
from benchmark.data.cohort import Cohort
from benchmark.learning.stages import Declared


@dataclass(frozen=True)
class Key:
    """As much of a stage's key as the order depends on."""

    digest: str
    is_built: bool = False
    dataset: str = "made"
    folder: Path = Path("/nowhere")

    def __str__(self) -> str:
        return self.digest


@dataclass(frozen=True, eq=False)
class Waiting:
    """As much of a planned cell."""

    method: str
    stages: tuple[Any, ...] = ()

    @property
    def row(self) -> Any:
        return SimpleNamespace(encoders={}, dataset="made", reports="wording", folder="/nowhere", plugins=())

    @property
    def address(self) -> CellAddress:
        return CellAddress("made", "p", self.method, "s1")


def stage(name: str, *after: Any, corpora: str = "") -> Any:
    """As much of a planned stage."""
    declared = Declared(name, frozenset(), (), (), False, None, None, corpora)
    return SimpleNamespace(key=Key(name), declared=declared, after=after)


def given(cells: list[Any]) -> list[str]:
    """What is given one after the other where each need is met before the next."""
    expected: Any = SimpleNamespace(of_training=lambda row: 1.0)
    catalogue: Any = None
    needs = Needs(cells, {"made": Cohort("made", np.array(["a"]))}, catalogue, expected, debug=False)
    schedule = Schedule(cells, needs.by_key, needs.of, FirstCells([], cells))
    order = []
    while (item := schedule.next()) is not None:
        order.append(item.method if isinstance(item, Waiting) else item.name.split()[0])
        if not isinstance(item, Waiting):
            schedule.met(item)
    return order


def rows(corpora: str) -> list[Any]:
    """A quick row and two that wait for stages, of which the longer one builds on what the first of its stages learns."""
    language = stage("language", corpora=corpora)
    matching = stage("matching", language)
    return [Waiting("quick"), Waiting("probe", (stage("coding"),)), Waiting("long", (language, matching))]


def test_the_stage_of_the_corpora_goes_before_all_cells_and_other_stages() -> None:
    assert given(rows("mtsamples")) == ["language", "quick", "coding", "probe", "matching", "long"]


def test_other_stages_have_the_priority_of_the_first_cell_that_waits_for_them() -> None:
    assert given(rows("")) == ["quick", "coding", "probe", "language", "matching", "long"]
