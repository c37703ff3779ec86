"""soop-nihss: the patients of `soop` under the source paper's own label, a low NIHSS."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import Cohort, Sources, register_dataset
from datasets._soop_cohort import soop_cohort
from datasets._soop_files import read_files

INPUTS = ("age", "bmi", "priorstroke", "sex", "race")


@register_dataset(
    "soop-nihss",
    title="Stroke Outcome Optimization Project: stroke severity",
    source="OpenNeuro ds004889 v1.1.2 (doi:10.18112/openneuro.ds004889.v1.1.2) and its StrokeOutcomeOptimizationProjectDemo",
    license="CC0-1.0 (participants, sidecars), BSD-2-Clause (masks, atlas, pictures)",
    citation="Absher J, Goncher S, Newman-Norlund R, et al. The stroke outcome optimization project: acute ischemic strokes "
    "from a comprehensive stroke center. Scientific Data 2024;11:839. doi:10.1038/s41597-024-03667-5",
    label="NIHSS below 7, the label of the paper whose model the suite tests (VDAFM, arXiv 2605.14710)",
    label_time="not known: the source does not say when the NIHSS was taken, so this is severity and not a prognosis",
    positive="mild stroke: NIHSS 0-6",
    negative="NIHSS 7-42",
    site="scanner model",
    inputs={
        "table": "age (89+ read as 89), body mass index, prior stroke, sex, race",
        "image": "expert's lesion mask in MNI space (4 mm), three FLAIR slices, lesion volume and damaged share of 32 arterial "
        "territories at 1 mm",
        "text": "drafts written from the mask by measurement, four on all topics (set `wording`) and one on each of four "
        "topics (set `topics`); NIHSS is not spoken of",
    },
    barred={
        "nihss": "the label is made of it",
        "gs_rankin_6isdeath": "disability at discharge, known after the NIHSS",
        "etiology": "TOAST class, decided after the work-up",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="The label is a score of severity whose time the source does not give. The image is an expert's lesion mask and "
    "FLAIR slices in three fixed planes, whose red lesion tint is taken out but for traces; the text is computed from the "
    "mask; one centre group.",
    modalities={"table", "image", "text"},
    cases=944,
    sites=4,
)
@dataclass(frozen=True)
class SoopNihss:
    """944 patients with NIHSS, mask, FLAIR slices and table, 523 of them mild; 505 masks without any table are the pool."""

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        files = read_files(sources)
        return soop_cohort(files, "nihss", (files.table["nihss"] < 7).to_numpy(), INPUTS, complete=True)
