"""The source paper's single cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmark.data.cohort import Cohort
from benchmark.data.splits import SEEDS, Split, single_cut
from benchmark.registry.cards import register_protocol


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
        once = single_cut(cohort, "holdout", SEEDS[0])
        return [replace(once, name=f"{once.name}-seed{seed}", seed=seed) for seed in SEEDS]
