"""Modalities: digests that published keys rest on stay as they are, and one file adds a modality or a protocol."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort, every_part
from benchmark.data.features import data_key
from benchmark.data.modalities import MODALITIES, known_modalities
from benchmark.data.modalities.image import Atlas, ImageView
from benchmark.data.modalities.signal import Recordings
from benchmark.data.parts import Stored
from benchmark.data.preparation import load_cohort
from benchmark.registry.discovery import discover
from benchmark.system.errors import UnknownNameError
from benchmark.system.locations import ROOT

EVERYTHING = """
from dataclasses import dataclass
import numpy as np, pandas as pd
from benchmark import Atlas, Cohort, ImageView, register_dataset

@register_dataset("everything", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="p",
                  negative="n", site="s", inputs={}, barred={}, scope="s", modalities={"table", "image", "text"})
@dataclass(frozen=True)
class Everything:
    reports: bool = True

    def build(self, sources):
        table = pd.DataFrame({
            "age": [71.5, np.nan, 60, 55],
            "grade": pd.Categorical(["b", None, "a", "b"]),
        })
        images = {
            "adc": ImageView(np.arange(4 * 6, dtype=np.float16).reshape(4, 1, 1, 2, 3)),
            "mask": ImageView(np.arange(5 * 2, dtype=np.uint8).reshape(5, 1, 2), rows=np.array([4, 0, 1, 2]), scale=0.1),
        }
        pool = Cohort(name="p", case_ids=np.array(["q2", "q1"]), sites=np.array(["X", "Y"]), groups=np.array(["q2", "q1"]),
                      reports=(("two",), ("one",)))
        return Cohort(
            name="whatever", case_ids=np.array(["c10", "c9", "c2", "c1"]), labels=np.array([1, 0, 0, 1]),
            sites=np.array(["X", "Ü", "X", "Ü"]), groups=np.array(["p1", "p1", "p2", "p3"]), table=table,
            reports=(("ten", "zehn"), (), ("zwei – “quoted”",), ("one",)) if self.reports else None, images=images,
            derived=pd.DataFrame({"volume": [10.0, 9.0, 2.0, 1.0]}), strata=pd.DataFrame({"ward": list("abab")}),
            present={"text": np.array([True, False, True, True])},
            atlas=Atlas(np.array([[[0, 1]]], dtype=np.uint8), ("MCA left",), 2.5),
            pool=pool, encoders={"text": "minilm"}, facts={"oracle_auc": 0.875}, source_digest="version 1",
        )
"""
DIGESTS = {
    "everything": (
        "cb1fdb01ad2283e46b5a56ac0fdbb7d4eaf21369e61fcf9a0fecdff11186bca8",
        "f96472922bdcf53d9a7b08cfe6f1f4e54c8925c66186b031543b19c9a4377620",
    ),
    "everything[reports=False]": (
        "279c72de6ac9e06d3870ac166b1e407c51b036586354e5c7b0395eeffc024dab",
        "c6ac9a4cfe6ef102234d06e5a2d9c0f10f70bd52cfdf044d63453b70461d6eae",
    ),
}
"""Task and content digest as the code of the first published keys computes them."""

GAIT = '''
"""Gait: (n, sensors, samples) with its sampling rate."""

from dataclasses import dataclass

import numpy as np

from benchmark.data.parts import Modality, Part, mapped


@dataclass(frozen=True, eq=False)
class Walks:
    values: np.ndarray
    hertz: float

    @property
    def shape(self):
        return self.values.shape

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index].astype(np.float32)

    def take(self, index):
        return Walks(self.values[index], self.hertz)

    def join(self, other, order):
        return Walks(np.concatenate([self.values, other.values])[order], self.hertz)


class WalksPart(Part):
    def write(self, value, folder):
        np.save(folder / "walks.npy", value.values)
        return value.hertz

    def read(self, folder, written):
        return Walks(mapped(folder / "walks.npy"), written)

    def digested(self, value):
        if value is not None:
            yield f"walks.{value.hertz}", value.values


class Gait(Modality):
    def views(self, parts):
        return {"sensors": parts["walks"]} if "walks" in parts else {}

    def specimen(self, severity, present, rng):
        """Two sensors whose amplitude follows severity."""
        time = np.arange(50) / 100
        waves = (3 + severity)[:, None, None] * np.sin(2 * np.pi * np.array([5, 10])[:, None] * time)
        return {"walks": Walks((waves + 0.1 * rng.normal(size=waves.shape)) * present[:, None, None], 100.0)}


MODALITY = Gait((WalksPart("walks"),), optional=True)
'''
WALKERS = '''
from dataclasses import dataclass
import numpy as np
import torch
from benchmark import Cohort, NeuralMethod, register_dataset, register_method
from benchmark.data.modalities.gait import Walks

@register_dataset("walkers", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="p",
                  negative="n", site="s", inputs={"gait": "two sensors"}, barred={}, scope="s", modalities={"gait"})
@dataclass(frozen=True)
class Walkers:
    def build(self, sources):
        ids = np.array([f"case-{i:02d}" for i in range(60)])
        labels = np.arange(60) % 2
        values = np.random.default_rng(0).normal(size=(60, 2, 40)) * (1 + 2 * labels)[:, None, None]
        return Cohort("walkers", ids, labels, None, ids, walks=Walks(values, 40.0), source_digest="walkers 1")

@register_method("amplitude", family="f", reference="r", fit_modalities={"gait"}, predict_modalities={"gait"})
@dataclass
class Amplitude:
    """Logistic curve of the gait's standard deviation."""

    stochastic = False

    def fit(self, train, validation, seed):
        amplitude, one = self.amplitude(train), train.labels == 1
        self.centre, self.sign = amplitude.mean(), np.sign(amplitude[one].mean() - amplitude[~one].mean())

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-self.sign * (self.amplitude(cases) - self.centre)))

    def amplitude(self, cases):
        assert cases.modalities == {"gait"} and cases.walks.hertz > 0
        return cases.walks.values.std(axis=(1, 2))

@register_method("waves", family="f", reference="r", fit_modalities={"gait"}, predict_modalities={"gait"})
@dataclass
class Waves(NeuralMethod):
    """A network on the sensors as they are."""

    unencoded = {"gait"}
    epochs: int = 40
    batch_size: int = 4
    learning_rate: float = 0.05

    def module(self, shapes):
        assert shapes.views == {"sensors": (2, 40)}
        return Power()

class Power(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(2, 1)

    def forward(self, batch):
        return self.map(batch.views["sensors"].square().mean(2)).squeeze(1)
'''
FIRST_THIRD = """
from dataclasses import dataclass
import numpy as np
from benchmark.data.splits import make_split
from benchmark.registry.cards import register_protocol

@register_protocol("first-third", description="the first third is tested", inference="held-out")
@dataclass(frozen=True)
class FirstThird:
    def splits(self, cohort):
        cases = np.arange(len(cohort))
        return [make_split(cohort, "first-third", 39, cases[20:], cases[:20], 39)]
"""
SUITE = """
title = "Gait"
datasets = ["walkers"]
protocols = ["first-third"]
primary_metric = "auc"
ranked = ["amplitude", "majority", "waves"]
[limits]
seconds = 60
memory_gib = 2
"""


@pytest.mark.parametrize("spelled", DIGESTS)
def test_digests_of_a_cohort_of_all_modalities_are_those_of_the_first_keys(tmp_path: Path, spelled: str) -> None:
    path = tmp_path / "everything.py"
    path.write_text(EVERYTHING, encoding="utf-8")
    cohort = load_cohort(spelled, discover([str(path)]))
    assert (cohort.task_digest, cohort.content_digest) == DIGESTS[spelled]


FURTHER = EVERYTHING.replace(
    "images=images,", 'images=images, report_sets={"topics": (("X", "10"), ("IX",), (), ("I",))},'
).replace('reports=(("two",), ("one",)))', 'reports=(("two",), ("one",)), report_sets={"topics": (("II",), ("I", " "))})')


def test_further_sets_of_reports_are_prepared_with_the_cohort_and_its_pool_and_change_no_digest(tmp_path: Path) -> None:
    cohorts = []
    for name, text in (("plain.py", EVERYTHING), ("further.py", FURTHER)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        cohorts.append(load_cohort("everything", discover([str(tmp_path / name)])))
    plain, further = cohorts
    assert plain.report_sets == {}
    assert further.report_sets == {"topics": (("I",), ("X", "10"), (), ("IX",))}
    assert further.pool.report_sets == {"topics": (("I",), ("II",))}
    assert (further.task_digest, further.content_digest) == DIGESTS["everything"]
    assert (further.reports, further.pool.reports) == (plain.reports, plain.pool.reports)
    assert (data_key(further), data_key(further.pool)) == (data_key(plain), data_key(plain.pool))
    assert further.modalities == plain.modalities


def test_every_file_of_the_folder_is_a_modality_and_no_two_parts_share_a_name_or_a_place() -> None:
    assert MODALITIES == ("image", "signal", "table", "text")
    parts = [part for modality in known_modalities().values() for part in modality.parts]
    assert len(every_part()) == len({part.name for part in parts}) + 10
    placed = [part.place for part in every_part().values() if part.place is not None]
    assert len(placed) == len(set(placed))


def test_names_of_modalities_come_without_pandas() -> None:
    code = "import sys; from benchmark.data.modalities import MODALITIES; assert 'pandas' not in sys.modules, MODALITIES"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def small() -> Cohort:
    return Cohort(
        name="small",
        case_ids=np.array(["a", "b", "c"]),
        labels=np.array([0, 1, 1], dtype=np.int8),
        table=pd.DataFrame({"x": [1.0, 2.0, 3.0]}),
        reports=(("one",), (), ("three",)),
        report_sets={"topics": (("1",), (), ("3",))},
        images={"scan": ImageView(np.arange(3, dtype=np.uint8)[:, None, None])},
        derived=pd.DataFrame({"volume": [3.0, 2.0, 1.0]}),
        atlas=Atlas(np.ones((1, 1, 1), dtype=np.uint8), ("MCA left",), 1.0),
        present={"text": np.array([True, False, True])},
        rows=np.arange(3),
    )


def test_a_part_that_no_modality_has_is_refused_and_the_nearest_offered() -> None:
    with pytest.raises(UnknownNameError, match="unknown part of a cohort 'imagse': did you mean 'images'"):
        Cohort(name="n", case_ids=np.array(["a"]), imagse={})
    with pytest.raises(UnknownNameError, match="unknown part of a cohort 'tabel': did you mean 'table'"):
        replace(small(), tabel=None)
    with pytest.raises(AttributeError, match="no 'tabel'"):
        _ = small().tabel


def test_what_a_cohort_lacks_is_none_or_empty() -> None:
    bare = Cohort(name="n", case_ids=np.array(["a"]))
    assert (bare.table, bare.reports, bare.derived, bare.atlas, dict(bare.images)) == (None, None, None, None, {})
    assert replace(small(), table=None).modalities == {"image", "text"}
    assert replace(small(), images={}, derived=None).modalities == {"table", "text"}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda cohort: pickle.loads(pickle.dumps(cohort))])
def test_copies_hold_the_same_parts(copied) -> None:
    other = copied(small())
    assert other.table.equals(small().table)
    assert other.reports == small().reports
    assert other.images["scan"].load().tolist() == small().images["scan"].load().tolist()
    assert other.modalities == {"image", "table", "text"}


def test_permuting_a_modality_moves_all_its_parts_together_and_its_flags() -> None:
    whole = replace(small(), signals=Recordings(np.arange(300).reshape(3, 1, 100), 50.0, ["II"]))
    for name, modality in known_modalities().items():
        dealt = whole.permuted(name, np.random.default_rng(3))
        order = np.random.default_rng(3).permutation(3)
        assert order.tolist() != [0, 1, 2]
        moved = whole.take(order)
        own = {part.name for part in modality.parts}
        for part, value in dealt.contents():
            expected = getattr(moved if part.name in own else whole, part.name)
            if part.name != "present":
                assert _words(part, value) == _words(part, expected), (name, part.name)
        assert dealt.present["text"].tolist() == (moved if name == "text" else whole).present["text"].tolist()


def _words(part, value) -> list[object]:
    items = ((name, item.view.load() if isinstance(item, Stored) else item) for name, item in part.digested(value))
    return [(name, np.asarray(item, dtype=object).tolist()) for name, item in items]


# One file adds a modality, and one a protocol


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with one file more for a modality and one for a protocol, and a dataset and a method that use them."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("benchmark", "baselines", "methods", "datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "benchmark/data/modalities/gait.py").write_text(GAIT, encoding="utf-8")
    (folder / "benchmark/data/protocols/first_third.py").write_text(FIRST_THIRD, encoding="utf-8")
    (folder / "walkers.py").write_text(WALKERS, encoding="utf-8")
    (folder / "gait.toml").write_text(SUITE, encoding="utf-8")
    return folder


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {"STROKEBENCH_DATA": str(folder / "data"), "STROKEBENCH_OUTPUT": str(folder / "output")}
    done = [sys.executable, "-m", "benchmark", *words, "--plugin", "walkers.py"]
    return subprocess.run(done, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_one_file_adds_a_modality_and_one_a_protocol_and_both_run_through_cells_and_ranking(extended: Path) -> None:
    done = command(extended, "run", "--suite", "gait.toml", "--jobs", "1", "--no-sync")
    assert done.returncode == 0, done.stderr
    ranked = json.loads(command(extended, "rank", "--suite", "gait.toml", "--json").stdout)
    (table,) = ranked["tables"]
    assert (table["dataset"], table["protocol"]) == ("walkers", "first-third")
    means = {row["method"]: row["metrics"]["auc"]["mean"] for row in table["rows"]}
    assert means == {"amplitude": 1.0, "majority": 0.5, "waves": 1.0}


@pytest.mark.slow
def test_made_cohorts_have_a_modality_that_one_file_adds(extended: Path) -> None:
    done = command(extended, "check", "amplitude", "--json")
    findings = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert {finding["shape"] for finding in findings if finding["check"] == "probabilities"} == {
        *("complete", "no-text", "one-site"),
    }
    assert {tuple(finding.values())[-2:] for finding in findings if finding["check"] == "modalities"} == {
        ("good", "predictions depend on gait, and not on the undeclared image+signal+table+text"),
        ("good", "predictions depend on gait, and not on the undeclared image+signal+table"),
    }
