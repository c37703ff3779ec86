"""Concatenation of some modalities: the same learner on less, with the seeds of the row that it varies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.concat import Concat
from benchmark import Batch, NeuralMethod, Shapes
from benchmark.audit.attempt import specimen
from benchmark.data.splits import single_cut
from benchmark.learning.fitting import views_of
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.neural.inputs import TokenShape
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError

SHAPES = Shapes(3, TokenShape(6), TokenShape(4))
ALL = frozenset({"image", "table", "text"})
Predict = Callable[[NeuralMethod, frozenset[str]], np.ndarray]


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch) -> Predict:
    """`predict(method, modalities)` -> its probabilities after two epochs on a specimen's views of these modalities."""
    cohort = specimen("complete")
    split = single_cut(cohort, "complete", 39)

    def predicted(method: NeuralMethod, modalities: frozenset[str]) -> np.ndarray:
        views = views_of(cohort, split, (modalities, modalities))
        method.epochs, method.warmup = 2, 1
        method.fit(views.train, views.validation, 39)
        return method.predict_proba(views.test)

    return predicted


@dataclass
class SideBySide(NeuralMethod):
    """A perceptron on whatever vectors there are, written out."""

    def module(self, shapes: Shapes) -> nn.Module:
        """Widths as `concat` has them."""
        return SideBySideNetwork(shapes)


class SideBySideNetwork(nn.Module):
    """One perceptron."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.classifier = perceptron([shapes.pooled, 512, 256, 1], 0.5)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        return self.classifier(torch.cat(batch.vectors, dim=1)).squeeze(1)


@pytest.mark.parametrize("modalities", ["image+table+text", "image+table", "table"])
def test_it_is_one_perceptron_on_the_named_modalities_to_the_last_bit(predict: Predict, modalities: str) -> None:
    held = frozenset(modalities.split("+"))
    np.testing.assert_array_equal(predict(Concat(modalities=modalities), held), predict(SideBySide(), held))


@pytest.mark.parametrize("spelled", ["concat[modalities=table]", "concat[modalities=image+table]"])
def test_a_variant_sees_its_modalities_alone_and_shares_the_seeds_of_the_plain_row(spelled: str) -> None:
    plain, variant = map(discover().method, ("concat", spelled))
    named = frozenset(spelled.removesuffix("]").partition("=")[2].split("+"))
    assert variant.modalities == (named, named)
    assert plain.modalities == (ALL, ALL)
    assert variant.seeded_as == plain.seeded_as == "concat"
    assert variant.trained_as != plain.trained_as


@pytest.mark.parametrize("modalities", ["text", "image+tabel", "table"])
def test_a_spelling_that_is_not_registered_is_not_trained_under_its_name(modalities: str) -> None:
    with pytest.raises(BenchmarkError, match="but it was given image\\+table\\+text"):
        Concat(modalities=modalities).module(SHAPES)
