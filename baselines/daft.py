"""DAFT: image and table together scale and shift the maps of the image branch's last residual block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.images import Conditioned, ImageNetwork
from benchmark.learning.layers.modulation import ModulatedBlock, Modulation
from benchmark.learning.layers.perceptron import Dropout, perceptron


@register_method(
    "daft",
    family="neural",
    reference="DAFT, Poelsterl et al. 2021, MICCAI, arXiv 2107.05990; Wolf et al. 2022, NeuroImage 260:119505",
    differences="kept: in the last residual block, after its first normalisation, channels are scaled by alpha (not 1 + "
    "alpha) and shifted, both from the normalised maps' means and the table by a bottleneck without biases. Changed: the "
    "block follows `image-cnn`'s convolutions of stride 2 in place of three residual blocks; it keeps grid and channels "
    "(there it halves the one and doubles the other); the slices' channels go through it one by one; its maps are flattened "
    "for `image-cnn`'s classifier in place of a mean and one linear map; no text. [A] sizes and augmentation as in "
    "`image-cnn`, 7 values in the bottleneck (the released command line: a seventh of the block's input channels and table "
    "columns). `image=pooled`: no convolutions, but 512 features [A] of the image's frozen pooled vector, dropout 0.5 on "
    "them, and linear maps in the block",
    fit_modalities={"image", "table"},
    predict_modalities={"image", "table"},
    validation="early-stopping",
    variants={"image": {"pooled": set()}},
)
@dataclass
class DAFT(NeuralMethod):
    """Images -> convolutions -> a residual block that image and table modulate -> MLP -> logit.

    width : channels of the first convolution. bottleneck : see `Modulation`. hidden : width of the MLP's layer.
    image : besides the controls, "pooled" for `features` of the image's pooled vector in place of its convolutions.
    """

    edge = 16
    sees_maps: ClassVar[bool] = True
    """Whether the image, besides the table, decides how its maps are scaled and shifted."""

    width: int = 8
    features: int = 512
    bottleneck: int = 7
    hidden: int = 64
    dropout: float = 0.5

    @property
    def unencoded(self) -> frozenset[str]:
        """The image, unless its pooled vector is asked for."""
        return frozenset() if self.image == "pooled" else frozenset({"image"})

    @property
    def treatments(self) -> Mapping[str, str]:
        """Pooled vectors are each case's own."""
        return {**super().treatments, "image": "own"} if self.image == "pooled" else super().treatments

    def module(self, shapes: Shapes) -> nn.Module:
        """Convolutions, modulated block, classifier."""
        return Network(shapes, self)


class Network(nn.Module):
    """Maps of the images, or features of their pooled vector, a modulated block, a perceptron."""

    def __init__(self, shapes: Shapes, settings: DAFT) -> None:
        super().__init__()
        assert shapes.table is not None
        block = partial(modulated_block, settings, shapes.table)
        self.images: nn.Module
        if shapes.image is None:
            self.images = ImageNetwork(shapes.views, settings.width, last_block=block)
            features = self.images.width
        else:
            features = settings.features
            stem = nn.Sequential(nn.Linear(shapes.image.pooled, features), nn.ReLU(), Dropout(settings.dropout))
            self.images = Conditioned(stem, block(0, features))
        self.classifier = perceptron([features, settings.hidden, 1], settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        images = batch.views if batch.image is None else batch.image.pooled
        logits: Tensor = self.classifier(self.images(images, batch.table)).squeeze(1)
        return logits


def modulated_block(settings: DAFT, table: int, axes: int, channels: int) -> ModulatedBlock:
    """The block that a table of so many columns modulates, for maps of so many axes and channels."""
    return ModulatedBlock(axes, channels, Modulation(channels, table, settings.bottleneck, sees_maps=settings.sees_maps))
