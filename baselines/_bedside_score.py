"""What the bedside scores share: one number read off the table, and the logistic curve that makes a probability of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from benchmark import BenchmarkError, Cohort

FLATTEST = 1e-3
"""The least slope of the curve, in logits of the poor outcome per point: a training part that says otherwise cannot turn it."""


@dataclass
class BedsideScore:
    """P(label = 1) as a logistic curve of a score, of which more is worse: its AUC is the score's.

    Training finds the curve's place and slope and the medians that stand for missing values; the direction is fixed.

    poor : the label of the poor outcome.
    """

    stochastic = False
    poor: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no label. Raises `BenchmarkError`."""
        if self.poor not in (0, 1):
            raise BenchmarkError(f"poor={self.poor}: give the label of the poor outcome, 0 or 1")

    def items(self, cases: Cohort) -> NDArray[np.float64]:
        """What the score is made of, (n, k), NaN where missing."""
        raise NotImplementedError

    def total(self, items: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score of complete items, (n,)."""
        return np.asarray(items.sum(axis=1))

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Fit the curve on train + validation."""
        from sklearn.linear_model import LogisticRegression

        cases = train.join(validation)
        self._medians = np.nanmedian(self.items(cases), axis=0)
        scores = self._scores(cases)
        self._middle = float(scores.mean())
        curve = LogisticRegression().fit((scores - self._middle)[:, None], cases.labels == self.poor)
        self._intercept, self._slope = float(curve.intercept_[0]), max(float(curve.coef_[0, 0]), FLATTEST)

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        logits_of_poor = self._intercept + self._slope * (self._scores(cases) - self._middle)
        return np.asarray(expit(logits_of_poor if self.poor == 1 else -logits_of_poor))

    def _scores(self, cases: Cohort) -> NDArray[np.float64]:
        items = self.items(cases)
        return self.total(np.where(np.isnan(items), self._medians, items))


def column(cases: Cohort, name: str) -> pd.Series:
    """A column of the table by its name, in capitals or not. Raises `BenchmarkError` where there is none."""
    assert cases.table is not None
    for held in cases.table:
        if str(held).casefold() == name.casefold():
            return cases.table[held]
    raise BenchmarkError(f"the table of {cases.name} has no column {name}")
