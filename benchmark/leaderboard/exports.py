"""The leaderboard as JSON and as CSV, which has one line per row of a table or one per pair of its ranked rows."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmark.cells.rows import Row
from benchmark.leaderboard.answers_shown import as_records
from benchmark.leaderboard.columns import COLUMNS, Line, chosen, known, lines, named, ranked_first
from benchmark.leaderboard.retrieval import gallery
from benchmark.leaderboard.standings import Standings
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS

FIRST = ("dataset", "protocol", "cases", "primary_metric", "interim", "method", "ranked", "source", "cells_ok", "cells")
RUN = ("method", "source", "cells", "ranked")
PAIR = ("dataset", "protocol", "primary_metric")
"""What a line says of a pair, before the columns of `Comparison.listed`."""


def as_csv(tables: Sequence[Standings], wanted: Collection[str] = ()) -> str:
    """One line per table and method, of the `wanted` ones if any are, best first; undefined is empty, numbers are unrounded.

    Incomplete rows (cells_ok < cells) have no metrics: they are means over other cells.
    """
    results = named("csv")
    rows = [
        _of_table(table) | row
        for table in tables
        for row in (
            *(chosen(line, (*RUN, *results, *measured(line))) for line in ranked_first(lines(table))),
            *(_run(partial.row) for partial in table.partial),
        )
        if not wanted or row["method"] in wanted
    ]
    return _written([*FIRST, *(key for name in results for key in COLUMNS[name].fields)], rows)


def pairs_as_csv(tables: Sequence[Standings], wanted: Collection[str] = ()) -> str:
    """One line per table and listed pair of ranked rows, or every one of the `wanted` rows: `PAIR`, then its columns."""
    rows = [
        {key: _of_table(table)[key] for key in PAIR} | pair
        for table in tables
        if table.comparison is not None
        for pair in (table.comparison.pairs if wanted else table.comparison.listed).to_dict("records")
        if not wanted or {pair["a"], pair["b"]} <= set(wanted)
    ]
    return _written(PAIR, rows)


def as_json(suite: str, tables: Sequence[Standings]) -> dict[str, Any]:
    """The leaderboard as the documented JSON; null where a value is undefined."""
    return {"suite": suite, "tables": [_table_json(table) for table in tables]}


def _table_json(table: Standings) -> dict[str, Any]:
    found = gallery(table)
    pairs = [] if table.comparison is None else table.comparison.listed.to_dict("records")
    incomplete = [
        {
            **_run(partial.row),
            "metrics": {table.metric: {"mean": number(partial.mean), "ci": None}},
            "rank": None,
            "best_set": None,
        }
        for partial in table.partial
    ]
    return {
        **_of_table(table),
        "threshold": table.rows.threshold,
        "inflation": None if table.comparison is None else number(table.comparison.inflation),
        "rows": [*(_row_json(line) for line in lines(table)), *incomplete],
        "pairs": [
            {
                "a": pair["a"],
                "b": pair["b"],
                "difference": number(pair["difference"]),
                "ci": _interval(pair["low"], pair["high"]),
                "p": number(pair["p"]),
                "p_adjusted": number(pair["p_adjusted"]),
                "p_nadeau_bengio": number(pair["p_nadeau_bengio"]),
                "p_holm": number(pair["p_holm"]),
            }
            for pair in pairs
        ],
        "questions": as_records(table),
        **({} if found is None else {"gallery": asdict(found)}),
    }


def _row_json(line: Line) -> dict[str, Any]:
    bounds, best = [number(line.get(key)) for key in COLUMNS["rank"].fields], line.get("best_set")
    return {
        **chosen(line, RUN),
        "metrics": {
            metric: {"mean": number(line[metric]), "ci": _interval(line[f"{metric}_low"], line[f"{metric}_high"])}
            for metric in measured(line)
        },
        "rank": None if None in bounds else [int(bound) for bound in bounds if bound is not None],
        "best_set": None if best is None else bool(best),
    }


def measured(line: Line) -> list[str]:
    """The metrics of a row's table."""
    return [metric for metric in (*METRICS, *RETRIEVAL_METRICS) if metric in line]


def _run(row: Row) -> dict[str, Any]:
    """What is said of an incomplete row: the fields of `RUN`."""
    return {"method": row.method, "source": row.source, "cells_ok": row.cells_ok, "cells": row.cells, "ranked": False}


def number(value: Any) -> float | None:
    """The value for JSON, None where it is undefined."""
    return float(value) if known(value) else None


def _interval(low: Any, high: Any) -> list[float] | None:
    return [float(low), float(high)] if known(low) and known(high) else None


def _of_table(table: Standings) -> dict[str, Any]:
    return {
        "dataset": table.task.dataset,
        "protocol": table.task.protocol,
        "primary_metric": table.metric,
        "cases": len(table.task.tested),
        "interim": table.interim,
    }


def _written(first: Iterable[str], rows: Sequence[Mapping[Any, Any]]) -> str:
    """The rows as CSV, the columns `first` before those that any row adds."""
    columns = list(dict.fromkeys([*first, *(key for row in rows for key in row)]))
    text = io.StringIO()
    cells = ([_cell(column, row.get(column)) for column in columns] for row in rows)
    csv.writer(text, lineterminator="\n").writerows([columns, *cells])
    return text.getvalue()


def _cell(column: str, value: Any) -> str:
    """A value as text: true or false, ranks in whole numbers, empty where undefined."""
    if not known(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return f"{value:.0f}" if column in COLUMNS["rank"].fields else repr(float(value))
    return str(value)
