"""Majority: the same probability for every case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark import Cohort, register_method


@register_method(
    "majority",
    family="control",
    reference="the share of label 1 in the training part, for every case",
    fit_modalities=set(),
    predict_modalities=set(),
)
@dataclass
class Majority:
    """Predicts the training part's share of label 1: what knows nothing of the patient."""

    stochastic = False

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Count the labels of train + validation."""
        assert train.labels is not None and validation.labels is not None
        self.share = float(np.concatenate([train.labels, validation.labels]).mean())

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """The same share for each case, (n,)."""
        return np.full(len(cases), self.share)
