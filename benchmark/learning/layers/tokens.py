"""Tokens of image and text: projections, attention, a transformer layer. b cases, t tokens, d width, h heads."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmark.learning.layers.perceptron import Dropout
from benchmark.learning.neural import Tokens
from benchmark.learning.neural.inputs import TokenShape
from benchmark.system.errors import UnknownNameError

KINDS = ("all", "pooled")
"""What stands for a modality: all of its tokens, or its pooled vector as one token."""
ABSENT = -1e9
"""Added to the attention logit of a token that is not there: finite, so that a case without any token gives no NaN."""


class TokenProjection(nn.Module):
    """Tokens of one modality to width d, each with a learned vector of its place (cell of the grid, sentence of the report)."""

    def __init__(self, shape: TokenShape, width: int, kind: str) -> None:
        super().__init__()
        if kind not in KINDS:
            raise UnknownNameError("kind of tokens", kind, KINDS)
        self.pooled = kind == "pooled"
        self.grid = None if self.pooled else shape.grid
        self.count = 1 if self.pooled else shape.tokens
        self.linear = nn.Linear(shape.pooled if self.pooled else shape.width, width)
        self.place = nn.Parameter(torch.randn(self.count, width) * PLACE)

    def forward(self, part: Tokens) -> tuple[Tensor, Tensor]:
        """States (b, t, d), zero for absent tokens, and which are there (b, t) bool."""
        assert part.tokens is not None and part.mask is not None
        tokens, present = part.tokens, part.mask
        if self.pooled:
            tokens, present = part.pooled[:, None], part.mask.any(dim=1, keepdim=True)
        return (self.linear(tokens) + self.place) * present[..., None], present


PLACE = 0.5
"""Deviation of the places' vectors before training [A]: about that of the projected tokens, for training is short."""


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762) of some tokens to others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, giving: Tensor, allowed: Tensor, heads_on: Tensor | None = None) -> Tensor:
        """What each of `asking` (b, q, d) takes from `giving` (b, k, d): (b, q, d).

        allowed (b, 1 or h, 1 or q, k) bool: which may be looked at. heads_on (h,): a factor on what each head takes.
        """
        query, key, value = self._parts(asking, giving)
        taken = scaled_dot_product_attention(query, key, value, attn_mask=_bias(allowed, query))
        if heads_on is not None:
            taken = taken * heads_on[:, None, None]
        mixed: Tensor = self.out(taken.transpose(1, 2).flatten(2))
        return mixed

    def watched(self, asking: Tensor, giving: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and the attention weights (b, h, q, k), whose rows sum to 1."""
        query, key, value = self._parts(asking, giving)
        weights = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5 + _bias(allowed, query)).softmax(dim=-1)
        return self.out((weights @ value).transpose(1, 2).flatten(2)), weights

    def _parts(self, asking: Tensor, giving: Tensor) -> list[Tensor]:
        """Query, key and value by head: (b, h, q or k, d / h)."""
        parts = (self.query(asking), *self.key_value(giving).chunk(2, dim=-1))
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts]


class TransformerLayer(nn.Module):
    """Pre-norm transformer layer: attention among the tokens, then a perceptron of twice the width on each."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before_attention, self.before_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.dropout = Dropout(dropout)

    def forward(self, states: Tensor, allowed: Tensor, last: int = 0, heads_on: Tensor | None = None) -> Tensor:
        """The next states of tokens (b, t, d); with `last`, only those of so many at the end, which is all that a CLS needs.

        `allowed` (b, 1 or h, 1 or t, t) bool: which token may look at which.
        """
        normed = self.before_attention(states)
        taken = self.attention(normed[:, -last:], normed, allowed[:, :, -last:], heads_on)
        return self._next(states[:, -last:], taken)

    def watched(self, states: Tensor, allowed: Tensor, last: int = 0) -> tuple[Tensor, Tensor]:
        """The same, and the attention weights of these tokens, (b, h, t or last, t)."""
        normed = self.before_attention(states)
        taken, weights = self.attention.watched(normed[:, -last:], normed, allowed[:, :, -last:])
        return self._next(states[:, -last:], taken), weights

    def _next(self, states: Tensor, taken: Tensor) -> Tensor:
        states = states + self.dropout(taken)
        following: Tensor = states + self.dropout(self.perceptron(self.before_perceptron(states)))
        return following


def all_see(present: Tensor) -> Tensor:
    """Every token may look at those that are there, (b, t) bool -> (b, 1, 1, t)."""
    return present[:, None, None]


def masked_mean(states: Tensor, present: Tensor) -> Tensor:
    """The mean of the tokens that are there: (b, t, d), (b, t) -> (b, d); zero where there is none."""
    return (states * present[..., None]).sum(dim=1) / present.sum(dim=1, keepdim=True).clamp(min=1)


def with_cls(states: Tensor, present: Tensor, cls: Tensor) -> tuple[Tensor, Tensor]:
    """The tokens and, last, the learned token `cls` (d,), which every case has."""
    own = cls.expand(len(states), 1, -1)
    return torch.cat([states, own], dim=1), torch.cat([present, present.new_ones(len(present), 1)], dim=1)


def _bias(allowed: Tensor, query: Tensor) -> Tensor:
    """What is added to attention logits: 0, or `ABSENT` where a token must not be looked at."""
    return torch.zeros(allowed.shape, dtype=query.dtype, device=query.device).masked_fill(~allowed, ABSENT)
