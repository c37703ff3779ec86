"""Stages as a method declares them: parts of its training whose result several rows share.

A method marks a function with `@stage(sees={"train", "pool"}, fields=("width",))`; its `fit` finds the result, named arrays, in
`self.stages["name of the function"]`. The engine builds a stage once for all rows, splits and suites that agree in everything
that it depends on, and gives the same bytes as if each had trained by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from benchmark.data.cohort import Cohort
from benchmark.data.union import union
from benchmark.registry.cards import sees_labels
from benchmark.registry.catalogue import ConfiguredMethod
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import digest

F = TypeVar("F", bound=Callable[..., Any])
UNLABELLED = "unlabelled"
"""The part that joins the training cases, their labels hidden, and the pool."""
PARTS = ("train", "validation", "pool", UNLABELLED)
TRAINING = "training"
"""The whole training of a method: shared by the rows of a suite whose training is the same."""


@dataclass(frozen=True)
class Declared:
    """What a method says of one of its stages; see `stage`."""

    name: str
    sees: frozenset[str]
    fields: tuple[str, ...]
    after: tuple[str, ...]
    labels: bool
    seconds: float | None
    memory_gib: float | None

    def narrowed(self, method: ConfiguredMethod) -> ConfiguredMethod:
        """The method with the defaults in every field that the stage does not depend on."""
        return replace(method, parameters={name: method.parameters[name] for name in self.fields if name in method.parameters})

    def seen(self, train: Cohort, validation: Cohort, unlabelled: Cohort | None = None) -> Seen:
        """What it may see of these parts of a split; `unlabelled` are training cases whose label the protocol hides."""
        return Seen(self, train, validation, unlabelled)


def stage(
    *,
    sees: Set[str],
    fields: Sequence[str] = (),
    after: Sequence[str] = (),
    labels: bool = False,
    seconds: float | None = None,
    memory_gib: float | None = None,
) -> Callable[[F], F]:
    """Declare that a function `(self, seen: Seen, seed: int) -> named arrays` of a method is a stage.

    sees : the parts of a split that it may see, of "train", "validation" (for stopping), "pool" and "unlabelled"; `seen`
        refuses the others. "pool" is the dataset's. "unlabelled" is every case that the split allows for learning without
        labels: training cases and pool as one, so that all protocols that allow the same cases share the stage, however many
        of the training cases keep their label; or the pool alone where it is large (`pool_suffices`), so that splits share it.
    fields : the method's fields that it depends on; `self` has the defaults in all others.
    after : the names of the stages before it, whose results are in `self.stages`.
    labels : whether it sees the labels of training and validation cases.
    seconds, memory_gib : its own limits; by default those of a cell.

    Raises `ValueError` for parts that there are not.
    """
    if unknown := sorted(set(sees) - set(PARTS)):
        raise ValueError(f"a stage sees some of {', '.join(PARTS)}, not {', '.join(unknown)}")

    def declare(function: F) -> F:
        own = Declared(function.__name__, frozenset(sees), tuple(fields), tuple(after), labels, seconds, memory_gib)
        function.declared = own  # type: ignore[attr-defined]
        return function

    return declare


def pool_suffices(pool: int, learning: int) -> bool:
    """Whether a pool of so many cases stands for all cases without labels: it is larger than the training part with all its
    cases, so that these would add little, and would make each split's pre-training one of its own.
    """
    return pool > learning


class Seen:
    """The cases that a stage may see, each part a sealed view of the method's modalities; asking for another is refused."""

    def __init__(self, declared: Declared, train: Cohort, validation: Cohort, unlabelled: Cohort | None = None) -> None:
        self._declared = declared
        learning = [part for part in (train, unlabelled) if part is not None]
        pool = [] if train.pool is None else [train.pool]
        alone = pool_suffices(sum(map(len, pool)), sum(map(len, learning)))
        self._without_label = pool if alone else [*learning, *pool]
        parts = {"train": train if "pool" in declared.sees else replace(train, pool=None), "validation": validation}
        parts = {name: part.sealed() if declared.labels else part.sealed().blind() for name, part in parts.items()}
        self._parts = {name: part for name, part in {**parts, "pool": train.pool}.items() if name in declared.sees}

    @property
    def train(self) -> Cohort:
        """The training cases, without labels unless the stage sees these."""
        return self._part("train")

    @property
    def validation(self) -> Cohort:
        """The validation cases."""
        return self._part("validation")

    @property
    def pool(self) -> Cohort:
        """The pool's cases that the split allows. Raises `BenchmarkError` where there are none."""
        return self._part("pool")

    @cached_property
    def unlabelled(self) -> Cohort:
        """All cases that the split allows for learning without labels, blind and sorted by id; of a large pool, the pool's.

        Their groups are known, so that no two rows of a patient are taken for two patients. Images are read case by case.
        """
        self._check_declared(UNLABELLED)
        return replace(union([part.sealed() for part in self._without_label]), sites=None)

    @property
    def case_ids(self) -> list[str]:
        """The ids of all cases to see, sorted."""
        parts = [part for part in self._parts.values() if part is not None]
        if UNLABELLED in self._declared.sees:
            parts += self._without_label
        return sorted({str(case) for part in parts for case in part.case_ids})

    def _check_declared(self, name: str) -> None:
        if name not in self._declared.sees:
            raise BenchmarkError(f"stage {self._declared.name} reads {name} cases without declaring it: add it to `sees`")

    def _part(self, name: str) -> Cohort:
        self._check_declared(name)
        part = self._parts[name]
        if part is None:
            raise BenchmarkError(f"stage {self._declared.name}: the split leaves no case of the pool")
        return part


def declared_stages(cls: type[Any]) -> tuple[Declared, ...]:
    """The stages that a method's class declares, each after those that it builds on; its whole training is not among them.

    Raises `BenchmarkError` for one that builds on itself or on one that there is not.
    """
    left = {each.name: each for name in dir(cls) if (each := _declared(cls, name)) is not None}
    left.pop(TRAINING, None)
    ordered: dict[str, Declared] = {}
    while left:
        ready = [each for each in left.values() if set(each.after) <= ordered.keys()]
        if not ready:
            raise BenchmarkError(f"stage {next(iter(left))} builds on itself or on a stage that there is not: mend its `after`")
        ordered |= {each.name: left.pop(each.name) for each in ready}
    return tuple(ordered.values())


def whole_training(cls: type[Any]) -> Declared | None:
    """The whole training of a method's class as a stage; None where it cannot be one."""
    return _declared(cls, TRAINING)


def _declared(cls: type[Any], name: str) -> Declared | None:
    """What a function of a method's class declares; one of a class that learns without labels sees none."""
    declared = getattr(getattr(cls, name, None), "declared", None)
    return replace(declared, labels=declared.labels and sees_labels(cls)) if isinstance(declared, Declared) else None


def defining(cls: type[Any], declared: Declared) -> type[Any]:
    """The class, of a method's class and its bases, that defines a stage: whose stage it is."""
    return next(base for base in cls.__mro__ if declared.name in vars(base))


def stage_seed(dataset: str, split_seed: int, owner: str, name: str, seen: Mapping[str, str]) -> int:
    """The seed of a stage: of the split's seed, names, and digests of the rows seen, so that rows that share it agree."""
    return int(digest([dataset, split_seed, owner, name, seen])[:7], 16)
