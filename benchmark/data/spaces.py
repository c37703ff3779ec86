"""Where a dataset's voxels lie in MNI152, as `datasets/spaces.toml` says, and in which territory of its atlas."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.fetching import DATASETS
from benchmark.data.modalities.image import MASK, ImageView

Affine = NDArray[np.float64]


def affine_of(dataset: str, grid: Sequence[int]) -> Affine | None:
    """The (4, 4) affine of a grid of volumes, voxel to MNI152 millimetres; None where none is known."""
    spaces = tomllib.loads((DATASETS / "spaces.toml").read_text(encoding="utf-8"))
    rows = spaces.get(dataset, {}).get("x".join(map(str, grid)))
    return None if rows is None else np.array([*rows, [0, 0, 0, 1]], dtype=np.float64)


def territories(cohort: Cohort, dataset: str, view: str) -> NDArray[np.uint8] | None:
    """The atlas's label of each place of a view, (1, x, y, z), or (slices, rows, columns); None where it cannot be told.

    It can where atlas and volume share a grid, or lie in MNI152 both; slices lie in the mask's volume.
    """
    atlas, image = cohort.atlas, cohort.images[view]
    mask = cohort.images.get(MASK)
    if atlas is None or (len(image.shape) == 4 and not (image.slices and mask is not None)):
        return None
    grid = image.shape[2:] if len(image.shape) == 5 or mask is None else mask.shape[2:]
    voxels = _voxels(image, grid)
    if grid != atlas.labels.shape:
        here, there = affine_of(dataset, grid), affine_of(dataset, atlas.labels.shape)
        if here is None or there is None:
            return None
        moved = np.linalg.inv(there) @ here
        voxels = voxels @ moved[:3, :3].T + moved[:3, 3]
    nearest = np.rint(voxels).astype(int)
    last = np.array(atlas.labels.shape) - 1
    inside = np.all(nearest == nearest.clip(0, last), axis=-1)
    found = atlas.labels[tuple(np.moveaxis(nearest.clip(0, last), -1, 0))]
    return np.asarray(found * inside, dtype=np.uint8)


def _voxels(image: ImageView, grid: Sequence[int]) -> NDArray[np.float64]:
    """(planes, *spatial, 3) the voxel, counted from 0 at a centre, of a volume of this grid in which each place lies."""
    places = np.moveaxis(np.indices(image.shape[2:]), 0, -1).astype(np.float64)
    if not image.slices:
        return places[None]
    shares = [np.array(plane.origin) + places @ np.array([plane.down, plane.right]) for plane in image.slices]
    return np.asarray(np.stack(shares) * np.array(grid) - 0.5, dtype=np.float64)
