"""The files of the Stroke Outcome Optimization Project as arrays; the datasets made of them choose cases and a label.

Every case with a lesion mask or a filled row of `participants.tsv` is read: that row, its scanner, and with a mask its
findings, the mask at 4 mm and the slice picture where there is one.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray
from PIL import Image

from benchmark import Atlas, DataError, Sources
from benchmark.learning.writers.measurement import Findings, measure_voxels

OPENNEURO = "raw.githubusercontent.com/OpenNeuroDatasets/ds004889/a62344db73f18f384a95b452f4a1a423087e059b/"
DEMO = "raw.githubusercontent.com/neurolabusc/StrokeOutcomeOptimizationProjectDemo/ae553f82c24721dec4cd3bcffdd6c952257e8dba/"
MASKS, PICTURES = f"{DEMO}NIfTI/bwsrsub-", f"{DEMO}PNG/rsub-"

NUMBERS = {"age": (0, 89), "priorstroke": (0, 1), "bmi": (5, 150), "nihss": (0, 42), "gs_rankin_6isdeath": (0, 6)}
"""Column -> the range of its values; `89+` years are read as 89."""
CATEGORIES = ("sex", "race")
COLUMNS = ("participant_id", *CATEGORIES, *NUMBERS, "acuteischaemicstroke", "etiology")
EXPECTED = {"age": "years, or '89+'"}

BLOCK = 4
"""Voxels of 1 mm along the edge of a voxel of the mask view."""
HEIGHT, WIDTH = 189, 692
PANELS = (slice(0, 157), slice(157, 346), slice(346, 503))
"""Columns of the axial, sagittal and coronal slice of a picture; a surface rendering follows."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class SoopFiles:
    """All cases that have a lesion mask or a table, sorted by id.

    case_ids (n,); table: frame of `COLUMNS` but the id, (n,) rows, NaN where missing; scanners (n,) models; tesla (n,) field
    strengths; findings per case, None without a mask; masks (n, 1, x, y, z) uint8, lesion share of each 4 mm voxel in 255ths;
    pictures (n, 3, 189, 189) uint8; both zero where there is none; has_table, has_mask and has_picture (n,) bool; atlas on the
    1 mm grid.
    """

    case_ids: NDArray[np.str_]
    table: pd.DataFrame
    scanners: NDArray[np.str_]
    tesla: NDArray[np.float64]
    findings: tuple[Findings | None, ...]
    masks: NDArray[np.uint8]
    pictures: NDArray[np.uint8]
    has_table: NDArray[np.bool_]
    has_mask: NDArray[np.bool_]
    has_picture: NDArray[np.bool_]
    atlas: Atlas


def read_files(sources: Sources) -> SoopFiles:
    """Read everything. Raises `DataError` that names the file, and the row where there is one."""
    participants = read_participants(sources.path(f"{OPENNEURO}participants.tsv"))
    atlas, affine = read_atlas(sources)
    masks = {_case(path): path for path in sources.matching(MASKS, "_lesion.nii.gz")}
    pictures = {_case(path): path for path in sources.matching(PICTURES, "_lesion.nii.png")}
    filled = participants.notna().any(axis=1)
    cases = sorted({*masks, *participants.index[filled]})
    small = tuple(-(-length // BLOCK) for length in atlas.labels.shape)
    shares = np.zeros((len(cases), 1, *small), np.uint8)
    findings: list[Findings | None] = [None] * len(cases)
    with_mask = [(i, masks[case]) for i, case in enumerate(cases) if case in masks]
    for (i, _), measured in zip(with_mask, _in_threads(lambda item: _measured(item[1], atlas, affine), with_mask), strict=True):
        findings[i], shares[i, 0] = measured
    drawn = np.zeros((len(cases), len(PANELS), HEIGHT, HEIGHT), np.uint8)
    with_picture = [(i, pictures[case]) for i, case in enumerate(cases) if case in masks and case in pictures]
    for (i, _), picture in zip(with_picture, _in_threads(lambda item: read_picture(item[1]), with_picture), strict=True):
        drawn[i] = picture
    scanners = [read_scanner(sources.path(f"{OPENNEURO}{case}/anat/{case}_FLAIR.json")) for case in cases]
    return SoopFiles(
        case_ids=np.array(cases, dtype=np.str_),
        table=participants.reindex(cases).reset_index(drop=True),
        scanners=np.array([model for model, _ in scanners], dtype=np.str_),
        tesla=np.array([tesla for _, tesla in scanners]),
        findings=tuple(findings),
        masks=shares,
        pictures=drawn,
        has_table=filled.reindex(cases, fill_value=False).to_numpy(dtype=bool),
        has_mask=np.array([case in masks for case in cases]),
        has_picture=np.array([case in masks and case in pictures for case in cases]),
        atlas=atlas,
    )


def read_participants(path: Path) -> pd.DataFrame:
    """`participants.tsv` by participant: numbers as float64, sex and race as categories, NaN for `n/a`.

    Rows in messages are lines of the file, the header being row 1.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"soop: {path.name} cannot be read ({error}): fetch it again") from error
    for column in COLUMNS:
        if not rows or column not in rows[0]:
            raise DataError(f"soop: {path.name} has no column '{column}': expected {', '.join(COLUMNS)}")
    seen: set[str] = set()
    columns: dict[str, list[float] | list[str | None]] = {}
    for number, row in enumerate(rows, 2):
        if row["participant_id"] in seen:
            raise DataError(f"soop: {path.name}, row {number}: participant '{row['participant_id']}' occurs a second time")
        seen.add(row["participant_id"])
    for column in NUMBERS:
        columns[column] = [_number(row[column], column, f"soop: {path.name}, row {i}") for i, row in enumerate(rows, 2)]
    for column in (*CATEGORIES, "acuteischaemicstroke", "etiology"):
        columns[column] = [None if row[column] in ("n/a", "", None) else row[column] for row in rows]
    frame = pd.DataFrame(columns, index=[row["participant_id"] for row in rows])
    return frame.astype({column: "category" for column in CATEGORIES})


def _number(text: str | None, column: str, where: str) -> float:
    if text in ("n/a", ""):
        return float("nan")
    if column == "age" and text == "89+":
        return 89.0
    low, high = NUMBERS[column]
    expected = EXPECTED.get(column, f"a number from {low} to {high}, or n/a")
    try:
        value = float(text or "")
    except ValueError:
        raise DataError(f"{where}: {column} '{text}' is not a number (expected {expected})") from None
    if not low <= value <= high:
        raise DataError(f"{where}: {column} '{text}' lies outside {low} to {high} (expected {expected})")
    return value


def read_atlas(sources: Sources) -> tuple[Atlas, NDArray[np.float64]]:
    """The arterial atlas at 1 mm, and the affine that the masks share with it.

    Lines of its text are `index|abbreviation|name|group`; the abbreviations repeat the left one for some right territories.
    """
    text = sources.path(f"{DEMO}NIfTI/ArterialAtlas136.txt")
    lines = [line.split("|") for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = []
    for number, line in enumerate(lines, 1):
        if len(line) != 4 or line[0] != str(number):
            raise DataError(f"soop: {text.name}, row {number}: '{'|'.join(line)}' is not '{number}|abbreviation|name|group'")
        names.append(_readable(line[2]))
    image, labels = _load(sources.path(f"{DEMO}NIfTI/ArterialAtlas136.nii.gz"))
    if labels.min() < 0 or labels.max() > len(names):
        raise DataError(
            f"soop: ArterialAtlas136.nii.gz has labels {labels.min()} to {labels.max()}: expected 0 to {len(names)}"
        )
    voxel = float(voxel_sizes(image.affine)[0])
    return Atlas(np.ascontiguousarray(labels, dtype=np.uint8), tuple(names), voxel), np.asarray(image.affine)


def _readable(name: str) -> str:
    """The atlas's own name, its slips mended ('anteior', 'thalamoperfurators')."""
    return name.strip().replace("anteior", "anterior").replace("perfurators", "perforators")


def _measured(path: Path, atlas: Atlas, affine: NDArray[np.float64]) -> tuple[Findings, NDArray[np.uint8]]:
    """Findings of a lesion mask at 1 mm, and the mask at 4 mm."""
    image, mask = _load(path)
    shape = atlas.labels.shape
    if mask.shape != shape:
        raise DataError(f"soop: {path.name} has shape {mask.shape}: expected the atlas's {shape}")
    if not np.allclose(image.affine, affine, atol=1e-3):
        raise DataError(f"soop: {path.name} lies elsewhere than the atlas: its affine {image.affine.tolist()} differs")
    flat = mask.ravel(order="F")  # a view: NIfTI is stored so
    inside = np.flatnonzero(flat != 0)  # 9 times as fast as on bytes
    odd = np.unique(flat[inside][flat[inside] != 1])
    if odd.size:
        raise DataError(f"soop: {path.name} holds the values {odd[:5].tolist()}: expected a mask of 0 and 1")
    position = np.unravel_index(inside, shape, order="F")
    return measure_voxels(np.ravel_multi_index(position, shape), atlas), shrink(position, shape)


def shrink(position: Sequence[NDArray[np.intp]], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Lesion share of each block of 4x4x4 voxels in 255ths; position: three index arrays of the lesion's voxels.

    The grid is padded with zeros to a multiple of 4, half in front and the odd voxel behind: 157x189x136 becomes
    160x192x136 and so 40x48x34, with 1 voxel in front and 2 behind in x and y.
    """
    small = tuple(-(-length // BLOCK) for length in shape)
    front = [(blocks * BLOCK - length) // 2 for blocks, length in zip(small, shape, strict=True)]
    block = [(axis + before) // BLOCK for axis, before in zip(position, front, strict=True)]
    counts = np.bincount(np.ravel_multi_index(block, small), minlength=int(np.prod(small)))
    whole = BLOCK**3
    return ((counts * 255 + whole // 2) // whole).astype(np.uint8).reshape(small)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The axial, sagittal and coronal FLAIR slice of a picture, (3, 189, 189) grey, the first and last padded at the sides.

    The lesion is painted in red over the grey: (r, g, g) = (1 - a) grey + (255 a, 0, 0). So 255 a = r - g, and the grey is
    given back, to within rounding: the lesion's brightness is visible, its outline no longer is painted. A trace stays, since
    half as many grey values occur there: the picture still contains the mask for a model that looks for it.
    """
    try:
        with Image.open(path) as image:
            picture = np.asarray(image.convert("RGB"), dtype=np.float32)
    except (OSError, SyntaxError) as error:
        raise DataError(f"soop: {path.name} cannot be read as a picture ({error}): fetch it again") from error
    if picture.shape[:2] != (HEIGHT, WIDTH):
        raise DataError(f"soop: {path.name} has {picture.shape[1]}x{picture.shape[0]} pixels: expected {WIDTH}x{HEIGHT}")
    red, green = picture[:, : PANELS[-1].stop, 0], picture[:, : PANELS[-1].stop, 1]
    paint = np.clip(red - green, 0, 254)
    grey = np.clip(np.rint(green * 255 / (255 - paint)), 0, 255).astype(np.uint8)
    square = np.zeros((len(PANELS), HEIGHT, HEIGHT), np.uint8)
    for panel, columns in zip(square, PANELS, strict=True):
        width = columns.stop - columns.start
        left = (HEIGHT - width) // 2
        panel[:, left : left + width] = grey[:, columns]
    return square


def read_scanner(path: Path) -> tuple[str, float]:
    """The scanner's model and its field strength in tesla (NaN where it is missing) from the FLAIR sidecar."""
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
        return str(sidecar["ManufacturersModelName"]), float(sidecar.get("MagneticFieldStrength", "nan"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"soop: {path.name} names no ManufacturersModelName ({error!r}): fetch it again") from error


def _load(path: Path) -> tuple[nib.Nifti1Image, NDArray[np.generic]]:
    try:
        image = nib.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
        return image, np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError, WrapStructError) as error:
        raise DataError(f"soop: {path.name} cannot be read as NIfTI ({error}): fetch it again") from error


def _case(path: Path) -> str:
    match = re.search(r"sub-[^_]+", path.name)
    return match[0] if match else path.name


def _in_threads(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Two threads: decompressing and decoding whole files lets go of the interpreter."""
    with ThreadPool(2) as pool:
        return pool.map(work, items, chunksize=8)
