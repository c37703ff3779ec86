"""A split of a cohort, and how split protocols cut: by label, and never through a patient."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Index
from benchmark.system.errors import BenchmarkError, DataError

SEEDS = (39, 40, 41, 42)
"""Seeds of the training, in the order in which they run."""
CUT_SEED = 42
"""The seed of a cut that all training seeds share."""
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Split:
    """One division of a cohort; the parts are sorted positions in `cohort.case_ids` (sorted as strings).

    `seed` is the seed of the cut and of the training; `pool` are positions in `cohort.pool`, `site` the held-out site if any.
    `unlabelled` are training cases whose label the protocol hides: they reach a method in its pool.
    """

    name: str
    seed: int
    train: Index
    validation: Index
    test: Index
    pool: Index
    site: str | None = None
    unlabelled: Index = field(default_factory=lambda: np.arange(0))


def folds(cohort: Cohort, seed: int) -> Iterator[tuple[Index, Index]]:
    """(other cases, test cases) of each of five stratified folds; by group where groups bind."""
    return _folds(_classes(cohort), binding_groups(cohort), seed)


def cut(cohort: Cohort, rows: Index, seed: int) -> tuple[Index, Index]:
    """A stratified cut of `rows` into 80 % and 20 %, in scikit-learn's order; by group where groups bind."""
    from sklearn.model_selection import train_test_split

    y, groups = _classes(cohort)[rows], binding_groups(cohort)
    if groups is not None:
        inner, outer = next(_folds(y, groups[rows], seed))
        return rows[inner], rows[outer]
    large, small = train_test_split(rows, test_size=0.2, stratify=y, random_state=seed)
    return large, small


def make_split(cohort: Cohort, name: str, seed: int, rest: Index, test: Index, cut_seed: int, site: str | None = None) -> Split:
    """The split with this test part, whose other cases are cut into training and validation; `site` is the held-out one."""
    train, validation = cut(cohort, rest, cut_seed)
    return Split(name, seed, np.sort(train), np.sort(validation), np.sort(test), pool_apart_from(cohort, test, site), site)


def single_cut(cohort: Cohort, name: str, seed: int) -> Split:
    """64 % training, 16 % validation and 20 % test cases: the same cut whatever the seed of the training."""
    rest, test = cut(cohort, np.arange(len(cohort)), CUT_SEED)
    return make_split(cohort, name, seed, rest, test, CUT_SEED)


def inner_cut(cohort: Cohort, seed: int) -> tuple[Index, Index]:
    """A training part cut once more, as the protocols cut: sorted positions of a stratified 80 % and of the other 20 %.

    Raises `ValueError` where a class has too few cases.
    """
    large, small = cut(cohort, np.arange(len(cohort)), seed)
    return np.sort(large), np.sort(small)


def binding_groups(cohort: Cohort) -> NDArray[np.str_] | None:
    """The groups where they bind, that is where a patient has several rows; None otherwise. Counted once for an object."""
    groups = cohort.groups
    if groups is not None and cohort not in _ALONE:
        _ALONE[cohort] = len(np.unique(groups)) == len(groups)
    return None if groups is None or _ALONE[cohort] else groups


_ALONE: WeakKeyDictionary[Cohort, bool] = WeakKeyDictionary()
"""Whether each patient of a cohort has one row."""


def _classes(cohort: Cohort) -> NDArray[Any]:
    """(n,) what a cut keeps in proportion. Raises `DataError` where no cut but the published one keeps patients apart."""
    if cohort.own_folds is not None and cohort.groups is None:
        raise DataError(f"{cohort.name}: whose each case is, is not known: only own-folds keeps patients apart")
    if cohort.labels is None:
        raise BenchmarkError(f"{cohort.name} has no labels: a protocol needs them to stratify")
    return cohort.labels if cohort.balanced is None else cohort.balanced


def pool_apart_from(cohort: Cohort, test: Index, site: str | None = None) -> Index:
    """The pool's cases but for those of the test cases' groups and of the held-out site; none where these are not known."""
    pool = cohort.pool
    if pool is None or (site is not None and pool.sites is None) or (pool.own_folds is not None and pool.groups is None):
        return np.arange(0)
    kept = np.ones(len(pool), dtype=bool)
    if pool.groups is not None and cohort.groups is not None:
        kept &= ~np.isin(pool.groups, cohort.groups[test])
    if pool.sites is not None and site is not None:
        kept &= pool.sites != site
    return np.flatnonzero(kept)


def _folds(y: NDArray[Any], groups: NDArray[Any] | None, seed: int) -> Iterator[tuple[Index, Index]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if groups is None:
        yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # of joint classes some are rare
            yield from list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(y, y, groups))
