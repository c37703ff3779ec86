"""Table net: TabM, many perceptrons on the table that share most weights."""

from __future__ import annotations

from dataclasses import dataclass

from tabm import TabM
from torch import nn

from benchmark import Batch, NeuralMethod, Output, Shapes, register_method
from benchmark.learning.layers.sizes import set_size


@register_method(
    "table-net",
    family="neural",
    reference="TabM, Gorishniy et al. 2025, arXiv 2410.24210, by the package `tabm` (Apache-2.0); the 'TableNet' of the "
    "comparison of VDAFM (arXiv 2605.14710) is unspecified",
    differences="[A] 8 members of width 256, 3 blocks (`size=paper`: the package's 32 of width 512); one-hot columns enter as "
    "numbers, no embeddings of numbers; the loop's optimiser in place of AdamW",
    fit_modalities={"table"},
    predict_modalities={"table"},
    validation="early-stopping",
    variants={"size": {"paper": set()}, "table_features": {"table+derived": {"table", "image"}}},
)
@dataclass
class TableNet(NeuralMethod):
    """k perceptrons, each with its own scales on shared weights; P = their mean probability. width : of their layers."""

    size: str = "small"
    members: int = 8
    blocks: int = 3
    width: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        set_size(self, self.size, members=32, blocks=3, width=512)

    def module(self, shapes: Shapes) -> nn.Module:
        """The members."""
        return Network(shapes, self)


class Network(nn.Module):
    """TabM on the table."""

    def __init__(self, shapes: Shapes, settings: TableNet) -> None:
        super().__init__()
        self.members = TabM.make(
            n_num_features=shapes.table,
            d_out=1,
            k=settings.members,
            n_blocks=settings.blocks,
            d_block=settings.width,
            dropout=settings.dropout,
        )

    def forward(self, batch: Batch) -> Output:
        """Logits (b, k), one of each member."""
        return Output(self.members(batch.table).squeeze(2))
