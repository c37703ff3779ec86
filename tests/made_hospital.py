"""A hospital of people who never lived, as a folder: a table, scans with masks in NIfTI, reports, and what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

DESCRIPTION = """\
name = "made-hospital"
title = "Made hospital"

[table]
file = "clinical.csv"
case = "case"
site = "ward"

[label]
column = "mrs"
positive = "<= 2"
means = ["poor: mRS 3-6", "good: mRS 0-2"]
time = "90 days"

[columns]
admission = ["age", "nihss", "sex", "toast"]
later = ["stay"]
identifiers = ["surname", "born"]
categories = ["toast"]

[images]
voxel_mm = 8
grid = [12, 12, 12]

[images.views]
flair = "images/{case}/flair.nii.gz"
mask = "images/{case}/mask.nii.gz"

[reports]
files = "reports/{case}/*.txt"
"""
CASES = 24
SIDE, VOXEL = 12, 8.0
SURNAMES = ("Okonkwo", "Ferreira", "Lindqvist", "Nakamura")


def table(cases: int = CASES) -> pd.DataFrame:
    """The clinical table; the outcome follows NIHSS."""
    draw = np.random.default_rng(3)
    nihss = draw.integers(0, 25, cases)
    return pd.DataFrame(
        {
            "case": [f"{number:03d}" for number in range(1, cases + 1)],
            "ward": np.where(np.arange(cases) % 2 == 0, "Kardinalbau", "Elisabethhaus"),
            "surname": [SURNAMES[number % 4] + "son" * (number // 4) for number in range(cases)],
            "born": [f"{1930 + number % 40}-0{1 + number % 9}-1{number % 10}" for number in range(cases)],
            "age": draw.integers(40, 88, cases).astype(str),
            "nihss": nihss.astype(str),
            "sex": np.where(draw.random(cases) < 0.5, "f", "m"),
            "toast": draw.integers(1, 6, cases).astype(str),
            "stay": draw.integers(1, 30, cases).astype(str),
            "mrs": np.clip(nihss // 5 + draw.integers(0, 3, cases), 0, 6).astype(str),
        }
    )


def affine(voxel: float = VOXEL) -> np.ndarray:
    """A scanner's affine: right, anterior, superior, its middle somewhere in the room."""
    made = np.diag([voxel, voxel, voxel, 1.0])
    made[:3, 3] = [-40.0, -60.0, -20.0]
    return made


def volumes(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A scan and the mask of its lesion, (12, 12, 12) each; the first axis runs to the right."""
    draw = np.random.default_rng([5, number])
    scan = np.zeros((SIDE,) * 3, dtype=np.float32)
    scan[2:-2, 2:-2, 2:-2] = 100 + 10 * draw.random((SIDE - 4,) * 3)
    mask = np.zeros((SIDE,) * 3, dtype=np.uint8)
    mask[3 : 5 + number % 3, 4:6, 4:6] = 1
    scan[mask > 0] += 80
    return scan, mask


def save(path: Path, values: np.ndarray, of: np.ndarray | None = None) -> None:
    """Write a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine() if of is None else of), path)


def write_table(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "clinical.csv", index=False)


def hospital(folder: Path, cases: int = CASES, changes: Mapping[str, str] | None = None) -> Path:
    """Write the folder; `changes` : text of `cohort.toml` -> what stands in its place."""
    folder.mkdir(parents=True, exist_ok=True)
    text = DESCRIPTION
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "cohort.toml").write_text(text, encoding="utf-8")
    frame = table(cases)
    write_table(folder, frame)
    for number, (case, surname, born) in enumerate(zip(frame["case"], frame["surname"], frame["born"], strict=True)):
        scan, mask = volumes(number)
        save(folder / "images" / case / "flair.nii.gz", scan)
        save(folder / "images" / case / "mask.nii.gz", mask)
        report = folder / "reports" / case / "1.txt"
        report.parent.mkdir(parents=True)
        report.write_text(
            f"Mr {surname}, born {born}, patient {case}. Infarct on the left. Seen on 3 March 2024 at 93 years.\n"
        )
    return folder
