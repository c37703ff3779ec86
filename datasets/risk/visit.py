"""The visit: what is known of a person before any stroke, in plausible ranges, with some values missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.risk.columns import COLUMNS, FACTORS, Category, Number, Weights

Levels = dict[str, NDArray[np.float64]]
NOISES = len(FACTORS) + len(COLUMNS)
"""Standard normal draws that a visit takes."""


@dataclass(frozen=True, eq=False)
class Visit:
    """Complete values of n people: numbers as float64, categories in words. `levels` are factors and columns before scaling."""

    table: pd.DataFrame
    levels: Mapping[str, NDArray[np.float64]]
    columns: Mapping[str, Number | Category]

    def with_gaps(self, uniforms: NDArray[np.float64]) -> pd.DataFrame:
        """The table as a chart has it: values are blanked where `uniforms`, of its shape, fall below the column's share."""
        gaps = uniforms < [column.missing for column in self.columns.values()]
        return self.table.mask(pd.DataFrame(gaps, columns=self.table.columns))


def make_visit(normals: NDArray[np.float64], columns: Mapping[str, Number | Category] = COLUMNS) -> Visit:
    """The visits of n people from their standard normal draws, (n, factors + columns)."""
    levels: Levels = {factor: normals[:, k] for k, factor in enumerate(FACTORS)}
    shown: dict[str, object] = {}
    for k, (name, column) in enumerate(columns.items(), start=len(FACTORS)):
        level = levels[name] = weighted(levels, column.weights, normals[:, k])
        if isinstance(column, Number):
            value = column.middle + column.spread * level
            value = np.exp(value) if column.log else value
            shown[name] = np.round(np.clip(value, column.low, column.high), column.decimals)
        else:
            band = np.searchsorted(column.cuts, np.round(level, 9))
            shown[name] = pd.Categorical(np.array(column.levels)[band], list(column.levels))
    return Visit(pd.DataFrame(shown), levels, columns)


def weighted(levels: Levels, weights: Weights, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted sum of levels, and as much noise as brings uncorrelated ones to variance 1."""
    rest = 1 - sum(weight**2 for weight in weights.values())
    return sum((weight * levels[name] for name, weight in weights.items()), start=noise * np.sqrt(rest))
