"""Signals as networks that are trained without labels see them, and the masked autoencoder that learns from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from benchmark.data.cohort import Cohort
from benchmark.learning.layers.signals import PatchTransformer, at_places, sine_places, transformer
from benchmark.learning.recordings import lead_groups, prepared
from benchmark.learning.self_supervised.pretraining import Inputs, Objective, Unlabelled
from benchmark.system.errors import BenchmarkError

PIECE = 256
HEAD = 32
"""Width of an attention head of the decoder [A]."""
JITTER, RESCALED, PHASE = 0.1, 0.2, 0.1
"""Deviations of noise, as a share of the recording's own, and of its factor; the largest turn of a phase, as a share of a half
turn [A]."""


class Signals:
    """The recordings of some cases, (n, leads, samples) float16: cut at 4 SD, baseline out, of unit deviation by lead group.

    A recording is prepared by itself, so nothing is learned from others; a case without one is zero throughout. Raises
    `BenchmarkError` where no case has a recording.
    """

    def __init__(self, cases: Cohort) -> None:
        signals = cases.signals
        if signals is None or not cases.having("signal").any():
            raise BenchmarkError(f"{cases.name}: no case has a signal, which this method trains on")
        self.leads, self.hertz = tuple(signals.leads), float(signals.hertz)
        self.values = torch.zeros(signals.shape, dtype=torch.float16)
        groups = lead_groups(self.leads)
        for start in range(0, len(signals), PIECE):
            piece = np.asarray(signals[np.arange(start, min(start + PIECE, len(signals)))], dtype=np.float64)
            self.values[start : start + PIECE] = torch.from_numpy(prepared(piece, self.hertz, groups).astype(np.float16))

    @property
    def shape(self) -> tuple[int, int]:
        """(leads, samples) of one case."""
        return self.values.shape[1], self.values.shape[2]

    def at(self, rows: Tensor) -> Tensor:
        """(b, leads, samples) float32 of the cases at `rows`."""
        return self.values[rows].float()


def altered_signals(signals: Tensor, rng: np.random.Generator) -> Tensor:
    """Each recording as a Fourier surrogate in half of the cases, then by a factor of its own, with noise of a share of its SD.

    A surrogate keeps the amplitudes and turns the phases a little. Both are the same for all leads of a recording, so that
    these still fit each other, as II = I + III.
    """
    cases, _, samples = signals.shape
    spectrum = torch.fft.rfft(signals, dim=2)
    turned = PHASE * np.pi * rng.uniform(-1, 1, (cases, 1, spectrum.shape[2])) * (rng.random((cases, 1, 1)) < 0.5)
    turned[..., 0] = 0.0
    phases = torch.from_numpy(turned).to(signals)
    surrogate = torch.fft.irfft(spectrum * torch.polar(torch.ones_like(phases), phases), n=samples, dim=2)
    factors = torch.from_numpy(rng.normal(1.0, RESCALED, (cases, 1, 1))).to(signals)
    noise = torch.from_numpy(rng.standard_normal(signals.shape, dtype=np.float32)).to(signals)
    altered: Tensor = surrogate * factors + JITTER * signals.std(dim=(1, 2), keepdim=True) * noise
    return altered


@dataclass(frozen=True, eq=False)
class SignalBatch(Unlabelled):
    """A batch of pre-training that has signals too, altered: (b, leads, samples)."""

    signals: Tensor


@dataclass(frozen=True, eq=False)
class SignalInputs(Inputs):
    """Cases as tensors, with their signals."""

    signals: Signals

    def batch(self, rows: Tensor, objective: Objective, rng: np.random.Generator, generator: torch.Generator) -> SignalBatch:
        """The cases at `rows`, signals and images altered."""
        others = super().batch(rows, objective, rng, generator)
        signals = altered_signals(self.signals.at(rows), rng)
        return SignalBatch(others.views, others.again, others.table, others.groups, generator, signals)


class MaskedAutoencoder(Objective):
    """Restore masked patches of a signal from the others (He et al. 2022, 2111.06377; for ECGs Turgut et al. 2023, 2308.05764).

    The encoder sees a quarter of the patches; a small decoder restores the rest from their tokens and places. Loss: over masked
    patches 0.9 mean squared error + 0.1 (1 - correlation).
    """

    def __init__(self, encoder: PatchTransformer, shape: tuple[int, int], *, width: int, masked: float) -> None:
        super().__init__(encoder)
        self.kept = max(round(encoder.count * (1 - masked)), 1)
        self.to_decoder = nn.Linear(encoder.width, width)
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02)
        self.places: Tensor = nn.Buffer(sine_places(shape[0], shape[1] // encoder.patch, width))
        layers = transformer(width, 2, max(width // HEAD, 1))
        self.decoder = nn.Sequential(layers, nn.LayerNorm(width), nn.Linear(width, encoder.patch))

    def forward(self, batch: Unlabelled) -> Tensor:
        """The loss of a batch whose patches are masked anew."""
        assert isinstance(batch, SignalBatch)
        order = torch.rand(len(batch.signals), self.network.count, generator=batch.generator).argsort(dim=1)
        restored = self.restored(batch.signals, order[:, : self.kept])
        hidden = order[:, self.kept :]
        return restoration_loss(at_places(restored, hidden), at_places(self.network.patches(batch.signals), hidden))

    def restored(self, signals: Tensor, kept: Tensor) -> Tensor:
        """All patches (b, t, patch), as restored from those at the places `kept` (b, k) alone."""
        tokens = self.to_decoder(self.network(signals, kept))
        whole = self.mask_token.expand(len(signals), self.network.count, -1)
        whole = whole.scatter(1, kept[..., None].expand(-1, -1, tokens.shape[2]), tokens)
        patches: Tensor = self.decoder(whole + self.places)
        return patches


def restoration_loss(restored: Tensor, own: Tensor) -> Tensor:
    """0.9 mean squared error + 0.1 (1 - Pearson correlation) of patches (b, t, samples); a flat one correlates with nothing."""
    correlation = cosine_similarity(
        restored - restored.mean(dim=2, keepdim=True), own - own.mean(dim=2, keepdim=True), dim=2, eps=1e-6
    )
    return 0.9 * (restored - own).square().mean() + 0.1 * (1 - correlation).mean()
