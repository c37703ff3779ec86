"""What the ranking would be if the missing cells had gone badly: each counts as the worse of .5 and the majority baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.task import Task, TaskSplit
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.metrics import score
from benchmark.statistics.sites import small_sites

CHANCE = 0.5


def penalised_mean(rows: TableRows, row: Row, metric: str) -> float:
    """The row's mean over all cells that it should have, a missing one at its worst; small sites are left out, as ever."""
    task = rows.task
    expected = [split for split in task.expected(stochastic=row.cells == len(task.splits)) if _counts(rows, split)]
    return float(np.mean([_value(task, row, split.name, metric) for split in expected])) if expected else float("nan")


def places(comparison: Comparison, ranked: Sequence[str], penalised: dict[str, float]) -> dict[str, int]:
    """The place of each penalised row with a mean among all ranked rows; 1 is best."""
    metric = comparison.metric
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    means = comparison.metrics.loc[list(ranked), metric].to_dict() | penalised
    return {
        name: 1 + sum(sign * other > sign * value for other in means.values())
        for name, value in penalised.items()
        if np.isfinite(value)
    }


def _counts(rows: TableRows, split: TaskSplit) -> bool:
    """Whether the split enters the table's means."""
    positives = int(rows.task.labels[split.test].sum())
    small = bool(small_sites([positives], [len(split.test) - positives])[0])
    return not (small and rows.inference == "site")


def _value(task: Task, row: Row, name: str, metric: str) -> float:
    test = task.by_name[name].test
    labels = task.labels[test]
    if name in row.probabilities:
        return float(score(labels, row.probabilities[name][None], np.array([row.thresholds[name]]))[metric][0])
    others = np.delete(task.labels, test)
    majority = float(score(labels, np.full((1, len(test)), others.mean()), np.array([CHANCE]))[metric][0])
    return max(CHANCE, majority) if metric in LOWER_IS_BETTER else min(CHANCE, majority)
