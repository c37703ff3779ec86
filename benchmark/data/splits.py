"""Split protocols: how the cases of a cohort are divided into training, validation and test parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.registry.cards import register_protocol
from benchmark.system.errors import BenchmarkError

SEEDS = (39, 40, 41, 42)
FOLDS = 5
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """One division of a cohort; the parts are sorted positions in `cohort.case_ids` (sorted as strings).

    `seed` is the seed of the cut and of the training; `pool` are positions in `cohort.pool`, `site` the held-out site if any.
    """

    name: str
    seed: int
    train: Index
    validation: Index
    test: Index
    pool: Index
    site: str | None = None


@register_protocol(
    "repeated-cv",
    description="5-fold stratified cross-validation under seeds 39-42: 20 splits; 20 % of each training part is for validation",
    inference="fold",
)
@dataclass(frozen=True)
class RepeatedCV:
    """`StratifiedKFold(5, shuffle=True, random_state=seed)` for each seed, grouped where a patient has several rows.

    repeats : how many of the seeds 39, 40, 41, 42 are used; with fewer than all, rows are shown and not tested.
    """

    repeats: int = 4

    def splits(self, cohort: Cohort) -> list[Split]:
        """20 splits, seed by seed: `seed39-fold0` ... `seed42-fold4`."""
        y, groups = _labels(cohort), _groups(cohort)
        splits = []
        for seed in SEEDS[: self.repeats]:
            for fold, (rest, test) in enumerate(_folds(y, groups, seed)):
                train, validation = _cut(rest, y, groups, seed)
                splits.append(_split(f"seed{seed}-fold{fold}", seed, train, validation, test, _pool(cohort, test)))
        return splits


@register_protocol(
    "leave-one-site-out",
    description="each site in turn is the test part; seeds 39-42 change the training only",
    inference="site",
)
@dataclass(frozen=True)
class LeaveOneSiteOut:
    """Each site in turn is the test set; validation is a stratified 20 % of the other sites (random_state=42)."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """One split for each seed and site, seed by seed: `site-<slug>-seed39` ...; none where there is one site."""
        y, groups, sites = _labels(cohort), _groups(cohort), cohort.sites
        if sites is None or len(np.unique(sites)) < 2:
            return []
        names = [str(site) for site in np.unique(sites)]
        slugs = _slugs(names)
        first = []
        for site in names:
            test = np.flatnonzero(sites == site)
            others = np.flatnonzero(sites != site)
            if groups is not None:
                others = others[~np.isin(groups[others], groups[test])]
            train, validation = _cut(others, y, groups, 42)
            pool = _pool(cohort, test, leave_out=site)
            first.append(_split("", SEEDS[0], train, validation, test, pool, site))
        return [  # the seeds share their index arrays
            replace(split, name=f"site-{slugs[str(split.site)]}-seed{seed}", seed=seed) for seed in SEEDS for split in first
        ]


@register_protocol(
    "holdout",
    description="the source paper's single 64/16/20 cut (random_state=42); seeds 39-42 change the training only; descriptive",
    inference="held-out",
)
@dataclass(frozen=True)
class Holdout:
    """Two `train_test_split` calls with random_state=42: 20 % test, then 20 % of the rest for validation."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """Four splits over one cut: `holdout-seed39` ... `holdout-seed42`."""
        y, groups = _labels(cohort), _groups(cohort)
        rest, test = _cut(np.arange(len(y)), y, groups, 42)
        train, validation = _cut(rest, y, groups, 42)
        return [_split(f"holdout-seed{seed}", seed, train, validation, test, _pool(cohort, test)) for seed in SEEDS]


def inner_cut(cohort: Cohort, seed: int) -> tuple[Index, Index]:
    """A training part cut once more, as the protocols cut: sorted positions of a stratified 80 % and of the other 20 %.

    Raises `ValueError` where a class has too few cases.
    """
    large, small = _cut(np.arange(len(cohort)), _labels(cohort), _groups(cohort), seed)
    return np.sort(large), np.sort(small)


def _split(name: str, seed: int, train: Index, validation: Index, test: Index, pool: Index, site: str | None = None) -> Split:
    return Split(name, seed, np.sort(train), np.sort(validation), np.sort(test), pool, site)


def _labels(cohort: Cohort) -> NDArray[np.int8]:
    if cohort.labels is None:
        raise BenchmarkError(f"{cohort.name} has no labels: a protocol needs them to stratify")
    return cohort.labels


def _groups(cohort: Cohort) -> NDArray[Any] | None:
    """The groups where they bind, that is where a patient has several rows; None otherwise."""
    groups = cohort.groups
    return None if groups is None or len(np.unique(groups)) == len(groups) else groups


def _pool(cohort: Cohort, test: Index, leave_out: str | None = None) -> Index:
    """The pool's cases but for those of the test cases' groups and of the held-out site (all, if its sites are not known)."""
    pool = cohort.pool
    if pool is None or (leave_out is not None and pool.sites is None):
        return np.arange(0)
    kept = np.ones(len(pool), dtype=bool)
    if pool.groups is not None and cohort.groups is not None:
        kept &= ~np.isin(pool.groups, cohort.groups[test])
    if pool.sites is not None and leave_out is not None:
        kept &= pool.sites != leave_out
    return np.flatnonzero(kept)


def _folds(y: NDArray[np.int8], groups: NDArray[Any] | None, seed: int) -> Iterator[tuple[Index, Index]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if groups is None:
        yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    else:
        yield from StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(y, y, groups)


def _cut(rows: Index, y: NDArray[np.int8], groups: NDArray[Any] | None, seed: int) -> tuple[Index, Index]:
    """A stratified cut of `rows` into 80 % and 20 %, in scikit-learn's order; by group where groups bind."""
    from sklearn.model_selection import train_test_split

    if groups is not None:
        inner, outer = next(_folds(y[rows], groups[rows], seed))
        return rows[inner], rows[outer]
    large, small = train_test_split(rows, test_size=0.2, stratify=y[rows], random_state=seed)
    return large, small


def _slugs(names: list[str]) -> dict[str, str]:
    """A distinct file-name-safe slug for each name."""
    slugs: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
        while slug in slugs.values():
            slug += "x"
        slugs[name] = slug
    return slugs
