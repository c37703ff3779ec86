"""A benchmark made of strings, which tests run through the real command line.

One dataset (`made`), methods that behave in known ways, good ones and bad ones, and one suite are written into a folder of
their own; a test adds or edits components as strings and calls a verb as a user would:

    made = MadeBenchmark(folder)
    path = made.write("mine.py", "...")          # another component file
    made.edit("SLOPE = 3.0", "SLOPE = 5.0")      # an edit of the made components
    made.run("--plugin", str(path)).stdout       # `python -m benchmark run --suite ... --plugin ...`

`cli`, `run` and `json` run the command line in this process, which saves the start of an interpreter; as far as a test can see
they are a process of their own: components are imported anew, and neither environment nor working folder is changed after.
Where a process is the point (signals, limits, another folder), `process` and `command` give a real one.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmark.cells import compute as computing
from benchmark.cells.planning import Cell, Plan, plan
from benchmark.cells.store import Store
from benchmark.cli.main import main
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.locations import ROOT

Done = subprocess.CompletedProcess[str]
CASES = 60
COMPONENTS = '''\
"""A made dataset: 60 cases of three sites with table, derived image features and text, a pool of 10; and methods."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Atlas, Cohort, ImageView, register_dataset, register_method

SLOPE = 3.0
FLIPPED = ()
BRIGHTER = ()
FAIL = False


@register_dataset(
    "made",
    title="Made",
    source="made here",
    license="CC0",
    citation="none",
    label="good outcome",
    label_time="90 days",
    positive="good",
    negative="poor",
    site="hospital",
    inputs={"table": "age, side, x and z", "image": "lesion volume, two territories", "text": "one draft or two"},
    barred={},
    scope="Made for tests.",
    modalities={"table", "image", "text"},
    cases=60,
    sites=3,
)
@dataclass(frozen=True)
class Made:
    """Severity drives label, table, image and text alike; z and side are noise."""

    cases: int = 60
    sites: int = 3
    text: bool = True
    pool: int = 10
    attributes: bool = True
    seed: int = 0

    def build(self, sources):
        labelled = self._draw(0, self.cases)
        luck = np.array([np.random.default_rng([8, i, self.seed]).normal() for i in range(self.cases)])
        labels = (np.log(labelled.derived["lesion_volume_ml"] / 10).to_numpy() + 0.7 * luck < 0).astype(np.int8)
        labels[list(FLIPPED)] ^= 1
        pool = self._draw(self.cases, self.cases + self.pool) if self.pool else None
        return Cohort(**{**vars(labelled), "labels": labels, "pool": pool})

    def _draw(self, first, last):
        drawn = [np.random.default_rng([7, i, self.seed]) for i in range(first, last)]
        severity = np.array([rng.normal() for rng in drawn])
        noise = np.array([rng.normal(size=4) for rng in drawn])
        age = 70 + 5 * severity + 2 * noise[:, 0]
        age[::17] = np.nan
        share = 1 / (1 + np.exp(-severity - 0.3 * noise[:, 1]))
        voxels = np.array([rng.integers(0, 256, (1, 2, 2, 2)) for rng in drawn], dtype=np.uint8)
        voxels[[i for i in BRIGHTER if i < len(voxels)]] ^= 1
        sex = np.where(noise[:, 1] > 0, "female", "male").astype(object)
        sex[:6] = None
        years, tesla = 70 + 12 * noise[:, 3], np.where(noise[:, 2] > 0, 1.5, 3.0)
        strata = pd.DataFrame({"sex": pd.Categorical(sex), "age": years, "field_strength": tesla, "severity": severity})
        atlas = Atlas(np.arange(8, dtype=np.uint8).reshape(2, 2, 2) % 3, ("ACA left", "MCA left"), 1.0)
        words = ["Large infarct. Hemisphere is swollen." if s > 0 else "Small infarct." for s in severity]
        return Cohort(
            name="made",
            case_ids=np.array([f"case-{i}" for i in range(first, last)]),
            sites=np.array(["North", "South", "West"][: self.sites])[np.arange(first, last) % self.sites],
            groups=np.array([f"patient-{i}" for i in range(first, last)]),
            table=pd.DataFrame(
                {
                    "age": age,
                    "side": pd.Categorical(np.where(noise[:, 2] > 0, "left", "right")),
                    "x": 0.7 * noise[:, 0] - severity,
                    "z": noise[:, 3],
                }
            ),
            reports=tuple((word, word.upper()) if i % 2 else (word,) for i, word in enumerate(words)) if self.text else None,
            images={"scan": ImageView(voxels, scale=1 / 255)},
            derived=pd.DataFrame(
                {"lesion_volume_ml": 10 * np.exp(severity), "ACA left": share, "MCA left": share**2}
            ),
            strata=strata if self.attributes else None,
            present={"image": np.ones(last - first, dtype=bool)},
            atlas=atlas,
            encoders={"image": "territories"},
            facts={"oracle_auc": 1.0},
            source_digest="made-1",
        )


def table_score(cases):
    return np.nan_to_num(cases.table["age"].to_numpy(dtype=float) - 70.0)


def image_score(cases):
    return np.log(cases.derived["lesion_volume_ml"].to_numpy(dtype=float))


def text_score(cases):
    return np.array([1.0 if "large" in drafts[0].lower() else -1.0 for drafts in cases.reports])


class Linear:
    """Logistic curve of one score with the sign that the training part shows."""

    score = staticmethod(table_score)
    steepness = 1.0

    def fit(self, train, validation, seed):
        score = self.score(train)
        one = train.labels == 1
        self.sign = np.sign(score[one].mean() - score[~one].mean())
        self.centre, self.scale = score.mean(), score.std() + 1e-9

    def predict_proba(self, cases):
        steep = SLOPE * self.steepness * self.sign
        return 1 / (1 + np.exp(-steep * (self.score(cases) - self.centre) / self.scale))


@register_method("steady", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Steady(Linear):
    """No seed changes it."""

    stochastic = False
    steepness: float = 1.0


@register_method("dicey", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Dicey(Linear):
    """Depends on its seed."""

    noise: float = 0.5
    pause: float = 0.0

    def fit(self, train, validation, seed):
        time.sleep(self.pause)
        super().fit(train, validation, seed)
        self.random = np.random.default_rng(seed)

    def predict_proba(self, cases):
        base = super().predict_proba(cases)
        return np.clip(base + self.noise * (self.random.random(len(cases)) - 0.5), 0, 1)


@register_method("blunt", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Blunt:
    """Knows nothing, and says that its seed might matter; fails where it is told to."""

    def fit(self, train, validation, seed):
        if FAIL:
            raise ValueError("blunt fails on purpose")

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-cases.table["z"].to_numpy()))


@register_method("of-image", family="made", reference="none", fit_modalities={"image"}, predict_modalities={"image"})
@dataclass
class OfImage(Linear):
    stochastic = False
    score = staticmethod(image_score)


@register_method("of-text", family="made", reference="none", fit_modalities={"text"}, predict_modalities={"text"})
@dataclass
class OfText(Linear):
    stochastic = False
    score = staticmethod(text_score)


@register_method(
    "varied",
    family="made",
    reference="none",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={"features": {"table": {"table"}, "image": {"image"}, "table+image": {"table", "image"}}},
)
@dataclass
class Varied(Linear):
    stochastic = False
    features: str = "table"
    width: int = 8

    def score(self, cases):
        scores = {"table": table_score, "image": image_score}
        return sum(scores[part](cases) for part in self.features.split("+"))


@register_method("limited", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Limited(Linear):
    max_cases = 20
    max_cases_reason = "memory grows with the square"
'''
SUITE = """\
title = "Made suite"
datasets = ["made"]
protocols = ["repeated-cv", "leave-one-site-out"]
primary_metric = "auc"
ranked = ["steady", "dicey", "blunt"]
descriptive = ["steady[steepness=0.01]"]

[limits]
seconds = 60
memory_gib = 4
"""
BROKEN = '''\
"""Methods that each go wrong in a way of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmark import register_method


class Constant:
    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)


@register_method("failing", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Failing(Constant):
    def fit(self, train, validation, seed):
        raise ValueError("a deliberate failure")


@register_method("invalid", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Invalid(Constant):
    """What it gives: nan, shape, column, above, below, text, nothing."""

    gives: str = "nan"

    def predict_proba(self, cases):
        n = len(cases)
        return {
            "nan": np.where(np.arange(n) == 1, np.nan, 0.5),
            "infinite": np.full(n, np.inf),
            "shape": np.full(n + 1, 0.5),
            "column": np.full((n, 1), 0.5),
            "above": np.full(n, 1.01),
            "below": np.full(n, -0.01),
            "text": np.array(["0.5"] * n),
            "nothing": None,
        }[self.gives]


@register_method("sleeping", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Sleeping(Constant):
    seconds: float = 60.0

    def fit(self, train, validation, seed):
        time.sleep(self.seconds)


@register_method("hungry", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Hungry(Constant):
    gib: float = 16.0

    def fit(self, train, validation, seed):
        self.held = np.ones(int(self.gib * 2**27))


@register_method("dying", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Dying(Constant):
    """How it dies: exit (without a word), killed (as by the kernel), or quit (sys.exit)."""

    by: str = "exit"

    def fit(self, train, validation, seed):
        if self.by == "exit":
            os._exit(7)
        if self.by == "quit":
            sys.exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
'''
SCANS = '''\
"""A made dataset of task retrieval, 100 scans with findings, reports and wrong reports, and methods for it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, ImageView, register_dataset, register_method

N = 100
FINDINGS = ("infarct", "bleed")
SHOWN = [(), ("infarct",), ("bleed",), (), FINDINGS]
SIDES = ("left", "right")


def report(size, side, shown):
    stated = [f"There is an infarct on the {side}." if "infarct" in shown else "No infarct."]
    stated += ["There is a bleed." if "bleed" in shown else "No bleed."]
    return f"Findings: {' '.join(stated)} The ventricle has {size} ml. Summary: {' and '.join(shown) or 'normal'}."


@register_dataset("scans", title="Scans", source="made here", license="CC0", citation="none", label="any finding",
                  label_time="at the scan", positive="abnormal", negative="normal", site="hospital",
                  inputs={"image": "one scan", "text": "its report"}, barred={}, scope="Made for tests.",
                  modalities={"image", "text"}, cases=100)
@dataclass(frozen=True)
class Scans:
    """A voxel for each finding, for the side and for the size, which is each case's own."""

    def build(self, sources):
        shown = [SHOWN[i % 5] for i in range(N)]
        side = [SIDES[i // 5 % 2] for i in range(N)]
        voxels = np.zeros((N, 1, 2, 2, 1), dtype=np.uint8)
        voxels[:, 0, 0, 0, 0] = ["infarct" in some for some in shown]
        voxels[:, 0, 0, 1, 0] = ["bleed" in some for some in shown]
        voxels[:, 0, 1, 0, 0] = [SIDES.index(one) for one in side]
        voxels[:, 0, 1, 1, 0] = np.arange(N)
        cases = list(zip(range(N), side, shown))
        own = [report(*case) for case in cases]
        swapped = [(report(i, SIDES[one == "left"], some),) if "infarct" in some else () for i, one, some in cases]
        removed = [(report(i, one, some[1:]),) if some else () for i, one, some in cases]
        invented = [(report(i, one, (*some, "bleed")),) if "bleed" not in some else () for i, one, some in cases]
        return Cohort(
            name="scans",
            case_ids=[f"scan-{i:03d}" for i in range(N)],
            labels=[bool(some) for some in shown],
            reports=own,
            report_sets={"exchanged": [(own[(i + 1) % N],) for i in range(N)], "side-swapped": swapped,
                         "finding-removed": removed, "finding-invented": invented},
            images={"scan": ImageView(voxels)},
            findings=pd.DataFrame({name: [name in some for some in shown] for name in FINDINGS}),
            queries={"infarct": ["an infarct", "there is an infarct"], "bleed": ["a bleed"], "normal": ["no abnormality"]},
            source_digest="scans-1",
        )


def pixels(cases):
    return cases.images["scan"].load().reshape(len(cases), 4)


@register_method("reader", family="made", reference="none", fit_modalities={"image"}, predict_modalities={"image"},
                 labels=False, validation="unused")
@dataclass
class Reader:
    """Reads the truth in the image, and what a text states of it."""

    stochastic = False

    def fit(self, train, validation, seed):
        assert train.labels is None and train.findings is None

    def predict_proba(self, cases):
        return (pixels(cases)[:, :2].any(axis=1) + pixels(cases)[:, 3] / 200) / 2

    def similarity(self, cases, texts):
        return np.array([[self._alike(*image, text.lower()) for text in texts] for image in pixels(cases)])

    def _alike(self, infarct, bleed, side, size, text):
        there = {name for name, shown in zip(FINDINGS, (infarct, bleed)) if shown}
        stated = {name for name in FINDINGS if re.search(rf"(?<!no ){name}", text)}
        score = (len(stated & there) - len(stated - there)) / max(len(stated), 1) - 0.2 * len(there - stated)
        sides = [one for one in SIDES if one in text]
        score += sum(0.3 if one == SIDES[int(side)] else -0.3 for one in sides)
        return (score + 0.3 * (f" {int(size)} ml" in text)) / 2


class Lots:
    """Draws what a text, or another name, is to each case."""

    stochastic = False

    def fit(self, train, validation, seed):
        pass

    def _drawn(self, cases, name):
        seeds = [[int(size), zlib.crc32(name.encode())] for size in pixels(cases)[:, 3]]
        return np.array([np.random.default_rng(seed).random() for seed in seeds])

    def predict_proba(self, cases):
        return self._drawn(cases, "label")


@register_method("guesser", family="made", reference="none", fit_modalities={"image"}, predict_modalities={"image"},
                 validation="unused")
@dataclass
class Guesser(Lots):
    """Knows nothing."""

    def similarity(self, cases, texts):
        return np.stack([2 * self._drawn(cases, text) - 1 for text in texts], axis=1)


@register_method("taught", family="made", reference="none", fit_modalities={"image"}, predict_modalities={"image"},
                 validation="unused")
@dataclass
class Taught(Lots):
    """Learns the findings, and compares no image with words."""

    def fit(self, train, validation, seed):
        self.names = list(train.findings)
        self.rates = train.findings.mean().to_numpy()

    def predict_findings(self, cases):
        return np.clip(0.8 * pixels(cases)[:, [FINDINGS.index(name) for name in self.names]] + 0.1 * self.rates, 0, 1)
'''
SCANS_SUITE = """\
title = "Made findings"
datasets = ["scans"]
protocols = ["repeated-cv"]
task = "retrieval"
threshold = "sensitivity-95"
primary_metric = "zero_shot_auc_macro"
ranked = ["reader", "guesser", "taught"]
"""
OTHER = """
from dataclasses import dataclass

import numpy as np

from benchmark import register_method


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
    """A component file, a suite, and folders of data and results of their own, below `folder`.

    `variables` are added to the environment of every command.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if not self.plugin.exists():
            self.write(self.plugin.name, COMPONENTS)
            self.write(self.suite.name, SUITE)

    # Components

    @property
    def plugin(self) -> Path:
        """The file of the made dataset and methods."""
        return self.folder / "made_plugin.py"

    @property
    def suite(self) -> Path:
        """The file of the made suite."""
        return self.folder / "made-suite.toml"

    @property
    def other(self) -> Path:
        """A second plug-in with a method of its own, written when first asked for."""
        return self._once("other_plugin.py", OTHER)

    @property
    def broken(self) -> Path:
        """A plug-in of methods that go wrong, written when first asked for."""
        return self._once("broken_plugin.py", BROKEN)

    @property
    def scans(self) -> list[str]:
        """The words that choose a suite of task retrieval, written with its dataset and methods when first asked for."""
        plugin, suite = self._once("scans_plugin.py", SCANS), self._once("scans-suite.toml", SCANS_SUITE)
        return ["--suite", str(suite), "--plugin", str(plugin)]

    def _once(self, name: str, text: str) -> Path:
        path = self.folder / name
        return path if path.exists() else self.write(name, text)

    def write(self, name: str, text: str) -> Path:
        """Write a component or suite file; returns its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, old: str, new: str, path: Path | None = None) -> None:
        """Replace words that must stand in a file: the made components, unless another is given."""
        path = path or self.plugin
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def copied_to(self, folder: Path) -> MadeBenchmark:
        """The same benchmark with all that it has computed, in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        members = folder / "output" / "results" / "members.json"
        if members.exists():
            members.write_text(members.read_text().replace(str(self.folder), str(folder)))
        return MadeBenchmark(folder)

    # The command line

    @property
    def options(self) -> list[str]:
        """The words that choose the made suite and its components."""
        return ["--suite", str(self.suite), "--plugin", str(self.plugin)]

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def leaderboard(self) -> Path:
        return self.output / "results" / "made-suite.md"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command."""
        own = {"STROKEBENCH_DATA": str(self.folder / "data"), "STROKEBENCH_OUTPUT": str(self.output)}
        return {**os.environ, **own, **self.variables}

    def cli(self, *words: str, code: int | None = 0, **environment: str) -> Done:
        """Run a command to its end, in this process; its exit code must be `code` unless that is None."""
        done = in_this_process(words, {**self.environment, **environment})
        if code is not None:
            assert done.returncode == code, f"{words}: code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run(self, *words: str, code: int | None = 0, **environment: str) -> Done:
        """`run` of the made suite, without MLflow and without workers unless the words say how many jobs."""
        where = [] if "--jobs" in words else ["--in-process"]
        return self.cli("run", *self.options, "--no-sync", *where, *words, code=code, **environment)

    def json(self, *words: str) -> Any:
        """What a command prints, read as JSON."""
        return json.loads(self.cli(*words).stdout)

    def table(self, *words: str) -> Any:
        """The first table of `rank --json`."""
        return self.json("rank", *self.options, *words, "--json")["tables"][0]

    def command(self, *words: str) -> list[str]:
        """The words of a real process."""
        return [sys.executable, "-m", "benchmark", *words]

    def process(self, *words: str, **how: Any) -> Done:
        """Run a command to its end in a process of its own."""
        options = {"cwd": ROOT, "env": self.environment, "capture_output": True, "text": True, "timeout": 300, **how}
        done: Done = subprocess.run(self.command(*words), **options)
        return done

    def cells(self) -> dict[str, bytes]:
        """The deterministic line of every stored cell, by its path."""
        folder = self.output / "results" / "cells"
        return {
            str(path.relative_to(folder)): path.read_bytes().split(b"\n")[1]
            for path in sorted(folder.rglob("*.json"))
            if path.name != "task.json"
        }

    # The engine's own functions, with this test's folders of data and results

    def catalogue(self, *plugins: Path) -> Catalogue:
        """All that is registered in the checkout, in the made components as they stand now and in other files."""
        _forget_components()
        return discover([str(path) for path in (self.plugin, *plugins)])

    def cohort(self, spelled: str = "made") -> Cohort:
        return load_cohort(spelled, self.catalogue())

    def plan(
        self,
        methods: Sequence[str],
        protocols: Sequence[str] = ("repeated-cv",),
        dataset: str = "made",
        seeds: Sequence[int] = (),
        plugins: Sequence[Path] = (),
    ) -> Plan:
        """The plan of a suite of these rows, from the files as they stand now."""
        catalogue = self.catalogue(*plugins)
        suite = Suite("s", "t", (dataset,), tuple(protocols), tuple(methods))
        return plan(suite, catalogue, {dataset: load_cohort(dataset, catalogue)}, Store(), seeds)

    def cell(self, method: str, protocol: str = "leave-one-site-out", plugins: Sequence[Path] = ()) -> Cell:
        """A row's first cell."""
        planned = self.plan([method], [protocol], plugins=plugins)
        return planned.cells[0]


def in_this_process(words: Sequence[str], environment: dict[str, str]) -> Done:
    """What a command gives that starts with this environment in the checkout, without a new interpreter."""
    out, errors = io.StringIO(), io.StringIO()
    with _as_a_new_process(environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(list(words), code, out.getvalue(), errors.getvalue())


this_machine = functools.cache(provenance.environment)
"""What is installed here does not change from one command to the next, and reading all of it takes half a second."""


@contextlib.contextmanager
def _as_a_new_process(environment: dict[str, str]) -> Iterator[None]:
    """Nothing that an earlier command imported, kept or set is met, and nothing is left behind.

    No bytecode is written: its timestamp has a resolution of one second, and tests edit faster.
    """
    _forget_components()
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(provenance, "environment", this_machine),
        patch.object(sys, "dont_write_bytecode", True),
        contextlib.chdir(ROOT),
    ):
        yield
    _forget_components()


def _forget_components() -> None:
    computing._cohort.cache_clear()
    computing._catalogue.cache_clear()
    for name in [name for name in sys.modules if name.startswith("strokebench_plugin_")]:
        del sys.modules[name]
