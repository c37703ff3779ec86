"""The papers' sizes: each row is built with the widths that are stated, and trains, on inputs as large as those of `soop`."""

from __future__ import annotations

import math
import resource
import sys
import time

import pytest
import torch
from monai.networks.nets.resnet import ResNet

from benchmark.learning.neural import Batch, NeuralMethod, Shapes, Tokens
from benchmark.learning.neural.inputs import TokenShape
from benchmark.learning.neural.loop import Training, fit_module
from benchmark.learning.self_supervised.method import Network
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError

CASES, TABLE, PLACES, SENTENCES = 4, 24, 150, 12
SHAPES = Shapes(TABLE, TokenShape(180, PLACES, 60, (5, 6, 5)), TokenShape(384, SENTENCES, 384))
VIEWS = {"flair": (3, 189, 189), "mask": (1, 40, 48, 34)}
SECONDS, GIB = 60, 12
PARAMETERS: dict[str, int] = {
    "cross-attention[size=paper]": 1_349_633,
    "earthmind[size=paper]": 1_245_825,
    "ft-transformer[size=paper]": 901_057,
    "fusion[size=paper]": 5_775_489,
    "image-cnn[size=paper]": 46_375_353,
    "joint-transformer[size=paper]": 1_228_673,
    "self-attention[size=paper]": 820_993,
    "sparsemm[size=paper]": 1_228_673,
    "table-net[size=paper]": 684_832,
}
"""Row of the paper's size -> its parameters on these inputs."""
ROWS = [method.spelled for method in discover().variants() if method.parameters.get("size") == "paper"]
SELF_SUPERVISED = "ssmsrpm[size=paper]"
OF_SIGNALS = {"ecg-mae[size=paper]", "cardio-ssl[size=paper]"}
"""Tried in tests/components/test_cardio_ssl.py."""
OF_TEXT = {"neurobert[size=paper]"}
"""Tried in tests/learning/text_vision/test_language.py."""
NEURAL = [spelled for spelled in ROWS if spelled not in {SELF_SUPERVISED, *OF_SIGNALS, *OF_TEXT}]


def test_every_row_of_the_papers_size_is_tried() -> None:
    assert set(NEURAL) == PARAMETERS.keys()


@pytest.mark.slow
def test_the_self_supervised_row_of_the_papers_size_has_its_widths_and_predicts() -> None:
    network = Network(discover().method(SELF_SUPERVISED).make(), {"scan": (1, 40, 48, 40)}, torch.arange(47))
    assert (network.image.width, network.table.width, network.fusion.width) == (2048, 2048, 2048)
    resnet50 = ResNet("bottleneck", [3, 4, 6, 3], [64, 128, 256, 512], n_input_channels=1, feed_forward=False)
    assert sum(each.numel() for each in network.image.parameters()) == sum(each.numel() for each in resnet50.parameters())
    embeddings = network.eval().embeddings({"scan": torch.rand(2, 1, 40, 48, 40)}, torch.randn(2, 47))
    assert {name: tuple(each.shape) for name, each in embeddings.items()} == dict.fromkeys(
        ("image", "table", "both"), (2, 2048)
    )


def inputs(shapes: Shapes) -> Batch:
    """Four cases of these sizes."""
    torch.manual_seed(0)

    def tokens(shape: TokenShape | None) -> Tokens | None:
        if shape is None:
            return None
        mask = torch.rand(CASES, shape.tokens) < 0.9
        share = torch.rand(CASES, shape.tokens) if shape.grid else None
        made = torch.randn(CASES, shape.tokens, shape.width) * mask[..., None]
        return Tokens(torch.randn(CASES, shape.pooled), made, mask, share, shape.grid)

    table = None if shapes.table is None else torch.randn(CASES, shapes.table)
    views = {name: torch.randn(CASES, *shape) for name, shape in shapes.views.items()}
    return Batch(table, tokens(shapes.image), tokens(shapes.text), views)


@pytest.mark.slow
@pytest.mark.parametrize("spelled", NEURAL)
def test_a_row_of_the_papers_size_has_its_parameters_and_takes_two_steps(spelled: str) -> None:
    configured = discover().method(spelled)
    method: NeuralMethod = configured.make()
    used = configured.modalities[0]
    image, text = (shape if name in used else None for name, shape in (("image", SHAPES.image), ("text", SHAPES.text)))
    views = VIEWS if method.unencoded else {}
    shapes = Shapes(TABLE if "table" in used else None, None if views else image, text, views)
    started = time.perf_counter()
    module = method.module(shapes)
    assert sum(weight.numel() for weight in module.parameters()) == PARAMETERS[spelled]
    batch, labels = inputs(shapes), torch.tensor([0.0, 1.0, 0.0, 1.0])
    method.epochs, method.batch_size = 1, 2
    before = [weight.detach().clone() for weight in module.parameters()]
    history = fit_module(module, Training(lambda rng: batch, labels, batch, labels), method, method.weights, 1)
    assert math.isfinite(history["loss"][0]) and len(history["loss"]) == 1
    assert any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))
    assert time.perf_counter() - started < SECONDS
    unit = 2**30 if sys.platform == "darwin" else 2**20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit < GIB


def test_another_size_is_refused() -> None:
    for spelled in ROWS:
        with pytest.raises(BenchmarkError, match="size 'huge'"):
            discover().methods.get(spelled.partition("[")[0]).make({"size": "huge"})
