"""Losses of self-supervised pre-training; embeddings are (n, d), row i of one belongs to row i of the other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, cross_entropy, mse_loss, normalize


def similarities(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Cosine of each row of a with each row of b over the temperature, (n, m)."""
    return normalize(a, dim=1) @ normalize(b, dim=1).T / temperature


def clip_loss(logits: Tensor, share: float = 0.5) -> Tensor:
    """Each row must find its partner in the batch (CLIP, 2103.00020): `share` of the loss over rows, the rest over columns.

    logits (n, n): similarities, partners on the diagonal.
    """
    own = torch.arange(len(logits), device=logits.device)
    return share * cross_entropy(logits, own) + (1 - share) * cross_entropy(logits.T, own)


def nt_xent(a: Tensor, b: Tensor, temperature: float, groups: Tensor) -> Tensor:
    """NT-Xent (SimCLR, Chen et al. 2020, 2002.05709): of the 2n embeddings each must find its partner among all others.

    groups (n,) : whose they are; others of the same person are no negatives.
    """
    both = torch.cat([a, b])
    partner = torch.arange(len(both), device=both.device).roll(len(a))
    logits = without_own(similarities(both, both, temperature), groups.repeat(2), partner)
    return cross_entropy(logits, partner)


def without_own(logits: Tensor, groups: Tensor, partner: Tensor) -> Tensor:
    """Similarities (n, n) where those within a group (n,) are -inf, but for each row's partner (n,)."""
    own = groups[:, None] == groups
    own[torch.arange(len(groups), device=own.device), partner] = False
    return logits.masked_fill(own, -torch.inf)


def byol_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """2 - 2 cos of what the online network predicts and the target's projection (BYOL, Grill et al. 2020, 2006.07733)."""
    return (2 - 2 * cosine_similarity(predicted, target.detach(), dim=1)).mean()


def vime_loss(mask_logits: Tensor, masked: Tensor, restored: Tensor, table: Tensor, weight: float) -> Tensor:
    """Which values were replaced, and what they were (VIME, Yoon et al. 2020): cross-entropy + weight x squared error.

    mask_logits, masked (n, columns); restored, table (n, p).
    """
    return binary_cross_entropy_with_logits(mask_logits, masked.to(mask_logits)) + weight * mse_loss(restored, table)


def hard_negatives(logits: Tensor, alike: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each row an unmatched column to pair it with, drawn by softmax(logits) + 1e-4 (ALBEF, Li et al. 2021, 2107.07651).

    logits (n, n); alike (n, n) bool: pairs that are no negatives, such as those of one patient; the diagonal is none of its own
    accord. Returns the rows that have a negative, and the column drawn for each of them.
    """
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    weights = (logits.detach().softmax(dim=1) + 1e-4).masked_fill(alike | own, 0.0)
    rows = weights.sum(dim=1).nonzero().squeeze(1)
    if not len(rows):
        return rows, rows
    return rows, torch.multinomial(weights[rows], 1, generator=generator).squeeze(1)


def alignment(a: Tensor, b: Tensor) -> float:
    """The mean squared distance of partners on the unit sphere; 0 is best (Wang and Isola 2020, 2005.10242)."""
    return float((normalize(a, dim=1) - normalize(b, dim=1)).square().sum(dim=1).mean())


def uniformity(a: Tensor) -> float:
    """Log of the mean of exp(-2 x squared distance) over pairs of embeddings on the unit sphere; lower is better (likewise)."""
    return float(torch.pdist(normalize(a, dim=1)).square().mul(-2).exp().mean().log())


def retrieval(a: Tensor, b: Tensor, among: int) -> float:
    """The share of rows of a whose partner is among the nearest rows of b; of rows equally near any may come first."""
    logits = similarities(a, b, 1.0)
    own = logits.diagonal()[:, None]
    better, equal = (logits > own).sum(dim=1), (logits == own).sum(dim=1)
    return float(((among - better) / equal).clamp(0, 1).mean())
