"""Methods with spaces, and what the tests of tuning ask of a search."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from benchmark.cells.compute import compute
from benchmark.cells.planning import Cell
from benchmark.cells.studies import journal_path, trials_of
from benchmark.learning.tuning.space import read_space
from benchmark.registry.catalogue import ConfiguredMethod
from benchmark.registry.discovery import discover
from benchmark.suites.suite import canonical
from tests.made_benchmark import MadeBenchmark

METHODS = '''
import sys
from dataclasses import dataclass

import numpy as np

from benchmark import register_method, stage
from benchmark.learning.method import EstimatorMethod

SEEN = sys.__dict__.setdefault("seen_in_tuning", [])  # outlives the module, which each trial imports anew


def age(cases):
    return np.nan_to_num(cases.table["age"].to_numpy(dtype=float) - 70)


@register_method("weighing", family="f", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table"})
@dataclass
class Weighing:
    """The label falls with age: the more of it is negated, the better; the seed adds noise."""

    share: float = 0.5
    noise: float = 0.5
    hidden: str = "8:4"

    def search_space(self):
        noise = {"low": 0.1, "high": 10.0, "log": True}
        return {"share": [0.0, 0.25, 0.5, 0.75, 1.0], "noise": noise, "hidden": ["8:4", "4:2"]}

    def fit(self, train, validation, seed):
        SEEN.append(("fit", train, validation, (self.share, self.noise, self.hidden)))
        self.rng = np.random.default_rng(seed)

    def predict_proba(self, cases):
        SEEN.append(("predict", cases))
        x = age(cases) * (1 - 2 * self.share)
        return 1 / (1 + np.exp(-np.clip(x + self.noise * self.rng.normal(size=len(cases)), -30, 30)))


@register_method("staged", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Staged:
    """Its stage knows the better half of its answer, and one of its values; `fit` needs it."""

    depth: int = 1
    share: float = 0.5

    def search_space(self):
        return {"depth": [1, 2], "share": [0.5, 1.0]}

    @stage(sees={"train"}, fields=("depth",))
    def before(self, seen, seed):
        SEEN.append(("stage", seen.train, self.depth))
        return {"depth": np.array(self.depth)}

    def fit(self, train, validation, seed):
        SEEN.append(("staged fit", int(self.stages["before"]["depth"]), self.depth, self.share))
        self.slope = -self.share * int(self.stages["before"]["depth"])

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-np.clip(age(cases) * self.slope, -30, 30)))


@register_method("gridded", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Gridded(Weighing):
    """Inherits all but its space."""

    def search_space(self):
        return {"share": [0.0, 0.5, 1.0], "hidden": ["8:4", "4:2"]}


@register_method("heir", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Heir(Gridded):
    """Inherits its space as well."""


@register_method("rooted", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Rooted(EstimatorMethod):
    """A forest whose parameters are no fields."""

    def search_space(self):
        return {"estimator.max_depth": [1, 2], "smote": [0, 1]}

    def estimator(self, seed):
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(5, random_state=seed)

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        SEEN.append(("depth", getattr(self._fitted, "max_depth", None), self.smote))


@register_method("stumbling", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Stumbling(Weighing):
    """Fails for some values."""

    how: str = "none"

    def search_space(self):
        return {"how": ["none", "raises", "quits", "nan"]}

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        if self.how == "raises":
            raise ValueError("a deliberate failure")
        if self.how == "quits":
            raise SystemExit(3)

    def predict_proba(self, cases):
        return super().predict_proba(cases) * (np.nan if self.how == "nan" else 1)


@register_method("epochal", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Epochal(Weighing):
    """Trains in 30 epochs, each as good as its `level`."""

    level: float = 0.5
    on_epoch = None

    def search_space(self):
        return {"level": [0.9, 0.8, 0.7, 0.6, 0.55, 0.52, 0.51, 0.3, 0.2, 0.1]}

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.history = {"epoch": []}
        self.threshold = 0.25
        self.chosen = {"best_epoch": 7}
        for epoch in range(30):
            if self.on_epoch is not None:
                self.on_epoch(epoch, self.level)
            self.history["epoch"].append(epoch)
            SEEN.append(("epoch", self.level, epoch, self.on_epoch is not None))


@register_method("spaceless", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Spaceless:
    share: float = 0.5

    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
'''
CellOf = Callable[..., Cell]


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    path = tmp_path / "tunable.py"
    path.write_text(METHODS)
    return path


@pytest.fixture
def seen() -> Iterator[list[Any]]:
    """What the methods noted, in order."""
    kept = sys.__dict__.setdefault("seen_in_tuning", [])
    kept.clear()
    yield kept
    kept.clear()


@pytest.fixture
def cell_of(made: MadeBenchmark, methods: Path) -> CellOf:
    """`cell_of(method)` -> its first cell, planned anew from the files as they are."""

    def make(method: str) -> Cell:
        return made.cell(canonical("method", method, made.catalogue(methods)), "repeated-cv", plugins=[methods])

    return make


@pytest.fixture
def space_of(methods: Path) -> Callable[..., dict[str, Any]]:
    """`space_of("{...}")` -> the space of a method whose `search_space()` returns that expression."""

    def read(expression: str, name: str = "gridded", **fixed: Any) -> dict[str, Any]:
        path = methods.with_name(f"other{abs(hash(expression))}.py")
        old = '{"share": [0.0, 0.5, 1.0], "hidden": ["8:4", "4:2"]}'
        assert old in METHODS
        path.write_text(METHODS.replace(old, expression))
        return read_space(ConfiguredMethod(discover([str(path)]).methods.get(name), fixed))

    return read


def chosen_of(made: Cell) -> dict[str, Any]:
    record = compute(made)
    assert record.outcome == "ok", record.reason
    return record.chosen


def trials(made: Cell) -> list[optuna.trial.FrozenTrial]:
    return trials_of(made.address, made.key)


def states(made: Cell) -> list[str]:
    """How all trials of the row's journal stand."""
    path = journal_path(made.address.dataset, made.address.protocol, made.address.method)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return [trial.state.name for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]
