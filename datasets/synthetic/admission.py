"""Admission variables: what is known of a patient when treatment begins, in plausible ranges, with some values missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

MISSING: Mapping[str, float] = {
    "onset_to_arrival_h": 0.06,
    "prestroke_mrs": 0.04,
    "glucose_mmol_l": 0.04,
    "systolic_mmhg": 0.02,
    "nihss": 0.02,
    "atrial_fibrillation": 0.03,
    "smoking": 0.05,
}
"""Column -> share of values missing, completely at random."""


@dataclass(frozen=True)
class Admission:
    """One patient's admission variables, complete, and rounded as a chart has them.

    age in years, prestroke_mrs 0-4, nihss 0-42, systolic pressure in mmHg, glucose in mmol/l, onset to arrival in hours; the
    rest yes or no.
    """

    age: float
    female: bool
    prestroke_mrs: float
    prior_stroke: bool
    hypertension: bool
    diabetes: bool
    atrial_fibrillation: bool
    smoking: bool
    nihss: float
    systolic_mmhg: float
    glucose_mmol_l: float
    onset_to_arrival_h: float
    thrombolysis: bool


def draw_admission(rng: np.random.Generator, mean_age: float, volume_ml: float, eloquent: float) -> Admission:
    """A patient with an infarct of that volume and eloquent damage (in [0, 1]), which the NIHSS reflects with much noise."""
    age = _within(mean_age + 12 * rng.standard_normal(), 22, 98)
    decades = (age - 66) / 10
    prior_stroke = _happens(rng, -1.5 + 0.25 * decades)
    diabetes = _happens(rng, -0.9 + 0.1 * decades)
    prestroke = _within(0.3 + 0.35 * decades + 0.8 * prior_stroke + 0.9 * rng.standard_normal(), 0, 4)
    nihss = _within(3.0 + 1.8 * math.log1p(volume_ml) + 1.0 * eloquent + 4.2 * rng.standard_normal(), 0, 42)
    onset = _within(4.0 * math.exp(0.8 * rng.standard_normal()), 0.4, 72, 1)
    return Admission(
        age=age,
        female=bool(rng.random() < 0.42),
        prestroke_mrs=prestroke,
        prior_stroke=prior_stroke,
        hypertension=_happens(rng, 0.7 + 0.25 * decades),
        diabetes=diabetes,
        atrial_fibrillation=_happens(rng, -1.4 + 0.6 * decades),
        smoking=_happens(rng, -0.6 - 0.4 * decades),
        nihss=nihss,
        systolic_mmhg=_within(150 + 2 * decades + 22 * rng.standard_normal(), 80, 240),
        glucose_mmol_l=_within((6.2 + 3.0 * diabetes) * math.exp(0.22 * rng.standard_normal()), 3.0, 30, 1),
        onset_to_arrival_h=onset,
        thrombolysis=_happens(rng, 1.4 if onset <= 4.5 else -1.6),
    )


def admission_table(admissions: Sequence[Admission], missing: Sequence[np.random.Generator]) -> pd.DataFrame:
    """Typed table (n, 13): numbers as float64, yes and no as `category`; each patient's stream in `missing` blanks some."""
    table = pd.DataFrame([asdict(admission) for admission in admissions])
    sex = np.where(table.pop("female"), "female", "male")
    for column in table.select_dtypes(bool):
        table[column] = pd.Categorical(np.where(table[column], "yes", "no"), ["no", "yes"])
    table.insert(1, "sex", pd.Series(pd.Categorical(sex, ["female", "male"])))
    blank = np.array([rng.random(len(MISSING)) for rng in missing]) < list(MISSING.values())
    for k, column in enumerate(MISSING):
        table[column] = table[column].mask(blank[:, k])
    return table


def _happens(rng: np.random.Generator, logit: float) -> bool:
    return bool(rng.random() < round(1 / (1 + math.exp(-logit)), 6))


def _within(value: float, low: float, high: float, decimals: int = 0) -> float:
    return float(round(min(max(value, low), high), decimals))
