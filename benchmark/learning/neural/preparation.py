"""From views of a cohort to tensors: fitted on the training part."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.cohort import Cohort, Features
from benchmark.learning.design_matrix import DesignMatrix
from benchmark.learning.neural.inputs import Batch, Drafts, Shapes, Tokens
from benchmark.learning.replication import replicate
from benchmark.system.errors import BenchmarkError
from benchmark.system.threads import device

CLIP = 5.0
"""Standardised features end here [A]: a territory that few infarcts reach would else stand 30 deviations out."""
TREATMENTS = ("own", "permuted", "constant")
"""What a case's image or text may be: its own; that of a training case; the training part's mean, the same for all."""


class Preparation:
    """Imputation, categories and scales of the training part, applied to any cases.

    Parameters
    ----------
    train : the training part; its view's modalities are those that the method uses.
    table : blocks of the design matrix that stand for the table ("table", or "table+derived" and so on).
    encoders : modality -> encoder, "" for the dataset's default.
    treatments : modality -> one of `TREATMENTS`, for controls.
    tokens : whether tokens are wanted beside pooled vectors.
    seed : decides whose image or text a case is given where they are permuted.
    """

    def __init__(
        self,
        train: Cohort,
        table: str,
        encoders: Mapping[str, str],
        treatments: Mapping[str, str],
        *,
        tokens: bool,
        seed: int,
    ) -> None:
        for modality, treatment in treatments.items():
            if treatment not in TREATMENTS:
                raise BenchmarkError(f"{modality}={treatment}: give one of {', '.join(TREATMENTS)}")
        self._encoders, self._treatments, self._seed = encoders, treatments, seed
        self._matrix = DesignMatrix(table).fit(train) if "table" in train.modalities else None
        self._scalers: dict[str, _Scaler] = {}
        self._donors: dict[str, Drafts] = {}
        for modality in sorted(train.modalities - {"table"}):
            features = self._features(train, modality)
            self._scalers[modality] = _Scaler(features, tokens=tokens)
            if treatments.get(modality) == "permuted":
                self._donors[modality] = self._scalers[modality].transform(features)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(p,) which columns of the table are measured numbers: what SMOTE may interpolate."""
        return np.zeros(0, dtype=bool) if self._matrix is None else self._matrix.measured

    def table(self, cases: Cohort) -> NDArray[np.float64] | None:
        """(n, p) float64; None where the method does not use the table."""
        return None if self._matrix is None else self._matrix.transform(cases)

    def drafts(self, cases: Cohort) -> dict[str, Drafts]:
        """Standardised features of image and text, as far as the method uses them."""
        return {modality: self._drafts(cases, modality) for modality in self._scalers}

    def batch(self, cases: Cohort) -> Batch:
        """The cases with the mean of their drafts, as prediction sees them."""
        return batch_of(self.table(cases), {modality: drafts.averaged() for modality, drafts in self.drafts(cases).items()})

    def _drafts(self, cases: Cohort, modality: str) -> Drafts:
        if modality in self._donors:
            donors = self._donors[modality]
            return donors.at(torch.tensor([self._donor(str(case), modality, len(donors.present)) for case in cases.case_ids]))
        drafts = self._scalers[modality].transform(self._features(cases, modality))
        return drafts.constant() if self._treatments.get(modality) == "constant" else drafts

    def _features(self, cases: Cohort, modality: str) -> Features:
        return cases.features(modality, self._encoders.get(modality) or None)

    def _donor(self, case: str, modality: str, donors: int) -> int:
        """Whose image or text a case is given: it depends on the case and the seed alone."""
        rng = np.random.default_rng([self._seed, zlib.crc32(f"{modality} of {case}".encode())])
        return int(rng.integers(donors))


class LearningCases:
    """The training part with its replicated cases, from which each epoch draws one draft per case.

    labels (n,) float32. `smote` neighbours of replication SMOTE; 0 for none.
    """

    def __init__(self, preparation: Preparation, train: Cohort, smote: int, seed: int) -> None:
        self._table, self._drafts = preparation.table(train), preparation.drafts(train)
        self.labels = tensor(np.asarray(train.labels))
        shapes = {modality: drafts.shape for modality, drafts in self._drafts.items()}
        columns = None if self._table is None else self._table.shape[1]
        self.shapes = Shapes(columns, shapes.get("image"), shapes.get("text"))
        if smote:
            self._replicate(preparation.measured, smote, seed)

    def epoch(self, rng: np.random.Generator) -> Batch:
        """All cases, each with a draft drawn at random (the source paper's regulariser)."""
        return batch_of(self._table, {modality: drafts.drawn(rng) for modality, drafts in self._drafts.items()})

    def _replicate(self, measured: NDArray[np.bool_], neighbours: int, seed: int) -> None:
        """Append copies of the smaller class; a column of row numbers says whose image and text a copy has."""
        n = len(self.labels)
        table = np.zeros((n, 0)) if self._table is None else self._table
        numbered = np.column_stack([table, np.arange(n)])
        rows, labels = replicate(numbered, self.labels.cpu().numpy(), np.append(measured, False), neighbours, seed)
        whose = torch.from_numpy(rows[:, -1].astype(np.int64))
        self._table = None if self._table is None else rows[:, :-1]
        self._drafts = {modality: drafts.at(whose) for modality, drafts in self._drafts.items()}
        self.labels = tensor(labels)


class _Scaler:
    """Zero mean and unit variance over the cases, drafts and tokens of the training part.

    Tokens beyond the last place that a training case fills are left out: the length of a text that was not trained on decides
    nothing.
    """

    def __init__(self, features: Features, *, tokens: bool) -> None:
        self._pooled = _moments(features.pooled[features.mask.any(axis=2)])
        self._tokens = _moments(features.tokens[features.mask]) if tokens else None
        self._places = 1 + int(np.flatnonzero(features.mask.any(axis=(0, 1))).max(initial=-1))

    def transform(self, features: Features) -> Drafts:
        present = np.asarray(features.mask.any(axis=2))
        pooled = torch.from_numpy(_standardised(features.pooled, self._pooled) * present[..., None])
        if self._tokens is None:
            return Drafts(Tokens(pooled, grid=features.grid), torch.from_numpy(present))
        mask = np.array(features.mask[:, :, : self._places])
        tokens = _standardised(features.tokens[:, :, : self._places], self._tokens) * mask[..., None]
        share = features.lesion_share
        whole = Tokens(
            pooled,
            torch.from_numpy(tokens),
            torch.from_numpy(mask),
            None if share is None else torch.from_numpy(np.array(share[:, : self._places], dtype=np.float32)),
            features.grid,
        )
        return Drafts(whole, torch.from_numpy(present))


def _moments(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Mean and deviation of each column; a constant column has deviation 1."""
    mean, deviation = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1).astype(np.float32)


def _standardised(vectors: NDArray[np.float32], moments: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    mean, deviation = moments
    bounded: NDArray[np.float32] = np.clip((vectors - mean) / deviation, -CLIP, CLIP)
    return bounded


def batch_of(table: NDArray[np.float64] | None, tokens: Mapping[str, Tokens]) -> Batch:
    """The table and the tokens of image and text on the chosen device; None for what there is not."""
    placed = {modality: part.to(device()) for modality, part in tokens.items()}
    return Batch(None if table is None else tensor(table), placed.get("image"), placed.get("text"))


def tensor(values: NDArray[Any]) -> Tensor:
    """The values as float32 on the chosen device."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device())
