"""How rows do by the share of the labels that they learn from: the tables of a dataset that differ in that share alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.leaderboard.records import Block, exact
from benchmark.leaderboard.standings import Standings
from benchmark.registry.spelling import parse_spelling

SHARE = "share"
"""The parameter of a protocol of few labels."""


def by_share(tables: Sequence[Standings]) -> Mapping[str, Mapping[float, Standings]]:
    """Dataset -> share -> table, the smallest share first; of the datasets with several shares, one of which is below 1.

    All labels are those of the table whose protocol allows the same tests and has no parameter.
    """
    found: dict[str, dict[float, Standings]] = {}
    for table in tables:
        share = _share(table)
        if share is not None and table.comparison is not None:
            found.setdefault(table.task.dataset, {})[share] = table
    return {name: dict(sorted(shares.items())) for name, shares in found.items() if len(shares) > 1 and min(shares) < 1}


def label_curves(shares: Mapping[float, Standings]) -> list[Block]:
    """A block for each row that several of the tables hold: its mean with the limits at each share, the smallest first.

    The rows are in the order that they have at the largest share.
    """
    values: dict[str, list[tuple[float, Any]]] = {}
    for share, table in sorted(shares.items(), reverse=True):
        comparison, metric = table.comparison, table.metric
        assert comparison is not None
        for method in comparison.metrics.index:
            ends = tuple(frame.loc[method, metric] for frame in (comparison.metrics, comparison.low, comparison.high))
            values.setdefault(str(method), []).insert(0, (share, ends))
    return [
        {
            "method": method,
            "x": [share for share, _ in points],
            **{key: exact([ends[place] for _, ends in points]) for place, key in enumerate(("y", "low", "high"))},
        }
        for method, points in values.items()
        if len(points) > 1
    ]


def _share(table: Standings) -> float | None:
    """The share of the labels that a table's rows learn from; None where it belongs to no such series."""
    parameters = parse_spelling(table.task.protocol)[1]
    if table.rows.inference == "few-labels" and parameters.keys() == {SHARE}:
        return float(parameters[SHARE])
    return 1.0 if table.rows.inference == "fold" and not parameters else None
