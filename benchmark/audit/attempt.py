"""A configuration of a method on a specimen, called as a cell calls it: with the views, the seeds and the checks of a cell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.audit import made_cohorts
from benchmark.audit.watching import digests, unpickling
from benchmark.cells.compute import blind_view, learning_views, traceback_tail
from benchmark.cells.planning import PlannedRow
from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool
from benchmark.data.preparation import load_cohort
from benchmark.data.splits import Split
from benchmark.learning.fitting import what_is_invalid
from benchmark.learning.seeding import seed_everything
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Catalogue, Entry
from benchmark.registry.spelling import spell
from benchmark.system.locations import data_folder

SEED = 39

Probabilities = NDArray[np.float64]


class Misbehaviour(Exception):
    """What a method did when it was called: it raised, or gave something that is no probability."""


@dataclass(frozen=True, eq=False)
class Views:
    """What a cell hands to a method: the training and the validation part, and the blind test part."""

    train: Cohort
    validation: Cohort
    test: Cohort

    def digests(self) -> dict[str, str]:
        """`train.table` and every other part that a method could change in place -> its digest."""
        named = {"train": self.train, "train.pool": self.train.pool, "validation": self.validation, "test": self.test}
        return {f"{view}.{part}": told for view, cohort in named.items() if cohort for part, told in digests(cohort).items()}


@dataclass(frozen=True, eq=False)
class Candidate:
    """One configuration of a method on one specimen."""

    entry: Entry[Any]
    parameters: Mapping[str, Any]
    row: PlannedRow
    shape: str
    catalogue: Catalogue
    split: Split
    limit_seconds: float

    @property
    def held(self) -> frozenset[str]:
        """The modalities that the specimen has."""
        return made_cohorts.SHAPES[self.shape]

    def cohort(self, permuted: frozenset[str] = frozenset()) -> Cohort:
        """The specimen with its features in the cache, as they are before a cell begins."""
        cohort = bound_to_pool(specimen(self.shape, self.catalogue, permuted), self.split.pool)
        for modality, encoder in self.row.encoders.items():
            with calling(f"encoder {encoder}"):
                for part in filter(None, (cohort, cohort.pool)):
                    part.features(modality, encoder)
        return cohort

    def views(self, permuted: frozenset[str] = frozenset()) -> Views:
        """Fresh views of the specimen, or of the one with permuted modalities."""
        cohort = self.cohort(permuted)
        train, validation = learning_views(cohort, self.split, self.row.fit_modalities)
        return Views(train, validation, blind_view(cohort, self.split.test, self.row.predict_modalities))

    def fit(self, given: Views, seed: int = SEED) -> Any:
        """A fresh instance, fitted. Raises `Misbehaviour`."""
        method = self.entry.configure(self.parameters)
        self.seed_generators(seed)
        with calling("fit"):
            method.fit(given.train, given.validation, seed)
        return method

    def seed_generators(self, seed: int) -> None:
        """Seed the global generators as a cell does; the first call may import torch."""
        seed_everything(seed, torch="torch" in self.row.ingredients.get("libraries", ()))

    def predict(self, method: Any, cases: Cohort) -> Probabilities:
        """The method's probabilities, (n,). Raises `Misbehaviour` for what a cell would not accept."""
        with calling("predict_proba"):
            told = method.predict_proba(cases)
        wrong = what_is_invalid(told, len(cases))
        if wrong:
            raise Misbehaviour(wrong)
        return np.asarray(told, dtype=np.float64)

    def run(self, given: Views, seed: int = SEED) -> Probabilities:
        """Fit a fresh instance and predict the test part."""
        return self.predict(self.fit(given, seed), given.test)


@dataclass(frozen=True, eq=False)
class Attempt:
    """The first fit and prediction, which all further ones are compared with, and what was noticed meanwhile."""

    method: Any
    probabilities: Probabilities
    fit_seconds: float
    predict_seconds: float
    changed: tuple[str, ...]
    unpickled: tuple[str, ...]


def first_attempt(candidate: Candidate) -> Attempt:
    """Fit and predict once, watched and timed. Raises `Misbehaviour`."""
    given = candidate.views()
    before = given.digests()
    candidate.seed_generators(SEED)  # so that importing torch is not counted as the method's time
    with unpickling() as unpickled:
        started = time.perf_counter()
        method = candidate.fit(given)
        fitted = time.perf_counter()
        probabilities = candidate.predict(method, given.test)
        predicted = time.perf_counter()
    after = given.digests()
    changed = tuple(name for name in before | after if before.get(name) != after.get(name))
    return Attempt(method, probabilities, fitted - started, predicted - fitted, changed, tuple(dict.fromkeys(unpickled)))


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn whatever the method's own code raises into `Misbehaviour`, with the end of its traceback."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a method may raise anything; a cell calls each of them a failure
        raise Misbehaviour(f"{what} raised {type(error).__name__}: {error}\n{traceback_tail()}".rstrip()) from error


def specimen(shape: str, catalogue: Catalogue | None = None, permuted: frozenset[str] = frozenset()) -> Cohort:
    """A made cohort of 72 cases, prepared and encoded as datasets are; the modalities in `permuted` tell nothing.

    `catalogue` offers encoders of one's own. Raises `UnknownNameError` where there is no such shape.
    """
    parameters = {"shape": shape} | ({"permuted": "+".join(sorted(permuted))} if permuted else {})
    return _loaded(spell("specimen", parameters), catalogue.plugins if catalogue else (), data_folder())


@cache
def _loaded(spelled: str, plugins: tuple[str, ...], data: Path) -> Cohort:
    """The specimen below a data folder, read once per process: views are copies of it."""
    return load_cohort(spelled, _catalogue(plugins))


def with_specimens(catalogue: Catalogue | None = None) -> Catalogue:
    """The catalogue, with the specimens and their encoder in it."""
    return _catalogue(catalogue.plugins if catalogue else ())


@cache
def _catalogue(plugins: tuple[str, ...]) -> Catalogue:
    return discover(list(dict.fromkeys([*plugins, str(made_cohorts.__file__)])))
