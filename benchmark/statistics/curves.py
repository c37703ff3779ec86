"""ROC, decision and calibration curves of many methods, with bands where the inference allows intervals.

The sensitivity at a false-positive rate and the net benefit at a threshold are metrics of a test part like any other: their
means and bands follow the rules of the table's other metrics. Calibration pools the patients, with a bootstrap of patients.
"""

from dataclasses import dataclass

import numpy as np

from benchmark.statistics.arrays import Floats, Index, Labels
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.ordering import Ordering, order_cases
from benchmark.statistics.sites import held_out_sites, site_t
from benchmark.statistics.student import corrected_interval

RATES = np.linspace(0.0, 1.0, 51)
"""False-positive rates at which the sensitivity is read."""
CUTS = np.round(np.arange(0.02, 0.99, 0.02), 2)
"""Threshold probabilities of the decision curve."""
BINS = 10
"""Calibration and its error take this many bins of equal width."""
FEWEST = 5
"""A bin with fewer predictions than this, on average over seeds, has no point in the calibration curve."""
DRAWS = 500
"""Patients are drawn so often for the calibration bands."""


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
    everyone = [net_benefit(labels, np.ones((1, len(labels))), CUTS) for labels, _ in parts]
    return Curves(
        run.methods,
        Curve(RATES, *_summary(run, inference, [_sensitivity(order_cases(*part)) for part in parts], least=0.0)),
        Curve(CUTS, *_summary(run, inference, [net_benefit(*part, CUTS) for part in parts])),
        _summary(run, inference, everyone)[0][0],
        _calibration(run, inference, draws),
    )


def net_benefit(labels: Labels, scores: Floats, cuts: Floats) -> Floats:
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
    origin = np.zeros((len(false), 1))
    rows = zip(np.hstack([origin, false[:, ::-1]]), np.hstack([origin, true[:, ::-1]]), strict=True)
    return np.array([np.interp(RATES, fpr, tpr) for fpr, tpr in rows])


def _summary(run: Evaluation, inference: str, values: list[Floats], least: float = -np.inf) -> tuple[Floats, Floats, Floats]:
    """Mean and band (M, T), within `least` and 1, of the values (M, T) of each part, as the inference treats any metric."""
    by_part = np.moveaxis(np.stack(values, axis=1), 1, -1)
    low = high = unknown = np.full(by_part.shape[:-1], np.nan)
    if inference == "site":
        held = held_out_sites(run)
        by_site = [by_part[..., held.splits[site]].mean(axis=-1) for site in held.counted]
        by_part = np.stack(by_site or [unknown], axis=-1)
        test = site_t(by_part)
        low, high = test.low, test.high
    elif inference in ("fold", "few-labels"):
        low, high = corrected_interval(by_part)
    return by_part.mean(axis=-1), np.clip(low, least, 1.0), np.clip(high, least, 1.0)


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
        unit = run.patient if run.groups is None else run.groups[run.patient]
        patients = int(unit.max()) + 1
        held = _sums(run, np.ones_like(run.scores), unit, patients)
        ones = _sums(run, np.broadcast_to((run.labels == 1).astype(np.float64), run.scores.shape), unit, patients)
        bounds = np.stack(ratio_interval(draw_patients(patients, draws), ones, held))
        alike = (observed == 0) | (observed == 1)  # every draw gives the same share
        bounds = np.where(alike, _exact(observed, (held > 0).sum(axis=-1)), bounds)
        low, high = np.where(enough, bounds, np.nan)
    return Calibration(predicted, observed, low, high, number / number.sum(axis=1, keepdims=True))


def _exact(share: Floats, patients: Index) -> Floats:
    """The 95 % interval (2, ...) of Clopper and Pearson for a share (...) of 0 or 1 among so many patients."""
    with np.errstate(divide="ignore"):
        least = 0.025 ** (1.0 / patients)
    return np.where(share == 0, [np.zeros_like(least), 1.0 - least], [least, np.ones_like(least)])


def _by_seed(run: Evaluation) -> Floats:
    """Predictions, positives and summed probabilities by bin and seed, (M, BINS, S) each."""
    seeds, of_split = np.unique(run.seed, return_inverse=True)
    positive = np.broadcast_to((run.labels == 1).astype(np.float64), run.scores.shape)
    weights = (np.ones_like(run.scores), positive, run.scores)
    return np.array([_sums(run, weight, of_split[run.split_of_row], len(seeds)) for weight in weights])


def _sums(run: Evaluation, weights: Floats, groups: Index, count: int) -> Floats:
    """`weights` (M, R) summed by bin and by the rows' group, (M, BINS, count)."""
    place = np.minimum((run.scores * BINS).astype(np.intp), BINS - 1) * count + groups
    rows = [np.bincount(p, weights=w, minlength=BINS * count) for p, w in zip(place, weights, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(rows), BINS, count)


def draw_patients(patients: int, draws: int = DRAWS, seed: int = 0) -> Floats:
    """How often each patient is drawn: (draws, patients), every row sums to `patients`; the same for the same seed.

    All methods share the draws, so that what is paired in the data stays paired.
    """
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(patients, size=patients), minlength=patients) for _ in range(draws)]
    return np.array(drawn, dtype=np.float64)


def ratio_interval(weights: Floats, above: Floats, below: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of sum(above) / sum(below) over patients: `weights` (B, N), both (..., N) -> (...), (...).

    Draws without a denominator do not count; NaN where more than one in twenty has none.
    """
    tops, bottoms = (part.reshape(-1, part.shape[-1]) @ weights.T for part in (above, below))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(bottoms > 0, tops / bottoms, np.nan)
    bounds = np.full((2, len(ratios)), np.nan)
    lacking = np.isnan(ratios).mean(axis=1)
    # `nanquantile` goes row by row.
    for rows, quantiles in ((lacking == 0, np.quantile), ((lacking > 0) & (lacking <= 0.05), np.nanquantile)):
        if rows.any():
            bounds[:, rows] = quantiles(ratios[rows], (0.025, 0.975), axis=1)
    low, high = bounds.reshape(2, *above.shape[:-1])
    return low, high
