"""Whether a suite's leaderboard and page say already what is stored: then ranking has nothing to compute."""

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmark.cells.audited import audit_path
from benchmark.cells.rows import pairings, reference_folders
from benchmark.cells.store import Store
from benchmark.leaderboard.further import further_suites
from benchmark.leaderboard.plotting import browser_bundle
from benchmark.leaderboard.publication import File
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError, StoreError
from benchmark.system.files import safe, write_durably
from benchmark.system.locations import results_folder
from benchmark.system.provenance import file_digest

Stamp = tuple[str, int, int, int, int]
"""Of a file: its path, size, the times when its content and itself were changed last, and its inode."""
KINDS = ("*.dist-info", "*.egg-info")
"""The folders that say what is installed."""


def state(suite: Suite, catalogue: Catalogue, code: str, *, local: bool = True) -> str:
    """A digest of all that the files of a suite are made of.

    These are the files of the stored rows (each by its stamp: place, size, times and inode), those of its further suites, the
    suites, what their methods, datasets and protocols say of themselves, the package's `code`, the library that draws and all
    that is installed.
    """
    suites = (suite, *further_suites(suite, catalogue, local=local))
    tables = sorted({names for each in suites for names in pairings(each, catalogue)})
    methods = dict.fromkeys(name for each in suites for name in each.methods)
    entries = [catalogue.method(name).entry for name in methods]
    datasets = [catalogue.dataset(name).entry for name, _ in tables]
    protocols = [catalogue.protocol(name).entry for _, name in tables]
    files = [stamp for names in tables for stamp in _stamps(*names)]
    return _digest([local, suites, entries, datasets, protocols, files, code, _installed(), _bundle()])


def _stamps(dataset: str, protocol: str) -> list[Stamp]:
    """Those of every file in which rows of a table are stored, and of what an audit found of the dataset."""
    folders = [Store().task_path(dataset, protocol).parent, *reference_folders(dataset, protocol)]
    audited = audit_path(dataset)
    below = [_stamp(str(audited), audited.stat())] if audited.is_file() else []
    return below + [stamp for folder in folders if folder.is_dir() for stamp in _below(str(folder))]


def _below(folder: str) -> Iterator[Stamp]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                yield from _below(entry.path)
            else:
                yield _stamp(entry.path, entry.stat())


def _stamp(path: str, found: os.stat_result) -> Stamp:
    """A file that was written again has another one: nobody can set the time of its last change."""
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def said(suite: Suite, state: str, paths: Iterable[Path]) -> str | None:
    """What was said when these files were written of this state; None where they were not, or are no longer as they were."""
    try:
        told = json.loads(_memory(suite).read_bytes())
        there = {str(path): file_digest(path) for path in paths}
        return str(told["said"]) if told["state"] == state and told["files"] == there else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember(suite: Suite, state: str, files: Iterable[File], said: str) -> None:
    """That these files were written of this state, and what was said of them; nothing where that cannot be kept."""
    written = {str(file.path): hashlib.sha256(file.content).hexdigest() for file in files}
    with suppress(StoreError):
        write_durably(_memory(suite), json.dumps({"state": state, "files": written, "said": said}).encode())


def _memory(suite: Suite) -> Path:
    return results_folder() / "drawn" / f"{safe(suite.name)}.files.json"


def _installed() -> list[str]:
    """Python, and name and version of all that it may import from elsewhere."""
    folders = [Path(place) for place in sys.path if place and Path(place).is_dir()]
    return [sys.version, *sorted(path.name for folder in folders for kind in KINDS for path in folder.glob(kind))]


def _bundle() -> str:
    """The library that draws in the page; empty where there is none, which writing the page says."""
    try:
        return browser_bundle()
    except BenchmarkError:
        return ""


def _digest(of: Any) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(_plain(of))).hexdigest()


def _plain(value: Any) -> Any:
    """The same as lists, bytes and floats; what is of another kind, integers of any size among them, as its `repr`."""
    if value is None or type(value) in (bytes, bool, float):
        return value
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")  # a path may hold what is no UTF-8
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(_plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, Set):
        return sorted(map(repr, value))
    return repr(value)
