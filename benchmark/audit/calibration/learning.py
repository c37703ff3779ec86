"""The simulation's learner: logistic regression on many training parts at once, and what its models are truly worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from benchmark.system.errors import BenchmarkError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Index = NDArray[np.intp]

STEPS, CONVERGED = 50, 1e-7


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
