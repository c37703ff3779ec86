"""Late fusion: three networks of one modality each, trained together, whose probabilities are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from benchmark import Batch, NeuralMethod, Output, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron, widths


@register_method(
    "late-fusion",
    family="neural",
    reference="late fusion by the mean of unimodal probabilities (Kittler et al. 1998, IEEE TPAMI 20:226-239, the sum rule)",
    differences="[A] perceptrons of hidden sizes 512:256, dropout 0.5; trained together by the mean of their losses and "
    "stopped at one epoch, by their mean probability; `late-average` trains and stops each network by itself",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
)
@dataclass
class LateFusion(NeuralMethod):
    """(sigmoid f_v(E_v) + sigmoid f_t(E_t) + sigmoid f_x(x)) / 3. hidden : widths of each network's layers."""

    hidden: str = "512:256"
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """The three perceptrons."""
        return Network(shapes, widths(self.hidden), self.dropout)


class Network(nn.Module):
    """A perceptron for each modality; they share nothing."""

    def __init__(self, shapes: Shapes, hidden: list[int], dropout: float) -> None:
        super().__init__()
        self.members = nn.ModuleList(perceptron([size, *hidden, 1], dropout) for size in shapes.vectors)

    def forward(self, batch: Batch) -> Output:
        """Logits (b, 3): of image, text and table."""
        members = zip(self.members, batch.vectors, strict=True)
        return Output(torch.cat([member(vector) for member, vector in members], dim=1))
