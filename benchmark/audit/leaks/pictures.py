"""Images as the checks see them: a hash of the stored voxels, and a small normalised vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from benchmark.data.modalities.image import ImageView
from benchmark.data.parts import Bools, Floats

EDGE = 16
"""Blocks along each spatial axis of the small image, at most."""
FEWEST_VOXELS = 20
"""A picture that differs from its background in fewer voxels, or blocks, may equal another by chance."""
CHUNK = 64


def hashes(view: ImageView, there: Bools) -> NDArray[np.uint64]:
    """(n,) a hash of each image; 0 where a case has none, or one of too few voxels apart from its background."""
    keys = np.zeros(len(view), dtype=np.uint64)
    for case in np.flatnonzero(there):
        voxels = np.ascontiguousarray(view.array[view.rows[case]])
        if np.count_nonzero(voxels != voxels.flat[0]) >= FEWEST_VOXELS:
            keys[case] = int.from_bytes(blake2b(voxels.tobytes(), digest_size=8).digest(), "little") | 1
    return keys


@dataclass(frozen=True, eq=False)
class SmallImages:
    """Block means (n, blocks) float32 of every image; `told` (n,) says whose blocks differ enough to be compared."""

    blocks: Floats
    told: Bools

    def normalised(self) -> Floats:
        """(n, blocks) with mean 0 and length 1: the distance of two is sqrt(2 - 2 r), r their correlation."""
        centred = self.blocks - self.blocks.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.asarray(centred / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def small_images(view: ImageView, there: Bools) -> SmallImages:
    """Every image of a view as block means, a few cases in memory at a time."""
    blocks = np.concatenate([_block_means(part) for part in _chunks(view)])
    varied = (blocks != np.median(blocks, axis=1, keepdims=True)).sum(axis=1)
    return SmallImages(blocks, there & (varied >= FEWEST_VOXELS))


def _chunks(view: ImageView) -> Iterator[Floats]:
    for start in range(0, len(view), CHUNK):
        yield view[np.arange(start, min(start + CHUNK, len(view)))]


def _block_means(images: Floats) -> Floats:
    """(n, c, *spatial) -> (n, blocks): means over equal blocks; what is left at the end of an axis joins its last block."""
    for axis in range(2, images.ndim):
        size = images.shape[axis]
        step = -(-size // EDGE)
        starts = np.arange(0, size, step)
        widths = np.diff([*starts, size]).reshape([-1 if other == axis else 1 for other in range(images.ndim)])
        images = np.asarray(np.add.reduceat(images, starts, axis=axis) / widths, dtype=np.float32)
    return np.asarray(images.reshape(len(images), -1), dtype=np.float32)
