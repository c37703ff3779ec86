"""VIME: which values of a table's row were replaced, and what they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark import register_method
from benchmark.learning.self_supervised.losses import vime_loss
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled
from benchmark.learning.self_supervised.table import corrupted


@register_method(
    "vime",
    family="self-supervised",
    reference="VIME, Yoon et al. 2020, NeurIPS",
    differences="kept: the self-supervised part, cross-entropy of the mask + 2 x squared error of the values. Left out: its "
    "semi-supervised part. [A] 0.3 of the columns replaced; encoder, sizes and training as in `ssmsrpm`. "
    "`features=table+derived`: with what is measured on images, as the source of `ssmsrpm` has it",
    fit_modalities={"table"},
    predict_modalities={"table"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}, "features": {"table+derived": {"table", "image"}}},
)
@dataclass
class VIME(SelfSupervised):
    """MLP(corrupted table) -> mask, values."""

    heads = ("table",)

    def objective(self, network: Network) -> Objective:
        """Mask and values."""
        return MaskAndValues(network)


class MaskAndValues(Objective):
    """The mask by cross-entropy, the values by squared error."""

    corruption: ClassVar[float] = 0.3
    weight: ClassVar[float] = 2.0

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        assert network.table is not None
        self.mask, self.values = (
            nn.Linear(network.table.width, size) for size in (int(network.columns.max()) + 1, len(network.columns))
        )

    def forward(self, batch: Unlabelled) -> Tensor:
        """Cross-entropy + 2 x squared error."""
        table = corrupted(batch.table, self.network.columns, self.corruption, batch.generator)
        other = (table != batch.table).float()
        differs = torch.zeros(len(table), self.mask.out_features).index_add(1, self.network.columns, other)
        embedding = self.network.table(table)[:, 0]
        return vime_loss(self.mask(embedding), differs > 0, self.values(embedding), batch.table, self.weight)
