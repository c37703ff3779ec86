"""What all tests share: isolation from this machine's data and results, a tiny benchmark, and the command line."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort
from benchmark.data.fetching import read_manifest
from benchmark.data.sources import Sources
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT, data_folder
from tests.made_benchmark import MadeBenchmark

if TYPE_CHECKING:
    from datasets._soop_files import SoopFiles

hypothesis.settings.register_profile("strokebench", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("strokebench")

Run = Callable[..., "subprocess.CompletedProcess[str]"]

TINY = '''\
"""A tiny benchmark: 60 cases of three sites with table, derived image features and text, a pool of 10, and methods."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Atlas, Cohort, ImageView, register_dataset, register_method

SLOPE = 3.0
FLIPPED = ()
BRIGHTER = ()


@register_dataset(
    "tiny",
    title="Tiny",
    source="made here",
    license="CC0",
    citation="none",
    label="good outcome",
    label_time="90 days",
    positive="good",
    negative="poor",
    site="hospital",
    inputs={"table": "age and side", "image": "lesion volume, two territories", "text": "one draft or two"},
    barred={},
    scope="made",
    modalities={"table", "image", "text"},
    cases=60,
    sites=3,
)
@dataclass(frozen=True)
class Tiny:
    """Severity drives label, table, image and text alike."""

    cases: int = 60
    sites: int = 3
    text: bool = True
    pool: int = 10

    def build(self, sources):
        labelled = self._draw(0, self.cases)
        luck = np.array([np.random.default_rng([8, i]).normal() for i in range(self.cases)])
        labels = (np.log(labelled.derived["lesion_volume_ml"] / 10).to_numpy() + 0.7 * luck < 0).astype(np.int8)
        labels[list(FLIPPED)] ^= 1
        pool = self._draw(self.cases, self.cases + self.pool) if self.pool else None
        return Cohort(**{**vars(labelled), "labels": labels, "pool": pool})

    def _draw(self, first, last):
        drawn = [np.random.default_rng([7, i]) for i in range(first, last)]
        severity = np.array([rng.normal() for rng in drawn])
        noise = np.array([rng.normal(size=4) for rng in drawn])
        age = 70 + 5 * severity + 2 * noise[:, 0]
        age[::17] = np.nan
        share = 1 / (1 + np.exp(-severity - 0.3 * noise[:, 1]))
        voxels = np.array([rng.integers(0, 256, (1, 2, 2, 2)) for rng in drawn], dtype=np.uint8)
        voxels[[i for i in BRIGHTER if i < len(voxels)]] ^= 1
        atlas = Atlas(np.arange(8, dtype=np.uint8).reshape(2, 2, 2) % 3, ("ACA left", "MCA left"), 1.0)
        words = ["Large infarct. Hemisphere is swollen." if s > 0 else "Small infarct." for s in severity]
        return Cohort(
            name="tiny",
            case_ids=np.array([f"case-{i}" for i in range(first, last)]),
            sites=np.array(["North", "South", "West"][: self.sites])[np.arange(first, last) % self.sites],
            groups=np.array([f"patient-{i}" for i in range(first, last)]),
            table=pd.DataFrame({"age": age, "side": pd.Categorical(np.where(noise[:, 2] > 0, "left", "right"))}),
            reports=tuple((word, word.upper()) if i % 2 else (word,) for i, word in enumerate(words)) if self.text else None,
            images={"scan": ImageView(voxels, scale=1 / 255)},
            derived=pd.DataFrame(
                {"lesion_volume_ml": 10 * np.exp(severity), "ACA left": share, "MCA left": share**2}
            ),
            strata=pd.DataFrame({"severity": severity}),
            present={"image": np.ones(last - first, dtype=bool)},
            atlas=atlas,
            encoders={"image": "territories"},
            facts={"oracle_auc": 1.0},
            source_digest="tiny-1",
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

    def fit(self, train, validation, seed):
        score = self.score(train)
        one = train.labels == 1
        self.sign = np.sign(score[one].mean() - score[~one].mean())
        self.centre, self.scale = score.mean(), score.std() + 1e-9

    def predict_proba(self, cases):
        return 1 / (1 + np.exp(-SLOPE * self.sign * (self.score(cases) - self.centre) / self.scale))


@register_method(
    "tiny-table", family="tiny", reference="none", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class TinyTable(Linear):
    stochastic = False


@register_method(
    "tiny-image", family="tiny", reference="none", fit_modalities={"image"}, predict_modalities={"image"}
)
@dataclass
class TinyImage(Linear):
    stochastic = False
    score = staticmethod(image_score)


@register_method("tiny-text", family="tiny", reference="none", fit_modalities={"text"}, predict_modalities={"text"})
@dataclass
class TinyText(Linear):
    stochastic = False
    score = staticmethod(text_score)


@register_method(
    "tiny-noisy", family="tiny", reference="none", fit_modalities={"table"}, predict_modalities={"table"}
)
@dataclass
class TinyNoisy(Linear):
    """Depends on its seed."""

    noise: float = 0.5

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.random = np.random.default_rng(seed)

    def predict_proba(self, cases):
        base = super().predict_proba(cases)
        return np.clip(base + self.noise * (self.random.random(len(cases)) - 0.5), 0, 1)


@register_method(
    "tiny-variants",
    family="tiny",
    reference="none",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={"features": {"table": {"table"}, "image": {"image"}, "table+image": {"table", "image"}}},
)
@dataclass
class TinyVariants(Linear):
    stochastic = False
    features: str = "table"
    width: int = 8

    def score(self, cases):
        scores = {"table": table_score, "image": image_score}
        return sum(scores[part](cases) for part in self.features.split("+"))


@register_method("tiny-small", family="tiny", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinySmall(Linear):
    max_cases = 20
    max_cases_reason = "memory grows with the square"


class Constant:
    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)


@register_method("tiny-failing", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinyFailing(Constant):
    def fit(self, train, validation, seed):
        raise ValueError("a deliberate failure")


@register_method("tiny-invalid", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinyInvalid(Constant):
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


@register_method("tiny-sleeping", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinySleeping(Constant):
    seconds: float = 60.0

    def fit(self, train, validation, seed):
        time.sleep(self.seconds)


@register_method("tiny-hungry", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinyHungry(Constant):
    gib: float = 16.0

    def fit(self, train, validation, seed):
        self.held = np.ones(int(self.gib * 2**27))


@register_method("tiny-dying", family="broken", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class TinyDying(Constant):
    """How it dies: exit (without a word), killed (as by the kernel), or quit (sys.exit)."""

    by: str = "exit"

    def fit(self, train, validation, seed):
        if self.by == "exit":
            os._exit(7)
        if self.by == "quit":
            sys.exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
'''

SUITE = """\
title = "A tiny suite"
datasets = ["tiny"]
protocols = ["repeated-cv", "leave-one-site-out"]
primary_metric = "auc"
ranked = ["majority", "tiny-table", "tiny-image", "tiny-noisy"]
descriptive = ["tiny-text"]

[limits]
seconds = 30
memory_gib = 2
"""


MIRRORS = (data_folder() / "sources", ROOT.parent / "shared" / "data" / "mirror")
"""Where source files of real datasets may lie: fetched on this machine, or in a mirror beside the checkout."""
READERS = {
    "ist": ("datasets.ist.read_trial", "trial"),
    "soop": ("datasets.soop.read_files", "files"),
    "soop-nihss": ("datasets.soop_nihss.read_files", "files"),
}
"""Dataset -> the function by which it reads its source files, and the fixture that holds what that function gives."""


def mirror_of(dataset: str) -> Path | None:
    """A folder that holds all source files of a dataset, or None."""
    files = read_manifest(dataset)[0]
    return next((folder for folder in MIRRORS if all((folder / file).is_file() for file in files)), None)


@pytest.fixture(scope="session")
def source_files() -> Callable[[str], Sources]:
    """`source_files("soop")` -> the dataset's real source files; the test is skipped where they are absent."""

    def files(name: str) -> Sources:
        mirror = mirror_of(name)
        if mirror is None:
            pytest.skip(
                f"{name} is not fetched, and no mirror beside the checkout has it: run `python -m benchmark fetch {name}`"
            )
        return Sources(mirror, *read_manifest(name))

    return files


@pytest.fixture(scope="session")
def trial(source_files: Callable[[str], Sources]) -> pd.DataFrame:
    """All rows of the International Stroke Trial's database; reading them takes 20 s."""
    from datasets.ist import read_trial

    return read_trial(source_files("ist"))


@pytest.fixture(scope="session")
def files(source_files: Callable[[str], Sources]) -> SoopFiles:
    """All masks, pictures and tables of SOOP; reading them takes 8 s."""
    from datasets._soop_files import read_files

    return read_files(source_files("soop"))


@pytest.fixture(scope="session")
def read_once(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[None]]:
    """`with read_once("ist"):` -> therein the dataset's own code receives its source files as this session has read them."""

    @contextmanager
    def patched(name: str) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            if name in READERS:
                reader, fixture = READERS[name]
                read = request.getfixturevalue(fixture)
                patch.setattr(reader, lambda sources: read)
            yield

    return patched


@pytest.fixture(scope="session")
def real_cohort(
    source_files: Callable[[str], Sources], read_once: Callable[[str], AbstractContextManager[None]]
) -> Callable[[str], Cohort]:
    """`real_cohort("soop[cases=any]")` -> what the dataset's own code builds of its real files, once per spelling."""

    @functools.cache
    def build(spelled: str) -> Cohort:
        dataset = discover().dataset(spelled)
        sources = source_files(dataset.entry.name)
        with read_once(dataset.entry.name):
            return dataset.make().build(sources)

    return build


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test does reaches this machine's data, its results or its MLflow server.

    Session-wide fixtures come first and so still see the user's own data folder, where fetched sources lie.
    """
    folder = tmp_path_factory.mktemp("isolated")
    monkeypatch.setenv("STROKEBENCH_DATA", str(folder / "data"))
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(folder / "output"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def made(tmp_path: Path, isolated: None, monkeypatch: pytest.MonkeyPatch) -> MadeBenchmark:
    """The made benchmark; the engine's own functions see its folders as well."""
    return used_here(MadeBenchmark(tmp_path), monkeypatch)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> MadeBenchmark:
    """The made benchmark after a run of its whole suite: to be read, or copied."""
    benchmark = MadeBenchmark(tmp_path_factory.mktemp("run"))
    benchmark.run()
    return benchmark


@pytest.fixture
def ran(run_once: MadeBenchmark, tmp_path: Path, isolated: None, monkeypatch: pytest.MonkeyPatch) -> MadeBenchmark:
    """The made benchmark after a run of its whole suite, for this test alone."""
    return used_here(run_once.copied_to(tmp_path), monkeypatch)


def used_here(benchmark: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> MadeBenchmark:
    """Have this process use the benchmark's folders of data and results."""
    for name in ("STROKEBENCH_DATA", "STROKEBENCH_OUTPUT"):
        monkeypatch.setenv(name, benchmark.environment[name])
    return benchmark


@pytest.fixture
def tiny_plugin(tmp_path: Path) -> Path:
    """A plug-in file with a dataset `tiny` and methods `tiny-*`, good ones and bad ones."""
    path = tmp_path / "tiny_benchmark.py"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def catalogue(tiny_plugin: Path) -> Catalogue:
    """All that is registered in the checkout and in the tiny plug-in."""
    return discover([str(tiny_plugin)])


@pytest.fixture
def tiny_suite(tmp_path: Path) -> Path:
    """A suite file that pairs the tiny dataset with the good tiny methods and `majority`."""
    path = tmp_path / "tiny-suite.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@pytest.fixture
def benchmark_cli() -> Run:
    """`benchmark_cli("rank", "--suite", path)` -> the finished `python -m benchmark rank --suite ...`."""

    def run(*arguments: object, environment: dict[str, str] | None = None, seconds: float = 120) -> object:
        words: Sequence[str] = [sys.executable, "-m", "benchmark", *map(str, arguments)]
        surroundings = {**os.environ, **(environment or {})}
        return subprocess.run(words, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=seconds)

    return run


@pytest.fixture
def python() -> Run:
    """`python(source)` -> a finished fresh interpreter that ran the source with the checkout as its working folder."""

    def run(source: str, *, environment: dict[str, str] | None = None, seconds: float = 120) -> object:
        surroundings = {**os.environ, **(environment or {})}
        words = [sys.executable, "-c", source]
        return subprocess.run(words, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=seconds)

    return run
