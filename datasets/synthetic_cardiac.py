"""Synthetic cardiac cohort: ECG, cine volume and table of people who never lived, some of whom have had an infarction.

It is a test object for methods that carry knowledge from images to ECGs and learn from few labels, and never clinical evidence:
nothing in it was measured on a person. The dipole of the heart, its recorder and the moving wall are drawn in
`datasets/cardiac/`, and the outcome follows the formula in `datasets/cardiac/outcome.py`. Law and draws were fixed before any
network saw them; `tests/components/test_synthetic_cardiac.py` holds the controls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, ImageView, Recordings, Sources, register_dataset
from datasets.cardiac.beats import HERTZ
from datasets.cardiac.cine import image_people
from datasets.cardiac.oracle import oracle_facts
from datasets.cardiac.people import HOSPITALS, People, draw_people
from datasets.cardiac.recorders import LEADS, record_people
from datasets.risk.people import LABELLED, POOL, origins

VERSION = "v1"
"""Raise it with any change to what is generated: stored predictions of another version are not compared with."""


@register_dataset(
    "synthetic-cardiac",
    title="Synthetic cardiac cohort: ECG, cine volume and table (embedded; never clinical evidence)",
    source="generated from a seed; waves in the manner of ECGSYN, leads by Dower's matrix",
    license="Apache-2.0",
    citation="This project. Models: McSharry et al., IEEE Trans Biomed Eng 2003;50:289; Sameni et al., EURASIP J Adv Signal "
    "Process 2007:43407; Dower et al., J Electrocardiol 1980;13:182.",
    label="drawn from the known logistic model in datasets/cardiac/outcome.py; about 14 % have it",
    label_time="at the visit, in the simulation; nothing was observed",
    positive="myocardial infarction (simulated)",
    negative="no myocardial infarction (simulated)",
    site="hospital",
    inputs={
        "signal": "an ECG of 12 leads, 10 s at 100 Hz in mV, with noise, faults and the recorder's filter",
        "image": "a cine-like volume at 4 mm (view `cine`): 8 moments of a beat of one short-axis slice, 24 x 24",
        "table": "24 simulated variables known at the visit, 14 numbers and 10 categories: age, sex, habits, blood pressure, "
        "body, laboratory, treatment, family; several are pure noise",
    },
    barred={},
    scope="Simulated people: these figures are never clinical evidence. They show whether a method comes near a known optimum "
    "with few labels, and whether images that are there in training alone help. ECGs are sums of Gaussian waves of one dipole, "
    "volumes are drawn rings: no real infarct is as simple, and there is no arrhythmia but extrasystoles.",
    modalities={"signal", "image", "table"},
    synthetic=True,
    cases=2000,
    sites=4,
    variants={
        "images=None": {
            "inputs": {
                "signal": "an ECG of 12 leads, 10 s at 100 Hz in mV, with noise, faults and the recorder's filter",
                "table": "24 simulated variables known at the visit, 14 numbers and 10 categories: age, sex, habits, blood "
                "pressure, body, laboratory, treatment, family; several are pure noise",
            },
            "modalities": {"signal", "table"},
        }
    },
)
@dataclass(frozen=True)
class SyntheticCardiac:
    """2,000 labelled cases of four hospitals and a pool of 4,000 without labels, the same for the same seed.

    seed : another seed gives other people under the same law. Whatever is chosen by trying (augmentation, rates) is chosen on
        `seed=2`, so that nobody's choices have seen the default draw.
    images : "cine", or None (`[images=none]`) for the same people without their volumes.
    """

    seed: int = 1
    images: str | None = "cine"

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory (about 0.2 GB); needs no source files. Raises `DataError` where `images` is neither."""
        if self.images not in ("cine", None):
            raise DataError(f"synthetic-cardiac: images={self.images}: give 'cine' or 'none'")
        labelled, unlabelled = (draw_people(origins(self.seed, purpose, HOSPITALS)) for purpose in (LABELLED, POOL))
        return replace(
            self.view(labelled, "case"),
            labels=labelled.infarction.astype(np.int8),
            pool=self.view(unlabelled, "pool"),
            facts=oracle_facts(labelled, unlabelled),
        )

    def view(self, people: People, prefix: str) -> Cohort:
        """The people as a cohort without labels; ids are numbered in the order given."""
        ids = np.array([f"{prefix}-{number:04d}" for number in range(1, len(people) + 1)])
        images = {} if self.images is None else {"cine": ImageView(image_people(people), scale=1 / 255)}
        return Cohort(
            name="synthetic-cardiac",
            case_ids=ids,
            sites=np.array([origin.centre.name for origin in people.origins]),
            groups=ids,
            table=people.charts(),
            images=images,
            signals=Recordings(record_people(people), HERTZ, LEADS, scale=0.001),
            strata=pd.DataFrame({"age": people.visit.table["age"], "sex": people.visit.table["sex"].astype(str)}),
            source_digest=f"synthetic-cardiac {VERSION} seed {self.seed}",
        )
