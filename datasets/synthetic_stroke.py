"""Synthetic stroke cohort: image, table and text of patients who never lived, with an outcome whose law is known.

It is a test object for methods and statistics, and never clinical evidence: nothing in it was measured on a patient, and no
effect in it should be read as one of stroke. Infarcts grow on the MNI152 template (`datasets/synthetic/infarcts.py`), the
report text is measured from them, and the outcome follows the formula in `datasets/synthetic/outcome.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark import LESION_VOLUME, Cohort, ImageView, Sources, register_dataset
from benchmark.data.modalities.text import TOPICS
from benchmark.learning.writers.measurement import measure_voxels, write_reports, write_topics
from datasets.synthetic.admission import admission_table
from datasets.synthetic.brain import ATLAS_NAMES, artery_atlas, load_brain
from datasets.synthetic.oracle import oracle_facts
from datasets.synthetic.patients import CHART, Patient, draw_labelled, draw_pool
from datasets.synthetic.planted import planted
from datasets.synthetic.scans import draw_masks, draw_scans

VERSION = "v1"
"""Raise it with any change to what is generated: stored predictions of another version are not compared with."""


@register_dataset(
    "synthetic-stroke",
    title="Synthetic stroke cohort (embedded; never clinical evidence)",
    source="generated from a seed on the MNI152 template that ships inside nilearn",
    license="Apache-2.0 (template: ICBM 152, McConnell Brain Imaging Centre, MNI, McGill University)",
    citation="This project. Template: Fonov et al., NeuroImage 2011;54:313. Class counts of two hospitals: the source paper's.",
    label="drawn from the known logistic model in datasets/synthetic/outcome.py",
    label_time="none: the outcome is simulated, not observed",
    positive="good outcome (simulated)",
    negative="poor outcome (simulated)",
    site="hospital",
    inputs={
        "image": "lesion mask (view `mask`) and DWI-like and FLAIR-like volumes (view `mri`) at 4 mm; lesion volume and "
        "damaged fraction of 30 arterial territories",
        "table": "13 simulated variables known when treatment begins: age, sex, history, NIHSS, blood pressure, glucose, times",
        "text": "report drafts measured from lesion mask and atlas, to the main artery only: a function of the image; four on "
        "all topics (set `wording`) and one on each of four topics (set `topics`)",
    },
    barred={},
    scope="Simulated patients: these figures are never clinical evidence. They show whether a method comes near a known "
    "optimum. The lesion mask is exact, and the report text is computed from it.",
    modalities={"image", "table", "text"},
    synthetic=True,
    cases=939,
    sites=4,
)
@dataclass(frozen=True)
class SyntheticStroke:
    """939 labelled cases of four hospitals and a pool of 2,000 without labels, the same for the same seed.

    seed : another seed gives other patients under the same law.
    plant : leaks to plant, joined by "+", for an audit to find (`datasets/synthetic/planted.py` lists them).
    """

    seed: int = 1
    plant: str = ""

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory (about 0.6 GB of bytes); needs no source files."""
        labelled, unlabelled = draw_labelled(self.seed), draw_pool(self.seed)
        cohort = replace(
            self._view(labelled, "case"),
            labels=np.array([patient.good_outcome for patient in labelled], dtype=np.int8),
            pool=self._view(unlabelled, "pool"),
            facts=oracle_facts(labelled, unlabelled),
        )
        return planted(cohort, self.plant, self.seed) if self.plant else cohort

    def _view(self, patients: Sequence[Patient], prefix: str) -> Cohort:
        """The patients as a cohort without labels; ids are numbered in the order given."""
        n = len(patients)
        ids = np.array([f"{prefix}-{number:04d}" for number in range(1, n + 1)])
        derived = pd.DataFrame(np.stack([patient.fractions for patient in patients]), columns=list(ATLAS_NAMES))
        derived.insert(0, LESION_VOLUME, [patient.volume_ml for patient in patients])
        findings = [measure_voxels(patient.infarct, artery_atlas()) for patient in patients]
        table = admission_table([patient.admission for patient in patients], [patient.generator(CHART) for patient in patients])
        return Cohort(
            name="synthetic-stroke",
            case_ids=ids,
            sites=np.array([patient.hospital.name for patient in patients]),
            groups=ids,
            table=table,
            reports=write_reports(ids.tolist(), findings, seed=self.seed),
            report_sets={TOPICS: write_topics(ids.tolist(), findings, seed=self.seed)},
            images={
                "mask": ImageView(draw_masks(patients), scale=1 / 255),
                "mri": ImageView(draw_scans(patients), scale=1 / 255),
            },
            derived=derived,
            strata=pd.DataFrame(
                {
                    "age": [patient.admission.age for patient in patients],
                    "sex": ["female" if patient.admission.female else "male" for patient in patients],
                }
            ),
            present={modality: np.ones(n, dtype=bool) for modality in ("image", "table", "text")},
            atlas=load_brain().atlas,
            encoders={"image": "territories", "text": "minilm"},
            source_digest=f"synthetic-stroke {VERSION} seed {self.seed}",
        )
