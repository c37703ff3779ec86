"""The order of work: cells by priority, each when what it needs is there, a method's first cells before its others."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from benchmark.cells.executors import CellExecutor
from benchmark.cells.planning import Cell
from benchmark.cells.store import CellAddress, CellRecord
from benchmark.system.errors import raised_at


@dataclass(frozen=True, eq=False)
class Need:
    """What cells wait for: a stage, or the features of an encoder. `after` are the keys of the needs before it.

    seconds : about how long it takes. at_once : it goes before all cells and other needs: rows of many tables wait for it.
    """

    key: Hashable
    name: str
    submit: Callable[[CellExecutor], Future[Any]]
    after: tuple[Hashable, ...] = ()
    seconds: float = 0.0
    at_once: bool = False


class FirstCells:
    """A method's first cell goes before its others; where that fails, so does its first cell on another dataset.

    A method that fails alike on both is given up. One with a good cell on this machine is not held back, nor one that runs on a
    single dataset.
    """

    def __init__(self, planned: Iterable[Cell], to_run: Sequence[Cell]) -> None:
        good = {cell.address.method for cell in planned if cell.state == "fresh" and cell.stored_outcome == "ok"}
        first: dict[str, dict[str, CellAddress]] = {}
        for cell in to_run:
            first.setdefault(cell.address.method, {}).setdefault(cell.address.dataset, cell.address)
        self._first = {
            method: list(cells.values())[:2] for method, cells in first.items() if len(cells) > 1 and method not in good
        }
        self._failures: dict[str, list[str]] = {}
        self.given_up: dict[str, str] = {}
        """Method -> how it failed on both."""

    def gate(self, address: CellAddress) -> str | None:
        """What holds a cell back: its method, or, of the first cell on another dataset, the failure of the first one."""
        first = self._first.get(address.method)
        if first is None or address == first[0]:
            return None
        return f"second of {address.method}" if address == first[1] else address.method

    def ended(self, record: CellRecord) -> tuple[str, ...]:
        """Take note of a cell's end; returns the gates that it opens."""
        method = record.address.method
        first = self._first.get(method, [])
        if record.address not in first or method in self.given_up:
            return ()
        failures = self._failures.setdefault(method, [])
        failures.append(described(record) if record.outcome == "failed" else "")
        if record.address == first[0] and failures[0]:
            return (f"second of {method}",)
        if len(failures) == 2 and failures[0] and failures[0] == failures[1]:
            self.given_up[method] = failures[0]
            return ()
        return f"second of {method}", method


class Schedule:
    """Gives cells and their needs one after the other, those of the highest priority first.

    Parameters
    ----------
    cells : in the order of their priority.
    needs : all needs of the cells, by key, those of needs included.
    needed : a cell -> the keys of what it needs.
    first : which cells hold others back.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        needs: dict[Hashable, Need],
        needed: Callable[[Cell], Iterable[Hashable]],
        first: FirstCells,
    ) -> None:
        self._cells, self._needs, self._first = cells, needs, first
        self._closed: list[set[Hashable]] = []
        """Of each cell the gates that are closed."""
        self._behind: dict[Hashable, list[int]] = {}
        """Gate -> the cells that wait for it."""
        self._waiting = {key: set(need.after) for key, need in needs.items()}
        """Of each need those before it that are not met."""
        self._lost: set[int] = set()
        self._rank: dict[Hashable, int] = {}
        """Of each need the first cell that waits for it; -1 of one that goes at once."""
        for place, cell in enumerate(cells):
            keys = {key for key in needed(cell) if key in needs}
            gate = first.gate(cell.address)
            self._closed.append(keys | ({gate} if gate else set()))
            for key in self._closed[place]:
                self._behind.setdefault(key, []).append(place)
            for key in keys:
                self._prefer(key, place)
        self._ready = [place for place, closed in enumerate(self._closed) if not closed]
        self._ready_needs = [(rank, number) for number, (key, rank) in enumerate(self._rank.items()) if not self._waiting[key]]
        self._numbers = {key: number for number, key in enumerate(self._rank)}
        self._keys = list(self._rank)
        heapq.heapify(self._ready)
        heapq.heapify(self._ready_needs)

    def next(self) -> Cell | Need | None:
        """What to submit now; None where all that is left waits for something."""
        while self._ready or self._ready_needs:
            if self._ready_needs and (not self._ready or self._ready_needs[0][0] < self._ready[0]):
                return self._needs[self._keys[heapq.heappop(self._ready_needs)[1]]]
            cell = self._cells[heapq.heappop(self._ready)]
            if cell.address.method not in self._first.given_up:
                return cell
        return None

    def ended(self, record: CellRecord) -> None:
        """Take note of a cell's end."""
        for gate in self._first.ended(record):
            self._open(gate)

    def met(self, need: Need) -> None:
        """Take note that a need is met."""
        self._open(need.key)
        for key, before in self._behind_need(need.key):
            before.discard(need.key)
            if not before:
                heapq.heappush(self._ready_needs, (self._rank[key], self._numbers[key]))

    def failed(self, need: Need) -> list[Cell]:
        """Take note that a need cannot be met; returns the cells that wait for it, which are not given any more."""
        return [self._cells[place] for place in self._lose(need.key)]

    def _lose(self, key: Hashable) -> list[int]:
        lost = [place for place in self._behind.pop(key, []) if place not in self._lost]
        self._lost.update(lost)
        for other, _ in self._behind_need(key):
            lost += self._lose(other)
        return [place for place in lost if self._cells[place].address.method not in self._first.given_up]

    def _behind_need(self, key: Hashable) -> list[tuple[Hashable, set[Hashable]]]:
        return [(other, before) for other, before in self._waiting.items() if key in before]

    def _prefer(self, key: Hashable, place: int) -> None:
        """Give a need, and those before it, the priority of the first cell that waits for it, or the first of all."""
        rank = -1 if self._needs[key].at_once else place
        if rank < self._rank.get(key, rank + 1):
            self._rank[key] = rank
            for before in self._needs[key].after:
                self._prefer(before, rank)

    def _open(self, gate: Hashable) -> None:
        for place in self._behind.pop(gate, []):
            self._closed[place].discard(gate)
            if not self._closed[place] and place not in self._lost:
                heapq.heappush(self._ready, place)


def described(record: CellRecord) -> str:
    """Why a cell failed, in one line, and the file and line of the method's code where it did."""
    return " ".join(record.reason.split()) + raised_at(record.traceback)
