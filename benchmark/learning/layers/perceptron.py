"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Dropout(nn.Dropout):
    """`nn.Dropout`, drawn by comparing uniform numbers: on a CPU a third of the time of `bernoulli_`."""

    def forward(self, x: Tensor) -> Tensor:
        """In training each value is zero with probability p, else it is divided by 1 - p."""
        if not self.training or self.p == 0:
            return x
        return x * ((torch.rand_like(x) >= self.p) * (1 / (1 - self.p)))


def perceptron(sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear maps through these widths, input first, with ReLU and dropout between them; the last is plain."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layers.append(nn.Linear(before, after))
        if i < len(sizes) - 2:
            layers += [nn.ReLU(), Dropout(dropout)]
    return nn.Sequential(*layers)


def widths(spelled: str) -> list[int]:
    """Hidden sizes as a configuration spells them: "512:256" -> [512, 256]."""
    return [int(width) for width in str(spelled).split(":")]
