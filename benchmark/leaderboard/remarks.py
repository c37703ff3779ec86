"""What a reader must know of a table besides its conclusion, in plain sentences: Markdown and the page lay them out."""

from collections import Counter

import numpy as np

from benchmark.cells.rows import Row
from benchmark.cells.store import THRESHOLD
from benchmark.cells.task import FEW
from benchmark.leaderboard.conclusions import listed
from benchmark.leaderboard.incomplete import Partial, counts
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import figure, one_line
from benchmark.statistics.metric_names import metric_name
from benchmark.statistics.metrics import score
from benchmark.suites.suite import HALF as OWN
from benchmark.suites.suite import SENSITIVITY, YOUDEN

MOST_CAUSES = 3
MOST_NAMED = 12
HALF = 0.5
"""The threshold of rows that choose none."""
CHOSEN = {
    YOUDEN: "has the greatest sensitivity + specificity",
    SENSITIVITY: "is the greatest that finds 95 % of label 1",
}
"""What a threshold that is chosen does."""
NARROW = 0.1
"""Probabilities of a smaller standard deviation are nearly the same for every case."""


def progress(table: Standings) -> str:
    """How far an interim table has come; nothing of another."""
    if not table.interim:
        return ""
    done = min(partial.row.outcomes.total() for partial in table.partial if partial.row.method in table.rows.ranked)
    return f"Interim, {done} of {max(partial.row.cells for partial in table.partial)} splits."


def cases(table: Standings) -> str:
    """How many patients are tested, and what the labels mean."""
    card, task = table.rows.card, table.task
    total, ones = len(task.tested), int(task.labels[task.tested].sum())
    others = f" {len(task.labels) - total} further cases are for training and validation." if total < len(task.labels) else ""
    share = f"{ones} with label 1 ({100 * ones / total:.1f} %)"
    return f"{total} cases, {share}: {card.positive}; label 0: {card.negative}.{others}"


def scope(table: Standings) -> str:
    """Which patients, which outcome, and what the dataset cannot show."""
    card, task = table.rows.card, table.task
    known = [f"{name.replace('_', ' ').replace('auc', 'AUC')} {value:.3f}" for name, value in sorted(task.facts.items())]
    facts = f" Known optimum: {', '.join(known)}." if known else ""
    return f"{cases(table)} Outcome taken: {card.label_time}. Site: {table.site}. {card.scope}{facts}"


def doubts(table: Standings) -> list[str]:
    """What an audit found that makes the table's numbers wrong, or perhaps too good: a sentence for each finding."""
    grave = [finding for finding in table.rows.audited if finding.state != "reports"]
    return [
        f"{finding.code} {finding.state}: {finding.what} ({finding.evidence}). Why: {finding.why}. To mend: {finding.mend}."
        for finding in sorted(grave, key=lambda finding: (finding.state, finding.code))
    ]


def notes(table: Standings, *, brief: bool = False) -> list[str]:
    """Facts about rows, and rows that are not shown; if `brief` without what tells the rows' probabilities apart."""
    lines = [] if table.comparison is None else list(table.comparison.notes)
    if table.task.fewest is not None:
        lines.append(
            f"few labels: a training part holds only {table.task.fewest} labelled cases of a class; with fewer than {FEW} "
            "models differ much from one training part to the next, and the tests were calibrated down to 7 alone "
            "(docs/calibration.md)"
        )
    for row in table.rows.complete:
        cuts = row.thresholds.values()
        if table.rows.threshold == OWN and any(cut != HALF for cut in cuts):
            lines.append(f"{row.method}: uses its own thresholds, {min(cuts):.3f} to {max(cuts):.3f}, instead of {HALF}")
        if row.changed:
            lines.append(f"{row.method}: not reproducible: {row.changed} cells changed when they were computed again")
    if table.rows.finding:
        lines.append(f"votes on a finding count from a score of {HALF}: no threshold is chosen for it")
    lines += _chosen_thresholds(table) if table.rows.threshold in CHOSEN else []
    if not brief and (narrow := _nearly_constant(table)):
        lines.append(f"cells in which the SD of the probabilities is below {NARROW}, nearly the same for every case: {narrow}")
    waiting = [name for name in table.rows.to_come if name not in table.rows.ranked]
    if waiting:
        more = f" and {len(waiting) - MOST_NAMED} more" if len(waiting) > MOST_NAMED else ""
        lines.append(f"descriptive rows not computed yet: {listed(waiting[:MOST_NAMED])}{more}")
    if table.rows.left_out:
        lines.append(f"not shown, because published for another version of this task: {listed(list(table.rows.left_out))}")
    return lines


def _chosen_thresholds(table: Standings) -> list[str]:
    """Where the thresholds of the rows come from, and what by Youden's index is lost or won against .5 in their place."""
    if not table.rows.complete:
        return []
    sources = {row.method: Counter(str(cell.get(THRESHOLD)) for cell in row.chosen.values()) for row in table.rows.complete}
    out_of_fold = [method for method, found in sources.items() if found["out-of-fold"]]
    scarce = ", ".join(f"`{method}` {found['prevalence']}" for method, found in sources.items() if found["prevalence"])
    lines = [
        f"every row's threshold {CHOSEN[table.rows.threshold]} on cases that the row did not train on: those of the "
        "validation part, or out of 5 inner folds where a row trains on the validation part too"
        + (f" ({listed(out_of_fold)})" if out_of_fold else "")
    ]
    if scarce:
        few = (
            "cells whose threshold goes by the share of label 1 in training, for too few cases of a class are left to choose by"
        )
        lines.append(f"{few}: {scarce}")
    if table.rows.threshold != YOUDEN:
        return lines
    halves = ", ".join(f"`{row.method}` {figure(_at_half(table, row))}" for row in table.rows.complete)
    lines.append(f"{metric_name('balanced_accuracy')} with the threshold {HALF} in its place: {halves}")
    return lines


def _at_half(table: Standings, row: Row) -> float:
    """The mean balanced accuracy of a row's cells at .5; small held-out sites do not count in it, as in the column."""
    task, every = table.task, row.probabilities.items()
    parts = [(task.labels[task.by_name[name].test], values) for name, values in every if counts(table.rows, task.by_name[name])]
    found = [score(labels, values[None], np.array([HALF]))["balanced_accuracy"][0] for labels, values in parts]
    return float(np.mean(found)) if found else np.nan


def _nearly_constant(table: Standings) -> str:
    """The rows with cells whose probabilities hardly differ, and how many cells these are."""
    counts = {row: sum(spread < NARROW for spread in row.spreads) for row in table.rows.complete}
    return ", ".join(f"`{row.method}` {count} of {row.cells}" for row, count in counts.items() if count)


def incomplete(table: Standings) -> tuple[list[str], list[list[str]]]:
    """The headings and the cells of the table of incomplete rows: their estimates and what is missing."""
    estimate = f"{metric_name(table.metric)} on these cells"
    head = ["method", "cells ok", estimate, "first row on the same cells", "with missing cells at their worst", "why"]
    return head, [
        [
            f"`{partial.row.method}`",
            f"{partial.row.cells_ok}/{partial.row.cells}",
            figure(partial.mean),
            "" if partial.best is None else f"{figure(partial.best_mean)} (`{partial.best}`)",
            "" if partial.place is None else f"{figure(partial.penalised)} (place {partial.place})",
            "; ".join(causes(partial)),
        ]
        for partial in table.partial
    ]


def causes(partial: Partial) -> list[str]:
    """Why cells of an incomplete row lack: the first causes, how many more there are, and how many are not computed yet."""
    distinct = sorted({f"{outcome}: {one_line(reason)}" for _, outcome, reason in partial.row.failures})
    more = [f"and {len(distinct) - MOST_CAUSES} more causes"] if len(distinct) > MOST_CAUSES else []
    missing = partial.row.cells - partial.row.outcomes.total()
    return [*distinct[:MOST_CAUSES], *more, *([f"{missing} not computed yet"] if missing else [])]
