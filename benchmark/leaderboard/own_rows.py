"""What a table says of the rows that the user of this machine added to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.leaderboard.conclusions import place
from benchmark.leaderboard.standings import Standings, frames, further
from benchmark.leaderboard.tables import p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison, compare


def own_row_sentences(table: Standings, catalogue: Catalogue) -> list[str]:
    """A paragraph for each complete row of the user's, best first: estimate, rank, what differs, and the row most like it.

    Nothing while the table is interim. Of a row that is only tried it gives the estimate, for such a row is not tested.
    """
    comparison = table.comparison
    if comparison is None or table.interim:
        return []
    own = [str(name) for name in comparison.metrics.index if name in table.rows.own]
    return [_paragraph(table, comparison, name, catalogue) for name in own]


def _paragraph(table: Standings, comparison: Comparison, name: str, catalogue: Catalogue) -> str:
    text = f"Your row {place(table, comparison, name)}"
    if name not in table.ranked:
        return f"{text}; it is descriptive: shown, and neither ranked nor tested."
    return " ".join(f"{sentence}." for sentence in (text, _likeness(table, comparison, name, catalogue)) if sentence)


def _likeness(table: Standings, comparison: Comparison, name: str, catalogue: Catalogue) -> str:
    """How it differs from the best of the other rows with the same inputs, ranked or not; nothing where there is none."""
    inputs = _inputs(name, catalogue)
    scored = comparison.metrics[table.metric].dropna().index
    alike = [str(other) for other in scored if other != name and _inputs(str(other), catalogue) == inputs]
    if name not in scored or not alike:
        return ""
    like = alike[0]
    what = f"{', '.join(sorted(inputs)) or 'none'}; {'ranked' if like in table.ranked else 'descriptive'}"
    chosen = of_pair(table, name, like, chosen=", which was chosen by its score")
    return f"Of the other rows with its inputs `{like}` scores best ({what}): {chosen}"


def of_pair(table: Standings, name: str, other: str, *, chosen: str = "") -> str:
    """How a row differs from another, with p: by the table's family where both are ranked, else of this pair alone.

    `chosen` says what is to be known of the pair where its p is unadjusted.
    """
    ranked = {name, other} <= set(table.ranked)
    pair = table.against(other)[name] if ranked else _alone(table, name, other)
    difference = f"{_difference(pair)} from it"
    if not np.isfinite(pair["p"]):
        return difference
    if ranked:
        return f"{difference}, p {p_value(pair['p_adjusted'])}, adjusted for all pairs of the table"
    return f"{difference}, p {p_value(pair['p_adjusted'])}, unadjusted: of this pair alone{chosen}"


def _inputs(name: str, catalogue: Catalogue) -> frozenset[str]:
    return frozenset[str]().union(*catalogue.method(name).modalities)


def _alone(table: Standings, name: str, other: str) -> Mapping[Any, Any]:
    """The pair as name - other, tested as if there were no other row, unless nothing is tested in the table."""
    task, scores, thresholds = frames(table.rows)
    both = [name, other]
    alone = compare(
        task,
        scores[both],
        thresholds[both],
        inference=table.rows.inference,
        ranked=both,
        metric=table.metric,
        further={metric: frame[both] for metric, frame in further(table.rows).items()},
        interim=table.interim or bool(table.rows.descriptive),
    )
    return alone.pairs.to_dict("records")[0]


def _difference(pair: Mapping[Any, Any]) -> str:
    interval = f" ({pair['low']:+.3f} to {pair['high']:+.3f})" if np.isfinite(pair["low"]) else ""
    return f"{pair['difference']:+.3f}{interval}"
