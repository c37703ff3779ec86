"""lgg: made scans of the source's form, what is measured on them and written of them, and the counts of the real files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.cells.planning import splits_of
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets._lgg_reports import HELD_OUT, HELD_OUT_WORDS, Head, Seen, Tumour, altered, measured, written
from datasets.lgg import CHANNELS, EDGE, FOLDER, TABLE, LowerGradeGlioma, views_of

KINDS = ("exchanged", "side-swapped", "finding-removed", "finding-invented")
HEAD = Head(slice(40, 220), slice(60, 200))


def picture_of(brightness: int = 90) -> np.ndarray:
    """A head that fills rows 40 to 219 and columns 60 to 199, each channel a little brighter than the one before."""
    picture = np.zeros((EDGE, EDGE, 3), np.uint8)
    for channel in range(3):
        picture[HEAD.rows, HEAD.columns, channel] = brightness + 10 * channel
    return picture


def mask_of(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A mask of boxes (first row, first column, rows, columns)."""
    mask = np.zeros((EDGE, EDGE), bool)
    for row, column, height, width in boxes:
        mask[row : row + height, column : column + width] = True
    return mask


class Made:
    """A folder of made scans in the form of the source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table({})

    def slice(self, patient: str, number: int, mask: np.ndarray | None = None, picture: np.ndarray | None = None) -> Path:
        """A slice and its mask."""
        path = self.folder / FOLDER / f"{patient}_19960101" / f"{patient}_19960101_{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture_of() if picture is None else picture).save(path)
        drawn = mask_of() if mask is None else mask
        Image.fromarray((255 * drawn).astype(np.uint8)).save(path.with_name(f"{path.stem}_mask.tif"))
        return path

    def table(self, ages: dict[str, float]) -> Path:
        """The table of the patients."""
        path = self.folder / TABLE
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{patient};2;{age}\n" for patient, age in ages.items())
        path.write_text(f"Patient;laterality;age_at_initial_pathologic\n{rows}")
        return path

    @property
    def sources(self) -> Sources:
        """All its files."""
        files = {str(path.relative_to(self.folder)): "" for path in self.folder.rglob("*") if path.is_file()}
        return Sources(self.folder, files, "made")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Twelve slices of two patients of two institutions, the tumour of one on the left, of the other on the right."""
    made = Made(tmp_path_factory.mktemp("lgg"))
    made.table({"TCGA_CS_0001": 61})
    for number in range(1, 7):
        made.slice("TCGA_CS_0001", number, mask_of((60, 150, 20, 30)) if number in (3, 4) else None)
        made.slice("TCGA_HT_0002", number, mask_of((180, 70, 60, 20)) if number == 5 else None)
    return LowerGradeGlioma().build(made.sources)


# The cohort


def test_cases_are_slices_grouped_by_patient_whose_label_is_a_pixel_of_the_mask(twelve: Cohort) -> None:
    frame = pd.DataFrame({"patient": twelve.groups, "site": twelve.sites, "label": twelve.labels, "age": twelve.strata["age"]})
    assert frame.groupby(["patient", "site"])["label"].agg(["size", "sum"]).reset_index().to_numpy().tolist() == [
        ["TCGA_CS_0001", "CS", 6, 2],
        ["TCGA_HT_0002", "HT", 6, 1],
    ]
    assert frame.loc[frame["site"] == "CS", "age"].eq(61).all() and frame.loc[frame["site"] == "HT", "age"].isna().all()
    assert twelve.findings.to_dict("list") == {"tumour": twelve.labels.tolist()}


def test_ids_tell_neither_patient_nor_place_in_the_scan(twelve: Cohort) -> None:
    assert all(re.fullmatch(r"lgg-[0-9a-f]{10}", case) for case in twelve.case_ids) and len({*twelve.case_ids}) == 12


def test_the_mask_is_no_input(made: Made) -> None:
    made.slice("TCGA_CS_0001", 1, mask_of((60, 150, 20, 30)))
    made.slice("TCGA_CS_0001", 2)
    cohort = LowerGradeGlioma().build(made.sources)
    assert {*cohort.images} == {*CHANNELS} and cohort.modalities == {"image", "text"} and cohort.derived is None
    for view in cohort.images.values():
        with_tumour, without = view[np.arange(2)]
        assert np.array_equal(with_tumour, without), "the pictures are the same, so what is seen is"


def test_a_sequence_that_is_a_copy_of_flair_or_of_one_grey_is_missing(made: Made) -> None:
    copied, black, grey = picture_of(), picture_of(), picture_of()
    copied[..., 2], black[..., 1], grey[..., 1] = copied[..., 1], 0, 7
    for number, picture in enumerate((picture_of(), copied, black, grey), 1):
        made.slice("TCGA_CS_0001", number, picture=picture)
    cohort = LowerGradeGlioma().build(made.sources)
    assert {name: there.tolist() for name, there in cohort.present.items()} == {
        "t1": [True, True, True, True],
        "flair": [True, True, False, False],
        "t1-contrast": [True, False, True, True],
    }
    assert not cohort.images["t1-contrast"][np.array([1])].any()


def test_a_view_is_the_mean_over_its_larger_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8)
    view = views_of(picture)[1]
    assert view.shape == (96, 96) and abs(view.mean() - picture[..., 1].mean()) < 0.5
    assert abs(int(view[0, 0]) - picture[:3, :3, 1].mean()) < 40


def test_it_is_prepared_with_its_queries_and_keeps_what_it_holds(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for patient in range(10):
        for number in range(1, 5):
            made.slice(f"TCGA_CS_000{patient}", number, mask_of((60, 150, 20, 30)) if number == 2 else None)
    monkeypatch.setattr("benchmark.data.preparation.open_sources", lambda name: made.sources)
    cohort = load_cohort("lgg")
    assert {*cohort.queries} == {"tumour", "normal"} and len(cohort) == 40
    assert {*cohort.report_sets} == {*KINDS, "held-out-wording", "held-out-wording-exchanged"}
    for split in splits_of(discover().protocol("repeated-cv"), cohort):
        parts = [{*cohort.groups[part]} for part in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]


# Measurement


@pytest.mark.parametrize(
    ("boxes", "tumour"),
    [
        ([(60, 150, 18, 30)], Tumour("left", 0, 17)),
        ([(120, 70, 18, 18)], Tumour("right", 1, 10)),
        ([(200, 120, 18, 20)], Tumour("", 2, 11)),
        ([(60, 150, 18, 18), (60, 180, 18, 18)], Tumour("left", 0, 27, 2)),
        ([(60, 150, 18, 18), (90, 150, 1, 1)], Tumour("left", 0, 17, 1)),
        ([(60, 150, 1, 1)], Tumour("left", 0, 1, 1)),
        ([], None),
    ],
    ids=["left anterior", "right middle", "across", "two parts", "a speck is no part", "one pixel", "none"],
)
def test_side_third_extent_and_parts_are_those_of_the_mask(boxes: list[tuple[int, int, int, int]], tumour: Tumour) -> None:
    assert measured(mask_of(*boxes), HEAD) == tumour


def test_the_head_is_found_in_the_mean_of_the_slices(twelve: Cohort) -> None:
    """The tumour of the first patient is 30 pixels wide in a head of 180."""
    stated = {report for (report,), group in zip(twelve.reports, twelve.groups, strict=True) if group.startswith("TCGA_CS")}
    assert sum("17 %" in report for report in stated) == sum("%" in report for report in stated) > 0


# Reports


@pytest.mark.parametrize("case", range(30))
def test_a_report_has_both_headings_and_states_what_is_there(case: int) -> None:
    tumour = written(Seen(0, Tumour("left", 2, 40, 3)), f"case-{case}")
    clear = written(Seen(2), f"case-{case}")
    assert re.fullmatch(r"Findings: .+ Summary: .+", tumour) and re.fullmatch(r"Findings: .+ Summary: .+", clear)
    for word in ("lower third", "left hemisphere", "posterior third", " large ", "40 %", "3 "):
        assert word in tumour.replace("A large", "a large "), word
    assert "upper third" in clear and "hemisphere" not in clear and "%" not in clear
    assert re.search(r"\b(no|without)\b", clear, re.IGNORECASE) and not re.search(r"\b(no|without)\b", tumour, re.IGNORECASE)


def test_other_words_say_the_same_and_stand_in_no_report() -> None:
    seen = [Seen(level, tumour) for level in range(3) for tumour in (None, Tumour("right", 1, 30, 2), Tumour("", 0, 10))]
    reports = " ".join(written(item, f"case-{case}") for item in seen for case in range(40)).lower()
    assert not [word for word in HELD_OUT_WORDS if word in reports]
    other = [written(item, f"case-{case}", HELD_OUT) for item in seen for case in range(10)]
    assert all(any(word in report.lower() for word in HELD_OUT_WORDS) for report in other)
    assert "right hemisphere" in written(seen[1], "case", HELD_OUT) and "30 per cent" in written(seen[1], "case", HELD_OUT)


def test_no_query_is_a_sentence_of_a_report(twelve: Cohort) -> None:
    sentences = {sentence.strip(" .").lower() for (report,) in twelve.reports for sentence in re.split(r"[.:]", report)}
    assert not sentences & {query.lower() for queries in twelve.queries.values() for query in queries}


def test_wrong_reports_are_wrong_in_their_own_way(twelve: Cohort) -> None:
    for case, ((own,), label) in enumerate(zip(twelve.reports, twelve.labels, strict=True)):
        wrong = {kind: twelve.report_sets[kind][case] for kind in KINDS}
        applies = {kind for kind, drafts in wrong.items() if drafts}
        assert applies == ({"exchanged", "side-swapped", "finding-removed"} if label else {"exchanged", "finding-invented"})
        assert ("%" in wrong["exchanged"][0]) != ("%" in own)
        if label:
            swapped = own.replace("left h", "X").replace("right h", "left h").replace("X", "right h")
            assert wrong["side-swapped"][0] == swapped != own
            assert "hemisphere" not in wrong["finding-removed"][0]
        else:
            assert "hemisphere" in wrong["finding-invented"][0]


def test_an_exchanged_report_says_the_same_in_other_words_too(twelve: Cohort) -> None:
    sets = twelve.report_sets
    for (told,), (reworded,) in zip(sets["exchanged"], sets["held-out-wording-exchanged"], strict=True):
        assert any(word in reworded.lower() for word in HELD_OUT_WORDS)
        assert ("%" in told) == ("per cent" in reworded) and ("left h" in told) == ("left h" in reworded)


def test_an_exchanged_report_is_of_another_patient_with_the_other_finding() -> None:
    seen = [Seen(0, Tumour("left", 0, 10)), Seen(1), Seen(2, Tumour("right", 1, 20)), Seen(0)]
    wrong = altered(seen, ["a", "b", "c", "d"], ["one", "one", "two", "two"])
    assert wrong["exchanged"] == [seen[3], seen[2], seen[1], seen[0]]
    assert altered(seen[:2], ["a", "b"], ["one", "one"])["exchanged"] == [None, None]


# Malformed files


def test_malformed_files_are_named(made: Made) -> None:
    path = made.slice("TCGA_CS_0001", 1)
    whole, mask = path.read_bytes(), path.with_name(f"{path.stem}_mask.tif")

    def message() -> str:
        with pytest.raises(DataError) as caught:
            LowerGradeGlioma().build(made.sources)
        return str(caught.value)

    path.write_bytes(whole[: len(whole) // 2])
    assert re.fullmatch(r"lgg: TCGA_CS_0001_19960101_1.tif cannot be read \(.*\): fetch it again", message())
    path.write_bytes(b"")
    assert "TCGA_CS_0001_19960101_1.tif cannot be read" in message()
    Image.fromarray(np.zeros((EDGE, EDGE), np.uint8)).save(path)
    assert "TCGA_CS_0001_19960101_1.tif is uint8 of shape (256, 256): expected bytes of shape (256, 256, 3)" in message()
    path.write_bytes(whole)
    Image.fromarray(np.full((EDGE, EDGE), 7, np.uint8)).save(mask)
    assert "TCGA_CS_0001_19960101_1_mask.tif holds other values than 0 and 255" in message()
    mask.unlink()
    assert "TCGA_CS_0001_19960101_1_mask.tif cannot be read" in message()
    made.slice("TCGA_CS_0001", 1)
    made.table({}).write_text("Patient,age\n")
    assert "lgg: data.csv cannot be read" in message()
    made.table({})
    path.with_name("TCGA_CS_1.tif").write_bytes(whole)
    assert "lgg: TCGA_CS_1.tif is not named TCGA_XX_XXXX_00000000_0.tif" in message()


# The real files


def test_3929_slices_of_110_patients_show_a_tumour_in_1373(real_cohort: Callable[[str], Cohort]) -> None:
    cohort = real_cohort("lgg")
    assert (len(cohort), len({*cohort.groups}), int(cohort.labels.sum())) == (3929, 110, 1373)
    card = discover().dataset("lgg").card
    assert (card.cases, card.sites) == (len(cohort), len({*cohort.sites}))
    lacking = {name: int((~there).sum()) for name, there in cohort.present.items()}
    assert lacking == {"t1": 303, "flair": 32, "t1-contrast": 497}
    assert not cohort.labels[~cohort.present["flair"]].any()


def test_reports_name_the_side_that_the_table_codes(
    real_cohort: Callable[[str], Cohort], source_files: Callable[[str], Sources]
) -> None:
    """The picture's right is called left: so does the table, where 1 is left and 3 right, of all but 4 in 1,104 slices."""
    cohort = real_cohort("lgg")
    coded = pd.read_csv(source_files("lgg").path(TABLE), sep=";", index_col="Patient")["laterality"].reindex(cohort.groups)
    said = np.array(["left" if "left h" in report else "right" if "right h" in report else "" for (report,) in cohort.reports])
    counts = pd.crosstab(coded.to_numpy(), said)
    assert counts.loc[[1, 3], ["left", "right"]].to_numpy().tolist() == [[502, 0], [4, 598]]
