"""Scans: FLAIR-like volumes as a centre's scanner would show a brain, and what a laboratory reads off each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Floats
from datasets.risk.anatomy import Anatomy, draw_anatomy
from datasets.risk.brain import load_brain
from datasets.risk.people import READING, SCAN, People
from datasets.synthetic.hospitals import Hospital

GREY, WHITE, FLUID = 0.55, 0.45, 0.08
"""Intensities in FLAIR-like volumes; 1 = full scale."""
HYPERINTENSITY = 0.3
"""What a white-matter lesion adds."""

MEASURES = ("wmh_volume_ml", "wmh_deep_ml", "lacunes", "ventricle_volume_ml", "brain_parenchymal_fraction")


def scan_people(people: People) -> tuple[NDArray[np.uint8], pd.DataFrame]:
    """Volumes (n, 1, x, y, z), 255 = full scale, and what was measured on each, (n, 5)."""
    scans = np.empty((len(people), 1, *load_brain().fluid.shape), dtype=np.uint8)
    readings = []
    for k, (origin, (_, signs)) in enumerate(zip(people.origins, people.signs.iterrows(), strict=True)):
        rng = origin.generator(SCAN)
        anatomy = draw_anatomy(rng, signs)
        scans[k, 0] = _scan(rng, anatomy, origin.centre)
        readings.append(_read(origin.generator(READING), anatomy, signs))
    return scans, pd.DataFrame(readings, columns=list(MEASURES))


def _scan(rng: np.random.Generator, anatomy: Anatomy, centre: Hospital) -> Floats:
    """The brain through a scanner with its gain, bias and noise, (x, y, z) from 0 to 255."""
    brain = load_brain()
    left = np.maximum(brain.tissue + brain.fluid - anatomy.fluid, 0) / np.maximum(brain.tissue, 0.01)
    signal = left * (GREY * brain.grey + WHITE * brain.white) + FLUID * anatomy.fluid + HYPERINTENSITY * anatomy.lesion
    front = np.linspace(-1, 1, signal.shape[1], dtype=np.float32)[:, None]
    signal = signal * centre.gain * (1 + 0.04 * rng.standard_normal()) * (1 + centre.bias * front)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    # A magnitude image has no negative values.
    signal = np.abs(signal + np.float32(centre.noise) * noise)
    return np.asarray(np.minimum(signal * 255 + 0.5, 255), dtype=np.float32)


def _read(rng: np.random.Generator, anatomy: Anatomy, signs: pd.Series[float]) -> Sequence[float]:
    """`MEASURES` of one brain, as read by a laboratory that errs.

    Volumes are read with a relative error of 15 % (deep lesions 35 %, for their border is a matter of taste; ventricles 5 %),
    the parenchymal fraction with an error of .008; three of four lacunes are seen, and in one of ten scans one that is none.
    """
    errors = rng.standard_normal(4)
    lesions = signs["periventricular_ml"] + signs["deep_ml"]
    seen = rng.binomial(int(signs["lacunes"]), 0.75) + rng.poisson(0.1)
    return (
        round(lesions * float(np.exp(0.15 * errors[0])), 2),
        round(signs["deep_ml"] * float(np.exp(0.35 * errors[1])), 2),
        float(seen),
        round(anatomy.ventricles_ml * float(np.exp(0.05 * errors[2])), 1),
        round(anatomy.parenchymal_fraction + 0.008 * errors[3], 4),
    )
