"""What a table of task retrieval shows besides its ranks: findings, reports and errors, beside what chance reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.leaderboard.columns import COLUMNS, WRITERS, Line, known
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure
from benchmark.statistics.metric_names import RETRIEVAL_METRICS
from benchmark.statistics.retrieval import chance

SENSITIVITY = "recall"
"""The metric that says how much of label 1 is found at the threshold by which label 0 is ruled out."""


@dataclass(frozen=True)
class Gallery:
    """How many reports the smallest and the largest test part hold, and what their random order reaches by metric."""

    fewest: int
    most: int
    chance: dict[str, float]


def gallery(table: Standings) -> Gallery | None:
    """Of a table of task retrieval in which some row ranks reports; None of any other."""
    task = table.task
    row = next((row for row in table.rows.complete if any("rank" in columns for columns in row.columns.values())), None)
    if row is None or not task.findings:
        return None
    alike = np.unique(np.stack(list(task.findings.values()), axis=1), axis=0, return_inverse=True)[1].ravel()
    parts = [alike[task.by_name[split].test][~np.isnan(columns["rank"])] for split, columns in row.columns.items()]
    relevant = [np.bincount(part)[part] for part in parts]
    sizes = [len(part) for part in parts]
    return Gallery(min(sizes), max(sizes), chance(sizes, relevant))


def sentence(found: Gallery) -> str:
    """What is asked, and among how many reports."""
    size = f"{found.fewest}" if found.fewest == found.most else f"{found.fewest} to {found.most}"
    return (
        f"Each image is asked for its own report among the {size} reports of its test part; chance is what their random order "
        "reaches. An AUC of errors tells a case's own report from a wrong one, over all kinds of errors and by kind. "
        "Cases of label 0 are ruled out at a threshold that finds 95 % of label 1 in the cases by which it was chosen; the "
        "sensitivity beside it is what it reached in the test parts."
    )


def shown(found: Gallery, rows: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """The headings and the cells of the rows, and chance's last."""
    metrics = [key for key in RETRIEVAL_METRICS if any(known(row.get(key)) for row in rows)]
    ruled_out = "ruled_out_at_95_sensitivity"
    place = metrics.index(ruled_out) + 1 if ruled_out in metrics else len(metrics)
    metrics.insert(place, SENSITIVITY)
    head = ["method", *("sensitivity reached" if key == SENSITIVITY else COLUMNS[key].heading for key in metrics)]
    cells = [
        [f"`{row['method']}`", *(WRITERS["estimate"](row[key], row[f"{key}_low"], row[f"{key}_high"]) for key in metrics)]
        for row in rows
    ]
    last = ["chance", *(figure(found.chance[key]) if key in found.chance else "" for key in metrics)]
    return head, [*cells, last]
