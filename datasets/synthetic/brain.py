"""The brain of the synthetic cohort: the MNI152 template at 4 mm and a procedural map of arterial territories on it.

The template ships inside `nilearn` (ICBM 2009a nonlinear symmetric, Fonov et al., NeuroImage 2011;54:313): nothing is
downloaded. The territory map is drawn with planes and ellipsoids in MNI millimetres after the usual anatomical picture (Tatu et
al., Neurology 1998;50:1699). It is coarse, symmetric, and good for this simulation only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark import Atlas
from benchmark.data.parts import Bools, Floats

VOXEL_MM = 4
VOXEL_ML = VOXEL_MM**3 / 1000
BOX = (slice(7, 43), slice(5, 53), slice(0, 40))
"""The part of nilearn's 50 x 59 x 48 grid that holds the brain: 36 x 48 x 40 voxels, symmetric about the midline."""

TERRITORIES = (
    "anterior cerebral artery",
    "medial lenticulostriate",
    "lateral lenticulostriate",
    "frontal pars of middle cerebral artery",
    "parietal pars of middle cerebral artery",
    "temporal pars of middle cerebral artery",
    "occipital pars of middle cerebral artery",
    "insular pars of middle cerebral artery",
    "temporal pars of posterior cerebral artery",
    "occipital pars of posterior cerebral artery",
    "posterior choroidal and thalamoperforators",
    "anterior choroidal and thalamoperforators",
    "basilar",
    "superior cerebellar",
    "inferior cerebellar",
)
"""Territories of one side; the atlas has each on the left and on the right."""

ATLAS_NAMES = tuple(f"{territory} {side}" for territory in TERRITORIES for side in ("left", "right"))

ARTERIES: Mapping[str, tuple[str, ...]] = {
    "anterior cerebral artery": ("anterior cerebral", "medial lenticulostriate"),
    "middle cerebral artery": ("middle cerebral", "lateral lenticulostriate"),
    "posterior cerebral artery": ("posterior cerebral", "choroidal"),
    "vertebrobasilar": ("basilar", "cerebellar"),
}
"""Main artery -> parts of the names of its territories."""

_DEEP: Mapping[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "insular pars of middle cerebral artery": ((41, 2, 2), (9, 24, 17)),
    "lateral lenticulostriate": ((27, 0, 10), (9, 20, 18)),
    "medial lenticulostriate": ((12, 14, 6), (9, 14, 14)),
    "anterior choroidal and thalamoperforators": ((22, -14, -6), (8, 12, 14)),
    "posterior choroidal and thalamoperforators": ((11, -19, 8), (11, 14, 11)),
}
"""Deep territories as ellipsoids: (|x|, y, z) of the centre, and half-axes, in MNI millimetres."""


@dataclass(frozen=True, eq=False)
class Brain:
    """The template in its box and the atlas on it.

    `grey`, `white` (x, y, z) float32 tissue fractions; `tissue` where they make up at least 30 % of a voxel; `periventricular`
    (x, y, z) float32 in [0, 1]: how readily white matter shows hyperintensities, falling with the distance from the ventricles.
    """

    grey: Floats
    white: Floats
    tissue: Bools
    periventricular: Floats
    atlas: Atlas


@lru_cache(maxsize=1)
def load_brain() -> Brain:
    """The brain, rounded to hundredths so that every processor sees the same one."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template
    from scipy.ndimage import distance_transform_edt

    images = [load(resolution=VOXEL_MM) for load in (load_mni152_gm_template, load_mni152_wm_template)]
    grey, white = (np.clip(np.round(image.get_fdata()[BOX], 2), 0, 1).astype(np.float32) for image in images)
    tissue = grey + white >= 0.3
    x, y, z = _millimetres(images[0].affine)
    ventricle = ~tissue & (np.abs(x) < 24) & (np.abs(y + 14) < 46) & (np.abs(z - 12) < 20)
    reach = np.exp(-distance_transform_edt(~ventricle) * VOXEL_MM / 10)
    periventricular = np.round(np.where(z > -10, white * reach, 0), 2).astype(np.float32)
    atlas = Atlas(_territories(tissue, x, y, z), ATLAS_NAMES, VOXEL_MM)
    return Brain(grey, white, tissue, periventricular, atlas)


@lru_cache(maxsize=1)
def artery_atlas() -> Atlas:
    """The atlas with the territories of each main artery merged: as coarse as many a report is."""
    fine = load_brain().atlas
    codes = np.zeros(len(fine.names) + 1, dtype=np.uint8)
    names = tuple(f"{artery} {side}" for artery in ARTERIES for side in ("left", "right"))
    for k, name in enumerate(fine.names):
        artery = next(artery for artery, parts in ARTERIES.items() if any(part in name for part in parts))
        codes[k + 1] = names.index(f"{artery} {name.rpartition(' ')[2]}") + 1
    return Atlas(codes[fine.labels], names, fine.voxel_mm)


def _millimetres(affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """MNI coordinates of the box's voxels; nilearn's affine is a scaling and a shift."""
    axes = [affine[k, k] * np.arange(BOX[k].start, BOX[k].stop) + affine[k, 3] for k in range(3)]
    return tuple(np.meshgrid(*axes, indexing="ij"))


def _territories(tissue: Bools, x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Atlas labels: each rule paints over those before it, from the large cortical fields to the deep and hindbrain ones."""
    side = np.abs(x)
    paint = np.zeros(tissue.shape, dtype=np.uint8)

    def put(territory: str, where: Bools) -> None:
        paint[where] = 2 * TERRITORIES.index(territory) + 1

    put("frontal pars of middle cerebral artery", y >= -12)
    put("parietal pars of middle cerebral artery", y < -12)
    put("occipital pars of middle cerebral artery", (y < -62) & (z < 30))
    put("temporal pars of middle cerebral artery", (y < 22) & (y >= -62) & (z < 0.15 * -y + 2) & (side > 24))
    put("anterior cerebral artery", (side < 14 + np.maximum(z - 30, 0) * 0.2) & (y > -50))
    put("occipital pars of posterior cerebral artery", (y < -50) & (side < 28 + (y + 50) * -0.2) & (z < 28))
    put("temporal pars of posterior cerebral artery", (y < -8) & (y >= -62) & (z < -6) & (side < 46) & (z < 22 - side))
    distance = np.stack(
        [
            sum(((axis - at) / half) ** 2 for axis, at, half in zip((side, y, z), centre, axes, strict=True))
            for centre, axes in _DEEP.values()
        ]
    )
    for k, territory in enumerate(_DEEP):
        put(territory, (distance[k] < 1) & (distance.argmin(axis=0) == k))
    tentorium = -4 - 0.4 * side - 0.3 * np.maximum(-65 - y, 0)
    cerebellum = (y < -36) & (z < tentorium)
    put("superior cerebellar", cerebellum & (z >= -38))
    put("inferior cerebellar", cerebellum & (z < -38))
    put("basilar", (side < 18) & (y < -10) & (y >= -38) & (z < -8))
    right = (x > 0).astype(np.uint8)
    return np.where(tissue, paint + right, 0).astype(np.uint8)
