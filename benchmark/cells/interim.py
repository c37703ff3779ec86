"""What is known while a run goes on: the rows that are complete so far, with estimates and no tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import monotonic

import numpy as np

from benchmark.cells.planning import Cell
from benchmark.cells.store import CellAddress, CellRecord, Store
from benchmark.cells.task import Task
from benchmark.statistics.metrics import score

DUE = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds after its start at which a run shows what it has; after the last one every `EVERY`."""
EVERY = 300.0
FEW = 5
"""Rows of a table that make the first one that is shown."""
SHOWN = 10
"""Rows of a table that the terminal shows."""


class Clock:
    """Says when the interim tables are due, in seconds since the run `started`."""

    def __init__(self, started: float) -> None:
        self._started, self._next = started, 0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return monotonic() - self._started

    def is_due(self) -> bool:
        """Whether a time has come since this was asked last; times that were missed count once."""
        passed = sum(self.seconds >= at for at in DUE) + max(int((self.seconds - DUE[-1]) // EVERY), 0)
        due, self._next = passed > self._next, max(passed, self._next)
        return due


class Interim:
    """The estimates of the cells that are done, those of earlier runs included.

    Parameters
    ----------
    cells : all planned cells of the suite.
    tasks : their tasks, in the order in which they are shown.
    metric : what is estimated.
    """

    def __init__(self, cells: Sequence[Cell], tasks: Sequence[Task], metric: str) -> None:
        self._cells, self._metric = cells, metric
        self._tasks = {(task.dataset, task.protocol): task for task in tasks}
        self._values: dict[CellAddress, float] = {}
        self._unread: list[CellAddress] | None = [
            cell.address for cell in cells if cell.state == "fresh" and cell.stored_outcome == "ok"
        ]

    def add(self, record: CellRecord) -> None:
        """Take note of a cell that ended."""
        if record.outcome == "ok":
            task = self._tasks[record.address.row[:2]]
            labels = task.labels[task.by_name[record.address.split].test]
            values = score(labels, np.array([record.probabilities]), [record.threshold])
            self._values[record.address] = float(values[self._metric][0])

    @property
    def is_worth_showing(self) -> bool:
        """Whether some rows are complete for a first seed."""
        return any(len(self._rows(name, seed)) >= FEW for name, seed in self._first_seeds())

    @property
    def complete(self) -> tuple[int, int]:
        """How many rows of a table have all their cells, and how many rows there are."""
        counts = self._counts()
        return sum(done == planned for done, planned in counts.values()), len(counts)

    def lines(self) -> Iterator[str]:
        """A short table for each task, of the rows that are complete for its first seed."""
        for address in self._unread or ():
            record = Store().read(address)
            if record is not None and address not in self._values:
                self.add(record)
        self._unread = None
        for name, seed in self._first_seeds():
            rows, task = self._rows(name, seed), self._tasks[name]
            planned = len({cell.address.row for cell in self._cells if cell.address.row[:2] == name})
            if rows and planned:
                yield f"  {' x '.join(name)}, {len(task.case_ids)} cases: {len(rows)} of {planned} rows, seed {seed}"
                best = sorted(rows, key=lambda row: -rows[row])
                width = max(map(len, best[:SHOWN]))
                yield from (f"    {method.ljust(width)}  {rows[method]:.3f}" for method in best[:SHOWN])
                if len(best) > SHOWN:
                    yield f"    and {len(best) - SHOWN} more, down to {rows[best[-1]]:.3f}"

    def _first_seeds(self) -> list[tuple[tuple[str, str], int]]:
        return [(name, task.splits[0].seed) for name, task in self._tasks.items() if task.splits]

    def _rows(self, table: tuple[str, str], seed: int) -> Mapping[str, float]:
        """Method -> mean of the metric over its cells of a seed, where all of them are done."""
        values: dict[str, list[float | None]] = {}
        for cell in self._cells:
            if cell.address.row[:2] == table and cell.split.seed == seed:
                values.setdefault(cell.address.method, []).append(self._values.get(cell.address))
        done = {method: [value for value in each if value is not None] for method, each in values.items() if None not in each}
        return {method: float(np.nanmean(each)) for method, each in done.items() if not np.isnan(each).all()}

    def _counts(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        counts: dict[tuple[str, str, str], tuple[int, int]] = {}
        unread = set(self._unread or ())
        for cell in self._cells:
            done, planned = counts.get(cell.address.row, (0, 0))
            counts[cell.address.row] = (done + (cell.address in self._values or cell.address in unread), planned + 1)
        return counts
