"""Results of several machines in one folder: equal cells once, conflicts named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.cells.store import OUTCOMES, CellRecord, Store, parse
from benchmark.cells.studies import journals_folder
from benchmark.cells.task import Task, read_task
from benchmark.system.errors import BenchmarkError, StoreError
from benchmark.system.files import write_durably
from benchmark.system.locations import results_folder

LARGEST = 64 * 2**20
"""Bytes of a cell file beyond which it is not read: a cell of 100,000 cases has 2 MiB."""


@dataclass
class Merged:
    """What became of the cells of another folder.

    taken : are here now. equal : were here before. kept : notes on what stayed as it was here without loss. conflicts : what
    cannot stand in one folder with what is here; it stays as it was here.
    """

    taken: int = 0
    equal: int = 0
    kept: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def results_below(folder: Path) -> Path:
    """The results of an output folder, or of a results folder. Raises `BenchmarkError` for one without, and for this one."""
    found = next((place for place in (folder / "results", folder) if (place / "cells").is_dir()), None)
    if found is None:
        raise BenchmarkError(f"{folder} holds no results/cells: name the output folder of another machine, or a copy of it")
    if found.resolve() == results_folder().resolve():
        raise BenchmarkError(f"{folder} is this output folder itself: name another one")
    return found


def merge(folder: Path) -> Merged:
    """Take the cells, runs and searches of another results folder into this one. Raises `StoreError` where that is impossible.

    Each file is written durably, so that a merge that was cut short is gone on with by the same command. A cell that is here
    under the same key stays, unless it is not ok and that of the other folder is.
    """
    merged, here, there = Merged(), Store(), Store(folder / "cells")
    for task_file in sorted(there.folder.glob("*/*/task.json")):
        dataset_protocol = task_file.parent.relative_to(there.folder)
        if not _same_task(task_file, here.folder / dataset_protocol / "task.json"):
            merged.conflicts.append(
                f"{dataset_protocol}: another version of the dataset or its splits: none of its cells is taken"
            )
            continue
        task = read_task(task_file)
        for path in sorted(task_file.parent.glob("*/*.json")):
            _take_cell(path, there, here, task, merged)
    for path in sorted((folder / "runs").glob("*.json")):
        _take_new(path, results_folder() / "runs" / path.name)
    journals = folder / "tuning"
    for path in sorted(journals.glob("*/*/*.journal")):
        _take_journal(path, journals_folder() / path.relative_to(journals), str(path.relative_to(journals)), merged)
    return merged


def _same_task(theirs: Path, ours: Path) -> bool:
    """Whether two tables can hold one another's cells; theirs is taken where there is none here."""
    other = read_task(theirs)
    mine = read_task(ours)
    if other is None:
        return False
    if mine is None:
        _take_new(theirs, ours)
        return True
    return mine.comparable == other.comparable


def _take_cell(path: Path, there: Store, here: Store, task: Task | None, merged: Merged) -> None:
    if path.stat().st_size > LARGEST:
        merged.conflicts.append(f"{path}: {path.stat().st_size / 2**20:.0f} MiB are no cell: left out")
        return
    content = _content(path)
    record = parse(content)
    if record is None or there.path(record.address) != path:
        merged.conflicts.append(f"{path}: torn or edited: left out")
        return
    if task is None or (wrong := _wrong(record, task)):
        merged.conflicts.append(f"{path}: {wrong}: left out")
        return
    own = here.read(record.address)
    if own is None or (own.key == record.key and own.outcome != "ok" and record.outcome == "ok"):
        write_durably(here.path(record.address), content)
        merged.taken += 1
    elif own.key != record.key:
        names = ", ".join(_differing(own, record))
        merged.conflicts.append(f"{record.address}: computed with other {names}: the one here is kept")
    elif own.outcome == record.outcome == "ok" and _answer(own) != _answer(record):
        merged.conflicts.append(
            f"{record.address}: other predictions under the same key: those here are kept (`verify` says more)"
        )
    else:
        merged.equal += 1


def _wrong(record: CellRecord, task: Task) -> str:
    """Why a record cannot be a cell of a task: a digest says that a file is whole, and not who wrote it."""
    split = task.by_name.get(record.address.split)
    if split is None or record.ingredients.get("split") != split.digest or record.outcome not in OUTCOMES:
        return "no cell of this table"
    columns: list[list[Any]] = [record.probabilities, *record.columns.values()]
    if record.outcome == "ok" and any(len(column) != len(split.test) for column in columns):
        return f"predictions for other cases than the {len(split.test)} of its split"
    numbers = [value for value in record.probabilities if isinstance(value, int | float) and 0 <= value <= 1]
    return "" if len(numbers) == len(record.probabilities) else "predictions that are no probabilities"


def _answer(record: CellRecord) -> tuple[object, ...]:
    return record.probabilities, record.threshold, record.chosen, record.columns


def _differing(one: CellRecord, other: CellRecord) -> Iterator[str]:
    names = sorted({*one.ingredients, *other.ingredients})
    yield from (name for name in names if one.ingredients.get(name) != other.ingredients.get(name))


def _take_new(path: Path, place: Path) -> None:
    if not place.exists():
        write_durably(place, _content(path))


def _take_journal(path: Path, place: Path, name: str, merged: Merged) -> None:
    """Take a journal of searches that is new, or goes on with the one here; two that went apart cannot be one."""
    theirs, ours = _content(path), _content(place) if place.is_file() else b""
    if theirs.startswith(ours):
        if theirs != ours:
            write_durably(place, theirs)
    elif not ours.startswith(theirs):
        merged.kept.append(f"{name}: both folders searched: the trials here are kept, the chosen values stand in the cells")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
