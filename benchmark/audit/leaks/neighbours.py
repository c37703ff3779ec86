"""Near copies: cases whose nearest neighbour is far nearer than the cohort's own distances allow.

Where cases lie as by chance in d dimensions, the ratio r of a case's distance to its nearest and to its second nearest
neighbour is below t with probability t^d, whatever the density (Facco, d'Errico, Rodriguez and Laio 2017, Scientific Reports
7:12140). So r^d is a p-value; d itself is read off the cohort by the median ratio, which copies of a minority do not move far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 1e-3
"""The chance that a clean cohort names any case (Bonferroni over its cases)."""
FEWEST = 20
"""Cases from which the dimension can be read off."""
MOST_DIMENSIONS = 10.0
"""A larger estimate is cut: it would call small ratios of distances improbable that are only rounded."""


@dataclass(frozen=True, eq=False)
class NearCopies:
    """The cases with a near copy of another group, by position, their neighbours, and the ratios of the two distances."""

    cases: NDArray[np.intp]
    neighbours: NDArray[np.intp]
    ratios: NDArray[np.float64]
    dimension: float


def near_copies(points: NDArray[np.floating], groups: NDArray[np.intp], closest: float = np.inf) -> NearCopies:
    """Near copies among points (n, d), which must be within the distance `closest` as well. Equal points are no near copies."""
    nothing = NearCopies(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.nan)
    if len(points) < FEWEST:
        return nothing
    first, second, neighbour = _two_nearest(points, groups)
    usable = np.isfinite(second) & (first > 0)
    if usable.sum() < FEWEST:
        return nothing
    ratio = np.where(usable, first / np.where(usable, second, 1), 1.0)
    middle = float(np.median(-np.log(ratio[usable])))
    dimension = min(np.log(2) / middle, MOST_DIMENSIONS) if middle > 0 else MOST_DIMENSIONS
    found = np.flatnonzero(usable & (ratio**dimension < LEVEL / len(points)) & (first <= closest))
    return NearCopies(found, neighbour[found], ratio[found], dimension)


def _two_nearest(
    points: NDArray[np.floating], groups: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Distance to the nearest and to the second nearest point of another group, and which is nearest."""
    from sklearn.neighbors import NearestNeighbors

    n, largest = len(points), int(np.bincount(groups).max())
    found = NearestNeighbors(n_neighbors=min(n, 2 * largest + 2)).fit(points).kneighbors(points)
    distances, places = (np.asarray(part) for part in found)
    distances = np.where(groups[places] == groups[:, None], np.inf, distances)
    order = np.argsort(distances, axis=1, kind="stable")[:, :2]
    rows = np.arange(n)
    return distances[rows, order[:, 0]], distances[rows, order[:, 1]], places[rows, order[:, 0]]
