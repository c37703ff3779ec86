"""What a table shows, in plain sentences made from its numbers."""

import numpy as np
import pandas as pd

from benchmark.leaderboard.standings import Standings, awaited
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.multiplicity import ALPHA
from benchmark.statistics.student import EQUIVALENT, ROPE

NAMES = {"auc": "AUC", "f1": "F1", "mcc": "MCC", "auprc": "AUPRC", "brier": "Brier score"}
"""What metrics are called whose key does not say it."""


def metric_name(metric: str) -> str:
    """A metric's key in words."""
    key = metric.removesuffix("_label0")
    plain = NAMES.get(key, key.replace("_", " "))
    return f"{plain} (label 0 as positive)" if metric.endswith("_label0") else plain


def listed(names: list[str]) -> str:
    """`a`, `b` and `c`."""
    *others, last = [f"`{name}`" for name in names] or ["none"]
    return f"{', '.join(others)} and {last}" if others else last


def adjustment(comparison: Comparison) -> str:
    """What the p-values of all pairs are adjusted by."""
    return "max-T" if np.isfinite(comparison.inflation) else "Holm"


def conclusion(table: Standings) -> str:
    """One paragraph: which differences are shown, or why none can be."""
    comparison, ranked = table.comparison, table.ranked
    if comparison is None:
        return "No row is complete yet: nothing can be concluded."
    if table.interim:
        return "Interim: estimates only. Tests wait until every ranked row is complete: nobody can stop at a lucky moment."
    if len(table.rows.ranked) < 2:
        return "This suite ranks fewer than two rows: they are shown side by side, and nothing is tested."
    if len(ranked) < 2:
        return "There are fewer than two complete ranked rows: nothing to compare." + _missing(table)
    if not table.tested:
        return _why_no_tests(table, comparison) + _missing(table)
    tested = [name for name in ranked if comparison.best_set.get(name) is not None]
    best = [name for name in tested if comparison.best_set.get(name)]
    others = [name for name in tested if name not in best]
    metric = metric_name(table.metric)
    if not others:
        text = f"No method is distinguishable from the best: no difference in {metric} between {len(tested)} rows is shown."
    elif len(best) == 1 and comparison.rank_high[best[0]] == 1:
        rest = f"each of the other {len(others)} tested rows" if len(others) > 1 else "the other tested row"
        text = f"{listed(best)} is significantly better in {metric} than {rest}."
    else:
        text = (
            f"Best set (rows that no other row significantly outperforms in {metric}): {listed(best)}. "
            f"{listed(others)} {'is' if len(others) == 1 else 'are'} significantly worse than at least one row."
        )
    text += _equivalences(comparison.pairs)
    untested = [name for name in ranked if name not in tested]
    if untested:
        text += f" Not tested, because {metric} is undefined in one of their test parts: {listed(untested)}."
    if np.isfinite(comparison.power.detectable):
        pairs = f"{comparison.power.pairs} comparison{'s' if comparison.power.pairs != 1 else ''}"
        text += (
            f" With these {len(table.task.case_ids)} cases and {pairs}, a true difference of "
            f"about {comparison.power.detectable:.3f} would be found with probability .8 (the first rejection needs |t| of "
            f"{comparison.power.first_rejection_t:.1f}); for a single comparison that was named in advance, about "
            f"{comparison.power.detectable_alone:.3f} would be enough."
        )
    conditional = " Conditional on the trained models." if table.rows.inference == "held-out" else ""
    return text + conditional + _missing(table) + _own(table)


def of_the_proposed(table: Standings, catalogue: Catalogue) -> str:
    """Where each ranked row of the family `proposed` stands among others, and which differ from it; nothing of ablations."""
    comparison = table.comparison
    if comparison is None or table.interim or len(table.ranked) < 2:
        return ""
    proposed = {entry.name for entry in catalogue.methods if not entry.error and entry.card.family == "proposed"}
    rows = [name for name in table.ranked if parse_spelling(name)[0] in proposed]
    if len(rows) == len(table.ranked):
        return ""
    text, metric = "", metric_name(table.metric)
    for name in rows:
        mean, place = comparison.metrics[table.metric][name], table.ranked.index(name) + 1
        text += f" The proposed `{name}` has {metric} {mean:.3f}, place {place} of {len(table.ranked)} by its mean"
        if comparison.best_set.get(name) is None:
            text += "."
            continue
        sign = -1.0 if table.metric in LOWER_IS_BETTER else 1.0
        gaps = {other: sign * pair["difference"] for other, pair in table.against(name).items() if pair["p_adjusted"] < ALPHA}
        better, worse = ([other for other in table.ranked if way * gaps.get(other, 0.0) > 0] for way in (1, -1))
        text += f"; significantly better rows: {listed(better)}; significantly worse rows: {listed(worse)}."
    return text


def _equivalences(pairs: pd.DataFrame) -> str:
    """Which pairs are shown to be practically equal; that none is, where the question could be asked."""
    testable = pairs["p_equivalent"].notna() & ~pairs["identical"] & ~(pairs["p_adjusted"] < ALPHA)
    equal = pairs[testable & (pairs["p_equivalent"] > EQUIVALENT)]
    if not testable.any():
        return ""
    if equal.empty:
        return f" No two rows are shown to be equal (within {ROPE:.2f})."
    named = "; ".join(listed([str(pair.a), str(pair.b)]) for pair in equal.head(3).itertuples())
    more = f", and {len(equal) - 3} more pairs" if len(equal) > 3 else ""
    return f" Shown to be equal within {ROPE:.2f} (probability above {EQUIVALENT}): {named}{more}."


def _missing(table: Standings) -> str:
    """The ranked rows that the family lacks: with them more comparisons would be corrected for."""
    applicable = [name for name in table.rows.ranked if name not in {row for row, _ in table.rows.not_applicable}]
    missing = [name for name in applicable if name not in table.ranked]
    if not missing:
        return ""
    counted = " The correction and the ranks count rows still to come." if table.tested and awaited(table.rows) else ""
    return f" {len(table.ranked)} of {len(applicable)} ranked rows are complete; missing: {listed(missing)}.{counted}"


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
