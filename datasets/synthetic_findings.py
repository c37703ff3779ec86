"""Synthetic findings cohort: scans and reports of people who never lived, with and without five findings.

It is a test object for methods that learn images from reports and answer questions in words, and never clinical evidence:
nothing in it was measured on a person. Levels and calls are drawn in `datasets/findings/people.py`, volumes in `scans.py`,
reports and wrong reports in `reports.py` with the words of `wording.py`. Law and draws were fixed before any network saw them;
so were the questions in `datasets/queries/synthetic-findings.toml`. `tests/components/test_synthetic_findings.py` holds the
controls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmark import Cohort, DataError, ImageView, Sources, read_queries, register_dataset
from benchmark.data.modalities.text import HELD_OUT_EXCHANGED
from datasets.findings.oracle import oracle_facts
from datasets.findings.people import DEPARTMENTS, People, draw_people
from datasets.findings.reports import KINDS, told_of, with_errors, write_reports, wrong_reports
from datasets.findings.scans import scan_people
from datasets.findings.wording import HELD_OUT
from datasets.risk.brain import load_brain
from datasets.risk.people import LABELLED, POOL, origins

VERSION = "v2"
"""Raise it with any change to what is generated: stored predictions of another version are not compared with."""
HELD_OUT_WORDING = "held-out-wording"


@register_dataset(
    "synthetic-findings",
    title="Synthetic findings cohort: scans and reports (embedded; never clinical evidence)",
    source="generated from a seed on the MNI152 template that ships inside nilearn",
    license="Apache-2.0 (template: ICBM 152, McConnell Brain Imaging Centre, MNI, McGill University)",
    citation="This project. Template: Fonov et al., NeuroImage 2011;54:313.",
    label="any of five findings, each called by the known logistic rule in datasets/findings/people.py; 56 % have one",
    label_time="read off the scan, in the simulation; nothing was observed",
    positive="any finding (simulated): infarct, bleed, mass, hydrocephalus or white-matter disease",
    negative="normal scan (simulated)",
    site="radiology department",
    inputs={
        "image": "a DWI-like and a FLAIR-like volume at 7 mm (views `dwi`, `flair`), 24 x 28 x 24 each",
        "text": "one report with Findings and Summary, written from what an expert calls; 5 % of the pool's are wrong on "
        "purpose; sets `exchanged`, `side-swapped`, `finding-removed` and `finding-invented` are wrong, `held-out-wording` is "
        "right in other words, `held-out-wording-exchanged` wrong in these",
    },
    barred={},
    scope="Simulated people: these figures are never clinical evidence. They show whether a method comes near a known optimum "
    "and whether it heeds negations and words that it never saw. Volumes are only like MR, reports are sentences from a list, "
    "and there is nothing else to be found than five findings that an expert calls consistently but for chance.",
    modalities={"image", "text"},
    synthetic=True,
    cases=1500,
    sites=3,
)
@dataclass(frozen=True)
class SyntheticFindings:
    """1,500 cases of three departments, and a pool of 1,500 with scans and reports whose findings nobody is told.

    seed : another seed gives other people under the same law. Whatever is chosen by trying is chosen on `seed=2`, so that
        nobody's choices have seen the default draw.
    wrong : share of the pool's reports, which are there for training and for nothing else, that are wrong on purpose in one of
        the four ways. The cases' own reports are right.
    """

    seed: int = 1
    wrong: float = 0.05

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory (about 0.1 GB); needs no source files. Raises `DataError` where `wrong` is no share."""
        if not 0 <= self.wrong <= 1:
            raise DataError(f"synthetic-findings: wrong={self.wrong}: give a share from 0 to 1")
        labelled, pooled = (draw_people(origins(self.seed, purpose, DEPARTMENTS)) for purpose in (LABELLED, POOL))
        cases, pool = self._view(labelled, "case"), self._view(pooled, "pool")
        told, others = told_of(labelled), told_of(pooled)
        keys, pool_keys = ([f"{self.seed}|{case}" for case in view.case_ids] for view in (cases, pool))
        kept = [with_errors(other, key, others, self.wrong) for other, key in zip(others, pool_keys, strict=True)]
        return replace(
            cases,
            findings=labelled.findings.astype(np.int8),
            queries=read_queries("synthetic-findings"),
            labels=labelled.findings.any(axis=1).to_numpy().astype(np.int8),
            reports=write_reports(told, keys),
            report_sets={
                **{kind: wrong_reports(kind, told, keys, others) for kind in KINDS},
                HELD_OUT_WORDING: write_reports(told, keys, HELD_OUT),
                HELD_OUT_EXCHANGED: wrong_reports("exchanged", told, keys, others, HELD_OUT),
            },
            pool=replace(pool, reports=write_reports(kept, pool_keys)),
            facts=oracle_facts(labelled),
        )

    def _view(self, people: People, prefix: str) -> Cohort:
        """The people's scans as a cohort without labels and reports; ids are numbered in the order given."""
        ids = np.array([f"{prefix}-{number:04d}" for number in range(1, len(people) + 1)])
        return Cohort(
            name="synthetic-findings",
            case_ids=ids,
            sites=np.array([origin.centre.name for origin in people.origins]),
            groups=ids,
            images={view: ImageView(volumes, scale=1 / 255) for view, volumes in scan_people(people).items()},
            strata=pd.DataFrame({"age": people.state["age"], "sex": people.state["sex"]}),
            atlas=load_brain().atlas,
            encoders={"text": "minilm"},
            source_digest=f"synthetic-findings {VERSION} seed {self.seed} wrong {self.wrong}",
        )
