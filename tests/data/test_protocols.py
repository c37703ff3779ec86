"""Split protocols against direct scikit-learn calls, and what must hold of every split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from benchmark.data.cohort import Cohort
from benchmark.data.protocols.holdout import Holdout
from benchmark.data.protocols.leave_one_site_out import LeaveOneSiteOut
from benchmark.data.protocols.own_folds import OwnFolds
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split
from benchmark.system.errors import BenchmarkError, DataError

PARTS = ("train", "validation", "test")


def cohort(
    n: int = 103,
    sites: int = 4,
    groups: np.ndarray | None = None,
    pool: Cohort | None = None,
    labels: np.ndarray | None = None,
    seed: int = 0,
) -> Cohort:
    random = np.random.default_rng(seed)
    return Cohort(
        name="made",
        case_ids=np.array([f"case-{i:04}" for i in range(n)]),
        labels=(random.random(n) < 0.4).astype(np.int8) if labels is None else labels,
        sites=np.array([f"Site {i % sites}" for i in range(n)]),
        groups=groups,
        pool=pool,
    )


def pool_of(sites: list[str]) -> Cohort:
    return Cohort(name="pool", case_ids=np.array([f"pool-{i}" for i in range(len(sites))]), sites=np.array(sites))


def parts(split: Split) -> list[np.ndarray]:
    return [getattr(split, name) for name in PARTS]


def test_repeated_cv_is_the_documented_scikit_learn_computation() -> None:
    made = cohort()
    y = made.labels
    expected = []
    for seed in (39, 40, 41, 42):
        folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed).split(np.zeros((len(y), 1)), y)
        for fold, (rest, test) in enumerate(folds):
            train, validation = train_test_split(rest, test_size=0.2, stratify=y[rest], random_state=seed)
            expected.append((f"seed{seed}-fold{fold}", seed, sorted(train), sorted(validation), sorted(test)))
    splits = RepeatedCV().splits(made)
    assert [(s.name, s.seed, *(part.tolist() for part in parts(s))) for s in splits] == expected


@pytest.mark.parametrize("protocol", [RepeatedCV(), LeaveOneSiteOut(), Holdout()], ids=lambda p: type(p).__name__)
def test_no_case_is_in_two_parts_and_none_is_left_out(protocol: RepeatedCV | LeaveOneSiteOut | Holdout) -> None:
    for split in protocol.splits(cohort()):
        assert sorted(np.concatenate(parts(split)).tolist()) == list(range(103))


@pytest.mark.parametrize("protocol", [RepeatedCV(), LeaveOneSiteOut()], ids=lambda p: type(p).__name__)
def test_the_test_parts_of_a_seed_partition_the_cases(protocol: RepeatedCV | LeaveOneSiteOut) -> None:
    splits = protocol.splits(cohort())
    for seed in (39, 40, 41, 42):
        tested = np.concatenate([split.test for split in splits if split.seed == seed])
        assert sorted(tested.tolist()) == list(range(103))


def test_fewer_repeats_are_the_first_splits_of_all() -> None:
    every, one = RepeatedCV().splits(cohort()), RepeatedCV(repeats=1).splits(cohort())
    assert [split.name for split in one] == [f"seed39-fold{fold}" for fold in range(5)]
    assert all(np.array_equal(mine.test, other.test) for mine, other in zip(one, every, strict=False))


@pytest.mark.parametrize("protocol", [RepeatedCV(), LeaveOneSiteOut(), Holdout()], ids=lambda p: type(p).__name__)
def test_parts_are_sorted_and_split_names_differ(protocol: RepeatedCV | LeaveOneSiteOut | Holdout) -> None:
    splits = protocol.splits(cohort())
    assert all((np.diff(part) > 0).all() for split in splits for part in parts(split))
    assert len({split.name for split in splits}) == len(splits)


def test_repeated_cv_keeps_the_share_of_labels_in_every_part() -> None:
    made = cohort(n=500)
    for split in RepeatedCV().splits(made):
        for part in parts(split):
            assert abs(made.labels[part].mean() - made.labels.mean()) < 0.02


def test_seeds_cut_repeated_cv_differently() -> None:
    splits = RepeatedCV().splits(cohort())
    assert len({split.test.tobytes() for split in splits}) == 20


@pytest.mark.slow
@settings(max_examples=8)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=30, max_size=40),
    ratio=st.floats(0.3, 0.7),
    seed=st.integers(0, 2**16),
)
def test_a_patient_is_never_parted(sizes: list[int], ratio: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.permutation(np.repeat([f"patient-{i}" for i in range(len(sizes))], sizes))
    labels = (random.random(len(groups)) < ratio).astype(np.int8)
    labels[:20] = np.arange(20) % 2
    made = cohort(n=len(groups), sites=3, groups=groups, labels=labels)
    for protocol in (RepeatedCV(), LeaveOneSiteOut(), Holdout()):
        for split in protocol.splits(made):
            held = [set(groups[part]) for part in parts(split)]
            assert not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
    tested = np.concatenate([split.test for split in RepeatedCV().splits(made) if split.seed == 39])
    assert sorted(tested.tolist()) == list(range(len(groups)))


def test_groups_that_part_nobody_change_nothing() -> None:
    alone = cohort(groups=np.array([f"p{i}" for i in range(103)]))
    for mine, theirs in zip(RepeatedCV().splits(alone), RepeatedCV().splits(cohort()), strict=True):
        assert all((a == b).all() for a, b in zip(parts(mine), parts(theirs), strict=True))


def test_every_site_is_held_out_once_for_each_seed() -> None:
    made = cohort()
    splits = LeaveOneSiteOut().splits(made)
    for seed in (39, 40, 41, 42):
        held_out = [split for split in splits if split.seed == seed]
        assert [split.site for split in held_out] == ["Site 0", "Site 1", "Site 2", "Site 3"]
        for split in held_out:
            assert set(made.sites[split.test]) == {split.site}
            assert split.site not in set(made.sites[np.concatenate([split.train, split.validation])])


def test_leave_one_site_out_names_its_splits_by_site_and_seed() -> None:
    splits = LeaveOneSiteOut().splits(cohort())
    assert [split.name for split in splits][:5] == [*(f"site-site-{i}-seed39" for i in range(4)), "site-site-0-seed40"]


def test_seeds_do_not_change_the_cut_of_leave_one_site_out_or_holdout() -> None:
    for protocol in (LeaveOneSiteOut(), Holdout()):
        cuts: dict[int, list[bytes]] = {}
        for split in protocol.splits(cohort()):
            cuts.setdefault(split.seed, []).append(b"|".join(part.tobytes() for part in parts(split)))
        assert len(cuts) == 4
        assert len({tuple(cut) for cut in cuts.values()}) == 1


def test_validation_of_leave_one_site_out_is_the_documented_stratified_fifth_of_the_rest() -> None:
    made = cohort()
    split = LeaveOneSiteOut().splits(made)[1]
    others = np.flatnonzero(made.sites != "Site 1")
    train, validation = train_test_split(others, test_size=0.2, stratify=made.labels[others], random_state=42)
    assert split.train.tolist() == sorted(train)
    assert split.validation.tolist() == sorted(validation)


def test_the_pool_leaves_out_the_held_out_site_only() -> None:
    pool = pool_of(["Site 0", "Site 1", "Site 1", "Elsewhere"])
    pools = {split.site: split.pool.tolist() for split in LeaveOneSiteOut().splits(cohort(pool=pool))}
    assert pools == {"Site 0": [1, 2, 3], "Site 1": [0, 3], "Site 2": [0, 1, 2, 3], "Site 3": [0, 1, 2, 3]}


def test_cross_validation_and_holdout_use_the_whole_pool() -> None:
    made = cohort(pool=pool_of(["Site 0", "Site 1"]))
    assert all(split.pool.tolist() == [0, 1] for split in [*RepeatedCV().splits(made), *Holdout().splits(made)])


def test_without_a_pool_the_pool_index_is_empty() -> None:
    assert all(len(split.pool) == 0 for split in LeaveOneSiteOut().splits(cohort()))


def test_holdout_is_64_16_20_percent() -> None:
    splits = Holdout().splits(cohort(n=500))
    assert [split.name for split in splits] == [f"holdout-seed{seed}" for seed in (39, 40, 41, 42)]
    assert [[len(part) for part in parts(split)] for split in splits] == [[320, 80, 100]] * 4


def test_holdout_is_the_papers_two_calls_of_train_test_split() -> None:
    made = cohort()
    rest, test = train_test_split(np.arange(103), test_size=0.2, stratify=made.labels, random_state=42)
    train, validation = train_test_split(rest, test_size=0.2, stratify=made.labels[rest], random_state=42)
    for split in Holdout().splits(made):
        assert [part.tolist() for part in parts(split)] == [sorted(train), sorted(validation), sorted(test)]


@pytest.mark.parametrize("sites", [1, None])
def test_one_site_gives_no_split_of_sites(sites: int | None) -> None:
    made = cohort(sites=sites or 1)
    if sites is None:
        made = Cohort(name="made", case_ids=made.case_ids, labels=made.labels)
    assert LeaveOneSiteOut().splits(made) == []


def test_sites_that_differ_in_punctuation_only_have_splits_of_their_own() -> None:
    made = cohort(n=60, sites=3)
    names = np.array(["St. Mary", "St Mary", "st-mary"])[np.arange(60) % 3]
    made = Cohort(name="made", case_ids=made.case_ids, labels=made.labels, sites=names)
    assert len({split.name for split in LeaveOneSiteOut().splits(made)}) == 12


def test_a_cohort_without_labels_cannot_be_split() -> None:
    with pytest.raises(BenchmarkError, match="has no labels"):
        RepeatedCV().splits(cohort().blind())


def test_a_pool_case_of_a_test_cases_patient_is_left_out() -> None:
    groups = np.array([f"patient-{i // 2}" for i in range(103)])
    pool = Cohort(name="pool", case_ids=np.array(["p0", "p1"]), groups=np.array(["patient-3", "another"]))
    for split in RepeatedCV().splits(cohort(groups=groups, pool=pool)):
        expected = [1] if "patient-3" in groups[split.test] else [0, 1]
        assert split.pool.tolist() == expected


def test_a_pool_whose_sites_are_not_known_is_not_used_where_a_site_is_held_out() -> None:
    pool = Cohort(name="pool", case_ids=np.array(["p0", "p1"]))
    assert all(len(split.pool) == 0 for split in LeaveOneSiteOut().splits(cohort(pool=pool)))


# What a cut keeps in proportion, and a dataset's own folds


def test_variants_that_share_their_classes_share_their_splits_and_each_class_is_spread() -> None:
    classes = np.random.default_rng(1).choice(["A", "B", "A+B", "other"], size=120)
    variants = [
        replace(cohort(120, labels=np.char.find(classes, name).clip(-1, 0).astype(np.int8) + 1), balanced=classes)
        for name in "AB"
    ]
    assert variants[0].labels.tolist() != variants[1].labels.tolist()
    for one, other in zip(*(RepeatedCV().splits(variant) for variant in variants), strict=True):
        assert [part.tolist() for part in parts(one)] == [part.tolist() for part in parts(other)]
        for name in np.unique(classes):
            expected = (classes == name).sum() / 5
            assert abs((classes[one.test] == name).sum() - expected) < 1
    plain = RepeatedCV().splits(replace(variants[0], balanced=None))[0]
    assert plain.test.tolist() != RepeatedCV().splits(variants[0])[0].test.tolist()


def test_a_rare_joint_class_is_cut_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    classes = np.repeat(["A", "B", "rare"], [60, 57, 3])
    made = replace(cohort(120, groups=np.array([f"p{i // 2}" for i in range(120)])), balanced=classes)
    assert len(RepeatedCV().splits(made)) == 20
    assert not [str(warning.message) for warning in recwarn]


def with_own_folds(**more) -> Cohort:
    """100 cases of 50 patients: 60 for training, 20 for validation, 20 for the test."""
    published = np.repeat(["test", "validation", "train"], [20, 20, 60])
    made = cohort(100, groups=np.array([f"p{i // 2}" for i in range(100)]), labels=(np.arange(100) % 3 == 0).astype(np.int8))
    return replace(made, own_folds=published, **more)


def test_own_folds_are_those_of_the_dataset_under_four_seeds_of_the_training() -> None:
    made = with_own_folds()
    splits = OwnFolds().splits(made)
    assert [(split.name, split.seed) for split in splits] == [(f"own-folds-seed{seed}", seed) for seed in (39, 40, 41, 42)]
    for split in splits:
        assert [part.tolist() for part in parts(split)] == [list(range(40, 100)), list(range(20, 40)), list(range(20))]
    assert OwnFolds().splits(replace(made, own_folds=None)) == []


def test_the_pool_of_own_folds_holds_its_training_folds_alone_and_no_test_patient() -> None:
    pool = Cohort(
        name="pool",
        case_ids=np.array(["q0", "q1", "q2", "q3"]),
        groups=np.array(["p90", "p91", "p92", "p0"]),
        own_folds=np.array(["train", "validation", "test", "train"]),
    )
    assert OwnFolds().splits(with_own_folds(pool=pool))[0].pool.tolist() == [0]
    assert OwnFolds().splits(with_own_folds(pool=replace(pool, own_folds=None)))[0].pool.tolist() == [0, 1, 2]


def test_own_folds_with_few_of_a_class_or_a_patient_in_two_parts_are_refused_by_name() -> None:
    made = with_own_folds()
    labels = made.labels.copy()
    labels[:20] = [1] * 4 + [0] * 16
    with pytest.raises(DataError, match="its test part has 16 cases with label 0 and 4 with label 1, and at least 5 of each"):
        OwnFolds().splits(replace(made, labels=labels))
    groups = made.groups.copy()
    groups[30] = "p0"
    with pytest.raises(DataError, match="group 'p0' is in the test and in the validation part"):
        OwnFolds().splits(replace(made, groups=groups))


def test_where_nobody_knows_whose_a_case_is_only_the_published_division_applies() -> None:
    made = replace(with_own_folds(), groups=None)
    assert len(OwnFolds().splits(made)) == 4
    for protocol in (RepeatedCV(), Holdout(), LeaveOneSiteOut()):
        with pytest.raises(DataError, match="made: whose each case is, is not known: only own-folds keeps patients apart"):
            protocol.splits(made)


def test_a_pool_of_unknown_patients_is_used_under_own_folds_alone() -> None:
    pool = Cohort("pool", np.array(["q0", "q1", "q2"]), own_folds=np.array(["train", "test", "train"]))
    made = with_own_folds(pool=pool)
    assert OwnFolds().splits(made)[0].pool.tolist() == [0, 2]
    assert all(not len(split.pool) for protocol in (RepeatedCV(), Holdout()) for split in protocol.splits(made))


def test_no_view_of_a_method_holds_what_cuts_are_made_by() -> None:
    made = replace(with_own_folds(), balanced=np.repeat(["A", "B"], 50))
    for view in (made.only({"table"}), made.blind()):
        assert view.balanced is None
        assert view.own_folds is None
