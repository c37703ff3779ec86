"""Made reports of one finding or none, in two sections, and scans on which each finding is a bright place of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.image import ImageView
from benchmark.learning.text_vision.language import Schedule, Size

SIZE = Size(32, 1, 48)
QUICK = Schedule(2, 512, 3e-3)
PLACES = {"infarct": (1, 1), "bleed": (1, 5), "mass": (5, 1)}
"""Finding -> the corner of its bright place."""
SAID = {"infarct": "restricted diffusion", "bleed": "dark blood products", "mass": "enhancing lump"}
QUERIES = {**{name: (f"acute {name}", f"there is {said}") for name, said in SAID.items()}, "normal": ("normal brain",)}


def report(findings: list[str], rng: np.random.Generator) -> str:
    """What is there and what is not, in any order, and the conclusion."""
    seen = [f"There is {SAID[name]}." if name in findings else f"No sign of {name}." for name in rng.permutation(list(PLACES))]
    concluded = [f"Acute {name}." for name in findings] or ["Normal brain."]
    return f"Findings: {' '.join(seen)} Summary: {' '.join(concluded)}"


def made(cases: int, seed: int, prefix: str = "c", second_view: bool = False) -> tuple[Cohort, np.ndarray]:
    """A cohort with images and reports, and which case has which finding, (n, 3)."""
    rng = np.random.default_rng(seed)
    there = np.eye(len(PLACES) + 1, dtype=bool)[rng.integers(len(PLACES) + 1, size=cases)][:, :-1]  # one finding or none
    scans = rng.integers(60, 90, size=(cases, 1, 8, 8)).astype(np.uint8)
    for column, (row, place) in enumerate(PLACES.values()):
        scans[there[:, column], :, row : row + 2, place : place + 2] = 220
    reports = tuple((report([name for name, own in zip(PLACES, case, strict=True) if own], rng),) for case in there)
    ids = np.array([f"{prefix}{case:04d}" for case in range(cases)])
    images = {"flair": ImageView(scans, scale=1 / 255)}
    if second_view:
        images["dwi"] = ImageView(scans[..., ::-1].copy(), scale=1 / 255)
    labels = there.any(axis=1).astype(np.int8)
    findings = pd.DataFrame(there.astype(np.int8), columns=list(PLACES))
    cohort = Cohort(
        "made", ids, labels, np.full(cases, "s"), ids, images=images, reports=reports, findings=findings, queries=QUERIES
    )
    return cohort, there
