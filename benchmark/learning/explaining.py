"""Which parts of an image a fitted network uses: Grad-CAM on its last convolutions, and occlusion as its control.

Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) sums the maps of a stage of convolutions, each weighted by the mean of the
logit's gradient over the map. The perceptron behind the convolutions of `benchmark.learning.layers.images` reads each place by
itself; there the gradient's mean says nothing of a place, so maps and gradients are multiplied place by place (HiResCAM,
Draelos and Carin 2020, arXiv 2011.08891). Where a network averages these maps over space the two are the same.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Floats, Index
from benchmark.learning.method import Method
from benchmark.learning.neural.inputs import Batch
from benchmark.learning.neural.loop import as_output
from benchmark.learning.neural.neural import NeuralMethod
from benchmark.system.errors import BenchmarkError

COARSEST = 4
"""Maps with fewer cells along their longest axis show no place: the last stage with so many is taken [A]."""
OCCLUDED = 4
"""A box of one so-many-th of each axis is occluded at a time [A]."""
ROUNDING = 1e-4
"""A fall of a logit by less is none: sums in another order differ by so much."""
TOGETHER = 64
"""Occluded images that go through the network together."""

Grid = tuple[int, ...]


def check_explainable(method: Method, modalities: Set[str]) -> None:
    """Raise `BenchmarkError` for a method, fitted or not, that has no image branch among these modalities."""
    own = isinstance(method, NeuralMethod) and "image" in method.unencoded & modalities
    if not (own or hasattr(method, "explainable")):
        raise BenchmarkError(
            "it has no image branch to explain: it sees no image, or what an encoder made of it; image-cnn, daft, film and "
            "concat[image=cnn] see the image itself (docs/explain-image.md says how a method offers its own)"
        )


def explainable(method: Method, cases: Cohort) -> tuple[nn.Module, Batch]:
    """The fitted module of a method and the cases as it sees them, of which `Batch.at` reads the image views.

    A `NeuralMethod` that sees images as they are has both; another method may offer them by `explainable(cases)`. The module
    takes a batch and gives logits, (b,) or (b, k), or an `Output`. Raises `BenchmarkError` where there is no image branch.
    """
    check_explainable(method, cases.modalities)
    offered: Any = method
    module, batch = offered.explainable(cases) if hasattr(method, "explainable") else (offered._module, offered.inputs(cases))
    module.eval().requires_grad_(False)
    return module, batch


@dataclass(frozen=True)
class Branch:
    """Image views that enter the same convolutions, as channels of one image.

    views : view -> its channels. grid : voxels of the image as the network sees it. layer : name in the module of the stage
    that is shown, cells : the size of its maps. starts, steps : of each axis the voxel at which the first cell lies, and the
    voxels from a cell to the next.
    """

    views: Mapping[str, int]
    grid: Grid
    layer: str
    cells: Grid
    starts: tuple[float, ...]
    steps: tuple[float, ...]

    @property
    def planes(self) -> int:
        """Maps of a case: one of volumes, one of each slice."""
        return 1 if len(self.grid) == 3 else sum(self.views.values())


@dataclass(frozen=True)
class CaseMaps:
    """Maps of a case, (planes, *spatial) on the network's grid of the cells and of the voxels; none is negative."""

    grad_cam: Floats
    occlusion: Floats


def branches(module: nn.Module, cases: Batch) -> list[Branch]:
    """The branches of the image views in a module. Raises `BenchmarkError` where a view has no convolutions of enough cells."""
    case = cases.at(torch.arange(1))
    names = sorted(name for name, view in case.views.items() if view.ndim in (4, 5))
    if not names:
        raise BenchmarkError("it has no image branch to explain: its batches hold no volumes and no slices")
    found = [_branch(module, case, name) for name in names]
    found.sort(key=lambda branch: (branch.layer, branch.grid))
    together = [list(alike) for _, alike in groupby(found, key=lambda branch: (branch.layer, branch.grid))]
    return [replace(alike[0], views={name: n for each in alike for name, n in each.views.items()}) for alike in together]


def case_maps(module: nn.Module, cases: Batch, branch: Branch, label: int, index: Index) -> Iterator[CaseMaps]:
    """The maps of the cases at `index` for a label: what raises its logit, and by how much occluding a place lowers it.

    An occluded place fades into the mean image of all the cases, so that occlusion leaves no edge where images lie alike.
    """
    sums = torch.stack([_images(some, branch).sum(dim=0, keepdim=True) for some in cases.portions(TOGETHER)]).sum(dim=0)
    for place in index:
        case = cases.at(torch.tensor([place]))
        yield CaseMaps(_grad_cam(module, case, branch, label), _occlusion(module, case, branch, label, sums / len(cases)))


def on_grid(maps: Floats, grid: Grid, branch: Branch) -> Floats:
    """Maps (planes, *cells) or (planes, *network's grid) on a view's grid of the same extent, linear between places.

    Cells lie where their convolutions are centred; the maps are divided by their maximum, so that a case counts as any other.
    """
    of_cells = maps.shape[1:] == branch.cells
    for axis, voxels in enumerate(grid):
        places = (np.arange(voxels) + 0.5) * branch.grid[axis] / voxels - 0.5
        if of_cells:
            places = (places - branch.starts[axis]) / branch.steps[axis]
        known = maps.shape[axis + 1]
        weights = np.maximum(0, 1 - np.abs(places.clip(0, known - 1)[:, None] - np.arange(known)))
        maps = np.moveaxis(np.tensordot(weights, maps, axes=(1, axis + 1)), 0, axis + 1)
    return np.asarray(maps / (maps.max() or 1), dtype=np.float32)


class CaseLogit(nn.Module):
    """A module's logit for a label as a function of the images of a branch, (n, c, *spatial) -> (n, 1).

    All else, the other views, table and text, is what one case has.
    """

    def __init__(self, module: nn.Module, case: Batch, branch: Branch, label: int) -> None:
        super().__init__()
        self.module, self._case, self._views = module, case, branch.views
        self._sign = 1 if label else -1
        self.eval()  # MONAI has the whole module train again after its maps unless its outermost part says otherwise

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        batch = self._case.at(torch.zeros(len(images), dtype=torch.long))
        parts = torch.split(images, list(self._views.values()), dim=1)
        views = {**batch.views, **dict(zip(self._views, parts, strict=True))}
        logits = as_output(self.module(replace(batch, views=views))).logits
        return self._sign * (logits[:, None] if logits.ndim == 1 else logits.mean(dim=1, keepdim=True))


class Faded(nn.Module):
    """A logit as a function of how far some channels of a case's images lie from the mean, (n, c', *spatial) -> (n, 1)."""

    def __init__(self, logit: CaseLogit, images: Tensor, mean: Tensor, channels: slice) -> None:
        super().__init__()
        self.logit, self._images, self._mean, self._channels = logit, images, mean, channels
        self.eval()

    def forward(self, distances: Tensor) -> Tensor:
        """Logits of the images with these channels so far from the mean."""
        whole = self._images.repeat(len(distances), *[1] * (distances.ndim - 1))
        whole[:, self._channels] = self._mean[:, self._channels] + distances
        logits: Tensor = self.logit(whole)
        return logits


def _images(cases: Batch, branch: Branch) -> Tensor:
    """(b, c, *grid)."""
    return torch.cat([cases.views[name] for name in branch.views], dim=1)


def _grad_cam(module: nn.Module, case: Batch, branch: Branch, label: int) -> Floats:
    """(planes, *cells)."""
    kept: list[Tensor] = []
    hook = module.get_submodule(branch.layer).register_forward_hook(lambda part, given, gave: kept.append(gave))
    try:
        score = CaseLogit(module, case, branch, label)(_images(case, branch).requires_grad_()).sum()
    finally:
        hook.remove()
    maps = next(gave for gave in reversed(kept) if gave.requires_grad)
    (gradient,) = torch.autograd.grad(score, maps)
    cam = (maps * gradient).sum(dim=1).relu()
    return _array(cam if len(cam) == branch.planes else cam.sum(dim=0, keepdim=True).expand(branch.planes, *branch.cells))


def _occlusion(module: nn.Module, case: Batch, branch: Branch, label: int, mean: Tensor) -> Floats:
    """(planes, *grid): by how much the logit falls where boxes fade into the mean image."""
    from monai.visualize import OcclusionSensitivity

    box = [math.ceil(voxels / OCCLUDED) for voxels in branch.grid]
    images, logit = _images(case, branch), CaseLogit(module, case, branch, label)
    drops = []
    for plane in range(branch.planes):
        channels = slice(None) if branch.planes == 1 else slice(plane, plane + 1)
        faded, distances = Faded(logit, images, mean, channels), (images - mean)[:, channels]
        occluding = OcclusionSensitivity(faded, box, TOGETHER, verbose=False, mode="gaussian", overlap=0.5, activate=False)
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using a non-tuple sequence", UserWarning)  # MONAI's own indexing
            drops.append(faded(distances)[0, 0] - occluding(distances)[0][0, 0])
    fallen = torch.stack(drops)
    return _array(fallen * (fallen > ROUNDING))


def _array(maps: Tensor) -> Floats:
    return np.asarray(maps.detach().cpu().numpy(), dtype=np.float32)


def _branch(module: nn.Module, case: Batch, name: str) -> Branch:
    """The branch of one view: what depends on it, and no weight does, has a gradient."""
    view = case.views[name].clone().requires_grad_()
    grid, axes = tuple(view.shape[2:]), view.ndim
    stages: list[tuple[str, Grid]] = []
    lies: dict[Grid, tuple[tuple[float, ...], tuple[float, ...]]] = {grid: ((0.0,) * len(grid), (1.0,) * len(grid))}

    def seen(layer: str, part: nn.Module, given: tuple[Any, ...], gave: Any) -> None:
        if not (isinstance(gave, Tensor) and gave.requires_grad and gave.ndim == axes):
            return
        before, cells = tuple(given[0].shape[2:]) if isinstance(given[0], Tensor) else (), tuple(gave.shape[2:])
        if before in lies and cells not in lies:
            lies[cells] = _placed(part, *lies[before], before, cells)
        stages.append((layer, cells))

    hooks = [
        part.register_forward_hook(lambda part, given, gave, layer=layer: seen(layer, part, given, gave))
        for layer, part in module.named_modules()
    ]
    try:
        module(replace(case, views={**case.views, name: view}))
    finally:
        for hook in hooks:
            hook.remove()
    fine = [(layer, cells) for layer, cells in stages if layer and cells in lies and max(cells) >= COARSEST]
    if not fine:
        size = "x".join(map(str, grid))
        raise BenchmarkError(
            f"view '{name}' ({size} as the network sees it) goes through no convolutions whose maps have {COARSEST} cells "
            "along an axis: there is no place to show"
        )
    layer, cells = fine[-1]
    return Branch({name: view.shape[1]}, grid, layer, cells, *lies[cells])


def _placed(
    part: nn.Module, starts: tuple[float, ...], steps: tuple[float, ...], before: Grid, cells: Grid
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where a part puts its cells, in voxels: a convolution or pooling by its arithmetic, another as if the edges stayed."""
    placed: list[tuple[float, float]] = []
    for axis, (start, step) in enumerate(zip(starts, steps, strict=True)):
        size, stride, padding = (_of_axis(getattr(part, name, None), axis) for name in ("kernel_size", "stride", "padding"))
        if size is None or stride is None or padding is None:
            stride = before[axis] / cells[axis]
            offset = (stride - 1) / 2
        else:
            dilation = _of_axis(getattr(part, "dilation", 1), axis) or 1
            offset = dilation * (size - 1) / 2 - padding
        placed.append((start + step * offset, step * stride))
    first, second = zip(*placed, strict=True)
    return tuple(first), tuple(second)


def _of_axis(setting: Any, axis: int) -> float | None:
    value = setting[axis] if isinstance(setting, tuple) else setting
    return value if isinstance(value, int | float) else None
