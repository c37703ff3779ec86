"""The boundary of the leaderboard: from stored predictions to estimates, tests and ranks. Knows nothing of running."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark.statistics.arrays import Bools, Floats, Index
from benchmark.statistics.curves import calibration_error
from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.families import Family, Pairs, all_pairs, named, singly
from benchmark.statistics.inference import (
    AREAS,
    MEAN_AREAS,
    Inferred,
    by_fold,
    by_fold_with_few_labels,
    descriptive,
    held_out,
    mean_above_chance,
    without_tests,
)
from benchmark.statistics.max_t import MANY_ROWS, Remembered
from benchmark.statistics.metric_names import FLAGS, LOWER_IS_BETTER, METRICS, UNORDERED
from benchmark.statistics.multiplicity import (
    ALPHA,
    Power,
    best_set,
    better_than,
    detectable_difference,
    holm,
    letters,
    rank_intervals,
)
from benchmark.statistics.sites import by_site
from benchmark.statistics.student import quantile
from benchmark.system.errors import BenchmarkError, UnknownNameError

INFERENCES: Mapping[str, Callable[[Evaluation, str, Index, Index], Inferred]] = {
    "fold": by_fold,
    "few-labels": by_fold_with_few_labels,
    "site": by_site,
    "held-out": held_out,
}
"""By what a protocol declares; any other value is descriptive."""
MANY = f"more than {MANY_ROWS} rows are ranked: none has letters, and only pairs of the first row and of neighbours are listed"
SECONDARY = ("p_equivalent", "p_mcnemar", "p_mcnemar_recall", "p_mcnemar_specificity", "p_sign_flip")


@dataclass(frozen=True, eq=False)
class Comparison:
    """The statistics of one table; methods are in display order (best primary mean first, then by name; undefined last).

    Attributes
    ----------
    metrics, low, high : method x metric; the mean and its 95 % interval, NaN where undefined
    spread : method x metric; SD over training seeds (inference "held-out"), NaN elsewhere
    rank_low, rank_high : by method; NaN for descriptive rows and where there are no p-values
    best_set : by method; True, False, or None where there are no p-values
    letters : by method; ranked rows that share a letter are not shown to differ; "" where there are no p-values, and for
        each of more than `MANY_ROWS` ranked rows
    pairs : each unordered pair of ranked methods once: a, b, difference (a - b); p, its own; p_adjusted, low and high, of
        all pairs together; error, the standard error that the test uses; p_nadeau_bengio and p_holm (Holm's adjustment of t
        tests), NaN where there are none; the secondary p-values (not adjusted, NaN where they do not apply); `p_equivalent`,
        the probability that the difference is below `student.ROPE`; `identical` (equal predictions: the same run), `degenerate`
        (a difference without variance), `near_chance` (neither AUC is shown to be above .5, see `families.near_chance`:
        `p_adjusted` is then 1, no difference is called)
    families : name -> the contrasts that were named in advance, with the same columns, adjusted among themselves alone, and
        `detectable`, the true difference that would be found with probability `multiplicity.POWER`
    inflation, question_inflation : what the covariance of the AUCs was multiplied by in `pairs` and in `families`; NaN where
        another test was used
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
    families: dict[str, pd.DataFrame]
    inflation: float
    question_inflation: float
    per_split: dict[str, pd.DataFrame]
    per_site: pd.DataFrame | None
    heterogeneity: pd.DataFrame | None
    ensemble_auc: pd.Series[float]
    calibration_error: pd.Series[float]
    auprc_baseline: float
    power: Power
    notes: list[str]

    @property
    def listed(self) -> pd.DataFrame:
        """`pairs`; of more than `MANY_ROWS` ranked rows those with the first of them and of neighbours alone."""
        both = self.pairs[["a", "b"]].to_numpy()
        ranked = set(both.ravel())
        names = [name for name in self.metrics.index if name in ranked]
        a, b = pd.Index(names).get_indexer(both.ravel()).reshape(-1, 2).T
        return self.pairs[is_listed(a, b, len(names))]

    @property
    def counted_sites(self) -> int | None:
        """How many held-out sites enter the means; None but for inference by site."""
        return None if self.per_site is None else int((~self.per_site["small"].astype(bool)).sum())


def compare(
    task: pd.DataFrame,
    scores: pd.DataFrame,
    thresholds: pd.DataFrame,
    *,
    inference: str,
    ranked: Sequence[str],
    metric: str = "auc",
    families: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    interim: bool = False,
    awaited: int = 0,
    remembered: Remembered | None = None,
    further: Mapping[str, pd.DataFrame] | None = None,
) -> Comparison:
    """The statistics of one (dataset, protocol) table from complete methods' predictions.

    Parameters
    ----------
    task : DataFrame
        One row per (split, test case): split, seed, site ("" where none is held out), case, label, and group where patients
        have several cases; in split order.
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
    families : mapping
        Name -> pairs of columns of `scores`: contrasts that were named in advance, each family adjusted by itself.
    interim : bool
        Estimates only, for a table whose splits are not all computed (no optional stopping).
    awaited : int
        How many rows of the family are still to come: their pairs count in the correction, their places in the ranks.
    remembered : mapping
        What max-T drew before (`max_t.adjust`); new results are added.
    further : mapping
        Metric -> its values like `thresholds`, NaN where undefined: metrics that do not follow from the scores.

    Raises
    ------
    BenchmarkError
        If the frames do not fit together, or the primary metric has no better direction.
    """
    if metric not in (*METRICS, *(further or {})):
        raise UnknownNameError("metric", metric, (*METRICS, *(further or {})))
    if metric in UNORDERED:
        raise BenchmarkError(f"primary metric '{metric}' cannot rank, its ideal lies in the middle: choose e.g. 'auc'")
    run = evaluate(task, scores, thresholds, further)
    for name in ranked:
        if name not in run.methods:
            raise UnknownNameError("ranked method", name, run.methods)
    family = np.array([run.methods.index(name) for name in ranked], dtype=np.intp)
    first, second = np.triu_indices(len(family), 1)
    places = {name: place for place, name in enumerate(run.methods)}
    contrasts = {name: [(places[x], places[y]) for x, y in of] for name, of in (families or {}).items()}
    every, *advance = _placed(
        [(family[first], family[second]), *(np.array(of, dtype=np.intp).reshape(-1, 2).T for of in contrasts.values())]
    )
    both = [np.concatenate(parts) for parts in zip(*((pairs.a, pairs.b) for pairs in (every, *advance)), strict=True)]
    inferred = _inferred(run, inference, metric, *both, interim=interim)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    order = np.lexsort((np.array(run.methods), -sign * inferred.mean[metric]))
    names = [run.methods[i] for i in order]

    def by_method(values: Mapping[str, Floats]) -> pd.DataFrame:
        blank = np.full(len(names), np.nan)
        return pd.DataFrame({key: values.get(key, blank)[order] for key in run.metrics}, index=names)

    rows = len(family) + awaited
    to_come = rows * (rows - 1) // 2 - len(first)
    compared = all_pairs(inferred, every, to_come, remembered)
    pairs = _pairs(run, inferred, compared, metric, every, to_come)
    score = sign * inferred.mean[metric][family]
    better = better_than(pairs["p_adjusted"].to_numpy(), sign * pairs["difference"].to_numpy(), first, second, len(family))
    tested = _tested(score, pairs, first, second) if inferred.areas or inferred.test else np.arange(0)
    ranks = _ranks(better[np.ix_(tested, tested)], score[tested], awaited)
    ranks = ranks.set_axis(np.array(ranked)[tested]).reindex(names)
    return Comparison(
        metric,
        by_method(inferred.mean),
        by_method({key: low for key, (low, _) in inferred.intervals.items()}),
        by_method({key: high for key, (_, high) in inferred.intervals.items()}),
        by_method(inferred.spread),
        ranks["low"].astype(np.float64),
        ranks["high"].astype(np.float64),
        ranks["best"].astype(object).where(ranks["best"].notna(), None),
        ranks["letters"].fillna("").astype(str),
        pairs,
        {name: _contrasts(run, inferred, metric, of, remembered) for name, of in zip(contrasts, advance, strict=True)},
        compared.inflation,
        np.nan if inferred.areas is None else inferred.areas.questions,
        {key: pd.DataFrame(run.cells[key][order], index=names, columns=list(run.splits)) for key in run.metrics},
        inferred.per_site,
        None if inferred.heterogeneity is None else inferred.heterogeneity.loc[names],
        pd.Series(np.where(run.cells["constant"].all(axis=1), np.nan, inferred.ensemble_auc)[order], index=names),
        pd.Series(calibration_error(run)[order], index=names),
        inferred.prevalence,
        _power(inferred, compared, to_come),
        [*inferred.notes, *([MANY] if len(tested) > MANY_ROWS else []), *_warnings(run, names, pairs)],
    )


def is_listed(a: Index, b: Index, rows: int) -> Bools:
    """Whether a pair is listed, by the places of its rows among so many: of `MANY_ROWS` every one is."""
    return np.asarray((rows <= MANY_ROWS) | (np.minimum(a, b) == 0) | (np.abs(a - b) == 1))


def each_alone(
    run: Evaluation, inference: str, metric: str, *, order: Sequence[str] | None = None, interim: bool = False
) -> pd.DataFrame:
    """Every pair of methods as the only contrast that was named in advance: of each what `compare` gives for it as a family.

    Pairs are those of `numpy.triu_indices`, in the order of the methods, as far as they are listed (`is_listed`) by `order`;
    the columns those of `Comparison.families`.
    """
    a, b = np.triu_indices(len(run.methods), 1)
    places = pd.Index(order or run.methods).get_indexer(pd.Index(run.methods))
    listed = is_listed(places[a], places[b], len(places))
    a, b = a[listed], b[listed]
    pairs = Pairs(a, b, np.arange(len(a)))
    inferred = _inferred(run, inference, metric, a, b, interim=interim)
    found = singly(inferred, pairs)
    detectable = detectable_difference(found.test.error, found.test.df, found.critical)
    if inferred.areas is not None:
        detectable = np.where(found.test.degenerate, np.nan, detectable)
    return _pairs(run, inferred, found, metric, pairs, 0).assign(detectable=detectable)


def _inferred(run: Evaluation, inference: str, metric: str, a: Index, b: Index, *, interim: bool) -> Inferred:
    """What the splits allow of a metric, and of pairs by it."""
    inferred = INFERENCES.get(inference, descriptive)(run, metric, a, b)
    if metric not in AREAS:
        by_folds = metric in MEAN_AREAS and inferred.opinion is not None
        inferred = replace(inferred, above_chance=mean_above_chance(run.cells[metric]) if by_folds else None)
    return without_tests(inferred) if interim else inferred


def _placed(parts: Iterable[Iterable[Index]]) -> list[Pairs]:
    """The pairs of several families, each with its place among all of them."""
    placed, start = [], 0
    for a, b in parts:
        placed.append(Pairs(a, b, np.arange(start, start + len(a))))
        start += len(a)
    return placed


def _contrasts(run: Evaluation, inferred: Inferred, metric: str, pairs: Pairs, remembered: Remembered | None) -> pd.DataFrame:
    found = named(inferred, pairs, remembered)
    detectable = detectable_difference(found.test.error, found.test.df, found.critical)
    return _pairs(run, inferred, found, metric, pairs, 0).assign(detectable=detectable)


def _pairs(run: Evaluation, inferred: Inferred, family: Family, metric: str, pairs: Pairs, to_come: int) -> pd.DataFrame:
    a, b, test = pairs.a, pairs.b, family.test
    names = np.array(run.methods, dtype=object)
    blank = np.full(len(a), np.nan)
    by_t = inferred.test.p[pairs.place] if inferred.test else blank
    content = np.array(
        [
            hash(b"".join(part.tobytes() for part in parts))
            for parts in zip(run.scores, run.thresholds, *run.further.values(), strict=True)
        ]
    )
    return pd.DataFrame(
        {
            "a": names[a],
            "b": names[b],
            "difference": inferred.mean[metric][a] - inferred.mean[metric][b],
            "low": family.low,
            "high": family.high,
            "p": test.p,
            "p_adjusted": family.p_adjusted,
            "p_nadeau_bengio": inferred.opinion.p[pairs.place] if inferred.opinion else blank,
            "p_holm": holm(by_t, to_come),
            **{key: inferred.secondary[key][pairs.place] if key in inferred.secondary else blank for key in SECONDARY},
            "error": test.error,
            "identical": content[a] == content[b],
            "degenerate": test.degenerate,
            "near_chance": family.near_chance,
        }
    )


def _power(inferred: Inferred, family: Family, to_come: int) -> Power:
    """What the family of all pairs finds, and a single comparison named in advance, at the median standard error."""
    test = family.test
    errors = test.error[~test.degenerate & np.isfinite(test.p)]
    if len(errors) == 0:
        return Power(0, test.df, np.nan, np.nan, np.nan)
    error = float(np.median(errors))
    alone = error if inferred.areas is None else error * float(np.sqrt(inferred.areas.questions / inferred.areas.all_pairs))
    return Power(
        family.size + to_come,
        test.df,
        family.critical,
        float(detectable_difference(error, test.df, family.critical)),
        float(detectable_difference(alone, test.df, quantile(test.df, 1 - ALPHA / 2))),
    )


def _tested(score: Floats, pairs: pd.DataFrame, a: Index, b: Index) -> Index:
    """The rows of the family that are tested against another; a single row with a score counts as tested."""
    known = np.flatnonzero(pairs["p"].notna())
    paired = np.isin(np.arange(len(score)), [a[known], b[known]])
    return np.flatnonzero(~np.isnan(score) & (paired | (len(score) == 1)))


def _ranks(better: Bools, score: Floats, awaited: int) -> pd.DataFrame:
    """Rank interval, best set and letters of the tested rows of a family; a greater `score` is better."""
    order = np.argsort(-score, kind="stable")
    low, high = rank_intervals(better, awaited)
    written = letters(better[np.ix_(order, order)]) if len(score) <= MANY_ROWS else ""
    lettered = pd.Series(written, index=order, dtype=object).sort_index()
    return pd.DataFrame({"low": low, "high": high, "best": best_set(better), "letters": lettered})


def _warnings(run: Evaluation, names: list[str], pairs: pd.DataFrame) -> list[str]:
    """Constant predictions, rows without a predicted class, identical runs and differences without variance."""
    total = len(run.splits)
    notes = []
    for name in names:
        row = run.methods.index(name)
        constant, *silent = (int(run.cells[flag][row].sum()) for flag in FLAGS)
        if constant:
            notes.append(f"{name}: constant predictions in {constant} of {total} splits (AUC .5 there)")
            continue
        notes += [
            f"{name}: label {label} was never predicted in {count} of {total} splits "
            f"(precision and F1 of label {label} are 0 there)"
            for label, count in zip((1, 0), silent, strict=True)
            if count
        ]
    for chosen, text in (
        (pairs["identical"], "identical predictions, the same run"),
        (
            pairs["near_chance"] & (pairs["p"] * len(pairs) < ALPHA),
            "neither AUC is shown to be above .5, so their difference is not called (adjusted p 1)",
        ),
        (pairs["degenerate"] & (pairs["p"] == 0), "the same difference in every part, p = 0 by rule"),
    ):
        notes += [f"{pair.a} and {pair.b}: {text}" for pair in pairs[chosen].itertuples()]
    return notes
