"""What all tests share: isolation from this machine's data and results, the made benchmark, and real data."""

from __future__ import annotations

from benchmark.system.threads import limit_threads

limit_threads()  # before numpy and torch are imported: several threads in several workers are many times slower

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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
def catalogue(made: MadeBenchmark) -> Catalogue:
    """All that is registered in the checkout and in the made components."""
    return made.catalogue()


@pytest.fixture
def python() -> Run:
    """`python(source)` -> a finished fresh interpreter that ran the source with the checkout as its working folder."""

    def run(source: str, *, environment: dict[str, str] | None = None, seconds: float = 120) -> object:
        surroundings = {**os.environ, **(environment or {})}
        words = [sys.executable, "-c", source]
        return subprocess.run(words, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=seconds)

    return run
