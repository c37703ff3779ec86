"""A perceptron on the clinical table."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron, widths


@register_method(
    "mlp",
    family="neural",
    reference="multi-layer perceptron on the table, as the comparison of VDAFM (arXiv 2605.14710) names it",
    differences="[A] hidden sizes 256:128, dropout 0.5",
    fit_modalities={"table"},
    predict_modalities={"table"},
    validation="early-stopping",
    variants={"table_features": {"table+derived": {"table", "image"}}},
)
@dataclass
class MLP(NeuralMethod):
    """x -> MLP -> logit. hidden : widths of its layers."""

    hidden: str = "256:128"
    dropout: float = 0.5

    def search_space(self) -> dict[str, list[object]]:
        """Widths, dropout and learning rate [A]."""
        return {
            "hidden": ["64", "128:64", "256:128", "512:256", "512:512"],
            "dropout": [0.3, 0.4, 0.5, 0.6, 0.7],
            "learning_rate": [1e-4, 2e-4, 5e-4, 1e-3],
        }

    def module(self, shapes: Shapes) -> nn.Module:
        """The perceptron."""
        return Network(shapes, widths(self.hidden), self.dropout)


class Network(nn.Module):
    """A perceptron on the table."""

    def __init__(self, shapes: Shapes, hidden: list[int], dropout: float) -> None:
        super().__init__()
        self.classifier = perceptron([shapes.table or 0, *hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.classifier(batch.table).squeeze(1)
        return logits
