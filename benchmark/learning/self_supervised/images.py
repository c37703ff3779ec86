"""Images as networks that are trained without labels see them: in [0, 1], altered much in training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort
from benchmark.data.modalities import known_modalities
from benchmark.data.parts import View
from benchmark.learning.neural.views import averaged, coarser
from benchmark.system.errors import BenchmarkError

PERCENTILES = (0.01, 0.99)
"""Of each image's values, which become 0 and 1."""
PIECE = 64
ALTERED, FLIPPED, MOVED, TONED = 0.95, 0.5, 0.5, 0.3
"""How often an image is altered at all; then each axis mirrored, the image moved, its tones bent."""
CROP, DEGREES, SHIFT = 0.7, 10.0, 0.05
"""The least share of an axis that is kept; the largest turn about an axis; the largest shift, as a share of an axis [A]."""
GAMMA = (0.5, 1.5)

Views = Mapping[str, Tensor]


class Images:
    """The views of some cases: view -> (n, c, *spatial) float16 in [0, 1], zero where a case has no image.

    Volumes are averaged to at most `edge` voxels along an axis, slices to twice as many; 0 leaves them as they are. Raises
    `BenchmarkError` where no case has an image, and for values that are no numbers.
    """

    def __init__(self, cases: Cohort, edge: int) -> None:
        views = cases.views("image")
        if not views or not cases.having("image").any():
            raise BenchmarkError(f"{cases.name}: no case has an image, which this method trains on")
        self.views = {name: _scaled(cases.name, name, views[name], edge) for name in sorted(views)}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """View -> (c, *spatial) of one case."""
        return {name: tuple(view.shape[1:]) for name, view in self.views.items()}

    def at(self, rows: Tensor) -> dict[str, Tensor]:
        """View -> (b, c, *spatial) float32 of the cases at `rows`."""
        return {name: view[rows].float() for name, view in self.views.items()}


def _scaled(cohort: str, name: str, view: View, edge: int) -> Tensor:
    """The view on the coarser grid and in [0, 1]; shares, such as a mask, stay shares."""
    shape = (view.shape[0], view.shape[1], *coarser(view.shape[2:], edge))
    scaled = torch.zeros(shape, dtype=torch.float16)
    for start in range(0, shape[0], PIECE):
        values = averaged(torch.from_numpy(np.asarray(view[start : start + PIECE], np.float32)), shape[2:])
        if not torch.isfinite(values).all():
            raise BenchmarkError(f"{cohort}: image view '{name}': NaN or infinite values")
        if name in known_modalities()["image"].shares:
            scaled[start : start + PIECE] = values.half()
            continue
        low, high = torch.quantile(values.flatten(2), torch.tensor(PERCENTILES), dim=2)
        spread = (..., *[None] * (len(shape) - 2))
        scaled[start : start + PIECE] = ((values - low[spread]) / (high - low).clamp(min=1e-6)[spread]).clamp(0, 1).half()
    return scaled


def altered(views: Views, rng: np.random.Generator) -> dict[str, Tensor]:
    """Each case cropped, mirrored, turned, shifted and toned by draws of its own; all views of a case alike in space."""
    cases = len(next(iter(views.values())))
    drawn = rng.uniform(size=(cases, 16))
    return {name: _toned(_placed(view, drawn), drawn) for name, view in views.items()}


def _placed(view: Tensor, drawn: NDArray[np.float64]) -> Tensor:
    from monai.networks.layers import AffineTransform  # late: it takes seconds
    from scipy.spatial.transform import Rotation

    axes = view.ndim - 2
    sizes, any_change = np.array(view.shape[2:]), drawn[:, 0] < ALTERED
    moved = any_change & (drawn[:, 1] < MOVED)
    turns = DEGREES * (2 * drawn[:, 2:5] - 1) * moved[:, None]
    rotation = Rotation.from_euler("xyz" if axes == 3 else "z", turns[:, : 3 if axes == 3 else 1], degrees=True)
    kept = np.where(any_change, CROP + (1 - CROP) * drawn[:, 5], 1.0)
    mirrored = np.where(any_change[:, None] & (drawn[:, 6 : 6 + axes] < FLIPPED), -1.0, 1.0)
    linear = kept[:, None, None] * rotation.as_matrix()[:, :axes, :axes] * mirrored[:, None, :]
    shift = SHIFT * (2 * drawn[:, 9 : 9 + axes] - 1) * moved[:, None]
    slack = (1 - kept)[:, None] / 2 * (2 * drawn[:, 12 : 12 + axes] - 1)
    centre = (sizes - 1) / 2
    matrices = np.tile(np.eye(axes + 1), (len(view), 1, 1))
    matrices[:, :-1, :-1] = linear
    matrices[:, :-1, -1] = centre - linear @ centre + (shift + slack) * sizes
    placed: Tensor = AffineTransform(align_corners=False)(view, torch.from_numpy(matrices).to(view))
    return placed


def _toned(view: Tensor, drawn: NDArray[np.float64]) -> Tensor:
    gamma = np.where(
        (drawn[:, 0] < ALTERED) & (drawn[:, 15] < TONED), GAMMA[0] + (GAMMA[1] - GAMMA[0]) * drawn[:, 15] / TONED, 1
    )
    exponent = torch.from_numpy(gamma).to(view).view(-1, *[1] * (view.ndim - 1))
    return view.clamp(0, 1) ** exponent
