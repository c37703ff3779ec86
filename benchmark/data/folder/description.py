"""`cohort.toml`: what a folder holds, in the user's words, read into one object or refused with every reason."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.remarks import Remarks
from benchmark.registry.folders import FILE
from benchmark.system.errors import DataError

CASE = "{case}"
"""What stands for the case's id in the pattern of a file name."""
BRAIN = "brain"
"""The view that says where the brain is: it is used to read the others, and is no input."""
SPACES = ("scanner", "template", "mni")
KEYS: Mapping[str, tuple[str, ...]] = {
    "": ("name", "title", "source", "license", "citation", "scope", "table", "label", "columns", "images", "reports"),
    "table": ("file", "sheet", "case", "patient", "site", "order", "missing", "decimal", "only"),
    "label": ("column", "positive", "means", "time"),
    "columns": ("admission", "later", "identifiers", "categories", "ages"),
    "images": ("views", "space", "voxel_mm", "grid", "atlas", "atlas_names"),
    "reports": ("files",),
}
"""Table of the file, "" for what stands above the first, -> the keys that it may have."""
COMPARISONS: Mapping[str, Callable[[pd.Series[Any], float], pd.Series[bool]]] = {
    "<=": lambda column, bound: column <= bound,
    ">=": lambda column, bound: column >= bound,
    "<": lambda column, bound: column < bound,
    ">": lambda column, bound: column > bound,
}
RULE = re.compile(r"\s*(<=|>=|<|>|==|in)\s*(.+?)\s*")


@dataclass(frozen=True)
class Rule:
    """Which values of the label's column are label 1: `<= 2`, `>= 3`, `== good`, `in 0, 1, 2`."""

    comparison: str
    operand: str

    def holds(self, column: pd.Series[Any]) -> NDArray[np.bool_]:
        """(n,) where the rule holds; false where the value is missing. Raises `ValueError` where words are compared by size."""
        if self.comparison in COMPARISONS:
            numbers = pd.to_numeric(column, errors="coerce")
            strange = column[column.notna() & numbers.isna()]
            if len(strange):
                raise ValueError(f"'{strange.iloc[0]}' is no number: compare words by `== word` or `in word, word`")
            return np.asarray(COMPARISONS[self.comparison](numbers, float(self.operand)), dtype=bool)
        wanted = [part.strip() for part in self.operand.split(",")] if self.comparison == "in" else [self.operand]
        return np.asarray(column.map(_plain, na_action="ignore").isin([_plain(word) for word in wanted]), dtype=bool)


def _plain(value: object) -> object:
    """A value for comparison: a number as such, a word without regard to capitals."""
    try:
        return float(str(value))
    except ValueError:
        return str(value).strip().casefold()


@dataclass(frozen=True)
class Images:
    """Where the images lie and how they are brought to one grid.

    views : name -> pattern of its files, with {case}. space : "scanner", each case's image about its own middle, "template",
    all in one space, such as MNI, or "mni", each brought to MNI152 by an affine registration of its first scan. voxel_mm : edge
    of a voxel in millimetres. grid : voxels along right, anterior and superior. atlas, atlas_names : territories in the
    template's space, and their names, a line each.
    """

    views: Mapping[str, str] = field(default_factory=dict)
    space: str = "scanner"
    voxel_mm: float = 4.0
    grid: tuple[int, int, int] = (48, 56, 48)
    atlas: str = ""
    atlas_names: str = ""


@dataclass(frozen=True)
class Description:
    """What `cohort.toml` says.

    admission : columns known when the prediction is made, the inputs. later : known afterwards, never inputs. identifiers :
    names, numbers and dates of birth, which are never stored and are taken out of the reports. categories : inputs whose
    numbers are codes. ages : inputs that are ages, of which those above 89 are stored as 90. `only` : column -> the value that
    a row must have to count.
    """

    folder: Path
    name: str
    table: str
    case: str
    label: str
    rule: Rule
    means: tuple[str, str]
    sheet: str = ""
    patient: str = ""
    site: str = ""
    order: str = ""
    missing: tuple[str, ...] = ()
    decimal: str = ""
    only: Mapping[str, str] = field(default_factory=dict)
    admission: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    ages: tuple[str, ...] = ()
    images: Images = Images()
    reports: str = ""

    @property
    def mentioned(self) -> frozenset[str]:
        """Every column that the file names."""
        own = {self.case, self.patient, self.site, self.order, self.label, *self.only} - {""}
        return frozenset(own | {*self.admission, *self.later, *self.identifiers})


def describe(folder: Path, remarks: Remarks) -> Description:
    """Read the file of a folder; what is wrong with it goes to `remarks`, and a usual value stands in its place.

    Raises `DataError` where it says too little to read anything: a line for everything that is wrong.
    """
    content = read_toml(folder)
    _check_keys(content, remarks)
    table, label, columns = (_table(content, name, remarks) for name in ("table", "label", "columns"))
    for place, key in (("table", "file"), ("table", "case"), ("label", "column"), ("label", "positive")):
        if not str({"table": table, "label": label}[place].get(key, "")).strip():
            remarks.refuse(FILE, f"[{place}] lacks `{key}`")
    lists = {name: _words(columns, "columns", name, remarks) for name in KEYS["columns"]}
    _check_lists(lists, str(label.get("column", "")), remarks)
    rule, means = _rule(label, remarks), _means(label, remarks)
    images, reports = _images(content, remarks), _reports(content, remarks)
    missing = _words(table, "table", "missing", remarks)
    only = {str(name): str(value) for name, value in _table(table, "only", remarks).items()}
    if not all(str(given.get(key, "")).strip() for given, key in ((table, "file"), (table, "case"), (label, "column"))):
        raise DataError("\n".join(map(str, remarks.refused())))

    def said(key: str) -> str:
        return str(table.get(key, ""))

    return Description(
        folder=folder,
        name=str(content.get("name", "")),
        table=str(table["file"]),
        case=str(table["case"]),
        label=str(label["column"]),
        rule=rule,
        means=means,
        missing=missing,
        only=only,
        images=images,
        reports=reports,
        sheet=said("sheet"),
        patient=said("patient"),
        site=said("site"),
        order=said("order"),
        decimal=said("decimal"),
        admission=lists["admission"],
        later=lists["later"],
        identifiers=lists["identifiers"],
        categories=lists["categories"],
        ages=lists["ages"],
    )


def read_toml(folder: Path) -> dict[str, Any]:
    """The file as TOML has it. Raises `DataError` where it is missing or not TOML."""
    path = folder / FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        mend = f"`python -m benchmark new cohort {folder}` writes one"
        raise DataError(f"{folder}: there is no {FILE}: {mend}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: it is not in UTF-8: save it in that encoding") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: {error}: text stands in quotes, lists in square brackets") from error


def _check_keys(content: Mapping[str, Any], remarks: Remarks) -> None:
    for place, known in KEYS.items():
        held = content if not place else content.get(place, {})
        for key in held if isinstance(held, Mapping) else ():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
                remarks.refuse(FILE, f"{f'[{place}] ' if place else ''}unknown key `{key}`: {hint}")


def _table(content: Mapping[str, Any], name: str, remarks: Remarks) -> Mapping[str, Any]:
    value = content.get(name, {})
    if isinstance(value, Mapping):
        return value
    remarks.refuse(FILE, f"`{name}` is no table: write [{name}] on a line of its own")
    return {}


def _words(content: Mapping[str, Any], place: str, name: str, remarks: Remarks) -> tuple[str, ...]:
    value = content.get(name, [])
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(word, str | int | float) for word in value):
        remarks.refuse(FILE, f'[{place}] `{name}` must be a list of words, such as ["age", "sex"]')
        return ()
    return tuple(str(word) for word in value)


def _check_lists(lists: Mapping[str, tuple[str, ...]], label: str, remarks: Remarks) -> None:
    """Each column is known at one time, and what is no input has neither categories nor ages."""
    times = ("admission", "later", "identifiers")
    for column in sorted({name for time in times for name in lists[time]}):
        at = [time for time in times if column in lists[time]]
        if len(at) > 1:
            remarks.refuse(FILE, f"[columns] '{column}' stands under {' and '.join(at)}: it is known at one time")
    for kind in ("categories", "ages"):
        for column in lists[kind]:
            if column not in lists["admission"]:
                remarks.refuse(FILE, f"[columns] '{column}' is one of `{kind}` and not of `admission`: only inputs are read")
    if label and label in lists["admission"]:
        remarks.refuse(FILE, f"[columns] '{label}' is the label: take it out of `admission`")
    if not lists["admission"]:
        remarks.refuse(FILE, "[columns] `admission` names no column: which are known when the prediction is made?")


def _rule(label: Mapping[str, Any], remarks: Remarks) -> Rule:
    written = str(label.get("positive", ""))
    found = RULE.fullmatch(written)
    if written.strip() and found is None:
        remarks.refuse(FILE, f"[label] positive = '{written}': write `<= 2`, `>= 3`, `== good` or `in 0, 1, 2`")
    comparison, operand = found.groups() if found else ("==", "")
    if comparison in COMPARISONS and not isinstance(_plain(operand), float):
        remarks.refuse(FILE, f"[label] positive = '{written}': '{operand}' is no number: words are compared by `==` or `in`")
    return Rule(comparison, operand)


def _means(label: Mapping[str, Any], remarks: Remarks) -> tuple[str, str]:
    value = label.get("means", ["label 0", "label 1"])
    if isinstance(value, list) and len(value) == 2 and all(isinstance(word, str) for word in value):
        return value[0], value[1]
    remarks.refuse(FILE, '[label] `means` must be two texts, what 0 and what 1 mean: ["poor: mRS 3-6", "good: mRS 0-2"]')
    return "", ""


def _images(content: Mapping[str, Any], remarks: Remarks) -> Images:
    given = _table(content, "images", remarks)
    if not given:
        return Images()
    views = {str(name): str(pattern) for name, pattern in _table(given, "views", remarks).items()}
    if not {*views} - {BRAIN}:
        remarks.refuse(FILE, "[images.views] names no view: flair = 'images/{case}/flair.nii.gz'")
    wrong = [name for name, pattern in views.items() if not _is_pattern(f"[images.views] {name}", pattern, remarks)]
    for name in views:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            remarks.refuse(FILE, f"[images.views] '{name}': a view's name has small letters, digits and _")
    images = Images({name: pattern for name, pattern in views.items() if name not in wrong})
    space = str(given.get("space", images.space))
    if space not in SPACES:
        remarks.refuse(
            FILE, f"[images] space = '{space}': give 'scanner', 'template' (all lie in one space) or 'mni' (register them)"
        )
    voxel, grid = given.get("voxel_mm", images.voxel_mm), given.get("grid", list(images.grid))
    if not isinstance(voxel, int | float) or not 0.5 <= voxel <= 20:
        remarks.refuse(FILE, f"[images] voxel_mm = {voxel}: give millimetres from 0.5 to 20")
        voxel = images.voxel_mm
    if not (isinstance(grid, list) and len(grid) == 3 and all(isinstance(n, int) and 2 <= n <= 256 for n in grid)):
        remarks.refuse(FILE, f"[images] grid = {grid}: give three numbers of voxels, 2 to 256, such as [48, 56, 48]")
        grid = list(images.grid)
    atlas, names = (_within(f"[images] {name}", str(given.get(name, "")), remarks) for name in ("atlas", "atlas_names"))
    if bool(atlas) != bool(names):
        remarks.refuse(FILE, "[images] `atlas` and `atlas_names` go together")
    if atlas and (space == "scanner" or "mask" not in views):
        remarks.refuse(
            FILE, "[images] an atlas needs a view `mask` and space = 'template' or 'mni': territories are measured there"
        )
    return Images(images.views, space, float(voxel), (grid[0], grid[1], grid[2]), atlas, names)


def _reports(content: Mapping[str, Any], remarks: Remarks) -> str:
    given = _table(content, "reports", remarks)
    if not given:
        return ""
    pattern = str(given.get("files", ""))
    return pattern if _is_pattern("[reports] files", pattern, remarks) else ""


def _within(place: str, name: str, remarks: Remarks) -> str:
    """The name of a file, empty where it leads out of the folder, which is refused."""
    if not _is_outside(name):
        return name
    remarks.refuse(FILE, f"{place} = '{name}': files lie in the folder: give a path within it")
    return ""


def _is_outside(path: str) -> bool:
    return Path(path).is_absolute() or ".." in Path(path).parts


def _is_pattern(place: str, pattern: str, remarks: Remarks) -> bool:
    """Whether files of cases can be found by a pattern; refuses it otherwise."""
    outside = _is_outside(pattern)
    if CASE not in pattern:
        remarks.refuse(FILE, f"{place} = '{pattern}': the case's id is missing: write {CASE} in its place")
    if outside:
        remarks.refuse(FILE, f"{place} = '{pattern}': files lie in the folder: give a path within it")
    return CASE in pattern and not outside


def check_columns(described: Description, columns: Collection[str], remarks: Remarks) -> None:
    """Every column that the file names is in the table, and every column of the table is named in the file."""
    by_fold = {name.casefold(): name for name in columns}
    for name in sorted(described.mentioned - {*columns}):
        near = difflib.get_close_matches(name.strip().casefold(), by_fold, n=1)
        hint = f": did you mean '{by_fold[near[0]]}'?" if near else ""
        remarks.refuse(described.table, f"has no column '{name}', which {FILE} names{hint}")
    for name in columns:
        if name not in described.mentioned:
            remarks.refuse(FILE, f"[columns] says nothing of '{name}': put it under `admission`, `later` or `identifiers`")
