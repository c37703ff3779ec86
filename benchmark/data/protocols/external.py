"""External validation: models learn from some datasets and are tested on another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.cohort import Cohort
from benchmark.data.splits import CUT_SEED, SEEDS, Split, make_split
from benchmark.registry.cards import register_protocol
from benchmark.system.errors import DataError

FLOOR = 5
"""Cases of each class that the test part holds at least."""


@register_protocol(
    "external",
    description="models learn from some of the joined datasets and are tested on another; seeds 39-42 change the training only",
    inference="held-out",
    elsewhere=True,
)
@dataclass(frozen=True)
class External:
    """The cases whose own division is "test" are the test part; validation is a stratified 20 % of the others (seed 42)."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """Four splits over one division: `external-seed39` ... `external-seed42`; none where the cohort is not joined so.

        Raises `DataError` where the test part has too few cases of a class.
        """
        if cohort.own_folds is None or {*cohort.own_folds.tolist()} != {"train", "test"}:
            return []
        test, others = np.flatnonzero(cohort.own_folds == "test"), np.flatnonzero(cohort.own_folds == "train")
        counts = np.bincount(np.asarray(cohort.labels)[test], minlength=2)
        if counts.min() < FLOOR:
            raise DataError(
                f"{cohort.name}: external does not apply: the test part has {counts[0]} cases with label 0 and {counts[1]} "
                f"with label 1, and at least {FLOOR} of each are needed"
            )
        once = make_split(cohort, "external", SEEDS[0], others, test, CUT_SEED)
        return [replace(once, name=f"{once.name}-seed{seed}", seed=seed) for seed in SEEDS]
