"""Scores without labels: how close a case lies to sentences that state a finding, and to those that state there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort
from benchmark.data.findings import NORMAL, Queries
from benchmark.learning.text_vision.report_space import TextSpace
from benchmark.system.errors import BenchmarkError

SHARPNESS = 5.0
"""What a difference of two cosines is multiplied by to be log-odds [A]."""


class ZeroShot:
    """What `similarity` and `predict_proba` are of a method that gives a vector of each case in the space of texts."""

    needs_queries: ClassVar[bool] = True
    queries: Queries
    space: TextSpace

    def vectors_of(self, cases: Cohort) -> Tensor:
        """(n, d) of length 1."""
        raise NotImplementedError(f"{type(self).__name__} must define vectors_of(cases)")

    def prepare(self, train: Cohort, space: TextSpace) -> None:
        """Know the sentences that state the dataset's findings. Raises `BenchmarkError` where it has none."""
        if not train.queries.keys() - {NORMAL}:
            raise BenchmarkError(f"{train.name}: no sentences state its findings: datasets/queries/ has no file for it")
        self.queries, self.space = train.queries, space

    def similarity(self, cases: Cohort, texts: Sequence[str]) -> NDArray[np.float64]:
        """The cosine of each case with each text, (n, m)."""
        return cosines(self.vectors_of(cases), self.space.of(texts))

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(any finding), (n,): of the nearest sentence of a finding against the nearest one that states that there is none."""
        there = self.similarity(cases, [text for name, texts in self.queries.items() if name != NORMAL for text in texts])
        normal = self.queries.get(NORMAL, ())
        absent = self.similarity(cases, normal).max(axis=1) if normal else np.zeros(len(cases))
        return np.asarray(1 / (1 + np.exp(-SHARPNESS * (there.max(axis=1) - absent))))


def cosines(one: Tensor, other: Tensor) -> NDArray[np.float64]:
    """Of vectors of length 1, in [-1, 1]."""
    with torch.no_grad():
        return np.asarray((one.double() @ other.double().T).clamp(-1, 1).numpy())
