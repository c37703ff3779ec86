"""Consciousness: the level of consciousness alone, as the International Stroke Trial recorded it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines._bedside_score import BedsideScore, column
from benchmark import Cohort, register_method

LEVELS = {"F": 0, "D": 1, "U": 2}
"""Fully alert, drowsy, unconscious."""


@register_method(
    "consciousness",
    family="control",
    reference="RCONSC of the International Stroke Trial (Sandercock et al. 2011, Trials 12:101)",
    differences="0 alert, 1 drowsy, 2 unconscious; "
    "a logistic curve, fitted on the training part, makes a probability of the score and keeps its order, so that the AUC is "
    "the score's; the direction is fixed, not learnt: more is worse, and label 0 is the poor outcome (`poor=1` where label 1 "
    "is); a missing value is the training part's median",
    fit_modalities={"table"},
    predict_modalities={"table"},
    accepts_missing=True,
    columns={"RCONSC"},
)
@dataclass
class Consciousness(BedsideScore):
    """0 fully alert, 1 drowsy, 2 unconscious."""

    def items(self, cases: Cohort) -> NDArray[np.float64]:
        """The level, (n, 1)."""
        return np.column_stack([column(cases, "RCONSC").map(LEVELS).to_numpy(dtype=np.float64)])
