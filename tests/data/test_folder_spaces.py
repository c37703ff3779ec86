"""Images of a folder in other forms and places: DICOM series, BIDS trees, and registration to MNI152."""

from __future__ import annotations

import locale
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data import parts
from benchmark.data.cohort import Cohort
from benchmark.data.folder.cohort import FolderCohort
from benchmark.data.folder.volumes import TEMPLATE_MIDDLE, Volume, _read_dicom, on_grid, to_mni
from benchmark.data.intake import take_in
from benchmark.data.modalities.image import ImageView
from benchmark.data.parts import Stored
from benchmark.data.sources import Sources
from benchmark.system.errors import DataError
from tests.made_hospital import affine, hospital, save, table, volumes


@pytest.fixture(autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


def built(folder: Path) -> Cohort:
    return take_in(FolderCohort(str(folder)).build(Sources(Path("/"), {}, "digest")))[0]


def write_series(folder: Path, values: np.ndarray, voxel: float = 8.0) -> None:
    """A DICOM series of axial slices, of the same place as `affine()` says."""
    import SimpleITK

    before = locale.setlocale(locale.LC_ALL)  # GDCM's writer makes it "C", in which text files are ASCII
    folder.mkdir(parents=True)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    right, anterior, superior = affine(voxel)[:3, 3]
    for number in range(values.shape[2]):
        plane = SimpleITK.GetImageFromArray(values[:, ::-1, number].T.astype(np.int16)[None][:, :, ::-1])
        plane.SetSpacing((voxel, voxel, voxel))
        place = (-right - voxel * (values.shape[0] - 1), -anterior - voxel * (values.shape[1] - 1), superior + voxel * number)
        tags = {
            "0008|0060": "MR",
            "0010|0010": "Okonkwo^Ada",
            "0020|000e": "1.2.826.0.1.3680043.2.1125.1",
            "0020|0013": str(number),
            "0020|0032": "\\".join(f"{value:g}" for value in place),
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": str(voxel),
        }
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number:03d}.dcm"))
        writer.Execute(plane)
    locale.setlocale(locale.LC_ALL, before)


def dicom(folder: Path) -> Path:
    """The made hospital, whose scans are DICOM series."""
    hospital(folder, changes={'"images/{case}/flair.nii.gz"': '"dicom/{case}/flair/"'})
    for number, case in enumerate(table()["case"]):
        write_series(folder / "dicom" / case / "flair", volumes(number)[0])
    return folder


@pytest.mark.slow
def test_a_dicom_series_is_read_like_the_nifti_file_of_the_same_scan(tmp_path: Path) -> None:
    place = locale.setlocale(locale.LC_ALL)
    there = built(dicom(tmp_path / "dicom")).images["flair"].load()
    assert locale.setlocale(locale.LC_ALL) == place
    straight = built(hospital(tmp_path / "nifti")).images["flair"].load()
    assert np.abs(there - straight).max() <= 3, "voxels are whole numbers in DICOM"
    assert np.corrcoef(there.ravel(), straight.ravel())[0, 1] > 0.999


def test_a_series_that_says_it_is_larger_than_a_machine_holds_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.folder.volumes.MOST_VOXELS", 1000)
    write_series(tmp_path / "flair", volumes(0)[0])
    with pytest.raises(DataError, match=r"says that it has \S+ voxels: at most 1e\+03 are read"):
        _read_dicom(tmp_path / "flair")


def test_two_series_in_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    folder = dicom(tmp_path)
    for path in sorted((folder / "dicom" / "003" / "flair").iterdir()):
        path.unlink()
    with pytest.raises(DataError, match="view 'flair': case 003: holds 0 DICOM series: give a folder with one"):
        built(folder)


def test_a_bids_tree_is_read_by_patterns(tmp_path: Path) -> None:
    frame = table().rename(columns={"case": "participant_id"})
    frame["participant_id"] = "sub-" + frame["participant_id"]
    hospital(
        tmp_path,
        changes={
            'file = "clinical.csv"': 'file = "participants.tsv"',
            'case = "case"': 'case = "participant_id"',
            '"images/{case}/flair.nii.gz"': '"{case}/anat/{case}_FLAIR.nii.gz"',
            '"images/{case}/mask.nii.gz"': '"derivatives/masks/{case}/anat/{case}_mask.nii.gz"',
            '[reports]\nfiles = "reports/{case}/*.txt"\n': "",
        },
    )
    frame.to_csv(tmp_path / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    for number, case in enumerate(frame["participant_id"]):
        scan, mask = volumes(number)
        save(tmp_path / case / "anat" / f"{case}_FLAIR.nii.gz", scan)
        save(tmp_path / "derivatives" / "masks" / case / "anat" / f"{case}_mask.nii.gz", mask)
    cohort = built(tmp_path)
    assert set(cohort.images) == {"flair", "mask"} and len(cohort) == len(frame)


@pytest.mark.parametrize("suffix", [".xlsx", ".sav"])
def test_excel_and_spss_are_read_like_text(tmp_path: Path, suffix: str) -> None:
    hospital(tmp_path, changes={'file = "clinical.csv"': f'file = "clinical{suffix}"'})
    frame = table()
    as_text = built(hospital(tmp_path / "text"))
    numbers = frame.astype({"age": float, "nihss": float, "mrs": float, "stay": float})
    if suffix == ".xlsx":
        numbers.to_excel(tmp_path / "clinical.xlsx", index=False)
    else:
        import pyreadstat

        pyreadstat.write_sav(numbers, tmp_path / "clinical.sav")
    cohort = built(tmp_path)
    assert cohort.table is not None and as_text.table is not None
    pd.testing.assert_frame_equal(cohort.table, as_text.table)


def test_a_scan_is_brought_back_to_mni() -> None:
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=4)
    values = np.asarray(template.get_fdata(), dtype=np.float32)
    turn = np.deg2rad(8)
    moved = np.eye(4)
    moved[:3, :3] = 1.08 * np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    moved[:3, 3] = [12, -9, 15]
    scan = Volume(Path("scan.nii"), values.max() - values, moved @ np.asarray(template.affine))  # another contrast too
    scan = Volume(scan.path, np.where(values > 0, scan.values, 0), scan.affine)
    found = to_mni(scan)
    inside = np.argwhere(values > 0)[::500] @ np.asarray(template.affine)[:3, :3].T + np.asarray(template.affine)[:3, 3]
    there = inside @ moved[:3, :3].T + moved[:3, 3]
    back = there @ found[:3, :3].T + found[:3, 3]
    assert np.linalg.norm(there - inside, axis=1).mean() > 15
    assert np.linalg.norm(back - inside, axis=1).mean() < 2
    assert np.array_equal(to_mni(scan), found)


def test_the_grid_of_a_template_is_about_its_middle() -> None:
    from benchmark.data.folder.description import Images

    placed = np.eye(4)
    placed[:3, 3] = TEMPLATE_MIDDLE - 23.5
    values = np.zeros((48, 48, 48), dtype=np.float32)
    values[24:28, 20:24, 30:34] = 1
    gridded = on_grid(Volume(Path("x"), values, placed), Images(voxel_mm=4, grid=(12, 12, 12)), TEMPLATE_MIDDLE)
    assert gridded.sum() * 64 == pytest.approx(64, rel=0.05)
    assert np.unravel_index(gridded.argmax(), gridded.shape) == (6, 5, 7)


def test_arrays_that_leave_the_memory_keep_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LARGE", 1)
    monkeypatch.setattr(parts, "BLOCK", 3)
    cohort = built(hospital(tmp_path / "ward"))
    view = cohort.images["flair"]
    kept = view.load()
    view.save(tmp_path / "stored.npy")
    assert np.array_equal(np.load(tmp_path / "stored.npy"), kept.astype(np.uint8))
    mapped = ImageView(np.load(tmp_path / "stored.npy", mmap_mode="r"))
    assert np.array_equal(np.concatenate([block for _, block in mapped.blocks(5)]), kept.astype(np.uint8))
    assert Stored(mapped).digest() == Stored(view).digest()
