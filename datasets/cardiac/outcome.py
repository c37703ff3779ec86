"""The known law of the cardiac cohort: one logistic formula of the heart's state and the table.

    logit P(infarction) = -3.75
      + 2.00 extent                                                                               state
      + 0.30 (age - 64) / 7.5 + 0.40 [male]
          + 0.60 [smoking: current] + 0.25 [smoking: former]
          + 0.70 [diabetes] + 0.35 [hypertension_treatment]
          + 0.30 (total_cholesterol_mmol_l - 5.6) / 1.1 + 0.50 [family_heart_disease]             table

`extent` is a standard normal level: how much of one wall of the heart is lost. Nobody measures it: the cine volume shows it
closely, the ECG less so, and the table foretells some of it. The rule is made up: no effect in it was estimated on people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

INTERCEPT, SLOPE = -3.75, 2.00
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terms:
    """The summands of n people's logits, each rounded to 6 decimals, so that every processor draws the same labels."""

    state: Numbers
    table: Numbers

    @property
    def probability(self) -> Numbers:
        """P(infarction | state, table), rounded to 6 decimals."""
        return np.round(1 / (1 + np.exp(-(INTERCEPT + self.state + self.table))), 6)


def outcome_terms(table: pd.DataFrame, signs: pd.DataFrame) -> Terms:
    """The terms of the module's formula, from complete tables (n, 24) and signs (n, 5)."""
    risk = (
        0.30 * (table["age"] - 64) / 7.5
        + 0.40 * (table["sex"] == "male")
        + 0.60 * (table["smoking"] == "current")
        + 0.25 * (table["smoking"] == "former")
        + 0.70 * (table["diabetes"] == "yes")
        + 0.35 * (table["hypertension_treatment"] == "yes")
        + 0.30 * (table["total_cholesterol_mmol_l"] - 5.6) / 1.1
        + 0.50 * (table["family_heart_disease"] == "yes")
    )
    return Terms(np.round(SLOPE * signs["extent"].to_numpy(), 6), np.round(risk.to_numpy(), 6))
