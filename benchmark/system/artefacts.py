"""Sealed artefacts: folders that are built once and trusted afterwards; each lists its files, so that damage is noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmark.system.errors import BenchmarkError

LIST = "files.json"


def build_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder, filled by `write` unless it is there: under a lock, aside, sealed and renamed, so never half-written.

    Raises what `write` raises, and leaves nothing behind then.
    """
    from filelock import FileLock

    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            aside = folder.with_name(f".{folder.name}.{os.getpid()}")
            aside.mkdir()
            try:
                write(aside)
                _seal(aside)
                aside.rename(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder


def _seal(folder: Path) -> None:
    """Bring every file to the disk and list them with their sizes; call it before the folder gets its final name."""
    sizes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    with (folder / LIST).open("w", encoding="utf-8") as stream:
        json.dump(sizes, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def check_sealed(folder: Path, mend: str) -> None:
    """Raise `BenchmarkError` where a listed file is missing or of another size; `mend` is the command that makes it anew."""
    try:
        sizes: dict[str, int] = json.loads((folder / LIST).read_text(encoding="utf-8"))
        wrong = [name for name, size in sizes.items() if (folder / name).stat().st_size != size]
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{folder} is damaged ({error}): {mend}, then run again") from error
    if wrong:
        raise BenchmarkError(f"{folder / wrong[0]} is damaged: {mend}, then run again")
