"""Views of a cohort: what they hold, in which order, and what cannot be reached through them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import Atlas, ImageView
from benchmark.system.errors import BenchmarkError, UnknownNameError

N = 12


def made(n: int = N, pool: Cohort | None = None, prefix: str = "case") -> Cohort:
    voxels = np.arange(n * 8, dtype=np.uint8).reshape(n, 1, 2, 2, 2)
    return Cohort(
        name="made",
        case_ids=np.array([f"{prefix}-{i:02}" for i in range(n)]),
        labels=(np.arange(n) % 3 == 0).astype(np.int8),
        sites=np.array([f"site-{i % 2}" for i in range(n)]),
        groups=np.array([f"patient-{i // 2}" for i in range(n)]),
        table=pd.DataFrame({"age": np.arange(n) * 1.0, "sex": pd.Categorical(["f", "m"] * (n // 2))}),
        reports=tuple((f"draft a of {i}", f"draft b of {i}") for i in range(n)),
        report_sets={"topics": tuple((f"topic of {i}",) for i in range(n)), "other": tuple(() for _ in range(n))},
        images={"scan": ImageView(voxels, scale=0.5)},
        derived=pd.DataFrame({"volume": np.arange(n) * 10.0}),
        present={"image": np.arange(n) % 4 != 0, "text": np.ones(n, dtype=bool)},
        atlas=Atlas(np.ones((2, 2, 2), dtype=np.uint8), ("MCA left",), 1.0),
        pool=pool,
        encoders={"image": "territories", "text": "minilm"},
        facts={"oracle_auc": 0.9},
        feature_source=features,
    )


def features(modality: str, encoder: str | None, rows: np.ndarray | None, *reports: str) -> Features:
    """Token (0, 0) of case i is i, of a further set of reports -i."""
    tokens = np.arange(N, dtype=np.float32).reshape(N, 1, 1, 1) * (-1 if reports == ("topics",) else 1)
    whole = Features(tokens, np.ones((N, 1, 1), dtype=bool), tokens[:, :, 0] + 100)
    return whole if rows is None else whole.take(rows)


def contents(view: Cohort) -> list[int]:
    """The cases of a view by each of its parts in turn; all parts must agree."""
    by_part = {
        "id": [int(case[-2:]) for case in view.case_ids],
        "table": [int(age) for age in view.table["age"]],
        "derived": [int(volume / 10) for volume in view.derived["volume"]],
        "report": [int(drafts[1].split()[-1]) for drafts in view.reports],
        "topic": [int(drafts[0].split()[-1]) for drafts in view.report_sets["topics"]],
        "features of topics": [-int(token) for token in view.reading("topics").features("text").tokens[:, 0, 0, 0]],
        "image": [int(image.flat[0] * 2 / 8) for image in view.images["scan"].load()],
        "feature": view.features("text").tokens[:, 0, 0, 0].astype(int).tolist(),
    }
    assert all(cases == by_part["id"] for cases in by_part.values()), by_part
    for i, case in enumerate(by_part["id"]):
        assert view.labels[i] == (case % 3 == 0)
        assert view.sites[i] == f"site-{case % 2}"
        assert view.groups[i] == f"patient-{case // 2}"
        assert view.present["image"][i] == (case % 4 != 0)
        assert view.table["sex"][i] == "fm"[case % 2]
    return by_part["id"]


@given(index=st.lists(st.integers(0, N - 1), min_size=1, max_size=N))
def test_taking_gives_the_cases_in_the_order_asked_in_every_part(index: list[int]) -> None:
    assert contents(made().take(index)) == index


@given(st.data())
def test_taking_from_a_take_counts_positions_of_the_take(data: st.DataObject) -> None:
    first = data.draw(st.lists(st.integers(0, N - 1), min_size=1, max_size=N))
    second = data.draw(st.lists(st.integers(0, len(first) - 1), min_size=1, max_size=N))
    assert contents(made().take(first).take(second)) == [first[i] for i in second]


@given(order=st.permutations(range(N)), cut=st.integers(1, N - 1))
def test_joining_gives_both_views_in_the_order_of_the_dataset(order: list[int], cut: int) -> None:
    whole = made()
    assert contents(whole.take(order[:cut]).join(whole.take(order[cut:]))) == list(range(N))


def test_a_taken_table_is_indexed_from_zero() -> None:
    assert made().take([7, 3]).table.index.tolist() == [0, 1]


def test_join_refuses_views_of_another_cohort_and_whole_cohorts() -> None:
    whole = made()
    with pytest.raises(ValueError, match="same cohort"):
        whole.take([0]).join(replace(whole, name="other").take([1]))
    with pytest.raises(ValueError, match="same cohort"):
        whole.take([0]).join(whole)


def test_joining_keeps_categories_as_categories() -> None:
    whole = made()
    assert whole.take([0]).join(whole.take([1])).table["sex"].dtype == "category"


def test_taking_leaves_the_pool_as_it_is() -> None:
    assert len(made(pool=made(4, prefix="pool")).take([0]).pool) == 4


def test_what_a_take_is_changed_to_does_not_reach_the_cohort() -> None:
    whole = made()
    view = whole.take([0, 1])
    view.labels[:] = 1
    view.sites[:] = "x"
    view.table.loc[0, "age"] = -1
    view.derived.loc[0, "volume"] = -1
    view.present["image"][:] = False
    view.images["scan"].load()[:] = -1
    assert contents(whole) == list(range(N))


# What cannot be reached


def test_blind_leaves_no_label_site_group_or_pool() -> None:
    whole = made(pool=made(4, prefix="pool"))
    view = whole.blind()
    assert (view.labels, view.sites, view.groups, view.pool, dict(view.facts)) == (None, None, None, None, {})
    secrets = [whole.labels, whole.sites, whole.groups, whole.pool]
    assert not any(value is secret for value in vars(view).values() for secret in secrets)


def test_taking_from_a_blind_view_brings_nothing_back() -> None:
    view = made(pool=made(4, prefix="pool")).blind().take([1, 2])
    assert (view.labels, view.sites, view.groups, view.pool) == (None, None, None, None)


def test_blind_keeps_what_prediction_needs() -> None:
    view = made().take([5, 2]).blind()
    assert view.table["age"].tolist() == [5, 2]
    assert view.features("text").tokens[:, 0, 0, 0].tolist() == [5, 2]
    assert [drafts[0] for drafts in view.reports] == ["draft a of 5", "draft a of 2"]


@pytest.mark.parametrize("kept", [set(), {"table"}, {"text"}, {"image"}, {"table", "text"}, {"image", "table", "text"}])
def test_only_the_named_modalities_can_be_reached(kept: set[str]) -> None:
    view = made(pool=made(4, prefix="pool")).only(kept)
    for part in (view, view.pool):
        assert part.modalities == kept
        assert (part.table is not None) == ("table" in kept)
        assert (part.reports is not None) == ("text" in kept)
        for image_part in (part.images, part.derived is not None, part.atlas):
            assert bool(image_part) == ("image" in kept)
        assert set(part.present) == kept & {"image", "text"}
        assert set(part.encoders) == kept & {"image", "text"}


@pytest.mark.parametrize(("kept", "flags"), [({"image"}, {"image", "scan"}), ({"text"}, {"text"}), ({"table"}, set())])
def test_which_case_has_an_image_view_is_known_where_images_are_held(kept: set[str], flags: set[str]) -> None:
    whole = made()
    view = replace(whole, present={**whole.present, "scan": np.arange(N) % 2 == 0}).only(kept)
    assert set(view.present) == flags
    if "scan" in flags:
        assert view.take([3, 4]).blind().having("scan").tolist() == [False, True]


def test_permuted_images_take_the_flags_of_their_views_along() -> None:
    whole = replace(made(), present={"scan": np.arange(N) < 3, "text": np.arange(N) < 5})
    dealt = whole.permuted("image", np.random.default_rng(3))
    first = [bool(image.max() < 12) for image in dealt.images["scan"].load()]  # of the first three cases
    assert dealt.having("scan").tolist() == first != sorted(first, reverse=True)
    assert dealt.having("text").tolist() == whole.having("text").tolist()


def test_features_of_a_modality_that_the_view_does_not_hold_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="holds no text"):
        made().only({"table"}).features("text")


def test_features_without_encoders_at_hand_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="load_cohort"):
        replace(made(), feature_source=None).features("text")


def test_modalities_are_those_that_are_held() -> None:
    assert made().modalities == {"image", "table", "text"}
    assert replace(made(), images={}).modalities == {"image", "table", "text"}
    assert replace(made(), images={}, derived=None).modalities == {"table", "text"}


# Images


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_an_image_view_gives_float32_of_the_scaled_voxels(dtype: type) -> None:
    array = np.array([[[0, 51]], [[102, 255]]], dtype=dtype)
    view = ImageView(array, scale=1 / 255)
    taken = view[[1, 0]]
    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken, [[[0.4, 1.0]], [[0.0, 0.2]]], rtol=1e-6)


def test_an_image_view_without_scale_gives_the_voxels_as_they_are() -> None:
    assert ImageView(np.array([[7]], dtype=np.uint8)).load().tolist() == [[7.0]]


def test_a_single_integer_gives_one_image_without_a_case_axis() -> None:
    view = made().images["scan"].take(np.array([3, 4]))
    assert view[1].shape == (1, 2, 2, 2)
    assert view[1].flat[0] == 4 * 8 * 0.5
    assert view.shape == (2, 1, 2, 2, 2)


def test_taking_an_image_view_reads_no_voxel() -> None:
    class Untouchable:
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: object) -> np.ndarray:
            raise AssertionError("voxels were read")

    view = ImageView(Untouchable()).take(np.array([0, 3]))
    assert len(view) == 2
    with pytest.raises(AssertionError, match="voxels were read"):
        view.load()


def test_taken_features_keep_grid_and_lesion_share() -> None:
    whole = Features(np.zeros((3, 1, 8, 2)), np.ones((3, 1, 8), bool), np.zeros((3, 1, 4)), (2, 2, 2), np.eye(3, 8))
    taken = whole.take(np.array([2]))
    assert taken.grid == (2, 2, 2)
    assert taken.lesion_share.tolist() == [np.eye(3, 8)[2].tolist()]
    assert (taken.tokens.dtype, taken.pooled.dtype) == (np.float32, np.float32)


def test_a_mask_takes_the_cases_where_it_is_true():
    cohort = made()
    assert contents(cohort.take(cohort.labels == 1)) == [0, 3, 6, 9]


def test_a_sealed_view_gives_features_of_its_own_cases_and_modalities_alone():
    view = made().take([1, 2]).only({"text", "table"}).sealed().blind()
    assert view.features("text").tokens[:, 0, 0, 0].tolist() == [1, 2]
    for modality, rows in (("text", None), ("text", np.array([5])), ("text", np.array([1, 5])), ("image", np.array([1]))):
        with pytest.raises(BenchmarkError, match="belong to no view"):
            view.feature_source(modality, None, rows)


def test_a_view_that_reads_a_further_set_has_its_drafts_and_its_features():
    view = made(pool=made()).take([3, 1]).reading("topics")
    assert view.reports == (("topic of 3",), ("topic of 1",))
    assert view.take([1]).features("text").tokens[:, 0, 0, 0].tolist() == [-1]
    assert view.report_sets == {} and view.reading("topics").reports == view.reports
    assert made().reading("wording").reports == made().reports


def test_own_drafts_stand_for_topics_that_a_cohort_lacks_and_for_no_other_set():
    bare = replace(made(), report_sets={})
    assert bare.reading("topics").reports == bare.reports
    assert bare.reading("topics").features("text").tokens[5, 0, 0, 0] == 5
    with pytest.raises(UnknownNameError, match="unknown set of reports 'prompts': known: wording"):
        bare.reading("prompts")
    with pytest.raises(UnknownNameError, match="unknown set of reports 'prompts': known: other, topics, wording"):
        made().reading("prompts")


def test_no_set_of_reports_is_reached_through_a_view_without_text():
    view = made().take([1, 2]).only({"image", "table"}).sealed()
    assert view.report_sets == {}
    with pytest.raises(BenchmarkError, match="holds no text"):
        view.reading("topics").features("text")
    for rows in (np.array([1]), None):
        with pytest.raises(BenchmarkError, match="belong to no view"):
            view.feature_source("text", None, rows, "topics")


def test_a_sealed_view_gives_a_further_sets_features_of_its_own_cases_alone():
    view = made().take([1, 2]).only({"text"}).sealed().blind()
    assert view.reading("topics").features("text").tokens[:, 0, 0, 0].tolist() == [-1, -2]
    for rows in (None, np.array([5])):
        with pytest.raises(BenchmarkError, match="belong to no view"):
            view.reading("topics").feature_source("text", None, rows)


def test_parts_sealed_together_can_be_joined():
    learning = made().only({"text"}).sealed(np.arange(6))
    joined = learning.take([4, 0]).join(learning.take([2]))
    assert joined.features("text").tokens[:, 0, 0, 0].tolist() == [0, 2, 4]
