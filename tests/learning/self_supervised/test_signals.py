"""Signals as self-supervised networks see them, and the masked autoencoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.learning.layers.signals import PatchTransformer, ResidualConvolutions, sine_places
from benchmark.learning.neural.loop import rate_factor
from benchmark.learning.recordings import lead_groups, prepared, steady
from benchmark.learning.self_supervised.pretraining import Inputs, Objective, Schedule, Unlabelled, pretrain
from benchmark.learning.self_supervised.signals import (
    MaskedAutoencoder,
    SignalBatch,
    SignalInputs,
    altered_signals,
    restoration_loss,
)
from benchmark.system.errors import BenchmarkError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2")


class Kept:
    """Recordings that are tensors already."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values, self.shape = values, tuple(values.shape[1:])

    def at(self, rows: torch.Tensor) -> torch.Tensor:
        return self.values[rows]


def transformer(leads: int = 2, samples: int = 40, patch: int = 10) -> PatchTransformer:
    torch.manual_seed(0)
    return PatchTransformer(leads, samples, patch=patch, width=16, layers=1, heads=2).eval()


def waves(cases: int, leads: int = 2, samples: int = 40) -> torch.Tensor:
    """Sines of one rate for each recording, alike in all leads but for their size."""
    rng = np.random.default_rng(cases)
    rate, phase = rng.uniform(0.05, 0.15, (cases, 1, 1)), rng.uniform(0, 2 * np.pi, (cases, 1, 1))
    size = np.arange(1, leads + 1)[:, None]
    return torch.from_numpy((size * np.sin(2 * np.pi * rate * np.arange(samples) + phase)).astype(np.float32))


def test_patches_are_of_one_lead_each_and_a_rest_is_not_seen() -> None:
    signals = torch.arange(2 * 45.0).reshape(1, 2, 45)
    patches = transformer(samples=45).patches(signals)
    assert patches.shape == (1, 8, 10)
    assert patches[0, 5].tolist() == list(range(55, 65))


def test_a_recording_shorter_than_a_patch_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="9 samples is shorter than a patch of 10"):
        transformer(samples=9)


def test_every_place_in_lead_and_time_is_another() -> None:
    places = sine_places(12, 10, 128)
    apart = torch.cdist(places, places) + 10 * torch.eye(120)
    assert places.shape == (120, 128) and apart.min() > 0.1


def test_the_encoder_sees_nothing_of_masked_patches() -> None:
    network, signals = transformer(), waves(3)
    kept = torch.tensor([[0, 5], [1, 2], [7, 3]])
    changed = signals.clone().unflatten(2, (4, 10)).flatten(1, 2)
    masked = torch.ones(3, 8, dtype=torch.bool).scatter(1, kept, False)
    changed[masked] = 99.0
    changed = changed.unflatten(1, (2, 4)).flatten(2)
    assert not torch.equal(changed, signals)
    assert torch.equal(network(signals, kept), network(changed, kept))
    assert not torch.equal(network(signals), network(changed))
    autoencoder = MaskedAutoencoder(network, (2, 40), width=8, masked=0.75).eval()
    assert torch.equal(autoencoder.restored(signals, kept), autoencoder.restored(changed, kept))


def test_tokens_go_back_to_the_places_that_they_came_from() -> None:
    network = transformer()
    autoencoder = MaskedAutoencoder(network, (2, 40), width=8, masked=0.75).eval()
    assert autoencoder.kept == 2
    autoencoder.decoder = torch.nn.Identity()
    autoencoder.places.zero_()
    kept = torch.tensor([[6, 1]])
    signals = waves(1)
    tokens = autoencoder.to_decoder(network(signals, kept))
    whole = autoencoder.restored(signals, kept)
    torch.testing.assert_close(whole[:, [6, 1]], tokens)
    torch.testing.assert_close(whole[0, 0], autoencoder.mask_token)


def test_the_loss_is_squared_error_and_correlation() -> None:
    own = torch.tensor([[[0.0, 1, 2, 3], [1.0, 1, 1, 1]]])
    assert restoration_loss(own, own).item() == pytest.approx(0.1 * 0.5)  # the flat one correlates with nothing
    turned = restoration_loss(3 - own[:, :1], own[:, :1]).item()
    assert turned == pytest.approx(0.9 * 5 + 0.1 * 2)


@pytest.mark.slow
def test_masked_patches_are_restored_better_than_by_the_mean_or_by_interpolation() -> None:
    signals = waves(300, leads=4)
    network = transformer(leads=4)
    torch.manual_seed(1)
    autoencoder = MaskedAutoencoder(network, (4, 40), width=16, masked=0.75)
    inputs = SignalInputs(None, None, torch.arange(300), Kept(signals))  # type: ignore[arg-type]
    losses = pretrain(autoencoder, inputs, Schedule(80, 64, 3e-3, 0.0), 0)
    assert losses[-1] < 0.5 * losses[0]
    new = waves(50, leads=4)
    order = torch.rand(50, 16, generator=torch.Generator().manual_seed(3)).argsort(1)
    kept, hidden = order[:, :4], order[:, 4:]
    with torch.inference_mode():
        restored = autoencoder.restored(new, kept)
    patches = network.patches(new)

    def error(guess: torch.Tensor) -> float:
        places = hidden[..., None].expand(-1, -1, 10)
        return float((guess.gather(1, places) - patches.gather(1, places)).square().mean())

    visible = torch.zeros(50, 16, dtype=torch.bool).scatter(1, kept, True)
    linear = interpolated(new, visible)
    assert error(restored) < 0.8 * min(error(torch.zeros_like(patches)), error(network.patches(linear)))


def interpolated(signals: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """Of each lead the hidden patches, linearly from the samples that are seen; zero where none is."""
    seen = visible.unflatten(1, (signals.shape[1], -1)).repeat_interleave(10, dim=2).numpy()
    values, time = signals.numpy(), np.arange(signals.shape[2])
    made = np.zeros_like(values)
    for case, lead in np.ndindex(*values.shape[:2]):
        there = seen[case, lead]
        if there.any():
            made[case, lead] = np.interp(time, time[there], values[case, lead, there])
    return torch.from_numpy(made)


class Still(Objective):
    """A weight that no loss moves, and one that a loss of constant slope moves."""

    def __init__(self) -> None:
        super().__init__(None)
        self.unmoved, self.moved = (torch.nn.Parameter(torch.ones(())) for _ in range(2))

    def forward(self, batch: Unlabelled) -> torch.Tensor:
        return 0.0 * self.unmoved + self.moved


def test_decoupled_decay_shrinks_a_weight_by_rate_times_decay_a_step_and_a_penalty_by_the_rate() -> None:
    inputs = Inputs(torch.zeros(4, 1), None, torch.arange(4))
    after = {}
    for decoupled in (True, False):
        objective = Still()
        pretrain(objective, inputs, Schedule(1, 4, 0.1, 0.05, decoupled=decoupled, betas=(0.9, 0.95)), 0)
        after[decoupled] = objective.unmoved.item(), objective.moved.item()
    rate = 0.1 * rate_factor(0, 1, 1)
    assert after[True] == pytest.approx((1 - 0.05 * rate, 1 - 0.05 * rate - rate))
    assert after[False] == pytest.approx((1 - rate, 1 - rate))


def test_betas_are_those_of_the_schedule() -> None:
    """With the first beta 0 Adam steps by each gradient alone; with .9 the noise of earlier steps stays in it."""
    inputs = Inputs(torch.zeros(4, 1), None, torch.arange(4))
    made = []
    for betas in ((0.9, 0.999), (0.9, 0.95), (0.0, 0.95)):
        objective = Turned()
        pretrain(objective, inputs, Schedule(6, 4, 0.1, 0.0, betas=betas), 0)
        made.append(objective.moved.item())
    assert len(set(made)) == 3


class Turned(Objective):
    """A weight whose slope is its square."""

    def __init__(self) -> None:
        super().__init__(None)
        self.moved = torch.nn.Parameter(torch.ones(()))

    def forward(self, batch: Unlabelled) -> torch.Tensor:
        return self.moved**3


def test_masks_are_drawn_by_the_batch_alone() -> None:
    autoencoder = MaskedAutoencoder(transformer(), (2, 40), width=8, masked=0.75).eval()
    losses = [
        autoencoder(SignalBatch({}, {}, torch.zeros(3, 0), torch.arange(3), torch.Generator().manual_seed(seed), waves(3)))
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_a_baseline_goes_and_leads_of_a_group_keep_their_proportions() -> None:
    time = np.arange(1000) / 100
    signals = np.stack([np.sin(2 * np.pi * 5 * time) * size for size in (1, 2, 3, 4, 4, 4, 9, 1e-9)])[None]
    drifting = signals + 3 * np.sin(2 * np.pi * 0.1 * time)
    inside = slice(200, 800)
    np.testing.assert_allclose(steady(drifting, 100.0)[..., inside], signals[..., inside], atol=0.15)
    made = prepared(signals, 100.0, lead_groups(LEADS))
    sizes = made[0, :, inside].std(axis=1)
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=1e-3) and sizes[2] / sizes[0] == pytest.approx(3, rel=1e-3)
    assert [round(float(np.sqrt((sizes[group] ** 2).mean())), 1) for group in lead_groups(LEADS)] == [1.0, 1.0, 1.0]


def beats(high: float, offset: float = 0.0) -> np.ndarray:
    """(1, 8, 1000) at 100 Hz: a wave of 5 Hz and height 1, and in the first lead ten peaks of one sample."""
    made = np.repeat(np.sin(2 * np.pi * 5 * np.arange(1000) / 100)[None, None], 8, axis=1)
    made[0, 0, 50::100] = high
    return made + offset


def test_a_recording_is_cut_at_4_sd_of_all_its_leads_and_only_then_filtered_and_scaled() -> None:
    limit = 4 * np.sqrt((7 * 0.5 + 0.5 * 0.99 + 100.0**2 / 100) / 8)  # half the square of the wave; a hundredth are peaks
    expected = steady(beats(limit), 100.0)
    for places in lead_groups(LEADS):
        expected[:, places] /= expected[:, places].std()
    np.testing.assert_allclose(prepared(beats(100.0), 100.0, lead_groups(LEADS)), expected, rtol=0.02, atol=0.02)


def test_what_is_within_4_sd_of_the_recording_stays_whole_in_a_small_group_of_leads() -> None:
    """Peaks in a limb lead of more than four deviations of the limb leads, beside chest leads of twenty times their size."""
    signals = beats(5.0)
    signals[:, 6:] *= 20
    made = prepared(signals, 100.0, lead_groups(LEADS))[0, 0]
    whole = steady(signals, 100.0)[0]
    np.testing.assert_allclose(made, whole[0] / whole[:3].std())
    assert made.max() > 4


def test_an_electrode_whose_zero_lies_elsewhere_loses_nothing() -> None:
    apart, groups = slice(200, 800), lead_groups(LEADS)
    made = prepared(beats(100.0, offset=1e3), 100.0, groups)[..., apart]
    np.testing.assert_allclose(made, prepared(beats(100.0), 100.0, groups)[..., apart], atol=1e-6)


def test_leads_are_grouped_by_name_whatever_their_order() -> None:
    assert [each.tolist() for each in lead_groups(("V1", "aVF", "I", "V10", "X"))] == [[2], [1], [0, 3], [4]]


def test_a_flat_recording_stays_zero() -> None:
    assert not prepared(np.zeros((1, 8, 1000)), 100.0, lead_groups(LEADS)).any()


def test_altered_signals_keep_their_leads_together_and_follow_the_seed() -> None:
    signals = waves(40, samples=400)
    made = [altered_signals(signals, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])
    correlation = [np.corrcoef(lead[0], lead[1])[0, 1] for lead in made[0].numpy()]
    assert min(correlation) > 0.9


def test_a_factor_is_the_recording_s_so_that_lead_ii_is_still_the_sum_of_i_and_iii() -> None:
    first, third = waves(60, 1, 400), torch.flip(waves(61, 1, 400)[:60], dims=(2,))
    signals = torch.cat([first, first + third, third], dim=1)
    made = altered_signals(signals, np.random.default_rng(0))
    left = (made[:, 1] - made[:, 0] - made[:, 2]).std(dim=1) / signals.std(dim=(1, 2))
    torch.testing.assert_close(left, torch.full_like(left, 0.1 * 3**0.5), rtol=0.2, atol=0)  # noise of three leads
    kept = (made * signals).sum(dim=(1, 2)) / signals.square().sum(dim=(1, 2))
    assert kept.std() > 0.1


def test_noise_is_a_share_of_the_recording_so_that_its_unit_plays_no_part_and_none_stays_none() -> None:
    signals = waves(20, samples=400)
    made, larger = (altered_signals(size * signals, np.random.default_rng(0)) for size in (1, 1000))
    torch.testing.assert_close(larger, 1000 * made, rtol=1e-4, atol=1e-2)
    assert not altered_signals(torch.zeros(3, 2, 400), np.random.default_rng(0)).any()


def test_convolutions_quarter_the_time_four_times() -> None:
    assert ResidualConvolutions(12, 32)(torch.zeros(2, 12, 1000)).shape == (2, 4, 32)
