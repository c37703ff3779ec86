"""A folder as a dataset: its files are found, read and checked all at once, and its cases leave under pseudonyms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.folder.clinical import decoded, inputs, listed_twice, read_clinical
from benchmark.data.folder.description import BRAIN, CASE, Description, describe
from benchmark.data.folder.identities import Pseudonyms, key_file, machine_key, scrubbed
from benchmark.data.folder.volumes import TEMPLATE_MIDDLE, read_images, read_volume, territories
from benchmark.data.intake import take_in
from benchmark.data.modalities.image import LESION_VOLUME, MASK, Atlas, ImageView
from benchmark.data.remarks import Remarks, quoted
from benchmark.data.sources import Sources
from benchmark.data.words import spelled_twice
from benchmark.registry.folders import FILE
from benchmark.system.errors import DataError

LONGEST_REPORT = 100_000
"""Characters of a report: more is no report."""


@dataclass(frozen=True)
class FolderCohort:
    """The cases of a folder as its `cohort.toml` describes them; those without a label are the pool.

    folder : where it lies.
    """

    folder: str

    def files(self) -> list[Path]:
        """Everything that is read, and the key of the pseudonyms. Raises `DataError` for an unreadable `cohort.toml`."""
        machine_key()
        described = describe(Path(self.folder), Remarks())
        table = described.folder / described.table
        named = (described.images.atlas, described.images.atlas_names)
        extra = [path for name in named if name and (path := described.folder / name).is_file()]
        placed = {path for pattern in _patterns(described).values() for path in _all_of(described.folder, pattern)}
        found = {each for path in placed for each in ([path] if path.is_file() else path.iterdir()) if each.is_file()}
        return [key_file(), described.folder / FILE, *([table] if table.is_file() else []), *extra, *sorted(found)]

    def build(self, sources: Sources) -> Cohort:
        """The cohort under pseudonyms. Raises `DataError`: a line for every problem, in the user's own ids."""
        reading, remarks = self.read()
        if problems := remarks.refused():
            raise DataError("\n".join(dict.fromkeys(map(str, problems))))
        return reading.cohort(sources.digest)

    def inspect(self) -> Remarks:
        """All that was found wrong or read in one certain way, in the user's own ids, without building anything."""
        try:
            return self.read()[1]
        except DataError as error:
            remarks = Remarks()
            for line in str(error).splitlines():
                remarks.refuse(FILE, line)
            return remarks

    def own_names(self) -> dict[str, str]:
        """Pseudonym -> the user's own id, of every case."""
        reading, _ = self.read(images=False)
        return dict(zip(reading.pseudonyms(), reading.ids, strict=True))

    def read(self, *, images: bool = True) -> tuple[Reading, Remarks]:
        """The folder as it is, with its own ids, and the remarks on it. Raises `DataError` where the table cannot be read."""
        remarks = Remarks()
        described = describe(Path(self.folder), remarks)
        frame = read_clinical(described, remarks)
        if not {described.case, described.label} <= {*frame.columns}:
            raise DataError("\n".join(map(str, remarks.refused())))
        ids = frame[described.case].astype(object).where(frame[described.case].notna(), "").map(str)
        remarks.case_ids = np.array(ids.tolist(), dtype=object)
        _check_ids(described, frame, ids, remarks)
        table = inputs(described, frame, remarks)
        positive, known = _labels(described, frame, remarks)
        reading = Reading(described, frame, ids.tolist(), table, positive, known)
        files = _files_of_cases(described, reading.ids, remarks)
        reports = _reports(described, frame, reading.ids, files.pop(REPORTS, {}), remarks)
        reading = replace(reading, reports=reports)
        _check_intake(reading, remarks)
        if images and described.images.views:
            arrays, lesion_ml = read_images(reading.ids, files, described.images, remarks)
            reading = replace(reading, files=files, arrays=arrays, lesion_ml=lesion_ml)
        return reading, remarks


REPORTS = "reports"


@dataclass(frozen=True, eq=False)
class Reading:
    """A folder that was read: a row per case, in the table's order, under the user's own ids.

    positive, known : (n,) whether the label is 1, and whether there is one. reports : per case its drafts, scrubbed.
    files : view -> row -> file. array : view -> (n, 1, x, y, z) bytes, on disk. lesion_ml : (n,) NaN where there is no mask.
    """

    described: Description
    frame: pd.DataFrame
    ids: list[str]
    table: pd.DataFrame
    positive: NDArray[np.bool_]
    known: NDArray[np.bool_]
    reports: tuple[tuple[str, ...], ...] | None = None
    files: Mapping[str, Mapping[int, Path]] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    lesion_ml: NDArray[np.float64] | None = None

    def pseudonyms(self) -> list[str]:
        """A word for each case, in the order that the column `order` gives, where there is one."""
        order = self.described.order
        places = pd.to_numeric(self.frame[order]).tolist() if order else None
        return self._words().of_cases(self.ids, places)

    def _words(self) -> Pseudonyms:
        return Pseudonyms(machine_key(), self.described.name)

    def _names(self, column: str, kind: str) -> NDArray[np.str_] | None:
        """A word for each value of a column."""
        if not column:
            return None
        values = self.frame[column].astype(object).where(self.frame[column].notna(), "unknown")
        return np.array([f"{kind}-{self._words().of(kind, str(value), 8)}" for value in values])

    def cohort(self, digest: str) -> Cohort:
        """The labelled cases under pseudonyms, and the others as their pool."""
        labelled, others = np.flatnonzero(self.known), np.flatnonzero(~self.known)
        pool = self._view(others) if len(others) else None
        labels = self.positive[labelled].astype(np.int8)
        return replace(self._view(labelled), labels=labels, pool=pool, source_digest=digest)

    def _view(self, rows: NDArray[np.intp]) -> Cohort:
        described, ids = self.described, np.array(self.pseudonyms())[rows]
        sites, groups = self._names(described.site, "site"), self._names(described.patient, "patient")
        parts: dict[str, Any] = {}
        present: dict[str, NDArray[np.bool_]] = {}
        if self.reports is not None:
            parts["reports"] = tuple(self.reports[row] for row in rows)
            present["text"] = np.array([bool(self.reports[row]) for row in rows])
        if self.arrays:
            there = {view: np.isin(rows, [*self.files.get(view, {})]) for view in self.arrays}
            present |= {"image": np.logical_and.reduce([*there.values()]), **there}
            parts["images"] = {
                view: ImageView(array, rows, 1 / 255 if view == MASK else 1.0) for view, array in self.arrays.items()
            }
            parts |= self._measured(rows, present["image"])
        return Cohort(
            name=described.name,
            case_ids=ids,
            sites=None if sites is None else sites[rows],
            groups=ids if groups is None else groups[rows],
            table=self.table.iloc[rows].reset_index(drop=True),
            strata=self._strata(rows),
            present={name: flags for name, flags in present.items() if not flags.all()},
            encoders=self._encoders(),
            **parts,
        )

    def _strata(self, rows: NDArray[np.intp]) -> pd.DataFrame | None:
        """Age and sex, where the table has them: results are shown by them."""
        named = {str(name).casefold(): name for name in self.table}
        held = {kind: self.table[named[kind]].iloc[rows].reset_index(drop=True) for kind in ("age", "sex") if kind in named}
        return pd.DataFrame(held) if held else None

    def _measured(self, rows: NDArray[np.intp], imaged: NDArray[np.bool_]) -> dict[str, Any]:
        """The lesion's volume and, with an atlas, the damaged share of its territories; nothing without a mask."""
        if self.lesion_ml is None:
            return {}
        derived = {LESION_VOLUME: np.where(imaged, self.lesion_ml[rows], np.nan)}
        atlas = self._atlas()
        if atlas is None:
            return {"derived": pd.DataFrame(derived)}
        masks = self.arrays[MASK]
        shares = [territories(masks[row], atlas.labels, len(atlas.names)) for row in rows]
        columns = np.where(imaged[:, None], np.array(shares), np.nan)
        return {"derived": pd.DataFrame(derived | dict(zip(atlas.names, columns.T, strict=True))), "atlas": atlas}

    def _atlas(self) -> Atlas | None:
        """The atlas, where the folder has one."""
        return read_atlas(self.described) if self.described.images.atlas else None

    def _encoders(self) -> dict[str, str]:
        """What makes figures of the images for rows that see figures: of the mask where there is one, else of the scans."""
        if not self.arrays:
            return {"text": "minilm"} if self.reports is not None else {}
        image = "territories" if self.described.images.atlas else "lesion-grid" if MASK in self.arrays else "scan-grid"
        return {"image": image, **({"text": "minilm"} if self.reports is not None else {})}


def read_atlas(described: Description) -> Atlas:
    """The atlas of a folder, its labels taken at the middle of each voxel of the cohort's grid.

    Raises `DataError` where files are missing, or labels and names do not fit.
    """
    from scipy.ndimage import map_coordinates

    images = described.images
    try:
        names = [line.strip() for line in decoded(described.folder / images.atlas_names).splitlines() if line.strip()]
        volume = read_volume(described.folder / images.atlas)
    except OSError as error:
        raise DataError(f"{FILE}: [images] atlas: {error.filename}: {error.strerror}") from error
    except DataError as error:
        raise DataError(f"{images.atlas}: {error}") from error
    if not 1 <= volume.values.max() <= len(names) <= 253:
        raise DataError(
            f"{images.atlas}: labels reach {volume.values.max():g}, and {images.atlas_names} has {len(names)} names"
        )
    shape = np.array(images.grid)
    places = np.indices(images.grid).reshape(3, -1) * images.voxel_mm
    corner = TEMPLATE_MIDDLE - images.voxel_mm * (shape - 1) / 2
    inverse = np.linalg.inv(volume.affine)
    voxels = inverse[:3, :3] @ (places + corner[:, None]) + inverse[:3, 3:]
    labels = map_coordinates(volume.values, voxels, order=0, mode="constant", cval=0).reshape(images.grid)
    return Atlas(labels.astype(np.uint8), tuple(names), images.voxel_mm)


def is_folder_name(case: str) -> bool:
    """Whether a case's id can be the name of a folder within another."""
    return not re.search(r"[/\\\x00-\x1f]", case) and case not in (".", "..")


def _check_ids(described: Description, frame: pd.DataFrame, ids: pd.Series[Any], remarks: Remarks) -> None:
    place = f"{described.table} column '{described.case}'"
    blank = (ids == "").to_numpy()
    if blank.any():
        remarks.case_ids = np.zeros(0, dtype=object)
        remarks.refuse(place, "no id: name these cases, or take the rows out", blank)
        remarks.case_ids = np.array(ids.tolist(), dtype=object)
    twice = listed_twice([name for name in ids if name])
    if twice:
        redcap = (
            " (of a REDCap export with events, take one by [table] only)" if "redcap_event_name" in described.mentioned else ""
        )
        mend = "a row is a case; where one patient has several, name the patient's column in [table] patient"
        remarks.refuse(place, f"{quoted(twice)} occurs more than once: {mend}{redcap}")
    if twins := spelled_twice([name for name in ids if name and name not in twice]):
        remarks.refuse(place, f"{twins[0]}: use one spelling")
    if described.order in frame and pd.to_numeric(frame[described.order], errors="coerce").isna().any():
        remarks.refuse(f"{described.table} column '{described.order}'", "is the order of the cases: give a number for each")
    if wrong := [name for name in ids if not is_folder_name(name)]:
        remarks.refuse(place, f"{ascii(wrong[0])} cannot be a folder's name: ids have no slash and no control character")


def _labels(described: Description, frame: pd.DataFrame, remarks: Remarks) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n,) whether the label is 1, and whether there is one."""
    column, place = frame[described.label], f"{described.table} column '{described.label}'"
    known = column.notna().to_numpy()
    try:
        positive = described.rule.holds(column)
    except ValueError as error:
        remarks.refuse(place, str(error))
        return np.zeros(len(frame), dtype=bool), known
    values = Counter(map(str, column[known]))
    if not known.any():
        remarks.refuse(place, "is missing in every row: which column holds the outcome?")
    elif positive[known].all() or not positive[known].any():
        which, shown = ("1", "all") if positive[known].all() else ("0", "none")
        remarks.refuse(
            place,
            f"{shown} of {int(known.sum())} known values fulfil '{described.rule.comparison} {described.rule.operand}', "
            f"so that every label is {which}; the values are {quoted([value for value, _ in values.most_common()])}",
        )
    if (~known).any():
        remarks.note(place, "missing: these cases have no label and join the pool", ~known)
    return positive, known


def _patterns(described: Description) -> dict[str, str]:
    """View, or `reports`, -> pattern of its files."""
    return {**described.images.views, **({REPORTS: described.reports} if described.reports else {})}


def _all_of(folder: Path, pattern: str) -> list[Path]:
    """The files of all cases; of a pattern that ends in a slash the folders, each of a DICOM series."""
    found = (path for path in folder.glob(pattern.rstrip("/").replace(CASE, "*")) if not path.name.startswith("."))
    return sorted(path for path in found if (path.is_dir() if pattern.endswith("/") else path.is_file()))


def _files_of_cases(described: Description, ids: Sequence[str], remarks: Remarks) -> dict[str, dict[int, Any]]:
    """View -> row -> its file (of `reports`, its files); notes cases without one, and files of no case."""
    found: dict[str, dict[int, Any]] = {}
    rows = {name: row for row, name in enumerate(ids)}
    for view, pattern in _patterns(described).items():
        by_case: dict[str, list[Path]] = {}
        for path in _all_of(described.folder, pattern):
            name = _case_of(path.relative_to(described.folder).as_posix(), pattern.rstrip("/"))
            if name is not None:
                by_case.setdefault(name, []).append(path)
        unknown = sorted(by_case.keys() - rows.keys())
        _name_strangers(view, unknown, [name for name in rows if name not in by_case], remarks)
        found[view] = {}
        for name in by_case.keys() & rows.keys():
            files = by_case[name]
            if view != REPORTS and len(files) > 1:
                remarks.refuse(f"view '{view}'", f"case {name} has {len(files)} files: {quoted(path.name for path in files)}")
            found[view][rows[name]] = files if view == REPORTS else files[0]
        without = np.array([row not in found[view] for row in range(len(ids))])
        what = "report" if view == REPORTS else f"'{view}'"
        if without.all():
            remarks.refuse(FILE, f"no case has a file {pattern}: does the pattern fit the folder?")
        elif without.any() and view != BRAIN:
            remarks.note("files", f"no {what}", without)
    return found


def _case_of(path: str, pattern: str) -> str | None:
    """The case's id in a path that fits the pattern, the same wherever it stands; None for a path that does not fit."""
    written, first = "", True
    for part in re.split(r"(\{case\}|\*|\?)", pattern):
        if part == CASE:
            written += r"(?P<case>[^/]+?)" if first else "(?P=case)"
            first = False
        else:
            written += {"*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    match = re.fullmatch(written, path)
    return match["case"] if match else None


def _name_strangers(view: str, unknown: Sequence[str], without: Sequence[str], remarks: Remarks) -> None:
    """Files of no case: an error where they look like a case's under another spelling, else a note."""
    twins = spelled_twice([*unknown, *without])
    alike = {*twins[1]} if twins else set()
    lost = [name for name in unknown if name in alike]
    for name in lost[:1]:
        other = next((each for each in without if spelled_twice([name, each])), "")
        more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        remarks.refuse(
            "files", f"{view}: '{name}' on disk, '{other}' in the table{more}: did the ids lose leading zeros? use one spelling"
        )
    rest = [name for name in unknown if name not in alike]
    if rest:
        remarks.note("files", f"{view}: {quoted(rest)} is no case of the table, and is not read")


def _reports(
    described: Description,
    frame: pd.DataFrame,
    ids: Sequence[str],
    files: Mapping[int, Sequence[Path]],
    remarks: Remarks,
) -> tuple[tuple[str, ...], ...] | None:
    """Per case its drafts in the order of their files, without names, numbers, dates and rare ages."""
    if not described.reports:
        return None
    columns = [described.case, described.patient, *described.identifiers]
    named = frame[[column for column in columns if column in frame]].astype(object)
    drafts: list[tuple[str, ...]] = []
    for row in range(len(ids)):
        texts = []
        names = [str(value) for value in named.iloc[row] if pd.notna(value)]
        for path in files.get(row, ()):
            try:
                text = decoded(path)
            except DataError as error:
                remarks.refuse("reports", f"case {ids[row]}: {error}")
                continue
            if len(text) > LONGEST_REPORT:
                remarks.refuse("reports", f"case {ids[row]}: {path.name} has {len(text)} letters: is it a report?")
                continue
            texts.append(" ".join(scrubbed(text, [*names, *_parts(names)]).split()))
        drafts.append(tuple(text for text in texts if text))
    return tuple(drafts)


def _parts(names: Sequence[str]) -> Iterator[str]:
    """The words of names: a report may speak of Miller where the table has Anna Miller."""
    return (word for name in names for word in re.split(r"[\s,;]+", name) if not word.isdigit())


def _check_intake(reading: Reading, remarks: Remarks) -> None:
    """What the intake of any cohort refuses, in the user's own ids."""
    rows = np.flatnonzero(reading.known)
    if len(set(reading.positive[rows].tolist())) < 2 or not len(reading.table.columns):
        return
    twice = {*listed_twice(reading.ids)}
    ids = [f"{name} (row {row + 1})" if name in twice or not name else name for row, name in enumerate(reading.ids)]
    taken = Cohort(
        name=reading.described.name,
        case_ids=np.array(ids, dtype=object)[rows],
        labels=reading.positive[rows].astype(np.int8),
        table=reading.table.iloc[rows].reset_index(drop=True),
    )
    try:
        remarks.lines += [line for line in take_in(taken)[1].lines if line.state != "refused"]
    except DataError as error:
        for line in str(error).splitlines():
            place, _, message = line.removeprefix(f"{taken.name}: ").partition(": ")
            if place != "case_ids":  # said before, with the name of the column
                remarks.refuse(place, message)
