"""Scans of the findings cohort: FLAIR-like and DWI-like volumes of a brain with what its levels show.

The template, its folds, fluid spaces and white-matter lesions are those of the risk cohort (`datasets/risk/anatomy.py`), the
intensities of tissues those of the stroke cohort. Infarcts, bleeds and masses grow around a seed within a territory or lobe.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Bools, Floats
from datasets.findings.people import MIDDLES, People, Spot
from datasets.risk.anatomy import draw_anatomy, fill
from datasets.risk.brain import REGIONS, VENTRICLES, load_brain
from datasets.risk.people import SCAN
from datasets.synthetic.hospitals import Hospital
from datasets.synthetic.scans import FLUID, GREY, WHITE

VIEWS = ("dwi", "flair")
CONTRASTS: Mapping[str, tuple[float, float]] = {
    "infarct": (0.34, 0.15),
    "bleed": (-0.30, -0.20),
    "clot's rim": (0.04, 0.20),
    "mass": (0.08, 0.10),
    "oedema": (-0.06, 0.28),
    "white-matter": (0.03, 0.38),
}
"""What a voxel full of it adds in the DWI-like and the FLAIR-like volume; 1 = full scale."""
MEDIAN_ML: Mapping[str, float] = {"infarct": 10.0, "bleed": 8.0, "mass": 8.0}
"""Volume at a finding's middle; see `volume_ml`."""
LARGEST_ML = 120.0
WIDENING, EFFACEMENT = 0.34, 0.12
"""Hydrocephalus: fluid gained beside the ventricles, and sulci lost, for each unit that is shown."""
ARTEFACT, ARTEFACT_SIZE = 0.15, 0.22
"""Share of the scans with a bright patch at the base of the skull in the DWI-like volume, and how bright it is."""
LOBES: Mapping[str, tuple[str, ...]] = {
    "frontal lobe": ("frontal cortex",),
    "temporal lobe": ("temporal cortex",),
    "parietal lobe": ("parietal cortex",),
    "occipital lobe": ("occipital cortex",),
    "basal ganglia": ("basal ganglia and thalamus",),
    "cerebellum": ("cerebellum",),
    "inferior cerebellar artery": ("cerebellum",),
    "posterior cerebral artery": ("occipital cortex",),
    "anterior cerebral artery": ("frontal cortex", "parietal cortex"),
    "middle cerebral artery": ("frontal cortex", "parietal cortex", "temporal cortex", "basal ganglia and thalamus"),
}
"""Place -> regions of the atlas of the risk cohort in which a lesion there begins."""
MEDIAL = 3
"""Voxels from the midline up to which the territory of the anterior cerebral artery reaches."""


def scan_people(people: People) -> dict[str, NDArray[np.uint8]]:
    """View -> volumes (n, 1, x, y, z), 255 = full scale."""
    shape = load_brain().fluid.shape
    scans = np.empty((len(people), len(VIEWS), *shape), dtype=np.uint8)
    for k, origin in enumerate(people.origins):
        rng = origin.generator(SCAN)
        signal = draw_signal(rng, people.state.iloc[k], people.spots[k])
        scans[k] = _imaged(rng, _moved(rng, signal), origin.centre)
    return {view: np.ascontiguousarray(scans[:, [channel]]) for channel, view in enumerate(VIEWS)}


def shown(finding: str, level: float) -> float:
    """How much of a finding a scan shows: 0 up to one deviation below its middle, 1 at the middle, and so on."""
    return max(level - MIDDLES[finding] + 1, 0.0)


def volume_ml(finding: str, level: float) -> float:
    """Volume of an infarct, a bleed or a mass without its oedema."""
    return float(min(MEDIAN_ML[finding] * shown(finding, level) ** 2.2, LARGEST_ML))


def draw_signal(rng: np.random.Generator, state: pd.Series[float], spots: Mapping[str, Spot]) -> Floats:
    """Both channels (2, x, y, z) of a brain with this state, before any scanner, in shares of full scale."""
    brain = load_brain()
    load = float(state["white-matter"]) + 0.15 * rng.standard_normal(2)
    signs = {"periventricular_ml": 3.0 * np.exp(1.1 * load[0]), "deep_ml": 2.0 * np.exp(1.2 * load[1])}
    lacunes = float(rng.random() < 0.15)
    anatomy = draw_anatomy(rng, pd.Series({**signs, "lacunes": lacunes, "atrophy": float(state["atrophy"])}))
    fluid = _widened(rng, anatomy.fluid, shown("hydrocephalus", float(state["hydrocephalus"])))
    parts = {"white-matter": anatomy.lesion} | _focal(rng, state, spots)
    fluid = fluid * (1 - _pressed(parts["mass"] + parts["bleed"], spots))
    left = np.maximum(brain.tissue + brain.fluid - fluid, 0) / np.maximum(brain.tissue, 0.01)
    signal = np.stack(
        [left * (g * brain.grey + w * brain.white) + f * fluid for g, w, f in zip(GREY, WHITE, FLUID, strict=True)]
    )
    for name, share in parts.items():
        strength = np.float32(1 + 0.15 * rng.standard_normal())
        signal += strength * np.array(CONTRASTS[name], dtype=np.float32)[:, None, None, None] * share * (1 - fluid)
    if rng.random() < ARTEFACT:
        signal[0] += np.float32(ARTEFACT_SIZE * rng.uniform(0.5, 1.3)) * _skull_base() * brain.tissue
    return np.asarray(signal, dtype=np.float32)


def _widened(rng: np.random.Generator, fluid: Floats, hydrocephalus: float) -> Floats:
    """Fluid with wider ventricles and narrower sulci; ventricles differ between healthy people too."""
    brain = load_brain()
    near = np.clip(brain.near - 0.25, 0, None)
    wider = np.float32(WIDENING * hydrocephalus + 0.12 * rng.standard_normal())
    widened = np.clip(fluid + wider * near * brain.inside, 0, 1)
    sulci = ~brain.ventricles & (brain.near < 0.3)
    return np.asarray(
        np.where(sulci, widened * np.float32(max(1 - EFFACEMENT * hydrocephalus, 0.4)), widened), dtype=np.float32
    )


def _focal(rng: np.random.Generator, state: pd.Series[float], spots: Mapping[str, Spot]) -> dict[str, Floats]:
    """Shares of each voxel that infarct, bleed and mass take, and what surrounds the latter two."""
    parts = {}
    for finding in ("infarct", "mass", "bleed"):
        spot, ml = spots[finding], volume_ml(finding, float(state[finding]))
        seeds = np.argwhere(seed_voxels(spot))
        apart = _distance(seeds[rng.integers(len(seeds))]) + (0.9 if finding == "infarct" else 0.5) * _rough(rng)
        room = _room(spot, finding)
        parts[finding] = fill(room, -apart, ml)
        if finding == "mass":
            parts["oedema"] = fill((room - parts["mass"]) * load_brain().white, -apart, 1.5 * ml)
        if finding == "bleed":
            parts["clot's rim"] = fill(room - parts["bleed"], -apart, 0.8 * ml)
    return parts


def seed_voxels(spot: Spot) -> Bools:
    """Where a lesion of this place can begin, (x, y, z)."""
    inside = _regions(LOBES[spot.place], spot.side) & (load_brain().tissue > 0.5)
    medial = np.abs(np.arange(inside.shape[0]) - _midline())[:, None, None] <= MEDIAL
    if spot.place == "anterior cerebral artery":
        return np.asarray(inside & medial)
    return np.asarray(inside & ~medial) if spot.place == "middle cerebral artery" else inside


@lru_cache(maxsize=64)
def _regions(names: tuple[str, ...], side: str) -> Bools:
    """Voxels of these regions on one side, (x, y, z)."""
    codes = [REGIONS.index(f"{name} {side}") + 1 for name in names]
    return np.isin(load_brain().atlas.labels, codes)


@lru_cache(maxsize=64)
def _room(spot: Spot, finding: str) -> Floats:
    """Tissue through which a lesion can grow: of its side and, for an infarct, of its artery's territory."""
    brain = load_brain()
    axis = (np.arange(brain.tissue.shape[0]) - _midline())[:, None, None]
    own = axis < 0 if spot.side == "left" else axis > 0
    below = brain.region("cerebellum")
    own = own & (below if "cerebell" in spot.place else ~below & ~brain.region("brainstem"))
    if finding == "infarct" and spot.place == "anterior cerebral artery":
        own = own & (np.abs(axis) <= MEDIAL + 1)
    if finding == "infarct" and spot.place == "middle cerebral artery":
        own = own & (np.abs(axis) > MEDIAL - 1)
    return np.asarray(brain.tissue * own * ~brain.region(VENTRICLES), dtype=np.float32)


@lru_cache(maxsize=1)
def _midline() -> int:
    """Index of the sagittal plane between the sides."""
    labels = load_brain().atlas.labels
    left = [code for code, name in enumerate(REGIONS, start=1) if name.endswith(" left")]
    return int(np.flatnonzero(np.isin(labels, left).any(axis=(1, 2))).max())


def _distance(seed: NDArray[np.intp]) -> Floats:
    """Voxels from a seed, (x, y, z)."""
    grid = np.indices(load_brain().tissue.shape, dtype=np.float32)
    return np.asarray(np.sqrt(((grid - seed[:, None, None, None]) ** 2).sum(axis=0)), dtype=np.float32)


def _rough(rng: np.random.Generator) -> Floats:
    """A smooth random pattern of deviation 1, by which borders are uneven."""
    from scipy.ndimage import gaussian_filter

    pattern = gaussian_filter(rng.standard_normal(load_brain().tissue.shape, dtype=np.float32), 1.0, mode="wrap")
    return np.asarray(pattern / pattern.std(), dtype=np.float32)


def _pressed(lesion: Floats, spots: Mapping[str, Spot]) -> Floats:
    """Share of the fluid that is pressed out around a mass or a bleed, (x, y, z)."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(np.clip(2.0 * gaussian_filter(lesion, 2.0), 0, 0.7), dtype=np.float32)


@lru_cache(maxsize=1)
def _skull_base() -> Floats:
    """Where air meets bone under the frontal lobes: 1 there, falling off, (x, y, z)."""
    shape = load_brain().tissue.shape
    return np.asarray(np.exp(-0.5 * (_distance(np.array([_midline(), shape[1] - 6, 7])) / 2.2) ** 2), dtype=np.float32)


def _moved(rng: np.random.Generator, signal: Floats) -> Floats:
    """The head as it lies in the scanner: turned by some degrees, shifted and a little larger or smaller."""
    from scipy.ndimage import affine_transform

    about_x, about_z = np.radians(3.0) * rng.standard_normal(2)
    c, s, d, t = np.cos(about_z), np.sin(about_z), np.cos(about_x), np.sin(about_x)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, d, -t], [0, t, d]])
    matrix = turn * np.exp(0.03 * rng.standard_normal())
    middle = (np.array(signal.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle + 0.4 * rng.standard_normal(3)
    return np.stack([affine_transform(channel, matrix, offset, order=1) for channel in signal]).astype(np.float32)


def _imaged(rng: np.random.Generator, signal: Floats, department: Hospital) -> Floats:
    """Both channels through a scanner with its gain, bias and noise, from 0 to 255."""
    front = np.linspace(-1, 1, signal.shape[2], dtype=np.float32)[:, None]
    gain = department.gain * (1 + 0.05 * rng.standard_normal((2, 1, 1, 1)))
    noise = department.noise * rng.standard_normal(signal.shape, dtype=np.float32)
    # A magnitude image has no negative values.
    signal = np.abs(signal * gain * (1 + department.bias * front) + noise)
    return np.asarray(np.minimum(signal * 255 + 0.5, 255), dtype=np.float32)
