"""Multi-layer perceptrons."""

from collections.abc import Sequence
from itertools import pairwise

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
    linear = [nn.Linear(before, after) for before, after in pairwise(sizes)]
    between = [part for layer in linear[:-1] for part in (layer, nn.ReLU(), Dropout(dropout))]
    return nn.Sequential(*between, *linear[-1:])


def widths(spelled: str) -> list[int]:
    """Hidden sizes as a configuration spells them: "512:256" -> [512, 256]."""
    return [int(width) for width in str(spelled).split(":")]
