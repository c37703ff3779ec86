"""The level of the tests in simulated cross-validation: the naive t rejects far too often, the corrected one does not."""

from __future__ import annotations

import numpy as np

from benchmark.statistics import delong, ordering
from benchmark.statistics.resampled import corrected_t
from benchmark.statistics.student import t_test

CASES, FOLDS, SEEDS, REPETITIONS = 729, 5, 4, 800
SIGNALS, NOISE, EFFECT = 2, 4, 0.4


def replicate(rng: np.random.Generator) -> tuple[float, float, float]:
    """p of the naive t, Nadeau-Bengio and repeated-CV DeLong: two linear methods with equal but different signals."""
    y = rng.permutation(np.repeat([0, 1], [CASES * 2 // 3, CASES - CASES * 2 // 3]))
    inputs = []
    for _ in range(2):
        features = rng.normal(size=(CASES, SIGNALS + NOISE))
        features[:, :SIGNALS] += EFFECT * y[:, None]
        inputs.append(np.column_stack([features, np.ones(CASES)]))
    differences, values, patients = [], [], []
    for _ in range(SEEDS):
        order = rng.permutation(CASES)
        order = np.concatenate([order[y[order] == label] for label in (0, 1)])
        for fold in range(FOLDS):
            test = order[fold::FOLDS]
            train = np.setdiff1d(order, test)
            scores = np.stack([x[test] @ np.linalg.solve(x[train].T @ x[train], x[train].T @ y[train]) for x in inputs])
            cases = ordering.order_cases(y[test], scores)
            auc = ordering.auc(cases)
            differences.append(auc[0] - auc[1])
            values.append(ordering.placements(cases))
            patients.append(test)
    d = np.array(differences)
    naive = t_test(d.mean(), d.std(ddof=1) / np.sqrt(len(d)), len(d) - 1)
    placed = delong.average_by_patient(np.concatenate(values, axis=1), np.concatenate(patients), CASES)
    pair = delong.pairwise(placed[:, y == 1].mean(axis=1), delong.covariance(placed, y), np.array([0]), np.array([1]), 1.25)
    return float(naive.p), float(corrected_t(d).p), float(pair.p[0])


def test_the_naive_t_rejects_too_often_and_the_corrected_tests_do_not():
    rng = np.random.default_rng(20)
    naive, corrected, by_patient = (np.array([replicate(rng) for _ in range(REPETITIONS)]) < 0.05).mean(axis=0)
    assert naive >= 0.15, naive
    assert corrected <= 0.075, corrected
    assert by_patient <= 0.075, by_patient
