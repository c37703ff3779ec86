"""SimCLR: two alterations of an image must find each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark import register_method
from benchmark.learning.self_supervised.losses import nt_xent
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.networks import projection
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled


@register_method(
    "simclr",
    family="self-supervised",
    reference="SimCLR, Chen et al. 2020, ICML, arXiv 2002.05709",
    differences="kept: NT-Xent on two alterations of each image, a projection that is thrown away. [A] temperature 0.1; "
    "encoder (of slices: plain convolutions), sizes, alterations and training as in `ssmsrpm`",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}, "start": {"scratch": set()}},
)
@dataclass
class SimCLR(SelfSupervised):
    """ResNet(image) against ResNet(the image altered otherwise)."""

    heads = ("image",)

    def objective(self, network: Network) -> Objective:
        """Contrast of two alterations."""
        return AlteredContrast(network)


class AlteredContrast(Objective):
    """NT-Xent of two alterations."""

    twice = True
    temperature: ClassVar[float] = 0.1

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        assert network.image is not None
        self.project = projection(network.image.width)

    def forward(self, batch: Unlabelled) -> Tensor:
        """NT-Xent."""
        a, b = (self.project(self.network.image(views).mean(1)) for views in (batch.views, batch.again))
        return nt_xent(a, b, self.temperature, batch.groups)
