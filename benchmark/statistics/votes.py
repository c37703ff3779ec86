"""McNemar's test on votes, one vote per patient (Fagerland, Lydersen and Laake, BMC Med Res Methodol 13:91, 2013: mid-p)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, gammaln

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def patient_votes(margins: Floats) -> Bools:
    """Votes for label 1 from each patient's mean over seeds of (probability - threshold); exactly 0 votes for label 0."""
    return np.asarray(margins > 0)


def mcnemar_midp(b: ArrayLike, c: ArrayLike) -> Floats:
    """Two-sided mid-p for the discordant counts `b` and `c` (...); 1 where they are equal, no discordance included.

    2 P(X <= min(b, c)) - P(X = min(b, c)) for X ~ Binomial(b + c, 1/2).
    """
    b, c = np.asarray(b, dtype=np.float64), np.asarray(c, dtype=np.float64)
    least, n = np.minimum(b, c), b + c
    mass = np.exp(gammaln(n + 1) - gammaln(least + 1) - gammaln(n - least + 1) - n * np.log(2.0))
    p = 2.0 * bdtr(least, n.astype(np.int64), 0.5) - mass
    return np.asarray(np.where(b == c, 1.0, np.clip(p, 0.0, 1.0)))


def mcnemar_pairs(correct: Bools, a: NDArray[np.intp], b: NDArray[np.intp]) -> Floats:
    """Mid-p for pairs of methods: `correct` (M, N) marks each patient voted rightly, `a` and `b` (P,) are rows of it."""
    right = correct.astype(np.float64)
    both = right @ right.T
    alone = np.diagonal(both)
    return mcnemar_midp(alone[a] - both[a, b], alone[b] - both[a, b])
