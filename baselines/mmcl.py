"""MMCL: an image must find its own table among the batch's, and the table its image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark import register_method
from benchmark.learning.self_supervised.image_table import Contrast
from benchmark.learning.self_supervised.losses import clip_loss
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled
from benchmark.learning.self_supervised.table import corrupted


@register_method(
    "mmcl",
    family="self-supervised",
    reference="multimodal contrastive learning of image and table, Hager et al. 2023, CVPR, arXiv 2303.14080",
    differences="kept: CLIP's loss at temperature 0.1, both directions alike, a table of which 0.3 of the columns are "
    "replaced. Changed: the risk is read from image and table, by two heads whose logits are averaged, since both are there. "
    "Sizes, alterations and training as in `ssmsrpm` [A]",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}},
)
@dataclass
class MMCL(SelfSupervised):
    """ResNet(image), MLP(corrupted table), CLIP's loss."""

    heads = ("image", "table")

    def objective(self, network: Network) -> Objective:
        """Image-table contrast."""
        return CorruptedContrast(network)


class CorruptedContrast(Contrast):
    """Partners among the batch, the tables corrupted."""

    temperature: ClassVar[float] = 0.1
    corruption: ClassVar[float] = 0.3

    def forward(self, batch: Unlabelled) -> Tensor:
        """CLIP's loss, lambda 0.5."""
        table = corrupted(batch.table, self.network.columns, self.corruption, batch.generator)
        return clip_loss(self.similarities(self.network.image(batch.views), self.network.table(table)))
