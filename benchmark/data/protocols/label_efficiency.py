"""Label efficiency: the splits of repeated cross-validation, where few of the cases to learn from keep their label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Index
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split, binding_groups
from benchmark.registry.cards import register_protocol
from benchmark.system.errors import BenchmarkError, DataError

FLOOR = 5
"""Labelled cases of each class that training and validation part hold together at least."""


@register_protocol(
    "label-efficiency",
    description="the splits of repeated-cv; share=s of the training and of the validation part keeps its labels, the other "
    "training cases join the pool",
    inference="few-labels",
    inference_for={"share"},
)
@dataclass(frozen=True)
class LabelEfficiency:
    """The splits of `RepeatedCV`, with few labels.

    Of the training and of the validation part alike a share keeps its label: drawn by class, all rows of a patient together,
    and nested, so that who is labelled at 10 % is so at 25 %. The other training cases are `unlabelled`, those of the
    validation part are not used.

    share : between 0 and 1, without both.
    """

    share: float | None = None

    def __post_init__(self) -> None:
        """Raises `BenchmarkError` for what is no share."""
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 < self.share < 1:
            given = "no share is given" if self.share is None else f"share={self.share}"
            raise BenchmarkError(
                f"label-efficiency: {given}: give the share of the labels to keep, between 0 and 1, "
                "such as label-efficiency[share=0.1]"
            )

    def splits(self, cohort: Cohort) -> list[Split]:
        """20 splits with the names and test parts of repeated-cv. Raises `DataError` where too few labels are kept."""
        return [self._with_few_labels(cohort, split) for split in RepeatedCV().splits(cohort)]

    def _with_few_labels(self, cohort: Cohort, split: Split) -> Split:
        train, validation = (self._labelled(cohort, split, part) for part in ("train", "validation"))
        kept = np.bincount(np.asarray(cohort.labels)[np.concatenate([train, validation])], minlength=2)
        if kept.min() < FLOOR:
            raise DataError(
                f"{cohort.name}: label-efficiency[share={self.share}] does not apply: to learn from, {split.name} would keep "
                f"{kept[0]} cases with label 0 and {kept[1]} with label 1, and at least {FLOOR} of each are needed"
            )
        return replace(split, train=train, validation=validation, unlabelled=np.setdiff1d(split.train, train))

    def _labelled(self, cohort: Cohort, split: Split, part: str) -> Index:
        """The cases of a part that keep their label, sorted: those that come first in an order drawn for the split."""
        return np.sort(np.concatenate([self._first(units) for units in _drawn(cohort, split, part)]))

    def _first(self, units: list[Index]) -> Index:
        """The first units, up to the one whose middle lies beyond the share of their cases."""
        assert self.share is not None
        sizes = np.array([len(unit) for unit in units])
        kept = int((sizes.cumsum() - sizes / 2 < self.share * sizes.sum()).sum())
        return np.concatenate([*units[:kept], np.arange(0)])


def _drawn(cohort: Cohort, split: Split, part: str) -> Iterator[list[Index]]:
    """For each class of a part its units in an order drawn at random, the same for every share.

    A unit is a case, or all rows of a patient; one with rows of both classes counts among the positives.
    """
    rows: Index = getattr(split, part)
    groups, labels = binding_groups(cohort), np.asarray(cohort.labels)
    whose = rows if groups is None else np.unique(groups[rows], return_inverse=True)[1]
    ordered = rows[np.argsort(whose, kind="stable")]
    units = np.split(ordered, np.flatnonzero(np.diff(np.sort(whose))) + 1)
    rng = np.random.default_rng([split.seed, *map(ord, f"{split.name} {part}")])
    for label in (0, 1):
        of_class = [unit for unit in units if labels[unit].max() == label]
        yield [of_class[place] for place in rng.permutation(len(of_class))]
