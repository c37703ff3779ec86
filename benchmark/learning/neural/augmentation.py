"""Augmentation of views as they are: each sample is altered a little, anew in each epoch, by a generator of its own.

Images are turned, shifted and scaled, all volumes of a case alike and all its slices alike, so that a mask stays on its volume.
They are never mirrored: on which side a lesion lies decides what it costs. All amounts are assumed [A].
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

DEGREES = 10.0
"""The largest turn about each axis of a volume, and of a slice in its plane."""
SHIFT = 0.05
"""The largest shift, as a share of an axis."""
SCALE = 0.1
"""The largest change of size, and of contrast or amplitude, as a share."""
OFFSET = 0.1
"""The largest change of brightness, in standard deviations."""
JITTER = 0.05
"""The standard deviation of noise on a signal, whose own is 1."""
MASKED = 0.1
"""The longest stretch of a signal that is silenced in all leads, as a share of its samples."""


class Augmentation:
    """How the samples of a batch are altered; `generators`, one for each, are drawn from in the order of the calls."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators
        self._placements: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def placed(self, images: Tensor) -> Tensor:
        """Volumes or slices (b, c, *spatial) turned, shifted and scaled, zero beyond their edges; signals as they are."""
        sizes = np.array(images.shape[2:])
        if len(sizes) == 1:
            return images
        from monai.networks.layers import AffineTransform  # late: it takes seconds

        if len(sizes) not in self._placements:
            self._placements[len(sizes)] = self._drawn_placements(len(sizes))
        turned, shifted = self._placements[len(sizes)]
        centre = (sizes - 1) / 2
        matrices = np.tile(np.eye(len(sizes) + 1), (len(images), 1, 1))
        matrices[:, :-1, :-1] = turned
        matrices[:, :-1, -1] = centre - turned @ centre + shifted * sizes
        theta = torch.from_numpy(matrices).to(images)
        moved: Tensor = AffineTransform(align_corners=False)(images, theta)
        return moved

    def toned(self, values: Tensor) -> Tensor:
        """Standardised images with another contrast and brightness in each channel; signals (b, leads, samples) rescaled, with
        noise on them and a stretch of time silenced.
        """
        if values.ndim > 3:
            gains, offsets = self._drawn(2, values.shape[1]).to(values).unbind(1)
            spread = (*gains.shape, *[1] * (values.ndim - 2))
            return values * (1 + SCALE * gains).view(spread) + OFFSET * offsets.view(spread)
        leads, samples = values.shape[1:]
        gains = 1 + SCALE * self._drawn(leads, 1).to(values)
        noise = np.stack([generator.normal(scale=JITTER, size=(leads, samples)) for generator in self._generators])
        starts, lengths = self._drawn(2, 1, low=0.0).to(values).unbind(1)
        time = (torch.arange(samples, device=values.device) + 0.5) / samples
        silent = (time >= starts) & (time < starts + MASKED * lengths)
        return (values * gains + torch.from_numpy(noise).to(values)) * ~silent[:, None]

    def _drawn(self, *shape: int, low: float = -1.0) -> Tensor:
        """(b, *shape) float64, uniform from `low` to 1."""
        return torch.from_numpy(np.stack([generator.uniform(low, 1, size=shape) for generator in self._generators]))

    def _drawn_placements(self, axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Matrices (b, axes, axes) of turn and scale, and shifts (b, axes) as shares of the axes."""
        drawn = np.stack([generator.uniform(-1, 1, size=7) for generator in self._generators])
        turns = Rotation.from_euler("xyz" if axes == 3 else "z", DEGREES * drawn[:, : 3 if axes == 3 else 1], degrees=True)
        scales = 1 + SCALE * drawn[:, 3, None, None]
        return scales * turns.as_matrix()[:, :axes, :axes], SHIFT * drawn[:, 4 : 4 + axes]
