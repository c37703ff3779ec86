"""Tables as networks that are trained without labels see them: numbers standardised, categories one-hot, column by column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort
from benchmark.system.errors import BenchmarkError

CLIP = 5.0
"""Standardised numbers end here, as in other networks' inputs."""


@dataclass(frozen=True)
class Column:
    """How a column becomes values: `fill` for a missing one; a category has `levels`, a number `mean` and `deviation`.

    derived : whether it is measured on the images.
    """

    name: str
    fill: float | str
    levels: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    derived: bool = False

    @classmethod
    def of(cls, values: pd.Series, *, derived: bool = False) -> Column:
        """Fitted on the values that are there; the most frequent fills, the least of several."""
        name, there = str(values.name), values.dropna()
        if not pd.api.types.is_numeric_dtype(values):
            words = there.astype(str)
            return cls(name, min(words.mode(), default=""), tuple(sorted(words.unique())), derived=derived)
        numbers = there.to_numpy(dtype=np.float64)
        fill = float(pd.Series(numbers).mode().min()) if len(numbers) else 0.0
        filled = np.append(numbers, np.full(len(values) - len(numbers), fill))
        deviation = float(filled.std())
        return cls(name, fill, mean=float(filled.mean()), deviation=deviation if deviation > 0 else 1.0, derived=derived)

    def values(self, column: pd.Series) -> NDArray[np.float64]:
        """(n, levels) of 0 and 1, a level that was not seen all 0; or (n, 1), standardised."""
        if self.levels:
            words = column.astype(object).where(column.notna(), self.fill).astype(str).to_numpy()
            return np.asarray(words[:, None] == np.array(self.levels), dtype=np.float64)
        numbers = column.astype(np.float64).fillna(float(self.fill)).to_numpy()
        return np.asarray(np.clip((numbers - self.mean) / self.deviation, -CLIP, CLIP)[:, None])


@dataclass(frozen=True)
class TableCoder:
    """Makes tensors of tables. A column without any value is a constant 0."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, cases: Cohort, *, derived: bool = False) -> TableCoder:
        """Fitted on the cases that have a table. Raises `BenchmarkError` where none has.

        derived : whether columns that are measured on the images stand behind the table's own, where the cohort has such.
        """
        if cases.table is None or not cases.having("table").any():
            raise BenchmarkError(f"{cases.name}: no case has a table, which this method trains on")
        there = cases.table[cases.having("table")]
        columns = tuple(Column.of(there[name]) for name in there)
        if derived and cases.derived is not None and (imaged := cases.having("image")).any():
            measured = cases.derived[imaged]
            columns += tuple(Column.of(measured[name], derived=True) for name in measured)
        return cls(columns)

    def transform(self, cases: Cohort) -> Tensor:
        """(n, p) float32, zero for cases without a table. Raises `BenchmarkError` for a column that is not there."""
        values = np.concatenate([each.values(self._column(each, cases)) for each in self.columns], axis=1)
        return torch.from_numpy((values * cases.having("table")[:, None]).astype(np.float32))

    def _column(self, column: Column, cases: Cohort) -> pd.Series:
        frame = cases.derived if column.derived else cases.table
        if frame is None or column.name not in frame:
            raise BenchmarkError(f"{cases.name}: the table has no column '{column.name}'")
        return frame[column.name]

    @property
    def of_column(self) -> Tensor:
        """(p,) which column each value is of, numbered from 0."""
        return torch.from_numpy(np.repeat(np.arange(len(self.columns)), [len(each.levels) or 1 for each in self.columns]))

    def as_array(self) -> NDArray[np.uint8]:
        """As bytes, to be kept with weights that were trained on such tables."""
        return np.frombuffer(json.dumps([asdict(each) for each in self.columns]).encode(), dtype=np.uint8)

    @classmethod
    def from_array(cls, written: NDArray[np.uint8]) -> TableCoder:
        """What `as_array` wrote."""
        columns: Sequence[dict[str, object]] = json.loads(written.tobytes())
        return cls(tuple(Column(**{**each, "levels": tuple(each["levels"])}) for each in columns))  # type: ignore[arg-type]


def corrupted(table: Tensor, columns: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Tables whose columns are replaced by draws from their marginals, each with probability `share` (SCARF, 2106.15147).

    table (n, p); columns (p,) which column each value is of. A draw is another case's value in this batch, all values of a
    column together, and may be the value that was there.
    """
    count = int(columns.max()) + 1
    replaced = torch.rand(len(table), count, generator=generator) < share
    donors = torch.randint(len(table), (len(table), count), generator=generator)
    drawn = table[donors[:, columns], torch.arange(table.shape[1])]
    return torch.where(replaced[:, columns], drawn, table)
