"""Multi-layer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def perceptron(sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear maps through these widths, input first, with ReLU and dropout between them; the last is plain."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layers.append(nn.Linear(before, after))
        if i < len(sizes) - 2:
            layers += [nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def widths(spelled: str) -> list[int]:
    """Hidden sizes as a configuration spells them: "512:256" -> [512, 256]."""
    return [int(width) for width in str(spelled).split(":")]
