"""First cells: a method that fails in the same way on two datasets is given up before its other cells are computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmark.cells.planning import Cell
from benchmark.cells.store import CellAddress, CellRecord
from benchmark.system.errors import raised_at


class FirstCells:
    """Holds a method's cells back until its first one on each of two datasets has ended.

    A method with a good cell on this machine is not held back, nor one that runs on a single dataset.
    """

    def __init__(self, planned: Iterable[Cell], to_run: Sequence[Cell]) -> None:
        good = {
            cell.address.method
            for cell in planned
            if cell.stored is not None and cell.state == "fresh" and cell.stored.outcome == "ok"
        }
        first: dict[str, dict[str, CellAddress]] = {}
        for cell in to_run:
            first.setdefault(cell.address.method, {}).setdefault(cell.address.dataset, cell.address)
        self._first = {
            method: list(cells.values())[:2] for method, cells in first.items() if len(cells) > 1 and method not in good
        }
        self._failures: dict[str, list[str]] = {method: [] for method in self._first}
        self.given_up: dict[str, str] = {}
        """Method -> how it failed on both."""

    def in_turn(self, cells: Iterable[Cell]) -> Iterator[Cell | None]:
        """The cells in their order, a method's first ones before its others; None where all that is left is held back."""
        waiting = list(cells)
        while waiting:
            turn = next((place for place, cell in enumerate(waiting) if self._may_run(cell)), None)
            yield None if turn is None else waiting.pop(turn)
            waiting = [cell for cell in waiting if cell.address.method not in self.given_up]

    def ended(self, record: CellRecord) -> bool:
        """Take note of a cell's end; whether its method is given up for it."""
        method = record.address.method
        if record.address not in self._first.get(method, ()):
            return False
        self._first[method].remove(record.address)
        self._failures[method].append(described(record) if record.outcome == "failed" else "")
        failures = self._failures[method]
        if len(failures) == 2 and failures[0] and failures[0] == failures[1]:
            self.given_up[method] = failures[0]
        return method in self.given_up

    def _may_run(self, cell: Cell) -> bool:
        first = self._first.get(cell.address.method, ())
        return not first or cell.address in first


def described(record: CellRecord) -> str:
    """Why a cell failed, in one line, and the file and line of the method's code where it did."""
    return " ".join(record.reason.split()) + raised_at(record.traceback)
