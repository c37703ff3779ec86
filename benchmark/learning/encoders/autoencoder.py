"""Autoencoder: a small convolutional network that learns on the pool, without labels, to give lesion and scan back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu

from benchmark.data.cohort import Cohort, Features
from benchmark.data.parts import Floats
from benchmark.learning.encoders._views import (
    Channels,
    averaged,
    intensity_views,
    mask_view,
    standardised,
    tissue_of,
)
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError

VOLUME, PATCH = (32, 32, 32), 4
"""Volumes are averaged to this grid and cut into cubes of 4 voxels; one more halving gives 4 x 4 x 4 tokens."""
PICTURE, PIXELS = (96, 96), 8
"""Slices likewise, in squares of 8 pixels; two halvings give 3 x 3 tokens for each."""
BATCH = 32
HELD_BACK = 10
"""Every tenth case of the pool is not trained on: the reconstruction error is that of these."""
FAINT = 1e-3
"""Least and greatest mean share of lesion in a voxel that the network starts from: a logarithm needs a bound."""


@register_encoder(
    "autoencoder",
    modality="image",
    reference="convolutional autoencoder (Masci et al., ICANN 2011), trained here on the unlabelled pool",
    weights="none: trained on the cases of the pool that the split allows",
)
@dataclass(frozen=True)
class Autoencoder:
    """Code and coarse feature map of an autoencoder of lesion mask and intensities.

    tokens (n, 1, t, channels): the map before the code, 64 cells of the volume, then 9 of each slice; pooled (n, 1, code): the
    code. Both have mean 0 and deviation 1 over the pool's cases. lesion_share (n, t).

    steps : updates of Adam, each on 32 cases; learning_rate : its peak, reached after a tenth of the steps, then a cosine.
    channels : width of the coarse map; code : width of the bottleneck. All assumed [A]; twice the steps did not lower the error
    of pool cases that were held back.
    """

    pretrained_on_pool = True

    steps: int = 500
    learning_rate: float = 2e-3
    channels: int = 32
    code: int = 64

    def weights_digest(self) -> str:
        """The weights follow from code, parameters and pool."""
        return ""

    def pretrain(self, pool: Cohort) -> dict[str, NDArray[Any]]:
        """Train on the pool alone: the network's state, the moments of its outputs over the pool, and `error`.

        `error` (2,) is the reconstruction error before and after, on every tenth case of the pool, which is held back; 1 is
        that of the mean image over the pool. The same pool gives the same bytes. Raises `BenchmarkError` without any image.
        """
        imaged = np.flatnonzero(pool.having("image"))
        if not len(imaged):
            raise BenchmarkError(f"encoder autoencoder: no case of {pool.name} has an image")
        images = _Images(pool.take(imaged))
        held_back = np.arange(len(imaged)) % HELD_BACK == HELD_BACK - 1
        with _deterministic():
            network = _Network(images, self.channels, self.code)
            network.start_from_the_mean(images)
            before = _error(network, images, np.flatnonzero(held_back))
            self._train(network, images, np.flatnonzero(~held_back))
            after = _error(network, images, np.flatnonzero(held_back))
            tokens, codes = _outputs(network, images)
        return {
            **{name: value.numpy() for name, value in network.state_dict().items()},
            "token_mean": tokens.mean(axis=0),
            "token_sd": tokens.std(axis=(0, 1)),
            "code_mean": codes.mean(axis=0),
            "code_sd": codes.std(axis=0),
            "error": np.array([before, after], dtype=np.float32),
        }

    def encode(self, cohort: Cohort, weights: Mapping[str, NDArray[Any]]) -> Features:
        """Features of every case, from the weights that `pretrain` gave; a case without image is masked and zero."""
        images = _Images(cohort)
        present = cohort.having("image")
        with _deterministic():
            network = _Network(images, self.channels, self.code)
            network.load_state_dict({name: torch.from_numpy(weights[name].copy()) for name in network.state_dict()})
            tokens, codes = _outputs(network, images)
        tokens = (tokens - weights["token_mean"]) / np.maximum(weights["token_sd"], 1e-6)
        pooled = (codes - weights["code_mean"]) / np.maximum(weights["code_sd"], 1e-6)
        return Features(
            (tokens * present[:, None, None])[:, None].astype(np.float32),
            np.repeat(present[:, None], tokens.shape[1], axis=1)[:, None],
            (pooled * present[:, None])[:, None].astype(np.float32),
            None if images.slices else (4, 4, 4),
            images.lesion_share() * present[:, None],
        )

    def _train(self, network: _Network, images: _Images, rows: NDArray[np.intp]) -> None:
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, self.steps, pct_start=0.1)
        generator = np.random.default_rng(0)
        for _ in range(self.steps):
            loss = network.loss(images.batch(generator.choice(rows, size=min(BATCH, len(rows)), replace=False)))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()


class _Batch(NamedTuple):
    """Images of b cases: volume (b, c, 32, 32, 32), first the lesion; pictures (b, slices, 96, 96); seen (b,): not all 0."""

    volume: Tensor
    pictures: Tensor
    seen: Tensor


class _Images:
    """The images of a cohort at the network's size: mask and volumes as channels of one, slices as pictures."""

    def __init__(self, cohort: Cohort) -> None:
        self._mask = mask_view(cohort, "autoencoder")
        views = intensity_views(cohort, "autoencoder")
        self._volumes = [view for view in views if view.positions is None]
        self._slices = [view for view in views if view.positions is not None]
        self.cases = len(cohort)
        self.channels = 1 + sum(view.count for view in self._volumes)
        self.slices = sum(view.panels for view in self._slices)
        self._volume = np.zeros((self.cases, self.channels, *VOLUME), dtype=np.float16)
        self._pictures = np.zeros((self.cases, self.slices, *PICTURE), dtype=np.float16)
        self._share = np.zeros((self.cases, self.slices, 9), dtype=np.float32)
        for rows in _batches(np.arange(self.cases)):
            self._read(rows)

    def batch(self, rows: NDArray[np.intp]) -> _Batch:
        """The cases at `rows`."""
        pictures = torch.from_numpy(self._pictures[rows].astype(np.float32))
        return _Batch(torch.from_numpy(self._volume[rows].astype(np.float32)), pictures, pictures.abs().sum(dim=(1, 2, 3)) > 0)

    def batches(self) -> Iterator[_Batch]:
        """All cases, some at a time."""
        return map(self.batch, _batches(np.arange(self.cases)))

    def lesion_share(self) -> Floats:
        """(n, tokens): the lesion's share of the place of each token."""
        cells = averaged(self._volume[:, 0].astype(np.float32), (4, 4, 4))
        return np.concatenate([cells.reshape(self.cases, -1), self._share.reshape(self.cases, -1)], axis=1)

    def _read(self, rows: NDArray[np.intp]) -> None:
        lesion = self._mask[rows][:, 0]
        volumes = [lesion[:, None], *(_intensities(view, rows, lesion) for view in self._volumes)]
        for channel, volume in enumerate(np.moveaxis(np.concatenate(volumes, axis=1), 1, 0)):
            self._volume[rows, channel] = averaged(volume, VOLUME)
        shown = [_panels(view, _intensities(view, rows, lesion)) for view in self._slices]
        at = [_panels(view, view.sample(lesion)) for view in self._slices]
        for panel, (picture, on) in enumerate(zip(chain(*shown), chain(*at), strict=True)):
            self._pictures[rows, panel] = averaged(picture, PICTURE)
            self._share[rows, panel] = averaged(on, (3, 3)).reshape(len(rows), 9)


def _intensities(view: Channels, rows: NDArray[np.intp], lesion: Floats) -> Floats:
    """A view's intensities in deviations of the case's healthy tissue, zero outside tissue and lesion; shaped as the view."""
    at, inside, values = view.sample(lesion), view.inside(lesion.shape[1:]), view.load(rows)
    for value in np.moveaxis(values, 1, 0):
        tissue = tissue_of(value, inside)
        value[:] = standardised(value, tissue * (1 - at)) * np.maximum(tissue, at > 0)
    return values.reshape(len(rows), *view.view.shape[1:])


def _panels(view: Channels, points: Floats) -> list[Floats]:
    """The slices of a view, each (b, height, width)."""
    return list(np.moveaxis(points.reshape(len(points), view.panels, *view.view.shape[2:]), 1, 0))


class _Network(nn.Module):
    """Patches, halvings by overlapping convolutions, a code; and back by transposed ones whose kernels do not overlap.

    What it gives back is added to the mean image of the pool.
    """

    def __init__(self, images: _Images, channels: int, code: int) -> None:
        super().__init__()
        self._channels, self._slices, width = channels, images.slices, images.channels
        self.patch = nn.Linear(width * PATCH**3, 32)
        self.volume_down = nn.Sequential(nn.GELU(), nn.Conv3d(32, channels, 3, 2, 1), nn.GELU())
        self.volume_up = nn.Linear(channels, 32 * 2**3)
        self.unpatch = nn.Linear(32, width * PATCH**3)
        if images.slices:
            self.square = nn.Linear(PIXELS**2, 32)
            self.slice_down = nn.Sequential(
                nn.GELU(), nn.Conv2d(32, 32, 3, 2, 1), nn.GELU(), nn.Conv2d(32, channels, 3, 2, 1), nn.GELU()
            )
            self.slice_up = nn.Linear(channels, 32 * 4**2)
            self.unsquare = nn.Linear(32, PIXELS**2)
        tokens = 64 + 9 * images.slices
        self.to_code = nn.Linear(tokens * channels, code)
        self.from_code = nn.Linear(code, tokens * channels)
        self.mean_volume: Tensor = nn.Buffer(torch.zeros(width, *VOLUME))
        self.mean_pictures: Tensor = nn.Buffer(torch.zeros(images.slices, *PICTURE))
        self.usual: Tensor = nn.Buffer(torch.ones(3))

    @torch.no_grad()
    def start_from_the_mean(self, images: _Images) -> None:
        """Let the network begin with the pool's mean image, of the lesion its logit, and measure by that image's errors."""
        seen = 0
        for batch in images.batches():
            self.mean_volume += batch.volume.sum(0) / images.cases
            self.mean_pictures += batch.pictures.sum(0)
            seen += int(batch.seen.sum())
        self.mean_pictures /= max(seen, 1)
        self.mean_volume[0] = self.mean_volume[0].clamp(FAINT, 1 - FAINT).logit()
        errors = [
            self._errors(batch, self.mean_volume.expand_as(batch.volume), self.mean_pictures.expand_as(batch.pictures))
            for batch in images.batches()
        ]
        self.usual.copy_(torch.stack(errors).nanmean(0).nan_to_num(1).clamp(min=1e-6))

    def encode(self, batch: _Batch) -> tuple[Tensor, Tensor]:
        """Tokens (b, t, channels) and codes (b, code)."""
        patches = _cut(batch.volume, PATCH)
        tokens = self.volume_down(_join(self.patch(patches), 1, 3)).flatten(2).transpose(1, 2)
        if self._slices:
            squares = _cut(batch.pictures.flatten(0, 1)[:, None], PIXELS)
            cells = self.slice_down(_join(self.square(squares), 1, 2)).flatten(2).transpose(1, 2)
            seen = cells.reshape(len(batch.pictures), -1, self._channels) * batch.seen[:, None, None]
            tokens = torch.cat([tokens, seen], dim=1)
        return tokens, self.to_code(tokens.flatten(1))

    def decode(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Volume (b, c, 32, 32, 32), of the lesion its logits, and pictures (b, slices, 96, 96)."""
        tokens = gelu(self.from_code(code)).reshape(len(code), -1, self._channels)
        patches = _join(self.volume_up(tokens[:, :64]), 2, 3).flatten(2).transpose(1, 2)
        volume = _join(self.unpatch(gelu(patches)), PATCH, 3) + self.mean_volume
        if not self._slices:
            return volume, volume.new_zeros(len(code), 0, *PICTURE)
        squares = _join(self.slice_up(tokens[:, 64:].reshape(-1, 9, self._channels)), 4, 2).flatten(2).transpose(1, 2)
        pictures = _join(self.unsquare(gelu(squares)), PIXELS, 2).reshape(len(code), self._slices, *PICTURE)
        return volume, pictures + self.mean_pictures

    def loss(self, batch: _Batch) -> Tensor:
        """The mean of the errors of lesion, volumes and slices, as far as there are any, relative to the mean image's."""
        errors = self._errors(batch, *self.decode(self.encode(batch)[1])) / self.usual
        return errors[~errors.isnan()].mean()

    def _errors(self, batch: _Batch, volume: Tensor, pictures: Tensor) -> Tensor:
        """(3,) cross-entropy of the lesion, squared errors of volumes and of slices; NaN for what there is not."""
        return torch.stack(
            [
                binary_cross_entropy_with_logits(volume[:, 0], batch.volume[:, 0]),
                (volume[:, 1:] - batch.volume[:, 1:]).square().mean(),
                (pictures - batch.pictures)[batch.seen].square().mean(),
            ]
        )


def _cut(images: Tensor, edge: int) -> Tensor:
    """(b, c, *spatial) -> (b, patches, c * edge ** dimensions)."""
    dimensions = images.ndim - 2
    blocks = [size for length in images.shape[2:] for size in (length // edge, edge)]
    patches, inner = range(2, 2 + 2 * dimensions, 2), range(3, 3 + 2 * dimensions, 2)
    cut = images.reshape(*images.shape[:2], *blocks).permute(0, *patches, 1, *inner)
    return cut.flatten(1 + dimensions).flatten(1, dimensions)


def _join(patches: Tensor, edge: int, dimensions: int) -> Tensor:
    """The inverse of `_cut` for as many patches along each axis: (b, patches, c * edge ** dimensions) -> (b, c, *spatial)."""
    side = round(patches.shape[1] ** (1 / dimensions))
    blocks = patches.reshape(len(patches), *(side,) * dimensions, -1, *(edge,) * dimensions)
    order = [position for axis in range(dimensions) for position in (1 + axis, 2 + dimensions + axis)]
    return blocks.permute(0, 1 + dimensions, *order).reshape(len(patches), -1, *(side * edge,) * dimensions)


def _batches(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return np.split(rows, range(BATCH, len(rows), BATCH))


@torch.no_grad()
def _error(network: _Network, images: _Images, rows: NDArray[np.intp]) -> float:
    """The loss on some cases; NaN where there are none."""
    losses = [float(network.loss(images.batch(some))) * len(some) for some in _batches(rows) if len(some)]
    return sum(losses) / len(rows) if len(rows) else float("nan")


@torch.no_grad()
def _outputs(network: _Network, images: _Images) -> tuple[Floats, Floats]:
    """Tokens (n, t, channels) and codes (n, code) of all cases."""
    tokens, codes = zip(*map(network.encode, images.batches()), strict=True)
    return torch.cat(tokens).numpy(), torch.cat(codes).numpy()


@contextmanager
def _deterministic() -> Iterator[None]:
    """One thread, deterministic kernels and a fixed seed; afterwards everything is as it was."""
    filling: Any = torch.utils.deterministic
    threads, strict, filled = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        filling.fill_uninitialized_memory,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        filling.fill_uninitialized_memory = False  # nothing here reads it, and filling takes time
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)
            filling.fill_uninitialized_memory = filled
