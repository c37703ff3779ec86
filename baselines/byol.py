"""BYOL: an image's embedding is predicted from another alteration of it, by a slowly moving target, without negatives."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark import register_method
from benchmark.learning.self_supervised.losses import byol_loss
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled


@register_method(
    "byol",
    family="self-supervised",
    reference="BYOL, Grill et al. 2020, NeurIPS, arXiv 2006.07733",
    differences="kept: a predictor on the online network, a target that follows it by a moving average, no gradient through "
    "the target, both alterations in both roles, normalisation in projection and predictor. [A] a momentum of 0.99 throughout "
    "(there it rises to 1); encoder (of slices: plain convolutions), sizes, alterations and training as in `ssmsrpm`",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}},
)
@dataclass
class BYOL(SelfSupervised):
    """ResNet(image) predicts the target's ResNet(the image altered otherwise)."""

    heads = ("image",)

    def objective(self, network: Network) -> Objective:
        """Prediction of the target."""
        return Bootstrap(network)


class Bootstrap(Objective):
    """2 - 2 cos of prediction and target, summed over both roles."""

    twice = True
    momentum: ClassVar[float] = 0.99

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        assert network.image is not None
        width = network.image.width
        self.project, self.predict = normalised(width, width), normalised(128, width)
        self.target = deepcopy(nn.ModuleDict({"image": network.image, "project": self.project})).requires_grad_(False)

    def forward(self, batch: Unlabelled) -> Tensor:
        """The loss of both roles."""
        a, b = (self.predict(self.project(self.network.image(views).mean(1))) for views in (batch.views, batch.again))
        with torch.no_grad():
            first, second = (
                self.target["project"](self.target["image"](views).mean(1)) for views in (batch.views, batch.again)
            )
        return byol_loss(a, second) + byol_loss(b, first)

    @torch.no_grad()
    def stepped(self) -> None:
        """The target follows."""
        online = [*self.network.image.parameters(), *self.project.parameters()]
        for slow, quick in zip(self.target.parameters(), online, strict=True):
            slow.lerp_(quick, 1 - self.momentum)


def normalised(inputs: int, hidden: int) -> nn.Sequential:
    """Linear, normalisation, ReLU, linear to 128."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 128))
