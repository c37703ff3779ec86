"""`folder:DIR` in place of a dataset's name: the folder's cohort is registered, and its own name stands for it then."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmark.system.errors import BenchmarkError

PREFIX = "folder:"


def name_folders(options: argparse.Namespace) -> None:
    """Replace every `folder:DIR` among the options by the name of its cohort, whose description joins the plug-ins.

    Raises `BenchmarkError` where there is no such folder, or nothing in it that names a cohort.
    """
    for option, value in list(vars(options).items()):
        if option == "plugin":
            continue
        if isinstance(value, list):
            setattr(options, option, [_named(options, each) for each in value])
        else:
            setattr(options, option, _named(options, value))


def _named(options: argparse.Namespace, value: Any) -> Any:
    """The cohort's name in place of a folder; any other value as it is."""
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    from benchmark.registry.folders import FILE, read_folder

    if not hasattr(options, "plugin"):
        raise BenchmarkError(f"{value}: `{options.verb}` takes datasets by their names alone")
    folder = Path(value.removeprefix(PREFIX)).expanduser().resolve()
    path = folder / FILE
    if not path.is_file():
        where = "there is no such folder" if not folder.is_dir() else f"there is no {FILE} in it"
        raise BenchmarkError(f"{value}: {where}: `python -m benchmark new cohort {folder}` writes one")
    entry = read_folder(path)
    if entry.error:
        raise BenchmarkError(entry.error)
    options.plugin = [*options.plugin, str(path)]
    return entry.name
