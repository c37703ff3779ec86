"""medpix: teaching cases of the head, real pictures with the real words that were written of them; none of them is normal."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmark import Cohort, DataError, ImageView, Sources, read_queries, register_dataset

FOLDER = "raw.githubusercontent.com/CHILab1/MedPix-2.0/d3bc431576ec8041114806ec3eb58d75adf45029/MedPix-2-0/"
HEAD = "Head"
VIEWS = ("ct", "t1", "t1-contrast", "t2", "mr-other")
EDGE = 96
"""Rows and columns of a view."""
DISEASES: Mapping[str, tuple[str, ...]] = {
    "neoplasm": ("Neoplasm",),
    "congenital": ("Congenital, malformation", "Congenital, genetic"),
    "vascular": (
        *("Vascular", "Hypoxic or Ischemic", "Infarction", "Ischemia", "Hemorrhage", "Aneurysm", "Obstruction or Stenosis"),
        "Hypotension or Shock",
    ),
    "infection-inflammation": ("Infection", "Inflammatory"),
    "other-disease": ("",),
}
"""Finding -> how the categories of its topics begin; the first that fits."""
EMPTY = re.compile(r"\s*(N/?A|none|in progress\.?|replace this\b.*)?\s*", re.IGNORECASE | re.DOTALL)
"""Text that says nothing."""


@register_dataset(
    "medpix",
    title="MedPix 2.0: teaching cases of the head with their captions",
    source="MedPix of the National Library of Medicine, as MedPix 2.0 (CHILab1) carries it",
    license="none is given: not passed on; fetch it only if you may",
    citation="Siragusa I, Contino S, La Ciura M, Alicata R, Pirrone R. MedPix 2.0: a comprehensive multimodal biomedical data "
    "set for advanced AI applications with retrieval augmented generation and knowledge graphs. Data Science and Engineering "
    "2025:1-17. doi:10.1007/s41019-025-00297-8",
    label="the finding `neoplasm`: the category that the case's authors gave its topic begins with Neoplasm; not any finding, "
    "since every case has one",
    label_time="the diagnosis of the case, which the pictures were chosen to show",
    positive="neoplasm",
    negative="another disease; there is no normal scan",
    site="source (there is one: MedPix)",
    inputs={
        "image": "of each kind of picture the case's first one, axial where there is one: views ct, t1, t1-contrast, t2 (FLAIR "
        "too) and mr-other, 96 x 96, as far as there are any",
        "text": "one report of the authors' own words: the case's findings, and under Summary the captions of its pictures",
    },
    barred={
        "Title, Case Diagnosis, Diagnosis By, Differential Diagnosis, Discussion, Topic": "the diagnosis, from which the "
        "authors chose the category",
        "History, Exam, Treatment & Follow Up, Media": "not of the image",
    },
    scope="Retrieval by case. Cases were chosen to teach: every one shows a disease, most of them rare ones, so nothing is "
    "claimed of normal scans, of how often a disease is, or of detection. Pictures bear arrows and letters, and of a case "
    "only those that its authors picked. MedPix has no summaries: captions stand under that heading. 223 cases say little: "
    "intervals are wide. No report is wrong on purpose: another case's would mostly be one that was trained on, and to tell it "
    "from the own one would measure just that. The 448 cases of other parts of the body are left out: networks would learn "
    "from them alone.",
    modalities={"image", "text"},
    cases=223,
    sites=1,
)
@dataclass(frozen=True)
class MedPix:
    """223 cases of the head, 71 of them neoplasms.

    Findings are the groups of the topic's category: neoplasm, congenital, vascular, infection-inflammation and other-disease;
    each case has one. There are no reports that are wrong on purpose: from free text no finding can be taken and none put in,
    and an exchanged report is another case's, of which some 64 % were trained on.
    """

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        head = [case for case in read_cases(sources) if case.of_head]
        diseases = [case.disease for case in head]
        findings = pd.DataFrame({name: [disease == name for disease in diseases] for name in DISEASES}).astype(np.int8)
        return Cohort(
            **_shown(head, sources),
            labels=findings["neoplasm"].to_numpy(),
            findings=findings,
            queries=read_queries("medpix"),
            strata=pd.DataFrame({"age": [case.age for case in head], "sex": pd.Categorical([case.sex for case in head])}),
            encoders={"text": "minilm"},
        )


@dataclass(frozen=True)
class Case:
    """A case: its id, whether it is of the head, its group of diseases, its report, and the picture of each view."""

    name: str
    of_head: bool
    disease: str
    report: tuple[str, ...]
    pictures: Mapping[str, str]
    age: float
    sex: str | None


def _shown(cases: Sequence[Case], sources: Sources) -> dict[str, Any]:
    """Who the cases are, their pictures and their reports."""
    ids = np.array([case.name for case in cases])
    return {
        "name": "medpix",
        "case_ids": ids,
        "groups": ids,
        "sites": np.full(len(ids), "MedPix"),
        "reports": tuple(case.report for case in cases),
        "images": {view: ImageView(_view(cases, view, sources), scale=1 / 255) for view in VIEWS},
        "present": {
            **{view: np.array([view in case.pictures for case in cases]) for view in VIEWS},
            "text": np.array([bool(case.report) for case in cases]),
        },
    }


def _view(cases: Sequence[Case], view: str, sources: Sources) -> NDArray[np.uint8]:
    """The pictures of a view, (n, 1, 96, 96), zero where a case has none."""
    pictures = np.zeros((len(cases), 1, EDGE, EDGE), np.uint8)
    for row, case in enumerate(cases):
        if view in case.pictures:
            pictures[row, 0] = read_picture(sources.path(f"{FOLDER}images/{case.pictures[view]}.png"))
    return pictures


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture in grey, (96, 96): averaged over larger pixels in its own proportions, black beside it."""
    try:
        with Image.open(path) as image:
            grey = image.convert("RGBA").convert("L")
            scale = EDGE / max(grey.size)
            size = (max(1, round(scale * grey.width)), max(1, round(scale * grey.height)))
            small = grey.resize(size, Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"medpix: {path.name} cannot be read ({error}): fetch it again") from error
    framed = Image.new("L", (EDGE, EDGE))
    framed.paste(small, ((EDGE - small.width) // 2, (EDGE - small.height) // 2))
    return np.asarray(framed)


def read_cases(sources: Sources) -> list[Case]:
    """All cases, in the order of the file."""
    descriptions = _json(sources, "Descriptions.json")
    pictures: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    try:
        for picture in descriptions:
            pictures[picture["U_id"]].append(picture)
        return [_case(case, pictures[case["U_id"]]) for case in _json(sources, "Case_topic.json")]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"medpix: a case or a picture lacks {error}: fetch it again") from error


def _case(case: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> Case:
    """A case of its entry and those of its pictures."""
    if not pictures:
        raise DataError(f"medpix: {case['U_id']} has no picture in Descriptions.json: fetch it again")
    category = str(case["Topic"].get("Category") or "")
    first = pictures[0]["Description"]
    chosen: dict[str, str] = {}
    for picture in sorted(pictures, key=lambda picture: picture["Description"]["Plane"] != "Axial"):
        chosen.setdefault(view_of(picture["Type"], picture["Description"]["Modality"]), picture["image"])
    return Case(
        name=case["U_id"],
        of_head=any(picture["Location Category"] == HEAD for picture in pictures),
        disease=next(name for name, beginnings in DISEASES.items() if category.startswith(beginnings)),
        report=report_of(case["Case"].get("Findings"), (picture["Description"]["Caption"] for picture in pictures)),
        pictures=chosen,
        age=float(pd.to_numeric(first["Age"], errors="coerce")),
        sex=first["Sex"] if first["Sex"] in ("female", "male") else None,
    )


def view_of(kind: str, modality: str) -> str:
    """The view that a picture belongs to."""
    if kind == "CT":
        return "ct"
    if re.search(r"Gd|Gadolinium", modality):
        return "t1-contrast"
    return "t1" if "T1W" in modality else "t2" if re.search(r"T2 weighted|FLAIR", modality) else "mr-other"


def report_of(findings: str | None, captions: Iterable[str | None]) -> tuple[str, ...]:
    """The draft of a case, none where neither says anything; a caption that comes again is told once."""
    found = _plain(findings)
    told = " ".join(dict.fromkeys(filter(None, map(_plain, captions))))
    sections = [f"{heading}: {text}" for heading, text in (("Findings", found), ("Summary", told)) if text]
    return (" ".join(sections),) if sections else ()


def _plain(text: str | None) -> str:
    """A text on one line, empty where it says nothing."""
    return "" if text is None or EMPTY.fullmatch(text) else " ".join(text.split())


def _json(sources: Sources, file: str) -> list[Any]:
    """The entries of a file."""
    try:
        read = json.loads(sources.path(f"{FOLDER}{file}").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"medpix: {file} cannot be read ({error}): fetch it again") from error
    if not isinstance(read, list):
        raise DataError(f"medpix: {file} is no list of entries: fetch it again")
    return read
