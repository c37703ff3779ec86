"""Incomplete rows: what they reach on the cells that they have, and where they would stand if the others had gone badly."""

from dataclasses import dataclass

import numpy as np

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.scored import scored
from benchmark.cells.task import Task, TaskSplit
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import LOWER_IS_BETTER, RETRIEVAL_METRICS
from benchmark.statistics.metrics import score
from benchmark.statistics.sites import small_sites

CHANCE = 0.5


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
    penalised: float
    place: int | None


def partials(rows: TableRows, comparison: Comparison | None, metric: str) -> tuple[Partial, ...]:
    """The incomplete rows of a table beside its complete ones, if there are any."""
    tried = [row for row in rows.incomplete if row.method in rows.ranked and not row.in_progress and comparison is not None]
    penalised = {row.method: _penalised_mean(rows, row, metric) for row in tried}
    return tuple(
        Partial(
            row,
            _mean(rows.task, row, list(row.probabilities), metric),
            *_leader(rows, row, comparison, metric),
            penalised.get(row.method, np.nan),
            _place(rows, row, comparison, penalised),
        )
        for row in rows.incomplete
    )


def _leader(rows: TableRows, row: Row, comparison: Comparison | None, metric: str) -> tuple[str | None, float]:
    """The first of the ranked rows, and its mean on the cells that the row has."""
    if comparison is None or not row.probabilities:
        return None, np.nan
    best = next((name for name in comparison.metrics.index if name in rows.ranked), str(comparison.metrics.index[0]))
    return best, float(comparison.per_split[metric].loc[[best], list(row.probabilities)].to_numpy().mean())


def _penalised_mean(rows: TableRows, row: Row, metric: str) -> float:
    """The mean over all cells that it should have, a missing one at its worst; small sites are left out, as ever."""
    expected = rows.task.expected(stochastic=row.cells == len(rows.task.splits))
    return _mean(rows.task, row, [split.name for split in expected if counts(rows, split)], metric)


def _place(rows: TableRows, row: Row, comparison: Comparison | None, penalised: dict[str, float]) -> int | None:
    """Its place by the penalised mean among all ranked rows; 1 is best."""
    mean = penalised.get(row.method, np.nan)
    if comparison is None or np.isnan(mean):
        return None
    complete = {name: other for name, other in comparison.metrics[comparison.metric].items() if name in rows.ranked}
    sign = -1.0 if comparison.metric in LOWER_IS_BETTER else 1.0
    return 1 + sum(bool(sign * other > sign * mean) for other in (complete | penalised).values())


def counts(rows: TableRows, split: TaskSplit) -> bool:
    """Whether the split enters the table's means."""
    positives = int(rows.task.labels[split.test].sum())
    return rows.inference != "site" or not small_sites(positives, len(split.test) - positives)


def _mean(task: Task, row: Row, names: list[str], metric: str) -> float:
    return float(np.mean([_value(task, row, name, metric) for name in names])) if names else np.nan


def _value(task: Task, row: Row, name: str, metric: str) -> float:
    """The metric of a cell; of a missing one the worse of .5 and the majority baseline, or what the worst retrieval gives."""
    test = task.by_name[name].test
    labels = task.labels[test]
    if name in row.probabilities:
        return scored(task, name, row.probabilities[name], row.thresholds[name], row.columns.get(name, {}))[metric]
    if metric in RETRIEVAL_METRICS:
        return CHANCE if "auc" in metric else len(test) if metric in LOWER_IS_BETTER else 0.0
    prevalence = np.delete(task.labels, test).mean()
    majority = float(score(labels, np.full((1, len(test)), prevalence), np.array([CHANCE]))[metric][0])
    return max(CHANCE, majority) if metric in LOWER_IS_BETTER else min(CHANCE, majority)
