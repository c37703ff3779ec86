"""Tables and images as self-supervised networks see them, and how they are altered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.self_supervised.finetuning import Recipe, finetune, stratified
from benchmark.learning.self_supervised.images import Images, altered
from benchmark.learning.self_supervised.table import TableCoder, corrupted
from benchmark.system.errors import BenchmarkError


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
    changed, replaced = corrupted(table, columns, 0.3, torch.Generator().manual_seed(0))
    assert abs(replaced.float().mean() - 0.3) < 0.05
    whose = (changed - torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])).round()
    assert torch.equal(whose[:, 1], whose[:, 2])
    kept = whose == torch.arange(400.0)[:, None]
    assert kept[~replaced[:, columns]].all() and kept[replaced[:, columns]].float().mean() < 0.02


def test_images_lie_in_0_to_1_by_their_own_percentiles():
    images = Images(cohort(), 0)
    assert images.shapes == {"scan": (1, 8, 8, 8)}
    scans = images.at(torch.arange(6))["scan"]
    raw = cohort().images["scan"].load()[2].ravel()
    low, high = np.quantile(raw, [0.01, 0.99])
    np.testing.assert_allclose(scans[2].ravel().numpy(), np.clip((raw - low) / (high - low), 0, 1), atol=1e-3)
    assert Images(cohort(), 4).shapes == {"scan": (1, 4, 4, 4)}


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


def test_an_epoch_is_class_stratified_and_no_longer_than_asked():
    labels = (np.arange(1000) % 10 == 0).astype(np.float32)
    batches = stratified(labels, 512, 64, np.random.default_rng(0))
    assert len(batches) == 8 and len(np.unique(np.concatenate(batches))) == 512
    assert all(5 <= labels[rows].sum() <= 8 for rows in batches)
    assert len(np.concatenate(stratified(labels[:100], 512, 64, np.random.default_rng(0)))) == 100
    assert stratified(np.zeros(3, np.float32), 512, 64, np.random.default_rng(0))[0].size == 3


@pytest.mark.parametrize(("smoothing", "chance"), [(0.0, 0.75), (0.2, 0.7)])
def test_smoothed_labels_draw_the_learned_chance_towards_a_half(smoothing: float, chance: float):
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.logit = torch.nn.Parameter(torch.zeros(()))

    module, labels = Constant(), torch.tensor([1.0, 1, 1, 0])
    seen = []

    def chances() -> torch.Tensor:
        seen.append(float(torch.sigmoid(module.logit.detach())))
        return torch.full((4,), seen[-1])

    recipe = Recipe(epochs=300, samples=4, patience=300, batch=4, rate=0.05, decay=0.0, smoothing=smoothing)
    finetune(module, lambda rows, rng: module.logit.expand(len(rows)), labels, chances, labels, recipe, 0)
    assert seen[-1] == pytest.approx(chance, abs=1e-3)
