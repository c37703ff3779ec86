"""Standings: the rows of a table with their statistics, ready to be printed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.task import Task
from benchmark.leaderboard.sensitivity import penalised_mean, places
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.metrics import score


@dataclass(frozen=True, eq=False)
class Partial:
    """An incomplete row: its mean over the cells that are ok, beside the first ranked row's on the same cells.

    `penalised` is its mean with each missing cell at its worst, and `place` its place among the ranked rows then: NaN and None
    while cells are still to be tried, and for descriptive rows.
    """

    row: Row
    mean: float
    best: str | None
    best_mean: float
    penalised: float = float("nan")
    place: int | None = None


@dataclass(frozen=True, eq=False)
class Standings:
    """A table of the leaderboard. `comparison` is None where no row is complete."""

    rows: TableRows
    metric: str
    comparison: Comparison | None
    partial: tuple[Partial, ...]
    interim: bool

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

    def against(self, leader: str) -> dict[str, dict[str, Any]]:
        """Ranked row -> its pair with the leader, as row - leader: a column of `Comparison.pairs` each."""
        found = self.comparison
        if found is None:
            return {}
        pairs = found.pairs[(found.pairs["a"] == leader) | (found.pairs["b"] == leader)]
        told = {}
        for record in pairs.to_dict("records"):
            pair = {str(key): value for key, value in record.items()}
            if pair["a"] == leader:
                pair |= {"difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"]}
                pair |= {"a": pair["b"], "b": leader}
            told[str(pair["a"])] = pair
        return told

    @property
    def tested(self) -> bool:
        """Whether any pair of rows is tested."""
        return self.comparison is not None and bool(self.comparison.pairs["p"].notna().any())

    @property
    def ranked(self) -> list[str]:
        """The complete ranked rows, best first."""
        if self.comparison is None:
            return []
        return [name for name in self.comparison.metrics.index if name in self.rows.ranked]

    @property
    def descriptive(self) -> list[str]:
        """The complete descriptive rows, best first."""
        if self.comparison is None:
            return []
        return [name for name in self.comparison.metrics.index if name not in self.rows.ranked]


def standings(rows: TableRows, metric: str) -> Standings:
    """The statistics of a table; without p-values while a ranked row of it is still being computed."""
    task = rows.task
    interim = any(row.in_progress and row.method in rows.ranked for row in rows.incomplete) and not any(
        row.source == "reference" for row in rows.complete
    )
    comparison = None
    if rows.complete:
        frame, scores, thresholds = frames(rows)
        family = [row.method for row in rows.complete if row.method in rows.ranked]
        comparison = compare(
            frame,
            scores,
            thresholds,
            inference=rows.inference,
            ranked=family,
            metric=metric,
            interim=interim,
            awaited=len(awaited(rows)),
        )
    partial = tuple(_partial(task, row, comparison, metric, rows.ranked) for row in rows.incomplete)
    return Standings(rows, metric, comparison, _penalised(rows, comparison, partial, metric), interim)


def awaited(rows: TableRows) -> list[str]:
    """The ranked rows that apply here and are still to be computed; one that was tried and failed is not."""
    never = {method for method, _ in rows.not_applicable} | {row.method for row in rows.complete}
    failed = {row.method for row in rows.incomplete if not row.in_progress}
    return [name for name in rows.ranked if name not in never | failed]


def frames(rows: TableRows) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The task, the scores and the thresholds of the complete rows as `compare` takes them; every row under every seed."""
    task = rows.task
    scores = pd.DataFrame({row.method: _all_seeds(task, row) for row in rows.complete})
    names = [split.name for split in task.splits]
    thresholds = pd.DataFrame({row.method: _all_thresholds(task, row) for row in rows.complete}, index=names)
    return task.frame(), scores, thresholds


def _partial(task: Task, row: Row, comparison: Comparison | None, metric: str, ranked: Collection[str]) -> Partial:
    """An incomplete row on its own cells, with the leader of the ranked rows on the same ones."""
    values = [
        score(task.labels[task.by_name[name].test], probabilities[None], np.array([row.thresholds[name]]))[metric][0]
        for name, probabilities in row.probabilities.items()
    ]
    mean = float(np.mean(values)) if values else float("nan")
    if comparison is None or not values:
        return Partial(row, mean, None, float("nan"))
    best = next((name for name in comparison.metrics.index if name in ranked), str(comparison.metrics.index[0]))
    there = comparison.per_split[metric].loc[[best], list(row.probabilities)].to_numpy()
    return Partial(row, mean, best, float(there.mean()))


def _penalised(
    rows: TableRows, comparison: Comparison | None, partial: tuple[Partial, ...], metric: str
) -> tuple[Partial, ...]:
    """The incomplete rows with the place that they would have if their missing cells had gone badly."""
    tried = [part.row for part in partial if part.row.method in rows.ranked and not part.row.in_progress]
    if comparison is None or not tried:
        return partial
    means = {row.method: penalised_mean(rows, row, metric) for row in tried}
    place = places(comparison, [row.method for row in rows.complete if row.method in rows.ranked], means)
    return tuple(
        replace(part, penalised=means[part.row.method], place=place.get(part.row.method)) if part.row.method in means else part
        for part in partial
    )


def _source_split(task: Task, row: Row, name: str) -> str:
    """The split whose cell stands for `name`: itself, or the one with the same test part of a method that ran once."""
    return name if name in row.probabilities else task.first_with_test[name]


def _all_seeds(task: Task, row: Row) -> NDArray[np.float64]:
    return np.concatenate([row.probabilities[_source_split(task, row, split.name)] for split in task.splits])


def _all_thresholds(task: Task, row: Row) -> list[float]:
    return [row.thresholds[_source_split(task, row, split.name)] for split in task.splits]
