"""A family of comparisons under one adjustment: all pairs of ranked rows, or contrasts that were named in advance."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmark.statistics import delong
from benchmark.statistics.arrays import Bools, Floats, Index
from benchmark.statistics.inference import Inferred
from benchmark.statistics.max_t import Remembered, adjust
from benchmark.statistics.multiplicity import ALPHA, holm
from benchmark.statistics.student import Test, quantile, t_test


class Pairs(NamedTuple):
    """Pairs of methods: rows `a` and `b` (P,) of an evaluation; `place` (P,) is where an inference has them."""

    a: Index
    b: Index
    place: Index


@dataclass(frozen=True, eq=False)
class Family:
    """The tests of a family's pairs (P,): each one's own, and `p_adjusted`, `low` and `high`, which hold for all together.

    `critical` is the |z| or |t| that the first rejection needs; `inflation` what the covariance was multiplied by, NaN for
    other tests. `near_chance` marks pairs whose `p_adjusted` is 1 because neither AUC is shown to be above .5.
    """

    test: Test
    p_adjusted: Floats
    low: Floats
    high: Floats
    critical: float
    inflation: float
    near_chance: Bools

    @property
    def size(self) -> int:
        """How many pairs are tested."""
        return int(np.isfinite(self.test.p).sum())


def near_chance(above_chance: Floats, a: Index, b: Index) -> Bools:
    """The pairs (P,) of which neither AUC is shown to be above .5 by an interval that is adjusted for the rows (Bonferroni).

    No difference is called between them: without signal the AUCs of repeated cross-validation vary more than any test knows.
    `above_chance` (M,) is the one-sided p of an AUC above .5.
    """
    chance = above_chance >= ALPHA / 2 / max(len(np.unique([a, b])), 1)
    return np.asarray(chance[a] & chance[b])


def all_pairs(inferred: Inferred, pairs: Pairs, awaited: int, remembered: Remembered | None = None) -> Family:
    """The family of all pairs: step-down max-T for AUCs, Holm for other tests; the intervals are those of a single step.

    `awaited` comparisons of it are still to come.
    """
    if inferred.areas is not None:
        return _by_area(inferred, inferred.areas.all_pairs, pairs, awaited, step_down=True, remembered=remembered)
    return _by_t(inferred, pairs, awaited, step_down=True)


def named(inferred: Inferred, pairs: Pairs, remembered: Remembered | None = None) -> Family:
    """A family that was named in advance, in a single step, so that p and interval agree: max-T for AUCs, else Bonferroni."""
    if inferred.areas is not None:
        return _by_area(inferred, inferred.areas.questions, pairs, 0, step_down=False, remembered=remembered)
    return _by_t(inferred, pairs, 0, step_down=False)


def singly(inferred: Inferred, pairs: Pairs) -> Family:
    """Every pair as a family of its own that was named in advance: what `named` gives for each of them alone."""
    areas = inferred.areas
    silent = np.zeros(len(pairs.a), dtype=bool)
    if inferred.above_chance is not None:
        chance = inferred.above_chance >= ALPHA / 2 / 2
        silent = chance[pairs.a] & chance[pairs.b]
    if areas is None:
        test, lasting = _taken(inferred, pairs), silent
    else:
        test = delong.pairwise(areas.auc, areas.covariance, pairs.a, pairs.b, areas.questions, areas.df)
        lasting = silent & ~test.degenerate
    critical = quantile(test.df, 1 - ALPHA / 2)
    half = critical * (test.error if areas is None else np.where(test.degenerate, np.nan, test.error))
    p = np.where(lasting & np.isfinite(test.p), 1.0, test.p)
    inflation = np.nan if areas is None else areas.questions
    return Family(test, p, test.mean - half, test.mean + half, critical, inflation, silent)


def _by_t(inferred: Inferred, pairs: Pairs, awaited: int, *, step_down: bool) -> Family:
    test = _taken(inferred, pairs)
    count = int(np.isfinite(test.p).sum()) + awaited
    critical = quantile(test.df, 1 - ALPHA / (2 * count)) if count else np.nan
    half, p = critical * test.error, holm(test.p, awaited) if step_down else np.minimum(test.p * count, 1.0)
    silent = _near_chance(inferred, pairs)
    p = np.where(silent & np.isfinite(p), 1.0, p)
    return Family(test, p, test.mean - half, test.mean + half, critical, np.nan, silent)


def _near_chance(inferred: Inferred, pairs: Pairs) -> Bools:
    if inferred.above_chance is None:
        return np.zeros(len(pairs.a), dtype=bool)
    return near_chance(inferred.above_chance, pairs.a, pairs.b)


def _by_area(
    inferred: Inferred, inflation: float, pairs: Pairs, awaited: int, *, step_down: bool, remembered: Remembered | None
) -> Family:
    areas, silent = inferred.areas, _near_chance(inferred, pairs)
    assert areas is not None
    test = delong.pairwise(areas.auc, areas.covariance, pairs.a, pairs.b, inflation, areas.df)
    # A pair that is never called stays in the maximum of every step.
    statistic = np.where(test.degenerate, np.nan, np.where(silent & np.isfinite(test.statistic), 0.0, test.statistic))
    found = adjust(
        statistic,
        areas.covariance,
        pairs.a,
        pairs.b,
        areas.df,
        awaited=awaited,
        step_down=step_down,
        remembered=remembered,
    )
    half = found.critical * test.error
    p = np.where(test.degenerate, test.p, found.p)
    return Family(test, p, test.mean - half, test.mean + half, found.critical, inflation, silent)


def _taken(inferred: Inferred, pairs: Pairs) -> Test:
    """The inference's own test of the pairs; undefined where it has none."""
    if inferred.test is None:
        unknown = np.full(len(pairs.a), np.nan)
        return t_test(unknown, unknown, np.nan)
    whole = inferred.test
    return t_test(whole.mean[pairs.place], whole.error[pairs.place], whole.df)
