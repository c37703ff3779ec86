"""How long cells take: by what this machine measured, else by the published rows, else by a guess for their family."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmark.cells.planning import Cell
from benchmark.cells.rows import published_seconds
from benchmark.cells.store import CellRecord
from benchmark.learning.stages import TRAINING

RowName = tuple[str, str, str]
GUESSES = {"control": 0.05, "classical": 0.5, "neural": 5.0, "proposed": 6.0, "adapted": 15.0}
"""Family -> seconds per cell of 600 cases; of others as for "neural"."""
GUESSED_CASES = 600
ENOUGH = 4
"""Cells from which on the median of a row leaves out those in which a worker first imports its libraries."""
IMPORTS = 30.0
"""Seconds that a worker takes for its libraries at most: a longer cell tells how long its row takes, first or not."""
TELLING = 0.5
"""Seconds per cell from which on a row says how fast this machine is."""
AFTER_TRAINING = 0.1
"""The part of a cell's time that is left to it where its training is a stage, by a guess."""
ENCODING = 0.1
"""Seconds in which an encoder is guessed to see a case."""


@dataclass
class Forecast:
    """Seconds per cell of each row, and the time that is left.

    known : row -> seconds per cell, measured here before or on the machine of the published rows.
    foreign : the rows that were only measured there.
    guessed, family : of every row.
    staged : the rows whose training is a stage.
    """

    known: Mapping[RowName, float]
    foreign: Collection[RowName]
    guessed: Mapping[RowName, float]
    family: Mapping[RowName, str]
    staged: Collection[RowName]
    taken: dict[RowName, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds, all in all, of the cells that ended in this run."""

    def expected(self, row: RowName) -> float:
        """Seconds per cell before the run began."""
        return self.of_training(row) * (AFTER_TRAINING if row in self.staged else 1.0)

    def of_training(self, row: RowName) -> float:
        """Likewise with its training, where that is a stage."""
        return self.known.get(row, self.guessed[row])

    def work(self, cells: Iterable[Cell]) -> float:
        """Seconds of work before the run began, the trainings that are to be built included."""
        trainings: dict[str, float] = {}
        total = 0.0
        for cell in cells:
            total += self.expected(cell.address.row)
            for stage in cell.stages:
                if not stage.key.is_built:
                    trainings[stage.key.digest] = self.of_training(cell.address.row)
        return total + sum(trainings.values())

    def seconds(self, row: RowName) -> float:
        """Seconds per cell by what is known: the row's own median, else what is expected times its family's error so far."""
        if self._is_told(row):
            return median(self.taken[row])
        return self.expected(row) * self._factor(self.family[row])

    def took(self, record: CellRecord) -> None:
        """Take note of how long a cell took."""
        self.taken[record.address.row].append(float(record.measured.get("total_seconds", 0.0)))

    def left(self, cells: Mapping[RowName, int], other: float, jobs: int) -> float:
        """Seconds until so many cells of each row are done by `jobs` workers, with other work of that many seconds."""
        each = {row: self.seconds(row) for row, count in cells.items() if count}
        work = sum(each[row] * cells[row] for row in each) + other * self._factor("")
        return max([work / jobs, *each.values(), 0.0])  # what other work was taken off in turn may round to less than none

    def _is_told(self, row: RowName) -> bool:
        """Whether the cells that ended say how long a cell of this row takes."""
        times = self.taken.get(row, ())
        return len(times) >= ENOUGH or min(times, default=0.0) > IMPORTS

    def _factor(self, family: str) -> float:
        """How far the expected times of a family were off, so far as its cells ended; else those of all families.

        Rows of very short cells say nothing of it: what is not the method's own work is most of their time.
        """
        # a copy: the progress bar asks from a thread of its own
        taken = [row for row in list(self.taken) if self._is_told(row) and self.expected(row) >= TELLING]
        for rows in ([row for row in taken if self.family[row] == family], taken):
            if rows:
                return sum(map(self.seconds, rows)) / sum(map(self.expected, rows))
        return 1.0


def forecast(cells: Sequence[Cell]) -> Forecast:
    """What is known of the rows of these cells before they are computed."""
    here: dict[RowName, list[float]] = defaultdict(list)
    methods = {cell.address.row: cell for cell in cells}
    for cell in cells:
        if cell.stored is not None and cell.stored.seconds is not None:
            here[cell.address.row].append(cell.stored.seconds)
    published = {table: published_seconds(*table) for table in {row[:2] for row in methods}}
    there = {row: published[row[:2]][row[2]] for row in methods if row not in here and row[2] in published[row[:2]]}
    family = {row: "" if cell.row.method.entry.error else cell.row.method.card.family for row, cell in methods.items()}
    return Forecast(
        {**there, **{row: sum(times) / len(times) for row, times in here.items()}},
        there.keys(),
        {row: _guess(cell, family[row]) for row, cell in methods.items()},
        family,
        {row for row, cell in methods.items() if any(stage.name == TRAINING for stage in cell.stages)},
    )


def in_order(cells: Iterable[Cell], expected: Forecast, extra: Mapping[Cell, float], synthetic: Collection[str]) -> list[Cell]:
    """Cells seed by seed; within a seed the rows that are soon done first, of two alike those of real patients.

    `extra` are the seconds of what a cell must wait for; `synthetic` are the datasets without patients.
    """
    there = list(cells)
    seeds = {seed: place for place, seed in enumerate(dict.fromkeys(cell.split.seed for cell in there))}
    of_seed = Counter((cell.split.seed, cell.address.row) for cell in there)
    waits: dict[tuple[int, RowName], float] = defaultdict(float)
    for cell in there:
        group = (cell.split.seed, cell.address.row)
        waits[group] = max(waits[group], extra.get(cell, 0.0))

    def place(cell: Cell) -> tuple[int, int, bool, float]:
        group = (cell.split.seed, cell.address.row)
        seconds = of_seed[group] * expected.expected(cell.address.row) + waits[group]
        return seeds[cell.split.seed], _magnitude(seconds), cell.address.dataset in synthetic, seconds

    return sorted(there, key=place)


def _magnitude(seconds: float) -> int:
    """0 below 4 s, and one more each time that it is four times as long."""
    return max(int(seconds), 1).bit_length() // 2 if seconds >= 4 else 0


def _guess(cell: Cell, family: str) -> float:
    split = cell.split
    cases = len(split.train) + len(split.validation) + len(split.test)
    return GUESSES.get(family, GUESSES["neural"]) * cell.row.fits * cases / GUESSED_CASES
