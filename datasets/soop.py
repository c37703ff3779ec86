"""soop: real stroke patients with lesion mask, FLAIR slices, clinical table and text by measurement; outcome at discharge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cohort import LESION_VOLUME, Cohort, ImageView
from benchmark.registry import register_dataset
from benchmark.sources import Sources
from datasets._soop_files import SoopFiles, read_files
from datasets.reports.measurement import write_reports

INPUTS = ("age", "bmi", "nihss", "priorstroke", "sex", "race")


@register_dataset(
    "soop",
    title="Stroke Outcome Optimization Project: disability at discharge",
    source="OpenNeuro ds004889 v1.1.2 (doi:10.18112/openneuro.ds004889.v1.1.2) and its StrokeOutcomeOptimizationProjectDemo",
    license="CC0-1.0 (participants, sidecars), BSD-2-Clause (masks, atlas, pictures)",
    citation="Absher J, Goncher S, Newman-Norlund R, et al. The stroke outcome optimization project: acute ischemic strokes "
    "from a comprehensive stroke center. Scientific Data 2024;11:839. doi:10.1038/s41597-024-03667-5",
    label="modified Rankin Scale (gs_rankin_6isdeath) of 0-2; patients without it are in the pool: it is missing more often in "
    "mild strokes (56 % at NIHSS 0, 30 % above), so not at random",
    label_time="hospital discharge (not 90 days, as is sometimes said of this column)",
    positive="good outcome: mRS 0-2 at discharge",
    negative="poor outcome: mRS 3-6 at discharge",
    site="scanner model",
    inputs={
        "table": "age (89+ read as 89), body mass index, prior stroke, sex, race, NIHSS (the source does not say when it was "
        "taken)",
        "image": "expert's lesion mask in MNI space (4 mm), three FLAIR slices, lesion volume and damaged share of 32 arterial "
        "territories at 1 mm",
        "text": "drafts written from the mask by measurement; NIHSS is not spoken of",
    },
    barred={
        "etiology": "TOAST class, decided after the work-up: not known at admission",
        "gs_rankin_6isdeath": "the label is made of it",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="The image is an expert's lesion mask and FLAIR slices in three fixed planes, whose red lesion tint is taken out but "
    "for traces; the text is computed from the mask; one centre group, label at discharge.",
    modalities={"table", "image", "text"},
    cases=618,
    sites=4,
)
@dataclass(frozen=True)
class Soop:
    """618 patients with a Rankin score, 297 of them good; 831 further masks are the pool, 326 of these with table and FLAIR."""

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        files = read_files(sources)
        rankin = files.table["gs_rankin_6isdeath"].to_numpy()
        labelled = ~np.isnan(rankin) & files.has_picture
        pool = cohort_of(files, np.flatnonzero(~labelled), "soop (pool)", INPUTS)
        return cohort_of(
            files,
            np.flatnonzero(labelled),
            "soop",
            INPUTS,
            labels=(rankin[labelled] <= 2).astype(np.int8),
            label_made_of=("gs_rankin_6isdeath",),
            pool=pool,
            source_digest=sources.digest,
        )


def cohort_of(
    files: SoopFiles,
    index: NDArray[np.intp],
    name: str,
    columns: Sequence[str],
    *,
    labels: NDArray[np.int8] | None = None,
    label_made_of: Collection[str] = (),
    pool: Cohort | None = None,
    source_digest: str = "",
) -> Cohort:
    """The cases at `index` as a cohort whose table has the given columns."""
    ids = files.case_ids[index]
    findings = [files.findings[i] for i in index]
    derived = pd.DataFrame(
        [{LESION_VOLUME: found.volume_ml, **found.territories} for found in findings],
        columns=[LESION_VOLUME, *files.atlas.names],
    )
    everyone = np.ones(len(index), dtype=bool)
    return Cohort(
        name=name,
        case_ids=ids,
        labels=labels,
        sites=files.sites[index],
        groups=ids,
        table=files.table.loc[index, list(columns)].reset_index(drop=True),
        reports=write_reports(ids.tolist(), findings, label_made_of=label_made_of),
        images={"mask": ImageView(files.masks, index, 1 / 255), "flair": ImageView(files.pictures, index, 1 / 255)},
        derived=derived,
        present={
            "table": files.has_table[index],
            "image": everyone,
            "text": everyone,
            "mask": everyone,
            "flair": files.has_picture[index],
        },
        atlas=files.atlas,
        pool=pool,
        encoders={"image": "territories", "text": "minilm"},
        source_digest=source_digest,
    )
