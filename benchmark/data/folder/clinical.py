"""The clinical table of a folder: comma- or semicolon-separated text, Excel or SPSS, read as text and then column by column."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.data.folder.description import Description, check_columns
from benchmark.data.remarks import Remarks, quoted
from benchmark.registry.folders import FILE
from benchmark.system.errors import DataError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a", "."})
"""What means that there is no value, in lower case; `missing` of the file adds to it."""
POINT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
COMMA = re.compile(r"[-+]?\d+,\d+")
THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")
SEPARATORS = ",;\t|"
MOST_BYTES = 2**30
"""Of a text, or an Excel file unpacked, beyond which it is not read."""
EXCEL_ROWS = 2**20
"""More rows than Excel has."""


def read_clinical(described: Description, remarks: Remarks) -> pd.DataFrame:
    """The rows that count, every value as text, missing ones as NaN; columns without blanks around their names.

    Raises `DataError` where the file is missing or cannot be read at all.
    """
    path = described.folder / described.table
    if not path.is_file():
        near = sorted(other.name for other in described.folder.iterdir() if other.suffix in READERS)
        hint = f": the folder has {quoted(near)}" if near else ""
        raise DataError(f"{described.table}: there is no such file in {described.folder}{hint}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{described.table}: give a table that ends in {', '.join(sorted(READERS))}")
    frame = reader(path, described)
    frame.columns = pd.Index([str(name).replace("\ufeff", "").strip() for name in frame.columns], dtype=object)
    doubled = sorted({str(name) for name in frame.columns[frame.columns.duplicated()]})
    if doubled:
        raise DataError(f"{described.table}: column {quoted(doubled)} occurs more than once: give each a name of its own")
    frame = frame.map(lambda value: value.strip() if isinstance(value, str) else value)
    words = MISSING | {word.strip().casefold() for word in described.missing}
    frame = frame.mask(frame.map(lambda value: str(value).casefold() in words))
    frame = frame.dropna(how="all").reset_index(drop=True)
    check_columns(described, list(frame.columns), remarks)
    for name, value in described.only.items():
        if name in frame:
            frame = frame[frame[name].astype(str).str.casefold() == value.casefold()].reset_index(drop=True)
            if frame.empty:
                raise DataError(f"{described.table}: no row has {name} = '{value}', as [table] only asks")
    if frame.empty:
        raise DataError(f"{described.table}: holds no row")
    return frame


def _read_text(path: Path, described: Description) -> pd.DataFrame:
    text = decoded(path)
    header = text.split("\n", 1)[0]
    separator = max(SEPARATORS, key=header.count) if any(map(header.count, SEPARATORS)) else ","
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(cell.strip() for cell in row)]
    if not rows:
        raise DataError(f"{path.name}: is empty")
    width = len(rows[0])
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != width:
            mend = "a value that holds the separator stands in quotes"
            raise DataError(f"{path.name}: row {number} has {len(row)} values for {width} columns: {mend}")
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object)


def decoded(path: Path) -> str:
    """The text of a file, in UTF-8, in UTF-16 with its mark, or as Windows writes it in western Europe.

    Raises `DataError` for what is no text.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path.name}: has more than {MOST_BYTES / 2**30:.0f} GiB: is it the table?")
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    if b"\0" in raw[:4096]:
        raise DataError(f"{path.name}: is no text: save it as text in UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _read_excel(path: Path, described: Description) -> pd.DataFrame:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                if sum(item.file_size for item in packed.infolist()) > MOST_BYTES:
                    raise ValueError(f"unpacked it has more than {MOST_BYTES / 2**30:.0f} GiB")
        book = pd.ExcelFile(path)
    except ImportError as error:
        raise DataError(f"{path.name}: Excel files are read by openpyxl: `pip install openpyxl`, or save it as .csv") from error
    except Exception as error:  # openpyxl and zipfile raise many kinds
        raise DataError(f"{path.name}: cannot be read as Excel ({error}): save it anew, or as .csv") from error
    with book:
        names = [str(name) for name in book.sheet_names]
        if described.sheet and described.sheet not in names:
            raise DataError(f"{path.name}: has no sheet '{described.sheet}': it has {quoted(names)}")
        if len(names) > 1 and not described.sheet:
            raise DataError(f"{path.name}: has the sheets {quoted(names)}: say which in [table] sheet")
        # a row may say that it is the two-thousand-millionth: the empty ones before it would fill the memory
        frame: pd.DataFrame = pd.read_excel(book, sheet_name=described.sheet or names[0], dtype=object, nrows=EXCEL_ROWS)
    return frame.map(_as_text)


def _read_spss(path: Path, described: Description) -> pd.DataFrame:
    try:
        frame = pd.read_spss(path, convert_categoricals=False)
    except ImportError as error:
        raise DataError(f"{path.name}: SPSS files are read by pyreadstat: `pip install pyreadstat`, or export .csv") from error
    except Exception as error:  # pyreadstat has errors of its own
        raise DataError(f"{path.name}: cannot be read as SPSS ({error}): export it anew, or as .csv") from error
    return frame.astype(object).map(_as_text)


def _as_text(value: Any) -> Any:
    """A value as a text table would have it."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT:
        return ""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)


READERS = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".xlsx": _read_excel,
    ".xlsm": _read_excel,
    ".sav": _read_spss,
}


def inputs(described: Description, frame: pd.DataFrame, remarks: Remarks) -> pd.DataFrame:
    """The columns known at admission: numbers where every value is one, else words; categories as such; ages up to 90."""
    read = {}
    for name in described.admission:
        if name not in frame:
            continue
        column = frame[name]
        if name in described.categories:
            read[name] = column.astype(object).where(column.notna(), None).astype("category")
            continue
        read[name] = _numbers(f"{described.table} column '{name}'", column, described.decimal, remarks)
        if name in described.ages or name.casefold() == "age":
            read[name] = _at_most_90(f"{described.table} column '{name}'", read[name], remarks)
    return pd.DataFrame(read, index=frame.index)


def _numbers(place: str, column: pd.Series[Any], decimal: str, remarks: Remarks) -> pd.Series[Any]:
    """The column as numbers where all its values are; as it is where they are words."""
    known = column.dropna().astype(str)
    if known.map(lambda text: bool(POINT.fullmatch(text))).all():
        return column.map(float, na_action="ignore").astype(np.float64)
    commas = known[known.map(lambda text: bool(COMMA.fullmatch(text)))]
    others = known.drop(commas.index)
    if len(commas) and others.map(lambda text: bool(POINT.fullmatch(text)) and "." not in text).all():
        if decimal != "," and commas.map(lambda text: bool(THOUSANDS.fullmatch(text))).all():
            mend = f'say decimal = "," in [table] of {FILE}, or write thousands without a comma'
            remarks.refuse(place, f"{quoted(commas[:3])}: is the comma one of decimals or of thousands? {mend}", column.notna())
        else:
            remarks.read(place, f"decimal commas ({quoted(dict.fromkeys(commas))}) read as decimal points")
        return column.map(lambda text: float(text.replace(",", ".")), na_action="ignore").astype(np.float64)
    return column.astype(object).where(column.notna(), None)


def _at_most_90(place: str, column: pd.Series[Any], remarks: Remarks) -> pd.Series[Any]:
    """Ages above 89 as 90: a rarer age tells who somebody is. `89+` and `> 89` are read so too."""
    words = column.map(lambda value: str(value).replace(" ", "") if isinstance(value, str) else value)
    above = words.isin(["89+", ">89", "90+", ">=90"])
    ages = pd.to_numeric(words.where(~above, 90), errors="coerce")
    strange = column[column.notna() & ages.isna()]
    if len(strange):
        remarks.refuse(place, f"{quoted(dict.fromkeys(strange))} is not a number of years", (column.notna() & ages.isna()))
    impossible = (ages < 0) | (ages > 120)
    if impossible.any():
        remarks.refuse(place, "ages below 0 or above 120", impossible)
    if (ages > 89).any():
        remarks.read(place, "ages above 89 are stored as 90", ages > 89)
    return ages.clip(upper=90).astype(np.float64)


def listed_twice(names: Collection[str]) -> list[str]:
    """The names that occur more than once, sorted."""
    counts = pd.Series(list(names), dtype=object).value_counts()
    return sorted(map(str, counts[counts > 1].index))
