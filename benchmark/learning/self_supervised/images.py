"""Images as networks that are trained without labels see them: in [0, 1], altered much in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort
from benchmark.data.modalities import known_modalities
from benchmark.data.parts import View
from benchmark.learning.neural.views import averaged
from benchmark.system.errors import BenchmarkError

PERCENTILES = (0.01, 0.9995)
"""Of each image's values, which become 0 and 1. The source's upper one is .99, at one millimetre: on coarse volumes a lesion is
less than a hundredth of all voxels and brighter than the rest, and would be cut off [A]."""
PIECE = 64
ALTERED, FLIPPED, MOVED, TONED = 0.95, 0.5, 0.5, 0.3
"""How often an image is altered at all; then each axis mirrored, the image moved, its tones bent."""
CROP, DEGREES, SHIFT = 0.7, 10.0, 0.05
"""The least share of an axis that is kept; the largest turn about an axis; the largest shift, as a share of an axis [A]."""
GAMMA = (0.5, 1.5)

Views = Mapping[str, Tensor]


class Images:
    """The views of some cases: view -> (n, c, *spatial) float16 in [0, 1], zero where a case has no image.

    Axes longer than `edge` voxels are averaged, in slices those longer than twice that; 0 leaves all as they are. Raises
    `BenchmarkError` where no case has an image, and for values that are no numbers.
    """

    def __init__(self, cases: Cohort, edge: int) -> None:
        views = cases.views("image")
        if not views or not cases.having("image").any():
            raise BenchmarkError(f"{cases.name}: no case has an image, which this method trains on")
        self.views = {name: read_view(cases.name, name, views[name], edge, _by_percentiles) for name in sorted(views)}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """View -> (c, *spatial) of one case."""
        return {name: tuple(view.shape[1:]) for name, view in self.views.items()}

    def at(self, rows: Tensor) -> dict[str, Tensor]:
        """View -> (b, c, *spatial) float32 of the cases at `rows`."""
        return {name: view[rows].float() for name, view in self.views.items()}


def read_view(cohort: str, name: str, view: View, edge: int, scale: Callable[[Tensor], Tensor]) -> Tensor:
    """The view on the coarser grid and scaled, (n, c, *spatial) float16; shares, such as a mask, stay shares.

    scale : (b, c, *spatial) -> the same shape. Raises `BenchmarkError` for values that are no numbers.
    """
    shape = (view.shape[0], view.shape[1], *_grid(view.shape[2:], edge))
    scaled = torch.zeros(shape, dtype=torch.float16)
    for start in range(0, shape[0], PIECE):
        values = averaged(torch.from_numpy(np.asarray(view[start : start + PIECE], np.float32)), shape[2:])
        if not torch.isfinite(values).all():
            raise BenchmarkError(f"{cohort}: image view '{name}': NaN or infinite values")
        shares = name in known_modalities()["image"].shares
        scaled[start : start + PIECE] = (values if shares else scale(values)).half()
    return scaled


def _by_percentiles(values: Tensor) -> Tensor:
    """In [0, 1], each channel of a case by its own percentiles."""
    low, high = torch.from_numpy(np.quantile(values.flatten(2).numpy(), PERCENTILES, axis=2).astype(np.float32))
    spread = (..., *[None] * (values.ndim - 2))
    scaled: Tensor = (values - low[spread]) / (high - low).clamp(min=1e-6)[spread]
    return scaled.clamp(0, 1)


def _grid(spatial: tuple[int, ...], edge: int) -> tuple[int, ...]:
    """Axes that are longer than the edge (twice that in slices), divided by one whole factor; the others as they are."""
    longest = edge if len(spatial) == 3 else 2 * edge
    factor = -(-max(spatial) // longest) if edge else 1
    return tuple(-(-length // factor) if length > longest else length for length in spatial)


def altered(views: Views, rng: np.random.Generator, mirrored: bool = True) -> dict[str, Tensor]:
    """Each case cropped, mirrored, turned, shifted and toned by draws of its own; all views of a case alike in space.

    A first axis of a volume at most half as long as the shorter of the others is one of slices or of time: it stays as it is.
    """
    cases = len(next(iter(views.values())))
    drawn = rng.uniform(size=(cases, 16))
    return {name: _toned(_placed(view, drawn, mirrored), drawn) for name, view in views.items()}


def _placed(view: Tensor, drawn: NDArray[np.float64], mirrored: bool) -> Tensor:
    from monai.networks.layers import AffineTransform  # late: it takes seconds
    from scipy.spatial.transform import Rotation

    axes = view.ndim - 2
    sizes, any_change = np.array(view.shape[2:]), drawn[:, 0] < ALTERED
    moved = any_change & (drawn[:, 1] < MOVED)
    free = np.array([axes < 3 or 2 * sizes[0] > sizes[1:].min(), *[True] * (axes - 1)])
    turns = DEGREES * (2 * drawn[:, 2:5] - 1) * moved[:, None] * [True, free[0], free[0]]
    rotation = Rotation.from_euler("xyz" if axes == 3 else "z", turns[:, : 3 if axes == 3 else 1], degrees=True)
    kept = np.where(any_change, CROP + (1 - CROP) * drawn[:, 5], 1.0)[:, None] ** free
    flips = any_change[:, None] & (drawn[:, 6 : 6 + axes] < FLIPPED) & free & mirrored
    linear = kept[:, :, None] * rotation.as_matrix()[:, :axes, :axes] * np.where(flips, -1.0, 1.0)[:, None, :]
    shift = SHIFT * (2 * drawn[:, 9 : 9 + axes] - 1) * moved[:, None] * free
    slack = (1 - kept) / 2 * (2 * drawn[:, 12 : 12 + axes] - 1)
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
