"""Joint transformer: one dense transformer over all image and text tokens; its CLS and the table decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.layers.tokens import TokenProjection, TransformerLayer, all_see, with_cls


@register_method(
    "joint-transformer",
    family="neural",
    reference="one dense transformer over the tokens of all modalities; the backbone of SparseMM (adapted), arXiv 2506.05344",
    differences="[A] width 64, 2 layers, 4 heads (`size=paper`: 256, 2, 8), feed-forward width 2d, pre-norm, dropout 0.5 "
    "in the classifier, a learned vector per place",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "tokens": {"pooled": set()},
        "size": {"paper": set()},
    },
)
@dataclass
class JointTransformer(NeuralMethod):
    """[image tokens ; text tokens ; CLS] -> transformer -> [CLS ; x] -> MLP -> logit.

    width, layers, heads : of the transformer. size : "paper" for width 256, 2 layers, 8 heads. With one layer
    the CLS would read tokens that have not seen one another.
    tokens : "all", or "pooled" for the pooled vectors as one token each.
    """

    needs_tokens = True
    width: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0
    tokens: str = "all"
    size: str = "small"

    def __post_init__(self) -> None:
        """The paper's sizes where they are asked for."""
        set_size(self, self.size, width=256, layers=2, heads=8)

    def search_space(self) -> dict[str, list[object]]:
        """Sizes at which a cell takes seconds, dropout of the layers, learning rate [A]."""
        return {
            "width": [32, 64, 128],
            "layers": [1, 2],
            "heads": [4, 8],
            "dropout": [0.0, 0.1, 0.3],
            "learning_rate": [1e-4, 2e-4, 5e-4, 1e-3],
        }

    def module(self, shapes: Shapes) -> nn.Module:
        """The transformer."""
        return Network(shapes, self)


class Network(nn.Module):
    """The transformer with its head."""

    def __init__(self, shapes: Shapes, settings: JointTransformer) -> None:
        super().__init__()
        assert shapes.image and shapes.text
        self.image = TokenProjection(shapes.image, settings.width, settings.tokens)
        self.text = TokenProjection(shapes.text, settings.width, settings.tokens)
        self.cls = nn.Parameter(torch.randn(settings.width))
        self.layers = nn.ModuleList(
            TransformerLayer(settings.width, settings.heads, settings.dropout) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(settings.width)
        self.classifier = perceptron([settings.width + (shapes.table or 0), 64, 1], 0.5)

    @property
    def length(self) -> int:
        """The number n of tokens, CLS and absent ones included."""
        return self.image.count + self.text.count + 1

    def sequence(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """All tokens, CLS last, (b, n, d), and which are there, (b, n) bool."""
        assert batch.image and batch.text
        (image, image_present), (text, text_present) = self.image(batch.image), self.text(batch.text)
        return with_cls(torch.cat([image, text], dim=1), torch.cat([image_present, text_present], dim=1), self.cls)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        states, present = self.sequence(batch)
        return self.read(batch, states, [all_see(present)] * len(self.layers))

    def read(self, batch: Batch, states: Tensor, allowed: Sequence[Tensor], heads_on: Tensor | None = None) -> Tensor:
        """Logits (b,) from the tokens, `allowed` layer by layer; `heads_on` (layers, heads): factors on the heads' output."""
        for number, layer in enumerate(self.layers):
            last = 1 if number + 1 == len(self.layers) else 0  # of the last layer CLS alone is read
            states = layer(states, allowed[number], last, None if heads_on is None else heads_on[number])
        table = [] if batch.table is None else [batch.table]
        logits: Tensor = self.classifier(torch.cat([self.norm(states[:, -1]), *table], dim=1)).squeeze(1)
        return logits

    def attention(self, batch: Batch) -> list[Tensor]:
        """Per layer the attention weights of all tokens, (b, h, n, n)."""
        states, present = self.sequence(batch)
        allowed, attention = all_see(present), []
        for layer in self.layers:
            assert isinstance(layer, TransformerLayer)
            states, weights = layer.watched(states, allowed)
            attention.append(weights)
        return attention
