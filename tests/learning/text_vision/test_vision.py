"""Images mapped to vectors: several views averaged, a view that is missing in some cases, and that the regression learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.text_vision.vision import Regression, Scans, ViewNetworks, imaged, regress, scans_of, view_loss
from benchmark.system.errors import BenchmarkError, InvalidTraining
from tests.learning.text_vision.made_reports import made

SHAPES = {"flair": (1, 8, 8), "dwi": (1, 8, 8), "t1": (2, 6, 6, 6)}


def drawn(cases: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(cases, *shape, generator=generator) for name, shape in SHAPES.items()}


def networks() -> ViewNetworks:
    torch.manual_seed(0)
    network = ViewNetworks(SHAPES, 4, 5).eval()
    for name in SHAPES:
        torch.nn.init.normal_(network.networks[name][-1].weight)  # they begin at zero
    return network


@torch.no_grad()
def test_the_output_is_the_mean_over_the_views_that_a_case_has() -> None:
    network, views = networks(), drawn(3)
    each = {name: network.networks[name](view) for name, view in views.items()}
    there = torch.tensor([[1.0, 1, 1], [1, 0, 1], [0, 0, 0]])
    found = network(views, there)
    torch.testing.assert_close(found[0], (each["flair"] + each["dwi"] + each["t1"])[0] / 3)
    torch.testing.assert_close(found[1], (each["flair"] + each["t1"])[1] / 2)
    assert (found[2] == 0).all()


@torch.no_grad()
def test_a_view_that_a_case_lacks_changes_nothing_whatever_stands_in_its_place() -> None:
    network, views = networks(), drawn(2)
    there = torch.tensor([[1.0, 0, 1], [1, 0, 1]])
    found = network(views, there)
    assert torch.equal(network({**views, "dwi": torch.full_like(views["dwi"], 7.0)}, there), found)


def test_a_network_sees_the_cases_alone_that_have_its_view() -> None:
    network, views = networks().train(), drawn(6)
    there = torch.ones(6, 3)
    there[3:, 1] = 0
    network(views, there)
    alone = networks().train()
    alone(views={name: view[:3] for name, view in views.items()}, there=there[:3])
    for name, kept in network.networks["dwi"].state_dict().items():
        assert torch.equal(kept, alone.networks["dwi"].state_dict()[name])


def test_images_are_moved_once_their_voxels_are_standardised() -> None:
    cohort, _ = made(6, 0)
    scans = scans_of(cohort, 8)
    network = ViewNetworks(scans.shapes, 4, 2).eval()
    network.standardise(scans)
    seen = {}
    name = next(iter(scans.views))
    network.networks[name].register_forward_pre_hook(lambda _, given: seen.setdefault(len(seen), given[0]))
    for shift in ((), (1, -1, 0)):
        network(*scans.at(torch.arange(6)), shift)
    axes = tuple(range(2, seen[0].ndim))
    assert torch.equal(seen[1], seen[0].roll((1, -1, 0)[: len(axes)], axes))


def test_what_is_brighter_than_the_rest_and_small_stays_brighter() -> None:
    plain = np.random.default_rng(0).uniform(0.8, 1.2, (2, 1, 12, 12, 12)).astype(np.float32)
    plain[:, :, :3] = 0
    lesioned = plain.copy()
    lesioned[:, :, 6, 6, 6:8] = 2.5  # two of 1,728 voxels
    for values in (lesioned, 300 * lesioned):
        ids = np.array(["a", "b"])
        scan = scans_of(Cohort("bright", ids, images={"dwi": ImageView(values)}), 0).views["dwi"].float()
        assert scan[:, :, 6, 6, 6:8].min() > 1.9 and scan.max() <= 4
        assert 0.7 < scan[:, :, 4:].median() < 1.3


def test_which_case_has_which_view_is_read_from_the_cohort() -> None:
    cohort, _ = made(4, 0, second_view=True)
    partly = replace(cohort, present={"image": np.array([1, 1, 1, 0], bool), "dwi": np.array([1, 0, 1, 1], bool)})
    scans = scans_of(partly, 8)
    assert list(scans.views) == ["dwi", "flair"]
    assert scans.there.tolist() == [[1, 1], [0, 1], [1, 1], [0, 0]]
    neither = replace(cohort, present={"flair": np.array([1, 1, 0, 0], bool), "dwi": np.array([1, 0, 1, 0], bool)})
    assert imaged(neither).tolist() == [True, True, True, False] and imaged(cohort).all()


def test_the_regression_learns_what_the_image_shows_on_cases_that_it_did_not_see() -> None:
    torch.set_num_threads(1)
    (train, there), (test, unseen) = made(200, 1), made(80, 2)
    targets = torch.from_numpy(there.astype(np.float32))
    scans = scans_of(train, 8)
    torch.manual_seed(0)
    network = ViewNetworks(scans.shapes, 8, 3)
    loss = regress(network, scans, targets, Regression(90, 32, 5e-3), 1)
    assert len(loss) == 15 and loss[-1] < loss[0] / 3
    predicted = network.read(scans_of(test, 8)).numpy()
    assert ((predicted > 0.5) == unseen).mean() > 0.95


@pytest.mark.parametrize(("cases", "batches"), [(64, 4), (16, 1)])
def test_the_regression_takes_as_many_steps_with_few_cases_as_with_many(cases: int, batches: int) -> None:
    features = torch.randn(cases, 6, generator=torch.Generator().manual_seed(1))
    scans = Scans({"features": features}, torch.ones(cases, 1))
    loss = regress(ViewNetworks(scans.shapes, 4, 2), scans, features[:, :2], Regression(20, 16, 1e-3), 1)
    assert len(loss) == 20 / batches


def test_each_network_learns_the_vector_by_itself() -> None:
    """One view shows the first number, the other the second: the error of their mean could be nothing, that of each cannot."""
    torch.set_num_threads(1)
    truth = torch.randn(256, 2, generator=torch.Generator().manual_seed(1))
    scans = Scans({"one": truth[:, :1], "other": truth[:, 1:]}, torch.ones(256, 2))
    torch.manual_seed(0)
    network = ViewNetworks(scans.shapes, 4, 2)
    regress(network, scans, truth, Regression(600, 32, 5e-3), 1)
    with torch.no_grad():
        each = [outputs for _, outputs in network.eval().of_each_view(*scans.at(torch.arange(256)))]
        torch.testing.assert_close(network.read(scans), torch.stack(each).mean(0))
    for place, outputs in enumerate(each):
        errors = (outputs - truth).square().mean(0)
        assert errors[place] < 0.05 and 0.8 < errors[1 - place] < 1.2, "a number that a view does not show is its mean"


def test_the_error_is_the_mean_over_the_views_that_a_case_has() -> None:
    network, views = networks(), drawn(3)
    there, vectors = torch.tensor([[1.0, 1, 1], [1, 0, 1], [0, 1, 0]]), torch.arange(15.0).view(3, 5)
    with torch.no_grad():
        each = [(network.networks[name](view) - vectors).square().mean(1) for name, view in views.items()]
        errors = torch.stack(each, dim=1)
        expected = ((errors * there).sum(1) / there.sum(1)).mean()
        torch.testing.assert_close(view_loss(network, (views, there), vectors, ()), expected)


def test_the_regression_gives_the_same_bytes_twice() -> None:
    torch.set_num_threads(1)
    train, there = made(40, 1, second_view=True)
    twice = []
    for _ in range(2):
        scans = scans_of(train, 8)
        torch.manual_seed(0)
        network = ViewNetworks(scans.shapes, 4, 3)
        regress(network, scans, torch.from_numpy(there.astype(np.float32)), Regression(4, 16, 5e-3), 1)
        twice.append(network.read(scans).numpy().tobytes())
    assert twice[0] == twice[1]


def test_frozen_features_are_one_view() -> None:
    torch.set_num_threads(1)
    features = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    scans = Scans({"features": features}, torch.ones(64, 1))
    torch.manual_seed(0)
    network = ViewNetworks(scans.shapes, 4, 2)
    loss = regress(network, scans, features[:, :2], Regression(120, 16, 5e-3), 1)
    assert loss[-1] < loss[0] / 2 and network.read(scans).shape == (64, 2)


def test_one_case_is_too_few_and_a_loss_that_is_no_number_is_said() -> None:
    scans = Scans({"features": torch.randn(1, 6)}, torch.ones(1, 1))
    with pytest.raises(BenchmarkError, match="1 cases have both an image and a report"):
        regress(ViewNetworks(scans.shapes, 4, 2), scans, torch.zeros(1, 2), Regression(1, 16, 1e-3), 1)
    wrong = Scans({"features": torch.full((4, 6), torch.nan)}, torch.ones(4, 1))
    with pytest.raises(InvalidTraining, match="image networks, epoch 1"):
        regress(ViewNetworks(wrong.shapes, 4, 2), wrong, torch.zeros(4, 2), Regression(1, 16, 1e-3), 1)
