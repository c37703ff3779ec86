"""Real data for the tests of the whole engine."""

from __future__ import annotations

import argparse
import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchmark.cli import fetch
from benchmark.data.cohort import Cohort
from benchmark.data.fetching import needs_files
from benchmark.data.sources import Sources
from benchmark.leaderboard import publication
from benchmark.leaderboard.standings import Standings
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.spelling import parse_spelling
from benchmark.suites.suite import DEFAULT, Suite
from benchmark.system.files import safe
from tests.made_benchmark import in_this_process


@dataclass(frozen=True)
class RealData:
    """A data folder of its own, into which datasets are fetched and prepared once per session."""

    folder: Path
    source_files: Callable[[str], Sources]
    real_cohort: Callable[[str], Cohort]

    def fetch(self, spelled: str) -> dict[str, str]:
        """Fetch and prepare a dataset, or skip the test; returns the environment that uses it.

        The verb `fetch` does it, in this process, with the cohort that this session has built.
        """
        name, _ = parse_spelling(spelled)
        mirror = str(self.source_files(name).folder) if needs_files(name) else None
        done = self.folder / f"{safe(spelled)}.fetched"
        with FileLock(self.folder / f"{safe(spelled)}.lock"):
            if not done.exists():
                cohort = self.real_cohort(spelled)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("STROKEBENCH_DATA", str(self.folder))
                    patch.setattr(discover().datasets.get(name).load(), "build", lambda dataset, sources: cohort)
                    assert fetch.run(argparse.Namespace(name=spelled, mirror=mirror, jobs=8)) == 0
                done.touch()
        return {**os.environ, "STROKEBENCH_DATA": str(self.folder)}


@pytest.fixture(scope="session")
def real_data(shared: Path, source_files: Callable[[str], Sources], real_cohort: Callable[[str], Cohort]) -> RealData:
    """`real_data.fetch("soop")` -> the environment in which the dataset's prepared cohort is at hand."""
    folder = shared / "real"
    folder.mkdir(exist_ok=True)
    return RealData(folder, source_files, real_cohort)


@dataclass(frozen=True)
class Published:
    """What `rank --no-local` of a suite writes, in an output folder of its own, and prints with `--json`."""

    leaderboard: bytes
    tables: list[dict[str, Any]]

    def table(self, dataset: str, protocol: str) -> dict[str, Any]:
        """One of the tables."""
        return next(table for table in self.tables if (table["dataset"], table["protocol"]) == (dataset, protocol))


@pytest.fixture(scope="session")
def published(shared: Path) -> Callable[[str], Published]:
    """`published("stroke-prognosis")` -> the suite as the command line ranks it, computed once per session."""

    @functools.cache
    def ranked(suite: str) -> Published:
        output = shared / f"published-{suite}"
        written = output / ("leaderboard.md" if suite == DEFAULT else f"results/{suite}.md")
        printed = output / "tables.json"
        with FileLock(shared / f"published-{suite}.lock"):
            if not printed.exists():
                environment = {**os.environ, "STROKEBENCH_OUTPUT": str(output)}
                words = ["rank", "--suite", suite, "--no-local"]
                with computed_once():
                    done = [in_this_process([*words, *more], environment) for more in ([], ["--json"])]
                assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
                printed.write_text(done[1].stdout, encoding="utf-8")
        return Published(written.read_bytes(), json.loads(printed.read_text())["tables"])

    return ranked


@contextmanager
def computed_once() -> Iterator[None]:
    """Therein a second command takes the tables that the first one computed of the same stored rows."""
    rank, tables = publication.rank, []

    def once(suite: Suite, catalogue: Catalogue, *, local: bool = True, jobs: int = 1) -> list[Standings]:
        if not tables:
            tables.append(rank(suite, catalogue, local=local, jobs=jobs))
        return tables[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publication, "rank", once)
        yield


def command(environment: dict[str, str], *words: str) -> str:
    """What a command of the benchmark prints; it must succeed."""
    done = in_this_process(words, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
