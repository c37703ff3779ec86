"""What all tests share: isolation from this machine's data and results, the made benchmark, and real data."""

from __future__ import annotations

from benchmark.system.threads import limit_threads

limit_threads()  # before numpy and torch are imported: several threads in several workers are many times slower

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pandas as pd
import pytest
from filelock import FileLock

from benchmark.data.cohort import Cohort
from benchmark.data.fetching import needs_files, read_manifest
from benchmark.data.sources import Sources
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.files import safe
from benchmark.system.locations import ROOT, data_folder
from tests.made_benchmark import MadeBenchmark

if TYPE_CHECKING:
    from datasets._soop_files import SoopFiles

hypothesis.settings.register_profile("strokebench", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("strokebench")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Once = Callable[[str, Callable[[], Any]], Any]

MIRRORS = (data_folder() / "sources", ROOT.parent / "shared" / "data" / "mirror")
"""Where source files of real datasets may lie: fetched on this machine, or in a mirror beside the checkout."""
READERS = {
    "ist": ("datasets.ist.read_trial", "trial"),
    "soop": ("datasets.soop.read_files", "files"),
    "soop-nihss": ("datasets.soop_nihss.read_files", "files"),
    "soop-findings": ("datasets.soop_findings.read_files", "files"),
    "soop[label=priorstroke]": ("datasets.soop_priorstroke.read_files", "files"),
}
"""Dataset -> the function by which it reads its source files, and the fixture that holds what that function gives."""


SLOW = (
    "statistics/test_level.py",
    "integration/test_known_results.py",
    "integration/test_digests.py",
    "integration/test_submitted_rows.py",
    "integration/test_write_reports.py",
    "components/test_soop.py",
    "components/test_soop_priorstroke.py",
    "components/test_soop_findings.py",
    "components/test_ist.py",
    "components/test_barred.py",
    "components/test_synthetic_stroke.py",
    "components/test_synthetic_risk.py",
    "components/test_synthetic_cardiac.py",
    "components/test_synthetic_findings.py",
    "references/test_recomputed_in_r.py",
    "integration/test_tune.py",
    "integration/test_members.py",
    "integration/test_honesty.py",
    "integration/test_tracking.py",
    "integration/test_run.py",
    "browser/test_page.py",
    "learning/test_encoders_autoencoder.py",
    "cells/test_executors.py",
    "audit/test_conformance.py",
)
"""Files with tests of several seconds; they run first, so that two workers end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, those beside each other that use the same real data; within a file the order stays."""
    order = {Path(__file__).parent / file: place for place, file in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


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
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session that all its workers share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def once(shared: Path) -> Once:
    """`once("name", make)` -> what `make()` gives, made by the first worker that asks and read by the others."""
    read: dict[str, Any] = {}

    def made(name: str, make: Callable[[], Any]) -> Any:
        path = shared / f"{safe(name)}.pickle"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                read[name] = make()
                path.write_bytes(pickle.dumps(read[name], protocol=5))
        if name not in read:
            read[name] = pickle.loads(path.read_bytes())
        return read[name]

    return made


@pytest.fixture(scope="session")
def trial(source_files: Callable[[str], Sources], once: Once) -> pd.DataFrame:
    """All rows of the International Stroke Trial's database; reading them takes 20 s."""
    from datasets.ist import read_trial

    return once("trial", lambda: read_trial(source_files("ist")))


@pytest.fixture(scope="session")
def files(source_files: Callable[[str], Sources], once: Once) -> SoopFiles:
    """All masks, pictures and tables of SOOP; reading them takes 8 s."""
    from datasets._soop_files import read_files

    return once("soop-files", lambda: read_files(source_files("soop")))


@dataclass(frozen=True)
class Built:
    """What a dataset's own code builds of its source files, and in how many seconds of computing time."""

    cohort: Cohort
    seconds: float


@pytest.fixture(scope="session")
def built_once(request: pytest.FixtureRequest, source_files: Callable[[str], Sources], once: Once) -> Callable[[str], Built]:
    """`built_once("soop[cases=any]")` -> the real dataset, built once in this test session."""

    def build(spelled: str) -> Built:
        dataset = discover().dataset(spelled)
        name = dataset.entry.name
        sources = source_files(name) if needs_files(name) else Sources(Path(), {}, "")
        with pytest.MonkeyPatch.context() as patch:
            if name in READERS:
                reader, fixture = READERS[name]
                read = request.getfixturevalue(fixture)
                patch.setattr(reader, lambda sources: read)
            started = time.process_time()
            cohort = dataset.make().build(sources)
        return Built(cohort, time.process_time() - started)

    return lambda spelled: once(f"built-{spelled}", lambda: build(spelled))


@pytest.fixture(scope="session")
def real_cohort(built_once: Callable[[str], Built]) -> Callable[[str], Cohort]:
    """`real_cohort("soop[cases=any]")` -> what the dataset's own code builds of its real files."""
    return lambda spelled: built_once(spelled).cohort


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
def run_once(shared: Path, once: Once) -> MadeBenchmark:
    """The made benchmark after a run of its whole suite: to be read, or copied."""

    def run() -> MadeBenchmark:
        benchmark = MadeBenchmark(shared / "run")
        benchmark.run()
        return benchmark

    return once("run", run)


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
