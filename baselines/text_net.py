"""Text net: the report alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron, widths


@register_method(
    "text-net",
    family="neural",
    reference="text network without table or image; the comparison of VDAFM (arXiv 2605.14710) has no counterpart",
    differences="[A] a perceptron on the report's pooled vector: hidden sizes 512:256, dropout 0.5; the encoder stays frozen",
    fit_modalities={"text"},
    predict_modalities={"text"},
    validation="early-stopping",
)
@dataclass
class TextNet(NeuralMethod):
    """E_t -> MLP -> logit. hidden : widths of its layers."""

    hidden: str = "512:256"
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """The perceptron."""
        return Network(shapes, widths(self.hidden), self.dropout)


class Network(nn.Module):
    """A perceptron on the report's pooled vector."""

    def __init__(self, shapes: Shapes, hidden: list[int], dropout: float) -> None:
        super().__init__()
        assert shapes.text is not None
        self.classifier = perceptron([shapes.text.pooled, *hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.text is not None
        logits: Tensor = self.classifier(batch.text.pooled).squeeze(1)
        return logits
