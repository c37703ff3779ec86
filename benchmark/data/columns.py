"""Columns: how a column of a user's table is read, as float64 numbers or as categories in words, or why it is refused."""

from __future__ import annotations

import datetime
import numbers
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.remarks import Remarks, quoted

BLANK = frozenset({"", "nan", "<na>", "nat"})
"""What pandas and numpy make of a missing value when it is turned into text, in lower case."""
MISSING_WORDS = frozenset({"n/a", "na", "#n/a", "null", "none", "missing", "unknown", "-", "--", ".", "?"})
"""Words that often stand for a missing value, and may as well be a level."""
NUMBER = re.compile(r"[<>≤≥~±]?\s*[-+−]?(\d{1,3}([.,' ]\d{3})+|\d+)?([.,]\d+)?([eE][-+]?\d+)?\s*%?")
CODE = re.compile(r"[-+]?\d+|[<>≤≥~±].*")
"""A number that may be the name of a declared category: a code, or a band."""
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([ T].*)?")
GREATEST = 1e150
"""The largest number whose square is finite."""
LONGEST_EXACT = 2.0**53
"""From here on a float no longer holds every whole number."""
FAR = 5
"""Interquartile ranges from the quartiles of the others at which a value lies far from them."""
GIVE_DURATION = "calendar time says nothing of a later patient; give a duration"
NEAR_UNIQUE, FEW_LEVELS, MOST_BY_CHANCE = 0.5, 20, 20
RESERVED = frozenset({"case_id", "case_ids", "label", "labels", "sites", "groups", "strata", "present"})
"""Names of what a cohort holds beside its inputs."""


def read_frame(name: str, value: object, remarks: Remarks, *, inputs: bool = True) -> pd.DataFrame | None:
    """A frame of float64 numbers and of categories in words, by position; None where it is refused as a whole.

    Categories are strings, sorted, and only those that occur, whatever the type that they came in. `inputs` says whether
    methods see it.
    """
    if not isinstance(value, pd.DataFrame):
        remarks.refuse(name, f"is a {type(value).__name__}: give a data frame")
        return None
    frame = value.reset_index(drop=True)
    if isinstance(frame.columns, pd.MultiIndex):
        remarks.refuse(name, "its columns have several levels: give each column one name")
        return None
    named = [_name(column) for column in frame.columns]
    for column in sorted({column for column in named if named.count(column) > 1}):
        remarks.refuse(name, f"column '{column}' occurs more than once: give each column a name of its own")
    for column in named:
        if inputs:
            _check_name(name, column, remarks)
    if len(set(named)) < len(named):
        return None
    if named != list(frame.columns):
        remarks.read(name, f"column names read as text without blanks around it: {quoted(named)}")
    frame.columns = pd.Index(named, dtype=object)
    if not named:
        remarks.refuse(name, "has no column: leave it out")
    read = {column: read_column(f"{name} column '{column}'", frame[column], remarks) for column in frame}
    return pd.DataFrame(read, index=frame.index)


def _name(column: object) -> str:
    return str(column).strip()


def _check_name(frame: str, column: str, remarks: Remarks) -> None:
    if not column or column.startswith(("Unnamed: ", "__index_level_")):
        remarks.refuse(frame, f"column '{column}' is the index of another table, which may tell its order: leave it out")
    elif column.casefold() in RESERVED:
        remarks.refuse(frame, f"column '{column}' has the name of what is no input: leave it out, or name it for what it holds")


def read_column(place: str, column: pd.Series[Any], remarks: Remarks) -> pd.Series[Any]:
    """One column, (n,) float64 with NaN where missing, or a category of strings; what is wrong with it goes to `remarks`."""
    remarks.given[place] = str(column.dtype)
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype) or str(kind).startswith("dictionary"):
        return _read_categories(place, column.astype("object"), remarks, declared=True)
    if pd.api.types.is_complex_dtype(kind):
        remarks.refuse(place, "complex numbers: give real ones")
        return _nothing(column)
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_numeric_dtype(kind):
        return _read_numbers(place, column, remarks)
    return _read_objects(place, column.astype("object"), remarks)


def _read_objects(place: str, column: pd.Series[Any], remarks: Remarks) -> pd.Series[Any]:
    """A column of Python objects: numbers, or words."""
    known = column[column.notna()]
    kinds = {_kind(value) for value in known}
    if not kinds or kinds == {"number"}:
        return _read_numbers(place, column.map(float, na_action="ignore"), remarks)
    if kinds == {"text"}:
        return _read_categories(place, column, remarks, declared=False)
    if "duration" in kinds:
        remarks.refuse(place, "durations: give numbers of hours or days (`column.dt.total_seconds() / 3600`)")
    elif "date" in kinds:
        remarks.refuse(place, f"dates ({quoted(known[:1])}): {GIVE_DURATION}")
    elif kinds == {"number", "text"}:
        words = [value for value in known if _kind(value) == "text"]
        remarks.refuse(place, f"mixes numbers and text ({quoted(dict.fromkeys(words))}): make it one of the two")
    else:
        kind = next(type(value).__name__ for value in known if _kind(value) == "other")
        remarks.refuse(place, f"holds values of type {kind}: give numbers, or categories in words")
    return _nothing(column)


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime.timedelta | np.timedelta64):
        return "duration"
    if isinstance(value, datetime.date | datetime.time | np.datetime64 | pd.Period):
        return "date"
    return "number" if isinstance(value, numbers.Real | Decimal | np.bool_) else "other"


def _read_numbers(place: str, column: pd.Series[Any], remarks: Remarks) -> pd.Series[Any]:
    values = pd.Series(pd.array(column).to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    infinite = values.abs() > GREATEST
    if infinite.any():
        remarks.refuse(place, "infinite values, or so large that they stand for none: make them missing", infinite)
    known = values[values.notna()]
    if known.empty:
        remarks.note(place, "missing in every case")
    elif known.nunique() == 1 and len(known) == len(values):
        remarks.note(place, f"constant: {known.iloc[0]:g} in every case")
    else:
        _note_codes(place, values, remarks)
    return values


def _note_codes(place: str, values: pd.Series[Any], remarks: Remarks) -> None:
    """Note a repeated value of nines, or a negative one, that lies far from all others: -1, 99, -999 often mean missing."""
    for code in values[values.duplicated() & values.map(is_code)].unique().tolist():
        rest = values[values.notna() & (values != code)]
        low, high = np.quantile(rest, [0.25, 0.75]) if len(rest) else (code, code)
        if not low - FAR * (high - low) <= code <= high + FAR * (high - low):
            remarks.note(place, f"{code:g} lies far from all other values: if it means missing, make it NaN", values == code)


def is_code(number: float) -> bool:
    """Whether a number looks like one of those that stand for a missing value."""
    text = f"{abs(number):.0f}"
    return float(number).is_integer() and (set(text) in ({"9"}, {"8"}, {"7"}) or (number == -1)) and abs(number) not in (7, 8)


def _read_categories(place: str, column: pd.Series[Any], remarks: Remarks, *, declared: bool) -> pd.Series[Any]:
    """Categories in words; `declared` where the type says that they are categories, whatever they look like."""
    if not decodable(place, column, remarks):
        return _nothing(column)
    known = column.notna()
    words = column.where(known, None).map(word, na_action="ignore")
    if declared and any(_kind(level) == "date" for level in column[known].unique()):
        remarks.refuse(place, f"dates as categories: {GIVE_DURATION}")
    levels = words[known].unique()
    blank = [level for level in levels if level.casefold() in BLANK]
    if blank:
        message = f"missing values written as text ({quoted(blank)}): make them missing (None or NaN)"
        remarks.refuse(place, message, words.isin(blank))
    proper = [level for level in levels if level.casefold() not in BLANK]
    _check_levels(place, proper, remarks, declared=declared)
    folded = pd.Series([" ".join(level.split()).casefold() for level in proper], dtype=object)
    if folded.duplicated().any():
        twins = [level for level, double in zip(proper, folded.duplicated(keep=False), strict=True) if double]
        remarks.note(place, f"levels that differ only by blanks or case ({quoted(sorted(twins))}): are they one?")
    if not proper:
        remarks.note(place, "missing in every case")
    elif len(proper) == 1 and known.all():
        remarks.note(place, f"constant: '{proper[0]}' in every case")
    elif len(proper) > max(FEW_LEVELS, NEAR_UNIQUE * known.sum()):
        remarks.note(place, f"{len(proper)} different values in {known.sum()} cases: is it an id or free text?")
    if declared and any(not isinstance(value, str) for value in column[known].unique()):
        remarks.read(place, f"category codes read as words: {quoted(sorted(proper))}")
    return pd.Series(pd.Categorical(words, categories=sorted(levels)), index=column.index)


def _check_levels(place: str, levels: Iterable[str], remarks: Remarks, *, declared: bool) -> None:
    """Refuse text whose levels are numbers or dates; note words for missing values."""
    proper = [level for level in levels if level.casefold() not in MISSING_WORDS]
    absent = [level for level in levels if level.casefold() in MISSING_WORDS]
    figures = [level for level in proper if is_number(level) and not (declared and CODE.fullmatch(level))]
    dates = [level for level in proper if DATE.fullmatch(level)]
    if proper and len(dates) > len(proper) / 2:
        remarks.refuse(place, f"dates as text ({quoted(dates)}): {GIVE_DURATION}")
    elif len(figures) > len(proper) / 2:
        mend = "make it numbers (pd.to_numeric), NaN where missing"
        category = "" if declared else ', or, where it is a code, a category (`astype("category")`)'
        words = f", and {quoted(absent)}" if absent else ""
        remarks.refuse(place, f"text that parses as numbers ({quoted(figures)}{words}): {mend}{category}")
    elif absent:
        remarks.note(place, f"{quoted(absent)} is a level of its own: if it means missing, make it None")


def is_rounded(value: object) -> bool:
    """Whether a number stands where a name is meant, and is so long that a float has rounded it."""
    return isinstance(value, float | np.floating) and abs(float(value)) >= LONGEST_EXACT


def decodable(place: str, column: pd.Series[Any], remarks: Remarks) -> bool:
    """Whether a column of Python objects holds no text that is not Unicode; refuses it otherwise."""
    strange = column.map(is_undecodable).to_numpy(dtype=bool)
    if strange.any():
        message = f"text that is not Unicode ({ascii(column[strange].iloc[0])}): read the file in its encoding"
        remarks.refuse(place, message, strange)
    return not strange.any()


def is_undecodable(text: object) -> bool:
    """Whether a text holds what no encoding can store: its file was read in the wrong one."""
    return isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text)


def is_number(text: str) -> bool:
    """Whether a person reads the text as a number: decimal comma, thousands, `<1` and percent included."""
    return any(character.isdigit() for character in text) and NUMBER.fullmatch(text) is not None


def word(value: object) -> str:
    """A level in words: 1, 1.0 and "1 " are the same level."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_) and float(value).is_integer():
        return f"{float(value):.0f}" if isinstance(value, float | np.floating) else str(value)
    return str(value).strip()


def _nothing(column: pd.Series[Any]) -> pd.Series[Any]:
    """What stands for a column that is refused."""
    return pd.Series(np.full(len(column), np.nan), index=column.index)


def label_copies(frame: pd.DataFrame, labels: NDArray[np.int8]) -> Iterable[str]:
    """The columns that divide the cases just as the labels do, missing values being a value of their own or left out.

    In fewer than 20 cases a column of two values may do so by chance, and none is named.
    """
    for name in frame if len(labels) >= MOST_BY_CHANCE else ():
        column = frame[name]
        known = column.notna().to_numpy()
        for cases in (known, np.ones(len(labels), dtype=bool)):
            codes, values = pd.factorize(column[cases], use_na_sentinel=cases is known)
            if 2 * cases.sum() > len(labels) and len(values) == 2 and _same_division(codes, labels[cases]):
                yield str(name)
                break


def _same_division(codes: NDArray[np.intp], labels: NDArray[np.int8]) -> bool:
    return bool(0 < labels.sum() < len(labels)) and len(set(zip(codes.tolist(), labels.tolist(), strict=True))) == 2
