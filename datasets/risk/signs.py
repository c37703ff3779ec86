"""Signs of small-vessel disease and ageing in the brain: how much of each a person has.

Age and the factor `vascular`, which also raises blood pressure and brings its treatment, drive all of them in part: so image
and table share something. The rest of each sign is a person's own, and no column of the table tells it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.risk.columns import Weights
from datasets.risk.visit import Levels, weighted

SIGNS: Mapping[str, Weights] = {
    "periventricular_ml": {"age": 0.35, "vascular": 0.45, "metabolic": 0.10},
    "deep_ml": {"vascular": 0.20, "periventricular_ml": 0.30},
    "lacunes": {"vascular": 0.20, "deep_ml": 0.30},
    "atrophy": {"age": 0.45, "lifestyle": 0.20, "sex": 0.10},
}
"""Sign -> what its level hangs on: factors, columns of the visit, signs above it."""

MEDIAN_ML = {"periventricular_ml": 3.5, "deep_ml": 2.0}
"""Median volumes of white-matter lesions."""
SPREAD = {"periventricular_ml": 0.8, "deep_ml": 1.0}
"""Standard deviation of their logarithms."""
LARGEST_ML = {"periventricular_ml": 35.0, "deep_ml": 45.0}
LACUNES = (0.9, 1.5, 2.0, 2.4)
"""Levels from which there are one, two, three and four lacunes."""


def draw_signs(levels: Mapping[str, NDArray[np.float64]], normals: NDArray[np.float64]) -> pd.DataFrame:
    """The signs of n people, (n, 4), from levels of the visit and standard normal draws (n, 4).

    periventricular_ml, deep_ml : volumes of white-matter lesions in ml. lacunes : 0 to 4. atrophy : a standard normal level.
    """
    known: Levels = dict(levels)
    for k, (sign, weights) in enumerate(SIGNS.items()):
        known[sign] = weighted(known, weights, normals[:, k])
    volumes = {
        sign: np.round(np.clip(median * np.exp(SPREAD[sign] * known[sign]), 0.05, LARGEST_ML[sign]), 2)
        for sign, median in MEDIAN_ML.items()
    }
    lacunes = np.searchsorted(LACUNES, np.round(known["lacunes"], 9)).astype(np.float64)
    return pd.DataFrame({**volumes, "lacunes": lacunes, "atrophy": np.round(np.clip(known["atrophy"], -3, 3), 3)})
