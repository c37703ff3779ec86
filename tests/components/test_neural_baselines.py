"""Every fusion of the neural baselines against its formula written out, on tiny tensors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines import (
    cross_attention,
    daft,
    film,
    ft_transformer,
    gated,
    image_net,
    late_fusion,
    low_rank_fusion,
    self_attention,
    table_net,
    text_net,
)
from benchmark.learning.layers.tokens import all_see
from benchmark.learning.neural import Batch, Shapes, Tokens
from benchmark.learning.neural.inputs import TokenShape
from benchmark.learning.neural.loop import probabilities
from benchmark.system.errors import UnknownNameError

CASES, TABLE, IMAGE, TEXT = 5, 3, 6, 4
SHAPES = Shapes(TABLE, TokenShape(IMAGE, 7, 8), TokenShape(TEXT, 3, 10))
METHODS = {
    "cross-attention": cross_attention.CrossAttention(),
    "daft": daft.DAFT(image="pooled"),
    "film": film.FiLM(image="pooled"),
    "ft-transformer": ft_transformer.FTTransformerMethod(),
    "gated": gated.Gated(),
    "image-net": image_net.ImageNet(),
    "late-fusion": late_fusion.LateFusion(),
    "low-rank-fusion": low_rank_fusion.LowRankFusion(),
    "self-attention": self_attention.SelfAttention(),
    "table-net": table_net.TableNet(),
    "text-net": text_net.TextNet(),
}
USES = {
    "table": {"table-net", "ft-transformer", "film", "daft"},
    "image": {"image-net", "film", "daft"},
    "text": {"text-net"},
}
ALL = {"cross-attention", "gated", "late-fusion", "low-rank-fusion", "self-attention"}
TOKEN_METHODS = ("cross-attention", "self-attention")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def made_batch() -> Batch:
    """Five cases with 7 image tokens and 2 or 3 sentences."""
    sentences = torch.tensor([[True, True, False], [True, True, True]])[torch.tensor([0, 1, 0, 1, 1])]
    image = Tokens(torch.randn(CASES, IMAGE), torch.randn(CASES, 7, 8), torch.ones(CASES, 7, dtype=torch.bool))
    text = Tokens(torch.randn(CASES, TEXT), torch.randn(CASES, 3, 10) * sentences[..., None], sentences)
    return Batch(torch.randn(CASES, TABLE), image, text)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def array(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def test_gated_unit_is_the_sum_of_tanh_features_times_gates_that_see_all_modalities() -> None:
    vectors = [torch.randn(CASES, size) for size in (2, 3, 4)]
    unit = gated.GatedUnit([2, 3, 4], width=6)
    x = [array(vector) for vector in vectors]
    gates = sigmoid(np.concatenate(x, axis=1) @ array(unit.gates.weight).T)
    expected = sum(
        gates[:, 6 * i : 6 * (i + 1)] * np.tanh(x[i] @ array(hidden.weight).T) for i, hidden in enumerate(unit.hidden)
    )
    np.testing.assert_allclose(array(unit(vectors)), expected, atol=1e-6)


def test_low_rank_fusion_is_the_full_outer_product_through_the_weight_tensor_that_the_factors_compose() -> None:
    vectors = [torch.randn(CASES, size) for size in (2, 3, 4)]
    fusion = low_rank_fusion.Fusion([2, 3, 4], rank=3, width=5)
    nn.init.normal_(fusion.bias)
    a, b, c = (np.column_stack([array(vector), np.ones(CASES)]) for vector in vectors)
    u, v, w = (array(factor) for factor in fusion.factors)
    weight = np.einsum("rih,rjh,rkh->ijkh", u, v, w)
    assert weight.shape == (3, 4, 5, 5)
    outer = np.einsum("ni,nj,nk->nijk", a, b, c)
    expected = np.einsum("nijk,ijkh->nh", outer, weight) + array(fusion.bias)
    np.testing.assert_allclose(array(fusion(vectors)), expected, atol=1e-5)


def test_late_fusion_is_the_mean_of_three_networks_sigmoids_each_of_one_modality() -> None:
    network = METHODS["late-fusion"].module(SHAPES).eval()
    batch = made_batch()
    assert batch.image is not None and batch.text is not None and batch.table is not None
    own = [member(x) for member, x in zip(network.members, (batch.image.pooled, batch.text.pooled, batch.table), strict=True)]
    expected = np.mean([sigmoid(array(logit)[:, 0]) for logit in own], axis=0)
    np.testing.assert_allclose(probabilities(network, batch).numpy(), expected, atol=1e-6)


def test_cross_layer_gives_each_token_a_mean_of_the_others_values_weighted_by_softmax() -> None:
    layer = cross_attention.CrossLayer(width=4, heads=2)
    own, other = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    there = torch.tensor([[True, True, True, False, False], [True] * 5])
    query = array(layer.attention.query(layer.own_norm(own)))
    key, value = np.split(array(layer.attention.key_value(layer.other_norm(other))), 2, axis=2)
    taken = np.zeros((2, 3, 4))
    for case, count in enumerate((3, 5)):
        for head in (slice(0, 2), slice(2, 4)):
            scores = query[case][:, head] @ key[case, :count, head].T / np.sqrt(2)
            weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            taken[case][:, head] = weights @ value[case, :count, head]
    between = own + layer.attention.out(torch.from_numpy(taken).float())
    expected = between + layer.perceptron(layer.norm(between))
    torch.testing.assert_close(layer(own, other, there), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", TOKEN_METHODS)
def test_the_means_are_of_normalised_states_and_dropout_spares_what_enters_the_classifier(name: str) -> None:
    network, batch = METHODS[name].module(SHAPES).train(), made_batch()
    assert batch.image is not None and batch.text is not None and batch.table is not None
    entering: list[Tensor] = []
    network.classifier[0].register_forward_hook(lambda module, given, made: entering.append(given[0]))
    network(batch)
    (v, v_present), (t, t_present) = network.image(batch.image), network.text(batch.text)
    if name == "self-attention":
        states, present = torch.cat([v, t], dim=1), torch.cat([v_present, t_present], dim=1)
        for layer in network.layers:
            states = layer(states, all_see(present))
        v, t = states[:, : v.shape[1]], states[:, v.shape[1] :]
    else:
        v, t = network.to_text(v, t, t_present), network.to_image(t, v, v_present)
    means = []
    for states, present in ((array(v), array(v_present)), (array(t), array(t_present))):
        normed = (states - states.mean(2, keepdims=True)) / np.sqrt(states.var(2, keepdims=True) + 1e-5)
        means.append((normed * present[..., None]).sum(1) / present.sum(1, keepdims=True))
    expected = np.column_stack([*means, array(batch.table)])
    np.testing.assert_allclose(array(entering[0]), expected, atol=1e-5)


@pytest.mark.parametrize("name", TOKEN_METHODS)
def test_absent_sentences_change_no_logit(name: str) -> None:
    network, batch = METHODS[name].module(SHAPES).eval(), made_batch()
    assert batch.text is not None and batch.text.tokens is not None and batch.text.mask is not None
    absent = ~batch.text.mask[..., None]
    filled = replace(batch, text=replace(batch.text, tokens=batch.text.tokens + 100 * absent))
    moved = replace(batch, text=replace(batch.text, tokens=batch.text.tokens + 1 * ~absent))
    assert torch.equal(network(batch), network(filled))
    assert (network(batch) - network(moved)).abs().min() > 1e-5


@pytest.mark.parametrize("name", TOKEN_METHODS)
def test_a_case_without_any_sentence_still_has_a_finite_logit_and_gradient(name: str) -> None:
    network, batch = METHODS[name].module(SHAPES).train(), made_batch()
    assert batch.text is not None and batch.text.mask is not None and batch.text.tokens is not None
    mask = batch.text.mask.clone()
    mask[0] = False
    logits = network(replace(batch, text=replace(batch.text, mask=mask, tokens=batch.text.tokens * mask[..., None])))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters() if weight.grad is not None)


@pytest.mark.parametrize("name", TOKEN_METHODS)
def test_where_a_token_lies_matters(name: str) -> None:
    network, batch = METHODS[name].module(SHAPES).eval(), made_batch()
    assert batch.image is not None and batch.image.tokens is not None
    turned = replace(batch, image=replace(batch.image, tokens=batch.image.tokens.flip(1)))
    assert (network(batch) - network(turned)).abs().max() > 1e-5


@pytest.mark.parametrize("name", sorted(METHODS))
@pytest.mark.parametrize("modality", ["table", "image", "text"])
def test_logits_follow_a_modality_exactly_where_the_method_uses_it(name: str, modality: str) -> None:
    network, batch = METHODS[name].module(SHAPES).eval(), made_batch()
    other = replace(batch, **{modality: getattr(made_batch(), modality)})
    changed = not torch.equal(probabilities(network, batch), probabilities(network, other))
    assert changed == (name in ALL or name in USES[modality])


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_parameter_learns_something(name: str) -> None:
    network = METHODS[name].module(SHAPES).train()
    made = network(made_batch())
    logits = made if isinstance(made, Tensor) else made.logits
    (logits * torch.randn_like(logits)).sum().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None] == []


def test_table_net_gives_one_logit_of_each_member_and_shares_their_weights() -> None:
    few, many = (table_net.TableNet(members=members) for members in (2, 8))
    assert many.module(SHAPES).eval()(made_batch()).logits.shape == (CASES, 8)
    sizes = [sum(weight.numel() for weight in method.module(SHAPES).parameters()) for method in (few, many)]
    shared = (TABLE + 2 * 256) * 256
    own = (TABLE + 256) + 2 * (256 + 256) + 3 * 256 + (256 + 1)  # scales before and after, biases, output
    assert sizes == [shared + 2 * own, shared + 8 * own]


def test_ft_transformer_reads_each_column_as_a_token() -> None:
    network = METHODS["ft-transformer"].module(SHAPES)
    seen: list[Tensor] = []
    network.transformer.backbone.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    network(made_batch())
    assert seen[0].shape[:2] == (CASES, 1 + TABLE)


@pytest.mark.parametrize("name", ["cross-attention", "self-attention", "table-net", "ft-transformer"])
def test_the_papers_size_has_more_parameters_and_another_size_is_refused(name: str) -> None:
    method = type(METHODS[name])
    small, paper = (
        sum(weight.numel() for weight in method(size=size).module(SHAPES).parameters()) for size in ("small", "paper")
    )
    assert paper > 3 * small
    with pytest.raises(UnknownNameError, match="'big'"):
        method(size="big")
