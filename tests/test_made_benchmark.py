"""The made benchmark keeps its word: components from strings, and commands that act like a process of their own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.made_benchmark import MadeBenchmark

HALF = """
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

@register_method("half", family="f", reference="r", fit_modalities=set(), predict_modalities=set())
@dataclass
class Half:
    stochastic = False

    def fit(self, train, validation, seed):
        self.p = 0.5

    def predict_proba(self, cases):
        return np.full(len(cases), self.p)
"""


@pytest.mark.slow
def test_a_command_in_this_process_gives_what_a_process_of_its_own_gives(made: MadeBenchmark, tmp_path: Path) -> None:
    other = MadeBenchmark(tmp_path / "other")
    words = ["--method", "steady", "--method", "failing", "--seeds", "39"]
    ours = made.run("--plugin", str(made.broken), *words, code=1)
    theirs = other.process("run", *other.options, "--no-sync", "--in-process", "--plugin", str(other.broken), *words)
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr)
    printed = [re.sub(r"made: prepared in \d+ s\n", "", done.stdout) for done in (ours, theirs)]  # where that took long
    assert printed[0].replace(str(made.folder), "") == printed[1].replace(str(other.folder), "")
    assert made.cells() == other.cells() != {}
    assert made.leaderboard.read_bytes() == other.leaderboard.read_bytes()


def test_strings_are_components_and_an_edit_is_seen_by_the_next_command(made: MadeBenchmark) -> None:
    half = made.write("half.py", HALF)
    row = ["--plugin", str(half), "--method", "half", "--protocol", "leave-one-site-out"]
    made.run(*row)
    made.edit("self.p = 0.5", "self.p = 0.6", half)
    assert "3 of 3 cells to compute" in made.run(*row).stdout
    assert all(b"0.6,0.6" in cell for cell in made.cells().values())


def test_a_command_leaves_environment_folder_and_modules_as_they_were(made: MadeBenchmark) -> None:
    before = dict(os.environ), Path.cwd()
    made.run("--method", "steady", "--seeds", "39", OMP_NUM_THREADS="7")
    assert (dict(os.environ), Path.cwd()) == before
    assert not [name for name in sys.modules if "made_plugin" in name]


def test_errors_bad_words_and_exceptions_have_the_exit_codes_of_a_process(made: MadeBenchmark) -> None:
    assert "error: " in made.cli("rank", "--suite", "nonsense", code=2).stderr
    assert "usage: " in made.cli("rank", "--nonsense", code=2).stderr
    assert "usage: " in made.cli("rank", "--help").stdout
    assert "Traceback" in made.cli("rank", "--suite", "nonsense", "--debug", code=1).stderr


def test_a_copy_of_a_run_is_fresh_and_apart(ran: MadeBenchmark, run_once: MadeBenchmark) -> None:
    before = run_once.cells()
    assert ran.cells() == before
    assert "all 110 cells are fresh" in ran.run().stdout
    ran.edit("SLOPE = 3.0", "SLOPE = 5.0")
    assert "110 of 110 cells to compute" in ran.run("--dry-run").stdout
    assert run_once.cells() == before
