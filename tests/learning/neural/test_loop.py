"""The training loop through `NeuralMethod`, on the specimen's views and on made tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmark.audit.attempt import specimen, with_specimens  # noqa: E402
from benchmark.cells.store import Store  # noqa: E402
from benchmark.data.protocols.holdout import Holdout  # noqa: E402
from benchmark.learning.fitting import views_of  # noqa: E402
from benchmark.learning.neural import Batch, NeuralMethod, Output, Shapes, Tokens  # noqa: E402
from benchmark.learning.neural.inputs import Drafts  # noqa: E402
from benchmark.learning.neural.loop import (  # noqa: E402
    Recipe,
    Training,
    augmented,
    best_epoch,
    fit_module,
    probabilities,
    rate_factor,
)
from benchmark.registry.discovery import discover  # noqa: E402
from benchmark.system.errors import BenchmarkError, InvalidTraining  # noqa: E402
from tests.made_benchmark import MadeBenchmark  # noqa: E402

RECIPE = Recipe(learning_rate=1e-2, epochs=20, patience=30, warmup=2, batch_size=16, clip=1.0, noise=0.0, mixup=0.0)


class Linear(torch.nn.Module):
    """A linear map of the table."""

    def __init__(self, width: int = 2) -> None:
        super().__init__()
        self.map = torch.nn.Linear(width, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.map(batch.table).squeeze(1)


def _training(n: int = 64, noise: float = 0.5) -> Training:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(n, 2, generator=generator)
    labels = (x[:, 0] + noise * torch.randn(n, generator=generator) > 0).float()
    inputs = Batch(x, None, None)
    half = torch.arange(n // 2)
    return Training(lambda rng: inputs, labels, inputs.at(half), labels[half])


def _fit(module: torch.nn.Module, data: Training, recipe: Recipe = RECIPE, **options: Any) -> dict[str, list[float]]:
    torch.manual_seed(3)
    return fit_module(module, data, recipe, lambda epoch: {}, 7, **options)


def test_the_history_has_an_entry_per_epoch_and_the_loss_falls() -> None:
    history = _fit(Linear(), _training())
    assert {len(values) for values in history.values()} == {20}
    assert history["loss"][-1] < history["loss"][0]
    assert history["learning_rate"][0] == pytest.approx(0.5e-2) and history["learning_rate"][1] == pytest.approx(1e-2)


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    data, module = _training(noise=2.0), Linear()
    seen: list[tuple[float, dict[str, Any]]] = []

    def watch(epoch: int, score: float) -> None:
        seen.append((score, {name: value.clone() for name, value in module.state_dict().items()}))

    history = _fit(module, data, on_epoch=watch)
    best = 1 + int(np.argmax(history["validation_auc"][1:]))  # from the end of the warm-up on
    assert all(torch.equal(value, seen[best][1][name]) for name, value in module.state_dict().items())


FIGURES = {"loss", "classification", "validation_auc", "validation_loss", "learning_rate"}
HISTORY = {"validation_auc": [0.9, 0.5, 0.7, 0.8, 0.8], "validation_loss": [0.69, 0.6, 0.5, 0.4, 0.45]}


@pytest.mark.parametrize(
    ("checkpoint", "epochs", "kept"),
    [("auc", 5, 0), ("auc-after-warmup", 1, 0), ("auc-after-warmup", 2, 1), ("auc-after-warmup", 5, 3), ("log-loss", 5, 3)],
)
def test_each_rule_keeps_its_epoch(checkpoint: str, epochs: int, kept: int) -> None:
    so_far = {name: values[:epochs] for name, values in HISTORY.items()}
    assert best_epoch(so_far, Recipe(warmup=3, checkpoint=checkpoint)) == kept


def test_a_recipe_of_fewer_epochs_than_its_warm_up_keeps_the_last() -> None:
    assert best_epoch(HISTORY, Recipe(warmup=15, epochs=5, checkpoint="auc-after-warmup")) == 4


@pytest.mark.parametrize("checkpoint", ["auc-after-warmup", "log-loss"])
def test_the_weights_and_what_is_stored_of_the_best_epoch_agree(checkpoint: str) -> None:
    data, module = _training(noise=2.0), Linear()
    recipe = replace(RECIPE, checkpoint=checkpoint, warmup=5)
    losses: list[float] = []

    def watch(epoch: int, score: float) -> None:
        chances = probabilities(module, data.validation)
        losses.append(float(torch.nn.functional.binary_cross_entropy(chances, data.validation_labels)))

    history = _fit(module, data, recipe, on_epoch=watch)
    np.testing.assert_allclose(history["validation_loss"], losses, rtol=1e-5)
    own = torch.nn.functional.binary_cross_entropy(probabilities(module, data.validation), data.validation_labels)
    assert losses[best_epoch(history, recipe)] == float(own)


def test_another_checkpoint_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="checkpoint=last: give one of auc, auc-after-warmup, log-loss"):
        _fit(Linear(), _training(), replace(RECIPE, checkpoint="last"))


def test_training_stops_when_patience_is_out() -> None:
    class Fixed(Linear):
        def forward(self, batch: Batch) -> torch.Tensor:
            return 0 * super().forward(batch)

    recipe = Recipe(**{**vars(RECIPE), "patience": 4})
    assert len(_fit(Fixed(), _training(), recipe)["loss"]) == 6  # the second epoch, the last of the warm-up, and four more


def test_a_loss_that_is_no_number_names_its_epoch() -> None:
    class Breaking(Linear):
        def __init__(self) -> None:
            super().__init__()
            self.passes = 0

        def forward(self, batch: Batch) -> torch.Tensor:
            self.passes += self.training
            return super().forward(batch) * (math.nan if self.passes > 8 else 1)

    with pytest.raises(InvalidTraining, match="epoch 3"):
        _fit(Breaking(), _training())


def test_a_probability_that_is_no_number_names_its_epoch() -> None:
    class Breaking(Linear):
        def forward(self, batch: Batch) -> torch.Tensor:
            return super().forward(batch) * (1 if self.training else math.nan)

    with pytest.raises(InvalidTraining, match="epoch 1: a predicted probability is no number"):
        _fit(Breaking(), _training())


PLUGIN = """
from dataclasses import dataclass
import torch
from benchmark.registry.cards import register_method
from benchmark.learning.neural import NeuralMethod

class Table(torch.nn.Module):
    def __init__(self, width, factor):
        super().__init__()
        self.map, self.factor = torch.nn.Linear(width, 1), factor
    def forward(self, batch):
        return self.map(batch.table).squeeze(1) * self.factor

@register_method("linear-net", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class LinearNet(NeuralMethod):
    epochs: int = 4
    factor: float = 1.0
    def module(self, shapes):
        return Table(shapes.table, self.factor)
"""


def test_a_cell_stores_its_history_and_one_whose_loss_is_no_number_is_invalid(
    made: MadeBenchmark,
) -> None:
    plugin = made.write("linear_net.py", PLUGIN)
    rows = ["--method", "linear-net", "--method", "linear-net[factor=1e39]"]
    made.run("--plugin", str(plugin), *rows, "--protocol", "holdout", "--seeds", "39", code=1)
    good, bad = (Store().row("made", "holdout", name)["holdout-seed39"] for name in ("linear-net", "linear-net[factor=1e+39]"))
    assert good.outcome == "ok" and set(good.history) == FIGURES
    assert {len(values) for values in good.history.values()} == {4}
    assert good.chosen["validation_auc"] == max(good.history["validation_auc"])
    assert bad.outcome == "invalid" and "epoch 1" in bad.reason


def test_the_auc_that_stops_training_is_scikit_learns_ties_included() -> None:
    from sklearn.metrics import roc_auc_score

    from benchmark.learning.neural.loop import _auc

    rng = np.random.default_rng(3)
    for _ in range(20):
        labels = np.r_[0, 1, rng.integers(0, 2, 28)].astype(np.float32)
        chances = np.round(rng.random(30), 1).astype(np.float32)
        assert _auc(torch.from_numpy(labels), torch.from_numpy(chances)) == pytest.approx(roc_auc_score(labels, chances))


def test_of_one_class_the_squared_error_stops_training() -> None:
    from benchmark.learning.neural.loop import _auc

    assert _auc(torch.ones(2), torch.tensor([0.5, 1.0])) == pytest.approx(-0.125)


def test_further_losses_are_weighed_by_epoch() -> None:
    class WithTerm(Linear):
        def forward(self, batch: Batch) -> Output:
            return Output(super().forward(batch), {"extra": torch.full((), 2.0)})

    torch.manual_seed(3)
    history = fit_module(WithTerm(), _training(), RECIPE, lambda epoch: {"extra": 0.5**epoch}, 7)
    for epoch, (loss, term) in enumerate(zip(history["loss"], history["classification"], strict=True)):
        assert loss == pytest.approx(term + 2 * 0.5**epoch, rel=1e-4)
    assert history["extra"] == [2.0] * 20


def test_members_are_averaged_as_probabilities() -> None:
    class Members(Linear):
        def forward(self, batch: Batch) -> Output:
            assert batch.table is not None
            return Output(batch.table)

    batch = Batch(torch.tensor([[0.0, 3.0]]), None, None)
    assert float(probabilities(Members(), batch)) == pytest.approx((0.5 + 1 / (1 + math.exp(-3))) / 2)


def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine() -> None:
    factors = [rate_factor(epoch, 15, 100) for epoch in range(100)]
    assert factors[:15] == pytest.approx([(i + 1) / 15 for i in range(15)])
    assert factors[15] == 1 and factors[57] == pytest.approx(0.5 * (1 + math.cos(math.pi * 42 / 85)))
    assert all(a > b for a, b in zip(factors[15:], factors[16:], strict=False)) and factors[-1] > 0


def test_mixup_blends_inputs_and_labels_with_the_same_weight() -> None:
    n = 32
    labels = (torch.arange(n) % 2).float()
    image = Tokens(labels[:, None].clone(), labels[:, None, None].clone(), (labels == 1)[:, None])
    recipe = Recipe(**{**vars(RECIPE), "mixup": 0.4})
    rng = np.random.default_rng(1)
    made = [augmented(Batch(labels[:, None].clone(), image, None), labels, recipe, rng) for _ in range(40)]
    blended = [(batch, mixed) for batch, mixed in made if not torch.equal(mixed, labels)]
    assert 10 < len(blended) < 30
    for batch, mixed in blended:
        assert batch.table is not None and batch.image is not None and batch.image.tokens is not None
        assert batch.image.mask is not None
        for part in (batch.table[:, 0], batch.image.pooled[:, 0], batch.image.tokens[:, 0, 0]):
            torch.testing.assert_close(part, mixed)
        assert torch.equal(batch.image.mask[:, 0], mixed > 0)


def test_noise_touches_half_of_the_batches_and_no_absent_token() -> None:
    tokens = Tokens(torch.zeros(8, 3), torch.zeros(8, 2, 3), torch.tensor([[True, False]] * 8))
    batch = Batch(torch.zeros(8, 3), tokens, None)
    recipe = Recipe(**{**vars(RECIPE), "noise": 0.01})
    rng = np.random.default_rng(0)
    made = [augmented(batch, torch.zeros(8), recipe, rng)[0] for _ in range(60)]
    noisy = [each for each in made if each.table is not None and bool(each.table.any())]
    assert 18 < len(noisy) < 42
    deviation = float(torch.cat([each.table.flatten() for each in noisy if each.table is not None]).std())
    assert deviation == pytest.approx(0.01, rel=0.1)
    assert all(each.image and each.image.tokens is not None and not each.image.tokens[:, 1].any() for each in noisy)


def test_drafts_are_drawn_among_those_a_case_has_and_averaged_over_them() -> None:
    pooled = torch.tensor([[[1.0], [3.0], [0.0]], [[5.0], [0.0], [0.0]]])
    there = torch.tensor([[True, True, False], [True, False, False]])
    mask = there[..., None]
    drafts = Drafts(Tokens(pooled, pooled[..., None], mask), there)
    rng = np.random.default_rng(2)
    drawn = torch.stack([drafts.drawn(rng).pooled[:, 0] for _ in range(200)])
    assert set(drawn[:, 0].tolist()) == {1.0, 3.0} and set(drawn[:, 1].tolist()) == {5.0}
    assert 60 < int((drawn[:, 0] == 1).sum()) < 140
    mean = drafts.averaged()
    assert mean.pooled[:, 0].tolist() == [2.0, 5.0] and mean.tokens is not None
    assert mean.tokens[:, 0, 0].tolist() == [2.0, 5.0]


@pytest.fixture
def views() -> Callable[..., Any]:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    split = Holdout().splits(cohort)[0]
    everything = frozenset({"image", "table", "text"})
    return lambda: tuple(vars(views_of(cohort, split, (everything, everything))).values())


@dataclass
class Recorder(NeuralMethod):
    """Keeps the shapes it was asked a module for."""

    needs_tokens = True
    epochs: int = 2

    def module(self, shapes: Shapes) -> torch.nn.Module:
        self.shapes = shapes
        assert shapes.table
        return Linear(shapes.table)


def test_replicated_cases_even_the_classes_and_keep_table_image_and_text_of_one_case(views: Callable[..., Any]) -> None:
    from benchmark.learning.neural.neural import LearningCases, Preparation

    train = views()[0]
    prepared = Preparation(train, "table", {}, {}, tokens=True, seed=1)
    learning = LearningCases(prepared, train, 1, 1)
    counts = np.bincount(learning.labels.numpy().astype(int))
    assert counts[0] == counts[1] > min(np.bincount(train.labels))
    batch, n = learning.epoch(np.random.default_rng(0)), len(train)
    assert batch.image is not None and batch.text is not None and batch.table is not None
    categories = torch.from_numpy(~prepared.measured)
    for copy in range(n, len(learning.labels)):
        own_image = (batch.image.pooled[:n] == batch.image.pooled[copy]).all(1)
        own_label = learning.labels[:n] == learning.labels[copy]
        own_table = (batch.table[:n, categories] == batch.table[copy, categories]).all(1)
        drafts = prepared.drafts(train)["text"].features
        own_text = (drafts.pooled == batch.text.pooled[copy]).all(2).any(1)
        assert bool((own_image & own_label & own_table & own_text).any())


def test_features_are_standardised_by_the_training_part_and_cut(views: Callable[..., Any]) -> None:
    from benchmark.learning.neural.neural import CLIP, Preparation

    train, _, test = views()
    prepared = Preparation(train, "table", {}, {}, tokens=True, seed=1)
    features, unseen = train.features("text"), test.features("text")
    there = features.mask.any(axis=2)
    mean, deviation = features.pooled[there].mean(0), features.pooled[there].std(0)
    deviation[deviation < 1e-6] = 1
    for cases, known in ((train, features), (test, unseen)):
        made = prepared.drafts(cases)["text"].features
        assert made.tokens is not None and made.mask is not None
        expected = np.clip((known.pooled - mean) / deviation, -CLIP, CLIP) * known.mask.any(axis=2)[..., None]
        np.testing.assert_allclose(made.pooled.numpy(), expected, atol=1e-4)
        assert not made.tokens[~made.mask].any()


def test_tokens_beyond_the_longest_training_case_are_left_out() -> None:
    from benchmark.data.cohort import Features
    from benchmark.learning.neural.neural import _Scaler

    mask = np.array([[[True, True, False, False]], [[True, False, False, False]], [[True, True, True, True]]])
    tokens = np.random.default_rng(0).normal(size=(3, 1, 4, 2)).astype(np.float32) * mask[..., None]
    whole = Features(tokens, mask, tokens.sum(axis=2))
    made = _Scaler(whole.take(np.array([0, 1])), tokens=True, components=0).transform(whole).features
    assert made.tokens is not None and made.mask is not None
    assert made.tokens.shape == (3, 1, 2, 2) and made.mask[:, 0].sum(1).tolist() == [2, 1, 2]


def test_a_constant_control_is_the_same_for_every_case_masks_included(views: Callable[..., Any]) -> None:
    from benchmark.learning.neural.neural import Preparation

    train, _, test = views()
    made = Preparation(train, "table", {}, {"text": "constant"}, tokens=True, seed=1).drafts(test)["text"]
    given = made.averaged()
    for part in (given.pooled, given.tokens, given.mask):
        assert part is not None and bool((part == part[:1]).all())


@pytest.mark.parametrize("modality", ["image", "text"])
def test_controls_take_away_what_a_modality_tells(views: Callable[..., Any], modality: str) -> None:
    from benchmark.learning.neural.neural import Preparation

    train, _, test = views()
    own = Preparation(train, "table", {}, {}, tokens=False, seed=1).drafts(test)[modality].features
    permuted = Preparation(train, "table", {}, {modality: "permuted"}, tokens=False, seed=1)
    constant = Preparation(train, "table", {}, {modality: "constant"}, tokens=False, seed=1).drafts(test)[modality].features
    assert not constant.pooled.any() and own.pooled.any()
    given = permuted.drafts(test)[modality].features
    learnt = Preparation(train, "table", {}, {}, tokens=False, seed=1).drafts(train)[modality].features
    assert all(bool((learnt.pooled == case).flatten(1).all(1).any()) for case in given.pooled)
    alone = permuted.drafts(test.take([3]))[modality].features
    assert torch.equal(alone.pooled[0], given.pooled[3])


def test_controls_take_away_what_the_table_tells(views: Callable[..., Any]) -> None:
    from benchmark.learning.neural.neural import Preparation

    train, _, test = views()
    rows = {
        treatment: Preparation(train, "table", {}, {"table": treatment}, tokens=False, seed=1)
        for treatment in ("own", "permuted", "constant")
    }
    own, learnt = rows["own"].table(test), rows["own"].table(train)
    assert own is not None and own.any() and not rows["constant"].table(test).any()
    given = rows["permuted"].table(test)
    assert all((learnt == case).all(axis=1).any() for case in given) and not np.array_equal(given, own)
    np.testing.assert_array_equal(rows["permuted"].table(test.take([3]))[0], given[3])


def test_components_are_uncorrelated_of_unit_variance_and_learnt_on_the_training_part() -> None:
    from benchmark.data.cohort import Features
    from benchmark.learning.neural.neural import _Scaler

    vectors = (np.random.default_rng(0).normal(size=(50, 8)) @ np.diag(range(1, 9)))[:, None].astype(np.float32)
    vectors[:, :, 1] = 2 * vectors[:, :, 0]
    whole = Features(vectors[:, :, None], np.ones((50, 1, 1), dtype=bool), vectors)
    train = np.arange(40)
    made = _Scaler(whole.take(train), tokens=False, components=20).transform(whole).features.pooled[:, 0].numpy()
    assert made.shape == (50, 7)  # two columns say the same
    np.testing.assert_allclose(np.cov(made[train].T, ddof=0), np.eye(7), atol=1e-4)
    again = _Scaler(whole.take(train), tokens=False, components=3).transform(whole).features.pooled[:, 0].numpy()
    np.testing.assert_allclose(again, made[:, :3], atol=1e-5)


def test_an_unknown_treatment_is_refused(views: Callable[..., Any]) -> None:
    train, validation, _ = views()
    with pytest.raises(BenchmarkError, match="text=shuffled: give one of own, permuted, constant"):
        Recorder(text="shuffled").fit(train, validation, 1)


def test_shapes_tell_the_sizes_of_all_inputs(views: Callable[..., Any]) -> None:
    train, validation, test = views()
    method = Recorder()
    method.fit(train, validation, 1)
    batch = method.inputs(test)
    assert batch.table is not None and batch.image is not None and batch.text is not None
    assert method.shapes.table == batch.table.shape[1]
    for part, shape in ((batch.image, method.shapes.image), (batch.text, method.shapes.text)):
        assert part.tokens is not None and shape is not None
        assert (shape.pooled, shape.tokens, shape.width) == (part.pooled.shape[1], *part.tokens.shape[1:])
    assert method.shapes.pooled == sum(part.shape[1] for part in batch.vectors)
