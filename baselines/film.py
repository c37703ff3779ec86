"""FiLM: the table scales and shifts the features of the image."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import Dropout, perceptron


@register_method(
    "film",
    family="neural",
    reference="FiLM, Perez et al. 2018, arXiv 1709.07871, equations 1-2 and figure 3",
    differences="features of the image's pooled vector in place of maps of a convolutional network (so linear maps for "
    "convolutions, layer for batch normalisation), a perceptron on the table in place of the question's GRU; [A] width 256, 2 "
    "blocks (4 there), dropout 0.5; no text",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
)
@dataclass
class FiLM(NeuralMethod):
    """Residual blocks F + relu(gamma(x) * norm(W relu(V F)) + beta(x)) -> MLP -> logit. width : of F; blocks : their number."""

    width: int = 256
    blocks: int = 2
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """The generator of scales and shifts, the modulated blocks, the classifier."""
        return Network(shapes, self)


class ModulatedBlock(nn.Module):
    """A residual block whose normalised features take scale and shift from outside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.inner = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width, elementwise_affine=False))

    def forward(self, features: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """Features (b, width), gamma and beta (b, width) -> (b, width)."""
        entered = self.enter(features)
        modulated_features: Tensor = entered + modulated(self.inner(entered), gamma, beta).relu()
        return modulated_features


class Network(nn.Module):
    """Image features through modulated blocks, the table as what modulates."""

    def __init__(self, shapes: Shapes, settings: FiLM) -> None:
        super().__init__()
        assert shapes.image is not None and shapes.table is not None
        width, blocks, dropout = settings.width, settings.blocks, settings.dropout
        self.stem = nn.Sequential(nn.Linear(shapes.image.pooled, width), nn.ReLU(), Dropout(dropout))
        self.generator = perceptron([shapes.table, width, 2 * width * blocks], dropout)
        self.blocks = nn.ModuleList(ModulatedBlock(width) for _ in range(blocks))
        self.classifier = nn.Sequential(Dropout(dropout), perceptron([width, width, 1], dropout))

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.image is not None
        features = self.stem(batch.image.pooled)
        modulation = self.generator(batch.table).chunk(2 * len(self.blocks), dim=1)
        for block, gamma, beta in zip(self.blocks, modulation[::2], modulation[1::2], strict=True):
            features = block(features, gamma, beta)
        logits: Tensor = self.classifier(features).squeeze(1)
        return logits


def modulated(features: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Feature-wise linear modulation (1 + gamma) * F + beta: the generator's zero leaves features as they are."""
    return (1 + gamma) * features + beta
