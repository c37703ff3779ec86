"""Volumes as MONAI networks take them: in one orientation, one spacing, one intensity scale and one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.encoders._views import MASK
from benchmark.system.errors import BenchmarkError


@dataclass(frozen=True)
class Volumes:
    """One three-dimensional view of a cohort, to be brought into shape case by case.

    spacing : edge of a voxel in mm after resampling; edge : voxels along each axis after cropping and padding;
    normalised : to mean 0 and deviation 1, as intensities are and masks are not.
    """

    view: ImageView
    voxel_mm: float
    spacing: float
    edge: int
    normalised: bool = True

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.intp], Tensor]]:
        """(rows, (b, channels, edge, edge, edge)) in turn, every case once."""
        transform = self._transform()
        for start in range(0, len(self.view), size):
            rows = np.arange(start, min(start + size, len(self.view)))
            yield rows, torch.stack([transform(case) for case in self._placed(rows)])

    def _placed(self, rows: NDArray[np.intp]) -> Iterator[Any]:
        """The cases with the affine that says where their voxels lie."""
        from monai.data.meta_tensor import MetaTensor

        signs = [-1 if axis in "LPI" else 1 for axis in self.view.axes]
        affine = torch.diag(torch.tensor([*(sign * self.voxel_mm for sign in signs), 1.0], dtype=torch.float64))
        for case in self.view[rows]:
            yield MetaTensor(torch.from_numpy(case), affine=affine)

    def _transform(self) -> Any:
        """Orientation RAS, spacing, mean 0 and deviation 1 of the non-zero voxels of each channel, size."""
        from monai.transforms import Compose, NormalizeIntensity, Orientation, ResizeWithPadOrCrop, Spacing, ToTensor

        return Compose(
            [
                Orientation(axcodes="RAS", labels=None),
                Spacing(pixdim=(self.spacing,) * 3, mode="bilinear", padding_mode="zeros"),
                *([NormalizeIntensity(nonzero=True, channel_wise=True)] if self.normalised else []),
                ResizeWithPadOrCrop((self.edge,) * 3),
                ToTensor(track_meta=False),
            ]
        )


def volumes_of(cohort: Cohort, encoder: str, view: str, spacing: float, edge: int) -> Volumes:
    """The view of that name; without a name the first volume beside the mask, else the mask.

    Slices are left out: a network for volumes has no use for three pictures. Raises `BenchmarkError` where there is no such
    view.
    """
    volumes = {name: image for name, image in sorted(cohort.images.items()) if len(image.shape) == 5}
    chosen = view or next((name for name in volumes if name != MASK), MASK)
    if chosen not in volumes:
        held = ", ".join(f"'{name}' {image.shape[1:]}" for name, image in cohort.images.items()) or "none"
        raise BenchmarkError(f"encoder {encoder}: {cohort.name} has no volume '{chosen}': its views are {held}")
    image = volumes[chosen]
    return Volumes(image, _voxel_mm(cohort, image), spacing, edge, normalised=chosen != MASK)


def _voxel_mm(cohort: Cohort, view: ImageView) -> float:
    """The edge of a voxel, by the atlas on the same field of view; 1 mm where there is no atlas [A]."""
    if cohort.atlas is None:
        return 1.0
    finer = cohort.atlas.labels.shape[0] / view.shape[2]
    return float(cohort.atlas.voxel_mm * max(round(finer), 1))
