"""Real data for the tests of the whole engine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmark.cli import fetch
from benchmark.data.fetching import needs_files
from benchmark.data.sources import Sources
from benchmark.registry.spelling import parse_spelling
from benchmark.system.locations import ROOT


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
