"""Source files of datasets: where they lie and how a dataset reads them (fetching is `benchmark.data.fetching`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.system.errors import DataError


@dataclass(frozen=True)
class Sources:
    """The source files of one dataset on this machine.

    `folder` holds them as `<host>/<path of the URL>`; `files` maps each such relative path to its sha256; `digest` is the
    digest of the manifest (the empty string for a dataset that needs no files).
    """

    folder: Path
    files: Mapping[str, str]
    digest: str

    def path(self, relative: str) -> Path:
        """The file at `<host>/<path>`. Raises `DataError` where the manifest does not list it."""
        if relative not in self.files:
            raise DataError(f"source file '{relative}' is not in the dataset's manifest")
        return self.folder / relative

    def matching(self, prefix: str, suffix: str = "") -> list[Path]:
        """The files whose relative path begins with `prefix` and ends in `suffix`, sorted."""
        return [self.folder / name for name in sorted(self.files) if name.startswith(prefix) and name.endswith(suffix)]
