"""The boundary of the leaderboard: from stored predictions to estimates, tests and ranks. Knows nothing of running."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.by_site import by_site
from benchmark.statistics.curves import calibration_error
from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.inference import AREAS, Inferred, by_fold, descriptive, held_out, without_tests
from benchmark.statistics.metric_names import FLAGS, LOWER_IS_BETTER, METRICS, UNORDERED
from benchmark.statistics.multiplicity import ALPHA, best_set, better_than, holm, letters, rank_intervals
from benchmark.statistics.power import Power, detectable_difference
from benchmark.system.errors import BenchmarkError, UnknownNameError

Index = NDArray[np.intp]

INFERENCES: Mapping[str, Callable[[Evaluation, str, Index, Index], Inferred]] = {
    "fold": by_fold,
    "site": by_site,
    "held-out": held_out,
}
"""By what a protocol declares; any other value is descriptive."""
SECONDARY = ("p_equivalent", "p_delong", "p_mcnemar", "p_mcnemar_recall", "p_mcnemar_specificity", "p_sign_flip")


@dataclass(frozen=True, eq=False)
class Comparison:
    """The statistics of one table; methods are in display order (best primary mean first, then by name; undefined last).

    Attributes
    ----------
    metrics, low, high : method x metric; the mean and its 95 % interval, NaN where undefined
    spread : method x metric; SD over training seeds (inference "held-out"), NaN elsewhere
    rank_low, rank_high : by method; NaN for descriptive rows and where there are no p-values
    best_set : by method; True, False, or None where there are no p-values
    letters : by method; ranked rows that share a letter are not shown to differ; "" where there are no p-values
    pairs : each unordered pair of ranked methods once: a, b, difference (a - b), low, high, p, p_holm; the secondary p-values
        (not adjusted, NaN where they do not apply), and `p_equivalent`, the probability that the difference is below
        `resampled.ROPE`; `identical` (equal predictions: the same run), `degenerate` (a difference
        without variance), `near_chance` (both intervals of an AUC include .5: `p_holm` is then 1, no difference is called)
    per_split : metric -> method x split
    per_site : site x (n, positives, small, then each method's primary mean); None but for inference by site
    heterogeneity : method x (tau, i2, random_effects_auc, random_effects_low, random_effects_high, worst_site, worst_auc);
        None but for inference by site
    ensemble_auc : by method, the AUC of seed-averaged predictions; NaN for constant ones, whose order means nothing
    calibration_error : by method, the expected calibration error (`curves.calibration_error`)
    auprc_baseline : prevalence of label 1
    power : minimum detectable difference, NaN where there is no test
    notes : facts to print
    """

    metric: str
    metrics: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    spread: pd.DataFrame
    rank_low: pd.Series[float]
    rank_high: pd.Series[float]
    best_set: pd.Series[bool]
    letters: pd.Series[str]
    pairs: pd.DataFrame
    per_split: dict[str, pd.DataFrame]
    per_site: pd.DataFrame | None
    heterogeneity: pd.DataFrame | None
    ensemble_auc: pd.Series[float]
    calibration_error: pd.Series[float]
    auprc_baseline: float
    power: Power
    notes: list[str]


def compare(
    task: pd.DataFrame,
    scores: pd.DataFrame,
    thresholds: pd.DataFrame,
    *,
    inference: str,
    ranked: Sequence[str],
    metric: str = "auc",
    interim: bool = False,
    awaited: int = 0,
) -> Comparison:
    """The statistics of one (dataset, protocol) table from complete methods' predictions.

    Parameters
    ----------
    task : DataFrame
        One row per (split, test case): split, seed, site ("" where none is held out), case, label; in split order.
    scores : DataFrame
        The same index, one column of P(label = 1) per complete method, descriptive rows included; no NaN: a method that the
        seed does not change and that ran once is given under every seed.
    thresholds : DataFrame
        Index split, a column per method.
    inference : str
        One of `INFERENCES`: what the protocol declares; any other is descriptive.
    ranked : sequence of str
        The family of comparisons, columns of `scores`.
    metric : str
        The primary metric.
    interim : bool
        Estimates only, for a table whose splits are not all computed (no optional stopping).
    awaited : int
        How many rows of the family are still to come: their pairs count in Holm's correction, their places in the ranks.

    Raises
    ------
    BenchmarkError
        If the frames do not fit together, or the primary metric has no better direction.
    """
    if metric not in METRICS:
        raise UnknownNameError("metric", metric, METRICS)
    if metric in UNORDERED:
        raise BenchmarkError(f"primary metric '{metric}' cannot rank, its ideal lies in the middle: choose e.g. 'auc'")
    run = evaluate(task, scores, thresholds)
    for name in ranked:
        if name not in run.methods:
            raise UnknownNameError("ranked method", name, run.methods)
    family = np.array([run.methods.index(name) for name in ranked], dtype=np.intp)
    first, second = np.triu_indices(len(family), 1)
    inferred = INFERENCES.get(inference, descriptive)(run, metric, family[first], family[second])
    if interim:
        inferred = without_tests(inferred)

    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    order = np.lexsort((np.array(run.methods), -sign * inferred.mean[metric]))
    names = [run.methods[i] for i in order]

    def by_method(values: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
        blank = np.full(len(names), np.nan)
        return pd.DataFrame({key: values.get(key, blank)[order] for key in METRICS}, index=names)

    rows = len(family) + awaited
    to_come = rows * (rows - 1) // 2 - len(first)
    pairs = _pairs(run, inferred, metric, family, first, second, to_come)
    tested = ~np.isnan(inferred.mean[metric][family]) if inferred.test is not None else np.zeros(len(family), dtype=bool)
    ranks = _ranks(pairs, sign, first, second, tested, inferred.mean[metric][family], awaited)
    ranks = ranks.set_axis(list(ranked)).reindex(names)
    power = detectable_difference([], np.nan)
    if inferred.test is not None:
        varying, family_size = inferred.test.error[~inferred.test.degenerate], int(np.isfinite(inferred.test.p).sum()) + to_come
        power = detectable_difference(varying, inferred.test.df, family_size)
    return Comparison(
        metric,
        by_method(inferred.mean),
        by_method(inferred.low),
        by_method(inferred.high),
        by_method(inferred.spread),
        ranks["low"],
        ranks["high"],
        ranks["best"].astype(object).where(ranks["best"].notna(), None),
        ranks["letters"].fillna("").astype(str),
        pairs,
        {key: pd.DataFrame(run.cells[key][order], index=names, columns=list(run.splits)) for key in METRICS},
        inferred.per_site,
        None if inferred.heterogeneity is None else inferred.heterogeneity.loc[names],
        pd.Series(np.where(run.cells["constant"].all(axis=1), np.nan, inferred.ensemble_auc)[order], index=names),
        pd.Series(calibration_error(run)[order], index=names),
        inferred.prevalence,
        power,
        inferred.notes + _warnings(run, names, pairs, to_come),
    )


def _pairs(
    run: Evaluation, inferred: Inferred, metric: str, family: Index, first: Index, second: Index, to_come: int
) -> pd.DataFrame:
    a, b = family[first], family[second]
    blank = np.full(len(a), np.nan)
    test = inferred.test
    names = np.array(run.methods, dtype=object)
    chance = (inferred.low["auc"] <= 0.5) & (inferred.high["auc"] >= 0.5) & (metric in AREAS)
    content = np.array([hash(row.tobytes() + cut.tobytes()) for row, cut in zip(run.scores, run.thresholds, strict=True)])
    return pd.DataFrame(
        {
            "a": names[a],
            "b": names[b],
            "difference": inferred.mean[metric][a] - inferred.mean[metric][b],
            "low": blank if test is None else test.low,
            "high": blank if test is None else test.high,
            "p": blank if test is None else test.p,
            "p_holm": blank if test is None else _gated(holm(test.p, to_come), chance[a] & chance[b]),
            **{key: inferred.secondary.get(key, blank) for key in SECONDARY},
            "identical": content[a] == content[b],
            "degenerate": np.zeros(len(a), dtype=bool) if test is None else test.degenerate,
            "near_chance": chance[a] & chance[b],
        }
    )


def _gated(p_holm: NDArray[np.float64], near_chance: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Adjusted p, 1 where neither row is shown to know anything: no difference between two rows near chance is called."""
    return np.where(near_chance & np.isfinite(p_holm), 1.0, p_holm)


def _ranks(
    pairs: pd.DataFrame,
    sign: float,
    first: Index,
    second: Index,
    tested: NDArray[np.bool_],
    mean: NDArray[np.float64],
    awaited: int,
) -> pd.DataFrame:
    """Rank interval, best set and letters of each ranked method with p-values; NaN and None for the others."""
    p = pairs["p_holm"].to_numpy(dtype=np.float64)
    difference = sign * pairs["difference"].to_numpy(dtype=np.float64)
    better = better_than(p, difference, first, second, len(tested))[np.ix_(tested, tested)]
    ranks = pd.DataFrame(index=np.arange(len(tested)), columns=["low", "high", "best", "letters"], dtype=object)
    ranks.loc[tested, "low"], ranks.loc[tested, "high"] = rank_intervals(better, awaited)
    ranks.loc[tested, "best"] = best_set(better)
    order = np.argsort(-sign * mean[tested], kind="stable")
    ranks.loc[np.flatnonzero(tested)[order], "letters"] = letters(better[np.ix_(order, order)])
    return ranks.astype({"low": np.float64, "high": np.float64})


def _warnings(run: Evaluation, names: list[str], pairs: pd.DataFrame, to_come: int) -> list[str]:
    """Constant predictions, rows without a predicted class, identical runs and differences without variance."""
    total = len(run.splits)
    notes = []
    for name in names:
        row = run.methods.index(name)
        constant, silent, silent0 = (int(run.cells[flag][row].sum()) for flag in FLAGS)
        if constant:
            notes.append(f"{name}: constant predictions in {constant} of {total} splits (AUC .5 there)")
            continue
        for label, count in ((1, silent), (0, silent0)):
            if count:
                rule = f"precision and F1 of label {label} are 0 there"
                notes.append(f"{name}: label {label} was never predicted in {count} of {total} splits ({rule})")
    for pair in pairs[pairs["identical"]].itertuples():
        notes.append(f"{pair.a} and {pair.b}: identical predictions, the same run")
    for pair in pairs[pairs["near_chance"] & (holm(pairs["p"], to_come) < ALPHA)].itertuples():
        notes.append(
            f"{pair.a} and {pair.b}: the AUC intervals of both include .5, so their difference is not called (p (Holm) 1)"
        )
    for pair in pairs[pairs["degenerate"] & (pairs["p"] == 0)].itertuples():
        notes.append(f"{pair.a} and {pair.b}: the same difference in every part, p = 0 by rule")
    return notes
