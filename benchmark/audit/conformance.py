"""Conformance: does a method keep the contract? Each check tries it on a specimen, under the views that a cell gives it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from benchmark.audit.attempt import (
    SEED,
    Attempt,
    Candidate,
    Misbehaviour,
    calling,
    first_attempt,
    specimen,
    with_specimens,
)
from benchmark.audit.findings import Finding, State, has_error
from benchmark.cells.planning import describe_row
from benchmark.data.modalities import MODALITIES
from benchmark.data.splits import single_cut
from benchmark.learning.fitting import Probabilities, blind_view, saved_attributes
from benchmark.learning.tuning.search import method_of
from benchmark.learning.tuning.space import read_space
from benchmark.registry.cards import MethodCard
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.suites.suite import DEFAULT, load_suite
from benchmark.system.errors import UnknownNameError

OTHER_SEED = 40
TOLERANCE = 1e-6
"""Predictions may differ by so much with the cases beside a case, or from one time to the next: sums depend on their order."""
SWAPPED = 0.25
"""An AUC below this on a specimen, whose every modality tells of the label, is that of P(label = 0)."""


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
    method = catalogue.method(spelled)
    card = list(check_card(method))
    if has_error(card):
        return card
    cohort = specimen(shape, catalogue)
    row = describe_row(catalogue.dataset(cohort.name), method, cohort, catalogue)
    if row.not_applicable:
        return [*card, Finding("applicability", "skipped", row.not_applicable)]
    limit = load_suite(DEFAULT).limits.seconds if limit_seconds is None else limit_seconds
    candidate = Candidate(row, shape, catalogue, single_cut(cohort, shape, SEED), limit)
    applies = Finding("applicability", "good", f"{len(cohort)} cases with {'+'.join(sorted(cohort.modalities))}")
    return [*card, applies, *_behaviour(candidate, checks or tuple(CHECKS))]


def _behaviour(candidate: Candidate, checks: Collection[str]) -> Iterator[Finding]:
    try:
        first = first_attempt(candidate)
    except Misbehaviour as error:
        cases = f"the specimen trains on {len(candidate.split.train)} cases and validates on {len(candidate.split.validation)}"
        yield Finding(
            "probabilities", "error", f"{error}\n({cases}: should the method need more, this says nothing against it)"
        )
        return
    reliable = True
    for name, check in CHECKS.items():
        if name not in checks:
            continue
        if name in COMPARING and not reliable:
            yield Finding(name, "skipped", "the predictions differ from one time to the next")
            continue
        try:
            found = [Finding(name, state, said) for state, said in check(candidate, first)]
        except Misbehaviour as error:
            found = [Finding(name, "error", str(error))]
        reliable = reliable and not (name == "determinism" and has_error(found))
        yield from found


# The card


def check_card(method: ConfiguredMethod) -> Iterator[Finding]:
    """Whether the file can be read and imported, and decorator and class say what they must.

    Raises `UnknownNameError` for a field that the method has not.
    """
    wrong = method.entry.error or _what_lacks(method.card) or _what_is_wrong_with_the_class(method)
    if wrong:
        yield Finding("card", "error", wrong)
    else:
        declared = "+".join(sorted(frozenset().union(*method.modalities))) or "no modality"
        yield Finding("card", "good", f"{method.card.reference}; declares {declared}")


def _what_lacks(card: MethodCard) -> str:
    for name, value in {"family": card.family, "reference": card.reference}.items():
        if not value.strip():
            return f"'{name}' is empty: say it in @register_method"
    named = frozenset(card.fit_modalities) | frozenset(card.predict_modalities)
    named = named.union(*(needed for values in card.variants.values() for needed in values.values()))
    for modality in sorted(named.difference(MODALITIES)):
        return str(UnknownNameError("modality", str(modality), MODALITIES))
    return ""


def _what_is_wrong_with_the_class(method: ConfiguredMethod) -> str:
    entry = method.entry
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
    for name in set(method.card.variants) - {item.name for item in fields}:
        return f"variants name '{name}', which is no field of {cls.__name__}"
    for name in ("fit", "predict_proba"):
        if not callable(getattr(cls, name, None)):
            return f"{cls.__name__} has no {name}: a method defines fit and predict_proba"
    try:
        with calling(f"making {cls.__name__}"):
            method_of(method)
    except Misbehaviour as error:
        if isinstance(error.__cause__, UnknownNameError):
            raise error.__cause__ from None
        return str(error)
    if method.budget is None and hasattr(cls, "search_space"):
        try:
            with calling("search_space"):
                read_space(ConfiguredMethod(entry, {}))
        except Misbehaviour as error:
            return str(error)
    return ""


# Behaviour: each check yields its state and what it says

Said = Iterator[tuple[State, str]]


def _difference(before: Probabilities, after: Probabilities, tolerance: float = TOLERANCE) -> str:
    """How two sets of predictions differ by more than rounding, in words; empty where they do not."""
    gaps = np.abs(before - after)
    return f"{int((gaps > tolerance).sum())} of {len(before)} by up to {gaps.max():.2g}" if gaps.max() > tolerance else ""


def _probabilities(candidate: Candidate, first: Attempt) -> Said:
    from sklearn.metrics import roc_auc_score

    p = first.probabilities
    labels = np.asarray(candidate.cohort().labels)[candidate.split.test]
    if roc_auc_score(labels, p) < SWAPPED:
        yield "warning", "they rank the test cases the wrong way round: is it P(label = 0)?"
    else:
        yield "good", f"{len(p)} finite numbers from {p.min():.3f} to {p.max():.3f}"


def _determinism(candidate: Candidate, first: Attempt) -> Said:
    again = {
        "asked again, predict_proba": candidate.predict(first.method, candidate.views().test),
        "fitted again with the same seed, it": candidate.run(candidate.views()),
    }
    for when, told in again.items():
        changed = _difference(first.probabilities, told)
        if changed:
            yield (
                "error",
                f"{when} tells otherwise ({changed}): take all randomness from `seed`, and draw nothing in predict_proba",
            )
            return
    if any(_difference(first.probabilities, told, 0) for told in again.values()):
        yield "warning", "the same seed gives the same predictions but for the last bits: sums of several threads?"
    else:
        yield "good", "the same seed gives the same predictions, to the last bit"


def _seed(candidate: Candidate, first: Attempt) -> Said:
    changed = _difference(first.probabilities, candidate.run(candidate.views(), OTHER_SEED))
    if changed and not candidate.row.method.stochastic:
        yield "error", f"`stochastic = False`, but another seed predicts otherwise ({changed}): take that line out"
    elif not changed and candidate.row.method.stochastic:
        yield "good", "the seed changes nothing here: `stochastic = False` would save cells"
    else:
        yield "good", "another seed predicts otherwise" if changed else "no seed changes anything, as `stochastic = False` says"


def _labels(candidate: Candidate, first: Attempt) -> Said:
    given = candidate.views()
    turned = {name: replace(view, labels=1 - view.labels) for name, view in vars(given).items() if view.labels is not None}
    if _difference(first.probabilities, candidate.run(replace(given, **turned))):
        yield "good", "with all labels turned round it predicts otherwise"
    else:
        yield (
            "warning",
            "with all labels turned round it predicts the same: a fixed score, or a model kept from an earlier fit?",
        )


def _earlier_cells(candidate: Candidate, first: Attempt) -> Said:
    split = candidate.split
    seen = replace(split, train=np.sort(np.r_[split.test, split.train[::2]]), test=split.train[1::2])
    candidate.run(replace(candidate, split=seen).views())
    changed = _difference(first.probabilities, candidate.run(candidate.views()))
    if changed:
        said = f"after a fit on the test cases it predicts otherwise ({changed})"
        yield "error", f"{said}: keep nothing in the module or the class from one cell to the next"
    else:
        yield "good", "a cell that saw the test cases before changes nothing"


def _independence(candidate: Candidate, first: Attempt) -> Said:
    n = len(first.probabilities)
    whole = candidate.cohort()
    apart = {
        "one case alone": np.arange(n)[-1:],
        "every second case": np.arange(n)[::2],
        "the cases in reversed order": np.arange(n)[::-1],
    }
    for name, positions in apart.items():
        cases = blind_view(whole, candidate.split.test[positions], candidate.row.method.modalities[1])
        told = candidate.predict(first.method, cases)
        most = np.abs(told - first.probabilities[positions]).max()
        if most > TOLERANCE:
            mend = "a prediction may rest on its own case and on what was fitted"
            yield "error", f"predictions of {name} differ by up to {most:.2g} from those of all test cases together: {mend}"
            return
    yield "good", "a case's prediction is the same alone, among others, and in another order"


def _modalities(candidate: Candidate, first: Attempt) -> Said:
    learnt, seen = (candidate.held & part for part in candidate.row.method.modalities)
    hidden = {"fit": candidate.held - learnt, "predict_proba": candidate.held - seen}
    given = replace(candidate.views(hidden["fit"]), test=candidate.views(hidden["predict_proba"]).test)
    undeclared = "+".join(sorted(hidden["fit"] | hidden["predict_proba"]))
    changed = _difference(first.probabilities, candidate.run(given)) if undeclared else ""
    if changed:
        yield "error", f"predictions follow the undeclared {undeclared} ({changed}): declare it, or keep to what the views hold"
    idle = [
        name
        for name in sorted(learnt | seen)
        if not _difference(first.probabilities, candidate.run(candidate.views(frozenset({name}))))
    ]
    for name in idle:
        yield "warning", f"{name} dealt anew among the cases changes no prediction, though it is declared: is it used?"
    if not changed and not idle:
        declared = "+".join(sorted(learnt | seen)) or "no modality"
        yield "good", f"predictions follow {declared}" + (f", and not the undeclared {undeclared}" if undeclared else "")


def _inputs(candidate: Candidate, first: Attempt) -> Said:
    if first.changed:
        yield "error", f"changed in place: {', '.join(first.changed)}: work on a copy"
    else:
        yield "good", "as they were after fit and predict_proba"


def _pickle(candidate: Candidate, first: Attempt) -> Said:
    if first.unpickled:
        mend = "a pickle can run any code: load weights with weights_only=True"
        aside = "(worker processes exchange pickles: keep n_jobs at 1 where they do)"
        yield "error", f"unpickled {', '.join(first.unpickled[:5])}: {mend} {aside}"
    else:
        yield "good", "nothing was unpickled"


def _time(candidate: Candidate, first: Attempt) -> Said:
    slow = first.fit_seconds + first.predict_seconds > candidate.limit_seconds
    limit = f"the limit is {candidate.limit_seconds:g} s"
    yield "error" if slow else "good", f"fit {first.fit_seconds:.2f} s, predict_proba {first.predict_seconds:.2f} s; {limit}"


def _saved(candidate: Candidate, first: Attempt) -> Said:
    there = [name for name in ("threshold", "chosen") if hasattr(first.method, name)]
    try:
        threshold, chosen, _ = saved_attributes(first.method)
    except (TypeError, ValueError) as error:
        yield "error", str(error)
        return
    told = {"threshold": f"threshold {threshold:.3g}", "chosen": f"chosen {chosen}"}
    yield "good", ", ".join(told[name] for name in there) or "neither threshold nor chosen is set"


CHECKS: Mapping[str, Callable[[Candidate, Attempt], Said]] = MappingProxyType(
    {
        "probabilities": _probabilities,
        "determinism": _determinism,
        "seed": _seed,
        "labels": _labels,
        "independence": _independence,
        "modalities": _modalities,
        "earlier cells": _earlier_cells,
        "inputs": _inputs,
        "pickle": _pickle,
        "time": _time,
        "saved attributes": _saved,
    }
)
"""What is checked of a method that can be had, applies, and gives probabilities."""
COMPARING = frozenset({"seed", "labels", "earlier cells", "independence", "modalities"})
"""Checks that compare predictions, and so mean nothing where these differ from one time to the next."""
