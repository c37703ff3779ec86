"""isles24: CT on arrival of stroke patients with a vessel occlusion, where the user has the challenge's files; mRS at 90 days.

No file of it is on the machines that test this project: the loader is tested on a made tree of the same shape.
"""

from __future__ import annotations

from collections.abc import Iterator
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

OUTCOME = "mRS 3 months"
LATER = ("nihss 24h", "nihss discharge", "mrs 24h", "mrs discharge", "mrs 3 months", "tici postinterventional")
MISSING = frozenset({"", "nan", "n/a", "none"})
SUFFIXES = (".csv", ".xlsx")
"""Of the phenotype files, in the order in which they are looked for: a later release has Excel."""


@register_dataset(
    "isles24",
    title="ISLES 2024: disability at 90 days after a vessel occlusion",
    source="ISLES 2024 challenge, training data (the user's own download; 149 public cases of two centres)",
    license="CC BY-NC-SA 4.0: not for commercial use",
    citation="Riedel EO, de la Rosa E, Baran TA, et al. ISLES 2024: the first longitudinal multimodal multi-center real-world "
    "dataset in (sub-)acute stroke. arXiv 2408.11142",
    label="modified Rankin Scale of 0-2 (mRS 3 months); patients without it are in the pool",
    label_time="90 days",
    positive="good outcome: mRS 0-2 at 90 days",
    negative="poor outcome: mRS 3-6 at 90 days",
    site="not told by the files",
    inputs={
        "table": "what the baseline file has of each patient, columns that are empty in all patients left out",
        "image": "non-contrast CT on arrival, at 4 mm (view `ncct`)",
    },
    barred={
        "mRS 3 months": "the label is made of it",
        "NIHSS 24h, NIHSS discharge, mRS 24h, mRS discharge": "known only later",
        "TICI postinterventional": "the result of the treatment",
    },
    scope="Patients who were treated for a vessel occlusion in two centres. The lesion was drawn on MR of days later: with "
    "`lesion=yes` it is a view, and such rows are no prognosis at admission.",
    modalities={"table", "image"},
    variants={"lesion=yes": {"descriptive": "the lesion mask was drawn on images of days after admission"}},
)
@dataclass(frozen=True)
class Isles24:
    """The patients whose phenotype and CT are there.

    lesion : "yes" adds the lesion mask of the follow-up MR.
    """

    place = "isles24/train/phenotype"

    lesion: str = "no"

    def files(self) -> list[Path]:
        """All files that are read. Raises `NotFetchedError` where the folder is not there."""
        return [path for subject in _subjects() for path in (*_phenotypes(subject), *_images(subject).values())]

    def build(self, sources: Sources) -> Cohort:
        """Read the tree. Raises `DataError` where a file is not as expected."""
        if self.lesion not in ("yes", "no"):
            raise DataError(f"isles24: lesion={self.lesion}: give 'yes' or 'no'")
        subjects = [subject for subject in _subjects() if "ncct" in _images(subject)]
        rows = pd.DataFrame([_row(subject) for subject in subjects], index=[subject.name for subject in subjects])
        names = {str(name).strip().casefold(): name for name in rows}
        if OUTCOME.casefold() not in names:
            raise DataError(f"isles24: no phenotype file has a column '{OUTCOME}'")
        score = pd.to_numeric(rows[names[OUTCOME.casefold()]], errors="coerce")
        table = rows[[column for column in rows if str(column).strip().casefold() not in LATER]]
        table = table.dropna(axis="columns", how="all").apply(_read)
        views = ["ncct", *(["mask"] if self.lesion == "yes" else [])]
        files = {
            view: {row: found[view] for row, subject in enumerate(subjects) if view in (found := _images(subject))}
            for view in views
        }
        remarks = Remarks(case_ids=np.array([subject.name for subject in subjects], dtype=object))
        arrays, lesion_ml = read_images(list(rows.index), files, Images(views=dict.fromkeys(views, "")), remarks)
        if problems := remarks.refused():
            raise DataError("\n".join(f"isles24: {problem}" for problem in problems))

        def view(index: np.ndarray) -> Cohort:
            there = {name: np.isin(index, [*files[name]]) for name in views}
            return Cohort(
                name="isles24",
                case_ids=rows.index.to_numpy(dtype=np.str_)[index],
                groups=rows.index.to_numpy(dtype=np.str_)[index],
                table=table.iloc[index],
                images={name: ImageView(arrays[name], index, 1 / 255 if name == "mask" else 1.0) for name in views},
                derived=None if lesion_ml is None else pd.DataFrame({LESION_VOLUME: lesion_ml[index]}),
                present={name: flags for name, flags in there.items() if not flags.all()},
                encoders={"image": "lesion-grid" if "mask" in views else "scan-grid"},
            )

        known = score.notna().to_numpy()
        pool = view(np.flatnonzero(~known)) if (~known).any() else None
        labels = (score[known] <= 2).to_numpy().astype(np.int8)
        return replace(view(np.flatnonzero(known)), labels=labels, pool=pool)


def _subjects() -> list[Path]:
    """The patients' phenotype folders, by name. Raises `NotFetchedError` where there are none."""
    place = data_folder() / "sources" / Isles24.place
    found = sorted(path for path in place.glob("sub-*") if path.is_dir())
    if not found:
        raise NotFetchedError(f"isles24: {place} has no patient: put the challenge's training data there (99 GB, CC BY-NC-SA)")
    return found


def _phenotypes(subject: Path) -> list[Path]:
    """The baseline and the outcome file. Raises `DataError` where one is not there."""
    files = []
    for session, kind in (("ses-01", "demographic_baseline"), ("ses-02", "outcome")):
        found = [path for suffix in SUFFIXES for path in sorted((subject / session).glob(f"*_{kind}{suffix}"))]
        if not found:
            raise DataError(f"isles24: {subject.name}: no file {session}/*_{kind}.csv or .xlsx")
        files.append(found[0])
    return files


def _row(subject: Path) -> dict[str, object]:
    """What both files say of a patient, missing values as None."""
    values: dict[str, object] = {}
    for path in _phenotypes(subject):
        frame = pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_excel(path, dtype=str)
        if len(frame) != 1:
            raise DataError(f"isles24: {path.name}: has {len(frame)} rows, and one is expected")
        values |= dict(_known(frame))
    return values


def _known(frame: pd.DataFrame) -> Iterator[tuple[str, object]]:
    for name, value in frame.iloc[0].items():
        if not str(name).startswith("Unnamed: "):
            yield str(name).strip(), None if pd.isna(value) or str(value).strip().casefold() in MISSING else str(value).strip()


def _read(column: pd.Series) -> pd.Series:
    """Numbers where every value is one, else words."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().equals(column.notna()) else column


def _images(subject: Path) -> dict[str, Path]:
    """View -> its file: CT on arrival, and the lesion of the follow-up in the CT's space."""
    place = subject.parents[1]
    patterns = {
        "ncct": place / "raw_data" / subject.name / "ses-01",
        "mask": place / "derivatives" / subject.name / "ses-02",
    }
    suffixes = {"ncct": "*_ncct.nii.gz", "mask": "*_space-ncct_lesion-msk.nii.gz"}
    return {view: found[0] for view, folder in patterns.items() if (found := sorted(folder.rglob(suffixes[view])))}
