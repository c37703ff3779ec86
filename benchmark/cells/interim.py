"""What is known while a run goes on: the rows that are complete so far, with estimates and no tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic

import numpy as np

from benchmark.cells.planning import Cell
from benchmark.cells.scored import as_columns, scored
from benchmark.cells.store import CellAddress, CellRecord, Store
from benchmark.cells.task import Task
from benchmark.statistics.metric_names import LOWER_IS_BETTER

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
        self._done = {cell.address for cell in cells if cell.state == "fresh" and cell.stored_outcome == "ok"}
        self._values: dict[CellAddress, float] = {}

    def add(self, record: CellRecord) -> None:
        """Take note of a cell that is stored; it is read when it is shown."""
        if record.outcome == "ok":
            self._done.add(record.address)

    @property
    def is_worth_showing(self) -> bool:
        """Whether some rows are complete for a first seed."""
        return any(len(self._rows(name, seed)) >= FEW for name, seed in self._first_seeds())

    @property
    def complete(self) -> tuple[int, int]:
        """How many rows have all their cells, and how many rows there are."""
        rows: dict[tuple[str, str, str], bool] = {}
        for cell in self._cells:
            rows[cell.address.row] = rows.get(cell.address.row, True) and cell.address in self._done
        return sum(rows.values()), len(rows)

    def lines(self) -> Iterator[str]:
        """A short table for each task, of the rows that are complete for its first seed."""
        for name, seed in self._first_seeds():
            rows = {method: self._mean(cells) for method, cells in self._rows(name, seed).items()}
            planned = len({cell.address.row for cell in self._cells if cell.address.row[:2] == name})
            if rows:
                cases = len(self._tasks[name].tested)
                yield f"  {' x '.join(name)}, {cases} cases: {len(rows)} of {planned} rows, seed {seed}"
                sign = 1 if self._metric in LOWER_IS_BETTER else -1
                best = sorted(rows, key=lambda row: (np.isnan(rows[row]), sign * rows[row]))
                width = max(map(len, best[:SHOWN]))
                yield from (f"    {method.ljust(width)}  {rows[method]:.3f}" for method in best[:SHOWN])
                if len(best) > SHOWN:
                    yield f"    and {len(best) - SHOWN} more, down to {rows[best[-1]]:.3f}"

    def _first_seeds(self) -> list[tuple[tuple[str, str], int]]:
        return [(name, task.splits[0].seed) for name, task in self._tasks.items() if task.splits]

    def _rows(self, table: tuple[str, str], seed: int) -> dict[str, list[CellAddress]]:
        """Method -> its cells of a seed, where all of them are done."""
        cells: dict[str, list[CellAddress]] = {}
        for cell in self._cells:
            if cell.address.row[:2] == table and cell.split.seed == seed:
                cells.setdefault(cell.address.method, []).append(cell.address)
        return {method: each for method, each in cells.items() if self._done.issuperset(each)}

    def _mean(self, cells: Sequence[CellAddress]) -> float:
        """The mean of the metric over cells, as far as it is defined."""
        for address in (address for address in cells if address not in self._values):
            record = Store().read(address)
            self._values[address] = np.nan if record is None else self._value(record)
        values = np.array([self._values[address] for address in cells])
        return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan

    def _value(self, record: CellRecord) -> float:
        task = self._tasks[record.address.row[:2]]
        cell = record.probabilities, record.threshold, as_columns(record.columns)
        return scored(task, record.address.split, *cell)[self._metric]
