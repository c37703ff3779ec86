"""Self-supervised rows: what is pre-trained on which cases, what stays frozen, and which bad input is refused by name."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from baselines.byol import BYOL, Bootstrap
from baselines.image_table_net import ImageTableNet
from baselines.mmcl import MMCL
from baselines.scarf import SCARF
from baselines.simclr import SimCLR
from baselines.tip import TIP
from baselines.vime import VIME
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.self_supervised.image_table import ContrastAndMatching, same_person
from benchmark.learning.self_supervised.method import Network, SelfSupervised
from benchmark.learning.self_supervised.pretraining import Unlabelled
from benchmark.learning.stages import Seen, declared_stages
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, InvalidTraining, UnknownNameError
from methods.ssmsrpm import SSMSRPM

ROWS = {each.__name__.lower(): each for each in (SSMSRPM, MMCL, TIP, SCARF, VIME, SimCLR, BYOL)}
FUSED = {fusion: partial(ImageTableNet, fusion=fusion) for fusion in ("concat", "daft")}
EVERY = pytest.mark.parametrize("name", ROWS)
OF_BOTH = pytest.mark.parametrize("name", ["ssmsrpm", "mmcl", "tip"])
SMALL = {"width": 4, "table_width": 16, "layers": 1, "batch": 32, "pretraining_epochs": 2, "epochs": 3}


def made(cases: int, seed: int, prefix: str = "c", grid: tuple[int, ...] = (8, 8, 8)) -> Cohort:
    """A hidden value shows in the image, in the table and, with noise, in the label."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=cases)
    scans = 100 + 10 * rng.normal(size=(cases, 1, *grid))
    scans[..., 2:5, 2:5] += 40 * hidden.reshape(-1, *[1] * (len(grid) + 1))
    table = pd.DataFrame(
        {
            "a": hidden + 0.3 * rng.normal(size=cases),
            "b": rng.normal(size=cases),
            "c": pd.Categorical(np.where(hidden + 0.3 * rng.normal(size=cases) > 0, "x", "y")),
        }
    )
    ids = np.array([f"{prefix}{case:04d}" for case in range(cases)])
    labels = (hidden + 0.5 * rng.normal(size=cases) > 0.8).astype(np.int8)
    view = ImageView(np.clip(scans, 0, 255).astype(np.uint8), scale=1 / 255)
    return Cohort("made", ids, labels, np.full(cases, "s"), ids, table, images={"scan": view})


TRAIN, VALIDATION, TEST, POOL = (
    made(n, seed, prefix) for seed, (n, prefix) in enumerate([(80, "a"), (60, "b"), (50, "c"), (200, "d")])
)


def built(method: SelfSupervised, pool: Cohort | None = POOL, train: Cohort = TRAIN, seed: int = 5) -> dict[str, Any]:
    (declared,) = declared_stages(type(method))
    blind = None if pool is None else replace(pool, labels=None)
    return method.pretraining(Seen(declared, replace(train, pool=blind), VALIDATION), seed)


def fitted(method: SelfSupervised, arrays: dict[str, Any], train: Cohort = TRAIN) -> np.ndarray:
    method.stages = {"pretraining": arrays}
    method.fit(train, VALIDATION, 7)
    return method.predict_proba(TEST.blind())


def test_a_trainable_row_starts_from_the_frozen_ones_heads_and_keeps_them_where_no_epoch_is_better() -> None:
    arrays = built(SCARF(**SMALL))
    frozen, still = SCARF(**SMALL, mode="frozen"), SCARF(**{**SMALL, "epochs": 0})
    np.testing.assert_allclose(fitted(still, arrays), fitted(frozen, arrays), rtol=1e-5)
    assert still.chosen["best_epoch"] == 0


def encoders(method: SelfSupervised) -> dict[str, torch.Tensor]:
    return {name: value for name, value in method._network.state_dict().items() if not name.startswith("heads")}


@EVERY
def test_a_frozen_row_reads_the_encoders_as_they_were_pre_trained_and_a_trainable_one_goes_on(name: str) -> None:
    arrays = built(ROWS[name](**SMALL))
    frozen, trainable = ROWS[name](**SMALL, mode="frozen"), ROWS[name](**SMALL)
    assert all(((each > 0) & (each < 1)).all() for each in [fitted(method, arrays) for method in (frozen, trainable)])
    for key, value in encoders(frozen).items():
        np.testing.assert_array_equal(value.numpy(), arrays[f"state.network.{key}"], err_msg=key)
    changed = [not np.array_equal(value.numpy(), arrays[f"state.network.{key}"]) for key, value in encoders(trainable).items()]
    assert any(changed) == (trainable.chosen["best_epoch"] > 0)
    assert len(set(trainable.history["validation_loss"])) == 3


@pytest.mark.slow
@EVERY
def test_pre_training_lowers_its_loss_and_sees_no_label(name: str) -> None:
    longer = {**SMALL, "pretraining_epochs": 10}
    arrays = built(ROWS[name](**longer))
    assert arrays["loss"][-1] < arrays["loss"][0]
    turned = replace(TRAIN, labels=1 - TRAIN.labels)
    again = built(ROWS[name](**longer), train=turned)
    assert all(np.array_equal(again[key], value) for key, value in arrays.items())


@pytest.mark.slow
@OF_BOTH
def test_pre_training_brings_image_and_table_of_one_person_together(name: str) -> None:
    method = ROWS[name](**{**SMALL, "pretraining_epochs": 15, "width": 8})
    fitted(method, built(method))
    before, after = (method.chosen[f"retrieval_at_10_{when}"] for when in ("before", "after"))
    assert after > before + 0.15
    assert method.chosen["alignment_after"] < method.chosen["alignment_before"]


@EVERY
def test_the_network_from_scratch_needs_no_case_without_label(name: str) -> None:
    method = ROWS[name](**SMALL, start="scratch")
    arrays = built(method, pool=None)
    assert set(arrays) <= {"loss", "table"} and len(arrays["loss"]) == 0
    assert fitted(method, arrays).shape == (50,)


def test_tables_become_the_same_numbers_from_scratch_as_after_pre_training() -> None:
    for name in ("ssmsrpm", "scarf"):
        scratch, pretrained = (built(ROWS[name](**SMALL, start=start))["table"] for start in ("scratch", "pretrained"))
        np.testing.assert_array_equal(scratch, pretrained)


def test_what_is_measured_on_images_stands_behind_the_table_of_those_who_see_images_and_of_those_who_ask() -> None:
    measured = pd.DataFrame({"volume": np.arange(80.0)})
    cases = TRAIN.take(np.arange(80))
    cases = replace(cases, parts={**cases.parts, "derived": measured})
    for method, columns in ((SSMSRPM(**SMALL), 5), (SCARF(**SMALL), 4), (SCARF(**SMALL, features="table+derived"), 5)):
        arrays = built(method, pool=None, train=cases)
        assert arrays["state.network.table.layers.0.weight"].shape[1] == columns
    seeing = SCARF(**SMALL, features="table+derived", mode="frozen")
    seeing.stages = {"pretraining": built(SCARF(**SMALL, features="table+derived"), pool=None, train=cases)}
    seeing.fit(cases, cases.take(np.arange(40)), 0)
    other = replace(cases, parts={**cases.parts, "derived": measured[::-1].reset_index(drop=True)})
    assert not np.array_equal(seeing.predict_proba(cases.blind()), seeing.predict_proba(other.blind()))
    with pytest.raises(BenchmarkError, match="no column 'volume'"):
        seeing.predict_proba(TEST.blind())


@EVERY
def test_frozen_trainable_and_all_training_settings_share_one_pre_training(name: str) -> None:
    catalogue = discover()
    (declared,) = declared_stages(ROWS[name])
    spelled = [name, f"{name}[mode=frozen]", f"{name}[learning_rate=0.01]", f"{name}[epochs=3]"]
    narrowed = {declared.narrowed(catalogue.method(each)).spelled for each in spelled}
    assert narrowed == {name}
    assert declared.narrowed(catalogue.method(f"{name}[pretraining_epochs=3]")).spelled != name


@EVERY
def test_what_is_explained_is_the_network_that_predicts(name: str) -> None:
    method = ROWS[name](**SMALL, start="scratch")
    predicted = fitted(method, built(method))
    module, batch = method.explainable(TEST.blind())
    with torch.inference_mode():
        logits = module.eval()(batch)
    np.testing.assert_allclose(torch.sigmoid(logits.double()).numpy(), predicted, atol=1e-6)
    assert (set(batch.views) == {"scan"}) == ("table" not in method.heads or len(method.heads) > 1)


def test_slices_and_volumes_are_encoded() -> None:
    slices = [made(n, seed, prefix, grid=(12, 12)) for seed, (n, prefix) in enumerate([(80, "a"), (60, "b"), (50, "c")])]
    method = SSMSRPM(**SMALL)
    (declared,) = declared_stages(SSMSRPM)
    method.stages = {"pretraining": method.pretraining(Seen(declared, slices[0], slices[1]), 0)}
    method.fit(slices[0], slices[1], 0)
    assert np.isfinite(method.predict_proba(slices[2].blind())).all()


def test_the_multimodal_block_sees_one_token_of_each_modality_or_all() -> None:
    shapes, columns = {"scan": (1, 8, 8, 8)}, torch.tensor([0, 1, 2, 2])
    for tokens, seen in (("pooled", (1, 1)), ("all", (1, 4))):
        network = Network(SSMSRPM(**SMALL, tokens=tokens), shapes, columns).eval()
        taken: list[tuple[int, int]] = []
        network.fusion.register_forward_hook(
            lambda module, given, result, into=taken: into.append((given[0].shape[1], given[1].shape[1]))
        )
        network({"scan": torch.rand(3, 1, 8, 8, 8)}, torch.randn(3, 4))
        assert taken == [seen]
    wide = Network(SSMSRPM(**SMALL, tokens="all"), {"scan": (1, 40, 40, 40)}, columns).eval()
    assert wide.image({"scan": torch.rand(2, 1, 40, 40, 40)}).shape[1] > 1


def test_what_is_compared_of_a_table_is_its_persons_whether_one_token_or_many() -> None:
    columns, table = torch.tensor([0, 1, 2, 2]), torch.randn(3, 4)
    for tokens in ("pooled", "all"):
        network = Network(SSMSRPM(**SMALL, tokens=tokens), {"scan": (1, 8, 8, 8)}, columns).eval()
        seen = network.embeddings({"scan": torch.rand(3, 1, 8, 8, 8)}, table)["table"]
        assert seen.std(dim=0).max() > 1e-3, tokens


def test_a_value_that_was_drawn_anew_as_it_was_is_not_to_be_found() -> None:
    network = Network(VIME(**SMALL), None, torch.tensor([0, 1, 1]))
    objective = VIME(**SMALL).objective(network)
    alike = Unlabelled({}, {}, torch.ones(8, 3), torch.arange(8), torch.Generator().manual_seed(0))
    with torch.no_grad():
        objective.mask.weight.zero_()
        objective.mask.bias.fill_(-50)  # certain that nothing was replaced
        objective.values.weight.zero_()
        objective.values.bias.fill_(1.0)
    assert float(objective(alike).detach()) < 1e-6


def test_no_negative_of_matching_is_of_the_same_group_or_has_an_equal_table() -> None:
    table = torch.tensor([[0.0], [1.0], [1.0], [2.0]])
    batch = Unlabelled({}, {}, table, torch.tensor([0, 1, 2, 0]), torch.Generator())
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 3] = expected[3, 0] = expected[1, 2] = expected[2, 1] = True
    assert torch.equal(same_person(batch), expected)


def test_where_all_are_alike_matching_has_true_pairs_alone() -> None:
    network = Network(SSMSRPM(**SMALL), {"scan": (1, 8, 8, 8)}, torch.tensor([0, 1]))
    objective = ContrastAndMatching(network)
    batch = Unlabelled(
        {"scan": torch.rand(4, 1, 8, 8, 8)}, {}, torch.ones(4, 2), torch.zeros(4, dtype=torch.int64), torch.Generator()
    )
    assert torch.isfinite(objective(batch))


def test_byols_target_follows_the_online_network_by_its_momentum_and_is_not_trained() -> None:
    objective = Bootstrap(Network(BYOL(**SMALL), {"scan": (1, 8, 8, 8)}, None))
    before = [value.clone() for value in objective.target.parameters()]
    online = [*objective.network.image.parameters(), *objective.project.parameters()]
    with torch.no_grad():
        for value in online:
            value += 1
    objective.stepped()
    for old, new, now in zip(before, objective.target.parameters(), online, strict=True):
        torch.testing.assert_close(new, 0.99 * old + 0.01 * now)
    views = {"scan": torch.rand(4, 1, 8, 8, 8)}
    loss = objective(Unlabelled(views, views, torch.zeros(4, 0), torch.arange(4), torch.Generator()))
    loss.backward()
    assert all(value.grad is None for value in objective.target.parameters())


@pytest.mark.parametrize("fusion", FUSED)
def test_supervised_fusions_of_image_and_table_learn_and_see_both(fusion: str) -> None:
    method = FUSED[fusion](**{**SMALL, "epochs": 15})
    predicted = fitted(method, built(method))
    assert roc_auc_score(TEST.labels, predicted) > 0.75
    for part in ("table", "images"):
        turned = replace(TEST, parts={**TEST.parts, part: TEST.take(np.arange(len(TEST))[::-1]).parts[part]})
        assert not np.allclose(method.predict_proba(turned.blind()), predicted), part


def test_a_fusion_that_there_is_not_and_a_start_from_pre_training_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="sum"):
        ImageTableNet(fusion="sum")
    with pytest.raises(BenchmarkError, match="learns from labels alone"):
        ImageTableNet(start="pretrained")


@pytest.mark.parametrize("column", [0, 1])
def test_each_column_of_tip_is_restored_from_its_own_token(column: int) -> None:
    network = Network(TIP(**SMALL), {"scan": (1, 8, 8, 8)}, torch.tensor([0, 1, 1])).eval()
    objective = TIP(**SMALL).objective(network)
    tokens = torch.randn(6, 3, network.fusion.width)
    other = tokens.clone()
    other[:, 1 + column] += 1
    before, after = objective.restored(tokens), objective.restored(other)
    changed = (before != after).any(dim=0)
    assert before.shape == (6, 3) and changed.tolist() == [column == 0, column == 1, column == 1]


@pytest.mark.parametrize("cases", [129, 130])
def test_a_part_of_any_size_settles_the_normalisation_of_a_network_from_scratch(cases: int) -> None:
    train = made(cases, 9, "e")
    method = ImageTableNet(**{**SMALL, "epochs": 1})
    arrays = built(method, pool=None, train=train)
    fitted(method, arrays, train=train)
    first = method._network.table.layers[1]
    assert first.momentum == 0.1


def test_a_network_from_scratch_needs_no_pool_that_it_can_use() -> None:
    tables = replace(POOL, parts={name: part for name, part in POOL.parts.items() if name != "images"})
    method = ImageTableNet(**SMALL)
    assert fitted(method, built(method, pool=tables)).shape == (50,)


def test_tip_restores_masked_columns_and_sees_no_masked_value() -> None:
    network = Network(TIP(**SMALL), {"scan": (1, 8, 8, 8)}, torch.tensor([0, 1, 1])).eval()
    table, masked = torch.randn(2, 3), torch.tensor([[False, True], [False, True]])
    other = table.clone()
    other[:, 1:] += 5
    torch.testing.assert_close(network.table(table, masked), network.table(other, masked))
    assert not torch.allclose(network.table(table), network.table(other))


@pytest.mark.parametrize(("field", "value"), [("mode", "thawed"), ("start", "warm"), ("tokens", "some"), ("size", "big")])
def test_a_setting_that_there_is_not_is_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(UnknownNameError, match=value):
        SSMSRPM(**{field: value})


def without(cohort: Cohort, part: str) -> Cohort:
    kept = {name: value for name, value in cohort.parts.items() if name != part}
    return replace(cohort, parts=kept)


@OF_BOTH
def test_a_pool_without_tables_or_images_is_refused_or_left_out_by_name(name: str) -> None:
    for part in ("table", "images"):
        method = ROWS[name](**SMALL)
        with pytest.raises(BenchmarkError, match="made: no case without label has image and table"):
            built(method, pool=without(POOL, part))
        small = without(POOL.take(np.arange(40)), part)  # smaller than the training part, which then serves with it
        assert len(built(method, pool=small)["loss"]) == 2


@EVERY
def test_a_constant_column_and_no_validation_positive_are_handled_and_one_class_is_refused(name: str) -> None:
    constant = replace(TRAIN, parts={**TRAIN.parts, "table": TRAIN.table.assign(b=1.0)})
    method = ROWS[name](**SMALL)
    arrays = built(method, pool=None, train=constant)
    assert np.isfinite(fitted(method, arrays, train=constant)).all()
    with pytest.raises(InvalidTraining, match="one class"):
        fitted(method, arrays, train=replace(TRAIN, labels=np.zeros(len(TRAIN), dtype=np.int8)))
    method.fit(TRAIN, replace(VALIDATION, labels=np.zeros(len(VALIDATION), dtype=np.int8)), 0)
    assert np.isfinite(method.predict_proba(TEST.blind())).all()


def test_too_few_cases_to_pre_train_on_are_refused_by_name() -> None:
    with pytest.raises(BenchmarkError, match="pre-training needs 2 cases or more, not 1"):
        built(SCARF(**SMALL), pool=None, train=TRAIN.take([0]))


def test_a_smaller_pool_is_a_part_of_a_larger_one() -> None:
    few, many = (SCARF(**SMALL, cases=cases)._chosen(POOL).case_ids for cases in (50, 120))
    assert len(few) == 50 and len(many) == 120 and set(few) <= set(many)


@pytest.mark.parametrize(("start", "rate", "kept"), [("pretrained", 3e-4, True), ("scratch", 1e-3, False)])
def test_rate_and_normalisation_follow_what_the_encoders_start_from(
    start: str, rate: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def finetune(network, logits_of, labels, chances, validation, recipe, seed, pretrained):
        seen.update(rate=recipe.rate, kept=[*pretrained] == [network])
        return {}, {"best_epoch": 0}

    monkeypatch.setattr("benchmark.learning.self_supervised.method.finetune", finetune)
    method = SCARF(**SMALL, start=start)
    fitted(method, built(method))
    assert seen == {"rate": rate, "kept": kept}


def test_a_chance_depends_on_no_other_case_that_is_read_with_it() -> None:
    method = SimCLR(**SMALL)
    together = fitted(method, built(method))
    alone = [method.predict_proba(TEST.blind().take([case]))[0] for case in range(10)]
    np.testing.assert_allclose(alone, together[:10], atol=1e-12)
