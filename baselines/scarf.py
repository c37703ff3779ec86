"""SCARF: a row of a table must be found again after most of its columns were replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark import register_method
from benchmark.learning.self_supervised.losses import nt_xent
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.networks import projection
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled
from benchmark.learning.self_supervised.table import corrupted


@register_method(
    "scarf",
    family="self-supervised",
    reference="SCARF, Bahri et al. 2022, ICLR, arXiv 2106.15147",
    differences="kept: 0.6 of the columns replaced by draws from their marginals, NT-Xent at temperature 1. [A] marginals of "
    "the batch; sizes and training as in `ssmsrpm`. `features=table+derived`: with what is measured on images, as "
    "the source of `ssmsrpm` has it",
    fit_modalities={"table"},
    predict_modalities={"table"},
    validation="early-stopping",
    variants={
        "mode": {"frozen": set()},
        "start": {"scratch": set()},
        "features": {"table+derived": {"table", "image"}},
    },
)
@dataclass
class SCARF(SelfSupervised):
    """MLP(table) against MLP(corrupted table)."""

    heads = ("table",)

    def objective(self, network: Network) -> Objective:
        """Contrast of a row with its corrupted self."""
        return CorruptedContrast(network)


class CorruptedContrast(Objective):
    """NT-Xent of tables and corrupted tables."""

    temperature: ClassVar[float] = 1.0
    corruption: ClassVar[float] = 0.6

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        assert network.table is not None
        self.project = projection(network.table.width)

    def forward(self, batch: Unlabelled) -> Tensor:
        """NT-Xent."""
        table = corrupted(batch.table, self.network.columns, self.corruption, batch.generator)
        a, b = (self.project(self.network.table(each)[:, 0]) for each in (batch.table, table))
        return nt_xent(a, b, self.temperature, batch.groups)
