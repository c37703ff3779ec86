"""What a table says of the rows that the user of this machine added to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.leaderboard.conclusions import listed, metric_name
from benchmark.leaderboard.standings import Standings, awaited, frames
from benchmark.leaderboard.tables import p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.multiplicity import ALPHA

NAMED = 4
"""Rows that a sentence names; of more it says how many there are."""


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
    estimate = f"Your row `{name}` has {metric_name(table.metric)} {_estimate(comparison, name)}"
    if name not in table.ranked:
        return f"{estimate}; it is descriptive: shown, and neither ranked nor tested."
    sentences = [estimate + _standing(table, comparison, name), _likeness(table, comparison, name, catalogue)]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _estimate(comparison: Comparison, name: str) -> str:
    mean, low, high = (frame[comparison.metric][name] for frame in (comparison.metrics, comparison.low, comparison.high))
    return f"{mean:.3f}" + (f" ({low:.3f} to {high:.3f})" if np.isfinite(low) else "") if np.isfinite(mean) else "undefined"


def _standing(table: Standings, comparison: Comparison, name: str) -> str:
    """Its rank interval and the rows from which it differs; nothing where it is not tested."""
    if comparison.best_set[name] is None:
        return ""
    low, high = comparison.rank_low[name], comparison.rank_high[name]
    ranks = f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"
    rows = int(comparison.rank_low.notna().sum()) + len(awaited(table.rows))
    sign = -1.0 if table.metric in LOWER_IS_BETTER else 1.0
    pairs = table.against(name)
    differing = [other for other in table.ranked if other in pairs and pairs[other][_adjusted(comparison)] < ALPHA]
    better = [other for other in differing if sign * pairs[other]["difference"] < 0]
    worse = [other for other in differing if other not in better]
    others = len(pairs)
    return (
        f", rank {ranks} of {rows}; significantly better than {_counted(better, others)}; "
        f"significantly worse than {_counted(worse, others)}"
    )


def _counted(names: list[str], others: int) -> str:
    return f"{len(names)} of {others} rows" if len(names) > NAMED else listed(names)


def _adjusted(comparison: Comparison) -> str:
    """The column of the p-values that count all pairs of the table."""
    return "p_adjusted" if "p_adjusted" in comparison.pairs else "p_holm"


def _likeness(table: Standings, comparison: Comparison, name: str, catalogue: Catalogue) -> str:
    """How it differs from the best of the other rows with the same inputs, ranked or not; nothing where there is none."""
    inputs = _inputs(name, catalogue)
    scored = comparison.metrics[table.metric].dropna().index
    alike = [str(other) for other in scored if other != name and _inputs(str(other), catalogue) == inputs]
    if name not in scored or not alike:
        return ""
    like = alike[0]
    ranked = like in table.ranked
    pair = table.against(like)[name] if ranked else _alone(table, name, like)
    what = f"{', '.join(sorted(inputs)) or 'none'}; {'ranked' if ranked else 'descriptive'}"
    difference = f"Of the other rows with its inputs `{like}` scores best ({what}): {_difference(pair)} from it"
    if not np.isfinite(pair["p"]):
        return difference
    if ranked:
        return f"{difference}, p {p_value(pair[_adjusted(comparison)])}, adjusted for all pairs of the table"
    return f"{difference}, p {p_value(pair['p'])}, unadjusted: of this pair alone, which was chosen by its score"


def _inputs(name: str, catalogue: Catalogue) -> frozenset[str]:
    return frozenset[str]().union(*catalogue.method(name).modalities)


def _alone(table: Standings, name: str, other: str) -> Mapping[Any, Any]:
    """The pair as name - other, tested as if there were no other row."""
    task, scores, thresholds = frames(table.rows)
    both = [name, other]
    alone = compare(task, scores[both], thresholds[both], inference=table.rows.inference, ranked=both, metric=table.metric)
    return alone.pairs.to_dict("records")[0]


def _difference(pair: Mapping[Any, Any]) -> str:
    interval = f" ({pair['low']:+.3f} to {pair['high']:+.3f})" if np.isfinite(pair["low"]) else ""
    return f"{pair['difference']:+.3f}{interval}"
