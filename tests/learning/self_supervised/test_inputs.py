"""Tables and images as self-supervised networks see them, and how they are altered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.self_supervised.finetuning import (
    Recipe,
    balanced,
    finetune,
    fit_heads,
    log_odds,
    settle,
    shifted,
    unsmoothed,
)
from benchmark.learning.self_supervised.images import Images, altered
from benchmark.learning.self_supervised.table import TableCoder, corrupted
from benchmark.system.errors import BenchmarkError, InvalidTraining


def cohort(cases: int = 6) -> Cohort:
    table = pd.DataFrame(
        {
            "age": [50.0, 60.0, 60.0, np.nan, 70.0, 1e6][:cases],
            "sex": pd.Categorical(["m", "f", "f", None, "m", "f"][:cases]),
            "same": 1.0,
            "empty": np.full(cases, np.nan),
        }
    )
    scans = np.random.default_rng(0).integers(0, 200, size=(cases, 1, 8, 8, 8)).astype(np.uint8)
    ids = np.array([f"c{k}" for k in range(cases)])
    return Cohort("made", ids, table=table, images={"scan": ImageView(scans, scale=1 / 255)})


def test_a_table_is_standardised_one_hot_and_filled_with_the_most_frequent():
    coder = TableCoder.of(cohort(5))
    values = coder.transform(cohort()).numpy()
    filled = np.array([50.0, 60, 60, 60, 70])
    np.testing.assert_allclose(values[:5, 0], (filled - 60) / filled.std(), rtol=1e-6)
    assert values[5, 0] == 5
    assert values[:, 1:3].tolist() == [[0, 1], [1, 0], [1, 0], [1, 0], [0, 1], [1, 0]]
    assert (values[:, 3:] == 0).all() and coder.of_column.tolist() == [0, 1, 1, 2, 3]


def test_a_table_coder_comes_back_from_its_bytes():
    coder = TableCoder.of(cohort())
    assert TableCoder.from_array(coder.as_array()) == coder


def test_a_table_without_a_column_that_was_trained_on_is_refused_by_name():
    coder, cases = TableCoder.of(cohort()), cohort()
    with pytest.raises(BenchmarkError, match="no column 'sex'"):
        coder.transform(Cohort("made", cases.case_ids, table=cases.table.drop(columns="sex")))
    with pytest.raises(BenchmarkError, match="made: no case has a table"):
        TableCoder.of(Cohort("made", cases.case_ids))


def test_corruption_draws_whole_columns_from_their_marginals():
    table = torch.arange(400.0)[:, None].repeat(1, 5) + torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    columns = torch.tensor([0, 1, 1, 2, 3])
    changed = corrupted(table, columns, 0.3, torch.Generator().manual_seed(0))
    whose = (changed - torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])).round()
    assert torch.equal(whose[:, 1], whose[:, 2])
    replaced = (whose != torch.arange(400.0)[:, None])[:, [0, 1, 3, 4]]
    assert abs(replaced.float().mean() - 0.3) < 0.05


def test_images_lie_in_0_to_1_by_their_own_percentiles():
    images = Images(cohort(), 0)
    assert images.shapes == {"scan": (1, 8, 8, 8)}
    scans = images.at(torch.arange(6))["scan"]
    raw = cohort().images["scan"].load()[2].ravel()
    low, high = np.quantile(raw, [0.01, 0.9995])
    np.testing.assert_allclose(scans[2].ravel().numpy(), np.clip((raw - low) / (high - low), 0, 1), atol=1e-3)
    assert Images(cohort(), 4).shapes == {"scan": (1, 4, 4, 4)}


def test_axes_alone_that_are_too_long_are_averaged():
    stack = Cohort("heart", np.array(["a", "b"]), images={"mr": ImageView(np.zeros((2, 1, 8, 96, 96), np.float32))})
    assert Images(stack, 28).shapes == {"mr": (1, 8, 24, 24)}
    head = Cohort("head", np.array(["a"]), images={"t1": ImageView(np.zeros((1, 1, 80, 96, 68), np.uint8))})
    assert Images(head, 28).shapes == {"t1": (1, 20, 24, 17)}, "one factor, so that it keeps its shape"


def test_a_lesion_of_less_than_a_hundredth_stays_brighter_than_the_rest():
    voxels = np.random.default_rng(0).uniform(0.4, 0.6, (1, 1, 24, 28, 24)).astype(np.float32)
    voxels[0, 0, 12, 12, 8:20] = 1.0  # 12 of 16,128 voxels
    scan = Images(Cohort("brain", np.array(["a"]), images={"flair": ImageView(voxels)}), 0).at(torch.tensor([0]))["flair"]
    assert scan[0, 0, 12, 12, 8:20].min() > 0.95 and scan[0, 0, :10].max() < 0.4


def test_slices_of_a_stack_and_frames_of_a_film_stay_in_their_places():
    stack = torch.zeros(30, 1, 4, 16, 16)
    stack[:, :, 1, 6:10, 6:10] = 1
    changed = altered({"cine": stack}, np.random.default_rng(0))["cine"]
    assert changed[:, :, [0, 2, 3]].max() == 0 and not torch.equal(changed, stack)


def test_images_are_not_mirrored_where_sides_matter():
    volume = torch.zeros(40, 1, 8, 8, 8)
    volume[:, :, 1, 4, 4] = 1
    changed = altered({"a": volume}, np.random.default_rng(0), mirrored=False)["a"]
    assert changed[:, :, 4:].sum() < 0.05 * changed.sum()


def test_alterations_differ_by_case_and_draw_keep_the_range_and_are_the_same_for_the_same_generator():
    scans = Images(cohort(), 0).at(torch.zeros(6, dtype=torch.int64))
    one, again, other = (altered(scans, np.random.default_rng(seed))["scan"] for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert one.min() >= 0 and one.max() <= 1
    assert sum(not torch.equal(one[0], each) for each in one[1:]) >= 4


def test_both_slices_and_volumes_are_altered_in_space_alike():
    volume = torch.zeros(40, 1, 8, 8, 8)
    volume[:, :, 1, 4, 4] = 1
    views = {"a": volume, "b": volume * 0.5}
    changed = altered(views, np.random.default_rng(0))
    assert torch.equal(changed["a"].flatten(1).argmax(1), changed["b"].flatten(1).argmax(1))
    mirrored = (changed["a"].flatten(2).sum(1).reshape(40, 8, 8, 8)[:, 4:].sum((1, 2, 3)) > 0.5).float().mean()
    assert 0.2 < mirrored < 0.8
    slices = altered({"s": torch.rand(5, 3, 16, 16)}, np.random.default_rng(0))["s"]
    assert slices.shape == (5, 3, 16, 16)


def test_half_of_each_batch_is_of_either_label_and_an_epoch_is_as_long_as_asked():
    labels = (np.arange(1000) % 10 == 0).astype(np.float32)
    batches = balanced(labels, 512, 64, np.random.default_rng(0))
    assert len(batches) == 8 and [labels[rows].sum() for rows in batches] == [32] * 8 and [*map(len, batches)] == [64] * 8
    times = np.bincount(np.concatenate(batches), minlength=1000)
    assert times[labels == 0].max() == 1 and set(times[labels == 1].tolist()) == {2, 3}
    few = balanced(labels[:100], 512, 64, np.random.default_rng(0))
    assert len(few) == 8 and np.bincount(np.concatenate(few), minlength=100).min() == 2
    with pytest.raises(InvalidTraining, match="one class"):
        balanced(np.zeros(3, np.float32), 512, 64, np.random.default_rng(0))


def test_what_was_learned_from_halves_is_moved_back_to_the_share_of_the_training_part():
    labels = torch.tensor([1.0] + [0.0] * 9)
    by = log_odds(labels)
    assert float(shifted(torch.tensor(0.5), by)) == pytest.approx(0.1)
    chances = torch.linspace(0.001, 0.999, 50)
    odds = chances / (1 - chances)
    torch.testing.assert_close(shifted(chances, by), odds / 9 / (1 + odds / 9))
    assert torch.equal(shifted(chances, 0.0), chances)


class Constant(torch.nn.Module):
    """One logit for everybody."""

    def __init__(self, start: float = 0.0):
        super().__init__()
        self.logit = torch.nn.Parameter(torch.tensor(start))


@pytest.mark.parametrize(
    ("aucs", "best"),
    [([0.6, 0.7, 0.7, 0.7], 1), ([0.7, 0.7, 0.6, 0.5], 0), ([0.5, 0.5, 0.5, 0.6], 3)],
    ids=["first", "start", "last"],
)
def test_the_best_epoch_has_the_highest_auc_and_the_start_counts_as_one(aucs: list[float], best: int):
    validation = torch.tensor([1.0] * 10 + [0.0])
    module, epoch = Constant(), iter(aucs)

    def chances() -> torch.Tensor:
        below = round(10 * (1 - next(epoch)))  # positives that lie below the one negative
        return torch.tensor([0.1] * below + [0.9] * (10 - below) + [0.5])

    recipe = Recipe(epochs=3, samples=2, patience=10, batch=2, rate=0.05, decay=0.0)
    labels = torch.tensor([1.0, 0.0])
    _, chosen = finetune(module, lambda rows, rng: module.logit.expand(len(rows)), labels, chances, validation, recipe, 0)
    assert chosen["best_epoch"] == best and chosen["epochs"] == 3 and chosen["validation_auc"] == max(aucs)


def test_heads_on_frozen_embeddings_are_a_logistic_regression_on_all_of_them():
    generator = torch.Generator().manual_seed(0)
    seen = [torch.randn(200, width, generator=generator) * 30 + 5 for width in (3, 2)]
    labels = (torch.rand(200, generator=generator) < torch.sigmoid(seen[0][:, 0] / 30 - seen[1][:, 1] / 30)).float()
    unseen, heads = [part[:60] for part in seen], [torch.nn.Linear(width, 1) for width in (3, 2)]
    chosen = fit_heads(heads, seen, labels, unseen, labels[:60])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=chosen["C"], max_iter=2000))
    expected = model.fit(torch.cat(seen, 1).numpy(), labels.numpy()).predict_proba(torch.cat(seen, 1).numpy())[:, 1]
    logits = torch.cat([head(part) for head, part in zip(heads, seen, strict=True)], dim=1).mean(1)
    np.testing.assert_allclose(torch.sigmoid(logits).detach().numpy(), expected, atol=1e-4)
    assert chosen["validation_auc"] > 0.6


def test_heads_on_embeddings_that_tell_nothing_are_held_back_by_the_validation_loss():
    generator = torch.Generator().manual_seed(0)
    seen, unseen = torch.randn(60, 40, generator=generator), torch.randn(60, 40, generator=generator)
    labels, others = ((torch.rand(60, generator=generator) < 0.5).float() for _ in range(2))
    assert fit_heads([torch.nn.Linear(40, 1)], [seen], labels, [unseen], others)["C"] <= 1e-2


def test_an_embedding_that_is_alike_in_all_cases_but_for_rounding_tells_nothing():
    collapsed = 1 + 1e-7 * torch.randn(80, 4, generator=torch.Generator().manual_seed(0))
    labels, head = (torch.arange(80) % 4 == 0).float(), torch.nn.Linear(4, 1)
    fit_heads([head], [collapsed], labels, [collapsed[:20]], labels[:20])
    chances = torch.sigmoid(head(collapsed)).detach()
    assert float(chances.max() - chances.min()) < 1e-6 and float(chances.mean()) == pytest.approx(0.25, abs=1e-3)


def test_embeddings_that_are_no_numbers_and_a_single_class_are_refused():
    head, labels = torch.nn.Linear(2, 1), torch.tensor([0.0, 1, 0, 1])
    with pytest.raises(InvalidTraining, match="no finite numbers"):
        fit_heads([head], [torch.full((4, 2), torch.nan)], labels, [torch.zeros(4, 2)], labels)
    with pytest.raises(InvalidTraining, match="one class"):
        fit_heads([head], [torch.zeros(4, 2)], torch.ones(4), [torch.zeros(4, 2)], labels)


def test_smoothing_is_undone_and_the_order_kept():
    chances = torch.linspace(0, 1, 101)
    plain = unsmoothed(chances, 0.1)
    assert (plain.diff() > 0).all() and plain[0] == 0 and plain[-1] == 1
    assert plain[50] == pytest.approx(0.5) and plain[5] == pytest.approx(0.001) and plain[23] == pytest.approx(0.2, abs=2e-3)
    assert torch.equal(unsmoothed(chances, 0.0), chances)


@pytest.mark.parametrize(("smoothing", "positives"), [(0.0, 3), (0.2, 3), (0.0, 1)])
def test_halves_are_learned_and_scored_as_the_share_of_the_training_part(smoothing: float, positives: int):
    module, labels = Constant(1.0), torch.tensor([1.0] * positives + [0.0] * (4 - positives))
    seen = []

    def chances() -> torch.Tensor:
        seen.append(torch.sigmoid(module.logit.detach()).expand(4))
        return seen[-1]

    recipe = Recipe(epochs=300, samples=4, patience=300, batch=4, rate=0.05, decay=0.0, smoothing=smoothing)
    history, _ = finetune(module, lambda rows, rng: module.logit.expand(len(rows)), labels, chances, labels, recipe, 0)
    assert float(seen[-1][0]) == pytest.approx(0.5, abs=1e-3)
    share = torch.full((4,), positives / 4)
    expected = float(torch.nn.functional.binary_cross_entropy(share, labels))
    assert history["validation_loss"][-1] == pytest.approx(expected, abs=1e-3)


def test_without_normalisation_no_case_is_read_to_settle_it():
    settle([torch.nn.Linear(2, 1)], lambda: pytest.fail("read"))


def test_untrained_normalisation_takes_the_statistics_of_the_cases_and_trained_normalisation_keeps_its_own():
    values = 5 + 3 * torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    network.eval()
    settle([network], lambda: [network(part) for part in values.split(128)])
    torch.testing.assert_close(network[0].running_mean, values.mean(0))
    assert not network[0].training and network[0].momentum == 0.1
    labels = (torch.arange(256) % 2).float()
    recipe = Recipe(epochs=2, samples=64, patience=2, batch=8, rate=0.05, decay=0.0)

    def logits_of(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return network(values[rows] + 1).squeeze(1)

    def chances() -> torch.Tensor:
        return torch.sigmoid(network(values).detach().squeeze(1))

    before = network[0].running_mean.clone()
    finetune(network, logits_of, labels, chances, labels, recipe, 0, [network])
    torch.testing.assert_close(network[0].running_mean, before)
    seen = []
    finetune(network, logits_of, labels, lambda: seen.append(network[0].running_mean.clone()) or chances(), labels, recipe, 0)
    assert not torch.allclose(seen[-1], before)
