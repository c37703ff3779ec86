"""Images mapped to the vectors of their reports: one small network per view, trained by mean squared error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmark.data.cohort import Cohort
from benchmark.learning.layers.images import convolutions
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.neural.augmentation import Augmentation
from benchmark.learning.self_supervised.images import Images
from benchmark.learning.text_vision.language import Schedule, descent, step
from benchmark.system.errors import BenchmarkError, InvalidTraining

READ = 128
"""Cases that are read at once."""
HIDDEN = 256
"""Units between frozen features and the report's vector [A]."""


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

    def at(self, rows: Tensor, augmentation: Augmentation | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """The views of the cases at `rows`, images turned, shifted and scaled where there is an augmentation."""
        taken = {name: view[rows].float() for name, view in self.views.items()}
        if augmentation is not None:
            taken = {name: augmentation.placed(view) if view.ndim > 2 else view for name, view in taken.items()}
        return taken, self.there[rows]


def scans_of(cases: Cohort, edge: int) -> Scans:
    """The images themselves, in [0, 1], averaged to `edge` voxels along an axis (slices to twice as many).

    Raises `BenchmarkError` where no case has an image.
    """
    views = Images(cases, edge).views
    there = np.stack([cases.having("image") & cases.having(name) for name in views], axis=1)
    return Scans(views, torch.from_numpy(there).float())


def features_of(cases: Cohort) -> Scans:
    """What the dataset's frozen encoder makes of the images, the mean over drafts."""
    features = cases.features("image")
    pooled, there = torch.from_numpy(features.pooled.mean(axis=1)), features.mask.any(axis=(1, 2))
    return Scans({"features": pooled}, torch.from_numpy(there).float()[:, None])


class ViewNetworks(nn.Module):
    """One network for each view, whose outputs are averaged over the views that a case has; zero where it has none.

    shapes : view -> (c, *spatial) of one case, or (p,) of frozen features. width : channels of the first convolution.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], width: int, outputs: int) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({name: _network(shape, width, outputs) for name, shape in shapes.items()})

    def forward(self, views: Mapping[str, Tensor], there: Tensor) -> Tensor:
        """View -> (b, c, *spatial), there (b, views) of 0 and 1 -> (b, outputs)."""
        each = torch.stack([network(views[name]) for name, network in self.networks.items()], dim=1)
        return (each * there[..., None]).sum(1) / there.sum(1, keepdim=True).clamp(min=1)

    @torch.no_grad()
    def read(self, scans: Scans) -> Tensor:
        """The outputs for all cases, (n, outputs)."""
        self.eval()
        rows = torch.arange(len(scans))
        return torch.cat([self(*scans.at(rows[at : at + READ])) for at in range(0, len(scans), READ)])


def _network(shape: tuple[int, ...], width: int, outputs: int) -> nn.Module:
    if len(shape) == 1:
        return nn.Sequential(nn.BatchNorm1d(shape[0]), perceptron([shape[0], HIDDEN, outputs], 0.5))
    network, features = convolutions(shape[0], shape[1:], width)
    return nn.Sequential(network, nn.Linear(features, outputs))


def regress(network: ViewNetworks, scans: Scans, vectors: Tensor, schedule: Schedule, seed: int) -> NDArray[np.float64]:
    """Train the networks, in place, to give the vectors (n, d); returns the mean squared error of each epoch.

    `schedule.pieces` counts cases. Raises `BenchmarkError` for fewer than two cases, `InvalidTraining` where the loss is no
    finite number.
    """
    if len(scans) < 2:
        raise BenchmarkError(f"{len(scans)} cases have both an image and a report: two are needed to learn from")
    rng = np.random.default_rng(seed)
    count = max(round(len(scans) / schedule.pieces), 1)
    optimiser, falling = descent(network, schedule.rate, schedule.epochs * count)
    losses = []
    for epoch in range(schedule.epochs):
        network.train()
        total = 0.0
        for rows in np.array_split(rng.permutation(len(scans)), count):
            altered = Augmentation([np.random.default_rng([seed, epoch, row]) for row in rows])
            loss = mse_loss(network(*scans.at(torch.from_numpy(rows), altered)), vectors[torch.from_numpy(rows)])
            step(network, optimiser, falling, loss)
            total += float(loss.detach()) / count
        if not np.isfinite(total):
            raise InvalidTraining(f"image networks, epoch {epoch + 1}: the loss is {total}: look at the images")
        losses.append(total)
    network.eval()
    return np.array(losses)


def state_of(module: nn.Module) -> dict[str, NDArray[Any]]:
    """The module's weights as named arrays."""
    return {f"state.{name}": value.numpy() for name, value in module.state_dict().items()}
