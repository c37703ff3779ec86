"""Calibration intercept and slope: the logistic recalibration of a set of probabilities (Cox, Biometrika 1958)."""

import numpy as np
from scipy.special import expit, logit

from benchmark.statistics.arrays import Bools, Floats, Labels

CLIP = 1e-6
"""Probabilities are cut to [CLIP, 1 - CLIP] before the logit."""
STEPS = 200


def recalibrate(labels: Labels, probabilities: Floats) -> tuple[Floats, Floats]:
    """Intercept and slope (M,), (M,) for `labels` (n,) and `probabilities` (M, n).

    The intercept is calibration-in-the-large: a of logit P(y = 1) = a + logit(p), slope fixed at 1. The slope is b of the
    separate two-parameter fit logit P(y = 1) = a + b logit(p). Ideal: 0 and 1. Both are NaN where a class is absent; the
    slope is also NaN for constant probabilities and where they separate the classes, since no finite estimate exists (or so
    nearly that Newton's method does not converge).
    """
    x = logit(np.clip(probabilities, CLIP, 1.0 - CLIP))
    y = (labels == 1).astype(np.float64)
    slope = np.full(len(x), np.nan)
    if y.min() == y.max():
        return slope, slope.copy()
    fitted = _overlap(y, x)
    slope[fitted] = _slope(y, x[fitted])
    return _intercept(y, x), slope


def _overlap(y: Floats, x: Floats) -> Bools:
    """Where the classes' values overlap, that is where the slope has a finite estimate (Albert and Anderson 1984)."""
    ones, zeros = x[:, y == 1], x[:, y == 0]
    return np.asarray((ones.min(axis=1) < zeros.max(axis=1)) & (zeros.min(axis=1) < ones.max(axis=1)))


def _intercept(y: Floats, x: Floats) -> Floats:
    """The root a of mean(expit(a + x)) = mean(y), by Newton steps kept inside a bracket that halves where they leave it."""
    target = y.mean()
    low, high = logit(target) - x.max(axis=1), logit(target) - x.min(axis=1)
    a = logit(target) - x.mean(axis=1)
    for _ in range(STEPS):
        p = expit(a[:, None] + x)
        gap = p.mean(axis=1) - target
        low, high = np.where(gap < 0, a, low), np.where(gap > 0, a, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = a - gap / np.mean(p * (1.0 - p), axis=1)
        new = np.where((new >= low) & (new <= high), new, (low + high) / 2)
        done = np.abs(new - a) <= 1e-12 * (1.0 + np.abs(a))
        a = new
        if done.all():
            break
    return np.asarray(a)


def _slope(y: Floats, x: Floats) -> Floats:
    """The slope b of the two-parameter fit by Newton steps on standardised values, halved while the gradient grows."""
    scale = x.std(axis=1)
    z = (x - x.mean(axis=1, keepdims=True)) / scale[:, None]
    a, b = np.full(len(x), logit(y.mean())), np.zeros(len(x))
    step_a, step_b, best = np.zeros(len(x)), np.zeros(len(x)), np.full(len(x), np.inf)
    for _ in range(STEPS):
        p = expit(a[:, None] + b[:, None] * z)
        rest, weight = y - p, p * (1.0 - p)
        gradient_a, gradient_b = rest.mean(axis=1), np.mean(rest * z, axis=1)
        size = np.hypot(gradient_a, gradient_b)
        if np.all(size < 1e-12):
            break
        weighted = weight * z
        h_aa, h_ab, h_bb = weight.mean(axis=1), weighted.mean(axis=1), np.mean(weighted * z, axis=1)
        determinant = h_aa * h_bb - h_ab**2
        worse = (size > best) & (size > 1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton_a = (h_bb * gradient_a - h_ab * gradient_b) / determinant
            newton_b = (h_aa * gradient_b - h_ab * gradient_a) / determinant
        step_a, step_b = np.where(worse, step_a / 2, newton_a), np.where(worse, step_b / 2, newton_b)
        best = np.where(worse, best, size)
        back = np.where(worse, -1.0, 1.0)
        a, b = a + back * step_a, b + back * step_b
    return np.asarray(np.where(size < 1e-8, b / scale, np.nan))
