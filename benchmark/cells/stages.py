"""Stages of a plan: which there are, what each depends on, and how a worker builds one."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cells.store import Store
from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool
from benchmark.data.splits import Split
from benchmark.data.stages import StageKey, rows_digest
from benchmark.data.union import hidden, pooled
from benchmark.learning.fitting import build_stage, views_of
from benchmark.learning.stages import (
    TRAINING,
    UNLABELLED,
    Declared,
    Seen,
    belonging,
    corpora_key,
    declared_stages,
    defining,
    pool_suffices,
    read_corpora,
    stage_seed,
    whole_training,
)
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.registry.entries import forget
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import code_digest, digest


@dataclass(frozen=True, eq=False)
class PlannedStage:
    """A stage of a row on a split: `owner` builds it with `seed`, after the stages `after`; the row knows it by `name`."""

    name: str
    key: StageKey
    declared: Declared
    owner: ConfiguredMethod
    split: Split
    seed: int
    after: tuple[PlannedStage, ...] = ()
    plugins: tuple[str, ...] = ()

    def build(self, cohort: Cohort) -> None:
        """Keep its result, unless that is there. Raises what the method raises, and `BenchmarkError` for edited code."""
        if self.key.is_built:
            return
        path = self.owner.entry.path
        forget(path)
        if code_digest(path) != self.key.ingredients["method code"]:
            raise BenchmarkError(f"{path.name} was edited during the run: run again")
        earlier = {stage.name: stage.key.arrays() for stage in self.after}
        seen = seen_by(self.declared, bound_to_pool(cohort, self.split.pool), self.split, self.owner.modalities)
        seen.plugins = self.plugins
        if self.declared.corpora:  # it keeps its result itself
            build_stage(self.owner, self.declared, seen, self.seed, earlier)
            return
        self.key.build(partial(build_stage, self.owner, self.declared, seen, self.seed, earlier), seen.case_ids)


def seen_by(declared: Declared, cohort: Cohort, split: Split, modalities: tuple[frozenset[str], frozenset[str]]) -> Seen:
    """What a stage of a method of these modalities may see of a split.

    Of the pool a whole training sees all that `fit` would, any other stage the dataset's.
    """
    if declared.name == TRAINING:
        views = views_of(*pooled(cohort, split), modalities)
        return declared.seen(views.train, views.validation)
    views = views_of(cohort, split, modalities)
    return declared.seen(views.train, views.validation, hidden(cohort, split).only(modalities[0]).sealed())


Ingredients = Callable[[ConfiguredMethod], Mapping[str, Any]]
"""A method -> all that its row depends on, whichever the split."""


@dataclass(frozen=True)
class WithoutLabel:
    """A dataset as what sees no label knows it: its spelling without the label, and the digest of its other content."""

    dataset: str
    digest: str


class RowStages:
    """The stages of a row of a plan, by split.

    ingredients : what a method's row on the row's dataset depends on.
    shared : whether another row of the suite has the same training.
    without_label : so that stages that see no label are those of the dataset's other labels too; None where it names no label.
    """

    def __init__(
        self,
        dataset: str,
        method: ConfiguredMethod,
        catalogue: Catalogue,
        ingredients: Ingredients,
        *,
        shared: bool,
        without_label: WithoutLabel | None = None,
    ) -> None:
        self._dataset, self._ingredients, self._without_label = dataset, ingredients, without_label
        self._known: dict[str, Mapping[str, Any]] = {}
        self._own: list[tuple[Declared, ConfiguredMethod]] = []
        self._members: dict[str, tuple[Declared, ConfiguredMethod]] = {}
        self._training: tuple[Declared, ConfiguredMethod] | None = None
        self._catalogue = catalogue
        self._corpora: dict[str, StageKey] = {}
        if method.entry.error or method.budget is not None:
            return
        try:
            cls = method.entry.load()
            for declared in declared_stages(cls):
                self._own.append((declared, declared.narrowed(_owner(method, declared, cls, catalogue))))
        except Exception:  # a broken method is reported by its cells, not by planning
            return
        self._training = shared_training(method, catalogue) if shared else None
        for name in method.members:
            if (training := shared_training(catalogue.method(name), catalogue)) is not None:
                self._members[name] = training

    def of(self, split: Split, seed_of: Callable[[str], int]) -> tuple[PlannedStage, ...]:
        """The stages on a split, each after those that it builds on, the whole training last; a member's bears its name.

        seed_of : the training seed of a method on the split.
        """
        planned: dict[str, PlannedStage] = {}
        for declared, owner in self._own:
            after = tuple(planned[name] for name in declared.after)
            planned[declared.name] = self._planned(declared.name, declared, owner, split, after)
        if self._training is not None:
            declared, owner = self._training
            before = tuple(planned.values())
            planned[TRAINING] = self._planned(TRAINING, declared, owner, split, before, seed_of(owner.seeded_as))
        for name, (declared, owner) in self._members.items():
            planned[name] = self._planned(name, declared, owner, split, (), seed_of(owner.seeded_as))
        return tuple(planned.values())

    def _planned(
        self,
        name: str,
        declared: Declared,
        owner: ConfiguredMethod,
        split: Split,
        after: tuple[PlannedStage, ...],
        seed: int | None = None,
    ) -> PlannedStage:
        if declared.corpora:
            return self._of_corpora(declared, owner, split)
        seen, dataset = _rows_seen(declared, split), self._dataset
        if owner.spelled not in self._known:
            self._known[owner.spelled] = self._ingredients(owner)
        known = self._known[owner.spelled]
        if self._without_label is not None and not declared.labels and declared.name != TRAINING:
            dataset, known = self._without_label.dataset, {**known, "data": self._without_label.digest}
        if seed is None:
            seed = stage_seed(dataset, split.seed, owner.entry.name, declared.name, seen)
        before = [stage.key.digest for stage in after]
        ingredients = {**known, "seen": seen, "seed": seed, "after": before}
        key = StageKey(owner.spelled, declared.name, dataset, ingredients)
        return PlannedStage(name, key, declared, owner, split, seed, after)

    def _of_corpora(self, declared: Declared, owner: ConfiguredMethod, split: Split) -> PlannedStage:
        """The same for every split."""
        if declared.name not in self._corpora:
            made = owner.make()
            corpora = read_corpora(str(getattr(made, declared.corpora)), self._catalogue)
            self._corpora[declared.name] = corpora_key(made, declared, corpora)
        key = self._corpora[declared.name]
        plugins = self._catalogue.plugins
        return PlannedStage(declared.name, key, declared, owner, split, key.ingredients["seed"], (), plugins)


def _rows_seen(declared: Declared, split: Split) -> dict[str, str]:
    """Part -> digest of the rows that a stage sees of it.

    That of all cases without label is the same whether a protocol hides the label of a training case or not.
    """
    seen = {part: rows_digest(getattr(split, part)) for part in sorted(declared.sees - {UNLABELLED})}
    if UNLABELLED in declared.sees:
        learning = np.sort(np.concatenate([split.train, split.unlabelled]))
        parts = [split.pool] if pool_suffices(len(split.pool), len(learning)) else [learning, split.pool]
        seen[UNLABELLED] = digest([rows_digest(part) for part in parts])
    elif declared.name == TRAINING and len(split.unlabelled):
        seen[UNLABELLED] = rows_digest(split.unlabelled)
    return seen


def used_by() -> dict[str, list[str]]:
    """Digest of a stage -> the rows (dataset, protocol, method joined by "/") whose stored cells build on it."""
    rows: dict[str, set[str]] = {}
    for record in Store().records():
        for stage in record.measured.get("stages", ()):
            rows.setdefault(stage, set()).add("/".join(record.address.row))
    return {stage: sorted(names) for stage, names in rows.items()}


def trained_alike(methods: Iterable[ConfiguredMethod], catalogue: Catalogue) -> Counter[str]:
    """How many of the methods have each training, be it as a member's."""
    rows = [method for method in methods if method.budget is None]
    members = (catalogue.method(name) for method in rows for name in method.members)
    return Counter(method.trained_as for method in chain(rows, members))


def _owner(method: ConfiguredMethod, declared: Declared, cls: type[Any], catalogue: Catalogue) -> ConfiguredMethod:
    """The method whose class defines a stage, with the same parameters: itself, or a registered one that it derives from.

    A stage that says what it sees of cases belongs to the class that defines it.
    """
    if declared.modalities is not None:
        return belonging(method, declared, cls)
    base = defining(cls, declared)
    source = Path(inspect.getfile(base)).resolve()
    owners = (entry for entry in catalogue.methods if entry.path.resolve() == source and entry.class_name == base.__name__)
    entry = next(owners, method.entry)
    return method if entry is method.entry else ConfiguredMethod(entry, method.parameters)


def shared_training(method: ConfiguredMethod, catalogue: Catalogue) -> tuple[Declared, ConfiguredMethod] | None:
    """The whole training of a method as a stage, and whose it is; None where it cannot be one.

    A method that is trained as another one must agree with it in every field that it does not name in `evaluation_only`.
    """
    try:
        owner = catalogue.method(method.trained_as)
        declared, made, other = whole_training(owner.entry.load()), method.make(), owner.make()
    except Exception:  # as its cells will say
        return None
    own = set(method.entry.constants.get("evaluation_only", ()))
    names = [item.name for item in fields(other) if item.init and item.name not in own]
    alike = all(getattr(made, name, None) == getattr(other, name) for name in names)
    return (declared, owner) if declared is not None and alike and owner.modalities == method.modalities else None
