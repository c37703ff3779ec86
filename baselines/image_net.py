"""Image net: the image alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron, widths


@register_method(
    "image-net",
    family="neural",
    reference="image network without table or text; the 'ImageNet' of the comparison of VDAFM (arXiv 2605.14710) is "
    "unspecified",
    differences="[A] a perceptron on the image's pooled vector: hidden sizes 512:256, dropout 0.5; the encoder stays frozen",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="early-stopping",
)
@dataclass
class ImageNet(NeuralMethod):
    """E_v -> MLP -> logit. hidden : widths of its layers."""

    hidden: str = "512:256"
    dropout: float = 0.5

    def module(self, shapes: Shapes) -> nn.Module:
        """The perceptron."""
        return Network(shapes, widths(self.hidden), self.dropout)


class Network(nn.Module):
    """A perceptron on the image's pooled vector."""

    def __init__(self, shapes: Shapes, hidden: list[int], dropout: float) -> None:
        super().__init__()
        assert shapes.image is not None
        self.classifier = perceptron([shapes.image.pooled, *hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.image is not None
        logits: Tensor = self.classifier(batch.image.pooled).squeeze(1)
        return logits
