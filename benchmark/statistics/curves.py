"""ROC, decision and calibration curves of many methods, with bands where the inference allows intervals.

The sensitivity at a false-positive rate and the net benefit at a threshold are metrics of a test part like any other: their
means and bands follow the rules of the table's other metrics. Calibration pools the patients, with a patient bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.statistics.bootstrap import DRAWS, draw_patients, ratio_interval
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.ordering import Ordering, order_cases
from benchmark.statistics.resampled import corrected_interval
from benchmark.statistics.sites import MIN_SITES, site_t, small_sites

Floats = NDArray[np.float64]

RATES = np.linspace(0.0, 1.0, 51)
"""False-positive rates at which the sensitivity is read."""
CUTS = np.round(np.arange(0.02, 0.99, 0.02), 2)
"""Threshold probabilities of the decision curve."""
BINS = 10
"""Calibration and its error take this many bins of equal width."""
FEWEST = 5
"""A bin with fewer predictions than this, on average over seeds, has no point in the calibration curve."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve of M methods: `x` (T,), `y` and its 95 % band (M, T); the band is NaN where the inference allows no interval."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Calibration:
    """Observed share of label 1 by bin of the predicted probability, (M, `BINS`) each; NaN in a bin of too few.

    `predicted` is the mean probability in the bin, `share` the part of all predictions in it.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    share: Floats


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of M methods in the order of `methods`; `treat_all` (T,) is the decision curve of calling everyone label 1."""

    methods: tuple[str, ...]
    roc: Curve
    decision: Curve
    treat_all: Floats
    calibration: Calibration


def curves(run: Evaluation, inference: str, *, draws: int = DRAWS) -> Curves:
    """All curves of a table. `draws` is the number of bootstrap draws behind the calibration bands."""
    parts = [(run.labels[part], run.scores[:, part]) for part in run.rows]
    roc = np.stack([_sensitivity(order_cases(labels, scores)) for labels, scores in parts], axis=1)
    benefit = np.stack([net_benefit(labels, scores, CUTS) for labels, scores in parts], axis=1)
    all_called = np.stack([net_benefit(labels, np.ones((1, len(labels))), CUTS) for labels, _ in parts], axis=1)
    return Curves(
        run.methods,
        Curve(RATES, *_summary(run, inference, roc, (0.0, 1.0))),
        Curve(CUTS, *_summary(run, inference, benefit, (-np.inf, 1.0))),
        _summary(run, inference, all_called, (-np.inf, 1.0))[0][0],
        _calibration(run, inference, draws),
    )


def net_benefit(labels: NDArray[np.integer], scores: Floats, cuts: Floats) -> Floats:
    """Net benefit (M, T) of treating whom `scores` (M, n) put at `cuts` (T,) or above (Vickers and Elkin, 2006).

    True positives / n - false positives / n x cut / (1 - cut).
    """
    true, false = (_called(scores[:, labels == label], cuts) / len(labels) for label in (1, 0))
    return np.asarray(true - false * cuts / (1.0 - cuts))


def _called(scores: Floats, cuts: Floats) -> Floats:
    """How many of `scores` (M, n) are at `cuts` (T,) or above, (M, T)."""
    return np.array([len(row) - np.searchsorted(row, cuts, side="left") for row in np.sort(scores, axis=1)], dtype=np.float64)


def _sensitivity(cases: Ordering) -> Floats:
    """The sensitivity (M, T) at `RATES` on the empirical ROC curve of one part, tied scores joined by a line."""
    if cases.one_class:
        return np.full((len(cases.order), len(RATES)), np.nan)
    true = (cases.positives - cases.positives_first) / cases.positives
    false = (cases.negatives - (cases.first - cases.positives_first)) / cases.negatives
    rows = zip(false[:, ::-1], true[:, ::-1], strict=True)
    return np.array([np.interp(RATES, np.r_[0.0, fpr], np.r_[0.0, tpr]) for fpr, tpr in rows])


def _summary(run: Evaluation, inference: str, values: Floats, limits: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """Mean and band (M, T) of values by part (M, J, T), as the inference treats any metric of a part."""
    by_part = np.moveaxis(values, 1, -1)
    low = high = unknown = np.full(by_part.shape[:-1], np.nan)
    if inference == "site":
        by_part = np.stack([by_part[..., splits].mean(axis=-1) for splits in _counted_sites(run)] or [unknown], axis=-1)
        if by_part.shape[-1] >= MIN_SITES:
            test = site_t(by_part)
            low, high = test.low, test.high
    elif inference == "fold":
        low, high = corrected_interval(by_part)
    return by_part.mean(axis=-1), np.clip(low, *limits), np.clip(high, *limits)


def _counted_sites(run: Evaluation) -> list[NDArray[np.intp]]:
    """The splits of each of the H sites that are not small."""
    kept = []
    for _, splits, patients in run.sites():
        positives = int(run.patient_labels[patients].sum())
        if not small_sites([positives], [len(patients) - positives])[0]:
            kept.append(splits)
    return kept


def calibration_error(run: Evaluation) -> Floats:
    """The expected calibration error (M,): `BINS` bins of equal width, the share of each x |observed - mean probability|.

    Within a seed, whose test parts hold every patient once, then the mean over seeds (Naeini et al., AAAI 2015). It falls
    with the number of cases even for a perfect model, so that it compares rows of one table, not tables.
    """
    number, positives, probability = _by_seed(run)
    return np.asarray((np.abs(positives - probability).sum(axis=1) / number.sum(axis=1)).mean(axis=1))


def _calibration(run: Evaluation, inference: str, draws: int) -> Calibration:
    number, positives, probability = (part.sum(axis=-1) for part in _by_seed(run))
    enough = number >= FEWEST * len(set(run.seed))
    predicted, observed = (
        np.divide(part, number, out=np.full(number.shape, np.nan), where=enough) for part in (probability, positives)
    )
    low = high = np.full(number.shape, np.nan)
    if inference != "site":
        patients = len(run.patient_labels)
        held = _sums(run, np.ones_like(run.scores), run.patient, patients)
        low, high = ratio_interval(draw_patients(patients, draws), held * (run.patient_labels == 1), held)
        low, high = np.where(enough, low, np.nan), np.where(enough, high, np.nan)
    return Calibration(predicted, observed, low, high, number / number.sum(axis=1, keepdims=True))


def _by_seed(run: Evaluation) -> tuple[Floats, Floats, Floats]:
    """Predictions, positives and summed probabilities by bin and seed, (M, BINS, S) each."""
    _, of_split = np.unique(run.seed, return_inverse=True)
    of_row = np.repeat(of_split, [part.stop - part.start for part in run.rows])
    positive = np.broadcast_to((run.labels == 1).astype(np.float64), run.scores.shape)
    weights = (np.ones_like(run.scores), positive, run.scores)
    number, positives, probability = (_sums(run, weight, of_row, int(of_split.max()) + 1) for weight in weights)
    return number, positives, probability


def _sums(run: Evaluation, weights: Floats, groups: NDArray[np.intp], count: int) -> Floats:
    """`weights` (M, R) summed by bin and by the rows' group, (M, BINS, count)."""
    place = np.minimum((run.scores * BINS).astype(np.intp), BINS - 1) * count + groups
    rows = [np.bincount(p, weights=w, minlength=BINS * count) for p, w in zip(place, weights, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), BINS, count)
