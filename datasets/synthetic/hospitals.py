"""The four hospitals of the synthetic cohort: how many cases, whom they admit, and how their scanners differ.

The names and the class counts of the first two are those of the source paper; nothing else here is measured on any hospital.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Hospital:
    """A hospital's case mix and scanner.

    labelled, pool : numbers of labelled cases, and of further cases without a label.
    good : how many labelled cases have a good outcome (met by case-control draws); None where labels are drawn freely.
    age : mean age in years. severity : shift of the log lesion volume.
    gain, noise, bias : scanner factor, noise SD (share of full intensity), relative slope of intensity from back to front.
    """

    name: str
    labelled: int
    pool: int
    good: int | None = None
    age: float = 66.0
    severity: float = 0.0
    gain: float = 1.0
    noise: float = 0.03
    bias: float = 0.0

    def generator(self, seed: int, *stream: int) -> np.random.Generator:
        """The random stream of one case of this hospital; no case's stream depends on another's."""
        return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(self.name.encode()), *stream]))


HOSPITALS = (
    Hospital("Tongji", labelled=366 + 196, good=196, pool=1150),
    Hospital("Xinhua", labelled=131 + 36, good=36, pool=350, age=69.0, severity=0.2, gain=0.94, noise=0.035, bias=0.06),
    Hospital("Oriental", labelled=120, pool=300, age=71.0, severity=0.35, gain=0.82, noise=0.05, bias=-0.12),
    Hospital("Putuo", labelled=90, pool=200, age=64.0, severity=-0.35, gain=1.12, noise=0.045, bias=0.15),
)
