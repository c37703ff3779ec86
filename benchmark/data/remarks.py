"""Remarks: what the intake of a cohort found wrong, read in one certain way, or worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

State = Literal["refused", "read alike", "noted"]
SHOWN = 3
"""How many cases or values a message names."""


@dataclass(frozen=True)
class Remark:
    """One line about one part of a cohort.

    refused : the intended value cannot be known. read alike : every reading gives the same value. noted : worth a look.
    """

    state: State
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass
class Remarks:
    """The remarks on a cohort, in the order in which its parts are read.

    case_ids (n,) name the cases of a message once they are read; present : modality -> (n,) bool, once it is read;
    given : part or column -> its type as it came in.
    """

    case_ids: NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=np.str_))
    present: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    lines: list[Remark] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)

    def refuse(self, place: str, message: str, cases: ArrayLike | None = None) -> None:
        """Refuse the cohort; `cases` is (n,) bool, those concerned."""
        self._add("refused", place, message, cases)

    def note(self, place: str, message: str, cases: ArrayLike | None = None) -> None:
        """Something that may be intended."""
        self._add("noted", place, message, cases)

    def read(self, place: str, message: str, cases: ArrayLike | None = None) -> None:
        """A value that came in another form, and has one reading."""
        self._add("read alike", place, message, cases)

    def having(self, modality: str, cases: int) -> NDArray[np.bool_]:
        """(cases,) which of them have the modality, as far as the cohort says."""
        there = self.present.get(modality, np.ones(cases, dtype=bool))
        return there if len(there) == cases else np.ones(cases, dtype=bool)

    def refused(self) -> list[Remark]:
        """What the cohort is refused for."""
        return [line for line in self.lines if line.state == "refused"]

    def _add(self, state: State, place: str, message: str, cases: ArrayLike | None) -> None:
        if cases is not None:
            message += f" ({self._named(np.flatnonzero(cases))})"
        self.lines.append(Remark(state, place, message))

    def _named(self, rows: NDArray[np.intp]) -> str:
        """`case P001 and 4 more`, by id where the ids are read, else by row."""
        named = [str(self.case_ids[row]) for row in rows[:SHOWN]] if len(self.case_ids) else [str(row) for row in rows[:SHOWN]]
        what = ("case" if len(self.case_ids) else "row") + ("s" if len(rows) > 1 else "")
        return f"{what} {', '.join(named)}" + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")


def quoted(values: Iterable[object]) -> str:
    """The first values in quotes, and how many more there are."""
    listed: Sequence[str] = [f"'{value}'" for value in values]
    return ", ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
