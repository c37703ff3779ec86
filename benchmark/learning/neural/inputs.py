"""What a module sees of the cases: standardised tensors of table, image and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

CLIP = 5.0
"""Standardised features end here [A]: a territory that few infarcts reach would else stand 30 deviations out."""


@dataclass(frozen=True)
class Tokens:
    """Features of one modality: pooled (n, p), tokens (n, t, d), mask (n, t) bool, lesion_share (n, t).

    Tokens, mask and lesion share are None for a method that uses pooled vectors alone, and lesion share also where no mask
    exists. Standardised by the training part; absent tokens are zero. `grid` is the token grid's shape for images on a grid.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None
    lesion_share: Tensor | None = None
    grid: tuple[int, ...] | None = None

    def at(self, index: Tensor | tuple[Tensor, ...]) -> Tokens:
        """The cases at `index`, an index tensor."""
        return Tokens(
            self.pooled[index], _at(self.tokens, index), _at(self.mask, index), _at(self.lesion_share, index), self.grid
        )

    def to(self, device: str) -> Tokens:
        """The same on another device."""
        return Tokens(
            self.pooled.to(device),
            None if self.tokens is None else self.tokens.to(device),
            None if self.mask is None else self.mask.to(device),
            None if self.lesion_share is None else self.lesion_share.to(device),
            self.grid,
        )

    @property
    def shape(self) -> TokenShape:
        """The sizes of the features."""
        tokens, width = (0, 0) if self.tokens is None else self.tokens.shape[-2:]
        return TokenShape(self.pooled.shape[-1], tokens, width, self.grid)

    def zeroed(self) -> Tokens:
        """All features at the training part's mean, which is zero; the mask stays as it is."""
        return replace(
            self,
            pooled=torch.zeros_like(self.pooled),
            tokens=None if self.tokens is None else torch.zeros_like(self.tokens),
            lesion_share=None if self.lesion_share is None else torch.zeros_like(self.lesion_share),
        )

    def noisy(self, deviation: float) -> Tokens:
        """Gaussian noise on pooled vectors and on the tokens that are there."""
        pooled = self.pooled + deviation * torch.randn_like(self.pooled)
        if self.tokens is None or self.mask is None:
            return replace(self, pooled=pooled)
        noise = deviation * torch.randn_like(self.tokens)
        return replace(self, pooled=pooled, tokens=self.tokens + noise * self.mask[..., None])

    def blended(self, other: Tokens, weight: float) -> Tokens:
        """`weight` of these features and the rest of the other's; a token is there where either has it."""
        return Tokens(
            torch.lerp(other.pooled, self.pooled, weight),
            _blended(self.tokens, other.tokens, weight),
            None if self.mask is None or other.mask is None else self.mask | other.mask,
            _blended(self.lesion_share, other.lesion_share, weight),
            self.grid,
        )


@dataclass(frozen=True)
class Drafts:
    """Features of one modality with an axis of drafts, as encoders give them, standardised.

    features : pooled (n, drafts, p); tokens (n, drafts, t, d) and mask (n, drafts, t), or None; lesion_share (n, t) or None.
    present (n, drafts) bool.
    """

    features: Tokens
    present: Tensor

    def at(self, index: Tensor) -> Drafts:
        """The cases at `index`, an index tensor."""
        return Drafts(self.features.at(index), self.present[index])

    def drawn(self, rng: np.random.Generator) -> Tokens:
        """One of the drafts that each case has, at random."""
        n, drafts = self.present.shape
        weights = rng.random((n, drafts)) * self.present.numpy() if drafts > 1 else np.zeros((n, drafts))
        chosen = torch.from_numpy(weights.argmax(axis=1))
        one = replace(self.features, lesion_share=None).at((torch.arange(n), chosen))
        return replace(one, lesion_share=self.features.lesion_share)

    def averaged(self) -> Tokens:
        """The mean of the drafts that each case has; tokens are averaged place by place."""
        whole = self.features
        mean = replace(whole, pooled=(whole.pooled * _shares(self.present)[..., None]).sum(1))
        if whole.tokens is None or whole.mask is None:
            return mean
        return replace(mean, tokens=(whole.tokens * _shares(whole.mask)[..., None]).sum(1), mask=whole.mask.any(1))

    def constant(self) -> Drafts:
        """All features at the training part's mean, which is zero, and every token and draft there: the same for every case."""
        mask = None if self.features.mask is None else torch.ones_like(self.features.mask)
        return Drafts(replace(self.features.zeroed(), mask=mask), torch.ones_like(self.present))

    @property
    def shape(self) -> TokenShape:
        """The sizes of the features."""
        return self.features.shape


class Unread(Protocol):
    """Views of some cases that lie on disk; `shapes`: view -> (c, *spatial) or (leads, samples) of one case."""

    def __len__(self) -> int: ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The size of each view."""

    def at(self, index: Tensor) -> Mapping[str, Tensor]:
        """Read those of the cases at `index`."""


@dataclass(frozen=True)
class Batch:
    """Some cases as a module sees them; a modality that the method does not use is None.

    table (b, p): imputed, one-hot, scaled; image, text: see `Tokens`. views : of modalities that the method wants as they are,
    view -> (b, c, *spatial) or (b, leads, samples); those of all cases of a part are `unread`, and `at` reads them.
    """

    table: Tensor | None
    image: Tokens | None
    text: Tokens | None
    views: Mapping[str, Tensor] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    def __len__(self) -> int:
        parts: tuple[Sized, ...] = (*self.vectors, *self.views.values(), *self.unread)
        return len(parts[0])

    @property
    def vectors(self) -> list[Tensor]:
        """Pooled image, pooled text and table, each (b, p), of those that there are."""
        parts = (self.image and self.image.pooled, self.text and self.text.pooled, self.table)
        return [part for part in parts if isinstance(part, Tensor)]

    def at(self, index: Tensor) -> Batch:
        """The cases at `index`, an index tensor."""
        return Batch(
            _at(self.table, index),
            None if self.image is None else self.image.at(index),
            None if self.text is None else self.text.at(index),
            {name: view[index] for name, view in self.views.items()}
            | {name: view for part in self.unread for name, view in part.at(index).items()},
        )

    def portions(self, size: int) -> Iterator[Batch]:
        """The cases in batches of at most `size` where views are to be read, else all together."""
        if not self.unread:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.at(torch.arange(start, min(start + size, len(self))))

    def noisy(self, deviation: float) -> Batch:
        """Gaussian noise of that standard deviation on everything."""
        return Batch(
            None if self.table is None else self.table + deviation * torch.randn_like(self.table),
            None if self.image is None else self.image.noisy(deviation),
            None if self.text is None else self.text.noisy(deviation),
            {name: view + deviation * torch.randn_like(view) for name, view in self.views.items()},
        )

    def blended(self, other: Batch, weight: float) -> Batch:
        """MixUp: `weight` of these cases and the rest of the others."""
        return Batch(
            _blended(self.table, other.table, weight),
            None if self.image is None or other.image is None else self.image.blended(other.image, weight),
            None if self.text is None or other.text is None else self.text.blended(other.text, weight),
            {name: torch.lerp(other.views[name], view, weight) for name, view in self.views.items()},
        )


@dataclass(frozen=True)
class TokenShape:
    """The sizes of a modality's features: pooled vector p, tokens t of width d (0 where the method uses none), token grid."""

    pooled: int
    tokens: int = 0
    width: int = 0
    grid: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Shapes:
    """The sizes that a module is built for; None for a modality that the method does not use.

    views : view -> (c, *spatial) or (leads, samples), of modalities that the method wants as they are.
    """

    table: int | None
    image: TokenShape | None
    text: TokenShape | None
    views: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch) -> Shapes:
        """The sizes of a batch."""
        return cls(
            None if batch.table is None else batch.table.shape[1],
            None if batch.image is None else batch.image.shape,
            None if batch.text is None else batch.text.shape,
            {name: tuple(view.shape[1:]) for name, view in batch.views.items()}
            | {name: shape for part in batch.unread for name, shape in part.shapes.items()},
        )

    @property
    def vectors(self) -> list[int]:
        """The widths of pooled image, pooled text and table, of those that there are, as in `Batch.vectors`."""
        widths = (self.image and self.image.pooled, self.text and self.text.pooled, self.table)
        return [width for width in widths if isinstance(width, int)]

    @property
    def pooled(self) -> int:
        """The width of all pooled vectors and the table side by side."""
        return sum(self.vectors)


def _at(part: Tensor | None, index: Tensor | tuple[Tensor, ...]) -> Tensor | None:
    return None if part is None else part[index]


def _blended(mine: Tensor | None, theirs: Tensor | None, weight: float) -> Tensor | None:
    return None if mine is None or theirs is None else torch.lerp(theirs, mine, weight)


def _shares(present: Tensor) -> Tensor:
    """Each draft's share of the mean over axis 1, zero for drafts that are not there."""
    return present / present.sum(1, keepdim=True).clamp(min=1)
