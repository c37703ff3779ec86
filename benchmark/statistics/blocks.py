"""Methods over independent blocks, datasets or sites: Friedman's test and Nemenyi's critical difference (Demsar, JMLR 7, 2006).

Never over the folds of a cross-validation, which are not independent.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmark.statistics.arrays import Floats
from benchmark.statistics.multiplicity import ALPHA

MIN_BLOCKS = 5
"""With fewer blocks neither approximation of the null distribution can be trusted."""


@dataclass(frozen=True, eq=False)
class BlockTest:
    """`ranks` (M,): mean over B blocks, 1 is best; chi-square, F and its p; Nemenyi's critical difference."""

    blocks: int
    ranks: Floats
    chi2: float
    f: float
    f_p: float
    critical_difference: float


def block_test(scores: Floats, alpha: float = ALPHA, *, correct_ties: bool = True) -> BlockTest:
    """Friedman's test of M >= 2 methods over B >= `MIN_BLOCKS` blocks: `scores` (B, M), greater is better, no NaN.

    Ties within a block share ranks, and chi-square is corrected for them unless `correct_ties` is False. The F of Iman and
    Davenport (Commun Stat A9, 1980), (B - 1) chi2 / (B (M - 1) - chi2) on M - 1 and (M - 1)(B - 1) df, is the one to read:
    chi-square is too conservative. Raises `ValueError` outside these shapes.
    """
    from scipy import stats

    blocks, methods = scores.shape
    if blocks < MIN_BLOCKS or methods < 2 or np.isnan(scores).any():
        raise ValueError(f"{blocks} blocks x {methods} methods: need {MIN_BLOCKS} blocks, 2 methods and no missing score")
    ranked = stats.rankdata(-scores, axis=1)
    ranks = ranked.mean(axis=0)
    spread = np.sum((ranked - (methods + 1) / 2) ** 2) if correct_ties else blocks * methods * (methods**2 - 1) / 12
    between = blocks**2 * np.sum((ranks - (methods + 1) / 2) ** 2)
    chi2 = float((methods - 1) * between / spread) if spread else 0.0
    rest = blocks * (methods - 1) - chi2
    f = (blocks - 1) * chi2 / rest if rest > 1e-9 else np.inf
    quantile = _studentized_range(1 - alpha, methods) / np.sqrt(2)
    return BlockTest(
        blocks,
        ranks,
        chi2,
        float(f),
        float(stats.f.sf(f, methods - 1, (methods - 1) * (blocks - 1))),
        float(quantile * np.sqrt(methods * (methods + 1) / (6 * blocks))),
    )


@cache
def _studentized_range(probability: float, methods: int) -> float:
    """Quantile of the studentized range with infinite degrees of freedom; computing it takes a second."""
    from scipy import stats

    return float(stats.studentized_range.ppf(probability, methods, np.inf))
