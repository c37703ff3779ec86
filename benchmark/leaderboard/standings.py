"""Standings: the rows of a table with their statistics, ready to be printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.scored import scored
from benchmark.cells.task import Task
from benchmark.leaderboard.contrasts import Asked, asked, families
from benchmark.leaderboard.incomplete import Partial, partials
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.max_t import Remembered
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS
from benchmark.suites.questions import Question


@dataclass(frozen=True, eq=False)
class Standings:
    """A table of the leaderboard. `comparison` is None where no row is complete."""

    rows: TableRows
    metric: str
    comparison: Comparison | None
    partial: tuple[Partial, ...]
    interim: bool
    asked: tuple[Asked, ...] = ()

    @property
    def task(self) -> Task:
        """Cases, labels, sites and splits."""
        return self.rows.task

    @property
    def site(self) -> str:
        """What a site is: the value of the dataset's field `site` where its spelling gives one, else what the card says."""
        site = parse_spelling(self.task.dataset)[1].get("site", self.rows.dataset.card.site)
        return str(site).replace("-", " ")

    def row(self, method: str) -> Row:
        """The complete row of a method."""
        return next(row for row in self.rows.complete if row.method == method)

    def against(self, leader: str) -> dict[str, Mapping[Any, Any]]:
        """Ranked row -> its pair with the leader, as row - leader: a column of `Comparison.pairs` each."""
        if self.comparison is None:
            return {}
        pairs = self.comparison.pairs
        turned = pairs.rename(columns={"a": "b", "b": "a", "low": "high", "high": "low"})
        turned[["difference", "low", "high"]] *= -1.0
        both = pd.concat([pairs[pairs["b"] == leader], turned[turned["b"] == leader]])
        return {str(pair["a"]): pair for pair in both.to_dict("records")}

    @cached_property
    def against_the_first(self) -> dict[str, Mapping[Any, Any]]:
        """The same with the first ranked row as the leader."""
        return self.against(next(iter(self.ranked), ""))

    @cached_property
    def estimates(self) -> dict[str, dict[str, float]]:
        """Complete row -> each metric's mean, and its bounds and spread under `METRIC_low`, `METRIC_high`, `METRIC_spread`."""
        if self.comparison is None:
            return {}
        of = self.comparison
        frames = {"": of.metrics, "_low": of.low, "_high": of.high, "_spread": of.spread}
        whole = pd.concat([frame.add_suffix(part) for part, frame in frames.items()], axis="columns")
        return {str(name): {str(key): value for key, value in row.items()} for name, row in whole.to_dict("index").items()}

    @cached_property
    def tested(self) -> bool:
        """Whether any pair of rows is tested."""
        return self.comparison is not None and bool(self.comparison.pairs["p"].notna().any())

    @cached_property
    def ranked(self) -> list[str]:
        """The complete ranked rows, best first."""
        ranked = set(self.rows.ranked)
        return [] if self.comparison is None else [name for name in self.comparison.metrics.index if name in ranked]


def standings(
    rows: TableRows, metric: str, questions: Sequence[Question] = (), remembered: Remembered | None = None
) -> Standings:
    """The statistics of a table; without p-values while a ranked row of it is still being computed.

    That of a finding is measured by the AUC where `metric` is one of task retrieval.
    """
    at_table = asked(questions, rows)
    metric = metric if metric in METRICS or not rows.finding else "auc"
    interim = any(row.in_progress and row.method in rows.ranked for row in rows.incomplete) and not any(
        row.source == "reference" for row in rows.complete
    )
    comparison = None
    if rows.complete:
        comparison = compare(
            *frames(rows),
            inference=rows.inference,
            ranked=[row.method for row in rows.complete if row.method in rows.ranked],
            metric=metric,
            families={} if rows.descriptive else families(at_table),
            interim=interim,
            awaited=len(awaited(rows)),
            remembered=remembered,
            further=further(rows),
        )
    return Standings(rows, metric, comparison, partials(rows, comparison, metric), interim, at_table)


def awaited(rows: TableRows) -> list[str]:
    """The ranked rows that apply here and are still to be computed; one that was tried and failed is not."""
    never = {method for method, _ in rows.not_applicable} | {row.method for row in rows.complete}
    failed = {row.method for row in rows.incomplete if not row.in_progress}
    return [name for name in rows.ranked if name not in never | failed]


def frames(rows: TableRows) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The task, the scores and the thresholds of the complete rows as `compare` takes them; every row under every seed."""
    task = rows.task
    scores, thresholds = {}, {}
    for row in rows.complete:
        ran = ran_in(task, row)
        scores[row.method] = np.concatenate([row.probabilities[name] for name in ran])
        thresholds[row.method] = [row.thresholds[name] for name in ran]
    return task.frame(), pd.DataFrame(scores), pd.DataFrame(thresholds, index=list(task.first_with_test))


def ran_in(task: Task, row: Row) -> list[str]:
    """The split of each of the task's whose cell holds a row's answer: a method that the seed does not change ran once."""
    return [name if name in row.probabilities else first for name, first in task.first_with_test.items()]


def further(rows: TableRows) -> dict[str, pd.DataFrame]:
    """The metrics of task retrieval of the complete rows as `compare` takes them; none of another table."""
    task = rows.task
    if not any(any(row.columns.values()) for row in rows.complete):
        return {}
    found: dict[str, list[dict[str, float]]] = {}
    for row in rows.complete:
        cells = {
            name: scored(task, name, row.probabilities[name], row.thresholds[name], row.columns.get(name, {}))
            for name in row.probabilities
        }
        found[row.method] = [cells[name] for name in ran_in(task, row)]
    return {
        metric: pd.DataFrame(
            {method: [cell.get(metric, np.nan) for cell in cells] for method, cells in found.items()},
            index=list(task.first_with_test),
        )
        for metric in RETRIEVAL_METRICS
    }
