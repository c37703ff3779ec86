"""DAFT: image and table together scale and shift the features of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import Dropout, perceptron


@register_method(
    "daft",
    family="neural",
    reference="DAFT, Wolf et al. 2022, NeuroImage 260:119505, arXiv 2107.09318",
    differences="features of the image's pooled vector in place of the last block of a 3D ResNet (so linear maps for "
    "convolutions, layer for batch normalisation); [A] width 512, dropout 0.5, the transform stands before the block's first "
    "map; no text",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
)
@dataclass
class DAFTMethod(NeuralMethod):
    """Image features through a residual block that DAFT enters, -> logit. width : of the features."""

    width: int = 512
    bottleneck: int = 7
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """Features, the block, the classifier."""
        return Network(shapes, self)


class DAFT(nn.Module):
    """alpha, beta = W_2 relu(W_1 [pooled F ; x]), F -> alpha * F + beta; W_1 leads to the bottleneck."""

    def __init__(self, width: int, table: int, bottleneck: int) -> None:
        super().__init__()
        self.auxiliary = nn.Sequential(
            nn.Linear(width + table, bottleneck, bias=False), nn.ReLU(), nn.Linear(bottleneck, 2 * width, bias=False)
        )

    def forward(self, features: Tensor, table: Tensor) -> Tensor:
        """Features (b, width) of the image, table (b, p) -> (b, width)."""
        scale, shift = self.auxiliary(torch.cat([features, table], dim=1)).chunk(2, dim=1)
        modulated: Tensor = scale * features + shift
        return modulated


class Network(nn.Module):
    """Features of the image, a residual block that begins with DAFT, a linear classifier."""

    def __init__(self, shapes: Shapes, settings: DAFTMethod) -> None:
        super().__init__()
        assert shapes.image is not None and shapes.table is not None
        width, dropout = settings.width, settings.dropout
        self.stem = nn.Sequential(nn.Linear(shapes.image.pooled, width), nn.ReLU(), Dropout(dropout))
        self.daft = DAFT(width, shapes.table, settings.bottleneck)
        self.block = perceptron([width, width, width], dropout)
        self.classifier = nn.Sequential(nn.ReLU(), Dropout(dropout), nn.Linear(width, 1))

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.image is not None and batch.table is not None
        features = self.stem(batch.image.pooled)
        logits: Tensor = self.classifier(features + self.block(self.daft(features, batch.table))).squeeze(1)
        return logits
