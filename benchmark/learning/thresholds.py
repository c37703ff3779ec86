"""Thresholds by Youden's index or at a sensitivity: each row's own, from cases that it did not train on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Index
from benchmark.data.splits import FOLDS, Split, folds, inner_cut
from benchmark.data.stages import Arrays
from benchmark.learning.fitting import Fitted, Probabilities, blind_view, checked, fit_and_predict, views_of
from benchmark.learning.method import Method
from benchmark.learning.tuning.search import method_of
from benchmark.registry.catalogue import ConfiguredMethod

LEAST = 5
"""Cases of each class from which a threshold is taken at least."""
HALF = 0.5
Ask = Callable[[Method, Cohort], Probabilities]
"""Gives the probabilities (n,) of a fitted method for the n cases of a blind view."""
Source = Literal["validation part", "out-of-fold", "prevalence"]


def is_out_of_fold(method: ConfiguredMethod) -> bool:
    """Whether a method trains on the validation part too, so that only further fits give it cases that it did not train on."""
    return not method.entry.error and method.card.validation == "train"


def threshold_by(
    cut: Callable[[ArrayLike, ArrayLike], float],
    method: ConfiguredMethod,
    fitted: Fitted,
    cohort: Cohort,
    split: Split,
    seed: int,
    stages: Mapping[str, Arrays] | None,
    ask: Ask,
) -> tuple[float, Source]:
    """The threshold of a row that was fitted on a split, and where it comes from.

    It is taken from the predictions of the validation part, or out of fold of training and validation part where the method
    trains on both. These may hold fewer than 5 cases of a class, or of label 1 where a sensitivity is asked for. Then it is the
    one above which as large a share of the validation part lies as has label 1 in the training part, whatever scale the
    probabilities have; where the method trains on the validation part, that share itself.

    cut : gives the threshold of labels and probabilities, `youden` or another.
    stages : results of the method's stages, which the fits of the inner folds share; None to have each build its own.
    ask : `predicted`, or another way to have the probabilities.
    Raises what the method raises.
    """
    labels = np.asarray(cohort.labels)
    out_of_fold = is_out_of_fold(method)
    rows = np.sort(np.concatenate([split.train, split.validation])) if out_of_fold else split.validation
    needed = [0, 1] if cut is youden else [1]
    if np.bincount(labels[rows], minlength=2)[needed].min() < LEAST:
        share = float(labels[split.train].mean())
        if out_of_fold:
            return share, "prevalence"
        asked = ask(fitted.method, blind_view(cohort, split.validation, method.modalities[1]))
        return float(np.quantile(asked, 1 - share)), "prevalence"
    if out_of_fold:
        return cut(labels[rows], _out_of_fold(method, cohort, split, rows, seed, stages, ask)), "out-of-fold"
    cases = blind_view(cohort, rows, method.modalities[1])
    return cut(labels[rows], ask(fitted.method, cases)), "validation part"


def predicted(method: Method, cases: Cohort) -> Probabilities:
    """P(label = 1) of the cases, (n,). Raises what the method raises, and `InvalidPredictions`."""
    return checked(method.predict_proba(cases), len(cases))


def youden(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold above which a case counts as label 1 that has the greatest sensitivity + specificity - 1.

    It lies in the middle between two neighbouring predictions; of several the one nearest .5 [A]. Where no cut is better than
    to call all cases alike it is .5: a threshold turns no prediction round. Youden, Cancer 1950.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    values = np.unique(p)
    cuts = (values[:-1] + values[1:]) / 2
    above = [1 - np.searchsorted(np.sort(p[y == label]), cuts, side="right") / max((y == label).sum(), 1) for label in (0, 1)]
    index = np.round(above[1] - above[0], 12)
    if index.max(initial=0) <= 0:
        return HALF
    best = cuts[index == index.max()]
    return float(best[np.argmin(np.abs(best - HALF))])


def at_sensitivity(share: float, labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The greatest threshold above which at least this share of the cases of label 1 lie; there must be such cases."""
    positives = np.sort(np.asarray(probabilities, dtype=np.float64)[np.asarray(labels) == 1])
    missed = int(np.floor((1 - share) * len(positives) + 1e-9))
    return float(np.nextafter(positives[missed], -np.inf))


def _out_of_fold(
    method: ConfiguredMethod,
    cohort: Cohort,
    split: Split,
    rows: Index,
    seed: int,
    stages: Mapping[str, Arrays] | None,
    ask: Ask,
) -> Probabilities:
    """Predictions of the cases at `rows`, each by a fit on four fifths of them, (len(rows),)."""
    cases = cohort.take(rows)
    found: NDArray[np.float64] = np.full(len(rows), np.nan)
    for number, (rest, held_out) in enumerate(folds(cases, split.seed)):
        large, small = inner_cut(cases.take(rest), split.seed)
        train, validation, test = (np.sort(rows[part]) for part in (rest[large], rest[small], held_out))
        inner = Split(f"{split.name}-inner{number}", split.seed, train, validation, test, split.pool, split.site)
        views = views_of(cohort, inner, method.modalities)
        fitted = fit_and_predict(method, views, seed, partial(method_of, method), stages=stages, forgetting=False)
        found[np.sort(held_out)] = fitted.probabilities if ask is predicted else ask(fitted.method, views.test)
    return found


FITS = FOLDS
"""Further fits of a row whose threshold is taken out of fold."""
