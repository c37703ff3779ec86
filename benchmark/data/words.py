"""Words and flags: how ids, sites, groups, labels and yes-or-no columns are read, or why they are refused."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.columns import BLANK, word
from benchmark.data.remarks import Remarks, quoted

MISSING = BLANK | {"none", "null", "n/a"}
"""What stands for no name at all, in lower case."""
FEWEST = 5
"""Cases of a class that five folds need."""
CUT = frozenset(marker[:width] for marker in ("nan", "None", "<NA>", "NaT") for width in (1, 2, 3)) - {"N"}
"""What is left of a missing value in an array of too narrow strings."""


def one_column(place: str, value: Any, remarks: Remarks) -> pd.Series[Any] | None:
    """One value for each case, by position, as Python objects; (n, 1) is a column. None where it is something else."""
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy(dtype=object)
    elif not isinstance(value, pd.Series | pd.Index | np.ndarray | pd.api.extensions.ExtensionArray):
        value = pd.Series(list(value), dtype=object)
    remarks.given.setdefault(place, str(getattr(value, "dtype", type(value).__name__)))
    if value.ndim == 2 and value.shape[1] == 1:
        value = value[:, 0]
    if value.ndim != 1:
        remarks.refuse(place, f"has the shape {value.shape}: give one value for each case")
        return None
    return pd.Series(value).reset_index(drop=True).astype(object)


def read_words(place: str, value: Any, remarks: Remarks) -> NDArray[np.str_] | None:
    """Names as (n,) strings, the blanks around them taken off. Refused: missing ones, and two that a reader takes for one."""
    narrow = value.dtype.itemsize // 4 if isinstance(value, np.ndarray) and value.dtype.kind == "U" else 0
    column = one_column(place, value, remarks)
    if column is None:
        return None
    words = column.map(_name, na_action="ignore")
    missing = (words.isna() | words.str.casefold().isin(MISSING)).to_numpy(dtype=bool)
    if missing.any():
        remarks.refuse(place, "no name: leave these cases out, or name what is not known", missing)
    cut = (words.isin(CUT) & (words.str.len() == narrow)).to_numpy(dtype=bool)
    if cut.any():
        message = f"cut to {narrow} letters: '{words[cut].iloc[0]}' is what is left of a missing name; give the column itself"
        remarks.refuse(place, message, cut)
    alike: dict[str, set[str]] = defaultdict(set)
    for name in words[~missing].unique():
        alike[_skeleton(name)].add(name)
    for names in alike.values():
        if len(names) > 1:
            message = f"{quoted(sorted(names))} differ only by blanks, case or the form of a letter: use one spelling"
            remarks.refuse(place, message, words.isin(names))
    return words.where(~missing, "").to_numpy(dtype=str) if len(words) else np.zeros(0, dtype=np.str_)


def read_labels(place: str, value: Any, remarks: Remarks) -> NDArray[np.int8] | None:
    """Labels as (n,) int8 of 0 and 1, whatever the type that they came in. Refused: anything else."""
    column = one_column(place, value, remarks)
    if column is None:
        return None
    missing = column.isna().to_numpy(dtype=bool)
    if missing.any():
        remarks.refuse(place, "missing: leave these cases out, or put them into the pool", missing)
    there = column[~missing]
    if any(isinstance(label, str | bytes) for label in there):
        remarks.refuse(place, f"text ({quoted(sorted(map(str, there.unique())))}): say which is 1, as in `(column == 'good')`")
        return None
    values = pd.to_numeric(there, errors="coerce")
    kinds = sorted(values.unique().tolist())
    if not values.isin((0, 1)).all():
        shown = ", ".join(f"{kind:g}" for kind in kinds[:5]) + (" ..." if len(kinds) > 5 else "")
        remarks.refuse(place, f"must be 0 or 1, and are {shown}: say which is 1, as in `(column <= 2)`")
        return None
    for label in (0, 1):
        cases = int((values == label).sum())
        if not cases:
            remarks.refuse(place, f"no case has the label {label}")
        elif cases < FEWEST:
            remarks.note(place, f"{cases} of {len(column)} cases have the label {label}: too few for {FEWEST} folds")
    return column.where(~missing, 0).astype(float).to_numpy().astype(np.int8)


def read_flags(place: str, value: Any, remarks: Remarks) -> NDArray[np.bool_] | None:
    """Yes or no for each case, (n,) bool, from bools or 0 and 1. Refused: anything else, and missing ones."""
    column = one_column(place, value, remarks)
    if column is None:
        return None
    wrong = ~column.isin((0, 1)).to_numpy(dtype=bool)
    if wrong.any():
        remarks.refuse(place, "neither true nor false", wrong)
        return None
    return column.astype(float).to_numpy().astype(bool)


def _name(value: object) -> str:
    return word(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)


def _skeleton(name: str) -> str:
    """The name without what a reader overlooks."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()
