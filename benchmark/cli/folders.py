"""`folder:DIR` or `external:FILE` in place of a dataset's name: what is described there is registered under its own name."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.system.errors import BenchmarkError

FOLDER, EXTERNAL = "folder:", "external:"
DESCRIPTION = "cohort.toml"
PSEUDONYM = re.compile(r"c\d{5}-[0-9a-f]{10}")


def name_folders(options: argparse.Namespace) -> None:
    """Replace every `folder:DIR` and `external:FILE` among the options by the name of its cohort, which joins the plug-ins.

    Raises `BenchmarkError` where there is no such folder or file, or nothing in it that names a cohort.
    """
    before = list(getattr(options, "plugin", []))
    for option, value in list(vars(options).items()):
        if option == "plugin":
            continue
        if isinstance(value, list):
            setattr(options, option, [_named(options, each) for each in value])
        else:
            setattr(options, option, _named(options, value))
    folders = [
        Path(plugin).parent
        for plugin in getattr(options, "plugin", before)[len(before) :]
        if plugin.endswith(f"/{DESCRIPTION}")
    ]
    if folders and sys.stdout.isatty():
        sys.stdout, sys.stderr = OwnIds(sys.stdout, folders), OwnIds(sys.stderr, folders)


class OwnIds:
    """A terminal that shows the user's own ids in place of pseudonyms; what is written to a file has these."""

    def __init__(self, stream: Any, folders: Sequence[Path]) -> None:
        self._stream, self._folders = stream, folders

    def write(self, text: str) -> int:
        """Write a text, each pseudonym that is known here replaced."""
        written: int = self._stream.write(PSEUDONYM.sub(lambda found: self._names.get(found[0], found[0]), text))
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Pseudonym -> own id, read once a pseudonym is written; nothing where the folder cannot be read."""
        from benchmark.data.folder.cohort import FolderCohort

        names: dict[str, str] = {}
        for folder in self._folders:
            try:
                names |= FolderCohort(str(folder)).own_names()
            except BenchmarkError:
                continue
        return names


def _named(options: argparse.Namespace, value: Any) -> Any:
    """The cohort's name in place of a folder or a mapping file; any other value as it is."""
    if not isinstance(value, str) or not value.startswith((FOLDER, EXTERNAL)):
        return value
    from benchmark.registry.folders import FILE, read_described

    if not hasattr(options, "plugin"):
        raise BenchmarkError(f"{value}: `{options.verb}` takes datasets by their names alone")
    folder = Path(value.partition(":")[2]).expanduser().resolve()
    path = folder / FILE if value.startswith(FOLDER) else folder
    if not path.is_file() and value.startswith(EXTERNAL):
        raise BenchmarkError(f"{value}: there is no such file: docs/your-own-cohort.md shows one")
    if path.suffix != ".toml":
        raise BenchmarkError(f"{value}: give a mapping file that ends in .toml")
    if not path.is_file():
        where = "there is no such folder" if not folder.is_dir() else f"there is no {FILE} in it"
        raise BenchmarkError(f"{value}: {where}: `python -m benchmark new cohort {folder}` writes one")
    entry = read_described(path)
    if entry.error:
        raise BenchmarkError(entry.error)
    options.plugin = [*options.plugin, str(path)]
    return entry.name
