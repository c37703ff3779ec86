"""Networks on the images themselves: what they see, what they are built of, and what their cells depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from baselines.concat import Concat
from baselines.image_cnn import ImageCNN
from benchmark.audit.attempt import specimen, with_specimens
from benchmark.cells.planning import PlannedRow, describe_row
from benchmark.data.splits import single_cut
from benchmark.learning.encoders.monai_networks import medicalnet
from benchmark.learning.fitting import views_of
from benchmark.learning.layers.images import Highest, ImageNetwork, ResNet, convolutions
from benchmark.learning.neural import Batch, Shapes, Tokens
from benchmark.learning.neural.inputs import TokenShape
from benchmark.learning.stages import whole_training
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import digest

VIEWS = {"adc": (2, 20, 24, 17), "flair": (3, 48, 48), "mask": (1, 20, 24, 17)}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def images(shapes: dict[str, tuple[int, ...]], cases: int = 4) -> dict[str, torch.Tensor]:
    return {name: torch.randn(cases, *shape) for name, shape in shapes.items()}


# The network


def test_volumes_of_a_grid_are_channels_of_one_network_and_each_slice_has_its_own_features() -> None:
    network = ImageNetwork(VIEWS, 8).eval()
    volumes, slices = network.branches
    assert next(volumes.parameters()).shape == (8, 3, 3, 3, 3) and next(slices.parameters()).shape == (8, 1, 3, 3)
    assert network.width == 32 * 3 * 3 * 3 + 3 * 32 * 3 * 3
    given = images(VIEWS)
    features = network(given)
    assert features.shape == (4, network.width)
    dealt = {**given, "flair": given["flair"][:, [1, 0, 2]]}
    one, two, three = features[:, -864:].split(288, dim=1)
    torch.testing.assert_close(network(dealt), torch.cat([features[:, :-864], two, one, three], dim=1))


@pytest.mark.parametrize("kept", [{"mask"}, {"flair"}, {"mask", "adc"}, {"mask", "adc", "flair"}])
def test_every_set_of_views_is_learnt_from(kept: set[str]) -> None:
    shapes = {name: shape for name, shape in VIEWS.items() if name in kept}
    network = ImageNetwork(shapes, 8)
    given = images(shapes)
    network(given).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    network.eval()
    for name in kept:
        assert not torch.equal(network(given), network({**given, name: torch.randn_like(given[name])}))


def test_volumes_on_two_grids_have_a_network_each() -> None:
    network = ImageNetwork({"mask": (1, 8, 8, 8), "adc": (2, 8, 8, 8), "dwi": (1, 12, 8, 4)}, 8)
    assert [branch[0].in_channels for branch in network.branches] == [3, 1]


@pytest.mark.parametrize("grid", [(1, 1, 1), (8, 8, 8), (24, 3, 1), (5, 7), (48, 48)])
def test_convolutions_go_down_to_three_places_along_an_axis(grid: tuple[int, ...]) -> None:
    network, features = convolutions(2, grid, 4)
    made = network(torch.randn(3, 2, *grid))
    assert made.shape == (3, features)
    assert features <= 16 * 3 ** len(grid)


def test_cases_without_images_are_told_by_finite_numbers() -> None:
    network = ImageNetwork(VIEWS, 8).train()
    assert torch.isfinite(network({name: torch.zeros(4, *shape) for name, shape in VIEWS.items()})).all()


def test_a_signal_is_refused_by_name() -> None:
    with pytest.raises(BenchmarkError, match=r"view 'ecg' has the shape \(12, 500\) in each case"):
        ImageNetwork({"mask": (1, 8, 8, 8), "ecg": (12, 500)}, 8)


# The paper's size


def test_the_highest_of_each_window_is_what_max_pooling_gives_gradients_too() -> None:
    given = torch.randn(2, 3, 9, 8, 5, requires_grad=True)
    own, theirs = Highest()(given), nn.functional.max_pool3d(given, 3, 2, 1)
    assert torch.equal(own, theirs)
    weights = torch.randn_like(own)
    grads = [torch.autograd.grad((each * weights).sum(), given)[0] for each in (own, theirs)]
    torch.testing.assert_close(*grads)


def test_the_resnet_gives_what_monais_own_does() -> None:
    network = medicalnet().eval()
    volumes = torch.randn(2, 1, 20, 24, 18)
    with torch.inference_mode():
        torch.testing.assert_close(ResNet(network, 0).eval()(volumes), network(volumes), atol=1e-4, rtol=1e-4)


def weights_of_medicalnet(folder: Path, seed: int = 1) -> tuple[Path, dict[str, torch.Tensor]]:
    torch.manual_seed(seed)
    state = medicalnet().state_dict()
    path = folder / f"resnet-{seed}.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    return path, state


@pytest.mark.slow
def test_pretrained_weights_are_the_start_and_frozen_stages_keep_them(tmp_path: Path) -> None:
    path, state = weights_of_medicalnet(tmp_path)
    network = ImageCNN(size="paper", pretrained=str(path), freeze=2).resnet()[0]
    stages = network.stages
    assert torch.equal(stages[0][0].weight, state["conv1.weight"])
    assert torch.equal(stages[4][2].conv3.weight, state["layer4.2.conv3.weight"])
    frozen = [{weight.requires_grad for weight in stage.parameters()} for stage in stages]
    assert frozen == [{False}, {False}, {True}, {True}, {True}]
    before = {name: value.clone() for name, value in stages.state_dict().items()}
    network.train()
    network(torch.randn(4, 1, 16, 16, 16)).sum().backward()
    moved = {name.split(".")[0] for name, value in stages.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"2", "3", "4"}, "running statistics of frozen stages stay"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"freeze": 1}, "image-cnn: freeze=1 without pretrained=/path: random weights would stay"),
        ({"size": "paper", "freeze": 3}, "freeze=3 without pretrained"),
        ({"size": "paper", "freeze": 6, "pretrained": "x"}, "freeze=6: the network has 5 stages"),
        ({"pretrained": "x"}, "pretrained=x: these are weights of size=paper"),
        ({"size": "big"}, "'big'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        ImageCNN(**options)


# Cells


def row(spelled: str) -> PlannedRow:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    return describe_row(catalogue.dataset(cohort.name), catalogue.method(spelled), cohort, catalogue)


def test_a_row_that_sees_images_as_they_are_waits_for_no_encoder_of_them() -> None:
    assert row("image-cnn").encoders == {} and row("image-cnn").ingredients["encoders"] == {}
    assert row("concat[image=cnn]").encoders == {"text": "specimen-words"}
    assert set(row("concat").encoders) == {"image", "text"}
    assert "weights" not in row("concat").ingredients


@pytest.mark.slow
def test_the_digest_of_the_weights_enters_the_key_and_a_missing_file_is_told_by_the_cell(tmp_path: Path) -> None:
    path, _ = weights_of_medicalnet(tmp_path)
    spelled = f"image-cnn[pretrained={path},size=paper]"
    first = row(spelled).ingredients
    path.write_bytes(weights_of_medicalnet(tmp_path, 2)[0].read_bytes())
    second = row(spelled).ingredients
    assert len(first["weights"]) == 64 and first["weights"] != second["weights"]
    assert digest({**first, "weights": ""}) == digest({**second, "weights": ""})
    path.unlink()
    assert row(spelled).ingredients["weights"] == f"not available: image-cnn: pretrained={path}: there is no such file"
    with pytest.raises(BenchmarkError, match="pretrained=.*: there is no such file"):
        ImageCNN(size="paper", pretrained=str(path)).module(Shapes(None, None, None, VIEWS))


def test_no_feature_is_asked_of_images_that_are_seen_as_they_are() -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    split = single_cut(cohort, "complete", 39)
    parts = views_of(cohort, split, (frozenset({"image"}), frozenset({"image"})))
    asked: list[str] = []
    object.__setattr__(parts.train, "feature_source", lambda *words: asked.append(words[0]))
    ImageCNN(epochs=1).fit(parts.train, parts.validation, 1)
    assert asked == []


def test_concatenation_with_a_cnn_reads_images_text_and_table() -> None:
    network = Concat(image="cnn", hidden="16:8").module(Shapes(3, None, TokenShape(5), VIEWS)).eval()
    batch = Batch(torch.randn(4, 3), None, Tokens(torch.randn(4, 5)), images(VIEWS))
    told = network(batch)
    others = [
        Batch(torch.randn(4, 3), None, batch.text, batch.views),
        Batch(batch.table, None, Tokens(torch.randn(4, 5)), batch.views),
        *(Batch(batch.table, None, batch.text, {**batch.views, name: torch.randn(4, *VIEWS[name])}) for name in VIEWS),
    ]
    assert told.shape == (4,) and all(not torch.equal(network(other), told) for other in others)
    plain = Concat(hidden="16:8").module(Shapes(3, TokenShape(6), TokenShape(5)))
    assert [name for name, _ in plain.named_children() if name != "images"] == ["classifier"]


def test_concats_image_is_own_permuted_constant_or_seen_by_a_cnn() -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    split = single_cut(cohort, "complete", 39)
    parts = views_of(cohort, split, (frozenset({"image", "table", "text"}),) * 2)
    with pytest.raises(BenchmarkError, match="image=net: give one of own, permuted, constant"):
        Concat(image="net").fit(parts.train, parts.validation, 1)
    method = Concat(image="cnn", epochs=2)
    method.fit(parts.train, parts.validation, 1)
    assert np.isfinite(method.predict_proba(parts.test)).all()


def test_a_training_that_is_kept_as_a_stage_gives_the_same_predictions() -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    parts = views_of(cohort, single_cut(cohort, "complete", 39), (frozenset({"image"}),) * 2)
    declared = whole_training(ImageCNN)
    assert declared is not None
    kept = ImageCNN(epochs=2).training(declared.seen(parts.train, parts.validation), 3)
    told = []
    for stages in ({}, {"training": kept}):
        method = ImageCNN(epochs=2)
        method.stages = stages
        method.fit(parts.train, parts.validation, 3)
        told.append(method.predict_proba(parts.test).tolist())
    assert told[0] == told[1] and len(set(told[0])) > 2
