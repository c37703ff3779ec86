"""TIP: contrast, matching, and the masked columns of a table restored from the others and the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark import register_method
from benchmark.learning.self_supervised.image_table import ContrastAndMatching
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled


@register_method(
    "tip",
    family="self-supervised",
    reference="TIP, Du et al. 2024, ECCV, arXiv 2407.07582",
    differences="kept: a token for each column with the column's own embedding and a mask token, a transformer over them, "
    "(ITC + ITM + masked reconstruction) / 3 with half of the columns masked, each restored from its own token, temperature "
    "0.1, the risk read from the multimodal token. Changed: masked categories are restored by squared error as numbers are "
    "(there by cross-entropy). [A] 2 layers; "
    "sizes, alterations and training as in `ssmsrpm`; the image of a volume of up to 32 voxels is one token",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}},
)
@dataclass
class TIP(SelfSupervised):
    """ResNet(image), transformer(columns), block(columns look at image's places)."""

    heads = ("both",)
    column_tokens = True

    def objective(self, network: Network) -> Objective:
        """Contrast, matching and reconstruction."""
        return Restoring(network)


class Restoring(ContrastAndMatching):
    """ITC and ITM, and masked columns restored."""

    temperature: ClassVar[float] = 0.1
    masked: ClassVar[float] = 0.5

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.restore = nn.Linear(network.fusion.width, len(network.columns))

    def forward(self, batch: Unlabelled) -> Tensor:
        """(ITC + ITM + reconstruction) / 3."""
        image, columns = self.network.image(batch.views), self.network.columns
        masked = torch.rand(len(batch.table), int(columns.max()) + 1, generator=batch.generator) < self.masked
        tokens = self.network.fused(image, self.network.table(batch.table, masked))
        squares = (self.restored(tokens) - batch.table).square() * masked[:, columns]
        lost = squares.sum() / masked[:, columns].sum().clamp(min=1)
        contrast, matching = self.both(batch, image)
        loss: Tensor = (contrast + matching + lost) / 3
        return loss

    def restored(self, tokens: Tensor) -> Tensor:
        """Tokens (b, 1 + columns, width) -> the table (b, p), the values of each column from its own token."""
        columns = self.network.columns
        of_columns: Tensor = self.restore(tokens[:, 1:])
        return of_columns[:, columns, torch.arange(len(columns))]
