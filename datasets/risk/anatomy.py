"""A person's brain: the template with that person's sulci and ventricles, white-matter lesions and lacunes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Floats
from datasets.risk.brain import VOXEL_ML, load_brain

WIDENING, FOLDING = 0.2, 0.25
"""Fluid gained beside fluid: for a unit of atrophy, and for a unit of the person's own smooth pattern of folds."""
CAVITY, RIM = (0.85, 0.4), 0.4
"""Fluid in the two voxels of a lacune; lesion in the voxels around it."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Shares of each voxel, (x, y, z) float32: fluid, including that of lacunes, and white-matter lesion."""

    fluid: Floats
    lesion: Floats

    @property
    def ventricles_ml(self) -> float:
        """Fluid of the ventricles."""
        return float(self.fluid[load_brain().ventricles].sum()) * VOXEL_ML

    @property
    def parenchymal_fraction(self) -> float:
        """Share of tissue in what the skull holds."""
        brain = load_brain()
        return 1 - float(self.fluid.sum()) / float((brain.tissue + brain.fluid).sum())


def draw_anatomy(rng: np.random.Generator, signs: pd.Series[float]) -> Anatomy:
    """The brain with these signs; where they lie is the person's own."""
    brain = load_brain()
    folds, walls, spots = (_smooth(rng, sigma) for sigma in (1.5, 1.0, 0.7))
    widening = brain.beside_fluid * (WIDENING * np.float32(signs["atrophy"]) + FOLDING * folds)
    fluid = np.clip(brain.fluid + widening * brain.inside, 0, 1)
    room = brain.white * (1 - fluid) * brain.supratentorial
    lesion = fill(room, brain.near + 0.15 * walls, signs["periventricular_ml"])
    room = (room - lesion) * brain.deep_white
    lesion = lesion + fill(room, spots - 0.5 * brain.near, signs["deep_ml"])
    for _ in range(int(signs["lacunes"])):
        _add_lacune(rng, fluid, lesion)
    return Anatomy(fluid, np.minimum(lesion, 1 - fluid))


def fill(room: Floats, score: Floats, millilitres: float) -> Floats:
    """Shares of the voxels that are filled, in the order of their score, until that volume is reached or no room is left."""
    candidates = np.flatnonzero(room)
    order = candidates[np.argsort(-score.ravel()[candidates], kind="stable")]
    volumes = room.ravel()[order].astype(np.float64) * VOXEL_ML
    before = np.cumsum(volumes) - volumes
    filled = np.zeros(room.size, dtype=np.float32)
    filled[order] = np.clip(millilitres - before, 0, volumes) / VOXEL_ML
    return filled.reshape(room.shape)


def _smooth(rng: np.random.Generator, sigma: float) -> Floats:
    """A smooth random pattern (x, y, z) of mean 0 and deviation 1."""
    from scipy.ndimage import gaussian_filter

    pattern = gaussian_filter(rng.standard_normal(load_brain().fluid.shape, dtype=np.float32), sigma, mode="wrap")
    return np.asarray((pattern - pattern.mean()) / pattern.std(), dtype=np.float32)


def _add_lacune(rng: np.random.Generator, fluid: Floats, lesion: Floats) -> None:
    """A small cavity of two voxels with a rim, somewhere deep in the brain."""
    centres: NDArray[np.intp] = load_brain().lacune_sites
    place = centres[rng.integers(len(centres))]
    steps = np.concatenate([np.eye(3, dtype=np.intp), -np.eye(3, dtype=np.intp)])
    around = place + steps
    lesion[tuple(around.T)] = np.maximum(lesion[tuple(around.T)], RIM)
    beside = around[rng.integers(len(around))]
    for (x, y, z), share in zip((place, beside), CAVITY, strict=True):
        fluid[x, y, z] = max(fluid[x, y, z], share)
