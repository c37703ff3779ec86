"""Views as they are: read by index, on the training part's scale, augmented by seeds of their own; images and signals alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

from benchmark.data.cohort import Cohort  # noqa: E402
from benchmark.data.intake import take_in  # noqa: E402
from benchmark.data.modalities.image import ImageView  # noqa: E402
from benchmark.learning.neural import Batch, NeuralMethod, Shapes  # noqa: E402
from benchmark.learning.neural.augmentation import MASKED, Augmentation  # noqa: E402
from benchmark.learning.neural.loop import Recipe, augmented, probabilities  # noqa: E402
from benchmark.learning.neural.neural import LearningCases, Preparation  # noqa: E402
from benchmark.learning.neural.views import PIECE, ViewScaler, coarser  # noqa: E402
from benchmark.system.errors import BenchmarkError, DataError  # noqa: E402

N = 30


def cohort(**views: Any) -> Cohort:
    """30 cases of images alone; every third has label 1."""
    rng = np.random.default_rng(4)
    shapes = {"mask": (1, 10, 8, 6), "flair": (2, 10, 8, 6), "slices": (3, 12, 12)}
    made = {name: rng.integers(1, 255, size=(N, *shape)).astype(np.uint8) for name, shape in shapes.items()}
    made["flair"][5] = 0
    images = {name: ImageView(array, scale=1 / 255 if name == "mask" else 1.0) for name, array in made.items()}
    ids = np.array([f"case-{i:02d}" for i in range(N)])
    return Cohort("made", ids, (np.arange(N) % 3 == 0).astype(np.int8), images=views or images, rows=np.arange(N))


def everything(unread: Any) -> dict[str, torch.Tensor]:
    return unread.at(torch.arange(len(unread)))


def prepared(train: Cohort, **treatments: str) -> Preparation:
    return Preparation(train, "table", {}, treatments, tokens=False, seed=1, unencoded={"image"})


# Reading


@dataclass
class Watched:
    """A view that keeps what was asked of it."""

    array: np.ndarray
    asked: list[np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def take(self, index: np.ndarray) -> Watched:
        return Watched(self.array[index], self.asked)

    def __getitem__(self, index: Any) -> np.ndarray:
        self.asked.append(np.asarray(index))
        return self.array[index].astype(np.float32)


@dataclass
class ByBrightness(NeuralMethod):
    """A linear map of the mean of each view."""

    unencoded = frozenset({"image"})
    epochs: int = 2
    batch_size: int = 8

    def module(self, shapes: Shapes) -> torch.nn.Module:
        self.shapes = shapes

        class Means(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.map = torch.nn.Linear(len(shapes.views), 1)

            def forward(self, batch: Batch) -> torch.Tensor:
                return self.map(torch.stack([view.flatten(1).mean(1) for view in batch.views.values()], dim=1)).squeeze(1)

        return Means()


def test_a_fit_reads_the_cases_of_a_batch_and_of_large_views_a_piece_and_never_all() -> None:
    edge = 64
    seen = Watched(np.ones((N, 1, edge, edge, edge), dtype=np.uint8), [])
    seen.array[::3] += 1
    whole = cohort(scan=seen)
    method = ByBrightness()
    method.fit(whole.take(np.arange(20)), whole.take(np.arange(20, 26)), 1)
    told = method.predict_proba(whole.take(np.arange(26, 30)).blind())
    assert told.shape == (4,) and seen.asked
    assert max(index.size for index in seen.asked) == PIECE // edge**3 == 4


@pytest.mark.parametrize(("edge", "times"), [(4, 1), (0, 5)])
def test_views_on_a_coarser_grid_are_read_once_and_give_the_same_values_again(edge: int, times: int) -> None:
    array = np.random.default_rng(3).integers(1, 200, size=(N, 1, 8, 8, 8)).astype(np.uint8)
    seen = Watched(array, [])
    train = cohort(scan=seen)
    unread = ViewScaler(train, "image", edge).cases(train)
    rows = torch.tensor([4, 9, 4])
    parts = [unread.of(np.arange(N)).at(rows)["scan"] for _ in range(4)]
    assert np.bincount(np.concatenate([np.atleast_1d(index) for index in seen.asked]))[9] == times, "once to scale"
    assert all(torch.equal(part, parts[0]) for part in parts)
    grid = array[[4, 9, 4]].astype(np.float32)
    grid = grid.reshape(3, 1, 4, 2, 4, 2, 4, 2).mean(axis=(3, 5, 7)) if edge else grid
    assert np.corrcoef(parts[0].numpy().ravel(), grid.ravel())[0, 1] > 1 - 1e-6


def test_a_batch_of_an_epoch_holds_the_views_of_its_cases_alone() -> None:
    train = cohort()
    batch = prepared(train).batch(train)
    assert len(batch) == N and batch.views == {}
    some = batch.at(torch.tensor([7, 2, 7]))
    assert {name: tuple(view.shape) for name, view in some.views.items()} == {
        "flair": (3, 2, 10, 8, 6), "mask": (3, 1, 10, 8, 6), "slices": (3, 3, 12, 12),
    }  # fmt: skip
    assert torch.equal(some.views["flair"][0], some.views["flair"][2]) and not some.unread
    assert torch.equal(some.at(torch.tensor([1])).views["mask"][0], some.views["mask"][1])


def test_predictions_are_read_in_batches_and_rows_without_views_in_one() -> None:
    sizes: list[int] = []

    class Counting(torch.nn.Module):
        def forward(self, batch: Batch) -> torch.Tensor:
            sizes.append(len(batch))
            return torch.zeros(len(batch))

    train = cohort()
    many = prepared(train)._view_scalers["image"].cases(train).of(np.arange(150) % N)
    assert probabilities(Counting(), Batch(None, None, None, unread=(many,))).shape == (150,)
    assert probabilities(Counting(), Batch(torch.zeros(150, 2), None, None)).shape == (150,)
    assert sizes == [64, 64, 22, 150]


# Scale


def test_every_channel_has_the_training_parts_mean_and_deviation_and_a_mask_its_shares() -> None:
    whole = cohort()
    train, test = whole.take(np.arange(20)), whole.take(np.arange(20, N))
    scaler = ViewScaler(train, "image")
    stored = whole.images["flair"].load()
    there = np.delete(stored[:20], 5, axis=0)  # case 5 has none
    mean, deviation = (there.mean((0, 2, 3, 4)), there.std((0, 2, 3, 4)))
    for cases, own in ((train, stored[:20]), (test, stored[20:])):
        made = everything(scaler.cases(cases))
        expected = (own - mean[:, None, None, None]) / deviation[:, None, None, None]
        expected[~own.any(axis=(1, 2, 3, 4))] = 0
        np.testing.assert_allclose(made["flair"].numpy(), expected, atol=1e-5)
        np.testing.assert_array_equal(made["mask"].numpy(), cases.images["mask"].load())


def test_outliers_are_cut_and_a_channel_of_one_value_is_zero_whatever_its_unit() -> None:
    values = np.random.default_rng(0).normal(size=(N, 2, 4, 4, 4)).astype(np.float32) * 1e-12
    values[:, 1], values[3, 0, 0, 0, 0] = 7.25, 1.0
    made = everything(ViewScaler(cohort(scan=ImageView(values)), "image").cases(cohort(scan=ImageView(values))))["scan"]
    assert float(made[3, 0].max()) == 5 and not made[:, 1].abs().max() > 1e-3
    small = ViewScaler(cohort(scan=ImageView(values[:3].repeat(10, axis=0))), "image").cases(
        cohort(scan=ImageView(values[:3].repeat(10, axis=0)))
    )
    assert float(everything(small)["scan"][:, 0].std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("spatial", "grid"),
    [((40, 48, 34), (20, 24, 17)), ((24, 8, 3), (24, 8, 3)), ((189, 189), (48, 48)), ((97, 40), (33, 14)), ((500,), (500,))],
)
def test_grids_are_averaged_by_one_factor_slices_to_twice_the_edge_and_signals_not_at_all(
    spatial: tuple[int, ...], grid: tuple[int, ...]
) -> None:
    assert coarser(spatial, 24) == grid
    assert coarser(spatial, 0) == spatial


def test_the_coarser_grid_holds_means() -> None:
    train = cohort()
    made = everything(ViewScaler(train, "image", edge=5).cases(train))["mask"]
    stored = train.images["mask"].load()
    np.testing.assert_allclose(made.numpy(), stored.reshape(N, 1, 5, 2, 4, 2, 3, 2).mean((3, 5, 7)), atol=1e-6)


# Augmentation


def test_what_a_sample_becomes_depends_on_the_epoch_and_its_place_and_not_on_the_batching() -> None:
    train = cohort()
    learning = LearningCases(prepared(train), train, 1, 9)
    first, second = (learning.epoch(np.random.default_rng(0)) for _ in range(2))
    n = len(learning.labels)
    assert n > N, "copies even the classes"
    whole = first.at(torch.arange(n)).views
    for size in (1, 7):
        parts = [first.at(index).views for index in torch.arange(n).split(size)]
        for name in whole:
            assert torch.equal(whole[name], torch.cat([part[name] for part in parts])), (name, size)
    other = second.at(torch.arange(n)).views
    assert all(not torch.equal(whole[name][case], other[name][case]) for name in whole for case in range(n) if case != 5)
    again = LearningCases(prepared(train), train, 1, 9).epoch(np.random.default_rng(5)).at(torch.arange(n)).views
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = learning._views[0].rows
    case = int(rows[N])
    assert case < N and not torch.equal(whole["mask"][N], whole["mask"][case]), "a copy is altered in its own way"
    assert all(not whole[name][5].any() for name in ("flair",)), "a case without the view still has none"


class Given:
    """A generator that gives these numbers."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = np.array(numbers)

    def uniform(self, low: float, high: float, size: Any) -> np.ndarray:
        return self.numbers


def test_volumes_are_turned_about_their_middle_scaled_and_shifted_as_scipy_does() -> None:
    volume = np.random.default_rng(1).random((9, 12, 7)).astype(np.float32)
    drawn = (0.5, -1.0, 0.8, 0.6, 1.0, -0.4, 0.2)
    moved = Augmentation([Given(*drawn)]).placed(torch.from_numpy(volume)[None, None])[0, 0].numpy()

    def turn(axis: int, degrees: float) -> np.ndarray:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = c
        matrix[i, j], matrix[j, i] = -s, s
        return matrix

    matrix = 1.06 * turn(2, 8.0) @ turn(1, -10.0) @ turn(0, 5.0)
    sizes = np.array(volume.shape)
    centre = (sizes - 1) / 2
    offset = centre - matrix @ centre + 0.05 * np.array([1.0, -0.4, 0.2]) * sizes
    expected = ndimage.affine_transform(volume, matrix, offset, order=1, mode="grid-constant")
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_without_a_draw_nothing_moves() -> None:
    images = torch.rand(2, 3, 8, 5)
    still = Augmentation([Given(*[0.0] * 7)] * 2).placed(images)
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)


def generators(n: int) -> list[np.random.Generator]:
    return [np.random.default_rng([3, i]) for i in range(n)]


def test_mask_and_volume_move_alike_slices_in_their_plane_and_nothing_is_mirrored() -> None:
    n = 60
    volumes = torch.zeros(n, 1, 24, 24, 24)
    volumes[:, :, 4:8, 10:14, 12:18] = 1.0
    augmentation = Augmentation(generators(n))
    mask, volume = augmentation.placed(volumes), augmentation.placed(3 * volumes)
    torch.testing.assert_close(volume, 3 * mask)
    places = torch.arange(24.0)
    middle = (mask.sum((1, 3, 4)) * places).sum(1) / mask.sum((1, 2, 3, 4))
    assert float(middle.max()) < 11, "left stays left"
    assert float(middle.std()) > 0.3 and not torch.equal(mask[0], mask[1])
    slices = torch.stack([torch.ones(n, 24, 24), torch.zeros(n, 24, 24)], dim=1)
    moved = Augmentation(generators(n)).placed(slices)
    assert not moved[:, 1].any() and moved[:, 0].any()


def test_contrast_and_brightness_differ_by_channel_and_stay_within_their_range() -> None:
    images = torch.ones(200, 2, 4, 4)
    toned = Augmentation(generators(200)).toned(images)
    assert 0.8 <= float(toned.min()) < 0.85 and 1.15 < float(toned.max()) <= 1.2
    assert not torch.equal(toned[:, 0], toned[:, 1]) and torch.equal(toned[..., :1].expand_as(toned), toned)


def test_signals_are_rescaled_jittered_and_silenced_for_a_while_in_all_leads_at_once() -> None:
    n, leads, samples = 200, 3, 400
    signals = torch.full((n, leads, samples), 10.0)
    made = Augmentation(generators(n)).toned(Augmentation(generators(n)).placed(signals))
    silent = made == 0
    assert torch.equal(silent[:, :1].expand_as(silent), silent)
    lengths = silent[:, 0].sum(1)
    assert 0 < int(lengths.max()) <= MASKED * samples + 1 and float(lengths.float().mean()) > 0.3 * MASKED * samples
    heard = made.masked_fill(silent, torch.nan)
    gains = heard.nanmean(2) / 10
    assert 0.899 < float(gains.min()) < 0.92 and 1.08 < float(gains.max()) < 1.101
    noise = (heard - heard.nanmean(2, keepdim=True))[~silent]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05)


# What the loop does with every input, it does with views


def test_mixup_blends_views_and_noise_touches_them() -> None:
    labels = (torch.arange(16) % 2).float()
    batch = Batch(None, None, None, {"scan": labels.view(-1, 1, 1, 1).expand(-1, 1, 4, 4).clone()})
    recipe, rng = Recipe(noise=0.0), np.random.default_rng(1)
    made = [augmented(batch, labels, recipe, rng) for _ in range(20)]
    assert any(not torch.equal(mixed, labels) for _, mixed in made)
    for each, mixed in made:
        torch.testing.assert_close(each.views["scan"].mean((1, 2, 3)), mixed)
    noisy = [augmented(batch, labels, Recipe(mixup=0.0), rng)[0].views["scan"] - batch.views["scan"] for _ in range(20)]
    assert 4 < sum(bool(each.any()) for each in noisy) < 16


def test_controls_give_the_view_of_a_training_case_or_the_same_to_all() -> None:
    whole = cohort()
    train, test = whole.take(np.arange(20)), whole.take(np.arange(20, N))
    own, dealt = prepared(train), prepared(train, image="permuted")
    learnt, given = everything(own.views(train)[0]), everything(dealt.views(test)[0])
    for name, view in given.items():
        assert all(bool((learnt[name] == case).flatten(1).all(1).any()) for case in view), name
    assert torch.equal(everything(dealt.views(test.take([3]))[0])["mask"][0], given["mask"][3])
    constant = everything(prepared(train, image="constant").views(test)[0])
    assert all(torch.equal(view, view[:1].expand_as(view)) for view in constant.values())
    assert {name: view.shape for name, view in constant.items()} == {name: view.shape for name, view in given.items()}


def test_copies_of_the_smaller_class_have_the_views_of_their_case() -> None:
    train = cohort()
    learning = LearningCases(prepared(train), train, 1, 1)
    rows = learning._views[0].rows
    assert rows[:N].tolist() == list(range(N)) and len(rows) == 40
    assert [int(train.labels[row]) for row in rows] == learning.labels.int().tolist()  # type: ignore[index]


# Signals: nothing of the neural code is about images


def test_a_signal_is_learnt_from_as_it_is() -> None:
    signals = np.random.default_rng(2).normal(size=(N, 4, 300))
    signals[::3] += 2
    whole = cohort(ecg=ImageView(signals.astype(np.float32)))
    method = ByBrightness(epochs=30, learning_rate=0.05)
    method.fit(whole.take(np.arange(20)), whole.take(np.arange(20, 25)), 1)
    assert method.shapes.views == {"ecg": (4, 300)}
    told = method.predict_proba(whole.take(np.arange(25, N)).blind())
    assert told[[2]].min() > np.delete(told, 2).max(), "case 27 is of label 1"


# What cannot be used is refused by name


def test_a_lead_with_nan_is_refused_with_view_and_case() -> None:
    signals = np.random.default_rng(2).normal(size=(N, 4, 300)).astype(np.float32)
    signals[[7, 9], 2, 50] = np.nan
    whole = cohort(ecg=ImageView(signals))
    message = r"made: image view 'ecg': NaN or infinite values \(case case-07 and 1 more\)"
    with pytest.raises(BenchmarkError, match=message):
        ByBrightness().fit(whole.take(np.arange(20)), whole.take(np.arange(20, 25)), 1)
    method = ByBrightness()
    method.fit(whole.take(np.arange(10, 25)), whole.take(np.arange(25, N)), 1)
    with pytest.raises(BenchmarkError, match=r"'ecg': NaN or infinite values \(case case-09\)"):
        method.predict_proba(whole.take([8, 9]).blind())


def test_no_case_is_refused() -> None:
    whole = cohort()
    with pytest.raises(BenchmarkError, match="made: no case whose image could be read"):
        ByBrightness().fit(whole.take([]), whole, 1)
    method = ByBrightness()
    method.fit(whole, whole, 1)
    with pytest.raises(BenchmarkError, match="made: no case whose image could be read"):
        method.predict_proba(whole.take([]).blind())


@pytest.mark.parametrize("wrapped", [ImageView, lambda volumes: volumes], ids=["view", "list"])
def test_volumes_of_several_shapes_are_refused_by_the_views_name(wrapped: Callable[[Any], Any]) -> None:
    volumes = [np.ones((1, 4, 4, 4 + i % 2), dtype=np.uint8) for i in range(N)]
    with pytest.raises(DataError, match="made: image view 'scan': images of different shapes: bring them to one grid"):
        take_in(replace(cohort(), sites=np.repeat(["x"], N), groups=cohort().case_ids, images={"scan": wrapped(volumes)}))


def test_a_modality_without_views_is_refused() -> None:
    from benchmark.audit.attempt import specimen

    class Reading(ByBrightness):
        unencoded = frozenset({"text"})

    with pytest.raises(BenchmarkError, match="no text that a network could see as it is: use an encoder's features"):
        Reading().fit(specimen("complete"), specimen("complete"), 1)
