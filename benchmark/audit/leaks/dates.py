"""Names: inputs that the card bars under a similar name, or that by their name are known only after the outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmark.audit.leaks.subject import Observation, Subject, called

SHORTEST = 4
"""Letters of a barred name that must stand in a column's name for the two to be held for kin."""
BEFORE = re.compile(r"pre|prior|previous|premorbid|prestroke|history|hx|baseline|before|admission|onset")
"""Words of a column's name that place it before the outcome."""
AFTER = re.compile(
    r"mrs|rankin|barthel|gos|outcome|death|dead|died|deceased|mortality|surviv(al|ed)|alive|discharged?|disposition|followup|los|"
    r"d90|90d|90days?|day90|(3|6|12)(m|mo|months?)|month(3|6|12)|1y"
)
"""Words of a column's name that place it at or after the outcome."""
PHRASES = ("follow up", "length of stay", "at discharge", "hospital stay", "90 days", "3 months", "6 months", "1 year")


def barred_names(subject: Subject) -> Iterator[Observation]:
    """Inputs whose name is, but for case and signs, or contains one that the dataset's card bars."""
    barred = {name.strip(): why for listed, why in subject.card.barred.items() for name in listed.split(",") if name.strip()}
    for frame, columns in subject.frames.items():
        for column in map(str, columns):
            for name, why in barred.items():
                same = _bare(column) == _bare(name)
                if same or (len(_bare(name)) >= SHORTEST and set(_words(name)) <= set(_words(column))):
                    evidence = f"the card bars '{name}': {why}"
                    what = f"column '{column}' of the {called(frame)} bears a barred name"
                    yield Observation("invalidates" if same else "warns", what, evidence)
                    break


def late_names(subject: Subject) -> Iterator[Observation]:
    """Inputs whose name speaks of the outcome, or of a time after it."""
    for frame, columns in subject.frames.items():
        for column in map(str, columns):
            words = _words(column)
            spoken = " ".join(words)
            late = [word for word in words if AFTER.fullmatch(word)] + [phrase for phrase in PHRASES if phrase in spoken]
            if late and not any(map(BEFORE.fullmatch, words)):
                what = f"column '{column}' of the {called(frame)} speaks of a time after the prediction"
                yield Observation("warns", what, f"'{late[0]}' in its name; the label is taken: {subject.card.label_time}")


def _words(name: str) -> list[str]:
    """`mRS_at90days` -> mrs, at90days; camel case is taken apart."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[a-z0-9]+", parted.casefold())


def _bare(name: str) -> str:
    return "".join(re.findall(r"[a-z0-9]", name.casefold()))
