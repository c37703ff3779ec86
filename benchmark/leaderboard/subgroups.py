"""The complete rows of a suite broken down by an attribute of the cases, as Markdown and JSON.

Predictions are stored, attributes are not: but for the site, which the task holds, they come from the cohort on this machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.cells.rows import TableRows, gather
from benchmark.cells.task import Task
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.leaderboard.exports import number
from benchmark.leaderboard.standings import frames
from benchmark.leaderboard.tables import figure, grid, inert, one_line
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.evaluation import evaluate
from benchmark.statistics.metric_names import metric_name
from benchmark.statistics.sites import MIN_OF_A_CLASS
from benchmark.statistics.subgroups import SUBGROUP_METRICS, Subgroups, describe, group_cases
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError, UnknownNameError

SITE = "site"
LEGEND = f"""\
Descriptive: no tests are made. Differences between subgroups may be chance, all the more the fewer cases are behind them, and
they say nothing of their cause. Complete rows alone are shown, in the suite's order, which is no ranking; every figure is the
mean over seeds.

- **AUC**: over pairs of a label-1 and a label-0 case of the subgroup in the same test part of the same split, since other test
  parts have other models; (concordant pairs + half the ties) / pairs. *Pairs* is their number, the mean over seeds. Where
  whole sites are held out every site counts by its pairs, small ones included, and not alike as in the leaderboard's mean.
- **Recall** is that of label 1; recall, specificity and accuracy are at each cell's own threshold.
- **Mean probability** of label 1 beside its **observed share** is calibration in the large.
- **Small**: fewer than {MIN_OF_A_CLASS} cases of either class; AUC, recall and specificity are n/a by that fixed rule."""
NAMES = {"mean_probability": "mean probability", "observed_share": "observed share"}


@dataclass(frozen=True, eq=False)
class SubgroupTable:
    """One table by the attribute `by`: `groups` names the G subgroups of `result`, whose methods are the complete rows."""

    rows: TableRows
    by: str
    groups: tuple[str, ...]
    result: Subgroups


@dataclass(frozen=True, eq=False)
class Breakdown:
    """A suite by an attribute as it was asked for: its tables, and a line for each dataset or table that was left out."""

    suite: Suite
    by: str
    tables: tuple[SubgroupTable, ...]
    skipped: tuple[str, ...]


def break_down(suite: Suite, catalogue: Catalogue, by: str, *, local: bool = True) -> Breakdown:
    """The stored rows of a suite by the attribute `by`, on the datasets that have it here.

    Raises `BenchmarkError` where no table is left.
    """
    gathered = gather(suite, catalogue, local=local)
    if not gathered:
        raise BenchmarkError(f"suite {suite.name}: no predictions of {', '.join(suite.datasets)} are stored: `run` comes first")
    load = functools.cache(lambda dataset: load_cohort(dataset, catalogue))
    tables: list[SubgroupTable] = []
    errors: list[str] = []
    for rows in gathered:
        try:
            if not rows.complete:
                raise BenchmarkError(f"{rows.task.dataset}, {rows.task.protocol}: no row is complete")
            values = attribute(rows.task, by, load)
        except BenchmarkError as error:
            errors.append(" ".join(str(error).split()))
        else:
            tables.append(_table(rows, values))
    skipped = tuple(dict.fromkeys(errors))
    if tables:
        return Breakdown(suite, by, tuple(tables), skipped)
    raise BenchmarkError(f"no table by '{by}' ({'; '.join(skipped)})")


def attribute(task: Task, by: str, load: Callable[[str], Cohort]) -> pd.Series[Any]:
    """What is known as `by` of the task's cases, in their order, under its own name; `load` gives a dataset's cohort.

    Raises `UnknownNameError` where the dataset has none so called, `BenchmarkError` where its cohort cannot be had here or is
    of other cases.
    """
    known = [] if task.sites is None else [SITE]
    if known and _plain(by) == SITE:
        return pd.Series(task.sites, name=SITE)
    strata = _strata(task, load(task.dataset))
    for name, values in strata.items():
        if _plain(name) == _plain(by):
            return values
    raise UnknownNameError(f"attribute of {task.dataset}", by, [*strata, *known])


def _strata(task: Task, cohort: Cohort) -> dict[str, pd.Series[Any]]:
    """The cohort's attributes in the order of the task's cases. Raises `BenchmarkError` where it is of other cases."""
    rows = pd.Index(cohort.case_ids).get_indexer(pd.Index(task.case_ids))
    same_cases = len(cohort) == len(rows) and (rows >= 0).all()
    if not same_cases or (cohort.labels is not None and (cohort.labels[rows] != task.labels).any()):
        raise BenchmarkError(
            f"{task.dataset}, {task.protocol}: the cohort on this machine has other {'labels' if same_cases else 'cases'} "
            "than the stored predictions: `run` computes them anew"
        )
    if cohort.strata is None:
        return {}
    return {str(name): cohort.strata[name].iloc[rows].reset_index(drop=True) for name in cohort.strata}


def _plain(name: str) -> str:
    """What a name is compared by: case does not count, and `-`, `_` and space are one."""
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def _table(rows: TableRows, values: pd.Series[Any]) -> SubgroupTable:
    grouping = group_cases(values)
    of_rows = grouping.codes[np.concatenate([split.test for split in rows.task.splits])]
    tested, codes = np.unique(of_rows, return_inverse=True)
    groups = tuple(grouping.names[code] for code in tested)
    return SubgroupTable(rows, str(values.name), groups, describe(evaluate(*frames(rows)), codes, len(tested)))


def as_markdown(breakdown: Breakdown) -> str:
    """The legend, and per table the numbers of its subgroups and a row per method and subgroup; columns are aligned."""
    parts = [f"# {breakdown.suite.title}, by {breakdown.by}", LEGEND]
    if breakdown.skipped:
        parts.append("Left out:\n\n" + "\n".join(f"- {reason}" for reason in breakdown.skipped))
    for table in breakdown.tables:
        parts += [f"## {table.rows.task.dataset}, {table.rows.task.protocol}, by {table.by}", _numbers(table), _metrics(table)]
    return inert("\n\n".join(parts) + "\n")


def _numbers(table: SubgroupTable) -> str:
    result = table.result
    facts = zip(table.groups, result.cases, result.positives, result.pairs, result.small, strict=True)
    rows = [
        [one_line(group), str(cases), f"{ones} ({100 * ones / cases:.1f} %)", f"{pairs:.0f}", "small" if small else ""]
        for group, cases, ones, pairs, small in facts
    ]
    return _aligned(["subgroup", "cases", "label 1", "pairs", "small"], rows)


def _metrics(table: SubgroupTable) -> str:
    rows = [
        [f"`{row.method}`", one_line(group), *(figure(table.result.metrics[name][m, g]) for name in SUBGROUP_METRICS)]
        for m, row in enumerate(table.rows.complete)
        for g, group in enumerate(table.groups)
    ]
    return _aligned(["method", "subgroup", *(NAMES.get(name, metric_name(name)) for name in SUBGROUP_METRICS)], rows)


def _aligned(head: list[str], rows: list[list[str]]) -> str:
    """A grid whose columns line up in a terminal too; a `|` within a cell counts twice, as it is escaped."""
    widths = [max(len(cell) + cell.count("|") for cell in column) for column in zip(head, *rows, strict=True)]
    padded = [[cell.ljust(width - cell.count("|")) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    return grid(padded[0], padded[1:])


def as_json(breakdown: Breakdown) -> dict[str, Any]:
    """The same as the documented JSON; null where a value is undefined."""
    return {
        "suite": breakdown.suite.name,
        "by": breakdown.by,
        "tables": [_table_json(table) for table in breakdown.tables],
        "skipped": list(breakdown.skipped),
    }


def _table_json(table: SubgroupTable) -> dict[str, Any]:
    result = table.result
    groups = [
        {
            "group": group,
            "cases": int(result.cases[g]),
            "positives": int(result.positives[g]),
            "small": bool(result.small[g]),
            "methods": [
                {
                    "method": row.method,
                    "ranked": row.method in table.rows.ranked,
                    "metrics": {name: number(result.metrics[name][m, g]) for name in SUBGROUP_METRICS},
                    "pairs": float(result.pairs[g]),
                }
                for m, row in enumerate(table.rows.complete)
            ],
        }
        for g, group in enumerate(table.groups)
    ]
    task = table.rows.task
    return {"dataset": task.dataset, "protocol": task.protocol, "by": table.by, "groups": groups}
