"""Results of several machines in one folder: equal cells once, conflicts named."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmark.cells.rows import PER_SPLIT, reference_folders
from benchmark.cells.store import OUTCOMES, CellRecord, Figures, Store, parse
from benchmark.cells.studies import journals_folder
from benchmark.cells.task import Task, read_task
from benchmark.system.errors import BenchmarkError, StoreError
from benchmark.system.files import write_durably
from benchmark.system.locations import results_folder

LARGEST = 64 * 2**20
"""Bytes of a file beyond which it is not read: a cell of 100,000 cases has 2 MiB."""


@dataclass
class Merged:
    """What became of the cells of another folder.

    taken : are here now. equal : were here before. kept : notes on what stayed as it was here without loss. conflicts : what
    cannot stand in one folder with what is here; it stays as it was here.
    touched : rows of which cells were taken.
    """

    taken: int = 0
    equal: int = 0
    kept: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    touched: set[tuple[str, str, str]] = field(default_factory=set)


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

    def readable(pattern: str) -> list[Path]:
        """The files of a pattern, without those that are none, lie elsewhere or are too large."""
        found = sorted(folder.glob(pattern))
        why = {path: _unreadable(path, folder) for path in found}
        merged.conflicts += [f"{path}: {reason}: left out" for path, reason in why.items() if reason]
        return [path for path in found if not why[path]]

    for task_file in readable("cells/*/*/task.json"):
        dataset_protocol = task_file.parent.relative_to(there.folder)
        try:
            task = read_task(task_file)
        except StoreError as error:
            merged.conflicts.append(f"{error}: left out")
            continue
        if task is None or here.task_path(task.dataset, task.protocol) != here.folder / dataset_protocol / "task.json":
            merged.conflicts.append(f"{task_file}: is of another table: left out")
            continue
        if wrong := _no_task(task, here):
            merged.conflicts.append(f"{dataset_protocol}: {wrong}: none of its cells is taken")
            continue
        _take_new(task_file, here.folder / dataset_protocol / "task.json")
        for path in readable(f"cells/{glob.escape(dataset_protocol.as_posix())}/*/*.json"):
            _take_cell(path, there, here, task, merged)
    merged.conflicts += filter(None, (_apart(row, here) for row in sorted(merged.touched)))
    for path in readable("runs/*.json"):
        _take_new(path, results_folder() / "runs" / path.name)
    journals = folder / "tuning"
    for path in readable("tuning/*/*/*.journal"):
        _take_journal(path, journals_folder() / path.relative_to(journals), str(path.relative_to(journals)), merged)
    return merged


def _unreadable(path: Path, folder: Path) -> str:
    """Why a file of another folder is not read: no link may lead out of it, and nothing without end is read."""
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return "is no file of this folder"
    size = path.stat().st_size
    return f"{size / 2**20:.0f} MiB are more than such a file has" if size > LARGEST else ""


def _no_task(theirs: Task, here: Store) -> str:
    """Why the cells of a table cannot stand beside those that are here, or are published; empty where they can."""
    place = here.task_path(theirs.dataset, theirs.protocol)
    cases, splits = len(theirs.case_ids), theirs.splits
    if len(theirs.labels) != cases or not np.isin(theirs.labels, (0, 1)).all():
        return "no table: its labels are not those of its cases"
    if any(len(split.test) and not 0 <= split.test.min() <= split.test.max() < cases for split in splits):
        return "no table: its splits hold cases that it has not"
    mine = read_task(place)
    if mine is not None and mine.comparable != theirs.comparable:
        return "another version of the dataset or its splits"
    published = [read_task(folder / "task.json") for folder in reference_folders(theirs.dataset, theirs.protocol)]
    known = [task for task in (mine, *published) if task is not None and task.comparable == theirs.comparable]
    return (
        "" if all(_same(task, theirs) for task in known) else "edited: its cases, labels or splits are not those of its digest"
    )


def _same(one: Task, other: Task) -> bool:
    parts = ((split.test for split in task.splits) for task in (one, other))
    pairs = [(one.case_ids, other.case_ids), (one.labels, other.labels), *zip(*parts, strict=True)]
    return all(np.array_equal(a, b) for a, b in pairs)


def _apart(row: tuple[str, str, str], here: Store) -> str:
    """In what the cells of a row differ that cannot stand in one; empty where they can."""
    first, *others = here.row(*row).values()
    names = sorted({name for each in others for name in _differing(first, each)} - {*PER_SPLIT})
    told = f"its cells were computed with different {', '.join(names)} and cannot stand in one row: run it again"
    return f"{'/'.join(row)}: {told}" if names else ""


def _take_cell(path: Path, there: Store, here: Store, task: Task, merged: Merged) -> None:
    content = _content(path)
    record = parse(content)
    if record is None or not _is_typed(record) or there.path(record.address) != path:
        merged.conflicts.append(f"{path}: torn or edited: left out")
        return
    if wrong := _wrong(record, task):
        merged.conflicts.append(f"{path}: {wrong}: left out")
        return
    own = here.read(record.address)
    if own is None or (own.key == record.key and own.outcome != "ok" and record.outcome == "ok"):
        write_durably(here.path(record.address), content)
        merged.taken += 1
        merged.touched.add(record.address.row)
    elif own.key != record.key:
        names = ", ".join(_differing(own, record))
        merged.conflicts.append(f"{record.address}: computed with other {names}: the one here is kept")
    elif own.outcome == record.outcome == "ok" and _answer(own) != _answer(record):
        merged.conflicts.append(
            f"{record.address}: other predictions under the same key: those here are kept (`verify` says more)"
        )
    else:
        merged.equal += 1


def _is_typed(record: CellRecord) -> bool:
    """Whether every field has the kind that reading it later takes for granted."""
    try:
        msgspec.convert(msgspec.to_builtins(record), CellRecord)
        msgspec.convert(record.measured, Figures)
    except msgspec.ValidationError:
        return False
    return True


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
