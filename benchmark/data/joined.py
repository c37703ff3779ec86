"""A joined cohort: some datasets to learn from and another to be tested on, brought to common columns by a mapping file.

Inputs that the mapping does not name are left out. The file states in words that the labels mean the same; without that
sentence nothing is joined.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import LESION_VOLUME
from benchmark.data.preparation import load_cohort, prepare
from benchmark.data.reading import opened_files
from benchmark.data.remarks import Remarks, quoted
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.registry.folders import FILE
from benchmark.system.errors import DataError

KEYS = ("name", "title", "train", "test", "same_label", "plugins", "sites", "columns", "derived")
TEST = "test"
SHARED = "shared"
Mapped = Mapping[str, Mapping[str, str]] | Literal["shared"]


@dataclass(frozen=True)
class Joining:
    """What a mapping file says.

    train : the datasets to learn from. test : the one to be tested on, whose label means the same. plugins : files of datasets
    of one's own, and folders with a `cohort.toml`. sites : dataset -> the sites whose cases count; all by default.
    columns, derived : common name -> dataset -> its own column, of the table and of what is measured on images; `SHARED` stands
    for all columns that the datasets have under one name.
    """

    file: Path
    name: str
    train: tuple[str, ...]
    test: str
    plugins: tuple[str, ...] = ()
    sites: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: Mapped = field(default_factory=dict)
    derived: Mapped = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """All of them, the test set last."""
        return (*self.train, self.test)


@dataclass(frozen=True)
class JoinedCohort:
    """The cases of several datasets under common columns; `file` is the mapping."""

    file: str

    def files(self) -> list[Path]:
        """The mapping and what was prepared of each dataset, which holds the digest of its content. Prepares what is not."""
        joining = read_joining(Path(self.file))
        catalogue = discover(joining.plugins)
        return [joining.file, *(prepare(name, catalogue) / "cohort.json" for name in joining.datasets)]

    def build(self, sources: Sources) -> Cohort:
        """The cohort. Raises `DataError` where columns or patients do not allow it."""
        joining = read_joining(Path(self.file))
        with opened_files():  # what a dataset reads enters its own digest, not this one's
            parts = _parts(joining)
        return join(joining, parts, sources.digest)

    def inspect(self) -> Remarks:
        """Which inputs are left out."""
        joining, remarks = read_joining(Path(self.file)), Remarks()
        parts = _parts(joining)
        columns = _resolved(parts, "table", joining.columns)
        for name, part in parts.items():
            mapped = {own[name] for own in columns.values()}
            unused = [str(column) for column in part.columns if column not in mapped]
            if unused:
                remarks.note(name, f"{quoted(unused)} is not mapped and left out")
        return remarks

    def own_names(self) -> Mapping[str, str]:
        """None but those that are written."""
        return {}


def read_joining(file: Path) -> Joining:
    """Read a mapping file. Raises `DataError` for what is wrong with it."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: {error}") from error
    unknown = sorted(content.keys() - {*KEYS})
    if unknown:
        raise DataError(f"{file.name}: unknown key {quoted(unknown)}: known are {', '.join(KEYS)}")
    if not str(content.get("same_label", "")).strip():
        raise DataError(
            f"{file.name}: `same_label` is missing: say in a sentence that 1 means the same in all datasets, and when each was "
            "observed; without that nothing can be transferred"
        )
    train, test = content.get("train", []), content.get("test", "")
    train = [train] if isinstance(train, str) else train
    if not isinstance(train, list) or not train or not all(isinstance(name, str) for name in [*train, test]) or not test:
        raise DataError(f'{file.name}: give train = ["one", "other"] and test = "third", names of datasets')
    if test in train or len(set(train)) < len(train):
        raise DataError(f"{file.name}: a dataset is named twice: what is tested on is never learnt from")
    places = [(file.parent / Path(str(place)).expanduser()).resolve() for place in content.get("plugins", [])]
    plugins = [str(place / FILE if place.is_dir() else place) for place in places]
    joining = Joining(
        file.resolve(),
        str(content.get("name", file.stem)),
        tuple(train),
        test,
        tuple(plugins),
        content.get("sites", {}),
        content.get("columns", {}),
        content.get("derived", {}),
    )
    _check_mapping(joining)
    return joining


def _check_mapping(joining: Joining) -> None:
    """Every common column names one of each dataset."""
    if not joining.columns:
        raise DataError(f"{joining.file.name}: [columns] maps nothing: say which columns are the same, or columns = '{SHARED}'")
    for kind, mapping in (("columns", joining.columns), ("derived", joining.derived)):
        if isinstance(mapping, str) and mapping != SHARED:
            raise DataError(f"{joining.file.name}: {kind} = '{mapping}': give a table, or '{SHARED}'")
        for common, own in {} if isinstance(mapping, str) else mapping.items():
            if not isinstance(own, Mapping) or {*own} != {*joining.datasets}:
                named = ", ".join(f'"{name}" = "..."' for name in joining.datasets)
                raise DataError(f"{joining.file.name}: [{kind}] {common}: name its column in each dataset: {{ {named} }}")
    strangers = sorted({*joining.sites} - {*joining.datasets})
    if strangers:
        raise DataError(f"{joining.file.name}: [sites] names {quoted(strangers)}, which is not joined")


def _parts(joining: Joining) -> dict[str, Cohort]:
    """The datasets' cohorts, with the sites that count."""
    catalogue, parts = discover(joining.plugins), {}
    for name in joining.datasets:
        cohort = load_cohort(name, catalogue)
        wanted = joining.sites.get(name)
        if wanted is not None:
            held = np.zeros(0, dtype=np.str_) if cohort.sites is None else cohort.sites
            missing = sorted({*wanted} - {*held.tolist()})
            if missing:
                raise DataError(f"{joining.name}: {name} has no site {quoted(missing)}: it has {quoted(np.unique(held))}")
            cohort = cohort.take(np.flatnonzero(np.isin(held, list(wanted))))
        parts[name] = cohort
    return parts


def join(joining: Joining, parts: Mapping[str, Cohort], digest: str) -> Cohort:
    """The cases of all parts under common columns, marked by where they are from and what they are for.

    Raises `DataError` for a column that a part lacks, one that is a number here and a word there, and patients in two parts.
    """
    columns = _resolved(parts, "table", joining.columns)
    _check_apart(joining, parts, columns)
    table = _mapped(joining, parts, "table", columns)
    measured = _resolved(parts, "derived", joining.derived)
    derived = _mapped(joining, parts, "derived", measured) if measured else None
    sizes = [len(part) for part in parts.values()]
    names = np.repeat(list(parts), sizes)
    prefixes = np.repeat([f"{number}" for number in range(len(parts))], sizes)

    def prefixed(values: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
        return np.array([f"{prefix}-{value}" for prefix, value in zip(prefixes, np.concatenate(values), strict=True)])

    cohorts = list(parts.values())
    imaged = np.concatenate([part.having("image") for part in cohorts])
    return Cohort(
        name=joining.name,
        case_ids=prefixed([part.case_ids for part in cohorts]),
        labels=np.concatenate([np.asarray(part.labels) for part in cohorts]),
        sites=names,
        groups=prefixed([part.case_ids if part.groups is None else part.groups for part in cohorts]),
        table=table,
        own_folds=np.where(names == joining.test, TEST, "train"),
        strata=_strata(table),
        present={} if derived is None or imaged.all() else {"image": imaged},
        source_digest=digest,
        encoders={} if derived is None or LESION_VOLUME not in derived else {"image": "territories"},
        derived=derived,
    )


def _strata(table: pd.DataFrame) -> pd.DataFrame | None:
    held = [column for column in table if str(column).casefold() in ("age", "sex")]
    return table[held].rename(columns=lambda name: str(name).casefold()) if held else None


def _mapped(joining: Joining, parts: Mapping[str, Cohort], kind: str, mapping: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """The common columns of one kind, the parts one below the other."""
    columns: dict[str, Any] = {}
    for common, own in mapping.items():
        held = []
        for name, part in parts.items():
            frame: pd.DataFrame | None = getattr(part, kind)
            if frame is None or own[name] not in frame:
                known = quoted([] if frame is None else list(frame.columns)) or "none"
                raise DataError(f"{joining.name}: {name} has no {kind} column '{own[name]}': it has {known}")
            held.append(frame[own[name]])
        worded = [isinstance(column.dtype, pd.CategoricalDtype) for column in held]
        if any(worded) and not all(worded):
            raise DataError(f"{joining.name}: [{kind}] {common}: numbers in one dataset and words in another")
        joined = pd.concat([column.astype(object) if worded[0] else column for column in held], ignore_index=True)
        columns[common] = joined.astype("category") if worded[0] else joined.astype(np.float64)
    return pd.DataFrame(columns)


def _resolved(parts: Mapping[str, Cohort], kind: str, mapping: Mapped) -> Mapping[str, Mapping[str, str]]:
    """The mapping in full: what `SHARED` stands for, in the order of the first dataset."""
    if not isinstance(mapping, str):
        return mapping
    frames: list[pd.DataFrame | None] = [getattr(part, kind) for part in parts.values()]
    held = [[] if frame is None else [str(column) for column in frame] for frame in frames]
    return {name: dict.fromkeys(parts, name) for name in held[0] if all(name in other for other in held)}


def _check_apart(joining: Joining, parts: Mapping[str, Cohort], columns: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse patients who are in a training set and in the test set: the same id with the same values of the mapped columns."""
    test = parts[joining.test]

    def rows(name: str, part: Cohort) -> set[tuple[Any, ...]]:
        frame = part.table if part.table is not None else pd.DataFrame(index=range(len(part)))
        held = frame[[own[name] for own in columns.values() if own[name] in frame]].astype(str)
        return {(str(case), *values) for case, values in zip(part.case_ids, held.to_numpy().tolist(), strict=True)}

    tested = rows(joining.test, test)
    for name in joining.train:
        both = sorted(row[0] for row in tested & rows(name, parts[name]))
        if both:
            raise DataError(
                f"{joining.name}: {quoted(both)} is in {name} and in {joining.test}: who is tested is never learnt from"
            )
