"""Encoders of images and tables, projections, and the block in which a table looks at an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool3d

from benchmark.learning.layers import images
from benchmark.learning.layers.images import ResNet, convolutions
from benchmark.learning.layers.perceptron import Dropout

Views = Mapping[str, Tensor]
HEADS = 4
SLICE_WIDTH = 128
"""The width of tokens where there are slices alone."""


def resnet_of(size: str, width: int) -> Callable[[int], tuple[nn.Module, int]]:
    """Gives, for so many channels, a 3-D ResNet up to its last maps, as MONAI builds it, and its features.

    `size=small` has one basic block per stage and a stem of stride 2 [A], `size=paper` is ResNet-50.
    """

    def resnet(channels: int) -> tuple[nn.Module, int]:
        from monai.networks.nets.resnet import ResNet as MonaiResNet  # late: it takes seconds

        widths = [width, 2 * width, 4 * width, 8 * width]
        options: dict[str, Any] = {"n_input_channels": channels, "feed_forward": False}
        if size == "paper":
            return Maps(MonaiResNet("bottleneck", [3, 4, 6, 3], widths, **options)), 4 * widths[-1]
        return Maps(MonaiResNet("basic", [1, 1, 1, 1], widths, conv1_t_size=3, conv1_t_stride=2, **options)), widths[-1]

    return resnet


class Maps(ResNet):
    """A residual network of MONAI up to its last maps: (n, c, x, y, z) -> (n, f, x', y', z')."""

    def __init__(self, network: Any) -> None:
        super().__init__(network, frozen=0)
        self.stages[0] = nn.Sequential(network.conv1, network.bn1, network.act, Highest())

    def forward(self, volumes: Tensor) -> Tensor:
        """The last stage's maps."""
        for stage in self.stages:
            volumes = stage(volumes)
        return volumes


class Highest(images.Highest):
    """The same on the CPU as PyTorch computes it: deterministic there, and four times as fast."""

    def forward(self, volumes: Tensor) -> Tensor:
        """(n, c, x, y, z) -> (n, c, x', y', z')."""
        if volumes.device.type != "cpu":
            return super().forward(volumes)
        return torch.as_tensor(max_pool3d(volumes, 3, stride=2, padding=1))


class SliceMaps(nn.Module):
    """Convolutions over slices: (n, 1, x, y) -> (n, places, channels)."""

    def __init__(self, grid: tuple[int, ...]) -> None:
        super().__init__()
        network, features = convolutions(1, grid, 16)
        self.maps = nn.Sequential(*list(network.children())[:-1])  # not flattened
        with torch.no_grad():
            self.features = features // self.eval()(torch.zeros(1, 1, *grid)).shape[1]
        self.train()

    def forward(self, slices: Tensor) -> Tensor:
        """The last maps, place by place."""
        return torch.as_tensor(self.maps(slices)).flatten(2).transpose(1, 2)


class ImageEncoder(nn.Module):
    """Tokens of images, the places of their last maps, (b, t, width), and the mean over them, (b, width).

    Volumes of one grid are channels of one ResNet; the slices of a view share a 2-D network, whose maps are brought to `width`.

    Parameters
    ----------
    shapes : view -> (c, *spatial) of one case.
    resnet : gives, for so many channels, a network from volumes to maps, and its features.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], resnet: Callable[[int], tuple[nn.Module, int]]) -> None:
        super().__init__()
        volumes = [name for name, shape in shapes.items() if len(shape) == 4]
        self._grids = [
            [name for name in volumes if shapes[name][1:] == grid]
            for grid in dict.fromkeys(shapes[name][1:] for name in volumes)
        ]
        self._slices = [name for name, shape in shapes.items() if len(shape) == 3]
        self.width = SLICE_WIDTH
        self.solid, self.flat = nn.ModuleList(), nn.ModuleDict()
        for names in self._grids:
            network, self.width = resnet(sum(shapes[name][0] for name in names))
            self.solid.append(network)
        for name in self._slices:
            maps = SliceMaps(shapes[name][1:])
            self.flat[name] = nn.Sequential(maps, nn.Linear(maps.features, self.width))

    def forward(self, views: Views) -> Tensor:
        """View -> (b, c, *spatial) becomes tokens (b, t, width)."""
        together = [torch.cat([views[name] for name in names], dim=1) for names in self._grids]
        tokens = [network(volumes).flatten(2).transpose(1, 2) for network, volumes in zip(self.solid, together, strict=True)]
        for name in self._slices:
            cases, slices = views[name].shape[:2]
            tokens.append(
                self.flat[name](views[name].flatten(0, 1)[:, None]).reshape(cases, slices, -1, self.width).flatten(1, 2)
            )
        return torch.cat(tokens, dim=1)


class TableMLP(nn.Module):
    """Linear, normalisation, ReLU, dropout, linear: (b, p) -> (b, width) (the authors' code of 2411.09822)."""

    def __init__(self, inputs: int, width: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), Dropout(dropout), nn.Linear(width, width)
        )
        self.width = width
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, table: Tensor) -> Tensor:
        """Tokens (b, 1, width): one for the whole table."""
        return torch.as_tensor(self.layers(table))[:, None]


class TableTokens(nn.Module):
    """A token for each column, its values' linear map beside the column's own embedding, behind one for the whole table.

    columns (p,) : which column each value of the table is of. A masked column has the mask's token in place of its values.
    """

    def __init__(self, columns: Tensor, width: int, layers: int) -> None:
        super().__init__()
        count = int(columns.max()) + 1
        self.columns: Tensor = nn.Buffer(columns)
        self.values = nn.Parameter(torch.randn(len(columns), width) * width**-0.5)
        self.names = nn.Parameter(torch.randn(count, width) * width**-0.5)
        self.whole, self.masked = (nn.Parameter(torch.randn(width) * width**-0.5) for _ in range(2))
        self.layers = transformer(width, layers) if layers else nn.Identity()
        self.width = width

    def forward(self, table: Tensor, masked: Tensor | None = None) -> Tensor:
        """(b, p), masked (b, columns) bool or None -> (b, 1 + columns, width)."""
        values = table.new_zeros(len(table), len(self.names), self.width)
        values = values.index_add(1, self.columns, table[..., None] * self.values)
        if masked is not None:
            values = torch.where(masked[..., None], self.masked, values)
        whole = self.whole.expand(len(table), 1, -1)
        tokens: Tensor = self.layers(torch.cat([whole, values + self.names], dim=1))
        return tokens


def transformer(width: int, layers: int) -> nn.Module:
    """Pre-norm self-attention."""
    layer = nn.TransformerEncoderLayer(width, HEADS, 4 * width, 0.1, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class Fusion(nn.Module):
    """Table tokens attend to each other, then to image tokens (the block of TIP, 2407.07582, and BLIP, 2201.12086).

    In each layer, pre-norm: self-attention, cross-attention, an MLP of four times the width; a last norm.
    """

    def __init__(self, image: int, table: int, width: int, layers: int) -> None:
        super().__init__()
        self.of_image, self.of_table = nn.Linear(image, width), nn.Linear(table, width)
        layer = nn.TransformerDecoderLayer(width, HEADS, 4 * width, 0.1, batch_first=True, norm_first=True)
        self.layers = nn.TransformerDecoder(layer, layers, norm=nn.LayerNorm(width))
        self.width = width

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        """Tokens (b, t, image) and (b, s, table) -> (b, s, width)."""
        return torch.as_tensor(self.layers(self.of_table(table), self.of_image(image)))


def projection(inputs: int, outputs: int = 128) -> nn.Sequential:
    """Linear, ReLU, linear: what embeddings go through to be compared (SimCLR's head)."""
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, outputs))
