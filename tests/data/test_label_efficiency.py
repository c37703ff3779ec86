"""Label efficiency: who keeps a label, who joins the pool, and when the protocol does not apply."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cells.task import make_task
from benchmark.data.cohort import Cohort
from benchmark.data.protocols.label_efficiency import LabelEfficiency
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, DataError
from tests.made_benchmark import MadeBenchmark

SHARES = (0.1, 0.25, 0.5)


def cohort(n: int = 400, ratio: float = 0.3, groups: np.ndarray | None = None, labels: np.ndarray | None = None) -> Cohort:
    labels = (np.random.default_rng(5).random(n) < ratio).astype(np.int8) if labels is None else labels
    return Cohort(
        name="made",
        case_ids=np.array([f"case-{i:04}" for i in range(n)]),
        labels=labels,
        groups=groups,
        pool=Cohort(name="pool", case_ids=np.array(["pool-0", "pool-1"])),
        task_digest="made",
    )


def at_every_share(made: Cohort) -> list[tuple[Split, ...]]:
    """(repeated-cv, then each share) of every split."""
    return list(zip(RepeatedCV().splits(made), *(LabelEfficiency(share).splits(made) for share in SHARES), strict=True))


def test_names_seeds_test_parts_and_pools_are_those_of_repeated_cv() -> None:
    for whole, *few in at_every_share(cohort()):
        for split in few:
            assert (split.name, split.seed) == (whole.name, whole.seed)
            assert np.array_equal(split.test, whole.test) and np.array_equal(split.pool, whole.pool)


def test_train_and_unlabelled_are_the_training_part_at_every_share() -> None:
    for whole, *few in at_every_share(cohort()):
        for split in few:
            assert sorted([*split.train, *split.unlabelled]) == whole.train.tolist()
            assert set(split.validation) < set(whole.validation)
            assert all((np.diff(part) > 0).all() for part in (split.train, split.validation, split.unlabelled))


def test_who_is_labelled_at_a_small_share_is_so_at_a_larger_one() -> None:
    for _, *few in at_every_share(cohort()):
        for less, more in zip(few, few[1:], strict=False):
            assert set(less.train) < set(more.train) and set(less.validation) < set(more.validation)


def test_a_share_of_each_class_keeps_its_labels_in_training_and_validation_alike() -> None:
    made = cohort()
    for whole, *few in at_every_share(made):
        for share, split in zip(SHARES, few, strict=True):
            for part in ("train", "validation"):
                kept, every = (np.bincount(made.labels[getattr(each, part)], minlength=2) for each in (split, whole))
                assert np.abs(kept - share * every).max() <= 0.5


def test_splits_differ_in_who_is_drawn() -> None:
    splits = LabelEfficiency(0.1).splits(cohort())
    assert len({split.train.tobytes() for split in splits}) == 20
    assert [split.train.tolist() for split in splits] == [
        split.train.tolist() for split in LabelEfficiency(0.1).splits(cohort())
    ]


@pytest.mark.slow
@settings(max_examples=6)
@given(sizes=st.lists(st.integers(1, 4), min_size=120, max_size=140), seed=st.integers(0, 2**16))
def test_a_patient_is_never_both_labelled_and_unlabelled(sizes: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.permutation(np.repeat([f"patient-{i}" for i in range(len(sizes))], sizes))
    made = cohort(len(groups), groups=groups, labels=(random.random(len(groups)) < 0.5).astype(np.int8))
    quarter, half = (LabelEfficiency(share).splits(made) for share in (0.25, 0.5))
    for whole, *few in zip(RepeatedCV().splits(made), quarter, half, strict=True):
        for split in few:
            held = [set(groups[part]) for part in (split.train, split.validation, split.test, split.unlabelled)]
            assert not any(held[i] & held[j] for i in range(4) for j in range(i))
            assert sorted([*split.train, *split.unlabelled]) == whole.train.tolist()
        assert set(few[0].train) < set(few[1].train)


def test_with_five_labels_of_each_class_it_applies_and_with_four_it_does_not() -> None:
    labels = np.zeros(500, dtype=np.int8)
    labels[:63] = 1  # some 50 of them are not tested in a split, and a tenth of these is 5
    assert len(LabelEfficiency(0.1).splits(cohort(500, labels=labels))) == 20
    labels[50:63] = 0
    with pytest.raises(DataError, match=r"made: label-efficiency\[share=0\.1\] does not apply: .* and [34] with label 1"):
        LabelEfficiency(0.1).splits(cohort(500, labels=labels))
    assert len(LabelEfficiency(0.25).splits(cohort(500, labels=labels))) == 20


@pytest.mark.parametrize("share", [0, 1, 1.0, -0.1, 25, True, "half", None, float("nan")])
def test_what_is_no_share_is_refused_by_name(share: object) -> None:
    with pytest.raises(BenchmarkError, match=r"label-efficiency: .*: give the share of the labels to keep, between 0 and 1"):
        LabelEfficiency(share)  # type: ignore[arg-type]


def test_hidden_labels_enter_the_digest_of_a_split_and_change_no_other() -> None:
    made = cohort()
    protocols = (RepeatedCV(), *map(LabelEfficiency, SHARES))
    digests = [split.digest for protocol in protocols for split in make_task(made, "p", protocol.splits(made)).splits]
    assert len(set(digests)) == 80
    assert tuple(digests[:2]) == KNOWN


KNOWN = (
    "f314b5b3229b4c3ead15f0aa7ea99865d6784788f41150c0fe10254611368ce8",
    "c364d67a37d2395496e0e05f39966acafa69d7b4d4a246389e5e0090ddb3bb16",
)
"""Of the first two repeated-cv splits as they were before splits knew of hidden labels."""


def test_a_share_keeps_the_inference_and_fewer_repetitions_do_not() -> None:
    catalogue = discover()
    assert catalogue.protocol("label-efficiency[share=0.1]").inference == "few-labels"
    assert catalogue.protocol("label-efficiency[share=0.1]").spelled == "label-efficiency[share=0.1]"
    assert catalogue.protocol("repeated-cv").inference == "fold"
    assert catalogue.protocol("repeated-cv[repeats=2]").inference == ""
    assert catalogue.protocol("leave-one-site-out").inference == "site"


# Through the command line

LEARNER = """
from dataclasses import dataclass

import numpy as np

from benchmark import register_method, stage


@register_method("learner", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Learner:
    stochastic = False

    @stage(sees={"unlabelled"})
    def pretraining(self, seen, seed):
        return {"mean": np.array([seen.unlabelled.table["x"].mean()])}

    def fit(self, train, validation, seed):
        assert train.pool.labels is None and not set(train.pool.case_ids) & {*train.case_ids, *validation.case_ids}
        self.p = float(self.stages["pretraining"]["mean"][0])
        self.chosen = {"labelled": len(train), "pool": len(train.pool)}

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-cases.table["x"].to_numpy() - self.p))
"""


def test_every_share_and_repeated_cv_build_on_the_same_stages(made: MadeBenchmark) -> None:
    path = made.write("learner.py", LEARNER)
    protocols = ["repeated-cv", "label-efficiency[share=0.5]", "label-efficiency[share=0.25]"]
    planned = made.plan(["learner"], protocols, plugins=[path])
    assert [task.protocol for task in planned.tasks] == protocols
    digests: dict[str, list[str]] = {}
    for cell in planned.cells:
        digests.setdefault(cell.address.protocol, []).append(cell.stages[0].key.digest)
    assert len(set(digests["repeated-cv"])) == 20
    assert digests["repeated-cv"] == digests["label-efficiency[share=0.5]"] == digests["label-efficiency[share=0.25]"]
    assert len({cell.key for cell in planned.cells}) == 60


def test_a_run_fits_on_the_labelled_cases_and_hands_over_the_others_in_the_pool(made: MadeBenchmark) -> None:
    path = made.write("learner.py", LEARNER)
    protocol = "label-efficiency[share=0.5]"
    words = ("--plugin", str(path), "--method", "learner", "--protocol", protocol, "--protocol", "label-efficiency[share=0.1]")
    out = made.run(*words, "--seeds", "39").stdout
    assert "made: label-efficiency[share=0.1] does not apply" in out and "at least 5 of each are needed" in out
    splits = made.json("show", "splits", "--dataset", "made", "--protocol", protocol, "--plugin", str(made.plugin), "--json")
    stored = [
        path.read_text().splitlines()[1] for path in sorted(made.output.rglob("seed39-fold*.json")) if "learner" in str(path)
    ]
    assert len(stored) == 5
    for split, line in zip(splits[:5], stored, strict=True):
        assert f'"labelled":{len(split["train"])},"pool":{len(split["unlabelled"]) + 10}' in line.replace(" ", "")
    pool = [f"case-{i}" for i in range(60, 70)]
    expected = [sorted([*split["train"], *split["unlabelled"], *pool]) for split in splits[:5]]
    assert sorted(each["cases_seen"] for each in made.json("show", "stages", "--json")) == sorted(expected)


def test_a_protocol_without_its_share_ends_a_run_with_what_to_give(made: MadeBenchmark) -> None:
    done = made.run("--protocol", "label-efficiency", code=2)
    assert "label-efficiency: no share is given: give the share of the labels to keep" in done.stderr
    assert "label-efficiency: no share is given" in made.cli("check", "made", "--plugin", str(made.plugin), code=None).stdout


@pytest.mark.slow
def test_a_table_of_few_labelled_cases_of_a_class_says_so_and_no_other(made: MadeBenchmark) -> None:
    protocol = "label-efficiency[share=0.5]"
    made.run("--dataset", "made", "--method", "blunt", "--protocol", "repeated-cv", "--protocol", protocol)
    cohort = made.cohort()
    splits = {
        name: made.json("show", "splits", "--dataset", "made", "--protocol", name, "--plugin", str(made.plugin), "--json")
        for name in ("repeated-cv", protocol)
    }
    positive = {*cohort.case_ids[np.asarray(cohort.labels) == 1]}
    fewest = {name: min(len(positive & {*split["train"]}) for split in each) for name, each in splits.items()}
    assert fewest[protocol] < 10 <= fewest["repeated-cv"]
    text = made.leaderboard.read_text()
    before, after = text.index("## made, repeated-cv"), text.index(f"## made, {protocol}")
    said = f"few labels: a training part holds only {fewest[protocol]} labelled cases of a class"
    assert said in text[after:] and "few labels:" not in text[before:after]
    assert "fewest" not in (made.output / "results" / "cells" / "made" / "repeated-cv" / "task.json").read_text()


def test_every_share_rests_on_one_cut_of_the_same_cohort(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.data.protocols import repeated_cv

    cut, cuts = repeated_cv.make_split, []
    monkeypatch.setattr(repeated_cv, "make_split", lambda *given: cuts.append(given) or cut(*given))
    at_every_share(cohort())
    assert len(cuts) == 20
