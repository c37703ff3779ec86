"""The records of the charts, made here once for the page and for papers alike: without NaN, ready for JSON.

Estimates and tests keep every digit, for whoever shows them rounds them once; the points of curves have `DECIMALS`. Records are
held in blocks: each entry of a block is one value for all its records, or a list of one for each. Nothing is computed here that
`Comparison` and `curves` do not hold, and every verdict is decided here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from benchmark.leaderboard.answers import BETTER, UNTESTED, WORSE
from benchmark.leaderboard.charts import LEVELS, SHOWN
from benchmark.leaderboard.columns import Line, known
from benchmark.leaderboard.critical_difference import Blocks
from benchmark.leaderboard.tables import figure
from benchmark.registry.spelling import parse_spelling
from benchmark.statistics.comparison import SECONDARY, Comparison
from benchmark.statistics.curves import Curve, Curves
from benchmark.statistics.metric_names import LOWER_IS_BETTER
from benchmark.statistics.multiplicity import ALPHA
from benchmark.statistics.student import EQUIVALENT

Block = dict[str, Any]

DECIMALS = 4
ESTIMATE = ("mean", "low", "high")
UNCHANGED = "as registered"


def records(blocks: Iterable[Block]) -> list[Block]:
    """The records of some blocks, one after the other."""
    return [
        {key: value[i] if isinstance(value, list) else value for key, value in block.items()}
        for block in blocks
        for i in range(next(len(value) for value in block.values() if isinstance(value, list)))
    ]


def exact(values: ArrayLike) -> list[Any]:
    """Nested lists of numbers with all their digits, None for what is not finite."""
    array = np.asarray(values, dtype=np.float64)
    plain = (array + 0.0).astype(object)
    plain[~np.isfinite(array)] = None
    return list(plain.tolist())


def rounded(values: ArrayLike) -> list[Any]:
    """The same with `DECIMALS` decimals: points of curves, which are drawn and shown with so many."""
    return exact(np.round(np.asarray(values, dtype=np.float64), DECIMALS))


def forest(rows: Sequence[Line]) -> Block:
    """The ranked rows' differences to the first of them."""
    first, *others = (line for line in rows if line["ranked"])
    return {
        "method": [first["method"], *(line["method"] for line in others)],
        "difference": [0.0, *exact([line["difference"] for line in others])],
        "low": [None, *exact([line["difference_low"] for line in others])],
        "high": [None, *exact([line["difference_high"] for line in others])],
        "shown": [SHOWN[0], *_beside_the_first(others)],
    }


def intervals(rows: Sequence[Line]) -> Block:
    """The ranked rows' estimates; `shown` is what the test of each against the first of them says, `text` the estimate."""
    ranked = [line for line in rows if line["ranked"]]
    return {
        "method": [line["method"] for line in ranked],
        **{key: exact([line[key] for line in ranked]) for key in ESTIMATE},
        "shown": [SHOWN[0], *_beside_the_first(ranked[1:])][: len(ranked)],
        "text": [figure(line["mean"]) for line in ranked],
    }


def _beside_the_first(others: Sequence[Line]) -> list[str]:
    p = [line.get("p_adjusted", np.nan) for line in others]
    return [SHOWN[1 if each < ALPHA else 2] if known(each) else SHOWN[3] for each in p]


def pairs(comparison: Comparison, names: Sequence[str]) -> Block:
    """Every listed pair of ranked rows once, the better mean first: tests, flags, and the verdict in words of the charts.

    `verdict` says of a: "better", "worse", "equal", "none" (no difference is shown), "near chance", "same run" or "undefined";
    `of_a` and `of_b` are how the matrix shows the pair in the row of either.
    """
    place = {name: i for i, name in enumerate(names)}
    frame = comparison.listed
    turned = np.array([place[a] > place[b] for a, b in zip(frame["a"], frame["b"], strict=True)], dtype=bool)
    sign = np.where(turned, -1.0, 1.0)
    first, second = np.where(turned, frame["b"], frame["a"]), np.where(turned, frame["a"], frame["b"])
    difference, low, high = (frame[key].to_numpy(dtype=np.float64) for key in ("difference", "low", "high"))
    greater = sign * difference * (-1.0 if comparison.metric in LOWER_IS_BETTER else 1.0) > 0
    kept = [key for key in ("p", "p_adjusted", "p_holm", *SECONDARY) if frame[key].notna().any()]
    return {
        "a": first.tolist(),
        "b": second.tolist(),
        "a_place": [place[name] for name in first],
        "b_place": [place[name] for name in second],
        "difference": exact(sign * difference),
        "low": exact(np.where(turned, -high, low)),
        "high": exact(np.where(turned, -low, high)),
        **{key: exact(frame[key]) for key in kept},
        "verdict": _verdicts(frame, greater),
        "of_a": _levels(frame["p_adjusted"].to_numpy(dtype=np.float64), greater),
        "of_b": _levels(frame["p_adjusted"].to_numpy(dtype=np.float64), ~greater),
    }


def alone(contrasts: pd.DataFrame, names: Sequence[str]) -> Block:
    """The pairs of rows each as the only one that was named in advance (`judged`).

    `a_place` and `b_place` are places in `names`. `said` has a letter for each pair, what is said of "a is better than b":
    Better, Worse, Open, or no difference because neither is above Chance, both are the Same run, or no part Differs; or
    Untested.
    """
    call = contrasts["call"]
    cases = {
        "u": call == UNTESTED,
        "b": call == BETTER,
        "w": call == WORSE,
        "s": contrasts["identical"],
        "d": contrasts["degenerate"],
        "c": contrasts["near_chance"],
    }
    conditions = [case.to_numpy(dtype=bool) for case in cases.values()]
    place = {name: i for i, name in enumerate(names)}
    return {
        **{f"{side}_place": [place[name] for name in contrasts[side]] for side in ("a", "b")},
        **{key: exact(contrasts[key]) for key in ("difference", "low", "high", "detectable")},
        "p": exact(contrasts["p_adjusted"]),
        "said": "".join(np.select(conditions, list(cases), "o").tolist()),
    }


def _verdicts(frame: pd.DataFrame, better: NDArray[np.bool_]) -> list[str]:
    """What is said of each pair: the first that applies."""
    p, called = frame["p_adjusted"], np.where(better, "better", "worse")
    cases = [
        (frame["identical"], "same run"),
        (p.isna(), "undefined"),
        (p < ALPHA, called),
        (frame["p_equivalent"] > EQUIVALENT, "equal"),
        (frame["near_chance"], "near chance"),
    ]
    conditions, words = zip(*cases, strict=True)
    return list(np.select([case.to_numpy(dtype=bool) for case in conditions], words, "none").tolist())


def _levels(p: NDArray[np.float64], better: NDArray[np.bool_]) -> list[str]:
    """How the matrix shows pairs: each by the strictest of `LEVELS` that its p is below."""
    cases = {
        **{f"row better, p < {level}": (p < float(level)) & better for level in LEVELS},
        **{f"row worse, p < {level}": (p < float(level)) & ~better for level in LEVELS},
        SHOWN[2]: np.isfinite(p),
    }
    return list(np.select(list(cases.values()), list(cases), SHOWN[3]).tolist())


def curve(values: Curve, methods: Sequence[str], names: Sequence[str]) -> list[Block]:
    """A block for each of the names."""
    band = {"low": values.low, "high": values.high} if np.isfinite(values.low).any() else {}
    parts = {"y": values.y, **band}
    return [
        {"method": name, "x": rounded(values.x), **{key: rounded(part[methods.index(name)]) for key, part in parts.items()}}
        for name in names
    ]


def calibration(curves: Curves, names: Sequence[str]) -> list[Block]:
    """A block for each of the names; a record for each bin, without a point where it holds too few predictions."""
    bins = curves.calibration
    middles = rounded((np.arange(bins.share.shape[1]) + 0.5) / bins.share.shape[1])
    parts = {"x": bins.predicted, "y": bins.observed, "low": bins.low, "high": bins.high, "share": bins.share}
    return [
        {"method": name, "middle": middles, **{key: rounded(part[curves.methods.index(name)]) for key, part in parts.items()}}
        for name in names
    ]


def site_names(frame: pd.DataFrame) -> dict[str, str]:
    """Site -> its name in a chart, which says whether it is small."""
    return {str(site): f"{site} (small)" if small else str(site) for site, small in frame["small"].items()}


def sites(comparison: Comparison, names: Sequence[str]) -> list[Block]:
    """A block for each of the names; nothing where no site is held out."""
    frame = comparison.per_site
    if frame is None:
        return []
    shared = {
        "site": list(site_names(frame).values()),
        "n": frame["n"].tolist(),
        "positives": frame["positives"].tolist(),
    }
    return [{"method": name, "value": exact(frame[name].to_numpy(dtype=np.float64)), **shared} for name in names]


def ranks(blocks: Blocks) -> Block:
    """Mean ranks over the sites with half the critical difference to either side."""
    value, half = np.array(list(blocks.ranks.values())), blocks.test.critical_difference / 2
    return {"method": list(blocks.ranks), "value": exact(value), "low": exact(value - half), "high": exact(value + half)}


def dots(rows: Sequence[Line], order: Sequence[str]) -> Block:
    """The rows in the suite's order, grouped by the parameters that they change."""
    groups = grouped([line["method"] for line in rows])
    within = sorted(rows, key=lambda line: order.index(line["method"]))
    seen = [groups[line["method"]] for line in within]
    lines = sorted(within, key=lambda line: seen.index(groups[line["method"]]))
    return {
        "label": [line["method"] for line in lines],
        "group": [groups[line["method"]] for line in lines],
        "value": exact([line["mean"] for line in lines]),
        "low": exact([line["low"] for line in lines]),
        "high": exact([line["high"] for line in lines]),
    }


def grouped(names: Sequence[str]) -> dict[str, str]:
    """Row -> the parameters that its spelling changes, with those that any row changes together with them."""
    changed = {name: frozenset(parse_spelling(name)[1]) for name in names}
    groups: list[frozenset[str]] = []
    for parameters in changed.values():
        touched = [group for group in groups if group & parameters]
        groups = [group for group in groups if group not in touched] + [parameters.union(*touched)]
    together = {name: ", ".join(sorted(group)) for group in groups for name in group}
    return {name: together[min(parameters)] if parameters else UNCHANGED for name, parameters in changed.items()}
