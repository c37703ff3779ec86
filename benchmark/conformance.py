"""Conformance: does a method keep the contract? Each check tries it on a specimen, under the views that a cell gives it."""

from __future__ import annotations

import dataclasses
import difflib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark import specimens
from benchmark.cohort import MODALITIES, Cohort
from benchmark.discovery import discover
from benchmark.errors import UnknownNameError
from benchmark.loading import load_cohort
from benchmark.locations import data_folder
from benchmark.planning import PlannedRow, describe_row, modalities_of
from benchmark.protocols import Holdout, Split
from benchmark.registry import Catalogue, Entry
from benchmark.suite import DEFAULT, load_suite
from benchmark.watching import digests, unpickling
from benchmark.worker import blind_view, finite, learning_views, plain, seed_everything, traceback_tail, what_is_invalid

State = Literal["good", "warning", "error", "skipped"]
SHAPES = tuple(specimens.SHAPES)
SEED, OTHER_SEED = 39, 40
TOLERANCE = 1e-6
"""Predictions of a case may differ by so much with the cases beside it: float32 sums depend on the batch."""

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """What one check found; an error breaks the contract, a warning may be meant."""

    check: str
    state: State
    said: str


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
class Trial:
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
        return specimens.SHAPES[self.shape]

    def cohort(self, permuted: frozenset[str] = frozenset()) -> Cohort:
        """The specimen with its features in the cache, as they are before a cell begins."""
        cohort = specimen(self.shape, self.catalogue, permuted)
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


def specimen(shape: str, catalogue: Catalogue | None = None, permuted: frozenset[str] = frozenset()) -> Cohort:
    """A made cohort of 72 cases, prepared and encoded as datasets are; the modalities in `permuted` tell nothing.

    `catalogue` offers encoders of one's own. Raises `UnknownNameError` where there is no such shape.
    """
    if shape not in SHAPES:
        raise UnknownNameError("shape", shape, SHAPES)
    parameters = {"shape": shape} | ({"permuted": "+".join(sorted(permuted))} if permuted else {})
    return _loaded(_spelled(parameters), catalogue.plugins if catalogue else (), data_folder())


@cache
def _loaded(spelled: str, plugins: tuple[str, ...], data: Path) -> Cohort:
    """The specimen below a data folder, read once per process: views are copies of it."""
    return load_cohort(spelled, _catalogue(plugins))


def with_specimens(catalogue: Catalogue | None = None) -> Catalogue:
    """The catalogue, with the specimens and their encoder in it."""
    if catalogue is not None and "specimen" in catalogue.datasets:
        return catalogue
    return _catalogue(catalogue.plugins if catalogue else ())


def _catalogue(plugins: tuple[str, ...]) -> Catalogue:
    return discover(list(dict.fromkeys([*plugins, str(specimens.__file__)])))


def check_method(
    spelled: str,
    catalogue: Catalogue,
    shape: str = "complete",
    *,
    checks: Collection[str] = (),
    limit_seconds: float | None = None,
) -> list[Finding]:
    """What all checks find of a method, or of one configuration of it, on a specimen of a shape.

    A method that cannot be had, does not apply, raises, or gives no probabilities ends the checks with that finding.
    `checks` are names of `CHECKS` to which the rest is confined (none: all of them); `limit_seconds` bounds fit and
    prediction together, by default as the default suite does. Raises `UnknownNameError` for a method, field, shape or check
    that there is not.
    """
    for name in checks:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    catalogue = with_specimens(catalogue)
    entry, parameters = catalogue.methods.resolve(spelled)
    card = list(check_card(entry, parameters))
    if has_error(card):
        return card
    cohort = specimen(shape, catalogue)
    row = describe_row(_spelled({"shape": shape}), spelled, cohort, catalogue)
    if row.not_applicable:
        return [*card, Finding("applicability", "skipped", row.not_applicable)]
    limit = load_suite(DEFAULT).limits.seconds if limit_seconds is None else limit_seconds
    trial = Trial(entry, parameters, row, shape, catalogue, Holdout().splits(cohort)[0], limit)
    applies = Finding("applicability", "good", f"{len(cohort)} cases with {'+'.join(sorted(cohort.modalities))}")
    return [*card, applies, *_behaviour(trial, checks or tuple(CHECKS))]


def _behaviour(trial: Trial, checks: Collection[str]) -> Iterator[Finding]:
    try:
        first = _first_attempt(trial)
    except Misbehaviour as error:
        yield Finding("probabilities", "error", str(error))
        return
    reliable = True
    for name, check in CHECKS.items():
        if name not in checks:
            continue
        if name in COMPARING and not reliable:
            yield Finding(name, "skipped", "the predictions differ from one time to the next")
            continue
        try:
            found = [Finding(name, state, said) for state, said in check(trial, first)]
        except Misbehaviour as error:
            found = [Finding(name, "error", str(error))]
        reliable = reliable and not (name == "determinism" and has_error(found))
        yield from found


def _first_attempt(trial: Trial) -> Attempt:
    given = trial.views()
    before = given.digests()
    trial.seed_generators(SEED)  # so that importing torch is not counted as the method's time
    with unpickling() as unpickled:
        started = time.perf_counter()
        method = trial.fit(given)
        fitted = time.perf_counter()
        probabilities = trial.predict(method, given.test)
        predicted = time.perf_counter()
    after = given.digests()
    changed = tuple(name for name in before | after if before.get(name) != after.get(name))
    return Attempt(method, probabilities, fitted - started, predicted - fitted, changed, tuple(dict.fromkeys(unpickled)))


# The card


def check_card(entry: Entry[Any], parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the file can be read and imported, and decorator and class say what they must.

    Raises `UnknownNameError` for a field that the method has not.
    """
    wrong = entry.error or _what_lacks(entry) or _what_is_wrong_with_the_class(entry, parameters)
    if wrong:
        yield Finding("card", "error", wrong)
    else:
        declared = "+".join(sorted(frozenset().union(*modalities_of(entry, parameters)))) or "no modality"
        yield Finding("card", "good", f"{entry.metadata['reference']}; declares {declared}")


def _what_lacks(entry: Entry[Any]) -> str:
    for name in ("family", "reference"):
        if not str(entry.metadata[name]).strip():
            return f"'{name}' is empty: say it in @register_method"
    variants = entry.metadata.get("variants") or {}
    named = entry.modalities.union(*(needed for values in variants.values() for needed in values.values()))
    for modality in sorted(named.difference(MODALITIES)):
        near = difflib.get_close_matches(str(modality), MODALITIES, n=1)
        return f"'{modality}' is no modality: " + (f"did you mean '{near[0]}'?" if near else f"use {', '.join(MODALITIES)}")
    return ""


def _what_is_wrong_with_the_class(entry: Entry[Any], parameters: Mapping[str, Any]) -> str:
    try:
        with calling(f"importing {entry.path.name}"):
            cls = entry.load()
    except Misbehaviour as error:
        return str(error)
    if not dataclasses.is_dataclass(cls):
        return f"{cls.__name__} is no dataclass: put @dataclass below @register_method"
    fields = [item for item in dataclasses.fields(cls) if item.init]
    for item in fields:
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            return f"field '{item.name}' has no default: give it one, so that the plain name runs"
    for name in set(entry.metadata.get("variants") or {}) - {item.name for item in fields}:
        return f"variants name '{name}', which is no field of {cls.__name__}"
    for name in ("fit", "predict_proba"):
        if not callable(getattr(cls, name, None)):
            return f"{cls.__name__} has no {name}: a method defines fit and predict_proba"
    try:
        with calling(f"making {cls.__name__}"):
            entry.configure(parameters)
    except Misbehaviour as error:
        if isinstance(error.__cause__, UnknownNameError):
            raise error.__cause__ from None
        return str(error)
    return ""


# Behaviour: each check yields its state and what it says

Said = Iterator[tuple[State, str]]


def _probabilities(trial: Trial, first: Attempt) -> Said:
    p = first.probabilities
    yield "good", f"{len(p)} finite numbers from {p.min():.3f} to {p.max():.3f}"


def _determinism(trial: Trial, first: Attempt) -> Said:
    asked_again = _difference(first.probabilities, trial.predict(first.method, trial.views().test))
    fitted_again = _difference(first.probabilities, trial.run(trial.views()))
    if asked_again:
        yield (
            "error",
            f"asked again, predict_proba tells otherwise ({asked_again}): draw nothing there, or from a generator made anew",
        )
    elif fitted_again:
        yield (
            "error",
            f"fitted again with the same seed, it predicts otherwise ({fitted_again}): take all randomness from `seed`",
        )
    else:
        yield "good", "the same seed gives the same predictions, to the last bit"


def _seed(trial: Trial, first: Attempt) -> Said:
    changed = _difference(first.probabilities, trial.run(trial.views(), OTHER_SEED))
    if changed and not trial.row.stochastic:
        yield "error", f"`stochastic = False`, but another seed predicts otherwise ({changed}): take that line out"
    elif not changed and trial.row.stochastic:
        yield "good", "the seed changes nothing here: `stochastic = False` would save cells"
    else:
        yield "good", "another seed predicts otherwise" if changed else "no seed changes anything, as `stochastic = False` says"


def _independence(trial: Trial, first: Attempt) -> Said:
    n = len(first.probabilities)
    whole = trial.cohort()
    apart = {
        "one case alone": np.arange(n)[-1:],
        "every second case": np.arange(n)[::2],
        "the cases in reversed order": np.arange(n)[::-1],
    }
    for name, positions in apart.items():
        told = trial.predict(first.method, blind_view(whole, trial.split.test[positions], trial.row.predict_modalities))
        most = np.abs(told - first.probabilities[positions]).max()
        if most > TOLERANCE:
            mend = "a prediction may rest on its own case and on what was fitted"
            yield "error", f"predictions of {name} differ by up to {most:.2g} from those of all test cases together: {mend}"
            return
    yield "good", "a case's prediction is the same alone, among others, and in another order"


def _modalities(trial: Trial, first: Attempt) -> Said:
    learnt, seen = (trial.held & part for part in (trial.row.fit_modalities, trial.row.predict_modalities))
    hidden = {"fit": trial.held - learnt, "predict_proba": trial.held - seen}
    given = replace(trial.views(hidden["fit"]), test=trial.views(hidden["predict_proba"]).test)
    undeclared = "+".join(sorted(hidden["fit"] | hidden["predict_proba"]))
    changed = _difference(first.probabilities, trial.run(given)) if undeclared else ""
    if changed:
        yield "error", f"predictions follow the undeclared {undeclared} ({changed}): declare it, or keep to what the views hold"
    idle = [
        name
        for name in sorted(learnt | seen)
        if not _difference(first.probabilities, trial.run(trial.views(frozenset({name}))))
    ]
    for name in idle:
        yield "warning", f"{name} dealt anew among the cases changes no prediction, though it is declared: is it used?"
    if not changed and not idle:
        declared = "+".join(sorted(learnt | seen)) or "no modality"
        yield "good", f"predictions follow {declared}" + (f", and not the undeclared {undeclared}" if undeclared else "")


def _inputs(trial: Trial, first: Attempt) -> Said:
    if first.changed:
        yield "error", f"changed in place: {', '.join(first.changed)}: work on a copy"
    else:
        yield "good", "as they were after fit and predict_proba"


def _pickle(trial: Trial, first: Attempt) -> Said:
    if first.unpickled:
        mend = "a pickle can run any code: load weights with weights_only=True (and keep n_jobs at 1: it pickles, too)"
        yield "error", f"unpickled {', '.join(first.unpickled[:5])}: {mend}"
    else:
        yield "good", "nothing was unpickled"


def _time(trial: Trial, first: Attempt) -> Said:
    slow = first.fit_seconds + first.predict_seconds > trial.limit_seconds
    limit = f"the limit is {trial.limit_seconds:g} s"
    yield "error" if slow else "good", f"fit {first.fit_seconds:.2f} s, predict_proba {first.predict_seconds:.2f} s; {limit}"


def _saved(trial: Trial, first: Attempt) -> Said:
    there = [name for name in ("threshold", "chosen") if hasattr(first.method, name)]
    try:
        threshold = finite("threshold", float(getattr(first.method, "threshold", 0.5)))
        chosen = plain("chosen", dict(getattr(first.method, "chosen", {})))
    except (TypeError, ValueError) as error:
        yield "error", str(error)
        return
    told = {"threshold": f"threshold {threshold:.3g}", "chosen": f"chosen {chosen}"}
    yield "good", ", ".join(told[name] for name in there) or "neither threshold nor chosen is set"


CHECKS: Mapping[str, Callable[[Trial, Attempt], Said]] = MappingProxyType(
    {
        "probabilities": _probabilities,
        "determinism": _determinism,
        "seed": _seed,
        "independence": _independence,
        "modalities": _modalities,
        "inputs": _inputs,
        "pickle": _pickle,
        "time": _time,
        "saved attributes": _saved,
    }
)
"""What is checked of a method that can be had, applies, and gives probabilities."""
COMPARING = frozenset({"seed", "independence", "modalities"})
"""Checks that compare predictions, and so mean nothing where these differ from one time to the next."""


# What is watched


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn whatever the method's own code raises into `Misbehaviour`, with the end of its traceback."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a method may raise anything; a cell calls each of them a failure
        raise Misbehaviour(f"{what} raised {type(error).__name__}: {error}\n{traceback_tail()}".rstrip()) from error


def _difference(before: Probabilities, after: Probabilities) -> str:
    """How two sets of predictions differ, in words; empty where they are equal to the last bit."""
    differ = before != after
    return f"{int(differ.sum())} of {len(before)} by up to {np.abs(before - after).max():.2g}" if differ.any() else ""


def has_error(findings: Collection[Finding]) -> bool:
    """Whether a finding breaks the contract."""
    return any(finding.state == "error" for finding in findings)


def _spelled(parameters: Mapping[str, str]) -> str:
    from benchmark.spelling import spell

    return spell("specimen", parameters)
