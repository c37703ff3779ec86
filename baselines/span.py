"""SPAN: age and NIHSS added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines._bedside_score import BedsideScore, column
from benchmark import Cohort, register_method


@register_method(
    "span",
    family="control",
    reference="SPAN-100 (Saposnik et al. 2013, Neurology 80:21-28)",
    differences="the sum itself, which the source cuts at 100 (`cut=100`); "
    "a logistic curve, fitted on the training part, makes a probability of the score and keeps its order, so that the AUC is "
    "the score's; the direction is fixed, not learnt: more is worse, and label 0 is the poor outcome (`poor=1` where label 1 "
    "is); a missing value is the training part's median",
    fit_modalities={"table"},
    predict_modalities={"table"},
    variants={"cut": {100: set()}},
    accepts_missing=True,
    columns={"age", "nihss"},
)
@dataclass
class SPAN(BedsideScore):
    """Age in years + NIHSS. cut : the sum from which on the index is positive, which then is all it tells; 0 for the sum."""

    cut: int = 0

    def items(self, cases: Cohort) -> NDArray[np.float64]:
        """Age and NIHSS, (n, 2)."""
        return np.column_stack([column(cases, name).to_numpy(dtype=np.float64) for name in ("age", "nihss")])

    def total(self, items: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum, or 1 where it reaches the cut, (n,)."""
        scores = super().total(items)
        return (scores >= self.cut).astype(np.float64) if self.cut else scores
