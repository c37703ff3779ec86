"""roco: captions of radiological figures in open-access articles, those that their licence lets everybody use."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from benchmark import DataError, Document, Sources, register_corpus

FOLDER = "raw.githubusercontent.com/razorx89/roco-dataset/a1f0ad6c578ca8801e5a6eccc90af051aee1c326/data/"
PARTS = ("validation", "test")
FREE = frozenset({"CC BY", "CC BY-SA", "CC0"})
BRAIN = re.compile(
    r"\b(brain\w*|(intra)?crani(al|um|otomy)|cereb\w*|head (CT|MRI?|computed)|hydroceph\w*|stroke|subarachnoid|subdural|"
    r"epidural h\w*matoma|thalam\w*|basal ganglia|white matter|pituitary|mening\w*|glio\w*|encephal\w*|lateral ventricles?)\b",
    re.IGNORECASE,
)
"""Words of which at least one makes a caption one of the brain."""


@register_corpus(
    "roco",
    title="ROCO: captions of radiological figures",
    source="Radiology Objects in COntext: the captions of its validation and test parts; no image is fetched",
    license="CC BY, CC BY-SA or CC0, by caption",
    citation="Pelka O, Koitka S, Rückert J, Nensa F, Friedrich CM. Radiology Objects in COntext (ROCO): a multimodal image "
    "dataset. LABELS 2018, LNCS 11043:180-189. doi:10.1007/978-3-030-01364-6_20",
    scope="Captions from articles, not reports: they say what a figure is shown for, with its arrows and letters, of the whole "
    "body; no sections, no cases, no images, no labels. Of 16,359 captions the 9,513 of another licence, or of none, are left "
    "out; of the 6,846 others 31 say again what another says.",
    documents=6815,
    words=139298,
)
@dataclass(frozen=True)
class Roco:
    """6,815 captions; `subject` is "brain" where the words say so."""

    def documents(self, sources: Sources) -> Iterator[Document]:
        """The captions of a free licence. Raises `DataError` where a file is not as expected."""
        for part in PARTS:
            captions, licences = read_captions(sources, part), read_licences(sources, part)
            for name, caption in captions.items():
                if name not in licences:
                    raise DataError(f"roco: {part}: {name} has a caption and no licence: fetch it again")
                if licences[name] in FREE:
                    yield Document(caption, subject="brain" if BRAIN.search(caption) else "")


def read_captions(sources: Sources, part: str) -> dict[str, str]:
    """Figure -> its caption, as the file of a part has them."""
    rows = _text(sources, part, "captions.txt").split("\n")
    captions: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        name, tab, caption = row.partition("\t")
        if row and (not tab or name in captions):
            problem = "comes twice" if name in captions else "has no tab after the name"
            raise DataError(f"roco: {part}/captions.txt, line {number}: '{name[:40]}' {problem}: fetch it again")
        if row:
            captions[name] = caption
    return captions


def read_licences(sources: Sources, part: str) -> dict[str, str]:
    """Figure -> its licence, as the file of a part has them."""
    rows = csv.DictReader(_text(sources, part, "licences.txt").splitlines())
    if {"ROCO_ID", "CC"} - {*(rows.fieldnames or ())}:
        raise DataError(f"roco: {part}/licences.txt has the columns {rows.fieldnames}: expected ROCO_ID and CC")
    return {row["ROCO_ID"]: row["CC"] for row in rows}


def _text(sources: Sources, part: str, file: str) -> str:
    """A file of a part as it is."""
    try:
        return sources.path(f"{FOLDER}{part}/radiology/{file}").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"roco: {part}/{file} cannot be read ({error}): fetch it again") from error
