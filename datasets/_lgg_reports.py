"""Reports of the slices of lgg: what the mask shows, in words drawn by a hash of the case; and reports that are wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

T = TypeVar("T")
Pixels = NDArray[np.uint8]
SIDES = {"left": "right", "right": "left", "": ""}
"""Side -> the other one; none of what crosses the midline."""
THIRDS = ("anterior", "middle", "posterior")
LEVELS = ("lower", "middle", "upper")
ACROSS = 0.1
"""Share of a tumour beyond the midline from which it lies on both sides."""
MEDIUM, LARGE = 22, 35
"""Extent in per cent of the head's length from which a tumour is called so: about the terciles of the 1,373 slices."""
SPECK = 4
"""Pixels below which a part of a mask is not counted."""


@dataclass(frozen=True)
class Head:
    """Rows and columns of a patient's head, the last ones excluded."""

    rows: slice
    columns: slice

    @property
    def length(self) -> int:
        """From front to back, in pixels."""
        return int(self.rows.stop - self.rows.start)

    @property
    def midline(self) -> float:
        """The column in its middle."""
        return float(self.columns.start + self.columns.stop - 1) / 2


@dataclass(frozen=True)
class Tumour:
    """Where a tumour lies and how far it reaches.

    side : of the patient, empty where it crosses the midline. third : 0 anterior to 2 posterior. extent : its longer side, in
    per cent of the head's length. parts : how many it has.
    """

    side: str
    third: int
    extent: int
    parts: int = 1


@dataclass(frozen=True)
class Seen:
    """What a report states: the third of the scan that the slice lies in, 0 lower to 2 upper; the tumour, if there is one."""

    level: int
    tumour: Tumour | None = None


@dataclass(frozen=True)
class Wording:
    """Patterns of one way to write."""

    level: Sequence[str]
    stated: Sequence[str]
    extent: Sequence[str]
    parts: Sequence[str]
    clear: Sequence[str]
    concluded: Sequence[str]
    normal: Sequence[str]
    sizes: Sequence[str]


TRAINING = Wording(
    level=("Axial slice through the {level} third of the head.", "The slice lies in the {level} third of the scan."),
    stated=(
        "There is {size} area of high signal on FLAIR {place}.",
        "On FLAIR {size} lesion of high signal is seen {place}.",
        "Abnormal high signal on FLAIR {place}, {size} lesion in keeping with a tumour.",
    ),
    extent=("It reaches over {extent} % of the length of the head.", "Its longer side is {extent} % of the head's length."),
    parts=("It has {parts} separate parts.", "There are {parts} parts."),
    clear=(
        "No area of abnormal signal is seen.",
        "There is no lesion of high signal on FLAIR.",
        "The signal of the brain is unremarkable, without a mass.",
    ),
    concluded=("{Size} tumour {place}.", "Findings of {size} tumour {place}.", "{Size} glioma {place}."),
    normal=("No tumour in this slice.", "Normal slice, without a tumour.", "No evidence of a glioma here."),
    sizes=("a small", "a medium-sized", "a large"),
)
HELD_OUT = Wording(
    level=("Transverse image at the {level} level.",),
    stated=("Hyperintense neoplasm {place}, {size} one.", "{Size} neoplastic hyperintensity occupies the brain {place}."),
    extent=("Diameter: {extent} per cent of the anteroposterior distance.",),
    parts=("Foci: {parts}.",),
    clear=("Nothing pathological.", "Appearances are those of healthy tissue."),
    concluded=("{Size} neoplasm {place}.", "Neoplastic infiltration {place}."),
    normal=("Nothing neoplastic to report.", "Healthy appearances throughout."),
    sizes=("a tiny", "an intermediate", "an extensive"),
)
"""Other words for the same; none of `HELD_OUT_WORDS` stands in a report."""
HELD_OUT_WORDS = ("neoplas", "hyperintens", "transverse", "patholog", "healthy", "extensive", "tiny", "diameter", "foci")


def head_of(pictures: Sequence[Pixels]) -> Head:
    """The head of a patient in the mean of the slices (h, w); the whole picture where nothing stands out."""
    mean = np.mean(pictures, axis=0)
    parts, count = ndimage.label(mean > 0.3 * np.percentile(mean, 98))
    if not count:
        return Head(slice(0, mean.shape[0]), slice(0, mean.shape[1]))
    rows, columns = ndimage.find_objects(parts)[np.argmax(np.bincount(parts.ravel())[1:])]
    return Head(rows, columns)


def measured(mask: NDArray[np.bool_], head: Head) -> Tumour | None:
    """The tumour of a mask (h, w), None of an empty one. The picture's right is the patient's left, its top the front."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    left = float((columns > head.midline).mean())
    side = "left" if left > 1 - ACROSS else "right" if left < ACROSS else ""
    third = int(np.clip(3 * (rows.mean() - head.rows.start) / head.length, 0, 2))
    parts = np.bincount(ndimage.label(mask, np.ones((3, 3)))[0].ravel())[1:]
    longer = 1 + max(int(np.ptp(rows)), int(np.ptp(columns)))
    return Tumour(side, third, round(100 * longer / head.length), max(1, int((parts >= SPECK).sum())))


def written(seen: Seen, key: str, wording: Wording = TRAINING) -> str:
    """The report, whose words are drawn by the key."""
    level = _drawn(key, "level", wording.level).format(level=LEVELS[seen.level])
    tumour = seen.tumour
    if tumour is None:
        findings, summary = [_drawn(key, "clear", wording.clear)], _drawn(key, "normal", wording.normal)
    else:
        size = wording.sizes[int(np.searchsorted((MEDIUM, LARGE), tumour.extent, side="right"))]
        third = f"in the {THIRDS[tumour.third]} third"
        place = f"{third} of the {tumour.side} hemisphere" if tumour.side else f"{third} on both sides of the midline"
        words = {"size": size, "Size": size.capitalize(), "place": place, "extent": tumour.extent, "parts": tumour.parts}
        told = ("stated", "extent", "parts") if tumour.parts > 1 else ("stated", "extent")
        findings = [_drawn(key, what, getattr(wording, what)).format(**words) for what in told]
        summary = _drawn(key, "concluded", wording.concluded).format(**words)
    return f"Findings: {' '.join([level, *findings])} Summary: {summary}"


def altered(seen: Sequence[Seen], keys: Sequence[str], patients: Sequence[str]) -> Mapping[str, list[Seen | None]]:
    """Kind of error -> what the report of each case states that is wrong in that way, None where the kind does not apply.

    An exchanged report is that of a slice of another patient, with the other finding.
    """
    wrong: dict[str, list[Seen | None]] = {
        kind: [] for kind in ("exchanged", "side-swapped", "finding-removed", "finding-invented")
    }
    everybody = list(zip(seen, patients, strict=True))
    for here, key, patient in zip(seen, keys, patients, strict=True):
        first = int(_share(key, "exchanged") * len(everybody))
        others = (
            other
            for other, whose in chain(islice(everybody, first, None), islice(everybody, first))
            if whose != patient and (other.tumour is None) != (here.tumour is None)
        )
        tumour = here.tumour
        invented = Tumour(
            _drawn(key, "side", ("left", "right")), _drawn(key, "third", range(3)), _drawn(key, "size", (12, 26, 40))
        )
        wrong["exchanged"].append(next(others, None))
        swapped = None if tumour is None or not tumour.side else replace(here, tumour=replace(tumour, side=SIDES[tumour.side]))
        wrong["side-swapped"].append(swapped)
        wrong["finding-removed"].append(None if tumour is None else replace(here, tumour=None))
        wrong["finding-invented"].append(replace(here, tumour=invented) if tumour is None else None)
    return wrong


def _drawn(key: str, what: str, options: Sequence[T]) -> T:
    """One of the options, by the key."""
    return options[int(_share(key, what) * len(options))]


def _share(key: str, what: str) -> float:
    """A number from 0 to 1, excluded, by the key."""
    drawn = hashlib.blake2b(f"{key}|{what}".encode(), digest_size=6).digest()
    return int.from_bytes(drawn, "big") / 2**48
