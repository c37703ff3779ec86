"""lgg: slices of brain MR of 110 people with a lower-grade glioma, the tumour in the slice or not; measured reports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmark import Cohort, DataError, ImageView, Sources, read_queries, register_dataset
from datasets._lgg_reports import HELD_OUT, TRAINING, Pixels, Seen, Wording, altered, head_of, measured, written
from datasets._row_ids import row_ids

SOURCE = "raw.githubusercontent.com/TruongVanHien194276/Brain_Segmentation_data/40bfc1f393feb039a3d3742ba9f536dc6d50d2b0/"
FOLDER, TABLE = f"{SOURCE}kaggle_3m/", f"{SOURCE}lgg-mri-segmentation/kaggle_3m/data.csv"
NAME = re.compile(r"(?P<patient>TCGA_(?P<institution>[A-Z]{2})_[A-Z0-9]{4})_\d{8}_(?P<slice>\d+)(?P<mask>_mask)?\.tif")
CHANNELS = ("t1", "flair", "t1-contrast")
FLAIR = CHANNELS.index("flair")
EDGE, SHOWN = 256, 96
"""Rows and columns of a slice of the source, and of a view."""


@register_dataset(
    "lgg",
    title="TCGA lower-grade glioma: tumour in the slice or not",
    source="LGG Segmentation Dataset (The Cancer Imaging Archive, TCGA-LGG), as Brain_Segmentation_data carries it",
    license="CC BY-NC-SA 4.0: not for commercial use",
    citation="Buda M, Saha A, Mazurowski MA. Association of genomic subtypes of lower-grade gliomas with shape features "
    "automatically extracted by a deep learning algorithm. Computers in Biology and Medicine 2019;109:218-225. "
    "doi:10.1016/j.compbiomed.2019.05.002",
    label="a pixel of the slice in the mask that a radiologist drew on FLAIR",
    label_time="at this MR: the tumour is there already",
    positive="tumour in the slice",
    negative="no tumour in the slice",
    site="institution of The Cancer Genome Atlas, by its code",
    inputs={
        "image": "an axial slice, 96 x 96 of 256 x 256, in the views flair, t1 and t1-contrast, as far as recorded",
        "text": "one report with Findings and Summary, written from the mask: side, third of the head, extent, parts, and the "
        "third of the scan that the slice lies in",
    },
    barred={
        "Patient": "the patient: no split parts the slices of one",
        "RNASeqCluster, MethylationCluster, miRNACluster, CNCluster, RPPACluster, OncosignCluster, COCCluster": "clusters of "
        "the tumour's genome: of a patient who has the tumour, and the same in all slices",
        "histological_type, neoplasm_histologic_grade, tumor_tissue_site, laterality, tumor_location": "of the tumour itself",
        "gender, race, ethnicity, age_at_initial_pathologic, death01": "of the patient, the same in all slices: they cannot "
        "tell one from another",
    },
    scope="Detection in a slice, not prognosis. Everybody here has a glioma: a slice without a tumour is one beside it, from "
    "the same scanners and patients, and no healthy person is seen. The mask is the source of label and reports and never an "
    "input; the reports are measured text, no radiologist wrote them. Left and right are the patient's: the picture's right is "
    "on the side that the table codes 1. 32 slices, none with a tumour, lack FLAIR: they lie at the ends of a scan.",
    modalities={"image", "text"},
    cases=3929,
    sites=5,
)
@dataclass(frozen=True)
class LowerGradeGlioma:
    """3,929 slices of 110 patients, 1,373 of them with a tumour."""

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        ages = read_ages(sources)
        slices = [item for scan in _scans(sources).values() for item in _slices(scan)]
        ids, seen = row_ids("lgg", range(1, len(slices) + 1)), [item.seen for item in slices]
        patients = np.array([item.patient for item in slices])
        tumour = np.array([item.tumour is not None for item in seen]).astype(np.int8)
        pixels = np.stack([item.pixels for item in slices])
        recorded = np.asarray(pixels.any(axis=(2, 3)))
        wrong = altered(seen, ids.tolist(), patients.tolist())
        reports = {
            **{kind: _reports(told, ids, kind) for kind, told in wrong.items()},
            "held-out-wording": _reports(seen, ids, wording=HELD_OUT),
            "held-out-wording-exchanged": _reports(wrong["exchanged"], ids, "exchanged", HELD_OUT),
        }
        return Cohort(
            name="lgg",
            case_ids=ids,
            labels=tumour,
            sites=np.array([item.institution for item in slices]),
            groups=patients,
            findings=pd.DataFrame({"tumour": tumour}),
            queries=read_queries("lgg"),
            reports=_reports(seen, ids),
            report_sets=reports,
            images={name: ImageView(pixels[:, [channel]], scale=1 / 255) for channel, name in enumerate(CHANNELS)},
            present=dict(zip(CHANNELS, recorded.T, strict=True)),
            strata=pd.DataFrame({"age": [ages[patient] for patient in patients]}, dtype=np.float64),
            encoders={"text": "minilm"},
        )


@dataclass(frozen=True)
class _Slice:
    """A slice: whose it is, where it was taken, what its report states, and its views (3, 96, 96), zero where missing."""

    patient: str
    institution: str
    seen: Seen
    pixels: Pixels


def _reports(
    seen: Sequence[Seen | None], ids: NDArray[np.str_], kind: str = "", wording: Wording = TRAINING
) -> tuple[tuple[str, ...], ...]:
    """One draft for each case, none where there is nothing to state; an exchanged one has words of its own."""
    keys = [f"{case}|{kind}" if kind == "exchanged" else str(case) for case in ids]
    return tuple(() if item is None else (written(item, key, wording),) for item, key in zip(seen, keys, strict=True))


def _scans(sources: Sources) -> Mapping[str, list[Path]]:
    """Folder of a scan -> its slices from below to above, each of which has a mask."""
    found: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in sources.matching(FOLDER, ".tif"):
        name = NAME.fullmatch(path.name)
        if name is None:
            raise DataError(f"lgg: {path.name} is not named TCGA_XX_XXXX_00000000_0.tif, nor with _mask")
        if not name["mask"]:
            found[path.parent.name][int(name["slice"])] = path
    return {scan: [of_scan[number] for number in sorted(of_scan)] for scan, of_scan in sorted(found.items())}


def _slices(paths: Sequence[Path]) -> Iterator[_Slice]:
    """The slices of a scan, from below to above."""
    pictures = [read_picture(path) for path in paths]
    masks = [read_mask(path.with_name(f"{path.stem}_mask.tif")) for path in paths]
    head = head_of([picture[..., FLAIR] for picture in pictures])
    for place, (path, picture, mask) in enumerate(zip(paths, pictures, masks, strict=True)):
        name = NAME.fullmatch(path.name)
        assert name is not None
        seen = Seen(3 * place // len(paths), measured(mask, head))
        yield _Slice(name["patient"], name["institution"], seen, views_of(picture))


def views_of(picture: Pixels) -> Pixels:
    """The views (3, 96, 96) of a picture (256, 256, 3): averages over the larger pixels; zero where one copies FLAIR, or where
    nothing is to be seen.
    """
    flair = picture[..., FLAIR]
    views = np.zeros((len(CHANNELS), SHOWN, SHOWN), np.uint8)
    for channel in range(len(CHANNELS)):
        if channel == FLAIR or not np.array_equal(picture[..., channel], flair):
            shown = np.asarray(Image.fromarray(picture[..., channel]).resize((SHOWN, SHOWN), Image.Resampling.BOX))
            views[channel] = shown if np.ptp(shown) else 0
    return views


def read_picture(path: Path) -> Pixels:
    """A slice, (256, 256, 3): T1, FLAIR, T1 after contrast."""
    return _pixels(path, (EDGE, EDGE, len(CHANNELS)))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A mask, (256, 256)."""
    pixels = _pixels(path, (EDGE, EDGE))
    if not np.isin(pixels, (0, 255)).all():
        raise DataError(f"lgg: {path.name} holds other values than 0 and 255: fetch it again")
    return pixels > 0


def _pixels(path: Path, shape: tuple[int, ...]) -> Pixels:
    """The pixels of a file as bytes."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"lgg: {path.name} cannot be read ({error}): fetch it again") from error
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise DataError(f"lgg: {path.name} is {pixels.dtype} of shape {pixels.shape}: expected bytes of shape {shape}")
    return pixels


def read_ages(sources: Sources) -> Mapping[str, float]:
    """Patient -> age in years, NaN where unknown."""
    path = sources.path(TABLE)
    try:
        ages = pd.read_csv(path, sep=";").set_index("Patient")["age_at_initial_pathologic"].astype(np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"lgg: {path.name} cannot be read ({error}): fetch it again") from error
    return defaultdict(lambda: float("nan"), zip(ages.index.astype(str), ages.tolist(), strict=True))
