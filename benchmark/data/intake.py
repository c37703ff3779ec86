"""The intake: a cohort as a dataset built it, read part by part into what the engine keeps, or refused with every reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.columns import label_copies
from benchmark.data.findings import check_findings
from benchmark.data.modalities import known_modalities, known_parts
from benchmark.data.parts import Frame, lengths
from benchmark.data.remarks import Remark, Remarks, quoted
from benchmark.data.words import spelled_twice
from benchmark.system.errors import DataError

FIRST = ("case_ids", "labels", "present")
"""The parts that are read before the others: they name the cases of a message, and say who has what."""
FILE = "intake.json"


def take_in(cohort: Cohort, barred: Iterable[str] = ()) -> tuple[Cohort, Remarks]:
    """The cohort with its cases sorted by id and every part by position, and what was remarked.

    `barred` are the names that the dataset's card keeps from the inputs. Raises `DataError`: a line for every problem.
    """
    if cohort.case_ids is None:
        raise DataError(f"{cohort.name}: case_ids: None: give each case a name")
    if not len(cohort):
        raise DataError(f"{cohort.name}: no case is left after the dataset's own exclusions")
    remarks = Remarks()
    taken = _read(cohort, remarks)
    if cohort.labels is None:
        remarks.refuse("labels", "the dataset gives none")
    facts = {}
    for fact, value in cohort.facts.items():
        try:
            facts[fact] = float(value)
        except (TypeError, ValueError):
            remarks.refuse("facts", f"'{fact}' is a {type(value).__name__}: give a number")
    taken = replace(taken, facts=facts)
    check_findings(taken.labels, taken.findings, taken.queries, remarks)
    names = {_plain(name): name for listed in barred for name in listed.split(",")}
    for part, frame in _inputs(taken):
        for column in frame:
            if _plain(str(column)) in names:
                message = f"column '{column}' is barred by the dataset's card: take it out of the inputs"
                remarks.refuse(part, message)
        if taken.labels is not None and len(frame) == len(taken.labels):
            for what, values in _never_inputs(taken):
                for column in label_copies(frame, values):
                    remarks.refuse(part, f"column '{column}' is {what} under another name: take it out of the inputs")
    pool = None if cohort.pool is None else _pool(replace(cohort.pool, name=f"{cohort.name} (pool)"), taken, remarks)
    problems = remarks.refused()
    if problems:
        raise DataError("\n".join(f"{cohort.name}: {problem}" for problem in problems))
    return replace(_sorted(taken), pool=pool), remarks


def _pool(pool: Cohort, labelled: Cohort, remarks: Remarks) -> Cohort:
    """The pool likewise, with what its cohort has for all cases; its remarks join the cohort's."""
    own = Remarks()
    taken = _read(pool, own)
    if pool.labels is not None:
        own.refuse("labels", "a pool has none: leave them out")
    if pool.findings is not None:
        own.refuse("findings", "a pool has none: leave them out")
    both = np.intersect1d(taken.case_ids, labelled.case_ids)
    if len(both):
        own.refuse("case_ids", f"{quoted(both)} is labelled as well: a case is in the cohort or in the pool")
    for name in ("case_ids", "groups", "sites"):
        ours, theirs = getattr(labelled, name), getattr(taken, name)
        twins = None if ours is None or theirs is None else spelled_twice({*ours.tolist(), *theirs.tolist()})
        if twins:
            own.refuse(name, f"{twins[0]}, in cohort and pool: use one spelling")
    unknown = taken.groups is None and taken.own_folds is None
    if unknown and labelled.groups is not None and len(set(labelled.groups.tolist())) < len(labelled.groups):
        own.refuse("groups", "a patient of the cohort has several rows: say in `groups` whose each case of the pool is")
    remarks.lines += [replace(line, place=f"pool: {line.place}") for line in own.lines]
    shared: dict[str, Any] = {name: labelled.parts.get(name) for name, part in known_parts().items() if not part.of_cases}
    return replace(taken if own.refused() else _sorted(taken), encoders=labelled.encoders, queries=labelled.queries, **shared)


def _read(cohort: Cohort, remarks: Remarks) -> Cohort:
    """Every part as the engine keeps it; a part that cannot be read, or has another length, is left out."""
    given = {part.name: (part, value) for part, value in cohort.contents()}
    _check_order(given, remarks)
    read: dict[str, Any] = {}
    for name in sorted(given, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        part, value = given[name]
        if part.beside and part.beside not in given:
            remarks.refuse(name, f"there are no {part.beside} beside it: give those that rows see unless they name a set")
        read[name] = part.take_in(value, remarks)
        if name == "case_ids":
            _check_ids(read[name], remarks)
        if part.of_cases and read[name] is not None and len(remarks.case_ids):
            for what, length in lengths(name, read[name]):
                if length != len(remarks.case_ids):
                    remarks.refuse(what, f"has {length} rows for {len(remarks.case_ids)} cases")
                    read[name] = None
        if name == "present" and read[name] is not None:
            remarks.present = read[name]
    ids = read.pop("case_ids")
    taken = replace(cohort, **{**read, "case_ids": np.zeros(0, dtype=np.str_) if ids is None else ids})
    return replace(taken, present=_present(taken, remarks))


def _check_ids(ids: Any, remarks: Remarks) -> None:
    if ids is None:
        return
    unique, counts = np.unique(ids, return_counts=True)
    named = unique[(counts > 1) & (unique != "")]
    if len(named):
        message = f"{quoted(named)} occurs more than once: ids must be unique; a patient's name goes to `groups`"
        remarks.refuse("case_ids", message)
    remarks.case_ids = ids


def _check_order(given: Mapping[str, Any], remarks: Remarks) -> None:
    """Refuse parts whose indexes name the same cases in another order: by position they would be torn apart."""
    indexes = list(_indexes({name: value for name, (_, value) in given.items()}))
    if "case_ids" in given and not any(isinstance(index, pd.RangeIndex) for _, index in indexes):
        indexes.insert(0, ("case_ids", pd.Index(np.asarray(given["case_ids"][1], dtype=object).ravel(), dtype=object)))
    for number, (name, index) in enumerate(indexes):
        for other, before in indexes[:number]:
            if len(index) == len(before) and not index.equals(before) and index.is_unique and index.isin(before).all():
                message = f"its index holds what {other} has, in another order: bring both into one order, or drop the index"
                remarks.refuse(name, message)
                break


def _indexes(values: Mapping[str, Any]) -> Iterator[tuple[str, pd.Index[Any]]]:
    for name, value in values.items():
        if isinstance(value, pd.Series | pd.DataFrame):
            yield name, value.index
        elif isinstance(value, Mapping):
            yield from _indexes({f"{name}['{key}']": item for key, item in value.items()})


def _present(cohort: Cohort, remarks: Remarks) -> dict[str, Any]:
    """Who has what: as the cohort says, and where a part shows by itself that a case lacks its modality."""
    present = dict(cohort.present or {})
    known = {*known_modalities(), *cohort.images}
    for name in sorted(present.keys() - known):
        remarks.refuse("present", f"'{name}' is neither a modality nor an image view ({', '.join(sorted(known))})")
    for part, value in cohort.of_cases():
        missing = part.missing(value)
        for name, modality in known_modalities().items():
            if part in modality.parts and missing is not None and missing.any() and name not in present:
                remarks.read("present", f"no {name}", missing)
                present[name] = ~missing
    return present


def _inputs(cohort: Cohort) -> Iterator[tuple[str, pd.DataFrame]]:
    """The frames that methods see."""
    return ((part.name, value) for part, value in cohort.of_cases() if isinstance(part, Frame) and part.inputs)


def _never_inputs(cohort: Cohort) -> Iterator[tuple[str, NDArray[np.int8]]]:
    """The label and every finding, in words, with its values."""
    assert cohort.labels is not None
    yield "the label", cohort.labels
    if cohort.findings is not None and len(cohort.findings) == len(cohort.labels):
        yield from ((f"the finding '{name}'", column.to_numpy()) for name, column in cohort.findings.items())


def _plain(name: str) -> str:
    """A column's name for comparison."""
    return name.strip().casefold()


def _sorted(cohort: Cohort) -> Cohort:
    """The cases by id."""
    return replace(cohort.take(np.argsort(cohort.case_ids, kind="stable")), rows=None)


def write_remarks(remarks: Remarks, folder: Path) -> None:
    """Keep them beside the cohort."""
    kept = {"remarks": [asdict(line) for line in remarks.lines], "given": remarks.given}
    (folder / FILE).write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")


def read_remarks(folder: Path) -> Remarks:
    """What was remarked when the cohort of a prepared folder was taken in."""
    kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Remarks(lines=[Remark(**line) for line in kept["remarks"]], given=kept["given"])


def columns(cohort: Cohort, remarks: Remarks) -> list[dict[str, Any]]:
    """How every column of the cohort's frames was understood, as JSON-able rows.

    `part`, `column`, `given` (its type as it came in), `read_as` ("number" or "category"), `missing` cases, and `range` (least,
    median, greatest) or `levels` (level -> cases, the most frequent first).
    """
    return [
        {"part": part.name, "column": str(name), **_column(f"{part.name} column '{name}'", value[name], remarks)}
        for part, value in cohort.of_cases()
        if isinstance(part, Frame)
        for name in value
    ]


def _column(place: str, column: pd.Series[Any], remarks: Remarks) -> dict[str, Any]:
    number = pd.api.types.is_numeric_dtype(column)
    known = column.dropna()
    held: dict[str, Any] = {}
    if number:
        held["range"] = [float(value) for value in (known.min(), known.median(), known.max())] if len(known) else None
    else:
        held["levels"] = {str(level): int(cases) for level, cases in known.value_counts().items() if cases}
    read = {"given": remarks.given.get(place, ""), "read_as": "number" if number else "category"}
    return {**read, "missing": int(column.isna().sum()), **held}
