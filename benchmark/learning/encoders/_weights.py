"""Weights that do not come with the project: where they must lie."""

from pathlib import Path

from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder


def weights_path(encoder: str, given: str, name: str, source: str, file: str = "") -> Path:
    """Where the weights lie: as the configuration says, else as `name` in the data folder's `weights/`.

    With `file` a folder is meant, which must hold that file. Raises `BenchmarkError` that says what to get, whence, and where
    to put it: no encoder ever stands in with random weights.
    """
    usual = data_folder() / "weights" / name
    path = Path(given).expanduser() if given else usual
    wanted = path / file if file else path
    if not wanted.is_file():
        raise BenchmarkError(
            f"encoder {encoder}: {wanted} is not there: get it from {source}; "
            f"its place is {usual}, or name another with {encoder}[weights=/path]"
        )
    return path
