"""The known law of the risk cohort: one logistic formula with parts for table, image and their interaction.

    logit P(stroke within ten years) = -4.40
      + 0.20 (age - 64) / 7.5 + 0.10 p + 0.40 [male]
          + 0.95 [smoking: current] + 0.40 [smoking: former]
          + 1.70 [atrial_fibrillation] + 1.10 [diabetes] + 0.30 [hypertension_treatment]
          + 0.95 [family_stroke] + 0.65 [ischaemic_heart_disease] - 0.45 (fev1_l - 2.7) / 0.75    table
      + 0.25 d + 0.30 min(lacunes, 2) + 0.10 atrophy                                              image
      + 0.70 d p                                                                                  interaction

where p = (systolic_mmhg - 138) / 18 and d = log(deep_ml / 2).

Of the image, deep white-matter lesions, lacunes and atrophy count. Periventricular lesions, the more conspicuous ones, do so
only by what they have in common with deep ones. Deep lesions count for more the higher the blood pressure, which no sum of an
image part and a table part can express. The rule is made up: no effect in it was estimated on people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_INTERCEPT = -4.40
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Terms:
    """The summands of n people's logits, each rounded to 6 decimals, so that every processor draws the same labels."""

    table: Numbers
    image: Numbers
    interaction: Numbers

    @property
    def probability(self) -> Numbers:
        """P(stroke within ten years | image, table), rounded to 6 decimals."""
        logit = _INTERCEPT + self.table + self.image + self.interaction
        return np.round(1 / (1 + np.exp(-logit)), 6)


def outcome_terms(table: pd.DataFrame, signs: pd.DataFrame) -> Terms:
    """The terms of the module's formula, from complete tables (n, 47) and signs (n, 4)."""
    pressure = ((table["systolic_mmhg"] - 138) / 18).to_numpy()
    deep = np.log(signs["deep_ml"] / 2).to_numpy()
    risk = (
        0.20 * (table["age"] - 64) / 7.5
        + 0.10 * pressure
        + 0.40 * (table["sex"] == "male")
        + 0.95 * (table["smoking"] == "current")
        + 0.40 * (table["smoking"] == "former")
        + 1.70 * (table["atrial_fibrillation"] == "yes")
        + 1.10 * (table["diabetes"] == "yes")
        + 0.30 * (table["hypertension_treatment"] == "yes")
        + 0.95 * (table["family_stroke"] == "yes")
        + 0.65 * (table["ischaemic_heart_disease"] == "yes")
        - 0.45 * (table["fev1_l"] - 2.7) / 0.75
    ).to_numpy()
    seen = (0.25 * deep + 0.30 * np.minimum(signs["lacunes"], 2) + 0.10 * signs["atrophy"]).to_numpy()
    return Terms(np.round(risk, 6), np.round(seen, 6), np.round(0.70 * deep * pressure, 6))
