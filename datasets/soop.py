"""soop: real stroke patients with lesion mask, FLAIR slices, clinical table and text by measurement; outcome at discharge."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import Cohort, DataError, Sources, register_dataset
from datasets._soop_cohort import soop_cohort
from datasets._soop_files import read_files

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
        "text": "drafts written from the mask by measurement, four on all topics (set `wording`) and one on each of four "
        "topics (set `topics`); NIHSS is not spoken of",
    },
    barred={
        "etiology": "TOAST class, decided after the work-up: not known at admission",
        "gs_rankin_6isdeath": "the label is made of it",
        "acuteischaemicstroke": "1 for every patient who has a table: it says nothing but that there is one",
    },
    scope="The image is an expert's lesion mask and FLAIR slices in three fixed planes, whose red lesion tint is taken out but "
    "for traces; the text is computed from the mask; one centre group, label at discharge. With `cases=any`, to lack an image "
    "says something by itself: 73 % of those 120 patients do well, 48 % of the others.",
    modalities={"table", "image", "text"},
    cases=618,
    sites=4,
)
@dataclass(frozen=True)
class Soop:
    """618 patients with a Rankin score, 297 of them good; 831 further masks are the pool, 326 of these with table and FLAIR.

    cases : "complete" takes patients with mask, slices and table; "any" takes all 738 with a Rankin score and a table, 120 of
        which have no image and so no text: for methods that accept missing modalities.
    """

    cases: str = "complete"

    def build(self, sources: Sources) -> Cohort:
        """Read the files. Raises `DataError` where one is not as expected."""
        if self.cases not in ("complete", "any"):
            raise DataError(f"soop: cases={self.cases}: give 'complete' or 'any'")
        files = read_files(sources)
        good = (files.table["gs_rankin_6isdeath"] <= 2).to_numpy()
        return soop_cohort(files, "gs_rankin_6isdeath", good, INPUTS, complete=self.cases == "complete")
