"""Images mapped to the vectors of their reports: one small network per view, trained by mean squared error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.data.cohort import Cohort
from benchmark.learning.layers.perceptron import Dropout, perceptron
from benchmark.learning.self_supervised.images import read_view
from benchmark.learning.text_vision.language import descent, step
from benchmark.system.errors import BenchmarkError, InvalidTraining

READ = 128
"""Cases that are read at once."""
DARKEST, BACKGROUND, BRIGHTEST = 0.01, 1 / 8, 4.0
"""The share of an image that is black; the share of its mean below which SPM's global mean leaves voxels out; the most."""
HIDDEN = 256
"""Units between frozen features and the report's vector [A]."""
COARSEST, PLACES, DROPPED = 7, 2, 0.2
"""Maps are halved until no axis is longer than this; then the greatest value in each half of an axis is kept; dropout [A]."""
LEAST = 0.02
"""Added to the deviation of a voxel over the training cases, where the mean of an image is 1."""


@dataclass(frozen=True)
class Regression:
    """Steps of AdamW, which end with the epoch, cases in a batch, and the highest learning rate."""

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True, eq=False)
class Scans:
    """What a network sees of some cases: view -> (n, c, *spatial), and which case has which view (n, views).

    Frozen features are one view, (n, p).
    """

    views: Mapping[str, Tensor]
    there: Tensor

    def __len__(self) -> int:
        return len(self.there)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """View -> the shape of one case."""
        return {name: tuple(view.shape[1:]) for name, view in self.views.items()}

    def at(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The views of the cases at `rows`, and which case has which."""
        return {name: view[rows].float() for name, view in self.views.items()}, self.there[rows]


def imaged(cases: Cohort) -> NDArray[np.bool_]:
    """(n,) which cases have an image: in some view, where the cohort holds views."""
    views = [cases.having(name) for name in cases.images]
    return np.asarray(cases.having("image") & (np.any(views, axis=0) if views else True))


def scans_of(cases: Cohort, edge: int) -> Scans:
    """The images themselves, averaged to `edge` voxels along an axis (slices to twice as many), from 0 to 4; their mean is 1.

    A lesion is smaller than a hundredth of an image and brighter than the rest: so what is brightest is not cut off at a
    percentile. Raises `BenchmarkError` where no case has an image, and for values that are no numbers.
    """
    views = cases.views("image")
    if not views or not cases.having("image").any():
        raise BenchmarkError(f"{cases.name}: no case has an image, which this method sees")
    scaled = {name: read_view(cases.name, name, views[name], edge, _by_mean) for name in sorted(views)}
    there = np.stack([cases.having("image") & cases.having(name) for name in scaled], axis=1)
    return Scans(scaled, torch.from_numpy(there).float())


def _by_mean(values: Tensor) -> Tensor:
    """Each channel of a case less its darkest, divided by its mean.

    The mean is SPM's global one, of the voxels above an eighth of the mean of all.
    """
    flat = values.flatten(2)
    flat = (flat - flat.quantile(DARKEST, dim=2, keepdim=True)).clamp(min=0)
    counted = flat > BACKGROUND * flat.mean(2, keepdim=True)
    mean = (flat * counted).sum(2, keepdim=True) / counted.sum(2, keepdim=True).clamp(min=1)
    return (flat / mean.clamp(min=1e-6)).clamp(max=BRIGHTEST).view_as(values)


def features_of(cases: Cohort) -> Scans:
    """What the dataset's frozen encoder makes of the images, the mean over drafts."""
    features = cases.features("image")
    pooled, there = torch.from_numpy(features.pooled.mean(axis=1)), features.mask.any(axis=(1, 2))
    return Scans({"features": pooled}, torch.from_numpy(there).float()[:, None])


class ViewNetworks(nn.Module):
    """One network for each view, whose outputs are averaged over the views that a case has; zero where it has none.

    A network sees the cases that have its view. Each voxel is standardised by its mean and deviation over the training cases.

    shapes : view -> (c, *spatial) of one case, or (p,) of frozen features. width : channels of the first convolution.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], width: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.networks = nn.ModuleDict({name: _network(shape, width, outputs) for name, shape in shapes.items()})
        for name, shape in shapes.items():
            self.register_buffer(f"mean_{name}", torch.zeros(shape))
            self.register_buffer(f"spread_{name}", torch.ones(shape))

    def standardise(self, scans: Scans) -> None:
        """Take mean and deviation from these cases."""
        for column, (name, view) in enumerate(scans.views.items()):
            values = view[scans.there[:, column] > 0].float()
            if len(values) > 1:
                self.get_buffer(f"mean_{name}").copy_(values.mean(0))
                self.get_buffer(f"spread_{name}").copy_(values.std(0) + LEAST)

    def forward(self, views: Mapping[str, Tensor], there: Tensor, shift: Sequence[int] = ()) -> Tensor:
        """View -> (b, c, *spatial), there (b, views) of 0 and 1 -> (b, outputs).

        shift : voxels along each axis by which all images are moved, once their voxels are standardised.
        """
        summed = torch.zeros(len(there), self.outputs)
        for rows, outputs in self.of_each_view(views, there, shift):
            summed = summed.index_add(0, rows, outputs)
        return summed / there.sum(1, keepdim=True).clamp(min=1)

    def of_each_view(
        self, views: Mapping[str, Tensor], there: Tensor, shift: Sequence[int] = ()
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each view that some case has: which cases these are, (k,), and what its network makes of them, (k, outputs)."""
        for column, (name, network) in enumerate(self.networks.items()):
            rows = there[:, column].nonzero()[:, 0]
            if len(rows):
                standard = (views[name][rows] - self.get_buffer(f"mean_{name}")) / self.get_buffer(f"spread_{name}")
                axes = tuple(range(2, standard.ndim))[: len(shift)]
                moved = standard.roll(tuple(shift[: len(axes)]), axes) if axes else standard
                yield rows, network(moved)

    @torch.no_grad()
    def read(self, scans: Scans) -> Tensor:
        """The outputs for all cases, (n, outputs)."""
        self.eval()
        rows = torch.arange(len(scans))
        return torch.cat([self(*scans.at(rows[at : at + READ])) for at in range(0, len(scans), READ)])


def _network(shape: tuple[int, ...], width: int, outputs: int) -> nn.Module:
    """Convolutions of stride 2, one more, and the greatest value of each half of each axis, so that sides stay apart."""
    if len(shape) == 1:
        return perceptron([shape[0], HIDDEN, outputs], 0.5)
    channels, grid = shape[0], shape[1:]
    solid = len(grid) == 3
    convolution: Any = nn.Conv3d if solid else nn.Conv2d
    normalised: Any = nn.BatchNorm3d if solid else nn.BatchNorm2d
    greatest: Any = nn.AdaptiveMaxPool3d if solid else nn.AdaptiveMaxPool2d
    layers: list[nn.Module] = []
    stride = 2
    while stride == 2:
        stride = 2 if max(grid) > COARSEST else 1
        layers += [convolution(channels, width, 3, stride=stride, padding=1, bias=False), normalised(width), nn.ReLU()]
        channels, width, grid = width, min(width + width // 2, 64), tuple(-(-length // stride) for length in grid)
    places = [min(PLACES, length) for length in grid]
    last = nn.Linear(channels * math.prod(places), outputs)
    nn.init.zeros_(last.weight)  # it begins at the mean of the reports, or at even chances
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, greatest(tuple(places)), nn.Flatten(), Dropout(DROPPED), last)


def regress(network: ViewNetworks, scans: Scans, vectors: Tensor, how: Regression, seed: int) -> NDArray[np.float64]:
    """Train the networks, in place, each to give the vectors (n, d) by itself; returns the mean squared error of each epoch.

    Raises `BenchmarkError` for fewer than two cases, `InvalidTraining` where the loss is no finite number.
    """
    if len(scans) < 2:
        raise BenchmarkError(f"{len(scans)} cases have both an image and a report: two are needed to learn from")
    network.standardise(scans)
    rng = np.random.default_rng(seed)
    count = max(round(len(scans) / how.batch), 1)
    epochs = math.ceil(how.steps / count)
    optimiser, falling = descent(network, how.rate, epochs * count)
    losses = []
    for epoch in range(epochs):
        network.train()
        total = 0.0
        for rows in np.array_split(rng.permutation(len(scans)), count):
            places = torch.from_numpy(rows)
            loss = view_loss(network, scans.at(places), vectors[places], shift_of(rng))
            step(network, optimiser, falling, loss)
            total += float(loss.detach()) / count
        if not np.isfinite(total):
            raise InvalidTraining(f"image networks, epoch {epoch + 1}: the loss is {total}: look at the images")
        losses.append(total)
    network.eval()
    return np.array(losses)


def view_loss(
    network: ViewNetworks, scans: tuple[Mapping[str, Tensor], Tensor], vectors: Tensor, shift: Sequence[int]
) -> Tensor:
    """The mean over cases of the mean, over the views that a case has, of the squared error of that view's network."""
    views, there = scans
    shares = 1 / there.sum(1).clamp(min=1)
    errors = [
        (shares[rows] * (outputs - vectors[rows]).square().mean(1)).sum()
        for rows, outputs in network.of_each_view(views, there, shift)
    ]
    return torch.stack(errors).sum() / len(there)


def shift_of(rng: np.random.Generator) -> list[int]:
    """A voxel, or none, along each of three axes: how a batch is moved in training."""
    return [int(step) for step in rng.integers(-1, 2, size=3)]


def state_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """The module's weights as named arrays."""
    return {f"state.{name}": value.numpy() for name, value in module.state_dict().items()}
