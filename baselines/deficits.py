"""Deficits: how many of eight neurological deficits there are, as the International Stroke Trial recorded them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines._bedside_score import BedsideScore, column
from benchmark import Cohort, register_method

SIGNS = [f"RDEF{number}" for number in range(1, 9)]
PRESENT = {"N": 0, "Y": 1}
"""What is neither, C, cannot be assessed."""


@register_method(
    "deficits",
    family="control",
    reference="RDEF1 to RDEF8 of the International Stroke Trial (Sandercock et al. 2011, Trials 12:101)",
    differences="a deficit that cannot be assessed counts as missing; "
    "a logistic curve, fitted on the training part, makes a probability of the score and keeps its order, so that the AUC is "
    "the score's; the direction is fixed, not learnt: more is worse, and label 0 is the poor outcome (`poor=1` where label 1 "
    "is); a missing value is the training part's median",
    fit_modalities={"table"},
    predict_modalities={"table"},
    accepts_missing=True,
    columns={"RDEF1", "RDEF2", "RDEF3", "RDEF4", "RDEF5", "RDEF6", "RDEF7", "RDEF8"},
)
@dataclass
class Deficits(BedsideScore):
    """The number of deficits, 0 to 8: face, arm, leg, dysphasia, hemianopia, visuospatial, brainstem or cerebellar, other."""

    def items(self, cases: Cohort) -> NDArray[np.float64]:
        """Which deficits there are, (n, 8)."""
        return np.column_stack([column(cases, sign).map(PRESENT).to_numpy(dtype=np.float64) for sign in SIGNS])
