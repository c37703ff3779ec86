"""How each case ranks against the two classes: the counts from which AUC, average precision and placements follow."""

from dataclasses import dataclass

import numpy as np

from benchmark.statistics.arrays import Bools, Counts, Floats, Index, Labels


@dataclass(frozen=True, eq=False)
class Ordering:
    """The cases sorted by score, row by row; all arrays are (M, n) in sorted order.

    For the case at a place: `first` counts the cases scored below it, `through` those scored at most as high (itself
    included); `positives_first` and `positives_through` count the positives among them. Tied cases share their counts.
    """

    order: Index
    positive: Bools
    first: Counts
    through: Counts
    positives_first: Counts
    positives_through: Counts
    positives: int
    negatives: int

    @property
    def one_class(self) -> bool:
        """Whether one of the classes is absent, so that nothing can be ranked."""
        return self.positives == 0 or self.negatives == 0


def order_cases(labels: Labels, scores: Floats) -> Ordering:
    """Sort the cases of each row: `labels` (n,) of 0/1, `scores` (M, n) -> the counts, in O(M n log n)."""
    rows, n = scores.shape
    order = np.argsort(scores, axis=1)
    ranked = np.take_along_axis(scores, order, axis=1)
    positive = (labels == 1)[order]
    outer, differs = np.ones((rows, 1), dtype=bool), ranked[:, 1:] != ranked[:, :-1]
    starts, ends = np.hstack([outer, differs]), np.hstack([differs, outer])
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=1)
    through = np.minimum.accumulate(np.where(ends, place + 1, n)[:, ::-1], axis=1)[:, ::-1]
    running = np.zeros((rows, n + 1), dtype=np.int64)
    np.cumsum(positive, axis=1, out=running[:, 1:])
    total = int(np.sum(labels == 1))
    return Ordering(
        order,
        positive,
        first,
        through,
        np.take_along_axis(running, first, axis=1),
        np.take_along_axis(running, through, axis=1),
        total,
        n - total,
    )


def auc(cases: Ordering) -> Floats:
    """Area under the ROC curve (M,), ties counting half (Mann-Whitney); NaN where a class is absent.

    The pairs are counted in whole numbers, so two methods that rank alike have exactly equal AUCs.
    """
    if cases.one_class:
        return np.full(len(cases.order), np.nan)
    negatives_below = (cases.first - cases.positives_first) + (cases.through - cases.positives_through)
    return np.asarray(np.sum(negatives_below * cases.positive, axis=1) / (2.0 * cases.positives * cases.negatives))


def average_precision(cases: Ordering) -> Floats:
    """Average precision (M,): the mean over positives of the precision at their own score; NaN where a class is absent."""
    if cases.one_class:
        return np.full(len(cases.order), np.nan)
    precision = (cases.positives - cases.positives_first) / (len(cases.order[0]) - cases.first)
    return np.asarray(np.sum(precision * cases.positive, axis=1) / cases.positives)


def average_precision_of_negatives(cases: Ordering) -> Floats:
    """The same (M,) with label 0 as positive and the scores turned round."""
    if cases.one_class:
        return np.full(len(cases.order), np.nan)
    precision = (cases.through - cases.positives_through) / cases.through
    return np.asarray(np.sum(precision * ~cases.positive, axis=1) / cases.negatives)


def placements(cases: Ordering) -> Floats:
    """Placements (M, n) in the cases' own order; NaN where a class is absent.

    A positive's placement is the share of negatives scored below it, a negative's the share of positives scored above it,
    ties counting half (DeLong et al., Biometrics 1988; Sun and Xu, IEEE SPL 2014, for the order n log n). Either class's mean
    placement is the AUC.
    """
    values = np.full(cases.order.shape, np.nan)
    if not cases.one_class:
        negatives_below = (cases.first - cases.positives_first) + (cases.through - cases.positives_through)
        positives_below = cases.positives_first + cases.positives_through
        of_positive = negatives_below / (2.0 * cases.negatives)
        of_negative = 1.0 - positives_below / (2.0 * cases.positives)
        np.put_along_axis(values, cases.order, np.where(cases.positive, of_positive, of_negative), axis=1)
    return values
