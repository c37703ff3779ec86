"""Repeated cross-validation: every case is tested once under each seed."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from benchmark.data.cohort import Cohort
from benchmark.data.splits import SEEDS, Split, folds, make_split
from benchmark.registry.cards import register_protocol
from benchmark.system.errors import BenchmarkError


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

    repeats: int = len(SEEDS)

    def __post_init__(self) -> None:
        """Raises `BenchmarkError` for another number of seeds than there are."""
        if self.repeats not in range(1, len(SEEDS) + 1):
            raise BenchmarkError(f"repeated-cv: repeats={self.repeats}: give a whole number from 1 to {len(SEEDS)}")

    def splits(self, cohort: Cohort) -> list[Split]:
        """20 splits, seed by seed: `seed39-fold0` ... `seed42-fold4`."""
        return [split for seed in SEEDS[: self.repeats] for split in _of_seed(cohort, seed)]


def _of_seed(cohort: Cohort, seed: int) -> list[Split]:
    """The five splits of a seed, cut once for a cohort: other protocols rest on them, and a cut by patient takes long."""
    known = _CUT.setdefault(cohort, {})
    if seed not in known:
        known[seed] = [
            make_split(cohort, f"seed{seed}-fold{fold}", seed, rest, test, seed)
            for fold, (rest, test) in enumerate(folds(cohort, seed))
        ]
    return known[seed]


_CUT: WeakKeyDictionary[Cohort, dict[int, list[Split]]] = WeakKeyDictionary()
