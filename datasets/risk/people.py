"""People of the risk cohort: visit, brain and outcome of each, drawn from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.risk.columns import COLUMNS
from datasets.risk.outcome import Terms, outcome_terms
from datasets.risk.signs import SIGNS, draw_signs
from datasets.risk.visit import NOISES, Visit, make_visit
from datasets.synthetic.hospitals import Hospital

LABELLED, POOL, ORDER = 10, 11, 12
"""First key of a random stream: what it is for; others than those of the stroke cohort."""
HISTORY, CHART, SCAN, READING = 0, 1, 2, 3
"""Last key of a person's random streams: visit, signs and outcome; missing values; scan; what the laboratory reads off it."""

CENTRES = (
    Hospital("Centre A", labelled=1500, pool=2000, noise=0.03),
    Hospital("Centre B", labelled=900, pool=1200, gain=0.92, noise=0.04, bias=0.06),
    Hospital("Centre C", labelled=600, pool=800, gain=1.08, noise=0.035, bias=-0.08),
)
"""Where people are imaged: scanners differ, people do not."""


@dataclass(frozen=True)
class Origin:
    """Where a person comes from: what all random streams of that person begin with."""

    centre: Hospital
    stream: tuple[int, int, int]

    def generator(self, purpose: int) -> np.random.Generator:
        """The person's random stream for `HISTORY`, `CHART`, `SCAN` or `READING`."""
        return self.centre.generator(*self.stream, purpose)


@dataclass(frozen=True, eq=False)
class People:
    """n people with the truth about each.

    visit : complete. signs : (n, 4), see `draw_signs`. stroke : the outcome as drawn; the pool has one too, which its cohort
    does not tell.
    """

    origins: Sequence[Origin]
    visit: Visit
    signs: pd.DataFrame
    terms: Terms
    stroke: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.origins)

    def charts(self) -> pd.DataFrame:
        """The table (n, 47) with its gaps."""
        return self.visit.with_gaps(np.array([origin.generator(CHART).random(len(COLUMNS)) for origin in self.origins]))


def draw_people(origins: Sequence[Origin]) -> People:
    """The people of these origins; nobody depends on another."""
    normals = np.empty((len(origins), NOISES + len(SIGNS)))
    uniforms = np.empty(len(origins))
    for k, origin in enumerate(origins):
        rng = origin.generator(HISTORY)
        normals[k], uniforms[k] = rng.standard_normal(normals.shape[1]), rng.random()
    visit = make_visit(normals[:, :NOISES])
    signs = draw_signs(visit.levels, normals[:, NOISES:])
    terms = outcome_terms(visit.table, signs)
    return People(origins, visit, signs, terms, uniforms < terms.probability)


def origins(seed: int, purpose: int, centres: Sequence[Hospital] = CENTRES) -> list[Origin]:
    """Those of the `LABELLED` or of the `POOL`, in random order: ids are numbered along it and must not reveal the centre."""
    numbers = {centre: centre.labelled if purpose == LABELLED else centre.pool for centre in centres}
    every = [Origin(centre, (seed, purpose, number)) for centre, count in numbers.items() for number in range(count)]
    order = np.random.default_rng(np.random.SeedSequence([seed, ORDER, purpose])).permutation(len(every))
    return [every[k] for k in order]
