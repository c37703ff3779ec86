"""emidec: late enhancement and risk factors of 100 patients, against what is known of them and by hand."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.audit.cohort_check import check_dataset
from benchmark.cells.planning import describe_row, splits_of
from benchmark.cli import fetch
from benchmark.data.cohort import Cohort
from benchmark.data.fetching import read_manifest
from benchmark.data.preparation import load_cohort
from benchmark.data.sources import Sources
from benchmark.learning.fitting import Fitted, fit_and_predict, views_of
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets._row_ids import row_ids
from datasets.emidec import CONSEQUENCES, RISK_FACTORS, SHAPE, SLICES, TABLE, Emidec, read_slice, resampled

Build = Callable[[str], Cohort]
HEAD = "case,myo,inf,pmo,sex,age,tobacco,overweight,hypertension,diabetes,familial_disease,ECG,troponin,killip,FEVG,NTP"
INFARCT = "1,200,103,36,0,32,0,0,0,0,0,1,130,1,35,447"
NORMAL = "2,168,0,0,1,57,2,1,0,0,0,1,28.5,1,61,192"


@pytest.fixture(scope="module")
def patients(real_cohort: Build) -> Cohort:
    return real_cohort("emidec")


@pytest.fixture
def prepared(source_files: Callable[[str], Sources], monkeypatch: pytest.MonkeyPatch) -> Cohort:
    """The cohort as a run has it."""
    sources = source_files("emidec")
    monkeypatch.setattr("benchmark.data.preparation.open_sources", lambda name: sources)
    return load_cohort("emidec")


def made(folder: Path, *lines: str, slices: tuple[str, ...] = ("P001", "N002")) -> Sources:
    """Files of the real form: the given lines of the table, and three slices of each named case."""
    written = {TABLE: None, **{f"{SLICES}train/Case_{case}_slice{i:03d}.png": 50 * i for case in slices for i in range(3)}}
    for name, grey in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if grey is None:
            path.write_text("\n".join([HEAD, *lines, ""]))
        else:
            Image.fromarray(np.full((256, 256), grey, np.uint8)).save(path)
    return Sources(folder, dict.fromkeys(written, ""), "")


def test_100_patients_67_of_them_with_an_infarct(patients: Cohort) -> None:
    assert (len(patients), int(patients.labels.sum())) == (100, 67)
    card = discover().dataset("emidec").card
    assert (card.cases, card.sites) == (100, len(np.unique(patients.sites)))
    assert "not for commercial use" in card.license and "BY-NC-SA" in card.license


def test_labels_are_the_letters_of_the_file_names(patients: Cohort) -> None:
    names = {name.rpartition("Case_")[2] for name in read_manifest("emidec")[0] if name.startswith(SLICES)}
    letter = dict(zip(row_ids("emidec", [int(name[1:4]) for name in names]), [name[0] for name in names], strict=True))
    assert [letter[case] == "P" for case in patients.case_ids] == patients.labels.astype(bool).tolist()


def test_no_file_of_a_mask_is_fetched() -> None:
    assert not [name for name in read_manifest("emidec")[0] if "annot" in name]


@pytest.mark.slow
def test_fetch_shows_the_licence_before_anything_else(source_files, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = str(source_files("emidec").folder)
    assert fetch.run(argparse.Namespace(name="emidec", mirror=mirror, jobs=2)) == 0
    assert capsys.readouterr().out.startswith("emidec: licence CC BY-NC-SA 4.0: not for commercial use\n")


def test_the_table_holds_seven_risk_factors_or_the_five_consequences_as_well(patients: Cohort, real_cohort: Build) -> None:
    assert tuple(patients.table.columns) == tuple(RISK_FACTORS) and len(RISK_FACTORS) == 7
    everything = real_cohort("emidec[columns=all]")
    assert tuple(everything.table.columns) == (*RISK_FACTORS, *CONSEQUENCES) and len(CONSEQUENCES) == 5
    barred = {name: discover().dataset(name).card.barred for name in ("emidec", "emidec[columns=all]")}
    assert set(CONSEQUENCES) <= set(barred["emidec"]) and not set(CONSEQUENCES) & set(barred["emidec[columns=all]"])
    assert "myo, inf, pmo" in barred["emidec[columns=all]"]


def test_a_volume_goes_from_the_first_slice_to_the_last_in_equal_steps() -> None:
    grey = [np.full((256, 256), value, np.uint8) for value in (0, 70, 140)]
    assert resampled(grey).shape == SHAPE
    assert resampled(grey)[:, 0, 0].tolist() == [0, 20, 40, 60, 80, 100, 120, 140]
    assert resampled(grey[:1]).max() == 0


def test_pixels_are_means_of_the_area_that_they_cover() -> None:
    picture = np.zeros((256, 256), np.uint8)
    picture[:128] = 240
    volume = resampled([picture] * 4)
    assert (volume[:, :48] == 240).all() and (volume[:, 48:] == 0).all()


def test_the_only_view_is_the_volume(patients: Cohort) -> None:
    assert {name: view.shape for name, view in patients.images.items()} == {"late-enhancement": (100, 1, *SHAPE)}
    assert patients.derived is None and patients.reports is None


@pytest.mark.slow
def test_it_conforms_and_is_descriptive(prepared: Cohort) -> None:
    catalogue = discover()
    assert not [finding for finding in check_dataset("emidec", catalogue) if finding.state in ("error", "warning")]
    assert "fewer than 50 of a class" in catalogue.dataset("emidec[columns=all]").card.descriptive


@pytest.mark.slow
def test_a_convolutional_network_sees_the_volumes_and_rows_that_need_a_mask_say_so(prepared: Cohort) -> None:
    catalogue = discover()
    split = splits_of(catalogue.protocol("repeated-cv"), prepared)[0]

    def predicted(spelled: str) -> Fitted:
        method = catalogue.method(spelled)
        assert not describe_row(catalogue.dataset("emidec"), method, prepared, catalogue).not_applicable
        return fit_and_predict(method, views_of(prepared, split, method.modalities), 39)

    assert np.unique(predicted("image-cnn[epochs=1]").probabilities).size > 2
    for row in ("image-net", "concat[modalities=image+table]"):
        reason = describe_row(catalogue.dataset("emidec"), catalogue.method(row), prepared, catalogue).not_applicable
        assert "emidec has no view 'mask'" in reason
    reason = describe_row(catalogue.dataset("emidec"), catalogue.method("lesion-volume"), prepared, catalogue).not_applicable
    assert reason == "no lesion_volume_ml is measured on the images of emidec"


def test_the_two_cases_that_show_one_heart_are_parted_by_no_split(patients: Cohort, source_files) -> None:
    path = source_files("emidec").path
    first = [path(f"{SLICES}train/Case_P{case:03d}_slice000.png") for case in (59, 72)]
    assert np.array_equal(*map(read_slice, first))
    group = dict(zip(patients.case_ids, patients.groups, strict=True))
    one, other = row_ids("emidec", [59, 72])
    assert group[one] == group[other] == one and len(set(group.values())) == 99
    for split in splits_of(discover().protocol("repeated-cv"), patients):
        assert sum(bool({one, other} & {*patients.case_ids[part]}) for part in (split.train, split.validation, split.test)) == 1


def test_files_of_the_real_form_are_read(tmp_path: Path) -> None:
    cohort = Emidec().build(made(tmp_path, INFARCT, NORMAL))
    assert dict(zip(cohort.case_ids, cohort.labels, strict=True)) == dict(zip(row_ids("emidec", [1, 2]), (1, 0), strict=True))
    assert cohort.images["late-enhancement"].array[0, 0, -1, 0, 0] == 100


@pytest.mark.parametrize(
    ("lines", "slices", "message"),
    [
        ((INFARCT, NORMAL), ("P001", "P002"), "case 2 has no slices named Case_N002"),
        ((INFARCT, NORMAL), ("P001",), "case 2 has no slices named Case_N002"),
        ((INFARCT, NORMAL), ("P001", "N002", "X003"), "Case_X003_slice000.png is not named Case_N000"),
        ((INFARCT, NORMAL.replace("57", "old")), ("P001", "N002"), "template_train_sample.csv, row 3: age 'old' is no number"),
        ((INFARCT, NORMAL.replace("57", "")), ("P001", "N002"), "template_train_sample.csv, row 3: age 'nan' is no number"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, lines: tuple[str, ...], slices: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"emidec: {message}"):
        Emidec().build(made(tmp_path, *lines, slices=slices))


def test_a_lacking_column_a_small_picture_and_a_broken_one_are_named(tmp_path: Path) -> None:
    sources = made(tmp_path, INFARCT, NORMAL)
    sources.path(TABLE).write_text(HEAD.replace("tobacco", "smoke") + "\n")
    with pytest.raises(DataError, match="emidec: template_train_sample.csv has no column 'tobacco'"):
        Emidec().build(sources)
    small = tmp_path / "Case_N001_slice000.png"
    Image.fromarray(np.zeros((96, 96), np.uint8)).save(small)
    with pytest.raises(DataError, match="Case_N001_slice000.png is uint8 of shape .*: expected a grey picture of 256 x 256"):
        read_slice(small)
    small.write_bytes(b"no picture")
    with pytest.raises(DataError, match="Case_N001_slice000.png cannot be read"):
        read_slice(small)


def test_another_choice_of_columns_is_refused() -> None:
    with pytest.raises(DataError, match="emidec: columns=some: give 'risk' or 'all'"):
        Emidec(columns="some").build(Sources(Path(), {}, ""))
