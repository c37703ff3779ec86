"""The patient bootstrap: one set of draws, shared by all methods, so that what is paired in the data stays paired."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 500


def draw_patients(patients: int, draws: int = DRAWS, seed: int = 0) -> Floats:
    """How often each patient is drawn: (draws, patients), every row sums to `patients`; the same for the same seed."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((draws, patients))
    for counts in drawn:
        counts[:] = np.bincount(rng.integers(patients, size=patients), minlength=patients)
    return drawn


def ratio_interval(weights: Floats, above: Floats, below: Floats) -> tuple[Floats, Floats]:
    """The 95 % percentile interval of sum(above) / sum(below) over patients: `weights` (B, N), both (..., N) -> (...), (...).

    Draws without a denominator do not count; NaN where more than one in twenty has none.
    """
    shape = above.shape[:-1]
    tops = above.reshape(-1, above.shape[-1]) @ weights.T
    bottoms = below.reshape(-1, below.shape[-1]) @ weights.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(bottoms > 0, tops / bottoms, np.nan)
    bounds = np.full((2, len(ratios)), np.nan)
    enough = np.isnan(ratios).mean(axis=1) <= 0.05
    if enough.any():
        bounds[:, enough] = np.nanquantile(ratios[enough], (0.025, 0.975), axis=1)
    return bounds[0].reshape(shape), bounds[1].reshape(shape)
