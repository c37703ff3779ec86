"""soop-volumes: the patients of `soop` with their whole FLAIR, TRACE and ADC volumes, where the user has OpenNeuro's files.

No volume of it is on the machines that test this project: the loader is tested on a made tree of the same shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import LESION_VOLUME, Cohort, DataError, ImageView, Sources, register_dataset
from benchmark.data.folder.description import Images
from benchmark.data.folder.volumes import read_images
from benchmark.data.remarks import Remarks
from benchmark.system.errors import NotFetchedError
from benchmark.system.locations import data_folder

VIEWS = {
    "flair": "{case}/anat/{case}_FLAIR.nii.gz",
    "trace": "{case}/dwi/{case}_rec-TRACE_dwi.nii.gz",
    "adc": "{case}/dwi/{case}_rec-ADC_dwi.nii.gz",
    "mask": "derivatives/lesion_masks/{case}/dwi/{case}_space-TRACE_desc-lesion_mask.nii.gz",
}
NUMBERS, WORDS, OUTCOME = ("age", "bmi", "nihss", "priorstroke"), ("sex", "race"), "gs_rankin_6isdeath"


@register_dataset(
    "soop-volumes",
    title="Stroke Outcome Optimization Project: whole volumes, disability at discharge",
    source="OpenNeuro ds004889 v1.1.2 (doi:10.18112/openneuro.ds004889.v1.1.2), the user's own download (72 GB)",
    license="CC0-1.0",
    citation="Absher J, Goncher S, Newman-Norlund R, et al. The stroke outcome optimization project: acute ischemic strokes "
    "from a comprehensive stroke center. Scientific Data 2024;11:839. doi:10.1038/s41597-024-03667-5",
    label="modified Rankin Scale (gs_rankin_6isdeath) of 0-2; patients without it are in the pool",
    label_time="hospital discharge (not 90 days, as is sometimes said of this column)",
    positive="good outcome: mRS 0-2 at discharge",
    negative="poor outcome: mRS 3-6 at discharge",
    site="not told by the files",
    inputs={
        "table": "age (89+ read as 89), body mass index, prior stroke, sex, race, NIHSS (the source does not say when it was "
        "taken)",
        "image": "FLAIR, TRACE and ADC volumes and an expert's lesion mask, at 4 mm, in the scanner's space",
    },
    barred={
        "etiology": "TOAST class, decided after the work-up: not known at admission",
        "gs_rankin_6isdeath": "the label is made of it",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="Raw volumes of one centre group, nothing registered, label at discharge. The lesion mask is an expert's.",
    modalities={"table", "image"},
)
@dataclass(frozen=True)
class SoopVolumes:
    """The patients with a table and all four volumes."""

    place = "ds004889/participants.tsv"

    def files(self) -> list[Path]:
        """The table and the volumes. Raises `NotFetchedError` where the download is not there."""
        place, cases = _cases()
        return [place / "participants.tsv", *(path for found in cases.values() for path in found.values())]

    def build(self, sources: Sources) -> Cohort:
        """Read the tree. Raises `DataError` where a file is not as expected."""
        place, cases = _cases()
        rows = pd.read_csv(place / "participants.tsv", sep="\t", dtype=str, na_values=["n/a"]).set_index("participant_id")
        rows = rows.loc[[case for case in cases if case in rows.index]].dropna(subset=list(NUMBERS[:1]))
        lacking = sorted({*NUMBERS, *WORDS, OUTCOME} - {*rows.columns})
        if lacking:
            raise DataError(f"soop-volumes: participants.tsv has no column {', '.join(lacking)}")
        ids = [str(case) for case in rows.index]
        table = rows[list(NUMBERS)].replace({"89+": "89"}).astype(np.float64).join(rows[list(WORDS)].astype("category"))
        files = {view: {row: cases[case][view] for row, case in enumerate(ids)} for view in VIEWS}
        remarks = Remarks(case_ids=np.array(ids, dtype=object))
        arrays, lesion_ml = read_images(ids, files, Images(views=VIEWS), remarks)
        if problems := remarks.refused():
            raise DataError("\n".join(f"soop-volumes: {problem}" for problem in problems))
        assert lesion_ml is not None
        score = rows[OUTCOME].astype(np.float64).to_numpy()

        def view(index: np.ndarray) -> Cohort:
            return Cohort(
                name="soop-volumes",
                case_ids=np.array(ids)[index],
                groups=np.array(ids)[index],
                table=table.iloc[index],
                images={name: ImageView(arrays[name], index, 1 / 255 if name == "mask" else 1.0) for name in VIEWS},
                derived=pd.DataFrame({LESION_VOLUME: lesion_ml[index]}),
                strata=table.iloc[index][["age", "sex"]],
                encoders={"image": "lesion-grid"},
            )

        known = np.isfinite(score)
        pool = view(np.flatnonzero(~known)) if (~known).any() else None
        return replace(view(np.flatnonzero(known)), labels=(score[known] <= 2).astype(np.int8), pool=pool)


def _cases() -> tuple[Path, dict[str, dict[str, Path]]]:
    """Where the download lies, and each patient's files by view, of those who have all. Raises `NotFetchedError` without it."""
    table = data_folder() / "sources" / SoopVolumes.place
    place = table.parent
    if not table.is_file():
        raise NotFetchedError(f"soop-volumes: {table} is not there: put OpenNeuro's ds004889 there (72 GB)")
    cases = {}
    for folder in sorted(place.glob("sub-*")):
        files = {view: place / pattern.replace("{case}", folder.name) for view, pattern in VIEWS.items()}
        if all(path.is_file() for path in files.values()):
            cases[folder.name] = files
    if not cases:
        raise DataError(f"soop-volumes: {place}: no patient has FLAIR, TRACE, ADC and a lesion mask")
    return place, cases
