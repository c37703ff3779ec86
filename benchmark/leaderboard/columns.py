"""The columns of the leaderboard, each declared once: Markdown, LaTeX, CSV, JSON and the page choose from this list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.cells.rows import Row
from benchmark.leaderboard.conclusions import metric_name
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import METRICS

Names = Literal["name", "text", "letters", "cells", "worst"]
Numbers = Literal["rank", "estimate", "difference", "p", "flag", "figure", "intercept", "share", "seconds"]
Kind = Names | Numbers
Values = Sequence[Any]
INTERVAL = " (95 % CI)"


@dataclass(frozen=True, eq=False)
class Line:
    """A complete row of a table as the columns read it.

    `pair` is its pair with the first ranked row, as row - first; None for that row and for descriptive ones. `method` is
    known only where a catalogue was given.
    """

    table: Standings
    comparison: Comparison
    row: Row
    pair: Mapping[str, Any] | None
    method: ConfiguredMethod | None = None

    @property
    def ranked(self) -> bool:
        """Whether it belongs to the ranked rows."""
        return self.row.method in self.table.rows.ranked

    def at(self, *series: pd.Series[Any]) -> Values:
        """Its entry in each of some series by method."""
        return [values[self.row.method] for values in series]

    def if_ranked(self, *series: pd.Series[Any]) -> Values:
        """The same for a ranked row, nothing for a descriptive one."""
        return self.at(*series) if self.ranked else ()

    def of_pair(self, *keys: str) -> Values:
        """These columns of its pair with the first row; nothing where it has none."""
        return () if self.pair is None else [self.pair[key] for key in keys]

    def between_sites(self, *keys: str) -> Values:
        """How much its AUC differs between sites; nothing where no site is held out."""
        frame = self.comparison.heterogeneity
        return () if frame is None else [frame.at[self.row.method, key] for key in keys]

    def estimates(self, metric: str) -> Values:
        """Mean, interval and SD over seeds of a metric."""
        found = self.comparison
        return self.at(found.metrics[metric], found.low[metric], found.high[metric], found.spread[metric])


@dataclass(frozen=True)
class Column:
    """A column: how its values are had from a row, what they are called and how a format shows them.

    `fields` name the values in CSV and in the page's data, and the first of them sorts. `kind` says how a format writes the
    values; a row without any has an empty cell, one with undefined values has "n/a". In a heading `{metric}` and `{interval}`
    are filled in, and `{of}`, where the table shows another metric, with the metric that is tested. `where` the column stands:
    always, where something is tested, or where a row has a value. `greatest_first` is the order that reads naturally.
    """

    name: str
    heading: str
    kind: Kind
    fields: tuple[str, ...]
    values: Callable[[Line], Values]
    where: Literal["always", "tested", "known"] = "always"
    greatest_first: bool = False


def _p(key: str, heading: str) -> Column:
    return Column(key, heading, "p", (key,), lambda line: line.of_pair(key), "known")


def _metric(key: str) -> Column:
    """A metric; which class is positive is said where the column stands."""
    kind: Kind = "intercept" if "intercept" in key else "figure"
    return Column(
        key,
        metric_name(key.removesuffix("_label0")),
        kind,
        (key, f"{key}_low", f"{key}_high"),
        lambda line: line.estimates(key)[:3],
    )


def _between(key: str, heading: str, kind: Kind, *fields: str) -> Column:
    return Column(key, heading, kind, fields, lambda line: line.between_sites(*fields), "known")


def _family(line: Line) -> Values:
    return [] if line.method is None or line.method.entry.error else [line.method.card.family]


def _inputs(line: Line) -> Values:
    return [] if line.method is None else [", ".join(sorted(frozenset[str]().union(*line.method.modalities)))]


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column(
            "rank",
            "rank",
            "rank",
            ("rank_low", "rank_high"),
            lambda line: line.if_ranked(line.comparison.rank_low, line.comparison.rank_high),
            "tested",
        ),
        Column("method", "method", "name", ("method",), lambda line: [line.row.method]),
        Column(
            "estimate",
            "{metric}{interval}",
            "estimate",
            ("mean", "low", "high", "spread"),
            lambda line: line.estimates(line.table.metric),
            greatest_first=True,
        ),
        Column(
            "difference",
            "difference{of} to the first row{interval}",
            "difference",
            ("difference", "difference_low", "difference_high"),
            lambda line: line.of_pair("difference", "low", "high"),
            greatest_first=True,
        ),
        Column("letters", "letters", "letters", ("letters",), lambda line: line.at(line.comparison.letters), "tested"),
        _p("p", "p"),
        _p("p_holm", "p (Holm)"),
        _p("p_delong", "p (DeLong, second opinion)"),
        _p("p_equivalent", "P(equal)"),
        Column(
            "best_set",
            "best set",
            "flag",
            ("best_set",),
            lambda line: line.if_ranked(line.comparison.best_set),
            "tested",
            greatest_first=True,
        ),
        Column(
            "ensemble_auc",
            "AUC, seeds averaged",
            "figure",
            ("ensemble_auc",),
            lambda line: line.at(line.comparison.ensemble_auc),
            greatest_first=True,
        ),
        *map(_metric, METRICS),
        Column(
            "calibration_error",
            "ECE (10 equal bins)",
            "figure",
            ("calibration_error",),
            lambda line: line.at(line.comparison.calibration_error),
        ),
        _between(
            "random_effects",
            "random-effects mean (Hartung-Knapp 95 % CI)",
            "estimate",
            *("random_effects_auc", "random_effects_low", "random_effects_high"),
        ),
        _between("tau", "tau", "figure", "tau"),
        _between("i2", "I2", "share", "i2"),
        _between("worst_site", "worst site", "worst", "worst_site", "worst_auc"),
        Column("family", "family", "text", ("family",), _family),
        Column("inputs", "inputs", "text", ("inputs",), _inputs),
        Column("seconds", "seconds per split", "seconds", ("seconds",), lambda line: [line.row.seconds]),
        Column("cells", "cells", "cells", ("cells_ok", "cells"), lambda line: [line.row.cells_ok, line.row.cells]),
        Column("source", "source", "text", ("source",), lambda line: [line.row.source]),
        Column("ranked", "ranked", "flag", ("ranked",), lambda line: [line.ranked]),
    )
}


def lines(table: Standings, catalogue: Catalogue | None = None) -> list[Line]:
    """The complete rows of a table, best first."""
    found = table.comparison
    if found is None:
        return []
    pairs = table.against(next(iter(table.ranked), ""))
    methods = {name: None if catalogue is None else catalogue.method(name) for name in found.metrics.index}
    return [Line(table, found, table.row(name), pairs.get(name), method) for name, method in methods.items()]


def ranked_first(rows: Iterable[Line]) -> list[Line]:
    """The ranked rows, then the descriptive ones, each best first."""
    return sorted(rows, key=lambda line: not line.ranked)


def standing(names: Iterable[str], rows: Sequence[Line]) -> list[Column]:
    """Those of the named columns that stand in the table of these rows."""
    columns = [COLUMNS[name] for name in names]
    return [column for column in columns if column.where == "always" or _stands(column, rows)]


def _stands(column: Column, rows: Sequence[Line]) -> bool:
    if column.where == "tested":
        return any(line.table.tested for line in rows)
    return any(known(value) for line in rows for value in column.values(line)[:1])


def heading(column: Column, rows: Sequence[Line], *, of: str = "") -> str:
    """The heading of a column in the table of these rows, at least one."""
    bounded = any(known(bound) for line in rows for bound in column.values(line)[1:2])
    return column.heading.format(metric=metric_name(rows[0].table.metric), interval=INTERVAL if bounded else "", of=of)


def fields(line: Line, names: Iterable[str]) -> dict[str, Any]:
    """Field -> value of the named columns; None for a column without values."""
    filled = [(COLUMNS[name].fields, COLUMNS[name].values(line)) for name in names]
    return {key: value for keys, values in filled for key, value in zip(keys, values or [None] * len(keys), strict=True)}


def known(value: Any) -> bool:
    """Whether a value is defined: neither None nor NaN."""
    return value is not None and not (isinstance(value, float | np.floating) and not np.isfinite(value))
