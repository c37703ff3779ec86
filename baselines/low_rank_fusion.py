"""Low-rank multimodal fusion: the outer product of all modalities, through a weight tensor that is a sum of r products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import Dropout, perceptron


@register_method(
    "low-rank-fusion",
    family="neural",
    reference="LMF, Liu et al. 2018, arXiv 1806.00064, equations 5-8",
    differences="pooled vectors through one layer each in place of sub-networks and LSTM; [A] rank 4, widths 256, dropout "
    "0.5, a hidden layer between the fused vector and the logit, ranks added without weights, weights of the constant 1 that "
    "start equal",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
)
@dataclass
class LowRankFusion(NeuralMethod):
    """h = sum_i prod_m W_m^(i) [z_m ; 1] -> MLP -> logit. rank : number of products; width : of each z_m and of h."""

    rank: int = 4
    width: int = 256
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """Embeddings, fusion, classifier."""
        return Network(shapes, self)


class Fusion(nn.Module):
    """The fusion of vectors of these sizes; it gives (b, width)."""

    def __init__(self, sizes: Sequence[int], rank: int, width: int) -> None:
        super().__init__()
        self.factors = nn.ParameterList(torch.randn(rank, size + 1, width) * size**-0.5 for size in sizes)
        self.bias = nn.Parameter(torch.zeros(width))
        for factor in self.factors:  # with small weights of the 1, a product of three would be flat in each modality alone
            nn.init.constant_(factor[:, -1], rank ** (-1 / len(sizes)))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Fused vectors (b, width): never is the outer product itself computed."""
        product = torch.ones((), device=self.bias.device)
        for vector, factor in zip(vectors, self.factors, strict=True):
            product = product * (pad(vector, (0, 1), value=1.0) @ factor)
        return product.sum(0) + self.bias


class Network(nn.Module):
    """An embedding of each modality, their fusion, and a perceptron."""

    def __init__(self, shapes: Shapes, settings: LowRankFusion) -> None:
        super().__init__()
        width = settings.width
        self.embeddings = nn.ModuleList(
            nn.Sequential(nn.Linear(size, width), nn.ReLU(), Dropout(settings.dropout)) for size in shapes.vectors
        )
        self.fusion = Fusion([width] * len(self.embeddings), settings.rank, width)
        self.classifier = perceptron([width, width, 1], settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        vectors = [embed(vector) for embed, vector in zip(self.embeddings, batch.vectors, strict=True)]
        logits: Tensor = self.classifier(self.fusion(vectors)).squeeze(1)
        return logits
