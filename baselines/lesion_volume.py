"""Lesion volume: what any use of the image must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark import LESION_VOLUME, BenchmarkError, Cohort, register_method


@register_method(
    "lesion-volume",
    family="control",
    reference="logistic regression on log(1 + lesion volume in ml)",
    fit_modalities={"image"},
    predict_modalities={"image"},
)
@dataclass
class LesionVolume:
    """Logistic regression on one number, the log volume of the lesion."""

    stochastic = False
    needs_derived = ("lesion_volume_ml",)

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit on train + validation."""
        from sklearn.linear_model import LogisticRegression

        cases = train.join(validation)
        self.model = LogisticRegression().fit(log_volume(cases), cases.labels)

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        return np.asarray(self.model.predict_proba(log_volume(cases))[:, 1])


def log_volume(cases: Cohort) -> NDArray[np.float64]:
    """log(1 + lesion volume in ml), (n, 1). Raises `BenchmarkError` where the dataset measures no volume."""
    if cases.derived is None or LESION_VOLUME not in cases.derived:
        raise BenchmarkError(f"{cases.name} derives no '{LESION_VOLUME}' from its images")
    return np.asarray(np.log1p(cases.derived[[LESION_VOLUME]].to_numpy(dtype=np.float64)))
