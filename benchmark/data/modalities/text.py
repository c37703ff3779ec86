"""Text: per case a tuple of drafts of one report, empty where there is none.

A cohort may hold further sets of drafts, each by its name, from which a row chooses one; the set of a cohort's own drafts,
`reports`, is named `wording`. Further sets enter no content digest, so that adding one changes no row that does not use it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.columns import is_undecodable
from benchmark.data.parts import Bools, Modality, Part
from benchmark.data.remarks import Remarks
from benchmark.system.errors import UnknownNameError

Reports = tuple[tuple[str, ...], ...]
TEXT = "text"
"""The modality's name."""
WORDING, TOPICS = "wording", "topics"
"""The sets of a cohort's own drafts, and of one draft for each topic."""
ALTERED = ("exchanged", "side-swapped", "finding-removed", "finding-invented")
"""The sets of reports that are wrong on purpose, each by the kind of its error."""
HELD_OUT = "held-out-wording"
"""The set that says what the reports say in words that none of them has."""
HELD_OUT_EXCHANGED = "held-out-wording-exchanged"
"""The set that says what `exchanged` says in those words: held-out wording is compared with wrong reports of its own style."""
WITHHELD = (*ALTERED, HELD_OUT, HELD_OUT_EXCHANGED)
"""The sets by which a method is judged: no view of a method holds them."""
SET_NAME = re.compile(r"[\w-]{1,40}")
PLACES = ("ACA left", "ACA right", "MCA left", "MCA right")


class Drafts(Part):
    """Per case a tuple of texts."""

    def take_in(self, value: Any, remarks: Remarks) -> Reports | None:
        """A plain string is one draft, nothing is no draft, and a draft without a word is none."""
        if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
            remarks.refuse(self.name, f"is a {type(value).__name__}: give a tuple of drafts for each case")
            return None
        cases = [_drafts_of(case) for case in value]
        wrong = np.array([any(not isinstance(draft, str) for draft in case) for case in cases], dtype=bool)
        if wrong.any():
            kind = next(type(draft).__name__ for case in cases for draft in case if not isinstance(draft, str))
            remarks.refuse(self.name, f"drafts of type {kind}: give strings", wrong)
            return None
        strange = np.array([any(map(is_undecodable, case)) for case in cases], dtype=bool)
        if strange.any():
            remarks.refuse(self.name, "text that is not Unicode: read the files in their encoding", strange)
            return None
        reports = tuple(tuple(draft for draft in case if draft.strip()) for case in cases)
        blank = np.array([len(kept) < len(case) for kept, case in zip(reports, cases, strict=True)], dtype=bool)
        if blank.any():
            remarks.note(self.name, "drafts without a word are left out", blank)
        if len(reports) > 1 and len(set(reports)) == 1 and reports[0]:
            remarks.note(self.name, "every case has the same text")
        return reports

    def missing(self, value: Reports) -> Bools:
        """The cases without a draft."""
        return np.array([not drafts for drafts in value], dtype=bool)

    def read(self, folder: Path, written: Any) -> Reports:
        """The drafts."""
        return tuple(map(tuple, super().read(folder, written)))

    def digested(self, value: Reports | None) -> Iterator[tuple[str, object]]:
        """The drafts, or None where a cohort has none: its digest says so."""
        yield self.name, value


class DraftSets(Part):
    """Further sets of drafts by name."""

    def take_in(self, value: Any, remarks: Remarks) -> dict[str, Reports] | None:
        """Each set as `Drafts` takes it in."""
        if not isinstance(value, Mapping):
            remarks.refuse(self.name, f"is a {type(value).__name__}: give a mapping of names to drafts")
            return None
        sets: dict[str, Reports] = {}
        for name, drafts in value.items():
            place = f"{self.name}['{name}']"
            if name == WORDING:
                remarks.refuse(place, "is the name of the cohort's own drafts: give them in `reports`")
            elif not SET_NAME.fullmatch(str(name)):
                remarks.refuse(place, "a set's name has at most 40 letters, digits, - and _")
            elif (taken := Drafts(place).take_in(drafts, remarks)) is not None:
                sets[str(name)] = taken
        return sets

    def read(self, folder: Path, written: Any) -> dict[str, Reports]:
        """The sets."""
        return {name: tuple(map(tuple, drafts)) for name, drafts in super().read(folder, written).items()}

    def digested(self, value: Mapping[str, Reports] | None) -> Iterator[tuple[str, object]]:
        """The drafts of each set."""
        return ((f"{self.name}.{name}", drafts) for name, drafts in (value or {}).items())


def set_to_read(name: str, sets: Collection[str]) -> str:
    """The set of drafts that the name stands for, where a cohort has these `sets` beside `wording`.

    A cohort without `topics` is read by its own drafts in their place. Raises `UnknownNameError` for any other name that is
    not there.
    """
    if name in sets or name == WORDING:
        return name
    if name == TOPICS:
        return WORDING
    raise UnknownNameError("set of reports", name, [WORDING, *sets])


def _drafts_of(case: Any) -> tuple[Any, ...]:
    """The drafts of a case as they came in."""
    if isinstance(case, str):
        return (case,)
    if isinstance(case, Iterable) and not isinstance(case, bytes):
        return tuple(case)
    return () if case is None or pd.isna(case) else (case,)


class Text(Modality):
    """What is written of a case."""

    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """One draft or two that tell a size, which follows severity, and a place, which does not."""
        volumes = 20 * np.exp(0.5 * severity + 0.1 * rng.normal(size=len(severity)))
        places = rng.choice(PLACES, size=len(severity))
        drafts = [_drafts(*told, 1 + case % 2) for case, told in enumerate(zip(volumes, places, strict=True))]
        return {"reports": tuple(draft if there else () for draft, there in zip(drafts, present, strict=True))}


def _drafts(volume: float, place: str, count: int) -> tuple[str, ...]:
    size = "large" if volume > 20 else "small"
    first = f"A {size} infarct. It lies in the {place} territory."
    return (first, f"{size.capitalize()} infarct of the {place}, {volume:.0f} ml.")[:count]


PARTS = (Drafts("reports", place=30), DraftSets("report_sets", place=None, by_name=True, beside="reports", empty={}))
MODALITY = Text(PARTS, optional=True, encoder="specimen-words")
