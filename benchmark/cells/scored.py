"""Every metric of a cell, from what is stored of it and the task that it belongs to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.cells.task import Task
from benchmark.data.findings import FINDING, KIND
from benchmark.statistics import metrics, retrieval

Columns = Mapping[str, NDArray[np.float64]]


def scored(task: Task, split: str, probabilities: ArrayLike, threshold: float, columns: Columns) -> dict[str, float]:
    """Metric -> its value; those of task retrieval too where the cell has `columns`."""
    found = metrics.score(task.labels[task.by_name[split].test], np.asarray(probabilities)[None], np.array([threshold]))
    values = {name: float(each[0]) for name, each in found.items()}
    return values | retrieved(task, split, columns, values["specificity"]) if columns else values


def retrieved(task: Task, split: str, columns: Columns, specificity: float) -> dict[str, float]:
    """The metrics of task retrieval alone."""
    test = task.by_name[split].test
    answers = retrieval.Answers(
        beginning(FINDING, columns),
        columns.get("rank"),
        columns.get("precision"),
        columns.get("similarity"),
        beginning(KIND, columns),
    )
    return retrieval.score({name: shown[test] for name, shown in (task.findings or {}).items()}, answers, specificity)


def beginning(prefix: str, columns: Columns) -> Columns:
    """The columns whose names begin so, named by the rest."""
    return {name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)}


def as_columns(stored: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """The columns of a record as arrays, NaN where there is nothing."""
    return {name: np.array(values, dtype=np.float64) for name, values in stored.items()}
