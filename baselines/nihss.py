"""NIHSS: the stroke scale alone, which every clinician has at the bedside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines._bedside_score import BedsideScore, column
from benchmark import Cohort, register_method


@register_method(
    "nihss",
    family="control",
    reference="NIH Stroke Scale (Brott et al. 1989, Stroke 20:864-870)",
    differences="a logistic curve, fitted on the training part, makes a probability of the score and keeps its order, so that "
    "the AUC is the score's; the direction is fixed, not learnt: more is worse, and label 0 is the poor outcome (`poor=1` "
    "where label 1 is); a missing value is the training part's median",
    fit_modalities={"table"},
    predict_modalities={"table"},
    accepts_missing=True,
    columns={"nihss"},
)
@dataclass
class NIHSS(BedsideScore):
    """The NIHSS, 0 to 42."""

    def items(self, cases: Cohort) -> NDArray[np.float64]:
        """The NIHSS, (n, 1)."""
        return np.column_stack([column(cases, "nihss").to_numpy(dtype=np.float64)])
