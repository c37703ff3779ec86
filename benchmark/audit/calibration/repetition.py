"""One repetition of a simulated world: fresh cases, the protocol's own splits, a logistic learner, the suite's statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from scipy.stats import ttest_rel, wilcoxon

from benchmark.audit.calibration.worlds import Drawn, World, draw
from benchmark.cells.task import make_task
from benchmark.data.cohort import Cohort
from benchmark.data.protocols.holdout import Holdout
from benchmark.data.protocols.leave_one_site_out import LeaveOneSiteOut
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split
from benchmark.statistics import delong
from benchmark.statistics.comparison import compare
from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.families import near_chance
from benchmark.statistics.inference import CHANCE, above_chance, fold_areas
from benchmark.statistics.max_t import adjust
from benchmark.statistics.multiplicity import ALPHA, holm
from benchmark.statistics.student import EQUIVALENT, corrected_interval, corrected_t, quantile
from benchmark.system.errors import BenchmarkError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Index = NDArray[np.intp]
Bounds = list[tuple[float, float]]
FIRST, SECOND = np.array([0]), np.array([1])

NAIVE_T, WILCOXON = "naive t over 20 folds", "Wilcoxon over 20 folds"
CORRECTED_T, AWAY_FROM_CHANCE = "Nadeau-Bengio", "Nadeau-Bengio, but for pairs marked near chance"
AVERAGED, STACKED = "DeLong, seed-averaged", "DeLong, seeds stacked as 4N"
BY_PATIENT, WIDENED = "repeated-CV DeLong", "repeated-CV DeLong x 1.25"
MCNEMAR = "McNemar mid-p, one vote"
EQUIVALENCE = "said to be equal within .01"
SITE_T, SIGN_FLIP = "t over sites", "sign-flip over sites"
HELD_OUT = "DeLong, placements averaged over seeds"

AUC, ACCURACY = "auc", "accuracy"
SHOWN_AUC, SHOWN_ACCURACY = "AUC, as shown", "accuracy, as shown"
FOLD_AUC, STANDARD_DEVIATION = "AUC, Nadeau-Bengio", "AUC, SD / sqrt(20)"
TARGETS: Mapping[str, str] = {SHOWN_AUC: AUC, SHOWN_ACCURACY: ACCURACY, FOLD_AUC: AUC, STANDARD_DEVIATION: AUC}
"""Interval -> the true figure that it is to cover."""


@dataclass(frozen=True)
class Repetition:
    """What one repetition gave.

    p : test -> the p-value of a pair of methods. intervals : kind -> (low, high) of each method. truth : metric -> each
    method's true mean over its trained models. called : rule -> how many pairs it called different, or equal.
    differences : of the pair's AUCs, as observed, where the truth is 0. least : family -> the least inflation of the covariance
    at which max-T calls no pair of it different.
    """

    p: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Bounds] = field(default_factory=dict)
    truth: dict[str, list[float]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    differences: list[float] = field(default_factory=list)
    least: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Predicted:
    """The frames that `compare` takes, and the methods' true performance."""

    task: pd.DataFrame
    scores: pd.DataFrame
    thresholds: pd.DataFrame
    truth: dict[str, list[float]]


def repeat(world: World, number: int) -> Repetition:
    """One repetition: the same figures for the same world and number, in whatever order and process."""
    return analyse(world, predict(world, draw(world, world.generator(number))))


def predict(world: World, drawn: Drawn) -> Predicted:
    """Test predictions of each method under the world's protocol; it learns from train + validation, as classical rows do."""
    splits, task = _splits(world.inference, *(part.tobytes() for part in (drawn.labels, drawn.sites, drawn.patients)))
    seen = [_labelled(world.labelled, np.r_[split.train, split.validation], drawn.labels) for split in splits]
    learning, model = np.unique(np.stack(seen), axis=0, return_inverse=True)
    rows = np.concatenate([split.test for split in splits])
    of_row = np.repeat(model, [len(split.test) for split in splits])
    places = drawn.sites[[split.test[0] for split in splits]]
    scores, auc, accuracy = {}, [], []
    for name, features, differences in zip(world.methods, drawn.features, drawn.differences, strict=True):
        models = fit_logistic(features, drawn.labels, learning, world.penalty)
        scores[name] = expit(np.sum(models[of_row, :-1] * features[rows], axis=1) + models[of_row, -1])
        auc.append(float(true_auc(models[model], differences[places]).mean()))
        accuracy.append(float(true_accuracy(models[model], differences[places], world.positives / world.patients).mean()))
    thresholds = pd.DataFrame(0.5, index=[split.name for split in splits], columns=list(world.methods))
    return Predicted(task, pd.DataFrame(scores), thresholds, {AUC: auc, ACCURACY: accuracy})


PROTOCOLS: Mapping[str, Callable[[], RepeatedCV | LeaveOneSiteOut | Holdout]] = {
    "fold": RepeatedCV,
    "site": LeaveOneSiteOut,
    "held-out": Holdout,
}


def _labelled(share: float, rows: Index, labels: NDArray[np.int8]) -> Bools:
    """Which cases (N,) of a training part a method learns from: a share of either class, always the same for the same rows."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in (0, 1):
        of_class = np.sort(rows[labels[rows] == label])
        chosen[np.random.default_rng(len(of_class)).permutation(of_class)[: round(share * len(of_class))]] = True
    return chosen


@lru_cache(maxsize=2)
def _splits(inference: str, labels: bytes, sites: bytes, patients: bytes) -> tuple[list[Split], pd.DataFrame]:
    """The protocol's own splits, and the task that they make; they depend on labels, sites and patients alone."""
    y = np.frombuffer(labels, dtype=np.int8)
    names = np.array([f"site {site}" for site in np.frombuffer(sites, dtype=np.intp)])
    whose = np.array([f"{patient:04d}" for patient in np.frombuffer(patients, dtype=np.intp)])
    cohort = Cohort("simulated", np.array([f"{case:04d}" for case in range(len(y))]), y, names, whose)
    splits = PROTOCOLS[inference]().splits(cohort)
    return splits, make_task(cohort, inference, splits).frame()


def analyse(world: World, predicted: Predicted) -> Repetition:
    """The suite's statistics of the predictions: of two methods every test, of more what a family calls different."""
    methods, truth = list(world.methods), {AUC: predicted.truth[AUC]}
    frames = predicted.task, predicted.scores, predicted.thresholds
    if len(methods) > 2:
        return family(evaluate(*frames), truth, world.auc)
    comparison = compare(*frames, inference=world.inference, ranked=methods)
    pair = comparison.pairs.iloc[0]
    shown = {
        name: _bounds(*(bound.loc[methods, metric].to_numpy() for bound in (comparison.low, comparison.high)))
        for name, metric in ((SHOWN_AUC, AUC), (SHOWN_ACCURACY, ACCURACY))
    }
    if world.inference != "fold":
        p = {name: float(pair[column]) for name, column in OTHER_TESTS[world.inference].items()}
        return Repetition(p, {SHOWN_AUC: shown[SHOWN_AUC]}, truth)
    folds = comparison.per_split[AUC].loc[methods].to_numpy()
    half = quantile(folds.shape[1] - 1) * folds.std(axis=1, ddof=1) / np.sqrt(folds.shape[1])
    intervals = shown | {
        FOLD_AUC: _bounds(*corrected_interval(folds)),
        STANDARD_DEVIATION: _bounds(folds.mean(axis=1) - half, folds.mean(axis=1) + half),
    }
    called = {EQUIVALENCE: int(pair["p_equivalent"] > EQUIVALENT)}
    run = evaluate(*frames)
    return Repetition(
        _pair_tests(pair, run, folds), intervals, predicted.truth, called, least=pair_family(run, folds.mean(axis=1))
    )


OTHER_TESTS: Mapping[str, Mapping[str, str]] = {
    "site": {SITE_T: "p", SIGN_FLIP: "p_sign_flip"},
    "held-out": {HELD_OUT: "p", MCNEMAR: "p_mcnemar"},
}
"""Inference -> test -> the column of its p-value."""


def _pair_tests(pair: pd.Series[Any], run: Evaluation, folds: Floats) -> dict[str, float]:
    """The leaderboard's tests, read from its own comparison, and those that it never uses."""
    covariance = delong.covariance(run.patient_placements, run.patient_labels)
    plain = delong.pairwise(folds.mean(axis=1), covariance, FIRST, SECOND)
    return {
        NAIVE_T: float(ttest_rel(*folds).pvalue),
        WILCOXON: float(wilcoxon(*folds).pvalue),
        CORRECTED_T: float(pair["p_nadeau_bengio"]),
        AWAY_FROM_CHANCE: 1.0 if pair["near_chance"] else float(pair["p_nadeau_bengio"]),
        AVERAGED: float(delong.delong_test(run.patient_labels, run.patient_scores)[2].p[0]),
        STACKED: float(delong.delong_test(run.labels, run.scores)[2].p[0]),
        BY_PATIENT: float(plain.p[0]),
        WIDENED: float(delong.pairwise(folds.mean(axis=1), covariance, FIRST, SECOND, delong.RESAMPLING).p[0]),
        MCNEMAR: float(pair["p_mcnemar"]),
    }


def pair_family(run: Evaluation, auc: Floats) -> dict[str, float]:
    """The least inflation at which the first two methods, named in advance, are not called different."""
    df = delong.degrees_of_freedom(run.patient_labels, run.groups)
    covariance = delong.covariance(run.patient_placements, run.patient_labels, run.groups)
    plain = delong.pairwise(auc, covariance, FIRST, SECOND, 1.0, df)
    return {ONE_PAIR: float(plain.statistic[0] / quantile(df)) ** 2}


WITHOUT_HOLM, WITH_HOLM = "not adjusted", "Holm over Nadeau-Bengio"
ALL_PAIRS, ONE_PAIR, THREE_CONTRASTS, ONE_AGAINST_ALL = "all pairs", "one pair", "three contrasts", "one against all others"
QUESTIONS = (ONE_PAIR, THREE_CONTRASTS, ONE_AGAINST_ALL)
FACTORS = (1.25, 1.5, 1.75, 2.0, 2.5)
FAMILY_DRAWS = 10_000


def max_t(factor: float) -> str:
    """The rule that calls a pair different by step-down max-T over a covariance that is multiplied by the factor."""
    return f"max-T, c = {factor:g}"


def family(run: Evaluation, truth: dict[str, list[float]], worth: Sequence[float]) -> Repetition:
    """What is called different among many methods.

    Where they differ in `worth` (M,), a pair counts as called only if its better method is called better.
    """
    a, b = np.triu_indices(len(run.methods), 1)
    areas = fold_areas(run)
    above = above_chance(areas, CHANCE)
    chance = near_chance(above, a, b)
    real = np.sign(np.subtract(*np.array(worth, dtype=np.float64)[np.stack([a, b])]))
    plain = delong.pairwise(areas.auc, areas.covariance, a, b, 1.0, areas.df)
    z = np.where(plain.degenerate, np.nan, plain.statistic)

    def least(chosen: NDArray[np.intp]) -> float:
        found = adjust(z[chosen], areas.covariance, a[chosen], b[chosen], areas.df, step_down=False, draws=FAMILY_DRAWS)
        called = np.abs(z[chosen])[~near_chance(above, a[chosen], b[chosen]) & np.isfinite(z[chosen])]
        return float((called.max(initial=0.0) / found.critical) ** 2)

    def found(p: Floats) -> int:
        called = (p < ALPHA) & ~chance
        return int(np.sum(called & (np.sign(plain.mean) == real)) if real.any() else called.sum())

    by_folds = corrected_t(run.fold_auc[a] - run.fold_auc[b]).p
    called = {WITHOUT_HOLM: found(by_folds), WITH_HOLM: found(holm(by_folds))}
    if real.any():
        for factor in FACTORS:
            p = adjust(z / np.sqrt(factor), areas.covariance, a, b, areas.df, draws=FAMILY_DRAWS).p
            called[max_t(factor)] = found(p)
    families = {
        ALL_PAIRS: np.arange(len(a)),
        ONE_PAIR: np.arange(1),
        THREE_CONTRASTS: np.flatnonzero((a == 0) & (b < 4)),
        ONE_AGAINST_ALL: np.flatnonzero(a == 0),
    }
    return Repetition(truth=truth, called=called, least={name: least(chosen) for name, chosen in families.items()})


def _bounds(low: Floats, high: Floats) -> Bounds:
    return [(float(below), float(above)) for below, above in zip(low, high, strict=True)]


# The learner, and what its models are truly worth

STEPS, CONVERGED = 50, 1e-4
"""A step of 1e-4 is followed by one of about 1e-8: Newton's method doubles the digits."""


def fit_logistic(features: Floats, labels: NDArray[np.int8], learning: Bools, penalty: float) -> Floats:
    """Coefficients (S, p + 1), the intercept last, of the models that learn from the cases of `learning` (S, N).

    Minimises the summed log loss + penalty / 2 x the squared coefficients without the intercept (scikit-learn's C = 1/penalty).
    Newton's method from the fit to all cases: the minimum is unique, so the start decides nothing but the number of steps.
    Raises `BenchmarkError` where it does not converge, as where the classes can be separated and there is no penalty.
    """
    design = np.column_stack([features, np.ones(len(features))])
    whole = _newton(design, labels, np.ones((1, len(labels)), dtype=bool), penalty, np.zeros((1, design.shape[1])))
    return _newton(design, labels, learning, penalty, np.repeat(whole, len(learning), axis=0))


def _newton(design: Floats, labels: NDArray[np.int8], learning: Bools, penalty: float, start: Floats) -> Floats:
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 0.0
    coefficients = start
    problem = "logistic regression has no finite fit: are the classes separable?"
    for _ in range(STEPS):
        p = expit(coefficients @ design.T)
        gradient = (learning * (labels - p)) @ design - ridge * coefficients
        weighted = design.T * (learning * p * (1.0 - p))[:, None, :]
        try:
            step = np.linalg.solve(weighted @ design + np.diag(ridge), gradient[..., None])[..., 0]
        except np.linalg.LinAlgError as error:
            raise BenchmarkError(problem) from error
        coefficients = coefficients + step
        if np.abs(step).max() <= CONVERGED:
            return coefficients
    raise BenchmarkError(problem)


def true_auc(coefficients: Floats, difference: Floats) -> Floats:
    """The exact AUC (S,) of linear models on fresh cases whose classes differ in mean by `difference`, (p,) or (S, p).

    The score is normal in each class with one variance: AUC = Phi(w d / sqrt(2 w w)).
    """
    weights = coefficients[:, :-1]
    return np.asarray(ndtr(np.sum(weights * difference, axis=1) / np.sqrt(2.0 * np.sum(weights**2, axis=1))))


def true_accuracy(coefficients: Floats, difference: Floats, prevalence: float) -> Floats:
    """The exact accuracy (S,) at threshold .5, that is of the sign of the linear score, on fresh cases."""
    weights, intercept = coefficients[:, :-1], coefficients[:, -1]
    length = np.sqrt(np.sum(weights**2, axis=1))
    sensitivity = ndtr((np.sum(weights * difference, axis=1) + intercept) / length)
    return np.asarray(prevalence * sensitivity + (1.0 - prevalence) * ndtr(-intercept / length))
