"""mtsamples: samples of medical transcription, some of them with the sections FINDINGS and IMPRESSION."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark import DataError, Document, Sources, register_corpus

FILE = "raw.githubusercontent.com/ML4LHS/clinspacy/2efc73a3dbd152cb57aa65e263ae37310e068c61/data/mtsamples.rda"
NEURO = ("Radiology", "Neurology", "Neurosurgery")
"""A text that stands under one of these is neuro-radiological."""
LINE_END = re.compile(r"(?<=:)\s*,|(?<=[.;?!)])\s*,(?=\S)|,(?=[A-Z]|\d+\.\s|\s*,)")
"""The file has a comma where a line ended."""
HEADING = re.compile(r"([A-Z][A-Z0-9&/()'. -]*[A-Z)])(?:\s*,?\s*:\s*(.*)|)")
"""A line that is a heading, or begins with one."""
FINDINGS, SUMMARY = re.compile(r"\bFINDINGS\b"), re.compile(r"\bIMPRESSION\b")
OTHERS = re.compile(
    r"\b(EXAM\w*|TECHNIQUE|HISTORY|PLAN|RECOMMENDATIONS?|PROCEDURES?|COMPARISON|CONCLUSIONS?|INDICATIONS?|DIAGNOS[IE]S|"
    r"MEDICATIONS?|COMPLICATIONS?|DISPOSITION|ANESTHESIA|SPECIMENS?|DISCUSSION|ESTIMATED|CONDITION|ASSESSMENT|LABORATORY|"
    r"COURSE|COMMENTS?|NOTE|REASON)\b"
)
"""Headings that end a section; any other one within it is of a part of it ("LEFT MAIN CORONARY ARTERY")."""


@register_corpus(
    "mtsamples",
    title="MTSamples: sample reports of medical transcription",
    source="mtsamples.com, as the R package clinspacy carries it",
    license="CC0-1.0",
    citation="MTSamples: transcribed medical transcription sample reports and examples, https://mtsamples.com; as data of: "
    "Singh K. clinspacy: clinical natural language processing using spaCy, scispaCy and medspaCy (R package)",
    scope="Samples to teach typists with, of all specialties: no cases, no images, no labels, no people who can be known. "
    "4,999 rows of the file are 2,355 texts, since most stand under several specialties and 33 rows are empty. 470 are of "
    "radiology, neurology or neurosurgery. 152 have the sections FINDINGS and IMPRESSION, 116 of these among the 470: too few "
    "pairs for matching sections, which needs synthetic ones beside them.",
    documents=2355,
    words=1103275,
)
@dataclass(frozen=True)
class MTSamples:
    """2,355 texts of 2 to 3,000 words; `subject` names the specialties under which a text stands."""

    def documents(self, sources: Sources) -> Iterator[Document]:
        """The rows of the file that have a text. Raises `DataError` where it is not as expected."""
        frame = read_rows(sources)
        for text, subject in zip(frame["transcription"], frame["medical_specialty"].str.strip(), strict=True):
            written = lines(text)
            yield Document("\n".join(written), section(written, FINDINGS), section(written, SUMMARY), subject)


def read_rows(sources: Sources) -> pd.DataFrame:
    """All rows of the file in its order, `transcription` and `medical_specialty` as text, empty where missing."""
    import rdata

    path = sources.path(FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the reader guesses aloud what a damaged file may be
            frame: pd.DataFrame = rdata.read_rda(path)["mtsamples"]
        return frame[["transcription", "medical_specialty"]].fillna("").astype(str)
    except Exception as error:  # of a damaged file the reader raises whatever it meets
        raise DataError(f"mtsamples: {path.name} cannot be read ({error!r}): fetch it again") from error


def lines(text: str) -> list[str]:
    """The lines of a text as it was before the file had commas for their ends."""
    return [line for part in LINE_END.split(text) if (line := part.strip(" ,\n"))]


def section(written: list[str], wanted: re.Pattern[str]) -> str:
    """The first section that is not empty under a heading of that name; empty where there is none."""
    found: list[str] = []
    inside = False
    for line in written:
        heading = HEADING.fullmatch(line)
        if heading and wanted.search(heading[1]):
            inside, line = True, heading[2] or ""
        elif heading and (OTHERS.search(heading[1]) or FINDINGS.search(heading[1]) or SUMMARY.search(heading[1])):
            if found:
                break
            inside = False
        if inside and line:
            found.append(line)
    return "\n".join(found)
