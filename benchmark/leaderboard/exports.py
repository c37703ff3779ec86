"""The leaderboard as CSV: one line per row of a table, or one per pair of its ranked rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.leaderboard.standings import Standings

ROW = (
    "dataset",
    "protocol",
    "cases",
    "primary_metric",
    "interim",
    "method",
    "ranked",
    "source",
    "cells_ok",
    "cells",
    "rank_low",
    "rank_high",
    "best_set",
    "letters",
    "tau",
    "i2",
    "random_effects_auc",
    "random_effects_low",
    "random_effects_high",
    "ensemble_auc",
    "calibration_error",
)
"""What a line says of a row, before the metrics: each with `_low` and `_high`, the 95 % interval."""
BETWEEN = ROW[ROW.index("tau") : ROW.index("ensemble_auc")]
"""Of these, what is told of the AUC between sites."""
PAIR = ("dataset", "protocol", "primary_metric")
"""What a line says of a pair, before the columns of `Comparison.pairs`."""


def as_csv(tables: Sequence[Standings]) -> str:
    """One line per table and method, best first; a value that is undefined is empty, numbers are unrounded.

    Columns `ROW`, then three per metric. Incomplete rows (cells_ok < cells) have no metrics: they are means over other cells.
    """
    lines: list[dict[str, Any]] = []
    for table in tables:
        if table.comparison is not None:
            lines += [_complete(table, name) for name in (*table.ranked, *table.descriptive)]
        lines += [
            {
                **_of_table(table),
                "method": partial.row.method,
                "ranked": False,
                "source": partial.row.source,
                "cells_ok": partial.row.cells_ok,
                "cells": partial.row.cells,
            }
            for partial in table.partial
        ]
    return _written(ROW, lines)


def pairs_as_csv(tables: Sequence[Standings]) -> str:
    """One line per table and unordered pair of ranked rows: `PAIR`, then the columns of `Comparison.pairs`."""
    lines = [
        {**_of_table(table), **pair}
        for table in tables
        if table.comparison is not None
        for pair in table.comparison.pairs.to_dict("records")
    ]
    return _written(PAIR, [{key: value for key, value in line.items() if key not in ("cases", "interim")} for line in lines])


def _of_table(table: Standings) -> dict[str, Any]:
    return {
        "dataset": table.task.dataset,
        "protocol": table.task.protocol,
        "cases": len(table.task.case_ids),
        "primary_metric": table.metric,
        "interim": table.interim,
    }


def _complete(table: Standings, name: str) -> dict[str, Any]:
    found, row = table.comparison, table.row(name)
    assert found is not None
    line: dict[str, Any] = {
        **_of_table(table),
        "method": name,
        "ranked": name in table.rows.ranked,
        "source": row.source,
        "cells_ok": row.cells_ok,
        "cells": row.cells,
        "rank_low": found.rank_low[name],
        "rank_high": found.rank_high[name],
        "best_set": found.best_set[name],
        "letters": found.letters[name],
        "ensemble_auc": found.ensemble_auc[name],
        "calibration_error": found.calibration_error[name],
    }
    if found.heterogeneity is not None:
        line |= {key: found.heterogeneity.at[name, key] for key in BETWEEN}
    for metric in map(str, found.metrics.columns):
        line |= {
            metric: found.metrics.at[name, metric],
            f"{metric}_low": found.low.at[name, metric],
            f"{metric}_high": found.high.at[name, metric],
        }
    return line


def _written(first: Iterable[str], lines: Sequence[Mapping[str, Any]]) -> str:
    """The lines as CSV, the columns `first` before those that any line adds."""
    columns = list(dict.fromkeys([*first, *(key for line in lines for key in line)]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(column, line.get(column)) for column in columns] for line in lines)
    return text.getvalue()


def _cell(column: str, value: Any) -> str:
    """A value as text: true or false, ranks in whole numbers, empty where undefined."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return f"{value:.0f}" if column in ("rank_low", "rank_high") else repr(float(value))
    return str(value)
