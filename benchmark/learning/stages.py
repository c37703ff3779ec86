"""Stages as a method declares them: parts of its training whose result several rows share.

A method marks a function with `@stage(sees={"train", "pool"}, fields=("width",))`; its `fit` finds the result, named arrays, in
`self.stages["name of the function"]`. The engine builds a stage once for all rows, splits and suites that agree in everything
that it depends on, and gives the same bytes as if each had trained by itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmark.data.cohort import Cohort
from benchmark.data.corpora import Corpus, load_corpus
from benchmark.data.stages import Arrays, StageKey
from benchmark.data.union import union
from benchmark.registry.cards import MethodCard, sees_labels
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Entry
from benchmark.registry.spelling import spell
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder
from benchmark.system.provenance import code_digest, digest, library_versions
from benchmark.system.threads import device

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
    corpora: str = ""
    modalities: frozenset[str] | None = None

    def narrowed(self, method: ConfiguredMethod) -> ConfiguredMethod:
        """The method with the defaults in every field that the stage does not depend on."""
        return replace(method, parameters={name: method.parameters[name] for name in self.fields if name in method.parameters})

    def seen(self, train: Cohort, validation: Cohort, unlabelled: Cohort | None = None) -> Seen:
        """What it may see of these parts of a split; `unlabelled` are training cases whose label the protocol hides."""
        return Seen(self, train, validation, unlabelled)


def stage(
    *,
    sees: Set[str] = frozenset(),
    fields: Sequence[str] = (),
    after: Sequence[str] = (),
    labels: bool = False,
    seconds: float | None = None,
    memory_gib: float | None = None,
    corpora: str = "",
    modalities: Set[str] | None = None,
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
    corpora : the field that names the corpora that it reads, joined by "+": `seen.corpora(names)`. Such a stage sees no case,
        builds on no other stage, and is built once on a machine for all datasets, splits and rows, whoever asks for it.
    modalities : what it sees of the cases. It then belongs to the class that defines it, registered or not: rows that derive
        from that class share it, and the code that it depends on is that class's file. By default it sees what its method does,
        and belongs to the nearest registered method that defines it.

    Raises `ValueError` for parts that there are not, and for a stage of corpora that sees cases or builds on another.
    """
    if unknown := sorted(set(sees) - set(PARTS)):
        raise ValueError(f"a stage sees some of {', '.join(PARTS)}, not {', '.join(unknown)}")
    if corpora and (sees or after or labels):
        raise ValueError("a stage of corpora sees no case and builds on no other stage")

    def declare(function: F) -> F:
        what = frozenset() if corpora else None if modalities is None else frozenset(modalities)
        parts = (function.__name__, frozenset(sees), tuple(fields), tuple(after), labels, seconds, memory_gib)
        own = Declared(*parts, corpora, what)
        marked: Any = _kept(function, own) if corpora else function
        marked.declared = own
        return cast(F, marked)

    return declare


def pool_suffices(pool: int, learning: int) -> bool:
    """Whether a pool of so many cases stands for all cases without labels: it is larger than the training part with all its
    cases, so that these would add little, and would make each split's pre-training one of its own.
    """
    return pool > learning


class Seen:
    """The cases that a stage may see, each part a sealed view of its modalities; asking for another is refused.

    A stage of corpora sees these alone; `plugins` are files in which some may be registered.
    """

    plugins: tuple[str, ...] = ()

    def __init__(self, declared: Declared, train: Cohort, validation: Cohort, unlabelled: Cohort | None = None) -> None:
        self._declared = declared
        if declared.modalities is not None:
            train, validation = (part.only(declared.modalities) for part in (train, validation))
            unlabelled = None if unlabelled is None else unlabelled.only(declared.modalities)
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

    def corpora(self, names: str) -> tuple[Corpus, ...]:
        """The corpora whose names are joined by "+". Raises `NotFetchedError` for one whose files are not here."""
        if not self._declared.corpora:
            raise BenchmarkError(f"stage {self._declared.name} reads corpora without declaring it: name its field in `corpora`")
        return read_corpora(names, discover(self.plugins))

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


def belonging(method: ConfiguredMethod, declared: Declared, cls: type[Any]) -> ConfiguredMethod:
    """The class that defines a stage as a component of its own, with the method's values of what the stage depends on."""
    assert declared.modalities is not None
    base = defining(cls, declared)
    name = _name_of(base)
    card = MethodCard(name, family="", reference="", fit_modalities=declared.modalities, predict_modalities=declared.modalities)
    entry = Entry("method", name, Path(inspect.getfile(base)).resolve(), base.__name__, card)
    return declared.narrowed(ConfiguredMethod(entry, method.parameters))


def read_corpora(named: str, catalogue: Catalogue) -> tuple[Corpus, ...]:
    """The corpora whose names are joined by "+". Raises `NotFetchedError` for one whose files are not here."""
    return tuple(_corpus(name, catalogue, data_folder()) for name in filter(None, named.split("+")))


@lru_cache(maxsize=4)
def _corpus(name: str, catalogue: Catalogue, _: Path) -> Corpus:
    """Kept for the rows and splits of a plan, of one data folder."""
    return load_corpus(name, catalogue)


def corpora_key(method: Any, declared: Declared, corpora: Sequence[Corpus]) -> StageKey:
    """The key of a stage of corpora of a method: these, the code of the class that defines it, and its fields; no cohort."""
    base: Any = defining(type(method), declared)
    name, path = _name_of(base), Path(inspect.getfile(base)).resolve()
    given = {item.name: getattr(method, item.name) for item in fields(base) if item.name in declared.fields}
    defaults = {item.name: item.default for item in fields(base)}
    digests = {corpus.name: corpus.digest for corpus in corpora}
    ingredients = {
        "corpora": digests,
        "configuration": given,
        "method code": code_digest(path),
        "libraries": library_versions(path),
        "seed": stage_seed("", 0, name, declared.name, digests),
        **({} if device() == "cpu" else {"device": device()}),
    }
    owner = spell(name, {field: value for field, value in given.items() if value != defaults[field]})
    return StageKey(owner, declared.name, "+".join(digests), ingredients)


def _kept(function: Callable[..., Arrays], declared: Declared) -> Callable[..., Arrays]:
    """The function of a stage of corpora, whose result is kept on disk and read from there: it takes long, and sees no case."""

    @wraps(function)
    def kept(self: Any, seen: Seen, seed: int) -> Arrays:
        key = corpora_key(self, declared, seen.corpora(str(getattr(self, declared.corpora))))
        key.build(lambda: function(self, seen, key.ingredients["seed"]), ())
        return key.arrays()

    return kept


def _name_of(base: type[Any]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", base.__name__).lower()


def stage_seed(dataset: str, split_seed: int, owner: str, name: str, seen: Mapping[str, str]) -> int:
    """The seed of a stage: of the split's seed, names, and digests of the rows seen, so that rows that share it agree."""
    return int(digest([dataset, split_seed, owner, name, seen])[:7], 16)
