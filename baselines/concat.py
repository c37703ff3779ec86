"""Concatenation: pooled image and text vectors and the table side by side into a perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, BenchmarkError, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.images import ImageNetwork
from benchmark.learning.layers.perceptron import perceptron, widths


@register_method(
    "concat",
    family="neural",
    reference="early fusion by concatenation, as the comparison of VDAFM (arXiv 2605.14710) names it",
    differences="[A] hidden sizes 512:256, dropout 0.5; `image=cnn`: the convolutions of `image-cnn` in place of "
    "the image's frozen vector, trained with the rest; `modalities` trains without the others",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "image": {"cnn": set()},
        "modalities": {"table": {"table"}, "image+table": {"image", "table"}},
    },
)
@dataclass
class Concat(NeuralMethod):
    """[E_v ; E_t ; x] -> MLP -> logit.

    hidden : widths of its layers. image : besides the controls, "cnn" for convolutions on the image itself as E_v.
    modalities : says what stands side by side; the views of a variant hold no others.
    """

    edge = 16

    hidden: str = "512:256"
    dropout: float = 0.5
    modalities: str = "image+table+text"

    @property
    def unencoded(self) -> frozenset[str]:
        """The image, where convolutions see it."""
        return frozenset({"image"} if self.image == "cnn" else ())

    @property
    def treatments(self) -> Mapping[str, str]:
        """Convolutions see each case's own image."""
        return {**super().treatments, **dict.fromkeys(self.unencoded, "own")}

    def search_space(self) -> dict[str, list[object]]:
        """The widths and dropouts of VDAFM's grid, and the learning rate [A]."""
        return {
            "hidden": ["128:64", "256:128", "512:256", "512:512"],
            "dropout": [0.3, 0.4, 0.5, 0.6, 0.7],
            "learning_rate": [1e-4, 2e-4, 5e-4, 1e-3],
        }

    def module(self, shapes: Shapes) -> nn.Module:
        """The perceptron. Raises `BenchmarkError` where the views hold other modalities than are named."""
        sizes = {"image": shapes.image or shapes.views, "table": shapes.table, "text": shapes.text}
        held = "+".join(name for name, size in sizes.items() if size)
        if held != self.modalities:
            raise BenchmarkError(f"concat: modalities={self.modalities}, but it was given {held}: see `list`")
        return Network(shapes, widths(self.hidden), self.dropout)


class Network(nn.Module):
    """A perceptron on everything; images that no encoder saw go through convolutions first."""

    def __init__(self, shapes: Shapes, hidden: list[int], dropout: float) -> None:
        super().__init__()
        self.images = ImageNetwork(shapes.views, width=8) if shapes.views else None
        convolved = self.images.width if self.images else 0
        self.classifier = perceptron([convolved + shapes.pooled, *hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        convolved = [self.images(batch.views)] if self.images else []
        logits: Tensor = self.classifier(torch.cat([*convolved, *batch.vectors], dim=1)).squeeze(1)
        return logits
