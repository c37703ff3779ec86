"""The table of the visit, column by column: 18 numbers and 29 categories, and how each hangs on factors and on other columns.

A column's level is a standard normal variable: the weighted sum of what it hangs on, plus noise of its own for the rest. A
number is that level on a scale of plausible values; a category is the band into which the level falls. The weights are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Weights = Mapping[str, float]

FACTORS = ("vascular", "metabolic", "lifestyle")
"""What no column tells: proneness to vessel disease, to metabolic disease, and to an unhealthy life; standard normal."""


@dataclass(frozen=True)
class Number:
    """A number: `middle + spread * level`, or its exponential where `log`; cut at `low` and `high` and rounded."""

    middle: float
    spread: float
    low: float
    high: float
    weights: Weights = field(default_factory=dict)
    decimals: int = 0
    log: bool = False
    missing: float = 0.02


@dataclass(frozen=True)
class Category:
    """A category: one of `levels`, by the band between `cuts` into which the level falls."""

    levels: tuple[str, ...]
    cuts: tuple[float, ...]
    weights: Weights = field(default_factory=dict)
    missing: float = 0.02


NO_YES = ("no", "yes")
EATEN = ("less than once a week", "once or twice a week", "three times a week or more")

COLUMNS: Mapping[str, Number | Category] = {
    "age": Number(64, 7.5, 45, 82, missing=0),
    "sex": Category(("female", "male"), (0.05,), missing=0),
    "education": Category(
        ("school", "vocational", "college", "university"), (-0.6, 0.1, 0.6), {"lifestyle": -0.4, "age": -0.15}
    ),
    "deprivation_index": Number(-1.5, 2.9, -6.5, 10, {"lifestyle": 0.45}, 1),
    "employment": Category(("employed", "other", "retired"), (-0.25, 0.0), {"age": 0.85}),
    "living_alone": Category(NO_YES, (0.85,), {"lifestyle": 0.25, "age": 0.1}),
    "handedness": Category(("right", "left", "both"), (1.25, 2.1)),
    "smoking": Category(("never", "former", "current"), (0.2, 1.3), {"lifestyle": 0.55, "sex": 0.1}),
    "alcohol_units_week": Number(2.0, 0.9, 0, 80, {"sex": 0.3, "lifestyle": 0.15}, log=True, missing=0.04),
    "alcohol_frequency": Category(("rarely", "weekly", "most days"), (-0.5, 0.7), {"alcohol_units_week": 0.8}),
    "activity_met_h_week": Number(3.4, 0.8, 0, 300, {"lifestyle": -0.4, "age": -0.1}, log=True, missing=0.08),
    "activity": Category(("low", "moderate", "high"), (-0.8, 0.4), {"activity_met_h_week": 0.85}, missing=0.08),
    "walking_pace": Category(
        ("slow", "steady", "brisk"), (-1.4, 0.3), {"activity_met_h_week": 0.35, "age": -0.25, "metabolic": -0.2}
    ),
    "sleep_h": Number(7.1, 1.0, 3, 12, {"lifestyle": -0.1}, 1),
    "insomnia": Category(("never", "sometimes", "usually"), (-0.7, 0.6), {"sleep_h": -0.4}),
    "snoring": Category(NO_YES, (0.3,), {"metabolic": 0.35, "sex": 0.2}, missing=0.06),
    "fruit": Category(EATEN, (-1.2, -0.2), {"lifestyle": -0.4}, missing=0.03),
    "vegetables": Category(EATEN, (-1.5, -0.6), {"lifestyle": -0.35}, missing=0.03),
    "oily_fish": Category(EATEN, (-0.1, 1.3), {"lifestyle": -0.2, "age": 0.15}, missing=0.03),
    "processed_meat": Category(EATEN, (-0.4, 0.8), {"lifestyle": 0.35, "sex": 0.2}, missing=0.03),
    "added_salt": Category(("rarely", "sometimes", "usually"), (0.1, 0.9), {"lifestyle": 0.3}, missing=0.03),
    "bread": Category(("white", "brown", "wholemeal"), (-0.5, 0.0), missing=0.05),
    "milk": Category(("full cream", "semi-skimmed", "skimmed", "other"), (-1.3, 0.6, 1.3), missing=0.05),
    "coffee": Category(("less than daily", "one to three cups", "four cups or more"), (-0.6, 0.9), missing=0.04),
    "bmi": Number(27.0, 4.3, 15, 60, {"metabolic": 0.6, "lifestyle": 0.2}, 1),
    "waist_cm": Number(89, 12.5, 55, 160, {"bmi": 0.75, "sex": 0.4}),
    "systolic_mmhg": Number(138, 18, 85, 230, {"age": 0.35, "vascular": 0.55, "bmi": 0.15}),
    "diastolic_mmhg": Number(81, 10, 45, 130, {"systolic_mmhg": 0.6, "age": -0.25}),
    "pulse_bpm": Number(69, 11, 38, 130, {"activity_met_h_week": -0.25}),
    "hypertension_treatment": Category(NO_YES, (0.75,), {"systolic_mmhg": 0.3, "vascular": 0.4, "age": 0.25}),
    "hba1c_mmol_mol": Number(3.6, 0.15, 20, 130, {"metabolic": 0.55, "age": 0.15}, 1, log=True, missing=0.07),
    "diabetes": Category(NO_YES, (1.5,), {"hba1c_mmol_mol": 0.75, "bmi": 0.15}),
    "total_cholesterol_mmol_l": Number(5.6, 1.1, 2.0, 12, {"metabolic": 0.1, "sex": -0.15}, 2, missing=0.06),
    "hdl_mmol_l": Number(0.36, 0.25, 0.5, 4, {"sex": -0.45, "bmi": -0.3}, 2, log=True, missing=0.1),
    "triglycerides_mmol_l": Number(
        0.4, 0.5, 0.3, 12, {"bmi": 0.3, "hdl_mmol_l": -0.4, "metabolic": 0.2}, 2, log=True, missing=0.06
    ),
    "creatinine_umol_l": Number(4.26, 0.2, 30, 400, {"sex": 0.6, "vascular": 0.2, "age": 0.15}, log=True, missing=0.06),
    "crp_mg_l": Number(0.3, 1.0, 0.1, 80, {"bmi": 0.35, "lifestyle": 0.2}, 2, log=True, missing=0.06),
    "statin": Category(NO_YES, (0.9,), {"age": 0.3, "diabetes": 0.3, "vascular": 0.25}),
    "aspirin": Category(NO_YES, (1.1,), {"statin": 0.45, "age": 0.15}),
    "ischaemic_heart_disease": Category(NO_YES, (1.55,), {"statin": 0.35, "vascular": 0.35, "age": 0.2, "sex": 0.2}),
    "atrial_fibrillation": Category(NO_YES, (1.7,), {"age": 0.4, "sex": 0.1, "bmi": 0.1}),
    "migraine": Category(NO_YES, (1.5,), {"sex": -0.2}),
    "family_stroke": Category(NO_YES, (0.65,), {"vascular": 0.2}, missing=0.06),
    "family_heart_disease": Category(NO_YES, (0.2,), {"vascular": 0.15, "family_stroke": 0.1}, missing=0.06),
    "fev1_l": Number(2.7, 0.75, 0.5, 6, {"sex": 0.55, "age": -0.45, "lifestyle": -0.15}, 2, missing=0.1),
    "grip_kg": Number(31, 10.5, 4, 75, {"sex": 0.75, "age": -0.25}, missing=0.03),
    "self_rated_health": Category(
        ("poor", "fair", "good", "excellent"), (-1.7, -0.8, 1.0), {"activity_met_h_week": 0.25, "bmi": -0.3, "diabetes": -0.2}
    ),
}
"""Column -> its rule; a rule may name the factors and any column above it. `missing` is a share, completely at random."""
