"""Some of the cases of the Stroke Outcome Optimization Project as a cohort: what its two datasets share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark import LESION_VOLUME, Cohort, ImageView, Slice
from benchmark.data.modalities.text import TOPICS, Reports
from benchmark.learning.writers.measurement import write_reports, write_topics
from datasets._soop_files import SoopFiles

WORDS = {"sex": {"F": "female", "M": "male"}, "race": {"b": "Black or African American", "w": "White"}}
"""What the codes of the table mean, as `subgroups` shows them."""


def _plane(*millimetres: tuple[float, float, float]) -> Slice:
    """A slice in millimetres of a volume of 160 x 192 x 136: a grid of 157 x 189 x 136, padded 1 mm in front in x and y."""
    return Slice(*((x / 160, y / 192, z / 136) for x, y, z in millimetres))


SLICES = (
    _plane((173.5, 189.5, 68.5), (0, -1, 0), (-1, 0, 0)),
    _plane((118.5, 1.5, 188.5), (0, 0, -1), (0, 1, 0)),
    _plane((173.5, 95.5, 188.5), (0, 0, -1), (-1, 0, 0)),
)
"""Axial z = 68, sagittal x = 117 and coronal y = 94, counted from 0 on the 1 mm grid (docs/decisions.md).

Axis x runs to the left, so that the axial and the coronal picture are seen from the patient's feet and face.
"""


def soop_cohort(
    files: SoopFiles,
    label: str,
    good: NDArray[np.bool_],
    columns: Sequence[str],
    *,
    complete: bool,
) -> Cohort:
    """The cases with a value of the column `label`; `good` (n,) says which of all cases would be labelled 1.

    The table has the given columns. With `complete` only cases with mask, slices and table are taken; without, all that have a
    table. The pool is every other case with a mask and without that value.
    """
    known = files.table[label].notna().to_numpy()
    labelled = known & (files.has_picture & files.has_mask if complete else files.has_table)
    chosen, rest = np.flatnonzero(labelled), np.flatnonzero(files.has_mask & ~known)
    made_of = {label, "gs_rankin_6isdeath"}
    return replace(
        _view(files, chosen, columns, made_of),
        labels=good[chosen].astype(np.int8),
        pool=_view(files, rest, columns, made_of),
    )


def _view(files: SoopFiles, index: NDArray[np.intp], columns: Sequence[str], made_of: Collection[str]) -> Cohort:
    """The cases at `index` without labels."""
    ids = files.case_ids[index]
    findings = [files.findings[i] for i in index]
    measured = [i for i, case in enumerate(findings) if case is not None]
    derived = pd.DataFrame(
        [{} if case is None else {LESION_VOLUME: case.volume_ml, **case.territories} for case in findings],
        columns=[LESION_VOLUME, *files.atlas.names],
        dtype=np.float64,
    )
    written_of = ([str(ids[i]) for i in measured], [f for f in findings if f is not None])

    def written(write: Callable[..., Reports]) -> Reports:
        drafts = dict(zip(measured, write(*written_of, label_made_of=made_of), strict=True))
        return tuple(drafts.get(i, ()) for i in range(len(ids)))

    table = files.table.loc[index].reset_index(drop=True)
    return Cohort(
        name="soop",
        case_ids=ids,
        sites=files.scanners[index],
        groups=ids,
        table=table[list(columns)],
        reports=written(write_reports),
        report_sets={TOPICS: written(write_topics)},
        images={
            "mask": ImageView(files.masks, index, 1 / 255, axes="LAS"),
            "flair": ImageView(files.pictures, index, 1 / 255, slices=SLICES),
        },
        derived=derived,
        strata=pd.DataFrame(
            {
                "age": table["age"],
                **{name: table[name].map(words) for name, words in WORDS.items()},
                "field_strength": files.tesla[index],
                "image": np.where(files.has_mask[index], "yes", "no"),
            }
        ),
        present={
            "table": files.has_table[index],
            "image": files.has_mask[index],
            "text": files.has_mask[index],
            "mask": files.has_mask[index],
            "flair": files.has_picture[index],
        },
        atlas=files.atlas,
        encoders={"image": "territories", "text": "minilm"},
    )
