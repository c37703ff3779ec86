"""The columns of the leaderboard, each declared once: Markdown, LaTeX, CSV, JSON and the page choose from this list."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure, p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import LABEL1, RETRIEVAL_METRICS, metric_name

Kind = Literal[
    "name",
    "text",
    "letters",
    "cells",
    "worst",
    "rank",
    "estimate",
    "difference",
    "p",
    "flag",
    "figure",
    "intercept",
    "share",
    "seconds",
]
Table = Literal[
    "ranked",
    "descriptive",
    "brief",
    "brief descriptive",
    "secondary",
    "label 1",
    "label 0",
    "retrieval",
    "between sites",
    "page",
    "latex",
    "csv",
]
"""The tables of the whole Markdown (secondary metrics by either class too), of the committed one, which is brief, and those of
the other formats."""
Line = dict[str, Any]
"""A complete row of a table: its values by field; a field that does not apply to it is missing."""
DIFFERENCE = ("difference", "difference_low", "difference_high")
TESTS = ("p", "p_adjusted", "p_equivalent")


@dataclass(frozen=True)
class Column:
    """A column: which fields of a row it shows, and how.

    `fields` are named so in CSV and in the page's data too, and the first of them sorts. `kind` says how a format writes them;
    a row without them has an empty cell, one in which they are undefined has "n/a". In a heading `{metric}` and `{interval}`
    are filled in, and `{of}`, where the table shows another metric, with the metric that is tested. `tables` names the tables
    in which it stands; there it stands `where` something is tested, rows have letters, a row has a value, or always.
    `greatest_first` is the order that reads naturally.
    """

    name: str
    heading: str
    kind: Kind
    fields: tuple[str, ...]
    tables: tuple[Table, ...]
    where: Literal["always", "tested", "lettered", "known"] = "always"
    greatest_first: bool = False


BY_CLASS = ("auprc", "precision", "recall", "specificity", "f1")
"""Metrics that depend on which class is positive, in the order in which they stand."""


def _metrics() -> Iterable[Column]:
    """The metrics, each with its class as positive, then those of retrieval; the primary estimate has a column of its own."""
    for plain in (*BY_CLASS, *(key for key in LABEL1 if key not in BY_CLASS)):
        kind: Kind = "intercept" if "intercept" in plain else "figure"
        places: dict[str, Table] = {plain: "label 1" if plain in BY_CLASS else "secondary", f"{plain}_label0": "label 0"}
        for key, table in places.items():
            tables = (table,) if plain in BY_CLASS or key == plain != "auc" else ()
            yield Column(key, metric_name(plain), kind, (key, f"{key}_low", f"{key}_high"), tables)
    for key in RETRIEVAL_METRICS:
        yield Column(key, metric_name(key), "estimate", (key, f"{key}_low", f"{key}_high"), ("retrieval",), "known")


EVERYWHERE: tuple[Table, ...] = tuple(table for table in get_args(Table) if table != "csv")
COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("rank", "rank", "rank", ("rank_low", "rank_high"), ("ranked", "brief", "page", "latex", "csv"), "tested"),
        Column("method", "method", "name", ("method",), EVERYWHERE),
        Column("inputs_briefly", "inputs", "text", ("inputs_briefly",), ("brief",), "known"),
        Column(
            "estimate",
            "{metric}{interval}",
            "estimate",
            ("mean", "low", "high", "spread"),
            ("ranked", "descriptive", "brief", "brief descriptive", "page", "latex"),
            greatest_first=True,
        ),
        Column(
            "difference",
            "difference{of} from the first row{interval}",
            "difference",
            DIFFERENCE,
            ("ranked", "brief", "page", "latex"),
            greatest_first=True,
        ),
        Column("letters", "letters", "letters", ("letters",), ("ranked", "page", "latex", "csv"), "lettered"),
        Column("p", "p", "p", ("p",), ("ranked", "page"), "known"),
        Column("p_adjusted", "p, all pairs", "p", ("p_adjusted",), ("ranked", "brief", "page", "latex"), "known"),
        Column("p_holm", "second opinion (Nadeau-Bengio, Holm)", "p", ("p_holm",), ("ranked", "page"), "known"),
        Column("p_equivalent", "P(equal)", "p", ("p_equivalent",), ("ranked", "page"), "known"),
        Column("best_set", "best set", "flag", ("best_set",), ("ranked", "page", "csv"), "tested", greatest_first=True),
        Column(
            "ensemble_auc", "AUC, seeds averaged", "figure", ("ensemble_auc",), ("ranked", "page", "csv"), greatest_first=True
        ),
        *_metrics(),
        Column("calibration_error", "ECE (10 equal bins)", "figure", ("calibration_error",), ("secondary", "csv")),
        Column(
            "random_effects",
            "random-effects mean (Hartung-Knapp 95 % CI)",
            "estimate",
            ("random_effects_auc", "random_effects_low", "random_effects_high"),
            ("between sites", "csv"),
            "known",
        ),
        Column("tau", "tau", "figure", ("tau",), ("between sites", "csv"), "known"),
        Column("i2", "I2", "share", ("i2",), ("between sites", "csv"), "known"),
        Column("worst_site", "worst site", "worst", ("worst_site", "worst_auc"), ("between sites",), "known"),
        Column("family", "family", "text", ("family",), ("page",)),
        Column("inputs", "inputs", "text", ("inputs",), ("page",)),
        Column("seconds", "seconds per split", "seconds", ("seconds",), ("page",)),
        Column("cells", "cells", "cells", ("cells_ok", "cells"), ("ranked", "descriptive", "page")),
        Column("source", "source", "text", ("source",), ("ranked", "descriptive", "page")),
        Column("local", "source", "text", ("local",), ("brief", "brief descriptive"), "known"),
        Column("ranked", "ranked", "flag", ("ranked",), ()),
    )
}


def lines(table: Standings, catalogue: Catalogue | None = None) -> list[Line]:
    """The complete rows of a table, best first; family and inputs of their methods where a catalogue is given."""
    comparison = table.comparison
    if comparison is None:
        return []
    made = [_line(table, comparison, str(name)) for name in comparison.metrics.index]
    if catalogue is not None:
        for line in made:
            method = catalogue.method(line["method"])
            inputs = sorted(frozenset[str]().union(*method.modalities))
            line |= {"inputs": ", ".join(inputs), "inputs_briefly": "+".join(inputs) or "none"}
            line["family"] = "" if method.entry.error else method.card.family
    return made


def _line(table: Standings, comparison: Comparison, name: str) -> Line:
    """A complete row."""
    row, ranked = table.row(name), name in table.rows.ranked
    estimates, pair = table.estimates[name], table.against_the_first.get(name)
    line: Line = {
        "method": name,
        "source": row.source,
        **({"local": "local"} if row.source == "local" else {}),
        "cells_ok": row.cells_ok,
        "cells": row.cells,
        "ranked": ranked,
        "seconds": row.seconds,
        "mean": estimates[table.metric],
        **{part: estimates[f"{table.metric}_{part}"] for part in ("low", "high", "spread")},
        "letters": comparison.letters[name],
        "ensemble_auc": comparison.ensemble_auc[name],
        "calibration_error": comparison.calibration_error[name],
        **estimates,
    }
    if ranked:
        line |= {
            "rank_low": comparison.rank_low[name],
            "rank_high": comparison.rank_high[name],
            "best_set": comparison.best_set[name],
        }
    if pair is not None:
        line |= dict(zip(DIFFERENCE, (pair["difference"], pair["low"], pair["high"]), strict=True))
        line |= {key: pair[key] for key in TESTS}
        if np.isfinite(comparison.inflation):  # elsewhere it would be the same test again
            line["p_holm"] = pair["p_holm"]
    if comparison.heterogeneity is not None:
        line |= {str(key): value for key, value in comparison.heterogeneity.loc[name].items()}
    return line


def ranked_first(rows: Iterable[Line]) -> list[Line]:
    """The ranked rows, then the descriptive ones, each best first."""
    return sorted(rows, key=lambda line: not line["ranked"])


def named(table: Table) -> list[str]:
    """The names of the columns that stand in a table, in order."""
    return [name for name, column in COLUMNS.items() if table in column.tables]


def standing(names: Iterable[str], table: Standings, rows: Sequence[Line]) -> list[Column]:
    """Those of the named columns that have something to show in the table of these rows."""
    columns = [COLUMNS[name] for name in names]
    stands = {"always": True, "tested": table.tested, "lettered": any(line.get("letters") for line in rows)}
    return [column for column in columns if stands.get(column.where, any(known(line.get(column.fields[0])) for line in rows))]


def heading(column: Column, table: Standings, rows: Sequence[Line], *, of: str = "") -> str:
    """The heading of a column in the table of these rows."""
    bounded = any(known(line.get(bound)) for line in rows for bound in column.fields[1:2])
    return column.heading.format(metric=metric_name(table.metric), interval=" (95 % CI)" if bounded else "", of=of)


def chosen(line: Line, names: Iterable[str]) -> Line:
    """The fields of the named columns; None for one that does not apply."""
    return {key: line.get(key) for name in names for key in COLUMNS[name].fields}


def known(value: Any) -> bool:
    """Whether a value is defined: neither None nor NaN."""
    return value is not None and not (isinstance(value, float | np.floating) and not np.isfinite(value))


def _estimate(mean: float, low: float, high: float, spread: float = np.nan) -> str:
    interval = f" ({low:.3f} to {high:.3f})" if np.isfinite(low) and np.isfinite(high) else ""
    seeds = f", SD over seeds {spread:.3f}" if np.isfinite(spread) else ""
    return figure(mean) + interval + seeds


def _difference(difference: float, low: float, high: float) -> str:
    interval = f" ({low:+.3f} to {high:+.3f})" if np.isfinite(low) else ""
    return f"{difference:+.3f}{interval}" if np.isfinite(difference) else "n/a"


def _rank(low: float, high: float) -> str:
    if not np.isfinite(low):
        return "n/a"
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


WRITERS: Mapping[Kind, Callable[..., str]] = {
    "name": lambda name: f"`{name}`",
    "text": str,
    "letters": str,
    "rank": _rank,
    "estimate": _estimate,
    "difference": _difference,
    "p": p_value,
    "flag": lambda flag: {True: "yes", False: "no"}.get(flag, "n/a"),
    "figure": lambda value, *_: figure(value),
    "intercept": lambda value, *_: f"{value:+.2f}" if np.isfinite(value) else "n/a",
    "share": lambda share: f"{100 * share:.0f} %",
    "cells": lambda ok, cells: f"{ok}/{cells}",
    "worst": lambda site, auc: f"{site} ({figure(auc)})",
}


def written(column: Column, line: Line) -> str:
    """The cell of a row as Markdown shows it; LaTeX sets the same text its own way."""
    values = [line[key] for key in column.fields if key in line]
    return WRITERS[column.kind](*values) if values else ""
