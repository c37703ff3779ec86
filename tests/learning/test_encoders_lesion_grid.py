"""The lesion grid by hand-computed values, and slices where they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import ImageView
from benchmark.data.sources import Sources
from benchmark.learning.encoders._views import averaged, positions_of, voxel_of
from benchmark.learning.encoders.lesion_grid import LesionGrid
from benchmark.system.errors import BenchmarkError
from datasets._soop_cohort import SLICES

GRID = (8, 8, 8)
SHAPE = slice(65, 80)
"""Where pooled holds place and shape: after the volume and 64 cells."""


def cohort(masks: NDArray[np.float32], volumes: list[float] | None = None, **views: NDArray[np.float32]) -> Cohort:
    """Masks (n, x, y, z), further views (n, c, *spatial)."""
    n = len(masks)
    derived = None if volumes is None else pd.DataFrame({"lesion_volume_ml": volumes})
    images = {name: ImageView(view) for name, view in {"mask": masks[:, None], **views}.items()}
    return Cohort(name="made", case_ids=np.array([f"c{i}" for i in range(n)]), images=images, derived=derived)


def box(*corner: slice) -> NDArray[np.float32]:
    """One mask with a box of lesion."""
    mask = np.zeros((1, *GRID), dtype=np.float32)
    mask[(0, *corner)] = 1
    return mask


def cell(x: int, y: int, z: int) -> int:
    return 16 * x + 4 * y + z


def test_a_cell_has_its_share_of_lesion_and_the_roots_of_its_parts() -> None:
    features = LesionGrid().encode(cohort(box(slice(0, 2), slice(2, 3), slice(0, 1)), [np.e - 1]))
    expected = np.zeros(64)
    expected[cell(0, 1, 0)] = 2 / 8  # two of the cell's eight voxels
    np.testing.assert_allclose(features.lesion_share, [expected], atol=1e-6)
    assert features.tokens.shape == (1, 1, 64, 11)
    # The parts of a cell run with z fastest: the lesion fills (0, 0, 0) and (1, 0, 0), parts 0 and 4.
    assert features.tokens[0, 0, cell(0, 1, 0), :8].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(features.tokens[0, 0, cell(0, 1, 3), 8:], [-0.75, -0.25, 0.75])
    np.testing.assert_allclose(features.pooled[0, 0, 0], 1, rtol=1e-6)
    np.testing.assert_allclose(features.pooled[0, 0, 1:65], np.sqrt(expected), atol=1e-6)
    assert (features.grid, features.mask.all()) == ((4, 4, 4), True)


def test_place_and_shape_of_a_box() -> None:
    shape = LesionGrid().encode(cohort(box(slice(0, 4), slice(0, 2), slice(6, 8)))).pooled[0, 0, SHAPE]
    np.testing.assert_allclose(shape[:3], [2 * 2 / 8 - 1, 2 * 1 / 8 - 1, 2 * 7 / 8 - 1], rtol=1e-5)
    np.testing.assert_allclose(shape[3:6], [np.sqrt(1.25) / 8, 0.5 / 8, 0.5 / 8], rtol=1e-5)  # of 4, 2 and 2 places
    np.testing.assert_allclose(shape[6:9], [4 / 8, 2 / 8, 2 / 8])
    assert shape[9:11].tolist() == [-1, 1]  # it lies in the first half of the first axis
    np.testing.assert_allclose(shape[11], 1 - np.sqrt((0.25 + 1 / 12) / (1.25 + 1 / 12)), rtol=1e-5)
    np.testing.assert_allclose(shape[12], 6 * 16 ** (2 / 3) / 40, rtol=1e-5)  # 40 faces
    np.testing.assert_allclose(shape[13:], [np.log(2), 1], rtol=1e-6)


def test_parts_of_a_lesion_are_counted() -> None:
    two = box(slice(0, 1), slice(0, 1), slice(0, 3)) + box(slice(6, 7), slice(0, 1), slice(0, 1))
    shape = LesionGrid().encode(cohort(two)).pooled[0, 0, SHAPE]
    np.testing.assert_allclose(shape[13:], [np.log(3), 3 / 4], rtol=1e-6)
    np.testing.assert_allclose(shape[9], -0.5)


def test_without_lesion_there_is_no_shape_and_nothing_infinite() -> None:
    features = LesionGrid().encode(cohort(np.zeros((1, *GRID), np.float32), [0.0], mri=np.zeros((1, 2, *GRID), np.float32)))
    assert not features.pooled.any()
    assert not features.tokens[..., :8].any()
    assert np.isfinite(features.tokens).all()


def test_a_volume_that_four_does_not_divide_is_cut_into_equal_parts() -> None:
    image = np.random.default_rng(0).random((2, 6, 5, 3)).astype(np.float32)
    fine = image.repeat(4, 1).repeat(4, 2).repeat(4, 3)  # each voxel as 4 x 4 x 4 equal ones: 24 x 20 x 12
    blocks = fine.reshape(2, 4, 6, 4, 5, 4, 3).mean(axis=(2, 4, 6))
    np.testing.assert_allclose(averaged(image, (4, 4, 4)), blocks, rtol=1e-5)


def test_intensities_are_those_of_the_case_in_deviations_of_its_healthy_tissue() -> None:
    lesion = box(slice(0, 2), slice(0, 2), slice(0, 1))
    scan = np.full((1, 1, *GRID), 10, dtype=np.float32)
    scan[:, :, :, ::2] = 14  # every cell is half 10 and half 14
    scan[0, 0][lesion[0] > 0] = 16
    features = LesionGrid().encode(cohort(lesion, mri=scan))
    healthy = scan[0, 0][lesion[0] == 0]
    mean, deviation = healthy.mean(), healthy.std()
    told = features.tokens[0, 0, :, 11:]
    np.testing.assert_allclose(told[cell(3, 3, 3)], [(12 - mean) / deviation, 2 / deviation, 0, 0, 1], atol=1e-4)
    inner, outer = (16 - mean) / deviation, (12 - mean) / deviation
    np.testing.assert_allclose(told[cell(0, 0, 0)][[0, 2, 3]], [(inner + outer) / 2, inner, inner - outer], rtol=1e-4)
    # The lesion's mirror image lies in the last two planes of the first axis.
    np.testing.assert_allclose(features.pooled[0, 0, -3:], [inner, 0, inner - outer], atol=1e-3)


def test_units_of_a_scan_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    lesion, scan = box(slice(1, 5), slice(2, 4), slice(3, 7)), rng.uniform(1, 2, (1, 1, *GRID)).astype(np.float32)
    one, other = (LesionGrid().encode(cohort(lesion, mri=scale * scan)) for scale in (1, 40))
    np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-4)
    np.testing.assert_allclose(one.pooled, other.pooled, atol=1e-4)


def many(n: int = 40) -> Cohort:
    rng = np.random.default_rng(2)
    masks = (rng.random((n, *GRID)) < rng.uniform(0.01, 0.4, (n, 1, 1, 1))).astype(np.float32)
    return cohort(masks, rng.uniform(0, 90, n).tolist(), mri=rng.random((n, 2, *GRID)).astype(np.float32))


def agree(one: Features, other: Features) -> None:
    for name in ("tokens", "mask", "pooled", "lesion_share"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)


def test_a_case_does_not_depend_on_the_others_or_their_order() -> None:
    whole, order = LesionGrid().encode(many()), np.random.default_rng(3).permutation(40)
    agree(LesionGrid().encode(many().take(order)), whole.take(order))
    agree(LesionGrid().encode(many().take([7])), whole.take(np.array([7])))


def test_a_case_without_image_is_masked_and_zero() -> None:
    cases = many(3)
    features = LesionGrid().encode(Cohort(**{**vars(cases), "present": {"image": np.array([True, False, True])}}))
    assert features.mask.any(axis=(1, 2)).tolist() == [True, False, True]
    assert not any(part[1].any() for part in (features.tokens, features.pooled, features.lesion_share))


def test_a_cohort_without_mask_is_refused_with_what_it_has() -> None:
    bare = Cohort(name="made", case_ids=np.array(["a"]), images={"scan": ImageView(np.zeros((1, 1, 2, 2, 2)))})
    with pytest.raises(BenchmarkError, match=r"no view 'mask' of shape \(1, x, y, z\): it has 'scan' \(1, 2, 2, 2\)"):
        LesionGrid().encode(bare)


def test_slices_that_lie_nowhere_known_are_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"where in the mask's grid \(8, 8, 8\) view 'flair' \(3, 5, 5\) lies"):
        LesionGrid().encode(cohort(box(slice(0, 1), slice(0, 1), slice(0, 1)), flair=np.zeros((1, 3, 5, 5), np.float32)))


# The slices of soop


def test_slices_enter_the_cells_that_their_planes_pass_through() -> None:
    mask = np.zeros((1, 40, 48, 34), dtype=np.float32)
    flair = np.random.default_rng(4).uniform(1, 2, (1, 3, 189, 189)).astype(np.float32)
    cases = replace(cohort(mask), images={"mask": ImageView(mask[:, None]), "flair": ImageView(flair, slices=SLICES)})
    share = LesionGrid().encode(cases).tokens[0, 0, :, 15].reshape(4, 4, 4)
    x, y, z = np.indices((4, 4, 4))
    # z = 68 of 136 lies in the third quarter; x = 117 + 1 of 160 in the third; y = 94 + 1 of 192 in the second.
    np.testing.assert_array_equal(share > 0, (z == 2) | (x == 2) | (y == 1))


def test_the_tint_of_soops_pictures_lies_where_the_mask_does(source_files: Callable[[str], Sources]) -> None:
    """The red paint of the published pictures shows the mask: an outside witness of where the slices lie."""
    from PIL import Image

    from datasets._soop_files import MASKS, PANELS, PICTURES, _load, shrink

    sources = source_files("soop")
    pictures = {Path(path).name[5:].split("_")[0]: path for path in sources.matching(PICTURES, "_lesion.nii.png")}
    agreeing = np.zeros(3)
    painted = np.zeros(3)
    for path in list(sources.matching(MASKS, "_lesion.nii.gz"))[:30]:
        picture = pictures.get(path.name.removeprefix("bwsrsub-").split("_")[0])
        if picture is None:
            continue
        with Image.open(picture) as image:
            colours = np.asarray(image.convert("RGB")).astype(int)
        mask = _load(path)[1]
        share = shrink(np.nonzero(mask), mask.shape).ravel()
        for panel, (columns, place) in enumerate(zip(PANELS, SLICES, strict=True)):
            tint = np.zeros((189, 189), dtype=bool)
            left = (189 - (columns.stop - columns.start)) // 2
            red = colours[:, columns, 0] - colours[:, columns, 1] > 20
            tint[:, left : left + red.shape[1]] = red
            voxel, inside = voxel_of(positions_of(place, 189, 189), (40, 48, 34))
            agreeing[panel] += ((share[voxel] > 0) & inside & tint.ravel()).sum()
            painted[panel] += tint.sum()
    assert (painted > 500).all()
    assert (agreeing / painted > 0.99).all()
