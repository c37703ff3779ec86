"""soop[label=priorstroke]: the patients of `soop` under another label, a stroke before the present one."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import Cohort, Sources, register_dataset
from datasets._soop_cohort import soop_cohort
from datasets._soop_files import read_files

INPUTS = ("age", "bmi", "sex", "race")


@register_dataset(
    "soop[label=priorstroke]",
    title="Stroke Outcome Optimization Project: a stroke before the present one",
    source="OpenNeuro ds004889 v1.1.2 (doi:10.18112/openneuro.ds004889.v1.1.2) and its StrokeOutcomeOptimizationProjectDemo",
    license="CC0-1.0 (participants, sidecars), BSD-2-Clause (masks, atlas, pictures)",
    citation="Absher J, Goncher S, Newman-Norlund R, et al. The stroke outcome optimization project: acute ischemic strokes "
    "from a comprehensive stroke center. Scientific Data 2024;11:839. doi:10.1038/s41597-024-03667-5",
    label="priorstroke 1, by the patient's record; patients without FLAIR slices are left out",
    label_time="before the present stroke and so before the image: prevalent disease, not risk",
    positive="had a stroke before the present one",
    negative="had no stroke before the present one",
    site="scanner model",
    inputs={
        "table": "age (89+ read as 89), body mass index, sex, race",
        "image": "three FLAIR slices",
    },
    barred={
        "priorstroke": "the label is made of it",
        "nihss": "severity of the present stroke; the source does not say when it was taken",
        "gs_rankin_6isdeath": "outcome of the present stroke",
        "etiology": "TOAST class of the present stroke, decided after the work-up",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="Prevalent disease, not risk: the earlier stroke lies before the image, which may show its scar, and every patient "
    "has a new stroke. The image is FLAIR slices in three fixed planes, whose red lesion tint is taken out but for traces; "
    "masks and what is measured on them are of the present stroke and are left out; one centre group.",
    modalities={"table", "image"},
    cases=944,
    sites=4,
)
@dataclass(frozen=True)
class SoopPriorStroke:
    """944 patients with FLAIR slices, 114 of them with a stroke before; no pool, for no other patient has slices."""

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        files = read_files(sources)
        whole = soop_cohort(files, "priorstroke", (files.table["priorstroke"] == 1).to_numpy(), INPUTS, complete=True)
        assert whole.strata is not None
        return Cohort(
            name="soop[label=priorstroke]",
            case_ids=whole.case_ids,
            labels=whole.labels,
            sites=whole.sites,
            groups=whole.groups,
            table=whole.table,
            images={"flair": whole.images["flair"]},
            strata=whole.strata.drop(columns="image"),
        )
