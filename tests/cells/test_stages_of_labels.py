"""Stages that see no label are shared by the labels of a dataset that says which of its fields choose the label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.cells.stages import PlannedStage
from tests.made_benchmark import MadeBenchmark

DATASET = """
from dataclasses import dataclass, replace

import numpy as np

from benchmark import Cohort, register_dataset
from made_plugin import Made


@register_dataset(
    "twofold", title="Twofold", source="made here", license="CC0", citation="none", label="one of two", label_time="now",
    positive="yes", negative="no", site="hospital", inputs={"table": "a number"}, barred={}, scope="Made for tests.",
    modalities={"table"}, cases=60, sites=3,
)
@dataclass(frozen=True)
class Twofold:
    NAMED

    label: str = "first"
    shift: float = 0.0
    balanced: bool = True

    def build(self, sources):
        made = Made().build(sources).only({"table"})
        other = np.random.default_rng(3).permutation(made.labels)
        joint = np.array([f"{a}{b}" for a, b in zip(made.labels, other)])
        changed = self.shift + (10.0 if self.label == "told" else 0.0)
        return Cohort(
            name="twofold", case_ids=made.case_ids, labels=made.labels if self.label == "first" else other, sites=made.sites,
            groups=made.groups, table=made.table.assign(z=made.table["z"] + changed),
            balanced=joint if self.balanced else None, pool=replace(made.pool, name="pool"),
        )
"""
METHOD = """
from dataclasses import dataclass

import numpy as np

from benchmark import register_method, stage


@register_method("staged", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Staged:
    @stage(sees={"train", "pool"})
    def blind(self, seen, seed):
        return {"mean": np.array([seen.train.table["x"].mean(), len(seen.pool), seed])}

    @stage(sees={"unlabelled"})
    def larger(self, seen, seed):
        return {"mean": np.array([seen.unlabelled.table["x"].mean(), seed])}

    @stage(sees={"train"}, labels=True)
    def seeing(self, seen, seed):
        return {"mean": np.array([seen.train.labels.mean(), seed])}

    @stage(sees={"train"}, after=("seeing",))
    def behind(self, seen, seed):
        return {"mean": self.stages["seeing"]["mean"]}

    def fit(self, train, validation, seed):
        self.p = 0.5 + 0.0 * self.stages["behind"]["mean"][0]

    def predict_proba(self, cases):
        return np.full(len(cases), self.p)
"""


def files(made: MadeBenchmark, named: str = 'label_only = ("label",)') -> list[Path]:
    return [made.write("twofold.py", DATASET.replace("NAMED", named)), made.write("staged.py", METHOD)]


def stages(made: MadeBenchmark, dataset: str, named: str = 'label_only = ("label",)') -> dict[str, PlannedStage]:
    """Those of the first split, by name."""
    planned = made.plan(["staged"], ["leave-one-site-out"], dataset, plugins=files(made, named))
    return {stage.name: stage for stage in planned.cells[0].stages}


def shared(one: dict[str, PlannedStage], other: dict[str, PlannedStage]) -> set[str]:
    assert one.keys() == other.keys() == {"blind", "larger", "seeing", "behind"}
    return {name for name in one if one[name].key.digest == other[name].key.digest}


def test_stages_that_see_no_label_are_those_of_the_other_label_too(made: MadeBenchmark) -> None:
    first, second = (stages(made, name) for name in ("twofold", "twofold[label=second]"))
    assert shared(first, second) == {"blind", "larger"}
    assert first["blind"].seed == second["blind"].seed and first["blind"].key.dataset == "twofold"
    assert first["seeing"].seed != second["seeing"].seed


def test_another_configuration_shares_nothing_but_its_own_labels(made: MadeBenchmark) -> None:
    plain, shifted, both = (stages(made, name) for name in ("twofold", "twofold[shift=1.0]", "twofold[label=second,shift=1.0]"))
    assert shared(plain, shifted) == shared(plain, both) == set()
    assert shared(shifted, both) == {"blind", "larger"}
    assert both["blind"].key.dataset == "twofold[shift=1.0]"


def test_a_label_that_changes_inputs_or_splits_shares_no_stage_that_they_reach(made: MadeBenchmark) -> None:
    assert shared(stages(made, "twofold"), stages(made, "twofold[label=told]")) == set()
    first, second = (stages(made, f"twofold[{label}balanced=False]") for label in ("", "label=second,"))
    assert "blind" not in shared(first, second)


def test_a_dataset_that_does_not_name_its_label_keeps_its_keys(made: MadeBenchmark) -> None:
    first, second = (stages(made, name, "") for name in ("twofold", "twofold[label=second]"))
    assert shared(first, second) == set()
    spelled, cohort = "twofold[label=second]", load(made, "twofold[label=second]", "")
    for stage in second.values():
        assert (stage.key.dataset, stage.key.ingredients["data"]) == (spelled, cohort.content_digest)
    assert cohort.unlabelled_digest == ""


def load(made: MadeBenchmark, dataset: str, named: str) -> Any:
    from benchmark.data.preparation import load_cohort

    return load_cohort(dataset, made.catalogue(*files(made, named)))


def test_a_run_of_both_labels_builds_such_a_stage_once_and_names_both(made: MadeBenchmark) -> None:
    words = [word for path in files(made) for word in ("--plugin", str(path))]
    both = ["twofold", "twofold[label=second]"]
    for dataset in both:
        chosen = ["--dataset", dataset, "--method", "staged", "--protocol", "leave-one-site-out", "--seeds", "39"]
        made.run(*words, *chosen)
    shown = made.json("show", "stages", "--json")
    users = {name: [each["used_by"] for each in shown if each["stage"] == name] for name in ("blind", "larger", "seeing")}
    rows = [f"{dataset}/leave-one-site-out/staged" for dataset in both]
    assert users["blind"] == users["larger"] == [rows] * 3
    assert sorted(users["seeing"]) == sorted([[row] for row in rows] * 3)
