"""The known outcome model of the synthetic cohort: one logistic formula with parts for image, table and their interaction.

    logit P(good outcome) = -0.45
      - 0.80 a - 0.90 (nihss - 8) / 5 - 0.55 prestroke_mrs - 0.60 [diabetes]
          - 0.40 [prior_stroke] - 0.40 (glucose - 7) / 2.5                        table
      - 2.20 e - 0.25 (log(1 + volume_ml) - 2.4)                                  image
      - 0.30 a e - 1.90 t e                                                       interaction

where a = (age - 66) / 12; t = +1 under thrombolysis and -1 without; e = min(1, 4 f) - 0.35, and f is the damaged fraction of
the lateral lenticulostriate territories, left plus right.

Of the image the table knows only what the NIHSS reflects; volume tells more, and deep damage most, which neither the volume
nor the reports show. Its effect hangs on a column of the table: at age 66 it is -4.1 e under thrombolysis and -0.3 e without.
No sum of an image part and a table part can express that. The rule is made up: nothing is known of any such effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.synthetic.admission import Admission
from datasets.synthetic.brain import ATLAS_NAMES

ELOQUENT = "lateral lenticulostriate"
"""The territory, on either side, whose damage counts beyond its volume."""

_INTERCEPT = -0.45
_ELOQUENT = np.array([name.startswith(ELOQUENT) for name in ATLAS_NAMES])


@dataclass(frozen=True)
class Terms:
    """The summands of one patient's logit, each rounded to 6 decimals, so that every processor draws the same labels."""

    table: float
    image: float
    interaction: float

    @property
    def logit(self) -> float:
        """Logit of a good outcome."""
        return _INTERCEPT + self.table + self.image + self.interaction

    @property
    def probability(self) -> float:
        """P(good outcome | image, table), rounded to 6 decimals."""
        return round(1 / (1 + math.exp(-self.logit)), 6)


def eloquent_damage(fractions: NDArray[np.float64]) -> float:
    """Damage of the eloquent territory, min(1, 4 f), from the damaged fractions in the order of `ATLAS_NAMES`."""
    return round(min(1.0, 4 * float(fractions[_ELOQUENT].sum())), 6)


def outcome_terms(patient: Admission, volume_ml: float, fractions: NDArray[np.float64]) -> Terms:
    """The terms of the module's formula for one patient."""
    age = (patient.age - 66) / 12
    eloquent = eloquent_damage(fractions) - 0.35
    table = (
        -0.80 * age
        - 0.90 * (patient.nihss - 8) / 5
        - 0.55 * patient.prestroke_mrs
        - 0.60 * patient.diabetes
        - 0.40 * patient.prior_stroke
        - 0.40 * (patient.glucose_mmol_l - 7) / 2.5
    )
    volume = math.log1p(volume_ml) - 2.4
    sign = 1 if patient.thrombolysis else -1
    return Terms(
        table=round(table, 6),
        image=round(-2.20 * eloquent - 0.25 * volume, 6),
        interaction=round(-0.30 * age * eloquent - 1.90 * sign * eloquent, 6),
    )
