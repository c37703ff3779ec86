"""People of the findings cohort: how ill each brain is, where, and which findings an expert calls; a random stream for each.

A finding's level is a standard normal variable. The scan shows the level, the larger the more; the expert calls the finding
with the probability

    P(finding | level) = 1 / (1 + exp(-5 (level - middle)))

so that scans near the middle are called now one way, now the other: no reader of scans agrees with every call. The rule, its
middles and what the levels hang on are made up: nothing was estimated on people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.risk.columns import Weights
from datasets.risk.people import HISTORY, Origin
from datasets.risk.visit import Levels, weighted
from datasets.synthetic.hospitals import Hospital

SLOPE = 5.0
MIDDLES: Mapping[str, float] = {"infarct": 0.95, "bleed": 1.2, "mass": 1.2, "hydrocephalus": 1.2, "white-matter": 0.75}
"""Finding -> the level at which half of the scans are called."""
FINDINGS = tuple(MIDDLES)
LEVELS: Mapping[str, Weights] = {
    "age": {},
    "vascular": {},
    "atrophy": {"age": 0.5},
    "white-matter": {"age": 0.45, "vascular": 0.35},
    "infarct": {"vascular": 0.35, "age": 0.15},
    "bleed": {"vascular": 0.25},
    "mass": {},
    "hydrocephalus": {"bleed": 0.2, "mass": 0.2},
}
"""Level -> the levels that it hangs on; all are standard normal."""
PLACES: Mapping[str, Mapping[str, float]] = {
    "infarct": {
        "middle cerebral artery": 0.60,
        "anterior cerebral artery": 0.12,
        "posterior cerebral artery": 0.16,
        "inferior cerebellar artery": 0.12,
    },
    "bleed": {"basal ganglia": 0.40, "frontal lobe": 0.20, "temporal lobe": 0.15, "parietal lobe": 0.15, "cerebellum": 0.10},
    "mass": {"frontal lobe": 0.35, "temporal lobe": 0.25, "parietal lobe": 0.25, "occipital lobe": 0.15},
}
"""Finding that lies somewhere -> its places (arterial territories, lobes) and their shares; each is left or right."""
SIDES = ("left", "right")

DEPARTMENTS = (
    Hospital("Department A", labelled=700, pool=700, noise=0.025),
    Hospital("Department B", labelled=500, pool=500, gain=0.92, noise=0.032, bias=0.06),
    Hospital("Department C", labelled=300, pool=300, gain=1.08, noise=0.028, bias=-0.08),
)
"""Where people are imaged: scanners differ, people do not."""


@dataclass(frozen=True)
class Spot:
    """Where something lies."""

    side: str
    place: str


@dataclass(frozen=True, eq=False)
class People:
    """n people with the truth about each.

    state : age in years, sex, and the levels of `LEVELS`. spots : per person, finding of `PLACES` -> where it lies, or would
    lie. probabilities (n, 5) : P(finding | level), rounded to 6 decimals. findings (n, 5) : as the expert calls them.
    """

    origins: Sequence[Origin]
    state: pd.DataFrame
    spots: Sequence[Mapping[str, Spot]]
    probabilities: pd.DataFrame
    findings: pd.DataFrame

    def __len__(self) -> int:
        return len(self.origins)


def draw_people(origins: Sequence[Origin]) -> People:
    """The people of these origins; nobody depends on another."""
    normals = np.empty((len(origins), len(LEVELS)))
    calls, places = np.empty((len(origins), len(FINDINGS))), np.empty((len(origins), len(PLACES), 2))
    female = np.empty(len(origins), dtype=bool)
    for k, origin in enumerate(origins):
        rng = origin.generator(HISTORY)
        normals[k], calls[k], places[k] = (
            rng.standard_normal(len(LEVELS)),
            rng.random(len(FINDINGS)),
            rng.random((len(PLACES), 2)),
        )
        female[k] = rng.random() < 0.5
    levels: Levels = {}
    for k, (name, weights) in enumerate(LEVELS.items()):
        levels[name] = np.round(weighted(levels, weights, normals[:, k]), 6)
    probabilities = pd.DataFrame({name: called(levels[name], middle) for name, middle in MIDDLES.items()})
    years = np.round(np.clip(62 + 14 * levels["age"], 18, 95))
    state = pd.DataFrame({**levels, "age": years, "sex": np.where(female, "female", "male")})
    return People(origins, state, [_spots(draws) for draws in places], probabilities, probabilities > calls)


def called(level: NDArray[np.float64], middle: float) -> NDArray[np.float64]:
    """P(finding | level), rounded so that every processor calls the same."""
    return np.round(1 / (1 + np.exp(-SLOPE * (level - middle))), 6)


def _spots(draws: NDArray[np.float64]) -> Mapping[str, Spot]:
    """Sides and places from uniform draws (3, 2)."""
    return {
        finding: Spot(SIDES[int(side >= 0.5)], list(shares)[int(np.searchsorted(np.cumsum(list(shares.values())), place))])
        for (finding, shares), (side, place) in zip(PLACES.items(), draws, strict=True)
    }
