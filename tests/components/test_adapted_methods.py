"""The adapted vision-language methods: their mechanisms against closed forms, masks, budgets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.joint_transformer import JointTransformer
from baselines.joint_transformer import Network as Joint
from benchmark.learning.layers.losses import info_nce
from benchmark.learning.layers.tokens import TokenProjection, TransformerLayer, all_see, masked_mean
from benchmark.learning.neural import Batch, Output, Shapes, Tokens
from benchmark.learning.neural.inputs import TokenShape
from benchmark.system.errors import BenchmarkError, UnknownNameError
from methods import earthmind, fusion, sparsemm

CASES, CELLS, SENTENCES = 6, 64, 5
SHAPES = Shapes(3, TokenShape(9, CELLS, 7, (4, 4, 4)), TokenShape(8, SENTENCES, 8))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def cases(lesions: bool = True) -> Batch:
    """Cases whose reports have 2 to 5 sentences, and some of whose cells are absent."""
    seen = torch.rand(CASES, CELLS) < 0.9
    told = torch.arange(SENTENCES) < torch.tensor([2, 3, 4, 5, 5, 3])[:, None]
    share = torch.rand(CASES, CELLS) * (torch.rand(CASES, CELLS) < 0.2) * seen
    image = Tokens(torch.randn(CASES, 9), torch.randn(CASES, CELLS, 7), seen, share if lesions else None, (4, 4, 4))
    text = Tokens(torch.randn(CASES, 8), torch.randn(CASES, SENTENCES, 8), told)
    return Batch(torch.randn(CASES, 3), image, text)


def logits(module: torch.nn.Module, batch: Batch) -> Tensor:
    with torch.inference_mode():
        told = module.eval()(batch)
    return told.logits if isinstance(told, Output) else told


METHODS = [JointTransformer(), earthmind.EarthMind(), fusion.Fusion(), sparsemm.SparseMM()]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


# All of them


@each_method
def test_what_absent_tokens_hold_changes_nothing(method: JointTransformer) -> None:
    batch = cases()
    module = method.module(SHAPES)
    if isinstance(module, sparsemm.Network):
        module.budgets = [9, 20, 30, 40] * 2
    for part in (batch.image, batch.text):
        assert part and part.tokens is not None and part.mask is not None
        before = logits(module, batch)
        part.tokens[~part.mask] = 4.0
        assert torch.equal(logits(module, batch), before)
        part.tokens[part.mask] += 1.0
        assert not torch.allclose(logits(module, batch), before, atol=1e-4)


@each_method
def test_a_case_is_told_the_same_alone_as_among_others(method: JointTransformer) -> None:
    batch, module = cases(), method.module(SHAPES)
    if isinstance(module, sparsemm.Network):
        module.budgets = [9, 20, 30, 40] * 2
    alone = torch.cat([logits(module, batch.at(torch.tensor([case]))) for case in range(CASES)])
    torch.testing.assert_close(alone, logits(module, batch), rtol=0, atol=1e-5)


@each_method
def test_every_weight_learns(method: JointTransformer) -> None:
    module = method.module(SHAPES).train()
    told = module(cases())
    terms = sum(told.terms.values(), told.logits.square().sum()) if isinstance(told, Output) else told.square().sum()
    terms.backward()
    idle = [name for name, weight in module.named_parameters() if weight.grad is None or not bool(weight.grad.any())]
    assert [name for name in idle if not name.endswith("key_value.bias")] == []


@each_method
def test_pooled_vectors_can_stand_for_tokens(method: JointTransformer) -> None:
    module = type(method)(tokens="pooled").module(SHAPES)
    batch = cases()
    before = logits(module, batch)
    assert batch.image and batch.image.tokens is not None and batch.text
    batch.image.tokens.zero_()
    assert torch.equal(logits(module, batch), before)
    batch.text.pooled.add_(1.0)
    assert not torch.allclose(logits(module, batch), before, atol=1e-4)


def test_unknown_sizes_kinds_and_controls_are_named() -> None:
    with pytest.raises(UnknownNameError, match="size 'huge'"):
        JointTransformer(size="huge")
    with pytest.raises(UnknownNameError, match="'some'"):
        JointTransformer(tokens="some").module(SHAPES)
    with pytest.raises(UnknownNameError, match="alignment 'l1'"):
        earthmind.EarthMind(alignment="l1")
    with pytest.raises(UnknownNameError, match="'scores' 'learned'"):
        sparsemm.SparseMM(scores="learned")
    with pytest.raises(BenchmarkError, match="encoder_layers=1"):
        fusion.Fusion(encoder_layers=1).module(SHAPES)


def test_the_papers_size_is_set_by_one_field() -> None:
    grown = earthmind.EarthMind(size="paper")
    assert (grown.width, grown.layers, grown.queries) == (256, 1, 32)


# Layers


def test_watched_attention_is_the_attention_that_is_used() -> None:
    layer = TransformerLayer(8, 2, 0.0)
    states, there = torch.randn(3, 5, 8), torch.tensor([[True] * 5, [True, False, True, True, True], [False] * 4 + [True]])
    after, weights = layer.watched(states, all_see(there))
    torch.testing.assert_close(after, layer(states, all_see(there)))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 2, 5))
    assert not bool(weights[1, :, :, 1].any())
    torch.testing.assert_close(layer(states, all_see(there), last=2), after[:, -2:])


def test_a_case_without_any_token_gives_numbers() -> None:
    layer = TransformerLayer(8, 2, 0.0)
    assert bool(torch.isfinite(layer(torch.zeros(1, 4, 8), all_see(torch.zeros(1, 4, dtype=torch.bool)))).all())
    assert float(masked_mean(torch.ones(1, 4, 8), torch.zeros(1, 4, dtype=torch.bool)).abs().max()) == 0


def test_the_same_token_in_two_places_is_told_apart() -> None:
    projection = TokenProjection(TokenShape(3, 2, 4), 8, "all")
    states, _ = projection(Tokens(torch.zeros(1, 3), torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool)))
    assert not torch.allclose(states[0, 0], states[0, 1], atol=0.1)


# EarthMind


def test_mutual_attention_gates_each_pair_of_tokens_by_a_sigmoid() -> None:
    a, b, gates = torch.randn(2, 3, 4), torch.randn(2, 3, 4), torch.randn(2, 4)
    found = earthmind.mutual_attention(a, b, gates)
    for case in range(2):
        for i in range(3):
            asked = sum(float(gates[k, j] * a[case, i, j] * b[case, i, j]) for k in range(2) for j in range(4))
            assert float(found[case, i]) == pytest.approx(1 / (1 + math.exp(-asked / math.sqrt(4))), rel=1e-5)


def test_spatial_prompting_is_the_divergence_of_attention_as_it_is_from_the_lesion() -> None:
    from scipy.special import rel_entr

    attention = torch.tensor([[0.1, 0.2, 0.1, 0.2], [0.3, 0.1, 0.1, 0.1], [0.2, 0.2, 0.1, 0.1]])  # the rest goes elsewhere
    lesion = torch.tensor([[0.0, 0.5, 0.0, 1.0], [0.2, 0.2, 0.2, 0.2], [0.0, 0.0, 0.0, 0.0]])
    shares = lesion[:2] / lesion[:2].sum(dim=1, keepdim=True)
    expected = np.mean([rel_entr(shares[i].numpy(), attention[i].numpy()).sum() for i in range(2)])
    assert float(earthmind.spatial_prompt(attention, lesion)) == pytest.approx(expected, rel=1e-4)
    assert float(earthmind.spatial_prompt(shares, lesion[:2])) == pytest.approx(0, abs=1e-4)
    assert float(earthmind.spatial_prompt(shares / 2, lesion[:2])) == pytest.approx(math.log(2), rel=1e-4)
    assert float(earthmind.spatial_prompt(attention[2:], lesion[2:])) == 0  # no lesion, no prompt


def test_spatial_prompting_needs_lesion_shares_on_tokens() -> None:
    assert set(earthmind.EarthMind().module(SHAPES)(cases()).terms) == {"alignment", "sap"}
    assert set(earthmind.EarthMind().module(SHAPES)(cases(lesions=False)).terms) == {"alignment"}
    assert set(earthmind.EarthMind(tokens="pooled").module(SHAPES)(cases()).terms) == {"alignment"}


def test_alignment_is_infonce_or_the_mean_square() -> None:
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    # cosines 1 on the diagonal and 0 elsewhere: each row's loss is -log(e^10 / (e^10 + 1))
    assert float(info_nce(a, b, 0.1)) == pytest.approx(math.log1p(math.exp(-10)), rel=1e-3)
    squares = earthmind.EarthMind(alignment="mse").module(SHAPES)
    assert isinstance(squares, earthmind.Network)
    assert float(squares._alignment(a, b)) == pytest.approx((4 + 1) / 4)
    assert earthmind.EarthMind().weights(7) == {"alignment": 0.1, "sap": 0.1}


# FUSION


def test_windows_are_blocks_of_two_per_axis_in_any_grid() -> None:
    places = fusion.window_places(64, (4, 4, 4))
    assert places.shape == (8, 8)
    assert places[0].tolist() == [x * 16 + y * 4 + z for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    assert sorted(places.flatten().tolist()) == list(range(64))
    assert fusion.window_places(9, (3, 3)).tolist() == [[0, 1, 3, 4], [2, 5, -1, -1], [6, 7, -1, -1], [8, -1, -1, -1]]


def test_without_a_grid_windows_are_consecutive_tokens() -> None:
    assert fusion.window_places(10, None).tolist() == [list(range(8)), [8, 9] + [-1] * 6]
    assert fusion.window_places(1, None).tolist() == [[0]]


def test_latent_tokens_are_the_maxima_of_their_windows() -> None:
    states = torch.randn(2, 64, 3)
    there = torch.ones(2, 64, dtype=torch.bool)
    there[1, fusion.window_places(64, (4, 4, 4))[3]] = False
    latents, filled = fusion.Windows(64, (4, 4, 4)).pool(states, there)
    volume = states[0].T.reshape(1, 3, 4, 4, 4)
    expected = torch.nn.functional.max_pool3d(volume, 2).reshape(3, 8).T
    torch.testing.assert_close(latents[0], expected)
    assert filled[1].tolist() == [True, True, True, False, True, True, True, True]
    assert float(latents[1, 3].abs().max()) == 0


def test_the_text_does_not_reach_the_image_in_the_first_half_of_the_encoder() -> None:
    encoder = fusion.Encoder(8, 2, 4, 0.0).eval()
    image, text = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    seen, told = torch.ones(2, 5, dtype=torch.bool), torch.ones(2, 3, dtype=torch.bool)
    levels, _ = encoder(image, seen, text, told)
    other_levels, _ = encoder(image, seen, torch.randn(2, 3, 8), told)
    first, second = slice(8, 16), slice(16, 24)
    assert torch.equal(levels[:, :5, first], other_levels[:, :5, first])
    assert not torch.allclose(levels[:, :5, second], other_levels[:, :5, second], atol=1e-4)
    other_image = encoder(torch.randn(2, 5, 8), seen, text, told)[0]
    assert not torch.allclose(levels[:, 5:, first], other_image[:, 5:, first], atol=1e-4)  # the text sees the image


@pytest.mark.parametrize("count", [2, 3, 4])
def test_levels_are_the_last_output_and_the_means_of_both_halves_with_the_text_and_of_the_image_alone(count: int) -> None:
    encoder = fusion.Encoder(8, 2, count, 0.0).eval()
    image, text = torch.randn(2, 5, 8), torch.randn(2, 3, 8)
    seen, told = torch.tensor([[True] * 5, [True, True, False, True, True]]), torch.ones(2, 3, dtype=torch.bool)
    there, half = torch.cat([seen, told], dim=1), count // 2

    def expected(states: Tensor, allowed: list[Tensor]) -> Tensor:
        outputs = []
        for layer, seeing in zip(encoder.layers, allowed, strict=True):
            states = layer(states, seeing)
            outputs.append(states)
        means = [sum(part) / len(part) for part in (outputs[:half], outputs[half:])]
        return torch.cat([outputs[-1], *means], dim=-1)

    guided, unguided = encoder(image, seen, text, told)
    masks = [fusion.without_guidance(there, 5)] * half + [all_see(there)] * (count - half)
    torch.testing.assert_close(guided, expected(torch.cat([image, text], dim=1), masks))
    torch.testing.assert_close(unguided, expected(image, [all_see(seen)] * count))
    assert torch.equal(unguided, encoder(image, seen, torch.randn(2, 3, 8), told)[1])


def test_latents_and_their_windows_are_of_the_image_alone_after_connector_and_v2t(monkeypatch: pytest.MonkeyPatch) -> None:
    module, batch = fusion.Fusion(layers=3).module(SHAPES).eval(), cases()
    assert isinstance(module, fusion.Network) and batch.image and batch.text
    image, seen = module.image(batch.image)
    text, told = module.text(batch.text)
    unguided = module.v2t(module.encoder(image, seen, module.t2v(text), told)[1])
    latents, _ = module.windows.pool(unguided, seen)
    windows, inside = module.windows.gather(unguided, seen)
    entered: list[Tensor] = []
    module.decoder[0].register_forward_hook(lambda layer, given, made: entered.append(given[0]))
    for requery in module.requeries:
        requery.register_forward_hook(lambda layer, given, made: entered.extend(given[2:]))
    module(batch)
    sequence, *asked = entered
    torch.testing.assert_close(sequence[:, CELLS : CELLS + 8], latents)
    assert [torch.equal(part, expected) for part, expected in zip(asked, (windows, inside) * 2, strict=True)] == [True] * 4
    guided = module.v2t(module.encoder(image, seen, module.t2v(text), told)[0])
    torch.testing.assert_close(sequence[:, :CELLS], guided[:, :CELLS])


def test_mapping_loss_is_one_minus_the_cosine_in_each_space_and_spares_its_targets() -> None:
    text = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]], requires_grad=True)
    again = torch.tensor([[[2.0, 0.0], [1.0, 1.0], [0.0, 1.0]]], requires_grad=True)
    told = torch.tensor([[True, True, False]])
    vision, back = torch.tensor([[[1.0, 0.0]]], requires_grad=True), torch.tensor([[[-1.0, 0.0]]], requires_grad=True)
    loss = fusion.mapping_loss((text, again, told), (vision, back, torch.tensor([[True]])))
    assert float(loss.detach()) == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2 + 2, rel=1e-5)
    loss.backward()
    assert text.grad is None and vision.grad is None and again.grad is not None
    assert float(again.grad[0, 2].abs().max()) == 0  # an absent token has no part in it


def test_a_latent_token_asks_its_own_window_alone_and_with_the_text() -> None:
    requery = fusion.Requery(8, 2).eval()
    latents, text, window = torch.randn(2, 3, 8), torch.randn(2, 8), torch.randn(2, 3, 4, 8)
    inside = torch.ones(2, 3, 4, dtype=torch.bool)
    before = requery(latents, text, window, inside)
    window[:, 1] += torch.randn(4, 8)
    moved = (requery(latents, text, window, inside) - before).abs().amax(dim=(0, 2)) > 1e-4
    assert moved.tolist() == [False, True, False]
    assert not torch.allclose(
        requery(latents, text + torch.randn(8), window, inside), requery(latents, text, window, inside), atol=1e-4
    )


# SparseMM


def test_budgets_are_window_even_share_and_share_by_score() -> None:
    # 2 heads, mean 20: rest 2 * (20 - 4) = 32, of it 3.2 even, 28.8 by score
    assert sparsemm.budgets([3.0, 1.0], 20, 4, 0.1, 75) == [27, 13]  # 27.2 and 12.8
    assert sparsemm.budgets([0.0, 0.0], 20, 4, 0.1, 75) == [20, 20]


@pytest.mark.parametrize("scores", [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [5.0, 4.0, 1.0], [0.2, 0.2, 0.2]])
@pytest.mark.parametrize("mean", [1, 7.3, 24.75, 60, 75, 200])
def test_budgets_sum_to_the_mean_times_the_heads_within_window_and_length(scores: list[float], mean: float) -> None:
    found = sparsemm.budgets(scores, mean, 4, 0.1, 75)
    assert sum(found) == round(min(max(mean, 4), 75) * 3)
    assert all(4 <= count <= 75 for count in found)


def test_a_surplus_goes_to_the_other_heads_by_their_scores() -> None:
    # mean 10 of at most 16: rest 4 * 6 = 24 by score alone; head 0 would have 4 + 18 = 22, its 6 over go 2 to 1 to 1
    assert sparsemm.budgets([12.0, 2.0, 1.0, 1.0], 10, 4, 0.0, 16) == [16, 10, 7, 7]
    # the others score nothing: evenly
    assert sparsemm.budgets([1.0, 0.0, 0.0], 10, 4, 0.0, 12) == [12, 9, 9]


def test_each_head_keeps_the_latest_tokens_and_the_most_attended() -> None:
    there = torch.tensor([[True] * 7 + [False] + [True]])
    attention = torch.zeros(1, 2, 9, 9)
    attention[0, 0, -1, 2] = attention[0, 1, -1, 4] = 1.0
    kept = sparsemm.kept_keys(attention, there, [4, 3], window=2, pool=1)
    assert kept[0, 0].nonzero().flatten().tolist() == [0, 2, 6, 8]  # 6 and 8 are the last two that are there
    assert kept[0, 1].nonzero().flatten().tolist() == [4, 6, 8]
    pooled = sparsemm.kept_keys(attention, there, [5, 5], window=2, pool=3)
    assert pooled[0, 1].nonzero().flatten().tolist() == [3, 4, 5, 6, 8]  # neighbours of the most attended


@pytest.mark.parametrize("seed", range(5))
def test_kept_keys_are_those_of_snapkv_where_the_windows_keys_leave_before_pooling(seed: int) -> None:
    torch.manual_seed(seed)
    count, window, pool, budget = 24, 4, 5, 11
    attention = (3 * torch.randn(2, 3, count, count)).softmax(dim=-1)
    attention[..., -window:] *= 10  # what lies in the window is attended to most, as a rule
    before = attention[:, :, -window:, :-window].mean(dim=2)
    scores = torch.nn.functional.avg_pool1d(before, pool, stride=1, padding=pool // 2)
    expected = torch.zeros(2, 3, count, dtype=torch.bool)
    expected.scatter_(2, scores.topk(budget - window, dim=-1).indices, True)
    expected[..., -window:] = True
    there = torch.ones(2, count, dtype=torch.bool)
    assert torch.equal(sparsemm.kept_keys(attention, there, [budget] * 3, window, pool), expected)


def test_a_full_budget_is_the_dense_backbone_to_the_last_bit() -> None:
    for layers in (1, 2):
        module = sparsemm.SparseMM(layers=layers).module(SHAPES)
        assert isinstance(module, sparsemm.Network)
        batch = cases()
        dense = logits(module, batch)
        module.budgets = [module.length] * 4 * layers
        assert torch.equal(logits(module, batch), dense)
        module.budgets = [8] * 4 * layers
        assert not torch.allclose(logits(module, batch), dense, atol=1e-5)


def test_the_dense_backbone_is_the_joint_transformer() -> None:
    sparse, joint = sparsemm.SparseMM().module(SHAPES), JointTransformer().module(SHAPES)
    joint.load_state_dict(sparse.state_dict())
    batch = cases()
    torch.testing.assert_close(logits(sparse, batch), logits(joint, batch), rtol=0, atol=0)


def test_a_head_scores_by_lesion_tokens_hit_each_worth_one_over_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Joint(SHAPES, JointTransformer(layers=1)).eval()
    share = torch.zeros(4, CELLS)
    share[0, [3, 5]] = 0.5  # two lesion tokens: a hit is worth 1/2
    share[1, 7] = 1.0
    image = Tokens(torch.zeros(4, 9), torch.zeros(4, CELLS, 7), torch.ones(4, CELLS, dtype=torch.bool), share, (4, 4, 4))
    text = Tokens(torch.zeros(4, 8), torch.zeros(4, SENTENCES, 8), torch.ones(4, SENTENCES, dtype=torch.bool))
    looked = torch.zeros(4, 4, module.length, module.length)
    for head, targets in enumerate([(3, 7, 0, 0), (5, 0, 0, 66), (66, 66, 66, 66), (0, 0, 66, 66)]):
        for case, target in enumerate(targets):
            looked[case, head, -1, target] = 1.0
    monkeypatch.setattr(module, "attention", lambda batch: [looked])
    scores = sparsemm.visual_scores(module, Batch(torch.zeros(4, 3), image, text))
    # cases 2 and 3 have no lesion: any of the 64 image tokens counts, for 1/64
    assert scores[0].tolist() == pytest.approx([(0.5 + 1 + 2 / 64) / 4, (0.5 + 1 / 64) / 4, 0, 0])


def test_heads_are_scored_on_training_cases_alone() -> None:
    method, other = sparsemm.SparseMM(), cases()
    train, validation = cases(), cases()
    told = []
    module = method.module(SHAPES).eval()
    for held_out in (validation, other):
        module.budgets = None
        with torch.inference_mode():
            told.append(method.finish(module, train, held_out))
    assert told[0]["visual_scores"] == told[1]["visual_scores"] and told[0]["budgets"] == told[1]["budgets"]
    assert told[0]["moved"] != told[1]["moved"]
    with torch.inference_mode():
        module.budgets = None
        assert method.finish(module, other, validation)["visual_scores"] != told[0]["visual_scores"]


@pytest.mark.parametrize("scores", ["visual", "random", "uniform"])
def test_about_a_third_of_the_tokens_is_kept(scores: str) -> None:
    method = sparsemm.SparseMM(scores=scores)
    module = method.module(SHAPES).eval()
    with torch.inference_mode():
        told = method.finish(module, cases(), cases())
    assert 0.30 < told["kept_share"] < 0.42
    assert told["moved"] > 0
    assert (len(set(told["budgets"])) <= 2) == (scores == "uniform")  # equal up to rounding


def test_masking_silences_the_most_visual_heads_or_random_ones() -> None:
    ranking = torch.tensor([[0.1, 0.9], [0.5, 0.2]])
    assert sparsemm.heads_without(ranking, 0.25).tolist() == [[1, 0], [1, 1]]
    assert sparsemm.heads_without(ranking, 0.5).tolist() == [[1, 0], [0, 1]]
    for masked in ("visual-heads", "random-heads"):
        method = sparsemm.SparseMM(masked=masked)
        module = method.module(SHAPES).eval()
        assert isinstance(module, sparsemm.Network)
        with torch.inference_mode():
            told = method.finish(module, cases(), cases())
        assert module.budgets is None and module.heads_on is not None and float(module.heads_on.sum()) == 6
        assert told["moved"] > 0
