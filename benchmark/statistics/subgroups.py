"""Metrics by subgroup of the cases: estimates with the numbers behind them, and no tests.

Predictions of different folds come from different models, so the AUC counts only pairs of cases of one test part.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.arrays import Bools, Floats, Index
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.ordering import auc, order_cases
from benchmark.statistics.sites import small_sites

AGE = "age"
"""The attribute, in years, that is cut at `AGE_EDGES` rather than at its quartiles."""
AGE_EDGES = (55, 65, 75, 85)
CATEGORIES = 6
"""Numbers with more distinct values than these are cut into quartiles."""
UNKNOWN = "not known"
SUBGROUP_METRICS = ("auc", "accuracy", "recall", "specificity", "brier", "mean_probability", "observed_share")
"""`mean_probability` beside `observed_share` (of label 1) is calibration in the large."""
BY_CLASS = frozenset({"auc", "recall", "specificity"})
"""Undefined in a small subgroup."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """The subgroups of n cases: `names` (G,), none of them empty, `UNKNOWN` last; `codes` (n,) positions in `names`."""

    names: tuple[str, ...]
    codes: Index


@dataclass(frozen=True, eq=False)
class Subgroups:
    """What M methods reach in each of G subgroups.

    `cases`, `positives` and `small` are (G,), of the cases that some test part holds; `pairs` (G,) is the mean over seeds of
    the number of pairs behind an AUC; `metrics` maps each of `SUBGROUP_METRICS` to (M, G), NaN where undefined.
    """

    cases: Index
    positives: Index
    small: Bools
    pairs: Floats
    metrics: dict[str, Floats]


def group_cases(values: pd.Series[Any]) -> Grouping:
    """Subgroups by an attribute: `values` (n,), whose name says whether it is the age.

    Categories stay as they are, in their own order; `AGE` comes in bands; other numbers with at most `CATEGORIES` distinct
    values are categories and with more are cut at their quartiles. What is missing or infinite is `UNKNOWN`.
    """
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        categories = values.astype("category").cat
        return _grouping(categories.codes.to_numpy(), [str(category) for category in categories.categories])
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(numbers)
    if str(values.name).strip().lower() == AGE:
        bands = [f"{low}-{high - 1}" for low, high in pairwise(AGE_EDGES)]
        names = [f"<{AGE_EDGES[0]}", *bands, f"{AGE_EDGES[-1]}+"]
        return _grouping(np.where(known, np.searchsorted(AGE_EDGES, numbers, side="right"), -1), names)
    distinct = np.unique(numbers[known])
    if len(distinct) <= CATEGORIES:
        return _grouping(np.where(known, np.searchsorted(distinct, numbers), -1), [_shown(value) for value in distinct])
    edges = np.unique(np.quantile(numbers[known], (0.25, 0.5, 0.75), method="inverted_cdf"))
    # Observed values in all their digits, so that a subgroup's name is true of its cases.
    shown = [_shown(edge) for edge in edges]
    names = [f"up to {shown[0]}", *(f"above {low} to {high}" for low, high in pairwise(shown)), f"above {shown[-1]}"]
    return _grouping(np.where(known, np.searchsorted(edges, numbers, side="left"), -1), names)


def _grouping(codes: NDArray[np.integer], names: list[str]) -> Grouping:
    """Subgroups of the cases by their position in `names`, -1 where it is not known."""
    by_case = np.array([*names, UNKNOWN], dtype=object)[codes]
    held = set(by_case)
    kept = [name for name in dict.fromkeys([*(name for name in names if name != UNKNOWN), UNKNOWN]) if name in held]
    return Grouping(tuple(kept), pd.Index(kept).get_indexer(pd.Index(by_case)).astype(np.intp))


def _shown(value: float) -> str:
    """A number by its fewest digits: 1.5, 3, 120."""
    return np.format_float_positional(value, trim="-")


def describe(evaluation: Evaluation, groups: Index, count: int) -> Subgroups:
    """Every metric of every method in every subgroup.

    Parameters
    ----------
    evaluation : Evaluation
        M methods on R test rows.
    groups : (R,)
        The subgroup of each row's case, in 0..count-1, in the order of `found.patient`.
    count : int
        The number G of subgroups.

    Returns
    -------
    Subgroups
        Metrics are computed within a seed and averaged over the seeds in which they are defined. The AUC of a seed is
        (concordant pairs + half the tied ones) / pairs, over pairs of one test part; `BY_CLASS` is NaN in a small subgroup.
    """
    _, first = np.unique(evaluation.patient, return_index=True)
    cases = np.bincount(groups[first], minlength=count)
    positives = np.bincount(groups[first][evaluation.labels[first] == 1], minlength=count)
    small = small_sites(positives, cases - positives)
    seeds, of_split = np.unique(evaluation.seed, return_inverse=True)
    place = groups * len(seeds) + of_split[evaluation.split_of_row]
    right = (evaluation.scores > evaluation.thresholds[:, evaluation.split_of_row]) == (evaluation.labels == 1)
    wins, pairs = _concordant(evaluation, groups, count, of_split)

    def within(values: NDArray[Any], rows: Any = slice(None)) -> Floats:
        above, below = (
            np.array([np.bincount(place[rows], weights=row, minlength=count * len(seeds)) for row in weights])
            for weights in (values[:, rows], np.ones((1, len(place[rows]))))
        )
        return _over_seeds(above.reshape(-1, count, len(seeds)), below.reshape(-1, count, len(seeds)))

    metrics = {
        "auc": _over_seeds(wins, pairs[None]),
        "accuracy": within(right),
        "recall": within(right, evaluation.labels == 1),
        "specificity": within(right, evaluation.labels == 0),
        "brier": within((evaluation.scores - evaluation.labels) ** 2),
        "mean_probability": within(evaluation.scores),
        "observed_share": np.repeat(within(evaluation.labels[None]), len(evaluation.scores), axis=0),
    }
    for name in BY_CLASS:
        metrics[name][:, small] = np.nan
    return Subgroups(cases, positives, small, pairs.mean(axis=1), metrics)


def _concordant(evaluation: Evaluation, groups: Index, count: int, of_split: Index) -> tuple[Floats, Floats]:
    """Concordant pairs (M, G, S) of one test part, ties counting half, and pairs (G, S), summed over the splits of a seed."""
    seeds = int(of_split.max()) + 1
    wins, pairs = np.zeros((len(evaluation.scores), count, seeds)), np.zeros((count, seeds))
    for part, seed in zip(evaluation.rows, of_split, strict=True):
        for group in np.unique(groups[part]):
            rows = part.start + np.flatnonzero(groups[part] == group)
            labels = evaluation.labels[rows]
            number = int(labels.sum()) * int((labels == 0).sum())
            if number:
                wins[:, group, seed] += number * auc(order_cases(labels, evaluation.scores[:, rows]))
                pairs[group, seed] += number
    return wins, pairs


def _over_seeds(above: Floats, below: Floats) -> Floats:
    """The mean over seeds (M, G) of above / below, both (M, G, S), where below is not 0; NaN where it always is."""
    defined = np.broadcast_to(below != 0, above.shape)
    shares = np.divide(above, below, out=np.zeros(above.shape), where=defined)
    number = defined.sum(axis=-1)
    return np.asarray(np.divide(shares.sum(axis=-1), number, out=np.full(number.shape, np.nan), where=number != 0))
