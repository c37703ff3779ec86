"""Maps of what a network uses find a planted region, those of random weights do not, and they lie where they say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import binomtest
from torch import Tensor, nn

from baselines.concat import Concat
from baselines.daft import DAFT
from baselines.image_cnn import ImageCNN
from benchmark import Batch, BenchmarkError, Cohort, ImageView, NeuralMethod
from benchmark.learning.explaining import Branch, CaseLogit, CaseMaps, branches, case_maps, explainable, on_grid
from benchmark.learning.fitting import Views, fit_and_predict
from benchmark.learning.neural.inputs import Shapes
from benchmark.registry.discovery import discover

EDGE = 16
TRAIN, VALIDATION, TEST = np.arange(60), np.arange(60, 80), np.arange(80, 120)


@dataclass
class Planted:
    """A fitted network of images whose label is a planted region, untrained doubles, and the cases that it did not see."""

    module: nn.Module
    others: list[nn.Module]
    cases: Batch
    of_label: NDArray[np.intp]
    region: NDArray[np.bool_]

    def maps(self, module: nn.Module) -> list[CaseMaps]:
        (branch,) = branches(module, self.cases)
        grid = self.region.shape[1:]
        return [
            CaseMaps(*(on_grid(each, grid, branch) for each in (maps.grad_cam, maps.occlusion)))
            for maps in case_maps(module, self.cases, branch, 1, self.of_label)
        ]

    def pointed(self, maps: list[NDArray[np.float32]]) -> tuple[float, float]:
        """The pointing game: exact 95 % interval of the share of cases whose map is highest inside the region."""
        hits = sum(bool(self.region.ravel()[each.argmax()]) for each in maps)
        interval = binomtest(hits, len(maps)).proportion_ci()
        return interval.low, interval.high


def planted_cohort(axes: int, cases: int = 120) -> tuple[Cohort, NDArray[np.bool_]]:
    """Clouds. Volumes of label 1 have a brighter block; three slices have one in each corner, of which the second lacks one."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(cases) % 2).astype(np.int8)
    planes = 1 if axes == 3 else 3
    region, blocks = np.zeros((2, planes, *(EDGE,) * axes), dtype=bool)
    region[(planes // 2, slice(10, 15), slice(2, 7), slice(10, 15))[: axes + 1]] = True  # about a cell of the maps
    for corner in product((4, 12), repeat=axes):
        blocks[(slice(None), *(slice(place - 2, place + 3) for place in corner))] = True
    clouds = gaussian_filter(rng.normal(size=(cases, *region.shape)), [0, 0, *[1.5] * axes], mode="wrap")
    of_label = labels.reshape(-1, *[1] * (axes + 1)) * region.astype(float)
    images = 100 + 20 * clouds / clouds.std() + (40 * of_label if axes == 3 else 60 * (blocks - of_label))
    ids = np.array([f"case-{i:03d}" for i in range(cases)])
    views = {"scan": ImageView(images.clip(0, 255).astype(np.uint8), scale=1 / 255)}
    return Cohort("planted", ids, labels, images=views, rows=np.arange(cases)), region


@pytest.fixture(scope="module", params=[3, 2], ids=["volumes", "slices"])
def planted(request: pytest.FixtureRequest) -> Planted:
    cases = 120 if request.param == 3 else 240
    cohort, region = planted_cohort(request.param, cases)
    train, validation, tested = np.split(np.arange(cases), [cases // 2, cases * 2 // 3])
    test = cohort.take(tested)
    views = Views(cohort.take(train), cohort.take(validation), test.blind())
    method = fit_and_predict(discover().method("image-cnn"), views, 3).method
    module, batch = explainable(method, views.test)
    others = []
    for seed in (3, 4, 11):
        torch.manual_seed(seed)
        others.append(ImageCNN().module(Shapes.of(batch)).eval())
    assert test.labels is not None
    return Planted(module, others, batch, np.flatnonzero(test.labels == 1), region)


@pytest.mark.slow
def test_grad_cam_finds_the_planted_region_and_occlusion_agrees(planted: Planted) -> None:
    maps, chance = planted.maps(planted.module), planted.region.mean()
    assert planted.pointed([each.grad_cam for each in maps])[0] > chance
    assert planted.pointed([each.occlusion for each in maps])[0] > chance
    cam, occlusion = (np.mean([getattr(each, kind) for each in maps], axis=0) for kind in ("grad_cam", "occlusion"))
    assert planted.region.ravel()[cam.argmax()]
    assert np.corrcoef(cam.ravel(), occlusion.ravel())[0, 1] > 0.1


@pytest.mark.slow
def test_networks_of_random_weights_do_not_find_it(planted: Planted) -> None:
    for other in planted.others:
        low, high = planted.pointed([each.grad_cam for each in planted.maps(other)])
        assert low <= planted.region.mean(), f"{low} to {high}"


class Averaging(nn.Module):
    """Two convolutions, the mean over space, a linear map: what Grad-CAM was made for."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv3d(channels, 4, 3, 2, 1), nn.Conv3d(4, 5, 2, 2)
        self.linear = nn.Linear(5, 1)

    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = self.linear(self.second(self.first(batch.views["scan"]).relu()).mean((2, 3, 4))).squeeze(1)
        return logits


def batch(**views: tuple[int, ...]) -> Batch:
    generator = torch.Generator().manual_seed(5)
    return Batch(None, None, None, {name: torch.randn(shape, generator=generator) for name, shape in views.items()})


def test_where_a_network_averages_over_space_the_map_is_monais_grad_cam() -> None:
    from monai.visualize import GradCAM

    torch.manual_seed(2)
    module, cases = Averaging(2).eval(), batch(scan=(3, 2, 16, 20, 18))
    (branch,) = branches(module, cases)
    assert (branch.layer, branch.cells) == ("second", (4, 5, 4))
    for label in (0, 1):
        for i, maps in enumerate(case_maps(module, cases, branch, label, np.arange(3))):
            logit = CaseLogit(module, cases.at(torch.tensor([i])), branch, label)
            theirs = GradCAM(logit, "module.second").compute_map(cases.views["scan"][[i]].requires_grad_(), class_idx=0)
            np.testing.assert_allclose(maps.grad_cam, theirs[0].detach().numpy(), atol=1e-6)
            assert maps.grad_cam.any() and not module.training


class Dropping(Averaging):
    """Likewise, with dropout."""

    def forward(self, batch: Batch) -> Tensor:
        maps = nn.functional.dropout(self.first(batch.views["scan"]).relu(), 0.5, self.training)
        logits: Tensor = self.linear(self.second(maps).mean((2, 3, 4))).squeeze(1)
        return logits


def test_no_map_is_drawn_with_dropout() -> None:
    torch.manual_seed(2)
    module, cases = Dropping(2).eval(), batch(scan=(3, 2, 16, 20, 18))
    (branch,) = branches(module, cases)
    first, *_, again = case_maps(module, cases, branch, 1, np.array([0, 1, 0]))
    assert first.occlusion.any() and np.array_equal(first.occlusion, again.occlusion)
    assert np.array_equal(first.grad_cam, again.grad_cam)


def test_cells_lie_where_their_convolutions_are_centred() -> None:
    (branch,) = branches(Averaging(1).eval(), batch(scan=(1, 1, 16, 20, 18)))
    # the first is centred on voxels 0, 2, 4 ..., the second of two cells and no padding on the middle of each pair
    assert branch.starts == (1, 1, 1) and branch.steps == (4, 4, 4)


def test_a_map_of_one_cell_is_highest_at_its_place_on_any_grid_of_the_same_extent() -> None:
    branch = Branch({"scan": 1}, (16, 16, 16), "", (4, 4, 4), (0.0, 1.0, 0.0), (4.0, 4.0, 4.0))
    maps = np.zeros((1, 4, 4, 4), dtype=np.float32)
    maps[0, 1, 2, 3] = 7
    shown = on_grid(maps, (16, 16, 16), branch)[0]
    assert np.unravel_index(shown.argmax(), shown.shape) == (4, 9, 12) and shown.max() == 1
    np.testing.assert_allclose(shown[:, 9, 12][:9], [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0])
    fine = on_grid(maps, (32, 16, 16), branch)[0]
    assert set(np.flatnonzero(fine[:, 9, 12] == fine.max())) == {8, 9}, "two fine voxels lie in each voxel of the network"
    assert on_grid(np.zeros((1, 4, 4, 4), dtype=np.float32), (16, 16, 16), branch).max() == 0


@pytest.mark.parametrize(
    "method", [DAFT(epochs=2), Concat(image="cnn", modalities="image+table", epochs=2)], ids=["daft", "concat"]
)
def test_the_logit_that_is_explained_is_the_cases_own_with_its_table(method: NeuralMethod) -> None:
    cohort, _ = planted_cohort(3)
    table = pd.DataFrame({"age": np.random.default_rng(1).normal(70, 9, 120)})
    cohort = Cohort(**{**vars(cohort), "table": table})
    method.fit(cohort.take(TRAIN), cohort.take(VALIDATION), 3)
    test = cohort.take(TEST).blind()
    module, cases = explainable(method, test)
    (branch,) = branches(module, cases)
    chances = method.predict_proba(test)
    for i in (0, 7):
        case = cases.at(torch.tensor([i]))
        one, zero = (float(CaseLogit(module, case, branch, label)(case.views["scan"])) for label in (1, 0))
        assert 1 / (1 + np.exp(-one)) == pytest.approx(chances[i], abs=1e-6) and zero == -one
    assert len(set(chances.round(6))) > 30


def test_volumes_of_one_grid_are_one_branch_and_slices_have_a_map_each() -> None:
    views = {"mask": (3, 1, 16, 16, 16), "mri": (3, 2, 16, 16, 16), "flair": (3, 3, 32, 24)}
    cases = batch(**views)
    module = ImageCNN().module(Shapes.of(cases)).eval()
    found = {tuple(branch.views.items()): branch for branch in branches(module, cases)}
    assert set(found) == {(("mask", 1), ("mri", 2)), (("flair", 3),)}
    sizes = {
        names: [(maps.grad_cam.shape, maps.occlusion.shape) for maps in case_maps(module, cases, branch, 1, np.array([1]))][0]
        for names, branch in found.items()
    }
    assert sizes[(("mask", 1), ("mri", 2))] == ((1, 4, 4, 4), (1, 16, 16, 16))
    assert sizes[(("flair", 3),)] == ((3, 4, 3), (3, 32, 24))


def test_a_slice_that_alone_differs_is_the_one_that_is_shown() -> None:
    cases = batch(flair=(8, 3, 16, 16))
    cases.views["flair"][:, 2] = 0

    class Middle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Conv2d(1, 1, 3, 2, 1)

        def forward(self, batch: Batch) -> Tensor:
            maps: Tensor = self.network(batch.views["flair"].flatten(0, 1)[:, None]).square().mean((1, 2, 3)).view(-1, 3)
            return maps[:, 1]

    module = Middle()
    (branch,) = branches(module, cases)
    (maps,) = case_maps(module, cases, branch, 1, np.array([0]))
    for kind in (maps.grad_cam, maps.occlusion):
        assert kind[1].any() and not kind[0].any() and not kind[2].any()


def test_a_method_of_another_shape_offers_its_own_module() -> None:
    class Own:
        def explainable(self, cases: Cohort) -> tuple[nn.Module, Batch]:
            return Averaging(1), batch(scan=(len(cases), 1, 16, 16, 16))

        def fit(self, *_: Any) -> None: ...

        def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
            return np.full(len(cases), 0.5)

    cohort, _ = planted_cohort(3)
    module, cases = explainable(Own(), cohort)
    assert not module.training and len(cases.at(torch.arange(2)).views["scan"]) == 2


def test_what_has_no_image_branch_is_refused_by_name() -> None:
    cohort, _ = planted_cohort(3)
    with pytest.raises(BenchmarkError, match="no image branch"):
        explainable(Concat(), cohort)
    with pytest.raises(BenchmarkError, match="no volumes and no slices"):
        branches(nn.Identity(), batch(ecg=(2, 12, 100)))
    with pytest.raises(BenchmarkError, match=r"view 'scan' \(4x4x4 .*no convolutions whose maps have 4 cells"):
        branches(Averaging(1), batch(scan=(2, 1, 4, 4, 4)))
