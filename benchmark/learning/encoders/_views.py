"""Where the points of an image view lie: intensity volumes on the mask's grid, and slices through planes of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView, Slice
from benchmark.data.parts import Floats
from benchmark.system.errors import BenchmarkError

MASK = "mask"
"""The view that holds the lesion mask: the lesion's share of each voxel, `(n, 1, x, y, z)`."""
DARK = 0.25
"""Tissue is brighter than this part of the 95th percentile of the points [A]: air and fluid are not."""
CLIP = 5.0
"""Intensities end here, in standard deviations of the tissue [A]."""
LITTLE = 1e-3
"""A mean over less lesion or tissue than this share is not taken [A]."""


@dataclass(frozen=True)
class Channels:
    """One intensity view: its channels as `(n, channels, points)`, and where the points lie.

    positions (points, 3) as shares of the volume's axes; None for a volume on the mask's grid, whose points are its voxels.
    panels : how many pictures the points of a channel form, one after the other: 1 for a volume.
    """

    view: ImageView
    positions: NDArray[np.float64] | None
    panels: int

    @property
    def count(self) -> int:
        """Channels: one for slices, which all show the same contrast."""
        return self.view.shape[1] if self.positions is None else 1

    def load(self, rows: NDArray[np.intp]) -> Floats:
        """(rows, channels, points) float32."""
        return self.view[rows].reshape(len(rows), self.count, -1)

    def inside(self, grid: tuple[int, ...]) -> NDArray[np.bool_]:
        """(points,) which points lie in the volume at all."""
        return np.ones(int(np.prod(grid)), dtype=bool) if self.positions is None else voxel_of(self.positions, grid)[1]

    def sample(self, volume: Floats) -> Floats:
        """(b, points): the value of the voxel of (b, x, y, z) in which each point lies; zero outside."""
        flat = volume.reshape(len(volume), -1)
        if self.positions is None:
            return flat
        voxel, inside = voxel_of(self.positions, volume.shape[1:])
        return np.asarray(flat[:, voxel] * inside, dtype=np.float32)


def mask_view(cohort: Cohort, encoder: str) -> ImageView:
    """The lesion mask. Raises `BenchmarkError` where the cohort has none, or none in three dimensions."""
    view = cohort.images.get(MASK)
    if view is None or len(view.shape) != 5 or view.shape[1] != 1:
        raise BenchmarkError(
            f"encoder {encoder}: {cohort.name} has no view '{MASK}' of shape (1, x, y, z): it has {shapes_of(cohort)}"
        )
    return view


def shapes_of(cohort: Cohort) -> str:
    """The names and shapes of a cohort's views, for messages."""
    return ", ".join(f"'{name}' {view.shape[1:]}" for name, view in cohort.images.items()) or "none"


def intensity_views(cohort: Cohort, encoder: str) -> list[Channels]:
    """Every view beside the mask, by name. Raises `BenchmarkError` for one of which it is not known where it lies."""
    grid = mask_view(cohort, encoder).shape[2:]
    channels = []
    for name, view in sorted((name, view) for name, view in cohort.images.items() if name != MASK):
        count, *spatial = view.shape[1:]
        if tuple(spatial) == grid:
            channels.append(Channels(view, None, 1))
        elif len(view.slices) == count and len(spatial) == 2:
            positions = np.concatenate([positions_of(part, *spatial) for part in view.slices])
            channels.append(Channels(view, positions, count))
        else:
            raise BenchmarkError(
                f"encoder {encoder}: {cohort.name}: where in the mask's grid {grid} view '{name}' {view.shape[1:]} lies is not "
                "known: give a volume on that grid, or say where each slice lies (`slices` of `ImageView`)"
            )
    return channels


def positions_of(part: Slice, height: int, width: int) -> NDArray[np.float64]:
    """(height * width, 3) positions of the pixels' centres; those outside [0, 1) lie outside the volume."""
    row, column = np.arange(height)[:, None, None], np.arange(width)[None, :, None]
    return np.asarray(np.array(part.origin) + row * np.array(part.down) + column * np.array(part.right)).reshape(-1, 3)


def voxel_of(positions: NDArray[np.float64], grid: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The flat index of the voxel in which each position lies (0 for those outside), and which lie inside; (points,) each."""
    inside = np.asarray(((positions >= 0) & (positions < 1)).all(axis=1))
    index = np.where(inside[:, None], positions * np.array(grid), 0).astype(np.intp)
    return np.asarray(np.ravel_multi_index(tuple(index.T), grid)), inside


def averaged(images: Floats, shape: tuple[int, ...]) -> Floats:
    """(b, *shape): means of (b, *spatial) over equal blocks; a pixel on a border counts for both by its parts."""
    for axis, blocks in enumerate(shape, start=1):
        images = np.moveaxis(np.tensordot(images, _overlap(images.shape[axis], blocks), (axis, 1)), -1, axis)
    return np.ascontiguousarray(images)


def _overlap(length: int, blocks: int) -> Floats:
    """(blocks, length): the share of each block that each pixel of an axis fills; rows sum to 1."""
    edges = np.linspace(0, length, blocks + 1)[:, None]
    pixel = np.arange(length)
    covered = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return np.asarray(np.maximum(covered, 0) * blocks / length, dtype=np.float32)


def tissue_of(value: Floats, inside: NDArray[np.bool_]) -> Floats:
    """(b, points) 1 where a point shows tissue, 0 in air and fluid."""
    bright = value > DARK * np.percentile(value, 95, axis=1, keepdims=True)
    return np.asarray(bright & inside, dtype=np.float32)


def standardised(value: Floats, healthy: Floats) -> Floats:
    """Deviations (b, points) from the mean over each case's healthy tissue, in its standard deviations, clipped."""
    amount = healthy.sum(axis=1)
    mean = ratio(np.einsum("bp,bp->b", value, healthy), amount)[:, None]
    centred = value - mean
    deviation = np.sqrt(ratio(np.einsum("bp,bp,bp->b", centred, centred, healthy), amount))[:, None]
    centred /= np.where(deviation > 0, deviation, 1)
    return np.asarray(np.clip(centred, -CLIP, CLIP, out=centred))


def ratio(sums: Floats, weights: Floats) -> Floats:
    """Sums over weights; zero where there is too little weight."""
    return np.where(weights > LITTLE, sums / np.maximum(weights, LITTLE), 0)
