"""What a table shows, in plain sentences made from its numbers."""

import numpy as np
import pandas as pd

from benchmark.leaderboard.standings import Standings, awaited
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import LOWER_IS_BETTER, metric_name
from benchmark.statistics.multiplicity import ALPHA
from benchmark.statistics.student import EQUIVALENT, ROPE
from benchmark.system.terminal import counted

FEW_NAMES = 4
"""So many rows are named; more are counted."""


def listed(names: list[str]) -> str:
    """`a`, `b` and `c`."""
    *others, last = [f"`{name}`" for name in names] or ["none"]
    return f"{', '.join(others)} and {last}" if others else last


def adjustment(comparison: Comparison) -> str:
    """What the p-values of all pairs are adjusted by."""
    return "max-T" if np.isfinite(comparison.inflation) else "Holm"


def conclusion(table: Standings, catalogue: Catalogue | None = None) -> str:
    """What a table shows, in short sentences: at most six where it is complete; many rows are named by what they see."""
    comparison, ranked = table.comparison, table.ranked
    if comparison is None:
        return "No row is complete yet: nothing can be concluded."
    if table.interim:
        return "Interim: estimates only. Tests wait until every ranked row is complete: nobody can stop at a lucky moment."
    if table.rows.descriptive:
        return (
            f"Descriptive: {table.rows.descriptive}. Nothing is tested; the order of the rows is not evidence of a difference."
        )
    if len(table.rows.ranked) < 2:
        return "This suite ranks fewer than two rows: they are shown side by side, and nothing is tested."
    if len(ranked) < 2:
        return "There are fewer than two complete ranked rows: nothing to compare." + _missing(table)
    if not table.tested:
        return _why_no_tests(table, comparison) + _missing(table)
    tested = [name for name in ranked if comparison.best_set.get(name) is not None]
    protocol = None if catalogue is None else catalogue.protocol(table.task.protocol).entry
    elsewhere = protocol is not None and protocol.error is None and protocol.card.elsewhere
    sentences = [_calibration(comparison, tested[0])] if elsewhere else []
    sentences += [*_leaders(table, comparison, tested, catalogue), "" if elsewhere else _equivalences(comparison.pairs)]
    untested = [name for name in ranked if name not in tested]
    if untested:
        undefined = f"{metric_name(table.metric)} is undefined in one of their test parts"
        sentences.append(f"Not tested, because {undefined}: {listed(untested)}.")
    if np.isfinite(comparison.power.detectable):
        family, alone = comparison.power.detectable, comparison.power.detectable_alone
        sentences.append(
            f"True differences under {family:.3f} may be missed here ({alone:.3f} for one comparison planned in advance), so "
            "rows that are not shown to differ need not be equal."
        )
    if table.rows.inference == "held-out":
        sentences.append("Conditional on the trained models.")
    return " ".join(filter(None, sentences)) + _missing(table) + _own(table)


def _leaders(table: Standings, comparison: Comparison, tested: list[str], catalogue: Catalogue | None) -> list[str]:
    """Who is best, who is not shown to be worse than anybody, and the greatest difference that is shown."""
    best = [name for name in tested if comparison.best_set.get(name)]
    others, metric, first = [name for name in tested if name not in best], metric_name(table.metric), tested[0]
    sentences = [f"`{first}` has the best {metric}{_above(table, comparison, first)}."]
    if not others:
        return [*sentences, f"No difference in {metric} between the {len(tested)} rows is shown."]
    if len(best) == 1 and comparison.rank_high[first] == 1:
        rest = f"each of the other {len(others)} rows" if len(others) > 1 else "the other row"
        sentences.append(f"It is significantly better than {rest}.")
    else:
        those = in_groups(best, table, catalogue)
        sentences.append(
            f"{len(best)} of {len(tested)} rows are in the best set, which no row significantly outperforms: {those}."
        )
        are = "is" if len(others) == 1 else "are"
        sentences.append(f"{in_groups(others, table, catalogue)} {are} significantly worse than at least one row.")
    shown = comparison.pairs[comparison.pairs["p_adjusted"] < ALPHA]
    pair = shown.iloc[int(shown["difference"].abs().argmax())]
    sign = 1.0 if (pair["difference"] > 0) != (table.metric in LOWER_IS_BETTER) else -1.0
    winner, loser = (pair["a"], pair["b"]) if sign > 0 else (pair["b"], pair["a"])
    low, high = sorted((sign * pair["low"], sign * pair["high"]))
    apart = f"{sign * pair['difference']:+.3f} ({low:+.3f} to {high:+.3f})"
    return [*sentences, f"The greatest of {len(shown)} differences shown is that of `{winner}` from `{loser}`, {apart}."]


def _above(table: Standings, comparison: Comparison, first: str) -> str:
    """The estimate of the first ranked row, and which descriptive row has a better one, if any: that is no evidence."""
    own = estimate(comparison, first, table.metric)
    leader = str(comparison.metrics[table.metric].dropna().index[0])
    its = estimate(comparison, leader, table.metric)
    if leader in table.ranked or its == own:
        return f", {own}"
    return f" of the ranked rows, {own}; descriptive `{leader}`, which is not tested, has {its}"


def _calibration(comparison: Comparison, name: str) -> str:
    """Whether a row's probabilities fit patients of another place: what is asked first of a model that is carried there."""
    intercept, slope = (estimate(comparison, name, metric) for metric in ("calibration_intercept", "calibration_slope"))
    return f"Where it was not trained, `{name}` has the calibration intercept {intercept} and slope {slope}: 0 and 1 would fit."


def estimate(comparison: Comparison, name: str, metric: str) -> str:
    """A row's mean with its interval, where it has one."""
    frames = (comparison.metrics, comparison.low, comparison.high)
    mean, low, high = (frame[metric].to_numpy()[frame.index.get_loc(name)] for frame in frames)
    interval = f" ({low:.3f} to {high:.3f})" if np.isfinite(low) else ""
    return f"{mean:.3f}{interval}" if np.isfinite(mean) else "undefined"


def in_groups(names: list[str], table: Standings, catalogue: Catalogue | None) -> str:
    """Rows by name where they are few, else counted by the modalities that they see."""
    if catalogue is None or len(names) <= FEW_NAMES:
        return listed(names)
    groups: dict[str, list[str]] = {}
    for name in names:
        inputs = sorted(frozenset[str]().union(*catalogue.method(name).modalities))
        groups.setdefault(", ".join(inputs[:-1]) + " and " * (len(inputs) > 1) + "".join(inputs[-1:]), []).append(name)
    parts = [
        f"{len(group)} rows that see {inputs or 'nothing'}" if len(group) > 1 else f"`{group[0]}`"
        for inputs, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def of_the_proposed(table: Standings, catalogue: Catalogue) -> str:
    """Where each ranked row of the family `proposed` stands among others; nothing of ablations."""
    comparison = table.comparison
    if comparison is None or table.interim or len(table.ranked) < 2:
        return ""
    proposed = {entry.name for entry in catalogue.methods if not entry.error and entry.card.family == "proposed"}
    rows = [name for name in table.ranked if parse_spelling(name)[0] in proposed]
    if len(rows) == len(table.ranked):
        return ""
    return "".join(f" The proposed {place(table, comparison, name)}." for name in rows)


def place(table: Standings, comparison: Comparison, name: str) -> str:
    """A row's estimate; of a tested one also its rank and which rows are significantly better and worse."""
    text = f"`{name}` has {metric_name(table.metric)} {estimate(comparison, name, table.metric)}"
    if comparison.best_set.get(name) is None:
        return text
    low, high = comparison.rank_low[name], comparison.rank_high[name]
    ranks = f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"
    rows = int(comparison.rank_low.notna().sum()) + len(awaited(table.rows))
    sign, pairs = -1.0 if table.metric in LOWER_IS_BETTER else 1.0, table.against(name)
    gaps = {other: sign * pair["difference"] for other, pair in pairs.items() if pair["p_adjusted"] < ALPHA}
    worse, better = ([other for other in table.ranked if way * gaps.get(other, 0.0) > 0] for way in (-1, 1))
    return (
        f"{text}, rank {ranks} of {rows}; significantly better than {_counted(worse, len(pairs))}; "
        f"significantly worse than {_counted(better, len(pairs))}"
    )


def _counted(names: list[str], others: int) -> str:
    return f"{len(names)} of {others} rows" if len(names) > FEW_NAMES else listed(names)


def _equivalences(pairs: pd.DataFrame) -> str:
    """Which pairs are shown to be practically equal."""
    testable = pairs["p_equivalent"].notna() & ~pairs["identical"] & ~(pairs["p_adjusted"] < ALPHA)
    equal = pairs[testable & (pairs["p_equivalent"] > EQUIVALENT)]
    if equal.empty:
        return ""
    named = "; ".join(listed([str(pair.a), str(pair.b)]) for pair in equal.head(3).itertuples())
    more = f", and {counted(len(equal) - 3, 'more pair')}" if len(equal) > 3 else ""
    return f"Shown to be equal within {ROPE:.2f} (probability above {EQUIVALENT}): {named}{more}."


def _missing(table: Standings) -> str:
    """The ranked rows that the family lacks: with them more comparisons would be corrected for."""
    applicable = [name for name in table.rows.ranked if name not in {row for row, _ in table.rows.not_applicable}]
    missing = [name for name in applicable if name not in table.ranked]
    if not missing:
        return ""
    corrected = " The correction and the ranks count rows still to come." if table.tested and awaited(table.rows) else ""
    return f" {len(table.ranked)} of {len(applicable)} ranked rows are complete; missing: {listed(missing)}.{corrected}"


def _own(table: Standings) -> str:
    """That rows of this machine stand among published ones: what was tried and taken out again, no correction knows."""
    own = [name for name in table.ranked if table.row(name).source == "local"]
    if len(own) in (0, len(table.ranked)):
        return ""
    return f" {listed(own)}: computed on this machine; the correction does not cover rows that were tried here and removed."


def _why_no_tests(table: Standings, comparison: Comparison) -> str:
    sites = comparison.counted_sites
    if sites is not None:
        return (
            f"Descriptive: with {sites} sites of sufficient size (site: {table.site}) there are no p-values, intervals or "
            "ranks over sites; at least 6 are needed. The order of the rows is not evidence of a difference."
        )
    name = metric_name(table.metric)
    if comparison.metrics.loc[table.ranked, table.metric].isna().all():
        return f"{name} is undefined in a test part of every row, so nothing is tested and no difference is shown."
    return f"Descriptive: {name} cannot be tested here; the order of the rows is not evidence of a difference."
