"""A small benchmark made from strings, run through the real command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli import fetch
from benchmark.data.fetching import needs_files
from benchmark.data.sources import Sources
from benchmark.registry.spelling import parse_spelling

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RealData:
    """A data folder of its own, into which datasets are fetched and prepared once per session."""

    folder: Path
    source_files: Callable[[str], Sources]
    read_once: Callable[[str], AbstractContextManager[None]]
    fetched: set[str] = field(default_factory=set)

    def fetch(self, spelled: str) -> dict[str, str]:
        """Fetch and prepare a dataset, or skip the test; returns the environment that uses it.

        The verb `fetch` does it, in this process: so the slow files are read once for all tests.
        """
        if spelled not in self.fetched:
            name, _ = parse_spelling(spelled)
            mirror = str(self.source_files(name).folder) if needs_files(name) else None
            with self.read_once(name), pytest.MonkeyPatch.context() as patch:
                patch.setenv("STROKEBENCH_DATA", str(self.folder))
                assert fetch.run(argparse.Namespace(name=spelled, mirror=mirror, jobs=8)) == 0
            self.fetched.add(spelled)
        return {**os.environ, "STROKEBENCH_DATA": str(self.folder)}


@pytest.fixture(scope="session")
def real_data(
    tmp_path_factory: pytest.TempPathFactory,
    source_files: Callable[[str], Sources],
    read_once: Callable[[str], AbstractContextManager[None]],
) -> RealData:
    """`real_data.fetch("soop")` -> the environment in which the dataset's prepared cohort is at hand."""
    return RealData(tmp_path_factory.mktemp("real"), source_files, read_once)


def command(environment: dict[str, str], *words: str) -> str:
    """What a command of the benchmark prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


PLUGIN = '''
"""A made cohort of 90 cases at three sites, and methods that behave in known ways."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.data.cohort import Cohort
from benchmark.learning.method import EstimatorMethod
from benchmark.registry.cards import register_dataset, register_method


@register_dataset(
    "made", title="Made", source="made here", license="none", citation="none", label="made", label_time="never",
    positive="good", negative="poor", site="hospital", inputs={"table": "x and z"}, barred={}, scope="Made for tests.",
    modalities={"table"}, cases=90, sites=3,
)
@dataclass(frozen=True)
class Made:
    def build(self, sources):
        rng = np.random.default_rng(7)
        table = pd.DataFrame({"x": rng.normal(size=90), "z": rng.normal(size=90)})
        ids = np.array([f"c{k:03d}" for k in range(90)])
        labels = (rng.random(90) < 1 / (1 + np.exp(-2 * table["x"]))).astype(np.int8)
        sites = np.array(["a", "b", "c"])[rng.integers(3, size=90)]
        return Cohort("made", ids, labels, sites, ids, table, source_digest="made v1")


TABLE = {"table"}


@register_method("steady", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Steady(EstimatorMethod):
    stochastic = False
    C: float = 1.0

    def estimator(self, seed):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.C)


@register_method("dicey", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Dicey:
    pause: float = 0.0

    def fit(self, train, validation, seed):
        time.sleep(self.pause)
        self.rng = np.random.default_rng(seed)

    def predict_proba(self, cases):
        return np.clip(1 / (1 + np.exp(-cases.table["x"] - self.rng.normal(size=len(cases)))), 0, 1).to_numpy()


@register_method("blunt", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Blunt:
    def fit(self, train, validation, seed):
        if FAIL:
            raise ValueError("blunt fails on purpose")

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-cases.table["z"].to_numpy()))


FAIL = False
'''
SUITE = """\
title = "Made suite"
datasets = ["made"]
protocols = ["repeated-cv", "leave-one-site-out"]
ranked = ["steady", "dicey", "blunt"]
descriptive = ["steady[C=0.01]"]
"""


OTHER = """
from dataclasses import dataclass

import numpy as np

from benchmark.registry.cards import register_method


@register_method("other", family="made", reference="none", fit_modalities=set(), predict_modalities=set())
@dataclass
class Other:
    def fit(self, train, validation, seed):
        self.p = 0.4

    def predict_proba(self, cases):
        return np.full(len(cases), self.p)
"""


@dataclass
class MadeBenchmark:
    """A plug-in, a suite and an output folder of their own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def plugin(self) -> Path:
        return self.folder / "made_plugin.py"

    @property
    def suite(self) -> Path:
        return self.folder / "made-suite.toml"

    @property
    def other(self) -> Path:
        """A second plug-in with a method of its own, written when first asked for."""
        path = self.folder / "other_plugin.py"
        if not path.exists():
            path.write_text(OTHER, encoding="utf-8")
        return path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def leaderboard(self) -> Path:
        return self.output / "results" / "made-suite.md"

    @property
    def options(self) -> list[str]:
        return ["--suite", str(self.suite), "--plugin", str(self.plugin)]

    @property
    def variables(self) -> dict[str, str]:
        own = {"STROKEBENCH_DATA": str(self.folder / "data"), "STROKEBENCH_OUTPUT": str(self.output)}
        return {**os.environ, **own, **self.environment}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "benchmark", *words]

    def cli(self, *words: str, code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code must be `code` unless that is None."""
        done = subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env={**self.variables, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        if code is not None:
            assert done.returncode == code, f"{words}: code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run(self, *words: str, code: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """`run` of the made suite, without MLflow; in-process, which is faster, unless the words say how many jobs."""
        where = [] if "--jobs" in words else ["--in-process"]
        return self.cli("run", *self.options, "--no-sync", *where, *words, code=code, **environment)

    def json(self, *words: str) -> Any:
        return json.loads(self.cli(*words).stdout)

    def cells(self) -> dict[str, bytes]:
        """The deterministic line of every stored cell, by its path."""
        folder = self.output / "results" / "cells"
        return {
            str(path.relative_to(folder)): path.read_bytes().split(b"\n")[1]
            for path in sorted(folder.rglob("*.json"))
            if path.name != "task.json"
        }


@pytest.fixture
def made(tmp_path: Path) -> MadeBenchmark:
    (tmp_path / "made_plugin.py").write_text(PLUGIN, encoding="utf-8")
    (tmp_path / "made-suite.toml").write_text(SUITE, encoding="utf-8")
    return MadeBenchmark(tmp_path)
