"""Convolutions over images as they are: volumes in three dimensions, slices in two."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.system.errors import BenchmarkError

COARSEST = 3
"""Convolutions halve a grid until no axis is longer than this [A]; where a feature then lies is kept, as images lie alike."""
DOUBLINGS = 2
"""So often the channels double as the grid is halved [A]."""


class ImageNetwork(nn.Module):
    """Features of images, side by side: of the volumes on each grid together, and of each slice.

    Volumes of one grid are the channels of one 3-D network; the slices of a view go through one 2-D network that they share.

    Parameters
    ----------
    shapes : view -> (c, *spatial), as in `Shapes.views`. Raises `BenchmarkError` for what is neither volumes nor slices.
    width : channels of the first convolution.
    of_volumes : gives a network that each channel of the volumes goes through in place of the 3-D network,
        (n, 1, x, y, z) -> (n, f), and f.
    last_block : see `convolutions`.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        width: int,
        of_volumes: Callable[[], tuple[nn.Module, int]] | None = None,
        last_block: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.width = 0
        self._groups = list(_groups(shapes))
        self.branches = nn.ModuleList()
        for names in self._groups:
            channels, grid = sum(shapes[name][0] for name in names), shapes[names[0]][1:]
            each = len(grid) == 2 or of_volumes is not None
            if len(grid) == 3 and of_volumes is not None:
                network, features = of_volumes()
            else:
                network, features = convolutions(1 if each else channels, grid, width, last_block)
            self.branches.append(ChannelByChannel(network) if each else network)
            self.width += features * channels if each else features

    def forward(self, views: Mapping[str, Tensor], *conditions: Tensor) -> Tensor:
        """View -> (b, c, *spatial) becomes (b, width). conditions (b, p): what the last blocks take beside their maps."""
        together = [torch.cat([views[name] for name in names], dim=1) for names in self._groups]
        return torch.cat([branch(images, *conditions) for branch, images in zip(self.branches, together, strict=True)], dim=1)


def _groups(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, ...]]:
    """The views that enter one network: volumes of one grid together, slices view by view."""
    for name, shape in shapes.items():
        if len(shape) not in (3, 4):
            raise BenchmarkError(f"view '{name}' has the shape {shape} in each case: this network takes volumes and slices")
    volumes = [name for name in sorted(shapes) if len(shapes[name]) == 4]
    for grid in dict.fromkeys(shapes[name][1:] for name in volumes):
        yield tuple(name for name in volumes if shapes[name][1:] == grid)
    yield from ((name,) for name in sorted(shapes) if len(shapes[name]) == 3)


class ChannelByChannel(nn.Module):
    """A network of one input channel over each channel of images, under the same conditions, its features side by side."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, *conditions: Tensor) -> Tensor:
        """(b, c, *spatial), conditions (b, p) -> (b, c * features)."""
        repeated = (condition.repeat_interleave(images.shape[1], dim=0) for condition in conditions)
        features: Tensor = self.network(images.flatten(0, 1)[:, None], *repeated)
        return features.reshape(len(images), -1)


class Conditioned(nn.Module):
    """A network, then a block that takes its maps and what they depend on beside the images."""

    def __init__(self, network: nn.Module, block: nn.Module) -> None:
        super().__init__()
        self.network, self.block = network, block

    def forward(self, images: Tensor, *conditions: Tensor) -> Tensor:
        """Images, conditions (n, p) -> the block's maps side by side, (n, features)."""
        maps: Tensor = self.block(self.network(images), *conditions)
        return maps.flatten(1)


def convolutions(
    channels: int, grid: tuple[int, ...], width: int, last_block: Callable[[int, int], nn.Module] | None = None
) -> tuple[nn.Module, int]:
    """Convolutions of stride 2, each normalised over the batch, down to the coarsest grid: (n, c, *grid) -> (n, features).

    The second value is the number of features. last_block : gives, for so many axes and channels, a block that keeps the size
    of the last maps and may look at something else beside them.
    """
    solid = len(grid) == 3
    convolution: Any = nn.Conv3d if solid else nn.Conv2d
    normalised: Any = nn.BatchNorm3d if solid else nn.BatchNorm2d
    layers: list[nn.Module] = []
    halvings = 0
    while not layers or max(grid) > COARSEST:
        wider = width * 2 ** min(halvings, DOUBLINGS)
        layers += [convolution(channels, wider, 3, stride=2, padding=1, bias=False), normalised(wider), nn.ReLU()]
        channels, grid, halvings = wider, tuple(math.ceil(length / 2) for length in grid), halvings + 1
    features = channels * math.prod(grid)
    if last_block is None:
        return nn.Sequential(*layers, nn.Flatten()), features
    return Conditioned(nn.Sequential(*layers), last_block(len(grid), channels)), features


class ResNet(nn.Module):
    """A residual network of MONAI over volumes, of which the first stages may stay as they are: (n, c, x, y, z) -> (n, f).

    frozen : how many of its five stages, the first convolution and four blocks, keep weights and statistics.
    """

    def __init__(self, network: Any, frozen: int) -> None:
        super().__init__()
        first = nn.Sequential(network.conv1, network.bn1, network.act, Highest())
        self.stages = nn.ModuleList([first, network.layer1, network.layer2, network.layer3, network.layer4])
        self._frozen = list(self.stages)[:frozen]
        for stage in self._frozen:
            stage.requires_grad_(False)

    def train(self, mode: bool = True) -> ResNet:
        """Frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self._frozen:
            stage.eval()
        return self

    def forward(self, volumes: Tensor) -> Tensor:
        """The mean of the last stage's features over the volume."""
        for stage in self.stages:
            volumes = stage(volumes)
        return volumes.mean(dim=(2, 3, 4))


class Highest(nn.Module):
    """`nn.MaxPool3d(3, stride=2, padding=1)`, whose own gradient is not deterministic on CUDA."""

    def forward(self, volumes: Tensor) -> Tensor:
        """(n, c, x, y, z) -> (n, c, x', y', z')."""
        edges = nn.functional.pad(volumes, [1] * 6, value=-math.inf)
        for axis in (2, 3, 4):
            edges = edges.unfold(axis, 3, 2).amax(dim=-1)
        return edges
