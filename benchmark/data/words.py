"""Words and flags: how ids, sites, groups, labels and yes-or-no columns are read, or why they are refused."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.columns import BLANK, decodable, is_rounded, word
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
    return pd.Series(value, dtype=object).reset_index(drop=True)


def read_words(place: str, value: Any, remarks: Remarks) -> NDArray[np.str_] | None:
    """Names as (n,) strings, the blanks around them taken off. Refused: missing ones, and two that a reader takes for one."""
    narrow = value.dtype.itemsize // 4 if isinstance(value, np.ndarray) and value.dtype.kind == "U" else 0
    column = one_column(place, value, remarks)
    if column is None:
        return None
    rounded = column.map(is_rounded).to_numpy(dtype=bool)
    if rounded.any():
        remarks.refuse(place, "numbers too long for a float, which rounds them: read them as text", rounded)
        return None
    if not decodable(place, column, remarks):
        return None
    words = column.map(_name, na_action="ignore")
    missing = (words.isna() | words.str.casefold().isin(MISSING)).to_numpy(dtype=bool)
    if missing.any():
        remarks.refuse(place, "no name: leave these cases out, or name what is not known", missing)
    cut = (words.isin(CUT) & (words.str.len() == narrow)).to_numpy(dtype=bool)
    if cut.any():
        message = f"cut to {narrow} letters: '{words[cut].iloc[0]}' is what is left of a missing name; give the column itself"
        remarks.refuse(place, message, cut)
    twins = spelled_twice(words[~missing].unique())
    if twins:
        remarks.refuse(place, f"{twins[0]}: use one spelling", words.isin(twins[1]))
    return words.where(~missing, "").to_numpy(dtype=str) if len(words) else np.zeros(0, dtype=np.str_)


def read_labels(place: str, value: Any, remarks: Remarks) -> NDArray[np.int8] | None:
    """Labels as (n,) int8 of 0 and 1, whatever the type that they came in. Refused: anything else."""
    column = one_column(place, value, remarks)
    if column is None:
        return None
    missing = column.isna().to_numpy(dtype=bool)
    if missing.any():
        remarks.refuse(place, "missing: leave these cases out, or put them into the pool", missing)
    known = column[~missing]
    if any(isinstance(label, str | bytes) for label in known):
        remarks.refuse(place, f"text ({quoted(sorted(map(str, known.unique())))}): say which is 1, as in `(column == 'good')`")
        return None
    values = pd.to_numeric(known, errors="coerce")
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


def spelled_twice(names: Iterable[str]) -> tuple[str, list[str]] | None:
    """What a reader takes for one name, in words, and all such names; None where there are none.

    Blanks, case, leading zeros and the form of a letter are overlooked.
    """
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[_skeleton(name)].add(name)
    twins = [sorted(spelled) for spelled in alike.values() if len(spelled) > 1]
    if not twins:
        return None
    shown = " and ".join(ascii(name) for name in twins[0][:2])
    more = f", and {len(twins) - 1} others" if len(twins) > 1 else ""
    message = f"{shown} differ only by blanks, case, leading zeros or the form of a letter{more}"
    return message, [name for some in twins for name in some]


def _skeleton(name: str) -> str:
    """The name without what a reader overlooks."""
    plain = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain)
