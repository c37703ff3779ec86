"""medpix: made cases of the source's form, the words and pictures that are taken of them, and the counts of the real files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets.medpix import DISEASES, FOLDER, VIEWS, MedPix, read_picture, report_of, view_of

CATEGORIES = ["Neoplasm, glial", "Congenital, genetic", "Hemorrhage", "Infection, viral", "Cyst, benign"]


class Made:
    """A folder of made cases in the form of the source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.topics: list[dict[str, Any]] = []
        self.descriptions: list[dict[str, Any]] = []

    def case(self, name: str, category: str | None, *kinds: tuple[str, str, str], where: str = "Head", **said: Any) -> None:
        """A case with a picture of each (type, modality, plane)."""
        found, caption = said.get("findings", f"A lesion on the left in {name}."), said.get("caption", f"Picture of {name}.")
        self.topics.append({"U_id": name, "Case": {"Findings": found, "Title": "t"}, "Topic": {"Category": category}})
        for number, (kind, modality, plane) in enumerate(kinds or [("CT", "CT - noncontrast", "Axial")]):
            described = {
                "Modality": modality,
                "Plane": plane,
                "Caption": caption,
                "Age": said.get("age", "40"),
                "Sex": "female",
            }
            picture = f"{name}_{number}"
            entry = {"U_id": name, "Type": kind, "image": picture, "Location Category": where, "Description": described}
            self.descriptions.append(entry)
            self.picture(picture, 50 + 40 * number)

    def picture(self, name: str, grey: int, size: tuple[int, int] = (32, 32)) -> Path:
        """A picture of one grey."""
        path = self.folder / FOLDER / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (grey, grey, grey)).save(path)
        return path

    @property
    def sources(self) -> Sources:
        """All its files."""
        for file, content in (("Case_topic.json", self.topics), ("Descriptions.json", self.descriptions)):
            (self.folder / FOLDER / file).write_text(json.dumps(content), encoding="utf-8")
        return self.as_it_is

    @property
    def as_it_is(self) -> Sources:
        """The files that lie there."""
        files = {str(path.relative_to(self.folder)): "" for path in self.folder.rglob("*") if path.is_file()}
        return Sources(self.folder, files, "made")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    made = Made(tmp_path)
    for number in range(25):
        made.case(f"MPX{number:02d}", CATEGORIES[number % 5])
    made.case("MPX90", "Trauma", where="Thorax")
    return made


# The cohort


def test_cases_of_the_head_have_the_group_of_their_category_and_the_label_is_neoplasm(made: Made) -> None:
    cohort = MedPix().build(made.sources)
    assert cohort.findings.columns.tolist() == [*DISEASES] and (cohort.findings.sum(axis=1) == 1).all()
    groups = cohort.findings.idxmax(axis=1).tolist()
    assert groups[:5] == ["neoplasm", "congenital", "vascular", "infection-inflammation", "other-disease"]
    assert cohort.labels.tolist() == cohort.findings["neoplasm"].tolist()
    assert cohort.groups.tolist() == cohort.case_ids.tolist() and len(cohort) == 25


def test_cases_of_other_parts_of_the_body_are_left_out(made: Made) -> None:
    cohort = MedPix().build(made.sources)
    assert "MPX90" not in cohort.case_ids and cohort.pool is None


@pytest.mark.parametrize("category", ["Congenital, normal variant", "Unsure", "Trauma", None])
def test_a_category_of_no_group_is_another_disease(tmp_path: Path, category: str | None) -> None:
    made = Made(tmp_path)
    made.case("MPX1", category)
    made.case("MPX2", "Neoplasm, NOS")
    assert MedPix().build(made.sources).findings["other-disease"].tolist() == [1, 0]


def test_it_is_prepared_with_its_queries_and_claims_nothing_of_normal_scans(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.preparation.open_sources", lambda name: made.sources)
    cohort = load_cohort("medpix")
    assert {*cohort.queries} == {*DISEASES}, "no query states that a scan is normal"
    assert cohort.pool is None
    assert "no normal" in discover().datasets.get("medpix").card.negative


# Pictures


def test_a_view_is_the_first_axial_picture_of_its_kind_else_the_first(tmp_path: Path) -> None:
    made = Made(tmp_path)
    ct, t2 = ("CT", "CT w/contrast (IV)"), ("MR", "MR - FLAIR")
    made.case("MPX1", "Vascular", (*ct, "Coronal"), (*ct, "Axial"), (*ct, "Axial"), (*t2, "Sagittal"), (*t2, "Coronal"))
    made.case("MPX2", "Neoplasm, NOS", ("MR", "MR - T1W w/Gadolinium", "Axial"))
    cohort = MedPix().build(made.sources)
    assert {view: there.tolist() for view, there in cohort.present.items() if view in VIEWS} == {
        **{"ct": [True, False], "t1": [False, False], "t1-contrast": [False, True], "t2": [True, False]},
        "mr-other": [False, False],
    }
    shown = {view: np.unique(cohort.images[view].array[0]).tolist() for view in VIEWS}
    assert shown == {"ct": [90], "t1": [0], "t1-contrast": [0], "t2": [170], "mr-other": [0]}


@pytest.mark.parametrize(
    ("kind", "modality", "view"),
    [
        *(("CT", "CTA - CT Angiography", "ct"), ("CT", "Drawing", "ct"), ("MR", "MR - T1W - noncontrast", "t1")),
        *(("MR", "MR - T1W w/Gd (fat suppressed)", "t1-contrast"), ("MR", "MR - T2 weighted", "t2")),
        *(("MR", "MR T2* gradient,GRE,MPGR,SWAN,SWI", "mr-other"), ("MR", "MRI", "mr-other")),
    ],
)
def test_the_kind_of_a_picture_is_read_of_its_modality(kind: str, modality: str, view: str) -> None:
    assert view_of(kind, modality) == view


def test_a_picture_keeps_its_proportions_and_its_transparency_is_no_colour(tmp_path: Path) -> None:
    path = Made(tmp_path).picture("wide", 200, (300, 100))
    pixels = read_picture(path)
    assert pixels.shape == (96, 96) and (pixels[32:64] == 200).all() and not pixels[:32].any() and not pixels[64:].any()
    Image.new("RGBA", (96, 96), (120, 120, 120, 255)).save(path)
    assert (read_picture(path) == 120).all()


# Words


@pytest.mark.parametrize(
    ("findings", "captions", "report"),
    [
        ("A mass.", ["CT.", "CT.", "MR."], ("Findings: A mass. Summary: CT. MR.",)),
        ("N/A", ["A mass.\n\nHere"], ("Summary: A mass. Here",)),
        (None, ["Replace this - DESCRIPTION OF THE IMAGE ", "IN PROGRESS", None], ()),
        (" A \n mass 🧠", ["none"], ("Findings: A mass 🧠",)),
        ("No mass. None seen.", [], ("Findings: No mass. None seen.",)),
    ],
)
def test_a_report_is_what_the_authors_wrote_each_caption_once(
    findings: str | None, captions: list[str | None], report: tuple[str, ...]
) -> None:
    assert report_of(findings, captions) == report


def test_no_report_is_wrong_on_purpose_for_another_cases_would_be_one_that_was_trained_on(made: Made) -> None:
    assert not MedPix().build(made.sources).report_sets
    assert "No report is wrong on purpose" in discover().datasets.get("medpix").card.scope


# Malformed files


def test_malformed_files_are_named(made: Made) -> None:
    def message(sources: Sources) -> str:
        with pytest.raises(DataError) as caught:
            MedPix().build(sources)
        return str(caught.value)

    picture = made.picture("MPX00_0", 10)
    whole = picture.read_bytes()
    picture.write_bytes(whole[:40])
    assert re.fullmatch(r"medpix: MPX00_0.png cannot be read \(.*\): fetch it again", message(made.sources))
    picture.unlink()
    assert "MPX00_0.png' is not in the dataset's manifest" in message(made.sources)
    picture.write_bytes(whole)
    del made.topics[0]["Topic"]
    assert message(made.sources) == "medpix: a case or a picture lacks 'Topic': fetch it again"
    (made.folder / FOLDER / "Case_topic.json").write_text("{}")
    assert message(made.as_it_is) == "medpix: Case_topic.json is no list of entries: fetch it again"
    (made.folder / FOLDER / "Descriptions.json").write_text("[{")
    assert "medpix: Descriptions.json cannot be read" in message(made.as_it_is)


def test_a_case_without_a_picture_is_named(made: Made) -> None:
    made.descriptions = [entry for entry in made.descriptions if entry["U_id"] != "MPX03"]
    with pytest.raises(DataError, match="medpix: MPX03 has no picture in Descriptions.json: fetch it again"):
        MedPix().build(made.sources)


# The real files


def test_223_of_671_cases_are_of_the_head_and_71_of_these_are_neoplasms(real_cohort: Callable[[str], Cohort]) -> None:
    cohort = real_cohort("medpix")
    assert len(cohort) == 223 and cohort.pool is None and discover().dataset("medpix").card.cases == 223
    assert cohort.findings.sum().tolist() == [71, 30, 42, 19, 61]
    assert {view: int(cohort.present[view].sum()) for view in VIEWS} == {
        **{"ct": 128, "t1": 77, "t1-contrast": 65, "t2": 100, "mr-other": 48}
    }
    assert np.stack([cohort.present[view] for view in VIEWS]).any(axis=0).all() and cohort.present["text"].all()
    assert sum("Findings: " in draft and " Summary: " in draft for (draft,) in cohort.reports) == 209


def test_2050_pictures_of_671_cases_884_of_the_head(source_files: Callable[[str], Sources]) -> None:
    sources = source_files("medpix")
    described = json.loads(sources.path(f"{FOLDER}Descriptions.json").read_text(encoding="utf-8"))
    assert (len(described), len({entry["U_id"] for entry in described})) == (2050, 671)
    assert sum(entry["Location Category"] == "Head" for entry in described) == 884
    assert {entry["image"] for entry in described} == {path.stem for path in sources.matching(f"{FOLDER}images/", ".png")}
