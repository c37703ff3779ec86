"""Permuted labels: where labels are dealt anew among the patients nothing is left to learn, and the AUC must be chance's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from benchmark.audit.leaks.subject import Observation, Subject
from benchmark.data.parts import take
from benchmark.data.splits import Split
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.learning.tuning.search import method_of
from benchmark.registry.catalogue import ConfiguredMethod

METHODS = ("logistic-regression", "lightgbm")
REPETITIONS = 5
"""Splits, each with a deal of its own, so that their AUCs are independent."""
BY_CHANCE = 3.7
"""Standard errors above .5, which chance exceeds once in ten thousand times. Below .5 nothing is found: by cutting a finite
cohort the AUC of noise lies a little lower."""


def permuted_labels(subject: Subject) -> Iterator[Observation]:
    """The mean AUC of each method over five splits of the protocol, labels dealt anew among the groups for each."""
    cohort = subject.cohort
    for name in METHODS:
        method = subject.catalogue.method(name)
        if method.entry.error or method.why_not_applicable(
            cohort.name, cohort.modalities, cohort.absent, len(cohort), cohort.columns
        ):
            continue
        scores = [score for repetition in range(REPETITIONS) if (score := _score(subject, method, repetition)) is not None]
        if not scores:
            continue
        mean = float(np.mean([auc for auc, _ in scores]))
        error = float(np.sqrt(sum(variance for _, variance in scores))) / len(scores)
        if mean > 0.5 + BY_CHANCE * error:
            evidence = f"mean AUC {mean:.3f} over {len(scores)} splits; chance alone stays below {0.5 + BY_CHANCE * error:.3f}"
            yield Observation("invalidates", f"{name} predicts labels that were dealt anew", evidence)


def _score(subject: Subject, method: ConfiguredMethod, repetition: int) -> tuple[float, float] | None:
    """AUC on one split after one deal, and its variance by chance; None where a part then has one class only."""
    from sklearn.metrics import roc_auc_score

    split = _split(subject, repetition)
    first = np.unique(subject.groups, return_index=True)[1]
    dealt = np.random.default_rng([3, repetition]).permutation(first)[subject.groups]
    labels = subject.labels[dealt]
    if any(len(np.unique(labels[part])) < 2 for part in (np.r_[split.train, split.validation], split.test)):
        return None
    findings = None if subject.cohort.findings is None else take(subject.cohort.findings, dealt)
    views = views_of(replace(subject.cohort, labels=labels, findings=findings), split, method.modalities)
    fitted = fit_and_predict(method, views, split.seed, partial(method_of, method))
    patients = labels[split.test[np.unique(subject.groups[split.test], return_index=True)[1]]]
    n1 = int(patients.sum())
    n0 = len(patients) - n1
    return float(roc_auc_score(labels[split.test], fitted.probabilities)), (n1 + n0 + 1) / (12 * n1 * n0)


def _split(subject: Subject, repetition: int) -> Split:
    """Splits of different test parts, spread over all that there are; again from the first where they are few."""
    distinct = list({split.test.tobytes(): split for split in reversed(subject.splits)}.values())[::-1]
    spread = np.unique(np.linspace(0, len(distinct) - 1, REPETITIONS).astype(int))
    chosen: Split = distinct[spread[repetition % len(spread)]]
    return chosen
