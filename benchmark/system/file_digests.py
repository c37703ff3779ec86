"""Digests of many files, kept until a file changes: a cohort of 20,000 scans is not read anew by every command."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from benchmark.system.errors import BenchmarkError
from benchmark.system.files import write_durably
from benchmark.system.locations import data_folder
from benchmark.system.provenance import file_digest

READERS = 4
FEWEST = 100
"""Files from which on digests are kept: fewer are read in no time."""


def digests_of(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file's bytes. Raises `OSError` for a file that cannot be read.

    Names are kept as hashes. A file that was edited within the resolution of its time and without a change of its size is
    taken for the one that it was.
    """
    if len(paths) < FEWEST:
        return [file_digest(path) for path in paths]
    store = data_folder() / "digests" / f"{_name(paths[0].parent)}.json"
    known: dict[str, list[object]] = {}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(store.read_bytes()))
    stamps = [_stamp(path) for path in paths]
    names = [_name(path) for path in paths]
    new = [row for row, name in enumerate(names) if known.get(name, [])[:2] != stamps[row]]
    with ThreadPoolExecutor(READERS) as threads:
        read = threads.map(file_digest, [paths[row] for row in new])
        fresh = {names[row]: [*stamps[row], digest] for row, digest in zip(new, read, strict=True)}
    kept = {name: fresh.get(name) or known[name] for name in names}
    if fresh or kept.keys() != known.keys():
        with suppress(BenchmarkError):  # a folder that cannot be written: read again next time
            write_durably(store, json.dumps(kept).encode())
    return [str(kept[name][2]) for name in names]


def _stamp(path: Path) -> list[object]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _name(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:32]
