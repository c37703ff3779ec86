"""One repetition of a simulated world: fresh cases, the protocol's own splits, the suite's own statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import ttest_rel, wilcoxon

from benchmark.audit.calibration.drawing import CASES, POSITIVES, Drawn, World, draw
from benchmark.audit.calibration.learning import fit_logistic, true_accuracy, true_auc
from benchmark.data.cohort import Cohort
from benchmark.data.protocols.holdout import Holdout
from benchmark.data.protocols.leave_one_site_out import LeaveOneSiteOut
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split
from benchmark.statistics import delong
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.multiplicity import ALPHA, holm
from benchmark.statistics.resampled import EQUIVALENT, corrected_interval
from benchmark.statistics.student import quantile

Floats = NDArray[np.float64]
Bounds = list[tuple[float, float]]

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
class Trial:
    """What one repetition gave.

    p : test -> the p-value of a pair of methods. intervals : kind -> (low, high) of each method. truth : metric -> each
    method's true mean over its trained models. called : rule -> how many pairs were called different, or equal, by it.
    differences : of the pair's AUCs, as observed, where the truth is 0.
    """

    p: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Bounds] = field(default_factory=dict)
    truth: dict[str, list[float]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    differences: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Predicted:
    """The frames that `compare` takes, and the methods' true performance."""

    task: pd.DataFrame
    scores: pd.DataFrame
    thresholds: pd.DataFrame
    truth: dict[str, list[float]]


def repeat(world: World, repetition: int) -> Trial:
    """One repetition: the same numbers for the same world and number, in whatever order and process."""
    found = predicted(world, draw(world, world.generator(repetition)))
    return judged(found, world.inference, world.methods)


def predicted(world: World, drawn: Drawn) -> Predicted:
    """Test predictions of each method under the world's protocol; it learns from train + validation, as classical rows do."""
    splits = _splits(world.inference, drawn.labels.tobytes(), drawn.sites.tobytes())
    learning, model = np.unique(np.stack([_learning(split) for split in splits]), axis=0, return_inverse=True)
    rows = np.concatenate([split.test for split in splits])
    of_row = np.repeat(model, [len(split.test) for split in splits])
    places = drawn.sites[[split.test[0] for split in splits]]
    scores, auc, accuracy = {}, [], []
    for name, features, differences in zip(world.methods, drawn.features, drawn.differences, strict=True):
        models = fit_logistic(features, drawn.labels, learning, world.penalty)
        scores[name] = expit(np.sum(models[of_row, :-1] * features[rows], axis=1) + models[of_row, -1])
        auc.append(float(true_auc(models[model], differences[places]).mean()))
        accuracy.append(float(true_accuracy(models[model], differences[places], POSITIVES / CASES).mean()))
    thresholds = pd.DataFrame(0.5, index=[split.name for split in splits], columns=list(world.methods))
    return Predicted(_task(splits, drawn.labels), pd.DataFrame(scores), thresholds, {AUC: auc, ACCURACY: accuracy})


@lru_cache(maxsize=2)
def _splits(inference: str, labels: bytes, sites: bytes) -> list[Split]:
    """The protocol's own splits; they depend on labels and sites alone."""
    y = np.frombuffer(labels, dtype=np.int8)
    names = np.array([f"site {site}" for site in np.frombuffer(sites, dtype=np.intp)])
    return PROTOCOLS[inference]().splits(Cohort("simulated", np.array([f"{case:04d}" for case in range(len(y))]), y, names))


def _learning(split: Split) -> NDArray[np.bool_]:
    """All cases that the learning procedure sees (N,): train and validation."""
    seen = np.zeros(CASES, dtype=bool)
    seen[split.train] = seen[split.validation] = True
    return seen


def _task(splits: Sequence[Split], labels: NDArray[np.int8]) -> pd.DataFrame:
    """One row per split and test case, as `compare` takes them."""
    sizes = [len(split.test) for split in splits]
    rows = np.concatenate([split.test for split in splits])
    told = {name: np.repeat([getattr(split, name) or "" for split in splits], sizes) for name in ("name", "seed", "site")}
    return pd.DataFrame({"split": told.pop("name"), **told, "case": rows, "label": labels[rows]})


PROTOCOLS: Mapping[str, Callable[[], RepeatedCV | LeaveOneSiteOut | Holdout]] = {
    "fold": RepeatedCV,
    "site": LeaveOneSiteOut,
    "held-out": Holdout,
}


def judged(found: Predicted, inference: str, methods: tuple[str, ...]) -> Trial:
    """The suite's statistics of the predictions: of two methods every test, of more what Holm calls different."""
    told = compare(found.task, found.scores, found.thresholds, inference=inference, ranked=methods)
    if len(methods) > 2:
        return Trial(truth={AUC: found.truth[AUC]}, called=_called(told.pairs))
    intervals = {SHOWN_AUC: _shown(told, AUC, methods)}
    areas = {AUC: found.truth[AUC]}
    if inference == "site":
        return Trial({SITE_T: _p(told, "p"), SIGN_FLIP: _p(told, "p_sign_flip")}, intervals, areas)
    if inference == "held-out":
        return Trial({HELD_OUT: _p(told, "p"), MCNEMAR: _p(told, "p_mcnemar")}, intervals, areas)
    run = evaluate(found.task, found.scores, found.thresholds)
    folds = told.per_split[AUC].loc[list(methods)].to_numpy()
    half = quantile(folds.shape[1] - 1) * folds.std(axis=1, ddof=1) / np.sqrt(folds.shape[1])
    intervals |= {
        SHOWN_ACCURACY: _shown(told, ACCURACY, methods),
        FOLD_AUC: _bounds(*corrected_interval(folds)),
        STANDARD_DEVIATION: _bounds(folds.mean(axis=1) - half, folds.mean(axis=1) + half),
    }
    called = {EQUIVALENCE: int(_p(told, "p_equivalent") > EQUIVALENT)}
    return Trial(_pair_tests(told, run, folds), intervals, found.truth, called)


def _pair_tests(told: Comparison, run: Evaluation, folds: Floats) -> dict[str, float]:
    """The leaderboard's tests, read from its own comparison, and those that it never uses."""
    first, second = np.array([0]), np.array([1])
    covariance = delong.covariance(run.patient_placements, run.patient_labels)
    plain = delong.pairwise(folds.mean(axis=1), covariance, first, second)
    return {
        NAIVE_T: float(ttest_rel(*folds).pvalue),
        WILCOXON: float(wilcoxon(*folds).pvalue),
        CORRECTED_T: _p(told, "p"),
        AWAY_FROM_CHANCE: 1.0 if told.pairs["near_chance"].iloc[0] else _p(told, "p"),
        AVERAGED: float(delong.delong_test(run.patient_labels, run.patient_scores)[2].p[0]),
        STACKED: float(delong.delong_test(run.labels, run.scores)[2].p[0]),
        BY_PATIENT: float(plain.p[0]),
        WIDENED: _p(told, "p_delong"),
        MCNEMAR: _p(told, "p_mcnemar"),
    }


WITHOUT_HOLM, WITH_HOLM, DELONG_WITH_HOLM = "not adjusted", "Holm (the leaderboard)", "p_delong under Holm"


def _called(pairs: pd.DataFrame) -> dict[str, int]:
    """How many pairs are called different, by rule."""
    second_opinion = holm(pairs["p_delong"].to_numpy(dtype=np.float64))
    return {
        WITHOUT_HOLM: int((pairs["p"] < ALPHA).sum()),
        WITH_HOLM: int((pairs["p_holm"] < ALPHA).sum()),
        DELONG_WITH_HOLM: int((second_opinion < ALPHA).sum()),
    }


def _p(told: Comparison, column: str) -> float:
    """The p-value of the only pair."""
    return float(told.pairs[column].iloc[0])


def _shown(told: Comparison, metric: str, methods: Sequence[str]) -> Bounds:
    return _bounds(*(bound.loc[list(methods), metric].to_numpy() for bound in (told.low, told.high)))


def _bounds(low: Floats, high: Floats) -> Bounds:
    return [(float(below), float(above)) for below, above in zip(low, high, strict=True)]
