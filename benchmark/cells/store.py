"""Results on disk: one JSON file per cell, written aside, fsynced and renamed; a torn or edited file is set aside.

A cell file is JSON of three lines: the digest, the deterministic part (equal bytes on every run of the same cell), and
the measured part. Probabilities stand in test-index order; ids, labels and splits stand once per dataset and protocol in
`task.json`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from benchmark.system.errors import StoreError
from benchmark.system.locations import results_folder

Outcome = Literal["ok", "failed", "timeout", "out-of-memory", "crashed", "invalid", "not-applicable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CUT_SHORT: tuple[Outcome, ...] = ("timeout", "out-of-memory", "crashed")
"""Outcomes of a worker that was ended from outside; they say nothing of the method's predictions."""
LONGEST = 180
"""Characters of a file name that are kept as they are; file systems take 255."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,\[\]-]")


@dataclass(frozen=True)
class CellAddress:
    """Which cell: dataset x protocol x method x split, spelled with their configurations."""

    dataset: str
    protocol: str
    method: str
    split: str

    def __str__(self) -> str:
        return f"{self.dataset}/{self.protocol}/{self.method}/{self.split}"


@dataclass(frozen=True)
class CellRecord:
    """What is stored of a cell.

    The deterministic part: `seed` of the split, `ingredients` (all that the cell depends on, each by name), `key` (their
    digest), `outcome`, `probabilities` (test-index order; empty unless ok), `threshold`, `chosen` (hyper-parameters chosen
    inside the training part), `history` (figures of training by name, an entry per epoch). The measured part: `reason` and
    `traceback` of an outcome that is not ok, and `measured` (times in seconds, memory in MiB, the run's id).
    """

    address: CellAddress
    seed: int
    ingredients: dict[str, Any]
    key: str
    outcome: Outcome
    probabilities: list[float] = field(default_factory=list)
    threshold: float = 0.5
    chosen: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    reason: str = ""
    traceback: str = ""
    measured: dict[str, Any] = field(default_factory=dict)


class Store:
    """The cells of this machine, below `results/cells/`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or results_folder() / "cells"

    def path(self, address: CellAddress) -> Path:
        """Where a cell lies."""
        return self.row_folder(address.dataset, address.protocol, address.method) / f"{safe(address.split)}.json"

    def row_folder(self, dataset: str, protocol: str, method: str) -> Path:
        """The folder of a method's cells on a dataset under a protocol."""
        return self.folder / safe(dataset) / safe(protocol) / safe(method)

    def write(self, record: CellRecord) -> None:
        """Store a cell durably, or not at all. Raises `StoreError`."""
        content = asdict(record)
        measured = {name: content.pop(name) for name in ("reason", "traceback", "measured")}
        body = f'"deterministic": {_compact(content)},\n"measured": {_compact(measured)}}}\n'
        digest = hashlib.sha256(body.encode()).hexdigest()
        write_durably(self.path(record.address), f'{{"digest": "{digest}",\n{body}'.encode())

    def read(self, address: CellAddress) -> CellRecord | None:
        """A stored cell; None where there is none or where its file was torn or edited (it is then set aside)."""
        path = self.path(address)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _store_error("read", path, error) from error
        record = _parse(content)
        if record is None or record.address != address:
            set_aside(path)
            return None
        return record

    def row(self, dataset: str, protocol: str, method: str) -> dict[str, CellRecord]:
        """All sound cells of a row, by split name."""
        folder = self.row_folder(dataset, protocol, method)
        found = {}
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            record = _parse(path.read_bytes())
            if record is None or self.path(record.address) != path:
                set_aside(path)
            else:
                found[record.address.split] = record
        return found

    def task_path(self, dataset: str, protocol: str) -> Path:
        """Where the task of a dataset under a protocol lies (ids, labels, sites, splits)."""
        return self.folder / safe(dataset) / safe(protocol) / "task.json"


def safe(name: str) -> str:
    """A name as a file name: what is unsafe is written as %XX; the end of a long one as a digest of the whole."""
    if not name.strip("."):
        return "%2E" * len(name) or "%"
    written = _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), name)
    if len(written) <= LONGEST:
        return written
    return f"{written[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it holds the old bytes or the new ones. Raises `StoreError`."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise _store_error("write", path, error) from error


def write_if_changed(path: Path, content: bytes) -> None:
    """`write_durably`, unless the file holds that content already."""
    if not path.is_file() or path.read_bytes() != content:
        write_durably(path, content)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be trusted to `<name>.torn`, so that it is recomputed and can be looked at."""
    target = path.with_name(path.name + ".torn")
    path.replace(target)
    return target


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the results folder for one writer. Raises `StoreError` where another run holds it."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise StoreError(f"another run is writing to {folder}: wait for it, or set STROKEBENCH_OUTPUT elsewhere") from None
    except OSError as error:
        raise _store_error("write", folder, error) from error
    try:
        yield
    finally:
        lock.release()


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _parse(content: bytes) -> CellRecord | None:
    head, newline, body = content.partition(b"\n")
    if not newline or head != b'{"digest": "%s",' % hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        whole = json.loads(b"{" + body)
        deterministic = whole["deterministic"]
        deterministic["address"] = CellAddress(**deterministic["address"])
        return CellRecord(**deterministic, **whole["measured"])
    except (ValueError, KeyError, TypeError):  # sound, but written by another version
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _store_error(verb: str, path: Path, error: OSError) -> StoreError:
    mends = {
        errno.ENOSPC: "free some space, or set STROKEBENCH_OUTPUT to another disk",
        errno.EDQUOT: "free some of your quota, or set STROKEBENCH_OUTPUT to another disk",
        errno.EROFS: "the folder is read-only: set STROKEBENCH_OUTPUT to a folder that you may write",
        errno.EACCES: "you may not write there: set STROKEBENCH_OUTPUT to a folder that you may write",
        errno.EPERM: "you may not write there: set STROKEBENCH_OUTPUT to a folder that you may write",
    }
    mend = mends.get(error.errno or 0, "check the folder, or set STROKEBENCH_OUTPUT to another one")
    return StoreError(f"cannot {verb} {path}: {error.strerror or error}: {mend}")
