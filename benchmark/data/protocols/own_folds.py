"""Own folds: the division into training, validation and test part that a dataset publishes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Index
from benchmark.data.splits import SEEDS, Split, pool_apart_from
from benchmark.registry.cards import register_protocol
from benchmark.system.errors import DataError

FLOOR = 5
"""Cases of each class that every part holds at least."""
PARTS = ("train", "validation", "test")


@register_protocol(
    "own-folds",
    description="the training, validation and test part that the dataset publishes; seeds 39-42 change the training only",
    inference="held-out",
)
@dataclass(frozen=True)
class OwnFolds:
    """The parts that `own_folds` of the cohort names; the pool is that of its own training folds."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """Four splits over one division: `own-folds-seed39` ... `own-folds-seed42`; none where the dataset publishes none.

        Raises `DataError` where a part has too few cases of a class, or a patient is in two parts.
        """
        if cohort.own_folds is None:
            return []
        train, validation, test = (_part(cohort, name) for name in PARTS)
        _check_groups(cohort)
        once = Split("own-folds", SEEDS[0], train, validation, test, _pool(cohort, test))
        return [replace(once, name=f"{once.name}-seed{seed}", seed=seed) for seed in SEEDS]


def _part(cohort: Cohort, name: str) -> Index:
    """The cases of a part, sorted."""
    rows = np.flatnonzero(cohort.own_folds == name)
    counts = np.bincount(np.asarray(cohort.labels)[rows], minlength=2)
    if counts.min() < FLOOR:
        raise DataError(
            f"{cohort.name}: own-folds does not apply: its {name} part has {counts[0]} cases with label 0 and {counts[1]} with "
            f"label 1, and at least {FLOOR} of each are needed"
        )
    return rows


def _check_groups(cohort: Cohort) -> None:
    """Refuse a division that parts a patient."""
    if cohort.groups is None or cohort.own_folds is None:
        return
    whose = {*zip(cohort.groups.tolist(), cohort.own_folds.tolist(), strict=True)}
    parts: dict[str, str] = {}
    for group, part in sorted(whose):
        if parts.setdefault(group, part) != part:
            raise DataError(f"{cohort.name}: own-folds: group '{group}' is in the {parts[group]} and in the {part} part")


def _pool(cohort: Cohort, test: Index) -> Index:
    """The pool's cases of the training folds, where it publishes any, but for those of the test patients."""
    pool = cohort.pool
    if pool is None or pool.own_folds is None:
        return pool_apart_from(cohort, test)
    rows = np.arange(len(pool)) if pool.groups is None else pool_apart_from(cohort, test)
    return rows[np.flatnonzero(pool.own_folds[rows] == "train")]
