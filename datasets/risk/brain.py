"""The brain of the risk cohort: the MNI152 template at 7 mm and a procedural map of regions on it.

The template ships inside `nilearn` (ICBM 2009a nonlinear symmetric, Fonov et al., NeuroImage 2011;54:313). The regions are
drawn from its tissues with planes and ellipsoids in MNI millimetres: coarse, and good for this simulation only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark import Atlas
from benchmark.data.parts import Bools, Floats

VOXEL_MM = 7
VOXEL_ML = VOXEL_MM**3 / 1000
BOX = (slice(2, 26), slice(3, 31), slice(0, 24))
"""The part of nilearn's 29 x 35 x 28 grid that holds the brain: 24 x 28 x 24 voxels, the midline at the thirteenth sagittal."""

VENTRICLES = "ventricles"
SIDED = (
    "periventricular white matter",
    "deep white matter",
    "basal ganglia and thalamus",
    "frontal cortex",
    "parietal cortex",
    "temporal cortex",
    "occipital cortex",
    "cerebellum",
)
REGIONS = (VENTRICLES, "brainstem", *(f"{region} {side}" for region in SIDED for side in ("left", "right")))
"""Names of the atlas, in the order of its labels."""


@dataclass(frozen=True, eq=False)
class Brain:
    """The template in its box, the atlas on it, and where vessel disease and atrophy show; all (x, y, z).

    `grey`, `white`, `fluid` float32 tissue fractions; they add up to 1 inside the skull and to 0 outside.
    `near` float32 in [0, 1]: falls with the distance from the ventricles. `beside_fluid` float32: how much fluid lies around.
    """

    grey: Floats
    white: Floats
    fluid: Floats
    near: Floats
    beside_fluid: Floats
    atlas: Atlas

    @cached_property
    def tissue(self) -> Floats:
        """Grey and white matter together."""
        return self.grey + self.white

    @cached_property
    def inside(self) -> Bools:
        """What the skull holds."""
        return self.tissue + self.fluid > 0

    @cached_property
    def supratentorial(self) -> Bools:
        """Where white-matter lesions can be: neither cerebellum nor brainstem."""
        return ~(self.region("cerebellum") | self.region("brainstem"))

    @cached_property
    def deep_white(self) -> Bools:
        """Where deep white-matter lesions can be."""
        return self.region("deep white matter")

    @cached_property
    def ventricles(self) -> Bools:
        """Where the ventricles are."""
        return self.region(VENTRICLES)

    @cached_property
    def lacune_sites(self) -> NDArray[np.intp]:
        """Voxels (k, 3) where a lacune can begin: deep grey and white matter."""
        deep = ("basal ganglia and thalamus", "periventricular white matter", "deep white matter")
        return np.argwhere(np.any([self.region(name) for name in deep], axis=0))

    def region(self, name: str) -> Bools:
        """The voxels of a region, of both sides where it has two."""
        both = {name, f"{name} left", f"{name} right"}
        codes = [code for code, region in enumerate(REGIONS, start=1) if region in both]
        return np.isin(self.atlas.labels, codes)


@lru_cache(maxsize=1)
def load_brain() -> Brain:
    """The brain, rounded to hundredths so that every processor sees the same one."""
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template, load_mni152_wm_template
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    loaders = (load_mni152_gm_template, load_mni152_wm_template, load_mni152_brain_mask)
    images = [load(resolution=VOXEL_MM) for load in loaders]
    grey, white, inside = (np.clip(np.round(image.get_fdata()[BOX], 2), 0, 1).astype(np.float32) for image in images)
    fluid = np.round(np.where(inside > 0.5, np.clip(1 - grey - white, 0, 1), 0), 2).astype(np.float32)
    x, y, z = _millimetres(images[0].affine)
    ventricles = (fluid > 0.3) & (np.abs(x) < 26) & (np.abs(y + 14) < 46) & (np.abs(z - 12) < 20)
    ventricles &= (x != 0) | (z < 15)  # above, the midline is the fissure between the hemispheres
    millimetres = distance_transform_edt(~ventricles) * VOXEL_MM
    near = np.round(np.exp(-millimetres / 12), 2).astype(np.float32)
    beside_fluid = np.round(gaussian_filter(fluid, 0.7), 2).astype(np.float32)
    atlas = Atlas(_regions(grey, white, ventricles, millimetres, (x, y, z)), REGIONS, VOXEL_MM)
    return Brain(grey, white, fluid, near, beside_fluid, atlas)


def _millimetres(affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """MNI coordinates of the box's voxels; nilearn's affine is a scaling and a shift."""
    axes = [affine[k, k] * np.arange(BOX[k].start, BOX[k].stop) + affine[k, 3] for k in range(3)]
    return tuple(np.meshgrid(*axes, indexing="ij"))


def _regions(
    grey: Floats, white: Floats, ventricles: Bools, millimetres: NDArray[np.float64], axes: tuple[NDArray[np.float64], ...]
) -> NDArray[np.uint8]:
    """Atlas labels: each rule paints over those before it, from the lobes to the deep regions."""
    x, y, z = axes
    side = np.abs(x)
    tissue = grey + white >= 0.3
    labels = np.zeros(tissue.shape, dtype=np.uint8)

    def put(region: str, where: Bools) -> None:
        if region in REGIONS:
            labels[where] = REGIONS.index(region) + 1
        else:
            labels[where] = REGIONS.index(f"{region} left") + 1 + (x > 0)[where]

    put("frontal cortex", tissue & (y >= -18))
    put("parietal cortex", tissue & (y < -18))
    put("occipital cortex", tissue & (y < -66) & (z < 30))
    put("temporal cortex", tissue & (y < 20) & (y >= -66) & (z < 4 - 0.15 * y) & (side > 24))
    put("deep white matter", tissue & (white > grey) & (z > -16))
    put("periventricular white matter", tissue & (white > grey) & (millimetres <= 10) & (z > -8))
    core = ((side - 18) / 15) ** 2 + ((y + 4) / 26) ** 2 + ((z - 4) / 15) ** 2 < 1
    put("basal ganglia and thalamus", tissue & (grey >= 0.3) & core)
    put("cerebellum", tissue & (y < -36) & (z < -4 - 0.4 * side))
    put("brainstem", tissue & (side < 18) & (y < -10) & (y >= -38) & (z < -8))
    put(VENTRICLES, ventricles)
    return labels
