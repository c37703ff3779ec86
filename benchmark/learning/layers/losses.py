"""Losses on pairs of embeddings, rows of which belong together: a, b (n, d) -> scalar."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, normalize


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE: each row must find its partner among the batch's, by cosine over temperature (CLIP, 2103.00020)."""
    logits = normalize(a, dim=1) @ normalize(b, dim=1).T / temperature
    own = torch.arange(len(a), device=a.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def misalignment(a: Tensor, b: Tensor) -> Tensor:
    """1 - cos, the mean over rows."""
    return (1 - cosine_similarity(a, b, dim=1)).mean()
