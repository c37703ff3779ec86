"""Infarcts: where they begin, how large they become, and how they grow through tissue."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Index
from datasets.synthetic.brain import ATLAS_NAMES, TERRITORIES, VOXEL_ML, load_brain

ORIGINS: Mapping[str, tuple[float, float]] = {
    "anterior cerebral artery": (0.05, 12.0),
    "medial lenticulostriate": (0.03, 2.0),
    "lateral lenticulostriate": (0.30, 4.0),
    "frontal pars of middle cerebral artery": (0.11, 22.0),
    "parietal pars of middle cerebral artery": (0.10, 22.0),
    "temporal pars of middle cerebral artery": (0.08, 18.0),
    "occipital pars of middle cerebral artery": (0.03, 10.0),
    "insular pars of middle cerebral artery": (0.06, 14.0),
    "temporal pars of posterior cerebral artery": (0.03, 7.0),
    "occipital pars of posterior cerebral artery": (0.07, 14.0),
    "posterior choroidal and thalamoperforators": (0.05, 1.5),
    "anterior choroidal and thalamoperforators": (0.03, 1.5),
    "basilar": (0.05, 2.5),
    "superior cerebellar": (0.03, 8.0),
    "inferior cerebellar": (0.02, 8.0),
}
"""Territory -> (share of the infarcts that begin there, median volume in ml)."""

VOLUME_SD = 0.9
"""Standard deviation of the log volume."""
LARGEST_ML = 250.0
MULTIFOCAL = 0.15
"""Share of cases with one or two further, smaller foci."""
BORDER = 6.0
"""How many times slower an infarct grows outside the territory where it began."""


@dataclass(frozen=True, eq=False)
class _Tissue:
    """The territories' voxels as a graph.

    voxels : (v,) flat box indices. codes : (v,) atlas labels. sizes : voxels of each territory. neighbours : per voxel those on
    the same side of the midline. seeds : per territory its voxels and their cumulative weight as an infarct's first voxel.
    """

    voxels: Index
    codes: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    neighbours: tuple[tuple[int, ...], ...]
    seeds: tuple[tuple[Index, NDArray[np.float64]], ...]


def draw_infarct(rng: np.random.Generator, severity: float) -> Index:
    """Flat indices (in the brain's box, sorted) of one patient's infarct; `severity` shifts its log volume."""
    shares, medians = np.array([ORIGINS[territory] for territory in TERRITORIES]).T
    foci = 1 + int(rng.random() < MULTIFOCAL) * int(rng.integers(1, 3))
    damaged: set[int] = set()
    for focus in range(foci):
        territory = int(np.searchsorted(np.cumsum(shares), rng.random() * shares.sum(), side="right"))
        median = medians[territory] if focus == 0 else 0.3 * medians[territory]
        volume = min(median * math.exp(VOLUME_SD * rng.standard_normal() + severity), LARGEST_ML)
        code = 2 * territory + 1 + int(rng.integers(2))
        damaged |= _grow(rng, code, max(1, round(volume / VOXEL_ML)))
    return np.sort(_tissue().voxels[list(damaged)])


def damaged_fractions(voxels: Index) -> NDArray[np.float64]:
    """Share of each territory that the infarct takes, in the order of `ATLAS_NAMES`; rounded to 6 decimals."""
    labels = load_brain().atlas.labels.ravel()
    counts = np.bincount(labels[voxels], minlength=len(ATLAS_NAMES) + 1)[1:]
    return np.round(counts / _tissue().sizes, 6)


def _grow(rng: np.random.Generator, code: int, size: int) -> set[int]:
    """First-passage growth: from a seed voxel, `size` voxels in the order in which a random front reaches them.

    Crossing into a voxel takes an exponential time, `BORDER` times longer outside the territory `code`. The seed is drawn
    within the territory, weighted by grey matter.
    """
    tissue = _tissue()
    candidates, weights = tissue.seeds[code - 1]
    seed = int(candidates[np.searchsorted(weights, rng.random() * weights[-1], side="right")])
    times = rng.standard_exponential(len(tissue.voxels))
    times[tissue.codes != code] *= BORDER
    delay = times.item
    reached: set[int] = set()
    front = [(0.0, seed)]
    while front and len(reached) < size:
        time, voxel = heapq.heappop(front)
        if voxel in reached:
            continue
        reached.add(voxel)
        for neighbour in tissue.neighbours[voxel]:
            if neighbour not in reached:
                heapq.heappush(front, (time + delay(neighbour), neighbour))
    return reached


@lru_cache(maxsize=1)
def _tissue() -> _Tissue:
    brain = load_brain()
    labels = brain.atlas.labels
    voxels = np.flatnonzero(labels)
    codes = labels.ravel()[voxels]
    number = np.pad(np.full(labels.shape, -1), 1, constant_values=-1)
    inner = np.array(np.nonzero(labels)) + 1
    number[tuple(inner)] = np.arange(len(voxels))
    steps = np.concatenate([np.eye(3, dtype=np.intp), -np.eye(3, dtype=np.intp)])
    around = np.stack([number[tuple(inner + step[:, None])] for step in steps], axis=1)
    same_side = (around >= 0) & (codes[around] % 2 == codes[:, None] % 2)
    neighbours = tuple(tuple(row[inside].tolist()) for row, inside in zip(around, same_side, strict=True))
    grey = np.asarray(1 + 2 * np.round(brain.grey.ravel()[voxels].astype(np.float64), 2), dtype=np.float64)
    members = [np.flatnonzero(codes == code) for code in range(1, len(ATLAS_NAMES) + 1)]
    seeds = tuple((member, np.cumsum(grey[member])) for member in members)
    sizes = np.array([len(member) for member in members])
    return _Tissue(voxels, codes, sizes, neighbours, seeds)
