"""Principal components of the images' intensities, fitted on the training part only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark import BenchmarkError, Cohort, ImageView

FINEST = 2048
"""A channel is averaged over blocks until it has no more values than this [A]: 189x189 pixels become 37x37."""
BRIGHT = 0.1
"""Ranks are taken where the mean image exceeds this share of its brightest value [A]: the background is all ties."""
CASES_AT_ONCE = 64


class IntensityComponents:
    """The cases' coordinates along the directions in which the training part's images vary most.

    Of the views that a cohort has, the first by name is taken that holds intensities (`flair`, `mri`, ...), the lesion `mask`
    only where there is nothing else. A case without it stands at the mean, at zero.

    Parameters
    ----------
    count : how many directions.
    ranks : intensities are replaced by their ranks within the case and channel, from 0 to 1, over the values that are bright
        in the training part's mean: scanners scale the same brain differently, and ranks do not follow them.
    whiten : all coordinates have unit variance; else only the first has, and the others keep their share of it, so that a
        penalty on them is one on the images' own distances.
    """

    def __init__(self, count: int, *, ranks: bool = False, whiten: bool = True) -> None:
        if type(count) is not int or count < 1:
            raise BenchmarkError(f"components={count}: give a number of principal components such as 40")
        self.count, self.ranks, self.whiten = count, ranks, whiten

    def fit(self, cases: Cohort) -> IntensityComponents:
        """Learn the directions from `cases`; there are fewer than asked for where the images vary along fewer.

        Raises `BenchmarkError` where no case has an image.
        """
        from sklearn.decomposition import PCA

        blocks = blocks_of(cases)[_imaged(cases)]
        if len(blocks) < 2:
            raise BenchmarkError(f"{cases.name}: {len(blocks)} of the training cases have an image: expected 2 or more")
        mean = blocks.mean(axis=0)
        self._bright = mean > BRIGHT * mean.max()
        pixels = self._pixels(blocks)
        most = min(self.count, len(pixels) - 1, pixels.shape[1])
        self._components = PCA(most, svd_solver="full", whiten=self.whiten).fit(pixels)
        self._unit = 1.0 if self.whiten else float(np.sqrt(self._components.explained_variance_[0])) or 1.0
        return self

    def transform(self, cases: Cohort) -> NDArray[np.float64]:
        """(n, count) float64."""
        coordinates = np.asarray(self._components.transform(self._pixels(blocks_of(cases))), dtype=np.float64) / self._unit
        coordinates[~_imaged(cases)] = 0
        return coordinates

    def _pixels(self, blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the directions are found in, (n, q) from (n, channels, values)."""
        from scipy.stats import rankdata

        if not self.ranks:
            return blocks.reshape(len(blocks), -1)
        channels = [blocks[:, channel, bright] for channel, bright in enumerate(self._bright) if bright.any()]
        return np.concatenate([rankdata(values, axis=1) / values.shape[1] for values in channels], axis=1)


def blocks_of(cases: Cohort) -> NDArray[np.float64]:
    """The intensity view of each case in means over blocks, (n, channels, values)."""
    view = cases.images[intensity_view(cases)]
    return np.concatenate([_block_means(some).reshape(*some.shape[:2], -1) for some in _in_turn(view)]).astype(np.float64)


def intensity_view(cases: Cohort) -> str:
    """The name of the view whose intensities are taken. Raises `BenchmarkError` where there is no view."""
    if not cases.images:
        raise BenchmarkError(f"{cases.name} has no image view: expected one of intensities, such as 'flair'")
    return min(cases.images, key=lambda name: (name == "mask", name))


def _imaged(cases: Cohort) -> NDArray[np.bool_]:
    """(n,) which cases have the intensity view."""
    view = intensity_view(cases)
    return cases.having(view if view in cases.present else "image")


def _in_turn(view: ImageView) -> Iterator[NDArray[np.float32]]:
    """All images of a view, some cases at once: whole views would take hundreds of megabytes."""
    for start in range(0, len(view), CASES_AT_ONCE):
        yield view[np.arange(start, min(start + CASES_AT_ONCE, len(view)))]


def _block_means(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, c, *spatial) in means over cubes of the smallest edge that leaves at most `FINEST` values of a channel.

    What does not fill a block is left out, half of it on either side.
    """
    spatial = images.shape[2:]
    edge = next(edge for edge in range(1, max(spatial) + 1) if np.prod([max(size // edge, 1) for size in spatial]) <= FINEST)
    for axis, size in enumerate(spatial, start=2):
        width = min(edge, size)
        kept = size // width * width
        first = (size - kept) // 2
        taken = np.take(images, np.arange(first, first + kept), axis=axis)
        images = taken.reshape(*taken.shape[:axis], kept // width, width, *taken.shape[axis + 1 :]).mean(axis=axis + 1)
    return images
