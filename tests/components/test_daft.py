"""DAFT and FiLM: the modulated block against its equation, where it stands, and what alone the two differ in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from baselines.daft import DAFT
from baselines.film import FiLM
from baselines.image_cnn import ImageCNN
from benchmark.audit.attempt import specimen, with_specimens
from benchmark.cells.planning import describe_row
from benchmark.data.splits import single_cut
from benchmark.learning.fitting import views_of
from benchmark.learning.layers.images import ChannelByChannel, Conditioned
from benchmark.learning.layers.modulation import ModulatedBlock, Modulation
from benchmark.learning.neural import Batch, Shapes
from benchmark.learning.neural.inputs import TokenShape
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError

CASES, TABLE = 5, 3
VIEWS = {"flair": (2, 24, 24), "mask": (1, 20, 24, 17)}
SHAPES = {"own": Shapes(TABLE, None, None, VIEWS), "pooled": Shapes(TABLE, TokenShape(6), None)}
BOTH = pytest.mark.parametrize("method", [DAFT, FiLM], ids=["daft", "film"])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def made_batch() -> Batch:
    return Batch(torch.randn(CASES, TABLE), None, None, {name: torch.randn(CASES, *shape) for name, shape in VIEWS.items()})


def array(x: Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def standardised(x: np.ndarray) -> np.ndarray:
    """Each channel (axis 1) with zero mean and unit variance over the batch and all places."""
    axes = (0, *range(2, x.ndim))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


# The block


@pytest.mark.parametrize("axes", [0, 2, 3])
@pytest.mark.parametrize("sees_maps", [True, False])
def test_the_block_is_its_equation(axes: int, sees_maps: bool) -> None:
    block = ModulatedBlock(axes, 4, Modulation(4, TABLE, 7, sees_maps=sees_maps)).train()
    nn.init.normal_(block.second_norm.weight), nn.init.normal_(block.second_norm.bias)
    maps, table = torch.randn(CASES, 4, *(2, 3, 3)[:axes]), torch.randn(CASES, TABLE)
    enter, leave = array(block.modulation.auxiliary[0].weight), array(block.modulation.auxiliary[2].weight)

    def everywhere(values: np.ndarray) -> np.ndarray:
        return values.reshape(*values.shape, *[1] * axes)

    normed = standardised(array(block.first(maps)))
    given = [normed.reshape(CASES, 4, -1).mean(2), array(table)] if sees_maps else [array(table)]
    alpha, beta = np.split(np.maximum(np.column_stack(given) @ enter.T, 0) @ leave.T, 2, axis=1)
    modulated = np.maximum(everywhere(alpha) * normed + everywhere(beta), 0)
    residual = standardised(array(block.second(torch.from_numpy(modulated).float())))
    weight, bias = (everywhere(array(part)[None]) for part in (block.second_norm.weight, block.second_norm.bias))
    np.testing.assert_allclose(array(block(maps, table)), np.maximum(array(maps) + weight * residual + bias, 0), atol=1e-4)


@pytest.mark.parametrize("axes", [0, 2, 3])
def test_no_map_has_a_bias_and_the_first_normalisation_no_scale_or_shift_of_its_own(axes: int) -> None:
    block = ModulatedBlock(axes, 4, Modulation(4, TABLE, 7, sees_maps=True))
    maps = {"first.weight", "second.weight", "modulation.auxiliary.0.weight", "modulation.auxiliary.2.weight"}
    assert {name for name, _ in block.named_parameters()} == maps | {"second_norm.weight", "second_norm.bias"}


# Where it stands


@BOTH
def test_the_block_takes_the_maps_of_image_cnns_convolutions_and_its_own_go_to_the_same_classifier(method: type[DAFT]) -> None:
    network, plain, batch = method().module(SHAPES["own"]), ImageCNN().module(SHAPES["own"]), made_batch()
    conditioned = [part for part in network.modules() if isinstance(part, Conditioned)]
    theirs = [branch.network if isinstance(branch, ChannelByChannel) else branch for branch in plain.images.branches]
    entered: list[Tensor] = []
    for own, their in zip(conditioned, theirs, strict=True):
        own.network.load_state_dict(their.state_dict())
        own.block.register_forward_hook(lambda block, given, made: entered.append(given[0].reshape(CASES, -1)))
    network(batch)
    torch.testing.assert_close(torch.cat(entered, dim=1), plain.images(batch.views))
    assert repr(network.classifier) == repr(plain.classifier)


@BOTH
def test_a_table_modulates_its_own_cases_volumes_and_each_channel_of_its_slices(method: type[DAFT]) -> None:
    network, batch = method().module(SHAPES["own"]).eval(), made_batch()
    other = torch.cat([batch.table[:1] + 3, batch.table[1:]])
    moved = (network.images(batch.views, batch.table) - network.images(batch.views, other)).abs().detach()
    assert float(moved[1:].max()) == 0
    places = 32 * 3 * 3
    volumes, first, second = moved[0].split([len(moved[0]) - 2 * places, places, places])
    assert all(float(part.max()) > 0 for part in (volumes, first, second))


# What the two differ in


@pytest.mark.parametrize(("image", "channels", "blocks"), [("own", 32, 2), ("pooled", 512, 1)])
def test_film_differs_from_daft_in_the_conditioning_input_alone(image: str, channels: int, blocks: int) -> None:
    network, other = (method(image=image).module(SHAPES[image]) for method in (DAFT, FiLM))
    sizes, others = ({name: tuple(part.shape) for name, part in each.state_dict().items()} for each in (network, other))
    assert list(sizes) == list(others)
    differing = [(size, others[name]) for name, size in sizes.items() if others[name] != size]
    assert differing == [((7, channels + TABLE), (7, TABLE))] * blocks


@BOTH
def test_with_one_table_film_modulates_all_images_alike_and_daft_each_in_its_way(method: type[DAFT]) -> None:
    network, batch = method().module(SHAPES["own"]).eval(), made_batch()
    told: list[Tensor] = []
    for part in network.modules():
        if isinstance(part, Modulation):
            part.auxiliary.register_forward_hook(lambda auxiliary, given, made: told.append(made))
    network(replace(batch, table=batch.table[:1].expand(CASES, -1)))
    assert [torch.allclose(made, made[:1].expand_as(made)) for made in told] == [method is FiLM] * 2


# The rows


@pytest.mark.parametrize("name", ["daft", "film"])
def test_only_the_variant_on_pooled_vectors_waits_for_an_encoder(name: str) -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    own, pooled = (
        describe_row(catalogue.dataset(cohort.name), catalogue.method(spelled), cohort, catalogue)
        for spelled in (name, f"{name}[image=pooled]")
    )
    assert own.encoders == {} and set(pooled.encoders) == {"image"}


@BOTH
@pytest.mark.parametrize("image", ["own", "pooled", "permuted", "constant"])
def test_a_row_learns_from_images_as_they_are_and_from_pooled_vectors(method: type[DAFT], image: str) -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    parts = views_of(cohort, single_cut(cohort, "complete", 39), (frozenset({"image", "table"}),) * 2)
    made = method(image=image, epochs=2)
    made.fit(parts.train, parts.validation, 1)
    told = made.predict_proba(parts.test)
    assert np.isfinite(told).all() and len(set(told.tolist())) > 2


def test_an_image_that_is_none_of_these_is_refused() -> None:
    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)
    parts = views_of(cohort, single_cut(cohort, "complete", 39), (frozenset({"image", "table"}),) * 2)
    with pytest.raises(BenchmarkError, match="image=net: give one of own, permuted, constant"):
        DAFT(image="net").fit(parts.train, parts.validation, 1)
