"""What a paper reports beside what was found here: two cohorts side by side, and no comparison of them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.conclusions import metric_name
from benchmark.leaderboard.standings import Standings
from benchmark.leaderboard.tables import grid
from benchmark.suites.suite import Suite


def side_by_side(suite: Suite, tables: Sequence[Standings]) -> list[str]:
    """One table per reported metric: the paper's rows, and the rows here that follow the same recipe, on each dataset.

    Figures of the suite's first protocol, in %, mean (SD over cells); nothing where the suite reports nothing, or no row that
    it names has results.
    """
    if suite.reported is None:
        return []
    tables_shown = [table for table in tables if table.task.protocol == suite.protocols[0] and table.comparison is not None]
    if not tables_shown:
        return []
    metrics = list(dict.fromkeys(name for row in suite.reported.rows for name in row.figures))
    metrics.sort(key=lambda name: name != suite.primary_metric)
    blocks = [f"{metric_name(name)}, in %, mean (SD):\n\n{_table(suite, tables_shown, name)}" for name in metrics]
    text = (
        f"Reported: {suite.reported.source}. Found: {suite.protocols[0]}, SD over its cells. Patients, "
        "labels and encoders differ: a difference between the two columns says nothing about either."
    )
    folded = "<details><summary>The other reported metrics</summary>\n\n" + "\n\n".join(blocks[1:]) + "\n\n</details>"
    return ["## Reported and found, side by side", text, blocks[0], *([folded] if blocks[1:] else [])]


def _table(suite: Suite, tables: Sequence[Standings], metric: str) -> str:
    assert suite.reported is not None
    rows = []
    for row in suite.reported.rows:
        for i, method in enumerate(row.methods):
            first = [row.said, row.figures.get(metric, "")] if i == 0 else ["", ""]
            rows.append([*first, f"`{method}`", *(_found(table, method, metric) for table in tables)])
    return grid(["reported row", "reported", "row here", *(table.task.dataset for table in tables)], rows)


def _found(table: Standings, method: str, metric: str) -> str:
    """Mean (SD over cells) in %, empty where the row has no results."""
    assert table.comparison is not None
    cells = table.comparison.per_split[metric]
    if method not in cells.index:
        return ""
    values = 100 * cells.loc[method].dropna().to_numpy()
    return f"{values.mean():.2f} ({values.std():.2f})"
