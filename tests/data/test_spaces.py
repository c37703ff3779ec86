"""Where voxels lie in MNI152, and which territory a place of an image belongs to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmark import Atlas, Cohort, ImageView, Sources
from benchmark.data.spaces import affine_of, territories
from datasets._soop_cohort import SLICES
from datasets._soop_files import read_atlas, shrink
from datasets.synthetic.brain import BOX, VOXEL_MM, load_brain


def test_the_synthetic_grid_is_the_templates_box() -> None:
    from nilearn.datasets import load_mni152_gm_template

    template = load_mni152_gm_template(resolution=VOXEL_MM)
    affine = affine_of("synthetic-stroke", load_brain().grey.shape)
    assert affine is not None
    corner = template.affine @ [*(part.start for part in BOX), 1]
    np.testing.assert_allclose(affine[:, 3], corner)
    np.testing.assert_allclose(affine[:3, :3], template.affine[:3, :3])


def test_soops_atlas_lies_where_its_file_says(source_files: Callable[[str], Sources]) -> None:
    atlas, affine = read_atlas(source_files("soop"))
    for dataset in ("soop", "soop-nihss"):
        np.testing.assert_allclose(affine_of(dataset, atlas.labels.shape), affine)


def test_a_voxel_of_soops_mask_lies_where_the_voxels_lie_of_which_it_is_made() -> None:
    fine, coarse = affine_of("soop", (157, 189, 136)), affine_of("soop", (40, 48, 34))
    assert fine is not None and coarse is not None
    for voxel in ([3, 3, 0], [79, 95, 64], [151, 183, 132]):  # the first of a block of 4 x 4 x 4
        block = [np.ravel(axis) + start for axis, start in zip(np.indices((4, 4, 4)), voxel, strict=True)]
        (place,) = np.argwhere(shrink(block, (157, 189, 136)))
        assert shrink(block, (157, 189, 136))[tuple(place)] == 255
        centre = fine @ [*np.mean(block, axis=1), 1]
        np.testing.assert_allclose(coarse @ [*place, 1], centre)


def test_an_unknown_dataset_or_grid_lies_nowhere() -> None:
    assert affine_of("mine", (36, 48, 40)) is None and affine_of("soop", (36, 48, 40)) is None


@pytest.fixture
def soop_like() -> Cohort:
    labels = np.random.default_rng(3).integers(0, 33, (157, 189, 136)).astype(np.uint8)
    names = tuple(f"territory {k}" for k in range(32))
    views = {
        "mask": ImageView(np.zeros((1, 1, 40, 48, 34), np.uint8), axes="LAS"),
        "flair": ImageView(np.zeros((1, 3, 189, 189), np.uint8), slices=SLICES),
        "plain": ImageView(np.zeros((1, 3, 189, 189), np.uint8)),
    }
    return Cohort("soop", np.array(["a"]), images=views, atlas=Atlas(labels, names, 1.0))


def test_the_territory_of_a_pixel_is_that_of_the_voxel_that_it_shows(soop_like: Cohort) -> None:
    found, atlas = territories(soop_like, "soop", "flair"), soop_like.atlas
    assert found is not None and atlas is not None and found.shape == (3, 189, 189)
    # read_picture pads the axial and the coronal slice of 157 pixels by 16 at the left; x runs to the left of the patient
    assert found[0, 10, 16 + 30] == atlas.labels[156 - 30, 188 - 10, 68]
    assert found[1, 60, 40] == atlas.labels[117, 40, 188 - 60]
    assert found[2, 100, 16 + 90] == atlas.labels[156 - 90, 94, 188 - 100]
    assert not found[0, :, :16].any(), "the padding shows nothing"


def test_the_territory_of_a_coarse_voxel_is_that_at_its_centre(soop_like: Cohort) -> None:
    found, atlas = territories(soop_like, "soop", "mask"), soop_like.atlas
    assert found is not None and atlas is not None and found.shape == (1, 40, 48, 34)
    near = atlas.labels[4 * 20 : 4 * 20 + 2, 4 * 21 : 4 * 21 + 2, 4 * 9 + 1 : 4 * 9 + 3]
    assert found[0, 20, 21, 9] in near
    assert territories(soop_like, "mine", "mask") is None, "without affines the grids cannot be compared"
    assert territories(soop_like, "soop", "plain") is None, "nobody says where these slices lie"


def test_on_one_grid_the_territories_are_the_atlas_itself() -> None:
    atlas = Atlas(np.arange(27, dtype=np.uint8).reshape(3, 3, 3), tuple(map(str, range(26))), 2.0)
    cohort = Cohort("mine", np.array(["a"]), images={"scan": ImageView(np.zeros((1, 2, 3, 3, 3), np.uint8))}, atlas=atlas)
    np.testing.assert_array_equal(territories(cohort, "mine", "scan"), atlas.labels[None])
