"""Wording: reports that speak of what the label is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmark.audit.leaks.subject import SHOWN, Observation, Subject
from benchmark.audit.leaks.writing import sets_of, texts
from benchmark.registry.cards import DatasetCard

OUTCOME = (
    r"m\s?rs(?=\s*(?:score|of|at|[=:<>\d]))|modified rankin|rankin|barthel|glasgow outcome|mortality|died|dies|deceased|death|"
    r"expired|passed away|survived|survival|survivor|alive|discharged?|hospice|palliative|outcome|prognosis|"
    r"functionally (?:in)?dependent"
)
"""Words that name an outcome; `mRS` counts only before a score, since `Mrs` is a title."""
SHORTEST = 4


def speaks_of_label(subject: Subject) -> Iterator[Observation]:
    """Words for the outcome, and for what the card's label is made of, in the reports."""
    pattern = re.compile(rf"\b(?:{'|'.join([OUTCOME, *map(re.escape, label_words(subject.card))])})\b")
    for which, cohort in sets_of(subject.cohort):
        yield from _speaking(subject, pattern, f"reports{which}", texts(cohort))


def _speaking(subject: Subject, pattern: re.Pattern[str], what: str, written: NDArray[np.object_]) -> Iterator[Observation]:
    matches = [sorted(set(pattern.findall(text))) for text in written]
    words, counts = np.unique([word for found in matches for word in found], return_counts=True)
    if len(words):
        speaking = np.array([bool(found) for found in matches])
        by_label = ", ".join(f"{100 * speaking[subject.labels == label].mean():.0f} % of label {label}" for label in (0, 1))
        listed = ", ".join(f"'{words[i]}' in {counts[i]}" for i in np.argsort(-counts, kind="stable")[: 3 * SHOWN])
        evidence = f"{listed}; {speaking.sum()} reports ({by_label}); the first: {subject.named(np.flatnonzero(speaking)[:1])}"
        yield Observation("warns", f"{what} speak of what the label is made of", evidence)


def label_words(card: DatasetCard) -> list[str]:
    """The scales that the card's label names (`NIHSS`, `mRS`: two capitals at least), and the words of barred columns."""
    rule = " ".join((card.label, card.positive, card.negative))
    scales = re.findall(r"\b\w*[A-Z]\w*[A-Z]\w*\b", rule)
    barred = re.findall(r"[A-Za-z]+", " ".join(card.barred))
    return sorted({word.casefold() for word in (*scales, *barred) if len(word) >= SHORTEST and not word.isdigit()})
