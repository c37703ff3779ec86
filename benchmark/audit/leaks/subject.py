"""What the checks look at, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cells.audited import State
from benchmark.cells.planning import splits_of
from benchmark.data.cohort import Cohort
from benchmark.data.parts import Bools, Index
from benchmark.data.splits import Split
from benchmark.registry.cards import DatasetCard
from benchmark.registry.catalogue import Catalogue, ConfiguredProtocol

FOLDS = 5
SHOWN = 3
"""How many cases or words the evidence names."""


@dataclass(frozen=True)
class Observation:
    """What a check saw: how grave it is, what it is, and the figures that show it."""

    state: State
    what: str
    evidence: str


@dataclass(frozen=True, eq=False)
class Subject:
    """A cohort with its card, and the protocol whose splits are looked at, if any."""

    cohort: Cohort
    card: DatasetCard
    catalogue: Catalogue
    protocol: ConfiguredProtocol | None = None

    @cached_property
    def splits(self) -> list[Split]:
        """The protocol's splits. Raises `DataError` where the cohort does not allow it."""
        assert self.protocol is not None
        return splits_of(self.protocol, self.cohort)

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """(n,) 0 and 1."""
        assert self.cohort.labels is not None
        return np.asarray(self.cohort.labels)

    @cached_property
    def groups(self) -> NDArray[np.intp]:
        """(n,) a number for each group, in the order of their names; each case is its own where the cohort names none."""
        return np.unique(self.group_names, return_inverse=True)[1].astype(np.intp)

    @cached_property
    def group_names(self) -> NDArray[np.str_]:
        """(n,) the group of each case."""
        return group_names(self.cohort)

    @cached_property
    def folds(self) -> NDArray[np.intp]:
        """(n,) a fold for each case, the same for all of a group, classes spread evenly."""
        first = np.unique(self.groups, return_index=True)[1]
        order = np.random.default_rng(0).permutation(len(first))
        order = order[np.argsort(self.labels[first][order], kind="stable")]
        of_group = np.empty(len(first), dtype=np.intp)
        of_group[order] = np.arange(len(first)) % FOLDS
        return of_group[self.groups]

    @cached_property
    def frames(self) -> Mapping[str, pd.DataFrame]:
        """The frames that methods see: table and image-derived columns."""
        return frames_of(self.cohort)

    def named(self, cases: Iterable[int] | Index) -> str:
        """The first of some cases by id, and how many more there are."""
        return named([str(self.cohort.case_ids[case]) for case in cases])


def named(words: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")


def group_names(cohort: Cohort) -> NDArray[np.str_]:
    """(n,) the group of each case; its own id where the cohort names none."""
    return np.asarray(cohort.case_ids if cohort.groups is None else cohort.groups)


def frames_of(cohort: Cohort) -> Mapping[str, pd.DataFrame]:
    """`table` and `derived`, where there is such a frame."""
    return {name: cohort.parts[name] for name in ("table", "derived") if cohort.parts.get(name) is not None}


def having(cohort: Cohort, frame: str) -> Bools:
    """(n,) which cases have the modality of a frame."""
    return cohort.having("table" if frame == "table" else "image")


def called(frame: str) -> str:
    """A frame in words."""
    return "table" if frame == "table" else "image-derived columns"
