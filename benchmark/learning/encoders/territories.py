"""Territories: the image as named figures, one token per arterial territory."""

from dataclasses import dataclass

import numpy as np

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import LESION_VOLUME
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError


@register_encoder(
    "territories",
    modality="image",
    reference="damaged fraction of each arterial territory, mask x atlas",
    weights="none",
)
@dataclass(frozen=True)
class Territories:
    """Damaged fraction of each territory and the log volume of the lesion, from `cohort.derived`.

    tokens (n, 1, territories, 1 + territories): the territory's fraction and its one-hot identity;
    pooled (n, 1, 1 + territories): log1p of the volume in ml, then all fractions.
    """

    def weights_digest(self) -> str:
        """There are no weights."""
        return ""

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case. Raises `BenchmarkError` where the dataset derives no lesion volume."""
        if cohort.derived is None or LESION_VOLUME not in cohort.derived:
            raise BenchmarkError(f"encoder territories: {cohort.name} has no derived column '{LESION_VOLUME}'")
        fractions = cohort.derived.drop(columns=LESION_VOLUME).to_numpy(dtype=np.float32)
        volume = cohort.derived[LESION_VOLUME].to_numpy(dtype=np.float32)
        present = np.isfinite(volume) & np.isfinite(fractions).all(axis=1)
        fractions = np.where(present[:, None], fractions, 0)
        n, territories = fractions.shape
        identity = np.broadcast_to(np.eye(territories, dtype=np.float32), (n, territories, territories))
        tokens = np.concatenate([fractions[:, :, None], identity], axis=2)[:, None]
        pooled = np.column_stack([np.log1p(np.where(present, volume, 0)), fractions])[:, None]
        mask = np.repeat(present[:, None], territories, axis=1)[:, None]
        return Features(tokens, mask, pooled)
