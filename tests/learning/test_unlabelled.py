"""The part of a stage that joins training cases and pool: whose cases it holds, in which order, and what it hides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.cells.stages import RowStages, seen_by
from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.data.protocols.leave_one_site_out import LeaveOneSiteOut
from benchmark.data.splits import Split
from benchmark.data.union import pooled, union
from benchmark.learning.fitting import views_of
from benchmark.learning.stages import TRAINING, Declared, Seen
from benchmark.system.errors import BenchmarkError
from tests.made_benchmark import MadeBenchmark

EVERYTHING = frozenset({"table", "image", "text"})
PLANTED = 12345.0
METHOD = """
from dataclasses import dataclass

import numpy as np

from benchmark import register_method, stage


@register_method("learner", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Learner:
    head: str = "plain"

    @stage(sees={"unlabelled"})
    def pretraining(self, seen, seed):
        return {"mean": np.array([seen.unlabelled.table["x"].mean()])}

    def fit(self, train, validation, seed):
        self.p = float(self.stages["pretraining"]["mean"][0])

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-cases.table["x"].to_numpy() - self.p))
"""


def declared(*sees: str, labels: bool = False) -> Declared:
    return Declared("pretraining", frozenset(sees), (), (), labels, None, None)


def seen(cohort: Cohort, split: Split, *sees: str, labels: bool = False) -> Seen:
    return seen_by(declared(*sees or ("unlabelled",), labels=labels), cohort, split, (EVERYTHING, EVERYTHING))


def hiding(split: Split, share: float) -> Split:
    """The same split, which keeps the label of its first training cases only."""
    kept = int(share * len(split.train))
    return replace(split, train=split.train[:kept], unlabelled=split.train[kept:])


def marked(cohort: Cohort, split: Split) -> Cohort:
    """The cohort with a marker in every case that no training may see: in its table, its text and its image."""
    held_out = np.ones(len(cohort), dtype=bool)
    held_out[split.train] = False
    assert cohort.table is not None and cohort.reports is not None
    reports = tuple((f"{PLANTED}",) if out else drafts for out, drafts in zip(held_out, cohort.reports, strict=True))
    scan = cohort.images["scan"].load() / 255
    scan[held_out] = PLANTED
    return replace(
        cohort,
        table=cohort.table.assign(x=np.where(held_out, PLANTED, cohort.table["x"])),
        reports=reports,
        images={"scan": ImageView(scan)},
    )


def content(cohort: Cohort) -> dict[str, Any]:
    """All that a method can read of it, by name."""
    features = cohort.features("image")
    return {
        "ids": cohort.case_ids.tolist(),
        "groups": None if cohort.groups is None else cohort.groups.tolist(),
        "table": cohort.table.to_json() if cohort.table is not None else "",
        "categories": list(cohort.table["side"].cat.categories) if cohort.table is not None else [],
        "derived": cohort.derived.to_json() if cohort.derived is not None else "",
        "reports": cohort.reports,
        "scan": cohort.images["scan"].load().tobytes(),
        "tokens": features.tokens.tobytes(),
        "pooled": features.pooled.tobytes(),
        "mask": features.mask.tobytes(),
        "present": {name: flags.tolist() for name, flags in cohort.present.items()},
    }


def test_no_validation_test_or_held_out_case_is_in_it(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    pool = cohort.pool
    assert pool is not None
    for split in LeaveOneSiteOut().splits(cohort)[:3]:
        for each in (split, hiding(split, 0.25)):
            found = seen(marked(cohort, split), each).unlabelled
            expected = sorted([*cohort.case_ids[split.train], *pool.case_ids[split.pool]])
            assert found.case_ids.tolist() == expected
            assert split.site not in {*np.asarray(cohort.sites)[split.train], *np.asarray(pool.sites)[split.pool]}
            assert found.table is not None and found.reports is not None
            assert found.table["x"].max() < PLANTED and found.images["scan"].load().max() <= 1
            assert not any(f"{PLANTED}" in draft for drafts in found.reports for draft in drafts)


def test_its_content_is_the_same_whichever_part_the_cases_come_from(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    split = LeaveOneSiteOut().splits(cohort)[0]
    whole = content(seen(cohort, split).unlabelled)
    for share in (0.1, 0.25, 0.5):
        assert content(seen(cohort, hiding(split, share)).unlabelled) == whole


def test_every_case_has_what_it_has_in_its_own_cohort(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    split = LeaveOneSiteOut().splits(cohort)[0]
    found = seen(cohort, split).unlabelled
    pooled = found.features("image").pooled
    for place, case in enumerate(found.case_ids):
        own = next(side for side in (cohort, cohort.pool) if side is not None and case in side.case_ids)
        at = own.case_ids.tolist().index(case)
        assert own.table is not None and found.table is not None and own.reports is not None and found.reports is not None
        pd.testing.assert_series_equal(found.table.iloc[place], own.table.iloc[at], check_names=False)
        assert found.reports[place] == own.reports[at]
        assert np.array_equal(found.images["scan"][place], own.images["scan"][at])
        assert np.array_equal(pooled[place], own.features("image").pooled[at])


def test_a_part_of_it_keeps_images_and_features_with_their_cases(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    found = seen(cohort, LeaveOneSiteOut().splits(cohort)[0]).unlabelled
    index = np.arange(len(found))[::-3]
    some = found.take(index)
    assert np.array_equal(some.images["scan"].load(), found.images["scan"].load()[index])
    assert np.array_equal(some.features("image").pooled, found.features("image").pooled[index])


@pytest.mark.parametrize("labels", [False, True])
def test_it_is_blind_and_sealed_even_where_the_stage_sees_labels(made: MadeBenchmark, labels: bool) -> None:
    cohort = made.cohort()
    split = LeaveOneSiteOut().splits(cohort)[0]
    own = declared("train", "unlabelled", labels=labels)
    found = seen_by(own, cohort, hiding(split, 0.5), (frozenset({"table"}),) * 2).unlabelled
    assert (found.labels, found.sites, found.strata, found.pool, found.folder, found.facts) == (None, None, None, None, "", {})
    assert found.modalities == {"table"}
    with pytest.raises(BenchmarkError, match="holds no image"):
        found.features("image")


def test_a_stage_that_does_not_declare_it_is_refused(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    parts = seen(cohort, LeaveOneSiteOut().splits(cohort)[0], "train", "pool")
    with pytest.raises(BenchmarkError, match="stage pretraining reads unlabelled cases without declaring it"):
        _ = parts.unlabelled


def test_what_a_stage_sees_of_the_pool_is_the_datasets_alone(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    split = LeaveOneSiteOut().splits(cohort)[0]
    assert cohort.pool is not None
    own = seen(cohort, hiding(split, 0.25), "pool").pool
    assert own.case_ids.tolist() == cohort.pool.case_ids[split.pool].tolist()


def test_cases_whose_label_is_hidden_reach_a_method_and_its_whole_training_in_the_pool(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    split = LeaveOneSiteOut().splits(cohort)[0]
    few = hiding(split, 0.25)
    whole_training = replace(declared("train", "validation", "pool"), name=TRAINING)
    views = views_of(*pooled(cohort, few), (EVERYTHING, EVERYTHING))
    assert cohort.pool is not None
    for pool in (views.train.pool, seen_by(whole_training, cohort, few, (EVERYTHING, EVERYTHING)).pool):
        assert pool is not None and pool.labels is None and pool.strata is None
        assert pool.case_ids.tolist() == sorted([*cohort.case_ids[few.unlabelled], *cohort.pool.case_ids[split.pool]])
        assert len(pool.features("image").pooled) == len(pool)
    assert views.train.case_ids.tolist() == cohort.case_ids[few.train].tolist()


def stage_digest(made: MadeBenchmark, split: Split) -> str:
    catalogue = made.catalogue(made.write("learner.py", METHOD))
    stages = RowStages("made", catalogue.method("learner"), catalogue, lambda method: {"method": method.spelled}, shared=False)
    (planned,) = stages.of(split, lambda name: 0)
    return planned.key.digest


def test_its_digest_follows_the_cases_and_not_the_part_that_they_come_from(made: MadeBenchmark) -> None:
    first, second = LeaveOneSiteOut().splits(made.cohort())[:2]
    whole = stage_digest(made, first)
    assert {stage_digest(made, hiding(first, share)) for share in (0.1, 0.25, 0.5)} == {whole}
    assert stage_digest(made, second) != whole
    assert stage_digest(made, replace(first, train=first.train[1:])) != whole
    assert stage_digest(made, replace(first, pool=first.pool[1:])) != whole


def test_a_pool_larger_than_the_training_part_stands_alone_and_all_splits_share_the_stage(made: MadeBenchmark) -> None:
    cohort = made.cohort()
    assert cohort.pool is not None
    first, second = LeaveOneSiteOut().splits(cohort)[:2]
    few = len(first.pool) - 1
    for split in (first, second):
        small = replace(split, train=split.train[:few], pool=first.pool)
        assert seen(cohort, small).unlabelled.case_ids.tolist() == cohort.pool.case_ids[first.pool].tolist()
        assert stage_digest(made, small) == stage_digest(made, replace(first, train=first.train[:few]))
    as_many = replace(first, train=first.train[: few + 1])
    assert len(seen(cohort, as_many).unlabelled) == 2 * len(first.pool)
    assert stage_digest(made, as_many) != stage_digest(made, replace(first, train=first.train[:few]))


def test_commands_name_the_part(made: MadeBenchmark) -> None:
    path = made.write("learner.py", METHOD)
    words = (
        "--plugin",
        str(path),
        "--method",
        "learner",
        "--method",
        "learner[head=other]",
        "--protocol",
        "leave-one-site-out",
    )
    made.run(*words, "--seeds", "39")
    shown = made.json("show", "stages", "--json")
    assert [(each["stage"], each["sees"]) for each in shown] == [("pretraining", ["unlabelled"])] * 3
    which = ("--dataset", "made", "--protocol", "leave-one-site-out", "--plugin", str(made.plugin))
    splits = made.json("show", "splits", *which, "--json")
    pool = {str(case) for case in made.cohort().pool.case_ids}  # type: ignore[union-attr]
    assert all(any({*split["train"]} == {*each["cases_seen"]} - pool for each in shown) for split in splits)
    explained = made.cli("explain", "made/leave-one-site-out/learner", *made.options, "--plugin", str(path)).stdout
    assert "builds on the stage pretraining of learner, built" in explained and "sees unlabelled cases" in explained
    assert "3 kept, which saw unlabelled cases" in made.cli("doctor", code=None).stdout


# The union


def cases(*ids: str, **more: Any) -> Cohort:
    return Cohort("made", np.array(ids), **more)


def test_a_case_of_two_views_appears_once() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0]})
    found = union([cases("b", "a", table=table), cases("c", "b", table=table + 10)])
    assert found.case_ids.tolist() == ["a", "b", "c"]
    assert found.table is not None and found.table["x"].tolist() == [2.0, 1.0, 11.0]


def test_a_view_that_lacks_a_modality_gives_cases_without_it() -> None:
    scans = np.arange(16, dtype=np.uint8).reshape(2, 1, 2, 2, 2)
    table = pd.DataFrame({"x": [1.0, 2.0], "side": pd.Categorical(["left", "right"])})
    found = union([cases("a", "c", table=table, images={"scan": ImageView(scans)}), cases("b", reports=(("Large.",),))])
    assert {name: flags.tolist() for name, flags in found.present.items()} == {
        "image": [True, False, True],
        "scan": [True, False, True],
        "table": [True, False, True],
        "text": [False, True, False],
    }
    assert found.table is not None and found.table.iloc[1].isna().all()
    assert found.reports == ((), ("Large.",), ())
    assert not found.images["scan"][1].any() and np.array_equal(found.images["scan"][2], scans[1])


def test_categories_of_both_are_in_one_sorted_set() -> None:
    first, second = (pd.DataFrame({"side": pd.Categorical(values)}) for values in (["right"], ["left"]))
    found = union([cases("a", table=first), cases("b", table=second)])
    assert found.table is not None and found.table["side"].tolist() == ["right", "left"]
    assert list(found.table["side"].cat.categories) == ["left", "right"]


def test_groups_are_kept_and_a_case_without_one_is_its_own() -> None:
    assert union([cases("a", "b", groups=np.array(["p", "p"])), cases("c")]).groups.tolist() == ["p", "p", "c"]  # type: ignore[union-attr]


class Watched(np.ndarray[Any, Any]):
    """An array that counts the cases that are read."""

    read = 0

    def __getitem__(self, index: Any) -> Any:
        Watched.read += np.size(index)
        return np.asarray(self)[index]


def test_images_are_read_case_by_case_and_scaled_as_each_view_says() -> None:
    stored = [np.full((3, 1, 2, 2), value, dtype=np.uint8).view(Watched) for value in (10, 20)]
    views = [ImageView(array, scale=scale) for array, scale in zip(stored, (0.1, 0.5), strict=True)]
    joined = union([cases(*ids, images={"scan": view}) for ids, view in zip(("ace", "bdf"), views, strict=True)])
    Watched.read = 0
    assert len(joined.images["scan"]) == 6 and Watched.read == 0
    assert joined.images["scan"][[1, 2]].mean(axis=(1, 2, 3)).tolist() == [10.0, 1.0]
    assert Watched.read == 2


def test_grids_that_differ_are_refused_by_name() -> None:
    small, large = (cases(case, images={"scan": ImageView(np.zeros((1, 1, n, n, n)))}) for case, n in (("a", 2), ("b", 3)))
    with pytest.raises(BenchmarkError, match=r"images 'scan': cohort and pool hold .*2, 2, 2.* and .*3, 3, 3"):
        union([small, large])
