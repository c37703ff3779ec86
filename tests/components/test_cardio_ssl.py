"""ECG rows: which stage sees what, what each row starts from, and that images play no part in prediction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from baselines.ecg_features import ECGFeatures, median_beat, recording_features
from baselines.ecg_mae import ECGMAE
from baselines.ecg_net import ECGNet
from baselines.simclr import AlteredContrast
from benchmark import Recordings
from benchmark.cells.stages import RowStages
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.data.splits import Split
from benchmark.learning.self_supervised.losses import clip_loss, nt_xent, similarities
from benchmark.learning.self_supervised.pretraining import Objective, Unlabelled
from benchmark.learning.self_supervised.signal_table import SignalTable
from benchmark.learning.self_supervised.signals import Signals
from benchmark.learning.stages import Seen, declared_stages
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, UnknownNameError
from methods.cardio_ssl import PAIRS, CardioSSL, Contrasts, Encoders
from tools.ecg_figures import restoration

LEADS = ("I", "II", "V1", "V2")
ECG = {"width": 16, "patch": 50, "layers": 1, "heads": 2, "decoder": 8, "table_width": 16, "masking_epochs": 2, "epochs": 3}
SMALL = {**ECG, "image_width": 4, "image_epochs": 2, "transfer_epochs": 2, "pretraining_least": 0}


def made(cases: int, seed: int, prefix: str = "c") -> Cohort:
    """A hidden value shows in the size of a wave, in the image and in the table, and with noise in the label."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=cases)
    time = np.arange(200) / 100
    beats = np.exp(-(((time % 0.8 - 0.4) / 0.03) ** 2))
    waves = (1 + 0.3 * hidden)[:, None, None] * np.array([1.0, 0.5, -1, 2])[:, None] * beats
    waves = waves + 0.5 * hidden[:, None, None] * np.roll(beats, 12) + 0.05 * rng.normal(size=(cases, 4, 200))
    scans = 100 + 10 * rng.normal(size=(cases, 1, 8, 8, 8))
    scans[..., 2:5, 2:5] += 40 * hidden.reshape(-1, 1, 1, 1, 1)
    table = pd.DataFrame({"a": hidden + rng.normal(size=cases), "b": pd.Categorical(rng.choice(["x", "y"], cases))})
    ids = np.array([f"{prefix}{case:04d}" for case in range(cases)])
    labels = (hidden + 0.5 * rng.normal(size=cases) > 0.6).astype(np.int8)
    view = ImageView(np.clip(scans, 0, 255).astype(np.uint8), scale=1 / 255)
    signals = Recordings(waves.astype(np.float32), 100.0, LEADS)
    return Cohort("made", ids, labels, np.full(cases, "s"), ids, table, images={"cine": view}, signals=signals)


TRAIN, VALIDATION, TEST, POOL = (
    made(n, seed, prefix) for seed, (n, prefix) in enumerate([(80, "a"), (60, "b"), (50, "c"), (200, "d")])
)
FITTING = frozenset({"signal", "table", "image"})


def built(
    method: SignalTable, modalities: frozenset[str] = FITTING, train: Cohort = TRAIN, seed: int = 5, pool: Cohort = POOL
) -> dict[str, Any]:
    """The stages' results on the pool, each after those that it builds on."""
    learning = replace(train.only(modalities), pool=replace(pool, labels=None).only(modalities))
    for declared in declared_stages(type(method)):
        seen = Seen(declared, learning, VALIDATION.only(modalities))
        method.stages = {**method.stages, declared.name: getattr(method, declared.name)(seen, seed)}
    return dict(method.stages)


def fitted(method: SignalTable, modalities: frozenset[str], test: Cohort = TEST) -> np.ndarray:
    """Probabilities of the test cases, whose images prediction does not see."""
    method.fit(TRAIN.only(modalities), VALIDATION.only(modalities), 7)
    return method.predict_proba(test.only(modalities - {"image"}).blind())


def weights(method: SignalTable, name: str) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in method._network.encoders[name].state_dict().items()}


CONFIGURED = {
    "full": ({}, FITTING),
    "without autoencoder": ({"start": "scratch"}, FITTING),
    "with ECG and table": ({"transfer": "all"}, FITTING),
    "no images": ({"transfer": "off"}, frozenset({"signal", "table"})),
    "contrast of ECG and table": ({"transfer": "table"}, frozenset({"signal", "table"})),
    "from scratch": ({"transfer": "off", "start": "scratch"}, frozenset({"signal", "table"})),
    "no ECG": ({"transfer": "image+table"}, frozenset({"image", "table"})),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURED)
def test_every_configuration_learns_and_gives_the_same_bytes_twice(name: str) -> None:
    options, modalities = CONFIGURED[name]
    twice = []
    for _ in range(2):
        method = CardioSSL(**SMALL, **options)
        stages = built(method, modalities)
        assert len(stages["transferring"]["loss"]) == (2 if PAIRS[method.transfer] else 0)
        assert len(stages["masking"]["loss"]) == (0 if method.start == "scratch" or "signal" not in modalities else 2)
        assert len(stages["imaging"]["loss"]) == (2 if "image" in modalities else 0)
        twice.append(fitted(method, modalities))
    np.testing.assert_array_equal(*twice)
    assert ((twice[0] > 0) & (twice[0] < 1)).all() and np.ptp(twice[0]) > 0


def test_a_cohort_without_images_is_predicted_as_one_with_images() -> None:
    method = CardioSSL(**SMALL)
    built(method)
    expected = fitted(method, FITTING)
    without = Cohort("made", TEST.case_ids, TEST.labels, TEST.sites, TEST.groups, TEST.table, signals=TEST.signals)
    assert "image" not in without.modalities
    assert method.predict_proba(without.blind()).tobytes() == expected.tobytes()


def test_fitting_does_not_look_at_images_which_only_the_stages_see() -> None:
    method = CardioSSL(**SMALL)
    built(method)
    expected = fitted(method, FITTING)
    method.fit(TRAIN.only({"signal", "table"}), VALIDATION.only({"signal", "table"}), 7)
    np.testing.assert_array_equal(method.predict_proba(TEST.only({"signal", "table"}).blind()), expected)


def test_prediction_asks_for_ecg_and_table_alone_whatever_the_variant() -> None:
    catalogue = discover()
    both = frozenset({"signal", "table"})
    assert catalogue.method("cardio-ssl").modalities == (FITTING, both)
    assert catalogue.method("cardio-ssl[transfer=off]").modalities == (both, both)
    assert catalogue.method("cardio-ssl[transfer=image+table]").modalities == ({"image", "table"}, {"table"})
    assert catalogue.method("ecg-net[modalities=signal+table]").modalities == (both, both)


def test_the_autoencoder_is_shared_by_all_rows_that_start_from_it() -> None:
    catalogue = discover()
    masking = next(each for each in declared_stages(CardioSSL) if each.name == "masking")
    spelled = ["ecg-mae[mode=frozen]", "ecg-mae[epochs=3]", "ecg-mae"]
    assert {masking.narrowed(catalogue.method(each)).spelled for each in spelled} == {"ecg-mae"}
    split = Split("s", 39, *(np.arange(*ends) for ends in ((0, 60), (60, 80), (80, 100))), np.arange(0))
    planned = {
        each: RowStages("made", catalogue.method(each), catalogue, lambda method: {"method": method.spelled}, shared=False)
        for each in (*spelled, "cardio-ssl", "cardio-ssl[transfer=off]", "cardio-ssl[start=scratch]")
    }
    kept = {
        each: next(stage.key.digest for stage in stages.of(split, lambda name: 0) if stage.name == "masking")
        for each, stages in planned.items()
    }
    assert len({digest for each, digest in kept.items() if "scratch" not in each}) == 1
    assert kept["cardio-ssl[start=scratch]"] != kept["cardio-ssl"]
    alone, whole = ECGMAE(**ECG), CardioSSL(**SMALL)
    built(alone, frozenset({"signal"}))
    built(whole)
    for key, value in alone.stages["masking"].items():
        np.testing.assert_array_equal(whole.stages["masking"][key], value)


def test_encoders_go_from_stage_to_stage_and_a_frozen_row_keeps_them() -> None:
    method = CardioSSL(**{**SMALL, "transfer_epochs": 0}, mode="frozen")
    method.stages = {}
    stages = built(method)
    fitted(method, FITTING)
    for key, value in weights(method, "signal").items():
        np.testing.assert_array_equal(value, stages["masking"][f"state.network.{key}"])
    for key, value in stages["imaging"].items():
        if key.startswith("state.network.image."):
            np.testing.assert_array_equal(value, stages["transferring"][key])
    trainable = CardioSSL(**SMALL)
    built(trainable)
    fitted(trainable, FITTING)
    kept = trainable.stages["transferring"]
    moved = any((value != kept[f"state.network.signal.{key}"]).any() for key, value in weights(trainable, "signal").items())
    assert moved == (trainable.chosen["best_epoch"] > 0) and len(set(trainable.history["validation_loss"])) == 3


def test_the_autoencoder_is_trained_by_the_source_s_optimiser(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[torch.optim.Optimizer] = []
    made = torch.optim.AdamW.__init__

    def kept(optimiser: torch.optim.AdamW, *options: Any, **more: Any) -> None:
        made(optimiser, *options, **more)
        used.append(optimiser)

    monkeypatch.setattr(torch.optim.AdamW, "__init__", kept)
    built(ECGMAE(**ECG), frozenset({"signal"}))
    assert [(each.defaults["betas"], each.defaults["weight_decay"]) for each in used] == [((0.9, 0.95), 0.05)]


def embedded(count: int, groups: list[int]) -> tuple[torch.Tensor, torch.Tensor, Unlabelled]:
    """Embeddings of images and of their partners, and the batch that has them as its views and its table."""
    drawn = torch.randn(2, count, 6, generator=torch.Generator().manual_seed(1))
    views, again = ({"flat": part[:, None]} for part in drawn)
    return *drawn, Unlabelled(views, again, drawn[1][:, None], torch.tensor(groups), torch.Generator())


class Same(torch.nn.Module):
    """An encoder that gives what it gets."""

    width = 6

    def forward(self, given: Any) -> torch.Tensor:
        return given["flat"] if isinstance(given, dict) else given


def contrasts() -> tuple[AlteredContrast, Contrasts]:
    simclr, pairs = (
        AlteredContrast(Encoders({"image": Same()})),
        Contrasts(Encoders({"image": Same(), "table": Same()}), [{"image", "table"}]),
    )
    simclr.project = torch.nn.Identity()
    pairs.projections = torch.nn.ModuleDict({"image": torch.nn.Identity(), "table": torch.nn.Identity()})
    return simclr, pairs


def test_records_of_different_people_are_contrasted_as_simclr_and_clip_do() -> None:
    a, b, batch = embedded(5, [3, 1, 0, 2, 4])
    simclr, pairs = contrasts()
    torch.testing.assert_close(simclr(batch), nt_xent(a, b, 0.1, torch.arange(5)))
    torch.testing.assert_close(pairs(batch), clip_loss(similarities(a, b, 0.1)))


def test_records_of_one_person_are_not_pushed_apart() -> None:
    """By hand: the only negative of a person's two records is the third record, which is another person's."""
    a, b, batch = embedded(3, [7, 7, 2])
    simclr, pairs = contrasts()
    others = {0: [0, 2], 1: [1, 2], 2: [2, 0, 1]}
    cosine = torch.nn.functional.cosine_similarity

    def surprise(row: torch.Tensor, partner: torch.Tensor, negatives: list[torch.Tensor]) -> torch.Tensor:
        logits = torch.stack([cosine(row, each, dim=0) for each in (partner, *negatives)]) / 0.1
        return logits.logsumexp(0) - logits[0]

    ways = [surprise(x[i], y[i], [y[j] for j in others[i][1:]]) for x, y in ((a, b), (b, a)) for i in range(3)]
    torch.testing.assert_close(pairs(batch), torch.stack(ways).mean())
    ways = [
        surprise(x[i], y[i], [each[j] for j in others[i][1:] for each in (x, y)]) for x, y in ((a, b), (b, a)) for i in range(3)
    ]
    torch.testing.assert_close(simclr(batch), torch.stack(ways).mean())
    *_, alone = embedded(3, [7, 7, 7])
    assert simclr(alone).item() == pairs(alone).item() == 0


def test_a_trainable_row_starts_from_the_frozen_ones_head() -> None:
    frozen, still = ECGMAE(**ECG, mode="frozen"), ECGMAE(**{**ECG, "epochs": 0})
    for method in (frozen, still):
        built(method, frozenset({"signal"}))
    expected, found = (fitted(method, frozenset({"signal"})) for method in (frozen, still))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_few_cases_do_not_mean_few_steps_of_pre_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 cases make one batch; nine passes make the 512 that an epoch sees at least."""
    trained: list[str] = []
    monkeypatch.setattr(Objective, "stepped", lambda objective: trained.append(type(objective).__name__))
    method = CardioSSL(**{**SMALL, "pretraining_least": 512}, start="scratch")
    stages = built(method, train=TRAIN.take(np.arange(20)), pool=POOL.take(np.arange(60)))
    assert len(trained) == 2 * 2 * 9 and len(set(trained)) == 2
    assert len(stages["imaging"]["loss"]) == len(stages["transferring"]["loss"]) == 2
    assert CardioSSL().pretraining_least == 512


@pytest.mark.slow
def test_the_contrast_brings_image_and_ecg_of_one_person_together() -> None:
    method = CardioSSL(**{**SMALL, "transfer_epochs": 15, "masking_epochs": 5})
    loss = built(method)["transferring"]["loss"]
    assert loss[-1] < loss[0] - 0.3


def test_no_stage_sees_a_label() -> None:
    stages = [built(CardioSSL(**SMALL), train=replace(TRAIN, labels=labels)) for labels in (TRAIN.labels, 1 - TRAIN.labels)]
    for name, arrays in stages[0].items():
        for key, value in arrays.items():
            np.testing.assert_array_equal(value, stages[1][name][key])


def test_a_frozen_encoder_that_was_not_pre_trained_is_refused() -> None:
    method = CardioSSL(**SMALL, transfer="off", mode="frozen")
    built(method, frozenset({"signal", "table"}))
    with pytest.raises(BenchmarkError, match="encoder of the table was not pre-trained"):
        fitted(method, frozenset({"signal", "table"}))


def test_unknown_options_are_refused_by_name() -> None:
    for options in ({"transfer": "images"}, {"start": "warm"}, {"mode": "thawed"}, {"size": "huge"}):
        with pytest.raises(UnknownNameError):
            CardioSSL(**options)


@pytest.mark.parametrize("modalities", [frozenset({"signal"}), frozenset({"signal", "table"})])
def test_the_convolutions_learn_and_give_the_same_bytes_twice(modalities: frozenset[str]) -> None:
    twice = [fitted(ECGNet(width=16, table_width=16, epochs=3), modalities) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert np.ptp(twice[0]) > 0


def test_what_a_row_predicts_is_rid_of_the_smoothing_of_its_labels_and_of_its_halves() -> None:
    row = ECGNet(width=16, table_width=16, epochs=6, smoothing=0.2)
    predicted = fitted(row, frozenset({"signal"}))
    with torch.inference_mode():
        chances = torch.sigmoid(row._network.read(row._inputs(TEST))).double().numpy()
    inside = (chances > 0.11) & (chances < 0.89)
    assert inside.any()
    assert row.chosen["best_epoch"] > 0
    plain = 0.001 + 0.998 * (chances[inside] - 0.1) / 0.8
    odds = plain / (1 - plain) * TRAIN.labels.sum() / (TRAIN.labels == 0).sum()
    np.testing.assert_allclose(predicted[inside], odds / (1 + odds), atol=1e-6)
    assert (np.argsort(predicted) == np.argsort(chances)).all()


def test_features_find_the_rate_and_the_beat() -> None:
    statistics, beats = recording_features(TRAIN)
    assert statistics.shape == (80, 4 * 11 + 2) and beats.shape == (80, 4 * 70)
    np.testing.assert_allclose(np.median(statistics[:, -2]), 1 / 0.8, rtol=0.02)
    wave = beats.reshape(80, 4, 70)
    assert (np.abs(wave[:, 3]).argmax(axis=1) - 25).max() <= 2
    correlation = np.corrcoef(wave[:, 3].max(axis=1), TRAIN.signals[np.arange(80)][:, 3].max(axis=1))[0, 1]
    assert correlation > 0.9


def test_a_recording_without_beats_is_a_flat_one() -> None:
    rate, beat = median_beat(np.zeros((4, 200)), 100.0)
    assert rate == (0.0, 0.0) and not beat.any()


@pytest.mark.parametrize("modalities", ["signal", "signal+table"])
def test_features_of_an_ecg_tell_what_its_waves_show(modalities: str) -> None:
    whole, names = made(190, 9), frozenset(modalities.split("+"))
    train, validation, test = (whole.take(np.arange(*ends)).only(names).sealed() for ends in ((0, 80), (80, 140), (140, 190)))
    method = ECGFeatures(components=5, modalities=modalities)
    method.fit(train, validation, 0)
    p = method.predict_proba(test.blind())
    assert np.mean(p[test.labels == 1][:, None] > p[test.labels == 0]) > 0.8


def test_features_of_a_modality_that_they_do_not_read_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="give one of signal, signal"):
        ECGFeatures(modalities="table")


def test_the_paper_s_size_has_the_paper_s_widths() -> None:
    method = CardioSSL(size="paper")
    assert (method.width, method.layers, method.heads, method.decoder) == (384, 3, 6, 256)
    assert (method.image_width, method.table_width) == (64, 2048)
    torch.manual_seed(0)
    count = sum(each.numel() for each in method.signal_encoder(12, 2500).parameters())
    assert count == 384 * 100 + 384 + 3 * (4 * 384 * 384 + 4 * 384 + 2 * 4 * 384 * 384 + 5 * 384 + 4 * 384) + 2 * 384


@pytest.mark.slow
def test_with_its_own_schedule_the_autoencoder_restores_more_than_the_mean() -> None:
    method = ECGMAE(width=32, layers=1, heads=1, patch=50, masking_epochs=60)
    built(method, frozenset({"signal"}))
    errors = restoration(method, Signals(TEST)).errors()
    assert errors["autoencoder"] < 0.8 * errors["mean of the lead"]
