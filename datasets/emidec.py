"""emidec: late-enhancement cardiac MR and risk factors of 100 patients; myocardial infarction seen on the MR."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmark import Cohort, DataError, ImageView, Sources, register_dataset
from datasets._row_ids import row_ids

TABLE = (
    "raw.githubusercontent.com/EMIDEC-Challenge/MI-prediction-from-patient-features/2598b3ddf078e07cd434c7a55236e6cdc640058e/"
    "template_train_sample.csv"
)
SLICES = (
    "raw.githubusercontent.com/irehmanar/LV_Segmentation_MRI_Dataset_EMIDEC/0f9b8a60a3bdc3cbb54f70f312a73e0911a530c7/dataset/"
)
NAME = re.compile(r"Case_([NP])(\d{3})_slice(\d{3})\.png")
RISK_FACTORS = {
    **{"sex": (0, 1), "age": (0, 120), "tobacco": (0, 2), "overweight": (0, 1), "hypertension": (0, 1), "diabetes": (0, 1)},
    "familial_disease": (0, 1),
}
CONSEQUENCES = {"ECG": (0, 1), "troponin": (0, 1e4), "killip": (1, 4), "FEVG": (0, 100), "NTP": (0, 1e6)}
"""Column -> the range of its values."""
SAME_HEART = {72: 59}
"""Case -> another with the same first slice, nearly the same others and the same volumes, under another row of the table."""
SHAPE = (8, 96, 96)
"""Slices, rows and columns of a volume."""
EDGE = 256
"""Rows and columns of a slice of the source."""


@register_dataset(
    "emidec",
    title="EMIDEC: myocardial infarction on late-enhancement cardiac MR",
    source="EMIDEC training set: slices by LV_Segmentation_MRI_Dataset_EMIDEC, table by MI-prediction-from-patient-features",
    license="CC BY-NC-SA 4.0: not for commercial use",
    citation="Lalande A, Chen Z, Decourselle T, et al. Emidec: a database usable for the automatic evaluation of myocardial "
    "infarction from delayed-enhancement cardiac MRI. Data 2020;5:89. doi:10.3390/data5040089",
    label="an infarct drawn by the experts on this MR (inf above 0)",
    label_time="on the day of the MR: the infarct is there already",
    positive="myocardial infarction",
    negative="no infarct on the MR",
    site="hospital (there is one: Dijon)",
    inputs={
        "table": "seven risk factors: sex, age, tobacco, overweight, hypertension, diabetes, familial disease",
        "image": "4 to 10 short-axis slices of late enhancement, resampled to 8 x 96 x 96",
    },
    barred={
        "case": "the number of the patient",
        "myo, inf, pmo": "volumes measured on the experts' masks: the label is made of them",
        "ECG": "ST elevation: a consequence of the infarct",
        "troponin": "a consequence of the infarct",
        "killip": "heart failure: a consequence of the infarct",
        "FEVG": "ejection fraction: a consequence of the infarct",
        "NTP": "NT-proBNP: a consequence of the infarct",
    },
    scope="Late enhancement shows the infarct itself: this is detection, not prognosis, and a heart, not a brain. The experts' "
    "masks are used for nothing. 100 patients of one hospital, all of whom came as emergencies: intervals are wide. Two cases "
    "show one heart, under two rows of the table: no split parts them.",
    modalities={"table", "image"},
    cases=100,
    sites=1,
    descriptive="33 patients without an infarct, and fewer than 50 of a class say too little for a test",
    variants={
        "columns=all": {
            "inputs": {
                "table": "seven risk factors (sex, age, tobacco, overweight, hypertension, diabetes, familial disease), and "
                "five consequences of the infarct (ST elevation, troponin, Killip class, ejection fraction, NT-proBNP)",
                "image": "4 to 10 short-axis slices of late enhancement, resampled to 8 x 96 x 96",
            },
            "barred": {
                "case": "the number of the patient",
                "myo, inf, pmo": "volumes measured on the experts' masks: the label is made of them",
            },
            "scope": "The table holds consequences of the infarct, and late enhancement shows the infarct itself: this is "
            "detection, not prognosis, and a heart, not a brain. The experts' masks are used for nothing. 100 patients of one "
            "hospital, all of whom came as emergencies: intervals are wide. Two cases show one heart, under two rows of the "
            "table: no split parts them.",
        }
    },
)
@dataclass(frozen=True)
class Emidec:
    """100 patients, 67 with an infarct.

    columns : "risk" for the seven risk factors, "all" for the five consequences of the infarct as well.
    """

    columns: str = "risk"

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        if self.columns not in ("risk", "all"):
            raise DataError(f"emidec: columns={self.columns}: give 'risk' or 'all'")
        frame = read_table(sources.path(TABLE))
        slices = _slices(sources.matching(SLICES, ".png"))
        infarct = (frame["inf"] > 0).to_numpy(dtype=np.bool_)
        volumes = []
        for case, label in zip(map(int, frame["case"]), infarct.tolist(), strict=True):
            if (case, label) not in slices:
                raise DataError(
                    f"emidec: case {case} has no slices named Case_{'P' if label else 'N'}{case:03d}: fetch it again"
                )
            volumes.append(resampled([read_slice(path) for path in slices[case, label]]))
        ids = row_ids("emidec", frame["case"])
        chosen = [*RISK_FACTORS, *(CONSEQUENCES if self.columns == "all" else ())]
        return Cohort(
            name="emidec",
            case_ids=ids,
            labels=infarct.astype(np.int8),
            sites=np.full(len(ids), "Dijon"),
            groups=row_ids("emidec", frame["case"].replace(SAME_HEART)),
            table=frame[chosen].astype(np.float64),
            images={"late-enhancement": ImageView(np.stack(volumes)[:, None], scale=1 / 255)},
            strata=frame[["age"]].astype(np.float64),
        )


def read_table(path: Path) -> pd.DataFrame:
    """The table's rows in its order, one per patient; no value is missing. In messages the header is row 1."""
    ranges: Mapping[str, tuple[float, float]] = {"case": (1, 999), "inf": (0, 1e4), **RISK_FACTORS, **CONSEQUENCES}
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"emidec: {path.name} cannot be read ({error}): fetch it again") from error
    for column, (low, high) in ranges.items():
        if column not in frame:
            raise DataError(f"emidec: {path.name} has no column '{column}': expected {', '.join(ranges)}")
        outside = ~pd.to_numeric(frame[column], errors="coerce").between(low, high)
        if outside.any():
            row = int(outside.to_numpy().argmax())
            raise DataError(
                f"emidec: {path.name}, row {row + 2}: {column} '{frame[column][row]}' is no number from {low:g} to {high:g}"
            )
    return frame


def _slices(paths: Iterable[Path]) -> dict[tuple[int, bool], list[Path]]:
    """(case, whether its name says infarct) -> its slices in order."""
    found: dict[tuple[int, bool], dict[int, Path]] = {}
    for path in paths:
        name = NAME.fullmatch(path.name)
        if name is None:
            raise DataError(f"emidec: {path.name} is not named Case_N000_slice000.png or Case_P000_slice000.png")
        found.setdefault((int(name[2]), name[1] == "P"), {})[int(name[3])] = path
    return {case: [of_case[number] for number in sorted(of_case)] for case, of_case in found.items()}


def read_slice(path: Path) -> NDArray[np.uint8]:
    """A slice, (256, 256) grey."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"emidec: {path.name} cannot be read ({error}): fetch it again") from error
    if pixels.shape != (EDGE, EDGE) or pixels.dtype != np.uint8:
        raise DataError(
            f"emidec: {path.name} is {pixels.dtype} of shape {pixels.shape}: expected a grey picture of {EDGE} x {EDGE}"
        )
    return pixels


def resampled(slices: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A volume (8, 96, 96) of a patient's slices.

    Pixels are averaged over the area of the larger ones. The eight slices lie at equal steps from the first slice of the
    source to the last, interpolated linearly between the two beside them: the distance of slices is not in the source.
    """
    small = [Image.fromarray(pixels).resize(SHAPE[:0:-1], Image.Resampling.BOX) for pixels in slices]
    stack = np.stack([np.asarray(picture, dtype=np.float64) for picture in small])
    place = np.linspace(0, len(stack) - 1, SHAPE[0])
    below = np.minimum(place.astype(np.intp), max(len(stack) - 2, 0))
    above, share = np.minimum(below + 1, len(stack) - 1), (place - below)[:, None, None]
    return np.asarray(np.rint(stack[below] * (1 - share) + stack[above] * share), dtype=np.uint8)
