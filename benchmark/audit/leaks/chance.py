"""Equal rows: how many pairs of cases are alike in everything, and how many such pairs chance alone would give.

Chance is read off the cohort itself. Let s_j be the number of pairs that differ in column j alone, d_jk of those that differ
in j and k alone. If, among pairs that agree in all else, agreement in j and in k were independent, s_j s_k / d_jk pairs would
agree in both: the estimate is the ratio of the sums over pairs of columns. Copies of a patient agree everywhere, so they enter
neither s nor d; and a table of continuous columns has s = d = 0, so that no equal pair is expected of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Bools

Codes = NDArray[np.intp]
Keys = NDArray[np.uint64]

MOST_PAIRS = 300
"""Of columns; of wider tables so many pairs are drawn."""
MARGIN = 3.0
"""Equal pairs count as copies where they are beyond so many times the expected number: the estimate leaves out how three and
more columns go together, which in the shipped cohorts changes it by less than a factor of two."""
MOST_COPIES = 5
"""More equal cases than these share a common value, as reports of two sentences do; nobody is entered six times."""
LEVEL = 1e-3
"""The chance of a Poisson number with that mean to be as large."""


@dataclass(frozen=True, eq=False)
class EqualPairs:
    """Pairs of cases of different groups that are alike in everything.

    pairs : how many; expected : by chance; rare : those among at most `MOST_COPIES` equal cases.
    first, second : one case of each of the pairs, by position (a class of m equal cases
    shows m - 1 of its pairs).
    """

    pairs: int
    expected: float
    rare: int
    first: NDArray[np.intp]
    second: NDArray[np.intp]

    @property
    def beyond_chance(self) -> bool:
        """Whether there are more than chance gives."""
        from scipy.stats import poisson

        return self.rare > poisson.ppf(1 - LEVEL, MARGIN * self.expected)

    @property
    def in_words(self) -> str:
        """How many, and how many chance gives."""
        expected = f"about {self.expected:.0f}" if self.expected >= 1 else "fewer than one"
        return f"{self.pairs} pairs, {expected} expected by chance"

    @property
    def cases(self) -> NDArray[np.intp]:
        """Positions of the cases that have an equal one."""
        return np.unique(np.r_[self.first, self.second])


def codes_of(frame: pd.DataFrame) -> Codes:
    """(n, p) a number for each value of each column that is not constant; a missing value is a value."""
    columns = [pd.factorize(frame[name], use_na_sentinel=False)[0] for name in frame]
    varying = [column for column in columns if len(column) and column.max() > 0]
    return np.stack(varying, axis=1).astype(np.intp) if varying else np.zeros((len(frame), 0), dtype=np.intp)


def equal_pairs(codes: Codes, groups: NDArray[np.intp], pool: Bools | None = None) -> EqualPairs:
    """The equal pairs among rows of codes (n, p), none within a group; with `pool` (n,), of one labelled and one pool case."""
    rng = np.random.default_rng(0)
    hashed = np.zeros(codes.shape, dtype=np.uint64)
    for j, column in enumerate(codes.T):
        hashed[:, j] = rng.integers(0, 2**64, size=int(column.max(initial=0)) + 1, dtype=np.uint64)[column]
    keys = np.bitwise_xor.reduce(hashed, axis=1) if codes.shape[1] else np.arange(len(codes), dtype=np.uint64)
    pairs = _count(keys, groups, pool)
    first, second = _examples(keys, groups, pool)
    expected = _expected(hashed, keys, groups, pool, pairs) if pairs else 0.0
    return EqualPairs(pairs, expected, _rare(keys, groups, pool), first, second)


def equal_keys(keys: NDArray[np.uint64], groups: NDArray[np.intp], pool: Bools | None = None) -> EqualPairs:
    """Equal hashes: none is expected by chance."""
    found = equal_pairs(np.unique(keys, return_inverse=True)[1].reshape(-1, 1).astype(np.intp), groups, pool)
    return replace(found, expected=0.0)


def _expected(hashed: Keys, keys: Keys, groups: NDArray[np.intp], pool: Bools | None, pairs: int) -> float:
    p = hashed.shape[1]
    if p < 2:
        return float(pairs)
    single = [_count(keys ^ hashed[:, j], groups, pool) - pairs for j in range(p)]
    chosen = list(combinations(range(p), 2))
    if len(chosen) > MOST_PAIRS:
        chosen = [chosen[i] for i in np.random.default_rng(1).permutation(len(chosen))[:MOST_PAIRS]]
    double = 0
    for j, k in chosen:
        if single[j] and single[k]:
            double += _count(keys ^ hashed[:, j] ^ hashed[:, k], groups, pool) - single[j] - single[k] - pairs
    products = sum(single[j] * single[k] for j, k in chosen)
    return products / double if double else 0.0


def _count(keys: Keys, groups: NDArray[np.intp], pool: Bools | None) -> int:
    """Pairs of equal keys and different groups; with `pool`, of one case of either side."""
    if pool is None:
        return _pairs(keys) - _pairs(_within(keys, groups))
    return _count(keys, groups, None) - _count(keys[pool], groups[pool], None) - _count(keys[~pool], groups[~pool], None)


def _rare(keys: Keys, groups: NDArray[np.intp], pool: Bools | None) -> int:
    """The pairs among few equal cases."""
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    few = counts[which] <= MOST_COPIES
    return _count(keys[few], groups[few], None if pool is None else pool[few])


def _pairs(keys: NDArray[np.uint64]) -> int:
    counts = np.unique(keys, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _within(keys: Keys, groups: NDArray[np.intp]) -> Keys:
    """Keys that are equal within a group only; none where every group is one case."""
    if len(np.unique(groups)) == len(groups):
        return np.zeros(0, dtype=np.uint64)
    salt = np.random.default_rng(2).integers(0, 2**64, size=int(groups.max()) + 1, dtype=np.uint64)
    return keys ^ salt[groups]


def _examples(keys: Keys, groups: NDArray[np.intp], pool: Bools | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Neighbours among the cases sorted by key (and by side) that are equal and of different groups."""
    side = np.zeros(len(keys), dtype=bool) if pool is None else pool
    order = np.lexsort((groups, side, keys))
    first, second = order[:-1], order[1:]
    alike = (keys[first] == keys[second]) & (groups[first] != groups[second])
    if pool is not None:
        alike &= side[first] != side[second]
    return first[alike], second[alike]
