"""People of the cardiac cohort: table, state of the heart and outcome of each, drawn from a stream of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.cardiac.outcome import Terms, outcome_terms
from datasets.risk.columns import COLUMNS as RISK_COLUMNS
from datasets.risk.columns import FACTORS, NO_YES, Category, Number, Weights
from datasets.risk.people import CHART, HISTORY, Origin
from datasets.risk.visit import Levels, Visit, make_visit, weighted
from datasets.synthetic.hospitals import Hospital

RECORDING, IMAGING = 2, 3
"""Last key of a person's random streams of ECG and volume; the earlier two are those of the risk cohort."""
SHARED = (
    *("age", "sex", "education", "handedness", "smoking", "alcohol_units_week", "activity_met_h_week", "milk", "coffee"),
    *("bmi", "waist_cm", "systolic_mmhg", "diastolic_mmhg", "pulse_bpm", "hypertension_treatment", "hba1c_mmol_mol"),
    *("diabetes", "total_cholesterol_mmol_l", "hdl_mmol_l", "triglycerides_mmol_l", "creatinine_umol_l", "crp_mg_l", "statin"),
)
"""Columns with the rules that they have in the risk cohort; handedness, milk and coffee are pure noise."""
COLUMNS: Mapping[str, Number | Category] = {
    **{name: RISK_COLUMNS[name] for name in SHARED},
    "family_heart_disease": Category(NO_YES, (0.5,), {"vascular": 0.3}, missing=0.06),
}

SIGNS: Mapping[str, Weights] = {
    "extent": {"vascular": 0.35, "metabolic": 0.15, "lifestyle": 0.15, "age": 0.15, "sex": 0.15},
    "electrical": {"extent": 0.80},
    "mechanical": {"extent": 0.97},
    "hypertrophy": {"systolic_mmhg": 0.55, "bmi": 0.2},
}
"""Level -> what it hangs on: factors, columns of the visit, levels above it; all are standard normal.

`extent` is the state: how much of a wall is lost. `electrical` and `mechanical` are what of it the ECG and the moving wall
express. `hypertrophy` shows in both of them and says nothing of the outcome beyond the table.
"""
WALLS = {"anterior": 0.45, "inferior": 0.35, "lateral": 0.20}
"""The wall of which something is lost, and its share of the people."""

HOSPITALS = (
    Hospital("Hospital A", labelled=800, pool=1600, noise=0.04),
    Hospital("Hospital B", labelled=500, pool=1000, gain=0.90, noise=0.05, bias=0.10),
    Hospital("Hospital C", labelled=400, pool=800, gain=1.10, noise=0.045, bias=-0.08),
    Hospital("Hospital D", labelled=300, pool=600, gain=0.96, noise=0.06, bias=0.05),
)
"""Where people are examined: scanners and recorders differ, people do not."""


@dataclass(frozen=True, eq=False)
class People:
    """n people with the truth about each.

    visit : complete. signs : (n, 5), the wall and the levels of `SIGNS`. infarction : the outcome as drawn; the pool has one
    too, which its cohort does not tell.
    """

    origins: Sequence[Origin]
    visit: Visit
    signs: pd.DataFrame
    terms: Terms
    infarction: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.origins)

    def charts(self) -> pd.DataFrame:
        """The table (n, 24) with its gaps."""
        return self.visit.with_gaps(np.array([origin.generator(CHART).random(len(COLUMNS)) for origin in self.origins]))


def draw_people(origins: Sequence[Origin]) -> People:
    """The people of these origins; nobody depends on another."""
    first = len(FACTORS) + len(COLUMNS)
    normals, uniforms = np.empty((len(origins), first + len(SIGNS))), np.empty((len(origins), 2))
    for k, origin in enumerate(origins):
        rng = origin.generator(HISTORY)
        normals[k], uniforms[k] = rng.standard_normal(normals.shape[1]), rng.random(2)
    visit = make_visit(normals[:, :first], COLUMNS)
    signs = _signs(visit.levels, normals[:, first:], uniforms[:, 0])
    terms = outcome_terms(visit.table, signs)
    return People(origins, visit, signs, terms, uniforms[:, 1] < terms.probability)


def _signs(levels: Mapping[str, NDArray[np.float64]], normals: NDArray[np.float64], walls: NDArray[np.float64]) -> pd.DataFrame:
    """Wall and levels of n people from standard normal draws (n, 4) and one uniform draw each."""
    known: Levels = dict(levels)
    for k, (sign, weights) in enumerate(SIGNS.items()):
        known[sign] = weighted(known, weights, normals[:, k])
    wall = np.array(list(WALLS))[np.searchsorted(np.cumsum(list(WALLS.values()))[:-1], walls)]
    return pd.DataFrame({"wall": wall, **{sign: np.round(known[sign], 6) for sign in SIGNS}})


def lost(level: float) -> float:
    """The share of the wall that is lost, 0 to 1, at a level: .12 at the median, half at one deviation above it."""
    return float(1 / (1 + np.exp(-2 * (level - 1))))
