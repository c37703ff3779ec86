"""The floor of a training step: every product of forward and backward is counted as the closed forms say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from benchmark.learning.layers.tokens import Attention, all_see  # noqa: E402
from tools.matrix_products import MatrixProducts  # noqa: E402

BATCH, TOKENS, WIDTH, HEADS = 3, 5, 8, 2
PROJECTIONS = 4 * BATCH * TOKENS * WIDTH**2
"""Multiply-adds of queries, keys, values and output."""
PRODUCT = BATCH * TOKENS**2 * WIDTH
"""Those of q k^T, and likewise of weights v, of all heads together."""


def noted(module: torch.nn.Module, *inputs: object, **options: object) -> MatrixProducts:
    """The products of a forward and a backward pass."""
    with MatrixProducts() as products:
        made = module(*inputs, **options)
        (made[0] if isinstance(made, tuple) else made).sum().backward()
    return products


def test_a_linear_map_has_one_product_forward_and_one_for_each_gradient_that_is_needed() -> None:
    linear, x = torch.nn.Linear(7, 4), torch.randn(11, 7)
    assert noted(linear, x).multiply_adds == 2 * 11 * 7 * 4
    assert noted(linear, x.requires_grad_()).multiply_adds == 3 * 11 * 7 * 4


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_torchs_attention_counts_its_own_projections_and_both_products(dropout: float) -> None:
    attention = torch.nn.MultiheadAttention(WIDTH, HEADS, dropout=dropout, batch_first=True)
    x = torch.randn(BATCH, TOKENS, WIDTH, requires_grad=True)
    again = 0 if dropout else PRODUCT  # fused without dropout: q k^T once more on the way back
    counted = noted(attention, x, x, x, need_weights=False).multiply_adds
    assert counted == 3 * (PROJECTIONS + 2 * PRODUCT) + again


def test_attention_of_our_own_layers_counts_the_same() -> None:
    x = torch.randn(BATCH, TOKENS, WIDTH, requires_grad=True)
    allowed = all_see(torch.ones(BATCH, TOKENS, dtype=torch.bool))
    assert noted(Attention(WIDTH, HEADS), x, x, allowed).multiply_adds == 3 * (PROJECTIONS + 2 * PRODUCT) + PRODUCT


def test_all_of_them_are_done_again() -> None:
    products = noted(torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), *[torch.randn(BATCH, TOKENS, WIDTH)] * 3)
    with MatrixProducts() as repeated:
        products.repeat()
    assert repeated.multiply_adds == products.multiply_adds > 0
