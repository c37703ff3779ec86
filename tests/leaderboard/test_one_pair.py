"""With the number of patients given for a pair, the difference is found as often as promised."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtri

from benchmark.leaderboard.one_pair import SOUGHT, patients_needed
from benchmark.statistics.comparison import compare

AUCS = (0.8, 0.8 - SOUGHT)
SHARED = 0.6
"""Correlation of the two rows' scores within a class."""


def drawn(patients: int, seed: int) -> pd.Series:
    """The contrast of two rows on one test set, whose AUCs differ by `SOUGHT` in truth; two fifths have label 1."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(patients) % 5 < 2).astype(int)
    noise = np.sqrt(SHARED) * rng.normal(size=(1, patients)) + np.sqrt(1 - SHARED) * rng.normal(size=(2, patients))
    scores = expit(noise + labels * np.sqrt(2) * ndtri(AUCS)[:, None])
    task = pd.DataFrame({"split": "holdout", "seed": 39, "site": "", "case": range(patients), "label": labels})
    found = compare(
        task,
        pd.DataFrame(scores.T, columns=["a", "b"]),
        pd.DataFrame(0.5, index=["holdout"], columns=["a", "b"]),
        inference="held-out",
        ranked=["a", "b"],
        families={"compare": [("a", "b")]},
    )
    return found.families["compare"].iloc[0]


@pytest.mark.slow
def test_so_many_patients_find_the_difference_four_times_in_five():
    needed = int(patients_needed(400, float(np.median([drawn(400, seed).detectable for seed in range(10)]))))
    assert 400 < needed < 4000
    found = np.mean([drawn(needed, 1000 + seed).p < 0.05 for seed in range(120)])
    assert 0.68 < found < 0.9, f"{needed} patients"
