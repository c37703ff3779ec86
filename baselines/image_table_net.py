"""Image and table in one network that learns from labels alone: side by side, or the table modulating the image's features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import register_method
from benchmark.learning.layers.modulation import ModulatedBlock, Modulation
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective
from benchmark.system.errors import BenchmarkError, UnknownNameError

FUSIONS = ("concat", "daft")


@register_method(
    "image-table-net",
    family="neural",
    reference="the supervised rows of image and table of arXiv 2411.09822: concatenation, and DAFT (Poelsterl et al. 2021, "
    "MICCAI, arXiv 2107.05990)",
    differences="encoders, image size, alterations and training with labels as in `ssmsrpm[start=scratch]`, so that only the "
    "fusion and the heads differ: one linear head on both. `fusion=concat`: a linear map and ReLU on both embeddings. "
    "`fusion=daft`: DAFT's block with 7 values in the bottleneck, on the means of the image's last maps, by linear maps in "
    "place of convolutions (the last maps of volumes of up to 32 voxels are one place), and with the table's embedding in "
    "place of its columns [A]",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={"fusion": {"daft": set()}},
)
@dataclass
class ImageTableNet(SelfSupervised):
    """[ResNet(image) ; MLP(table)] -> linear, ReLU -> logit; or DAFT(ResNet(image), MLP(table)) -> logit.

    fusion : "concat" or "daft". bottleneck : values in DAFT's.
    """

    start: str = "scratch"
    fusion: str = "concat"
    bottleneck: int = 7

    heads = ("both",)

    def __post_init__(self) -> None:
        """Raises `UnknownNameError` for a fusion that there is not, and `BenchmarkError` for a start from pre-training."""
        super().__post_init__()
        if self.fusion not in FUSIONS:
            raise UnknownNameError("fusion", self.fusion, FUSIONS)
        if self.start != "scratch":
            raise BenchmarkError("image-table-net learns from labels alone: leave start out")

    def objective(self, network: Network) -> Objective:
        """None: nothing is learned without labels."""
        return Objective(network)

    def block(self, image: int, table: int) -> nn.Module:
        """The fusion."""
        return Beside(image, table, self.table_width) if self.fusion == "concat" else Modulated(image, table, self.bottleneck)


class Beside(nn.Module):
    """Both embeddings, a linear map, ReLU: (b, t, image) and (b, 1, table) -> (b, 1, width)."""

    def __init__(self, image: int, table: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(image + table, width), nn.ReLU())
        self.width = width

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        """Of the means of the image's tokens, and the table's token."""
        fused: Tensor = self.layers(torch.cat([image.mean(1, keepdim=True), table[:, :1]], dim=2))
        return fused


class Modulated(nn.Module):
    """DAFT's block: (b, t, image) and (b, 1, table) -> (b, 1, image)."""

    def __init__(self, image: int, table: int, bottleneck: int) -> None:
        super().__init__()
        self.block = ModulatedBlock(0, image, Modulation(image, table, bottleneck, sees_maps=True))
        self.width = image

    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        """The means of the image's tokens, scaled and shifted by themselves and the table."""
        fused: Tensor = self.block(image.mean(1), table[:, 0])
        return fused[:, None]
