"""Compact letter display: rows that share a letter are not shown to differ (Piepho, J Comput Graph Stat 13, 2004)."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

ALPHABET = ascii_lowercase + ascii_uppercase


def letters(better: Bools) -> list[str]:
    """The letters of M methods in display order, from the matrix (M, M) of `multiplicity.better_than`.

    Insert and absorb: one column of letters holds all methods; for each significant pair every column that holds both is split
    in two, and columns within others are absorbed. Two methods share a letter exactly where neither is significantly better.
    Columns are lettered by their best method, then the next. Beyond 52 columns letters are numbered: `a2`.
    """
    differ = better | better.T
    columns = {frozenset(range(len(better)))}
    for a, b in zip(*np.nonzero(np.triu(differ)), strict=True):
        together = {column for column in columns if a in column and b in column}
        split = {column - {left} for column in together for left in (int(a), int(b))}
        kept = columns - together
        columns = kept | {new for new in split if not any(new <= old for old in kept) and not any(new < old for old in split)}
    ordered = sorted((sorted(column) for column in columns), key=lambda column: (column, len(column)))
    return ["".join(_letter(i) for i, column in enumerate(ordered) if method in column) for method in range(len(better))]


def _letter(place: int) -> str:
    turn, rest = divmod(place, len(ALPHABET))
    return ALPHABET[rest] + (str(turn + 1) if turn else "")
