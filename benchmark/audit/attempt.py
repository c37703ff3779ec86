"""A configuration of a method on a specimen, called as a cell calls it: with the views, the seeds and the checks of a cell."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.audit import made_cohorts
from benchmark.cells.compute import traceback_tail
from benchmark.cells.planning import PlannedRow
from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool
from benchmark.data.parts import Stored
from benchmark.data.preparation import load_cohort
from benchmark.data.splits import Split
from benchmark.data.stages import Arrays
from benchmark.learning.fitting import Fitted, Probabilities, Views, checked, fit_and_predict, views_of
from benchmark.learning.method import Method
from benchmark.learning.tuning.search import method_of
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.registry.spelling import spell
from benchmark.system import provenance
from benchmark.system.locations import data_folder

SEED = 39


class Misbehaviour(Exception):
    """A method raised."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One configuration of a method on one specimen."""

    row: PlannedRow
    shape: str
    catalogue: Catalogue
    split: Split
    limit_seconds: float
    canary: int = 0

    @property
    def held(self) -> frozenset[str]:
        """The modalities that the specimen has."""
        return made_cohorts.SHAPES[self.shape]

    def cohort(self, permuted: frozenset[str] = frozenset()) -> Cohort:
        """The specimen with its features in the cache, as they are before a cell begins."""
        cohort = bound_to_pool(specimen(self.shape, self.catalogue, permuted, self.canary), self.split.pool)
        for modality, encoder in self.row.encoders.items():
            with calling(f"encoder {encoder}"):
                for part in filter(None, (cohort, cohort.pool)):
                    part.reading(self.row.reports).features(modality, encoder)
        return cohort

    def views(self, permuted: frozenset[str] = frozenset()) -> Views:
        """Fresh views of the specimen, or of the one with permuted modalities."""
        return views_of(self.cohort(permuted), self.split, self.row.method.modalities)

    def fit(self, views: Views, seed: int = SEED, stages: Mapping[str, Arrays] | None = None) -> Fitted:
        """A fresh instance, fitted (from `stages` that were built before) and asked for the test part.

        Raises `Misbehaviour` or `InvalidPredictions`.
        """
        method = self.row.method
        make = partial(method_of, method)
        return fit_and_predict(method, views, seed, make, stages=stages, forgetting=False, during=calling)

    def predict(self, method: Method, cases: Cohort) -> Probabilities:
        """The method's probabilities, (n,). Raises likewise."""
        with calling("predict_proba"):
            probabilities = method.predict_proba(cases)
        return checked(probabilities, len(cases))

    def run(self, views: Views, seed: int = SEED) -> Probabilities:
        """Fit a fresh instance and predict the test part."""
        return self.fit(views, seed).probabilities


@dataclass(frozen=True, eq=False)
class Attempt(Fitted):
    """The first fit and prediction, which all further ones are compared with, and what was observed during it."""

    changed: tuple[str, ...]
    unpickled: tuple[str, ...]


def first_attempt(candidate: Candidate) -> Attempt:
    """Fit and predict once, watched and timed. Raises `Misbehaviour` or `InvalidPredictions`."""
    views = candidate.views()
    before = _digests(views)
    with _unpickling() as unpickled:
        fitted = candidate.fit(views)
    after = _digests(views)
    changed = tuple(name for name in before | after if before.get(name) != after.get(name))
    return Attempt(**vars(fitted), changed=changed, unpickled=tuple(dict.fromkeys(unpickled)))


def _digests(views: Views) -> dict[str, str]:
    """`train.table` and every other part that a method could change in place, and the rows of each view -> its digest."""
    named = {"train": views.train, "train.pool": views.train.pool, "validation": views.validation, "test": views.test}
    digests: dict[str, str] = {}
    for view, cohort in named.items():
        if cohort:
            parts: dict[str, Any] = {part.name: list(part.digested(value)) for part, value in cohort.contents()}
            digests |= {
                f"{view}.{name}": provenance.digest(_json(value)) for name, value in (parts | {"rows": cohort.rows}).items()
            }
    return digests


def _json(value: Any) -> Any:
    """Arrays as JSON has them, at any depth."""
    if isinstance(value, Stored):
        return value.digest()
    if isinstance(value, np.ndarray):
        return [value.dtype.str, value.shape, value.tobytes().hex()]
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def _unpickling() -> Iterator[list[str]]:
    """The classes and functions that pickles name while the block runs, as `module.name`.

    `torch.load(weights_only=True)` resolves names by its own list and adds none; nor do pickles of plain numbers and text.
    """
    watching, seen = _watching(), list[str]()
    watching.append(seen)
    try:
        yield seen
    finally:
        watching.pop()


@cache
def _watching() -> list[list[str]]:
    """The lists of the blocks that run; an audit hook cannot be removed, so there is one, which mostly does nothing."""
    watching: list[list[str]] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "pickle.find_class" and watching:
            watching[-1].append(".".join(map(str, arguments)))

    sys.addaudithook(hook)
    return watching


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn whatever the method's own code raises into `Misbehaviour`, with the end of its traceback."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a method may raise anything; a cell calls each of them a failure
        raise Misbehaviour(f"{what} raised {type(error).__name__}: {error}\n{traceback_tail()}".rstrip()) from error


def specimen(shape: str, catalogue: Catalogue | None = None, permuted: frozenset[str] = frozenset(), canary: int = 0) -> Cohort:
    """A made cohort of 72 cases, prepared and encoded as datasets are; the modalities in `permuted` carry no signal.

    With `canary` no modality does, and the test rows of `single_cut` carry the label (see `Specimen`).
    `catalogue` may hold further encoders. Raises `UnknownNameError` for an unknown shape.
    """
    asked = {"permuted": "+".join(sorted(permuted)), "canary": canary}
    parameters = {"shape": shape, **{name: value for name, value in asked.items() if value}}
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
