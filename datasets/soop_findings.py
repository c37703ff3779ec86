"""soop-findings: FLAIR slices and measured reports of the patients of `soop`, and what their lesion masks show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, ImageView, Sources, read_queries, register_dataset
from datasets._soop_cohort import SLICES, WORDS
from datasets._soop_files import read_files
from datasets._soop_words import findings_of, write, wrong_reports
from datasets.findings.reports import KINDS

PLANES = ("axial", "sagittal", "coronal")
COARSE = 2
"""Bits of grey that are dropped: those in which the lesion's red tint, taken out, leaves its trace (docs/soop-findings.md)."""


@register_dataset(
    "soop-findings",
    title="Stroke Outcome Optimization Project: what the lesion mask shows, from FLAIR slices and measured reports",
    source="OpenNeuro ds004889 v1.1.2 (doi:10.18112/openneuro.ds004889.v1.1.2) and its StrokeOutcomeOptimizationProjectDemo",
    license="CC0-1.0 (participants, sidecars), BSD-2-Clause (masks, atlas, pictures)",
    citation="Absher J, Goncher S, Newman-Norlund R, et al. The stroke outcome optimization project: acute ischemic strokes "
    "from a comprehensive stroke center. Scientific Data 2024;11:839. doi:10.1038/s41597-024-03667-5",
    label="the finding `large`: a lesion of at least 70 ml on the expert's mask; not any finding, for every patient has one",
    label_time="measured on the mask that an expert drew on the same scan: a description of the image, no outcome",
    positive="large infarct: 70 ml or more",
    negative="smaller infarct; there are no normal scans",
    site="scanner model",
    inputs={
        "image": "three FLAIR slices in fixed planes (views `axial`, `sagittal`, `coronal`), in 64 levels of grey; neither the "
        "mask nor what is measured on it",
        "text": "one report with Findings and Summary, written from the mask by measurement; sets `exchanged`, `side-swapped`, "
        "`finding-removed`, `finding-invented` are wrong",
    },
    barred={
        "age, sex, race, bmi, priorstroke": "of the person, not of the scan",
        "nihss": "severity of the stroke, which goes with its size and side",
        "gs_rankin_6isdeath": "outcome",
        "etiology": "TOAST class, decided after the work-up",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="No claim of detection is made: every patient has an infarct, reports are a function of the expert's mask, and the "
    "slices come from pictures on which that lesion was painted in red. The red is taken out and grey is cut to 64 levels, but "
    "traces of the tint may remain. A triage here ranks large infarcts above smaller ones, never ill above well. The planes "
    "are fixed: a lesion that misses them is not in the slices. One centre group.",
    modalities={"image", "text"},
    cases=944,
    sites=4,
)
@dataclass(frozen=True)
class SoopFindings:
    """944 patients with FLAIR slices; findings left, right, large, and four groups of arterial territories.

    left, right : more than 5 % of the lesion lies on that side. large : at least 70 ml. anterior-cerebral, middle-cerebral,
    posterior-cerebral, vertebrobasilar : at least 1 % of a territory of that group is damaged, as in the reports. There is no
    pool, for no other patient has slices; what is exchanged or invented in wrong reports comes from the other 505 masks.
    """

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        files = read_files(sources)
        seen = files.has_picture & files.has_mask
        chosen, rest = np.flatnonzero(seen), np.flatnonzero(files.has_mask & ~seen)
        ids = files.case_ids[chosen]
        measured, others = ([found for i in index if (found := files.findings[i]) is not None] for index in (chosen, rest))
        cases = list(zip(map(str, ids), measured, strict=True))
        unseen = [(found, findings_of(found)) for found in others]
        findings = pd.DataFrame([findings_of(found) for found in measured]).astype(np.int8)
        counts = np.bincount(files.atlas.labels.ravel(), minlength=len(files.atlas.names) + 1)[1:]
        sizes = dict(zip(files.atlas.names, counts * files.atlas.voxel_mm**3 / 1000, strict=True))
        table = files.table.loc[chosen].reset_index(drop=True)
        words = {name: table[name].map(codes) for name, codes in WORDS.items()}
        return Cohort(
            name="soop-findings",
            case_ids=ids,
            labels=findings["large"].to_numpy(),
            findings=findings,
            queries=read_queries("soop-findings"),
            sites=files.scanners[chosen],
            groups=ids,
            reports=tuple((write(found, case, case),) for case, found in cases),
            report_sets={kind: wrong_reports(kind, cases, unseen, sizes) for kind in KINDS},
            images={
                plane: ImageView(coarse(files.pictures[chosen, k : k + 1]), scale=1 / 255, slices=SLICES[k : k + 1])
                for k, plane in enumerate(PLANES)
            },
            strata=pd.DataFrame({"age": table["age"], **words, "field_strength": files.tesla[chosen]}),
            encoders={"text": "minilm"},
        )


def coarse(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Grey in 64 levels."""
    return np.asarray((grey >> COARSE) << COARSE, dtype=np.uint8)
