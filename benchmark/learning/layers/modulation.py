"""A residual block whose normalised maps are scaled and shifted by a table: DAFT (arXiv 2107.05990) and, like it, FiLM."""

from typing import Any

import torch
from torch import Tensor, nn


class Modulation(nn.Module):
    """alpha, beta = W_2 relu(W_1 c), then F -> alpha F + beta, one alpha and one beta for each channel of the maps F.

    Parameters
    ----------
    sees_maps : whether c is [mean of each channel of F ; x], as in DAFT, or the table x alone, as in FiLM.
    bottleneck : to how many values W_1 leads. Neither map has a bias.
    """

    def __init__(self, channels: int, table: int, bottleneck: int, *, sees_maps: bool) -> None:
        super().__init__()
        self.sees_maps = sees_maps
        self.auxiliary = nn.Sequential(
            nn.Linear(channels + table if sees_maps else table, bottleneck, bias=False),
            nn.ReLU(),
            nn.Linear(bottleneck, 2 * channels, bias=False),
        )

    def forward(self, maps: Tensor, table: Tensor) -> Tensor:
        """Maps (b, channels, *spatial), table (b, p) -> maps."""
        means = [maps.reshape(*maps.shape[:2], -1).mean(dim=2)] if self.sees_maps else []
        scale, shift = self.auxiliary(torch.cat([*means, table], dim=1)).chunk(2, dim=1)
        everywhere = (..., *[None] * (maps.dim() - 2))
        modulated: Tensor = scale[everywhere] * maps + shift[everywhere]
        return modulated


class ModulatedBlock(nn.Module):
    """F -> relu(F + norm(conv(relu(modulated(norm(conv F)))))); the first normalisation has no scale and shift of its own.

    axes : 3 for maps of volumes, 2 for those of slices, 0 for features (b, channels), which linear maps stand for.
    """

    def __init__(self, axes: int, channels: int, modulation: Modulation) -> None:
        super().__init__()
        normalised: Any = {0: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[axes]
        self.first, self.second = (_bias_free(axes, channels) for _ in range(2))
        self.norm, self.second_norm = normalised(channels, affine=False), normalised(channels)
        self.modulation = modulation

    def forward(self, maps: Tensor, table: Tensor) -> Tensor:
        """Maps (b, channels, *spatial), table (b, p) -> maps."""
        inner = self.modulation(self.norm(self.first(maps)), table).relu()
        residual: Tensor = self.second_norm(self.second(inner))
        return (maps + residual).relu()


def _bias_free(axes: int, channels: int) -> nn.Module:
    if axes == 0:
        return nn.Linear(channels, channels, bias=False)
    convolution: Any = nn.Conv3d if axes == 3 else nn.Conv2d
    made: nn.Module = convolution(channels, channels, 3, padding=1, bias=False)
    return made
