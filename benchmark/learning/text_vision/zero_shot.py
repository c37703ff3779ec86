"""Scores without labels: how close a case lies to sentences that state a finding, and to those that state there is none.

Several sentences of a finding count by the mean of their cosines, much as CLIP averages what it is asked (Radford et al. 2021,
arXiv 2103.00020). The greatest follows how near a sentence lies to all reports, more than what the case shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.findings import NORMAL, Queries
from benchmark.learning.text_vision.report_space import ReportSpace

SHARPNESS = 5.0
"""What a difference of two cosines is multiplied by to be log-odds [A]."""


class ZeroShot(ReportSpace):
    """A method that gives each case a vector in the space of texts, and learns from no label."""

    needs_queries: ClassVar[bool] = True

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Know the sentences that state the dataset's findings; all learning is the stages'."""
        self.queries: Queries = train.queries
        self.chosen = self.figures()

    def vectors_of(self, cases: Cohort) -> NDArray[np.float32]:
        """(n, d) of length 1."""
        raise NotImplementedError(f"{type(self).__name__} must define vectors_of(cases)")

    def similarity(self, cases: Cohort, texts: Sequence[str]) -> NDArray[np.float64]:
        """The cosine of each case with each text, (n, m)."""
        return cosines(self.vectors_of(cases), self.text_vectors(texts))

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(any finding), (n,): of the nearest finding against the sentences that state that there is none."""
        texts = [text for sentences in self.queries.values() for text in sentences]
        ends = np.cumsum([len(sentences) for sentences in self.queries.values()])[:-1]
        parts = np.split(self.similarity(cases, texts), ends, axis=1)
        means: dict[str, Any] = {name: part.mean(axis=1) for name, part in zip(self.queries, parts, strict=True)}
        absent = means.pop(NORMAL, 0.0)
        return np.asarray(1 / (1 + np.exp(-SHARPNESS * (np.max(list(means.values()), axis=0) - absent))))


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of vectors of length 1, in [-1, 1]."""
    return np.asarray(np.clip(one.astype(np.float64) @ other.astype(np.float64).T, -1, 1))
