"""Where things lie: the checkout, this machine's data, and the results."""

import os
from pathlib import Path

from benchmark.system.errors import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: parent of `benchmark/`, `datasets/`, `baselines/`, `methods/`."""


def data_folder() -> Path:
    """`STROKEBENCH_DATA`, by default the user's cache: `sources/`, `prepared/` and `features/` lie below it."""
    return _chosen("STROKEBENCH_DATA") or cache_folder()


def cache_folder() -> Path:
    """The user's cache: what can be made again. Raises `BenchmarkError` for a user without a home folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(cache) if cache else Path.home() / ".cache") / "strokebench"
    except RuntimeError as error:
        raise BenchmarkError("this user has no home folder: set STROKEBENCH_DATA to a folder for data") from error


def output_folder() -> Path:
    """`STROKEBENCH_OUTPUT`, by default the checkout: `results/` and `leaderboard.md` are written below it."""
    return _chosen("STROKEBENCH_OUTPUT") or ROOT


def _chosen(variable: str) -> Path | None:
    """The folder that an environment variable names. Raises `BenchmarkError` where a home folder in it is not known."""
    named = os.environ.get(variable)
    try:
        return Path(named).expanduser().resolve() if named else None
    except RuntimeError as error:
        raise BenchmarkError(f"{variable}={named}: this user has no home folder: give the whole path") from error


def private_folder() -> Path:
    """The folder of pages and pictures that show patients of the user's own."""
    return output_folder() / "private"


def results_folder() -> Path:
    """The folder of cells, runs and the committed reference."""
    return output_folder() / "results"
