"""Synthetic risk cohort: image and table of people who never lived, years before a stroke that some of them will have.

It is a test object for methods that learn from few labels, and never clinical evidence: nothing in it was measured on a person,
and no effect in it should be read as one of vessel disease. White-matter lesions, lacunes and widened fluid spaces are drawn on
the MNI152 template (`datasets/risk/anatomy.py`), and the outcome follows the formula in `datasets/risk/outcome.py`.
Law and draws were fixed before any network saw them; `tests/components/test_synthetic_risk.py` holds the controls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark import Cohort, ImageView, Sources, register_dataset
from datasets.risk.brain import load_brain
from datasets.risk.oracle import oracle_facts
from datasets.risk.people import LABELLED, POOL, People, draw_people, origins
from datasets.risk.scans import scan_people

VERSION = "v1"
"""Raise it with any change to what is generated: stored predictions of another version are not compared with."""


@register_dataset(
    "synthetic-risk",
    title="Synthetic risk cohort, before any stroke (embedded; never clinical evidence)",
    source="generated from a seed on the MNI152 template that ships inside nilearn",
    license="Apache-2.0 (template: ICBM 152, McConnell Brain Imaging Centre, MNI, McGill University)",
    citation="This project. Template: Fonov et al., NeuroImage 2011;54:313.",
    label="drawn from the known logistic model in datasets/risk/outcome.py; about 8 % have it",
    label_time="ten years after the visit, in the simulation; nothing was observed",
    positive="stroke within ten years (simulated)",
    negative="no stroke within ten years (simulated)",
    site="imaging centre",
    inputs={
        "image": "a FLAIR-like volume at 7 mm (view `flair`) with white-matter lesions, lacunes and widened fluid spaces but "
        "no infarct; five figures as a laboratory would measure them, with its errors",
        "table": "47 simulated variables known at the visit, 18 numbers and 29 categories: age, sex, habits, diet, history, "
        "treatment, blood pressure, body, laboratory; several are pure noise",
    },
    barred={},
    scope="Simulated people: these figures are never clinical evidence. They show whether a method comes near a known optimum "
    "with few labels. Volumes are only like FLAIR; what stands for atrophy is fluid added to one template, so no real atrophy.",
    modalities={"image", "table"},
    synthetic=True,
    cases=3000,
    sites=3,
)
@dataclass(frozen=True)
class SyntheticRisk:
    """3,000 labelled cases of three imaging centres and a pool of 4,000 without labels, the same for the same seed.

    seed : another seed gives other people under the same law. Whatever is chosen by trying (augmentation, rates) is chosen on
        `seed=2`, so that nobody's choices have seen the default draw.
    """

    seed: int = 1

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory (about 0.1 GB of bytes); needs no source files."""
        labelled, unlabelled = (draw_people(origins(self.seed, purpose)) for purpose in (LABELLED, POOL))
        return replace(
            self._view(labelled, "case"),
            labels=labelled.stroke.astype(np.int8),
            pool=self._view(unlabelled, "pool"),
            facts=oracle_facts(labelled, unlabelled),
        )

    def _view(self, people: People, prefix: str) -> Cohort:
        """The people as a cohort without labels; ids are numbered in the order given."""
        ids = np.array([f"{prefix}-{number:04d}" for number in range(1, len(people) + 1)])
        scans, derived = scan_people(people)
        return Cohort(
            name="synthetic-risk",
            case_ids=ids,
            sites=np.array([origin.centre.name for origin in people.origins]),
            groups=ids,
            table=people.charts(),
            images={"flair": ImageView(scans, scale=1 / 255)},
            derived=derived,
            strata=pd.DataFrame({"age": people.visit.table["age"], "sex": people.visit.table["sex"].astype(str)}),
            atlas=load_brain().atlas,
            source_digest=f"synthetic-risk {VERSION} seed {self.seed}",
        )
