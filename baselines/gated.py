"""Gated multimodal unit: a gate says, figure by figure, how much of each modality enters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import Dropout, perceptron


@register_method(
    "gated",
    family="neural",
    reference="GMU, Arevalo et al. 2017, arXiv 1702.01992, section 3.1, the unit for more than two modalities",
    differences="[A] width 512, dropout 0.5 on the fused vector, classifier with one hidden layer of 256 and dropout 0.5 in "
    "place of a maxout network",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
)
@dataclass
class Gated(NeuralMethod):
    """h_i = tanh(W_i x_i), z_i = sigmoid(Z_i [x_1 ; ... ; x_k]), h = sum_i z_i * h_i -> MLP -> logit. width : of h."""

    width: int = 512
    hidden: int = 256
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """The unit and a classifier."""
        return Network(shapes, self)


class GatedUnit(nn.Module):
    """The unit for vectors of these sizes; it gives (b, width)."""

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(size, width, bias=False) for size in sizes)
        self.gates = nn.Linear(sum(sizes), len(sizes) * width, bias=False)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Fused vectors (b, width)."""
        h = torch.cat([torch.tanh(hidden(x)) for hidden, x in zip(self.hidden, vectors, strict=True)], dim=1)
        z = torch.sigmoid(self.gates(torch.cat(list(vectors), dim=1)))
        return torch.unflatten(z * h, 1, (len(vectors), -1)).sum(1)


class Network(nn.Module):
    """The gated unit on image, text and table, and a perceptron."""

    def __init__(self, shapes: Shapes, settings: Gated) -> None:
        super().__init__()
        self.unit = GatedUnit(shapes.vectors, settings.width)
        self.dropout = Dropout(settings.dropout)
        self.classifier = perceptron([settings.width, settings.hidden, 1], settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.classifier(self.dropout(self.unit(batch.vectors))).squeeze(1)
        return logits
