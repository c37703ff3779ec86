"""Results on disk: one JSON file per cell, written aside, fsynced and renamed; a torn or edited file is set aside.

A cell file is JSON of three lines: the digest, the deterministic part (equal bytes on every run of the same cell), and
the measured part. Probabilities stand in test-index order; ids, labels and splits stand once per dataset and protocol in
`task.json`.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, get_args

import msgspec

from benchmark.system.files import safe, set_aside, store_error, write_durably
from benchmark.system.locations import results_folder

Outcome = Literal["ok", "failed", "timeout", "out-of-memory", "crashed", "invalid", "not-applicable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
CUT_SHORT: tuple[Outcome, ...] = ("timeout", "out-of-memory", "crashed")
"""Outcomes of a worker that was ended from outside; they say nothing of the method's predictions."""


@dataclass(frozen=True)
class CellAddress:
    """Which cell: dataset x protocol x method x split, spelled with their configurations."""

    dataset: str
    protocol: str
    method: str
    split: str

    @property
    def row(self) -> tuple[str, str, str]:
        """Dataset, protocol and method: whose cell it is."""
        return self.dataset, self.protocol, self.method

    def __str__(self) -> str:
        return f"{self.dataset}/{self.protocol}/{self.method}/{self.split}"


THRESHOLD = "threshold"
"""Among a record's ingredients: how its threshold was chosen; among what it chose: from which cases."""


@dataclass(frozen=True)
class CellRecord:
    """What is stored of a cell.

    The deterministic part: `seed` of the split, `ingredients` (all that the cell depends on, each by name), `key` (their
    digest), `outcome`, `probabilities` (test-index order; empty unless ok), `threshold`, `chosen` (hyper-parameters chosen
    inside the training part), `history` (figures of training by name, an entry per epoch), `columns` (of task retrieval: what
    `learning.retrieval` says of each test case, by name; None where it says nothing). The measured part: `reason` and
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
    columns: dict[str, list[float | None]] = field(default_factory=dict)
    reason: str = ""
    traceback: str = ""
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What a plan knows of a stored cell: its probabilities stay on disk, for those of many cells would fill the memory.

    `seconds`: as `seconds_of` says; `changed` if it gave something else when recomputed.
    """

    address: CellAddress
    key: str
    outcome: Outcome
    seconds: float | None
    changed: bool


CellT = TypeVar("CellT", CellRecord, Stored)
DecodedT = TypeVar("DecodedT")


class Store:
    """The cells of this machine, below `results/cells/`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or results_folder() / "cells"

    def path(self, address: CellAddress) -> Path:
        """Where a cell lies."""
        return self.row_folder(*address.row) / f"{safe(address.split)}.json"

    def row_folder(self, dataset: str, protocol: str, method: str) -> Path:
        """The folder of a method's cells on a dataset under a protocol."""
        return self.folder / safe(dataset) / safe(protocol) / safe(method)

    def write(self, record: CellRecord) -> None:
        """Store a cell durably, or not at all. Raises `StoreError`."""
        content = {**vars(record), "address": asdict(record.address)}
        if not record.columns:  # as it was before there were any
            del content["columns"]
        measured = {name: content.pop(name) for name in ("reason", "traceback", "measured")}
        body = f'"deterministic": {_compact(content)},\n"measured": {_compact(measured)}}}\n'
        digest = hashlib.sha256(body.encode()).hexdigest()
        write_durably(self.path(record.address), f'{{"digest": "{digest}",\n{body}'.encode())

    def read(self, address: CellAddress) -> CellRecord | None:
        """A stored cell; None where there is none or where its file was torn or edited (it is then set aside)."""
        path = self.path(address)
        if (content := _content(path)) is None:
            return None
        record = parse(content)
        if record is None or record.address != address:
            _leave_out(path)
            return None
        return record

    def row(self, dataset: str, protocol: str, method: str) -> dict[str, CellRecord]:
        """All sound cells of a row, by split name."""
        return self._sound((dataset, protocol, method), parse)

    def known(self, dataset: str, protocol: str, method: str) -> dict[str, Stored]:
        """What a plan knows of the sound cells of a row, by split name; their predictions are checked and not read."""
        return self._sound((dataset, protocol, method), _parse_head)

    def _sound(self, row: tuple[str, str, str], read: Callable[[bytes], CellT | None]) -> dict[str, CellT]:
        found = {}
        for path in sorted(self.row_folder(*row).glob("*.json")):
            if (content := _content(path)) is None:
                continue
            cell = read(content)
            if cell is not None and cell.address.row == row and path.name == f"{safe(cell.address.split)}.json":
                found[cell.address.split] = cell
            else:
                _leave_out(path)
        return found

    def records(self) -> Iterator[CellRecord]:
        """Every sound cell."""
        for path in sorted(self.folder.glob("*/*/*/*.json")):
            record = parse(_content(path) or b"")
            if record is not None and self.path(record.address) == path:
                yield record

    def rows(self) -> Iterator[tuple[tuple[str, str, str], list[Path]]]:
        """Dataset, protocol and method of each row of which there is a sound cell, with the files of its cells."""
        for folder in sorted(self.folder.glob("*/*/*/")):
            paths = sorted(folder.glob("*.json"))
            record = next(filter(None, (parse(_content(path) or b"") for path in paths)), None)
            if record is not None:
                yield record.address.row, paths

    def has_cells(self, dataset: str, protocol: str) -> bool:
        """Whether any cell of a table is stored; its task stays where its cells are deleted."""
        return any(self.task_path(dataset, protocol).parent.glob("*/*.json"))

    def task_path(self, dataset: str, protocol: str) -> Path:
        """Where the task of a dataset under a protocol lies (ids, labels, sites, splits)."""
        return self.folder / safe(dataset) / safe(protocol) / "task.json"


class WriteBehind:
    """Stores cells while others are computed, several at a time, for these share one flush of the disk; left, all are stored.

    What waits when the process is killed is computed again: at most `AT_ONCE` cells.
    """

    AT_ONCE = 4

    def __init__(self, store: Store) -> None:
        self._store, self._threads = store, ThreadPoolExecutor(self.AT_ONCE)
        self._waiting: deque[Future[None]] = deque()

    def write(self, record: CellRecord) -> None:
        """Have a cell stored; wait where as many wait as are written at once. Raises `StoreError`, also of a cell before it."""
        if len(self._waiting) == self.AT_ONCE:
            self._waiting.popleft().result()
        self._waiting.append(self._threads.submit(self._store.write, record))

    def flush(self) -> None:
        """Wait until all of them are stored. Raises `StoreError`."""
        while self._waiting:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._threads:
            self.flush()


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _content(path: Path) -> bytes | None:
    """The bytes of a cell's file; None where there is none, as where another run has just set it aside. Raises `StoreError`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise store_error("read", path, error) from error


def _leave_out(path: Path) -> None:
    """Set a cell aside that is not sound; in a folder that is read-only it stays where it is."""
    with suppress(OSError):
        set_aside(path)


def parse(content: bytes) -> CellRecord | None:
    """The record of a cell file's bytes; None where they were torn or edited."""
    whole = _decoded(content, dict[str, Any])
    try:
        if whole is None:
            return None
        deterministic = whole["deterministic"]
        deterministic["address"] = CellAddress(**deterministic["address"])
        return CellRecord(**deterministic, **whole["measured"])
    except (KeyError, TypeError):  # sound, but written by another version, or by somebody else
        return None


class _Deterministic(msgspec.Struct, forbid_unknown_fields=True):
    address: CellAddress
    seed: int
    ingredients: msgspec.Raw
    key: str
    outcome: Outcome
    probabilities: msgspec.Raw
    threshold: msgspec.Raw
    chosen: msgspec.Raw
    history: msgspec.Raw
    columns: msgspec.Raw = msgspec.Raw()


class Figures(msgspec.Struct):
    """What planning reads of what was measured of a cell."""

    fit_seconds: float | None = None
    predict_seconds: float | None = None
    training_seconds: float | None = None
    stages: list[str] = []
    changed_on_recomputation: bool = False


class _Measured(msgspec.Struct, forbid_unknown_fields=True):
    reason: msgspec.Raw
    traceback: msgspec.Raw
    measured: Figures


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    deterministic: _Deterministic
    measured: _Measured


def _parse_head(content: bytes) -> Stored | None:
    head = _decoded(content, _Head)
    if head is None:
        return None
    cell, measured = head.deterministic, head.measured.measured
    seconds = seconds_of(msgspec.structs.asdict(measured))
    return Stored(cell.address, cell.key, cell.outcome, seconds, measured.changed_on_recomputation)


def seconds_of(measured: Mapping[str, Any]) -> float | None:
    """How long a cell took to train and to predict, with a training that it shares with others, and without pre-training.

    None where a part of it was not measured.
    """
    shared = measured.get("training_seconds") if measured.get("stages") else 0.0
    parts = (measured.get("fit_seconds"), measured.get("predict_seconds"), shared)
    return None if None in parts else sum(float(part) for part in parts if part is not None)


def _decoded(content: bytes, form: type[DecodedT]) -> DecodedT | None:
    """A cell file's bytes as a type says; None where they were torn or edited, or are not of that type."""
    head, newline, body = content.partition(b"\n")
    if not newline or head != b'{"digest": "%s",' % hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        return msgspec.json.decode(b"{" + body, type=form)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
