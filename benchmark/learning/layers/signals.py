"""Encoders of signals (b, leads, samples): a transformer on patches of single leads, and residual convolutions in time."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from benchmark.learning.layers.perceptron import Dropout
from benchmark.system.errors import BenchmarkError


class PatchTransformer(nn.Module):
    """Tokens of a signal's patches, each of one lead and `patch` samples, with fixed places in lead and time (ViT, 2010.11929).

    leads, samples : of one recording; samples beyond the last whole patch are not seen. Raises `BenchmarkError` for a recording
    that is shorter than a patch.
    """

    def __init__(self, leads: int, samples: int, *, patch: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        if samples < patch:
            raise BenchmarkError(f"a recording of {samples} samples is shorter than a patch of {patch}: give a smaller patch=")
        self.patch, self.width, self.count = patch, width, leads * (samples // patch)
        self.embedding = nn.Linear(patch, width)
        self.places: Tensor = nn.Buffer(sine_places(leads, samples // patch, width))
        self.layers = transformer(width, layers, heads)
        self.norm = nn.LayerNorm(width)

    def patches(self, signals: Tensor) -> Tensor:
        """(b, leads, samples) -> (b, t, patch), lead by lead."""
        patches: Tensor = signals.unfold(2, self.patch, self.patch).flatten(1, 2)
        return patches

    def forward(self, signals: Tensor, kept: Tensor | None = None) -> Tensor:
        """Tokens (b, t, width); with `kept` (b, k), of the patches at these places alone: the others are not looked at."""
        patches, places = self.patches(signals), self.places.expand(len(signals), -1, -1)
        if kept is not None:
            patches, places = at_places(patches, kept), at_places(places, kept)
        tokens: Tensor = self.norm(self.layers(self.embedding(patches) + places))
        return tokens


def transformer(width: int, layers: int, heads: int) -> nn.Module:
    """Pre-norm self-attention without dropout, as masked autoencoders have it."""
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def sine_places(leads: int, times: int, width: int) -> Tensor:
    """Places in lead and time as sines and cosines, half of the width for each: (leads * times, width)."""
    of_lead, of_time = (_sines(torch.arange(count), width // 2) for count in (leads, times))
    return torch.cat([of_lead.repeat_interleave(times, dim=0), of_time.repeat(leads, 1)], dim=1)


def _sines(positions: Tensor, width: int) -> Tensor:
    """Vaswani et al. 2017, arXiv 1706.03762, with waves of one radian a place down to one over all places: (n, width)."""
    rates = max(len(positions), 2) ** -(torch.arange(width // 2) / (width // 2))
    angles = positions[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def at_places(tokens: Tensor, places: Tensor) -> Tensor:
    """Of each case the tokens at its own places: (b, t, d), (b, k) -> (b, k, d)."""
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[2]))


class ResidualConvolutions(nn.Module):
    """A residual network in time (Ribeiro et al. 2020, Nat Commun 11:1760): (b, leads, samples) -> tokens (b, t, width).

    Four blocks of two convolutions, each of which quarters the time and widens the channels.
    """

    def __init__(self, leads: int, width: int, kernel: int = 9) -> None:
        super().__init__()
        channels = [width // 4, width // 4, width // 2, 3 * width // 4, width]
        self.stem = nn.Sequential(
            nn.Conv1d(leads, channels[0], kernel, padding=kernel // 2, bias=False), nn.BatchNorm1d(channels[0]), nn.ReLU()
        )
        pairs = zip(channels[:-1], channels[1:], strict=True)
        self.blocks = nn.Sequential(*(_Block(before, after, kernel) for before, after in pairs))
        self.width = width

    def forward(self, signals: Tensor) -> Tensor:
        """The last maps, place by place."""
        maps: Tensor = self.blocks(self.stem(signals))
        return maps.transpose(1, 2)


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which quarter the time."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        same = partial(nn.Conv1d, kernel_size=kernel, padding=kernel // 2, bias=False)
        self.first = nn.Sequential(same(before, after), nn.BatchNorm1d(after), nn.ReLU(), Dropout(0.2))
        self.second = same(after, after, stride=4)
        self.shortcut = nn.Sequential(nn.MaxPool1d(4, ceil_mode=True), nn.Conv1d(before, after, 1, bias=False))
        self.last = nn.Sequential(nn.BatchNorm1d(after), nn.ReLU(), Dropout(0.2))

    def forward(self, maps: Tensor) -> Tensor:
        """(b, before, t) -> (b, after, t / 4), rounded up."""
        out: Tensor = self.last(self.second(self.first(maps)) + self.shortcut(maps))
        return out
