"""Scans: lesion masks, and DWI-like and FLAIR-like volumes as a hospital's scanner would show them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Floats
from datasets.synthetic.brain import load_brain
from datasets.synthetic.patients import SCAN, Patient

GREY, WHITE, FLUID = (0.42, 0.55), (0.36, 0.45), (0.05, 0.08)
"""Intensity of grey matter, white matter and fluid in the DWI-like and the FLAIR-like channel; 1 = full scale."""
INFARCT = (0.42, 0.22)
"""What an acute infarct adds, on average, in each channel."""
HYPERINTENSITY = 0.3
"""What a white-matter hyperintensity adds in the FLAIR-like channel."""


def draw_masks(patients: Sequence[Patient]) -> NDArray[np.uint8]:
    """Lesion masks (n, 1, x, y, z), 0 or 255."""
    masks = np.zeros((len(patients), 1, *load_brain().tissue.shape), dtype=np.uint8)
    for mask, patient in zip(masks, patients, strict=True):
        mask.reshape(-1)[patient.infarct] = 255
    return masks


def draw_scans(patients: Sequence[Patient]) -> NDArray[np.uint8]:
    """DWI-like and FLAIR-like volumes (n, 2, x, y, z), 255 = full scale."""
    scans = np.empty((len(patients), 2, *load_brain().tissue.shape), dtype=np.uint8)
    for scan, patient in zip(scans, patients, strict=True):
        scan[...] = _scan(patient)
    return scans


def _scan(patient: Patient) -> Floats:
    rng = patient.generator(SCAN)
    hospital, brain = patient.hospital, load_brain()
    signal = _healthy().copy()
    flat = signal.reshape(2, -1)
    for channel, contrast in enumerate(INFARCT):
        flat[channel, patient.infarct] += contrast * (1 + 0.15 * rng.standard_normal())
    # Hyperintensities spread from the ventricles' walls with age, with much variation at any age.
    load = 0.10 + 0.15 * (patient.admission.age - 50) / 20 + 0.10 * rng.standard_normal()
    signal[1][brain.periventricular > 1 - np.clip(load, 0, 0.7)] += HYPERINTENSITY
    front = np.linspace(-1, 1, signal.shape[2], dtype=np.float32)[:, None]
    signal *= hospital.gain * (1 + 0.04 * rng.standard_normal()) * (1 + hospital.bias * front)
    noise = rng.standard_normal(signal.shape, dtype=np.float32)
    noise *= np.float32(hospital.noise)
    signal += noise
    # A magnitude image has no negative values.
    np.abs(signal, out=signal)
    signal *= 255
    signal += 0.5
    return np.minimum(signal, 255, out=signal)


@lru_cache(maxsize=1)
def _healthy() -> Floats:
    """Both channels (2, x, y, z) of the template without any lesion, in shares of full scale."""
    brain = load_brain()
    tissue = np.clip(brain.grey + brain.white, 0, 1)
    fluid = np.where(tissue > 0, 1 - tissue, 0)
    channels = [brain.grey * g + brain.white * w + fluid * f for g, w, f in zip(GREY, WHITE, FLUID, strict=True)]
    return np.stack(channels).astype(np.float32)
