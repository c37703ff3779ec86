"""Where things lie: the checkout, this machine's data, and the results."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: parent of `benchmark/`, `datasets/`, `baselines/`, `methods/`."""


def data_folder() -> Path:
    """`STROKEBENCH_DATA`, by default the user's cache: `sources/`, `prepared/` and `features/` lie below it."""
    chosen = os.environ.get("STROKEBENCH_DATA")
    return Path(chosen).expanduser().resolve() if chosen else cache_folder()


def cache_folder() -> Path:
    """The user's cache: what can be made again."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "strokebench"


def output_folder() -> Path:
    """`STROKEBENCH_OUTPUT`, by default the checkout: `results/` and `leaderboard.md` are written below it."""
    chosen = os.environ.get("STROKEBENCH_OUTPUT")
    return Path(chosen).expanduser().resolve() if chosen else ROOT


def results_folder() -> Path:
    """The folder of cells, runs and the committed reference."""
    return output_folder() / "results"
