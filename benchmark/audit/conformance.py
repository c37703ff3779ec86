"""Conformance: does a method keep the contract? Each check tries it on a specimen, under the views that a cell gives it."""

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
from benchmark.cells.stages import shared_training
from benchmark.data.modalities import MODALITIES
from benchmark.data.parts import Index
from benchmark.data.splits import single_cut
from benchmark.learning.fitting import InvalidPredictions, Probabilities, blind_view, build_stage, saved_attributes
from benchmark.learning.retrieval import answering, columns_of
from benchmark.learning.tuning.search import method_of
from benchmark.learning.tuning.space import read_space
from benchmark.registry.cards import MethodCard, sees_labels
from benchmark.registry.catalogue import Catalogue, ConfiguredMethod
from benchmark.suites.suite import DEFAULT, load_suite
from benchmark.system.errors import UnknownNameError, check_known

OTHER_SEED = 40
TOLERANCE = 1e-6
"""The largest difference of predictions that counts as rounding: sums depend on their order."""
SWAPPED = 0.25
"""An AUC below this means P(label = 0) was predicted: every modality of a specimen is informative."""


def check_method(
    spelled: str,
    catalogue: Catalogue,
    shape: str = "complete",
    *,
    checks: Collection[str] = (),
    limit_seconds: float | None = None,
) -> list[Finding]:
    """The findings of all checks on a method, or on one configuration of it, with a specimen of a shape.

    A method that cannot be loaded, does not apply, raises, or gives no probabilities ends the checks with that finding.
    `checks` restricts them to these names of `CHECKS` (none: all); `limit_seconds` bounds fit and prediction together, by
    default as the default suite does. Raises `UnknownNameError` for an unknown method, field, shape or check.
    """
    check_known("check", checks, CHECKS)
    catalogue = with_specimens(catalogue)
    method = catalogue.method(spelled)
    card = check_card(method)
    if card.state == "error":
        return [card]
    cohort = specimen(shape, catalogue)
    row = describe_row(catalogue.dataset(cohort.name), method, cohort, catalogue)
    if row.not_applicable:
        return [card, Finding("applicability", "skipped", row.not_applicable)]
    limit = load_suite(DEFAULT).limits.seconds if limit_seconds is None else limit_seconds
    candidate = Candidate(row, shape, catalogue, single_cut(cohort, shape, SEED), limit)
    cases = f"{len(cohort)} cases with {'+'.join(sorted(cohort.modalities))}"
    return [card, Finding("applicability", "good", cases), *_behaviour(candidate, checks or tuple(CHECKS))]


def _behaviour(candidate: Candidate, checks: Collection[str]) -> Iterator[Finding]:
    try:
        first = first_attempt(candidate)
    except (Misbehaviour, InvalidPredictions) as error:
        cases = f"the specimen trains on {len(candidate.split.train)} cases and validates on {len(candidate.split.validation)}"
        yield Finding("probabilities", "error", f"{error}\n({cases}: if the method needs more, this is not held against it)")
        return
    reliable = True
    for name in (name for name in CHECKS if name in checks):
        if name in COMPARING and not reliable:
            yield Finding(name, "skipped", "predictions differ between repeated runs")
            continue
        try:
            findings = [Finding(name, state, ": ".join(parts)) for state, *parts in CHECKS[name](candidate, first)]
        except (Misbehaviour, InvalidPredictions) as error:
            findings = [Finding(name, "error", str(error))]
        reliable = reliable and not (name == "determinism" and has_error(findings))
        yield from findings


# The card


def check_card(method: ConfiguredMethod) -> Finding:
    """Whether the file can be imported, and decorator and class are complete.

    Raises `UnknownNameError` for a field that the method does not have.
    """
    try:
        fault = method.entry.error or _missing_from_card(method.card) or _fault_of_class(method)
    except Misbehaviour as error:
        fault = str(error)
    if fault:
        return Finding("card", "error", fault)
    declared = "+".join(sorted(frozenset().union(*method.modalities))) or "no modality"
    return Finding("card", "good", f"{method.card.reference}; declares {declared}")


def _missing_from_card(card: MethodCard) -> str:
    for name, value in {"family": card.family, "reference": card.reference}.items():
        if not value.strip():
            return f"'{name}' is empty: give it in @register_method"
    of_variants = (needed for values in card.variants.values() for needed in values.values())
    for modality in sorted(frozenset(card.fit_modalities).union(card.predict_modalities, *of_variants).difference(MODALITIES)):
        return str(UnknownNameError("modality", str(modality), MODALITIES))
    return ""


def _fault_of_class(method: ConfiguredMethod) -> str:
    with calling(f"importing {method.entry.path.name}"):
        cls = method.entry.load()
    if not dataclasses.is_dataclass(cls):
        return f"{cls.__name__} is not a dataclass: put @dataclass below @register_method"
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
        raise
    if method.budget is None and hasattr(cls, "search_space"):
        with calling("search_space"):
            read_space(ConfiguredMethod(method.entry, {}))
    return ""


# Behaviour: each check yields states, with what was found each, and the mend where there is one

Results = Iterator[tuple[State, str] | tuple[State, str, str]]


def _difference(before: Probabilities, after: Probabilities, tolerance: float = TOLERANCE) -> str:
    """How two sets of predictions differ by more than rounding, in words; empty where they do not."""
    gaps = np.abs(before - after)
    return f"{int((gaps > tolerance).sum())} of {len(before)} by up to {gaps.max():.2g}" if gaps.max() > tolerance else ""


def _probabilities(candidate: Candidate, first: Attempt) -> Results:
    from sklearn.metrics import roc_auc_score

    p = first.probabilities
    labels = np.asarray(candidate.cohort().labels)[candidate.split.test]
    distinct = np.unique(p)
    if roc_auc_score(labels, p) < SWAPPED:
        yield "warning", "they rank the test cases the wrong way round: is it P(label = 0)?"
    elif len(distinct) == 1 and frozenset().union(*candidate.row.method.modalities):
        yield "warning", f"all are {p[0]:.4g}, although modalities are declared: was anything learnt?"
    elif len(distinct) == 2:
        values = f"only two distinct values, {distinct[0]:.4g} and {distinct[1]:.4g}"
        yield "warning", f"{values}: the AUC is that of a vote: return P(label = 1), not the predicted class"
    else:
        yield "good", f"{len(p)} finite numbers from {p.min():.3f} to {p.max():.3f}"


def _determinism(candidate: Candidate, first: Attempt) -> Results:
    again = {
        "a second call of predict_proba gives": candidate.predict(first.method, candidate.views().test),
        "a second fit with the same seed gives": candidate.run(candidate.views()),
    }
    for what, probabilities in again.items():
        changed = _difference(first.probabilities, probabilities)
        if changed:
            yield (
                "error",
                f"{what} other predictions ({changed})",
                "take all randomness from `seed`, and draw nothing in predict_proba",
            )
            return
    if any(_difference(first.probabilities, probabilities, 0) for probabilities in again.values()):
        yield "warning", "the same seed gives the same predictions except for the last bits: sums of several threads?"
    else:
        yield "good", "the same seed gives the same predictions, to the last bit"


def _seed(candidate: Candidate, first: Attempt) -> Results:
    changed = _difference(first.probabilities, candidate.run(candidate.views(), OTHER_SEED))
    if changed and not candidate.row.method.stochastic:
        yield "error", f"`stochastic = False`, but predictions change with the seed ({changed}): remove that line"
    elif not changed and candidate.row.method.stochastic:
        yield "good", "the seed changes no prediction here: `stochastic = False` would save cells"
    else:
        yield (
            "good",
            "predictions change with the seed" if changed else "no seed changes anything, as `stochastic = False` says",
        )


def _shared_training(candidate: Candidate, first: Attempt) -> Results:
    constants = candidate.row.method.entry.constants
    shared = shared_training(candidate.row.method, candidate.catalogue)
    if shared is None or not constants.keys() & {"evaluation_only", "trained_as"}:
        yield "good", "no other row shares its training"
        return
    views, (declared, owner) = candidate.views(), shared
    with calling("the training as a stage"):
        arrays = build_stage(owner, declared, declared.seen(views.train, views.validation), SEED, {})
    changed = _difference(first.probabilities, candidate.fit(views, stages={declared.name: arrays}).probabilities, 0)
    if changed:
        yield (
            "error",
            f"predictions from the training of {owner.spelled}, which it shares, differ from its own ({changed})",
            "a field of `evaluation_only` must change nothing of the training",
        )
    else:
        yield "good", f"the training of {owner.spelled}, which it shares, gives the bytes of its own"


def _labels(candidate: Candidate, first: Attempt) -> Results:
    views = candidate.views()
    if not sees_labels(first.method):
        yield "good", "it is handed neither labels nor findings, as its card says"
        return
    flipped = {
        name: replace(view, labels=1 - view.labels, findings=None if view.findings is None else 1 - view.findings)
        for name, view in vars(views).items()
        if view.labels is not None
    }
    if _difference(first.probabilities, candidate.run(replace(views, **flipped))):
        yield "good", "predictions change when all labels are flipped"
    else:
        yield (
            "warning",
            "predictions stay the same when all labels are flipped",
            "a fixed score, or a model kept from an earlier fit?",
        )


def _earlier_cells(candidate: Candidate, first: Attempt) -> Results:
    split = candidate.split
    seen = replace(split, train=np.sort(np.r_[split.test, split.train[::2]]), test=split.train[1::2])
    candidate.run(replace(candidate, split=seen).views())
    changed = _difference(first.probabilities, candidate.run(candidate.views()))
    if changed:
        yield (
            "error",
            f"predictions change after a fit on the test cases ({changed})",
            "keep nothing in the module or the class from one cell to the next",
        )
    else:
        yield "good", "predictions do not change after a fit on the test cases"


def _independence(candidate: Candidate, first: Attempt) -> Results:
    whole = candidate.cohort()
    apart = {
        "one case alone": slice(-1, None),
        "every second case": slice(None, None, 2),
        "the cases in reversed order": slice(None, None, -1),
    }
    for name, part in apart.items():
        cases = blind_view(whole, candidate.split.test[part], candidate.row.method.modalities[1])
        most = np.abs(candidate.predict(first.method, cases) - first.probabilities[part]).max()
        if most > TOLERANCE:
            yield (
                "error",
                f"predictions of {name} differ by up to {most:.2g} from those of all test cases together",
                "a prediction may depend on its own case and on what was fitted",
            )
            return
    yield "good", "a case's prediction is the same alone, among others, and in another order"


def _modalities(candidate: Candidate, first: Attempt) -> Results:
    learnt, seen = (candidate.held & part for part in candidate.row.method.modalities)
    hidden = {"fit": candidate.held - learnt, "predict_proba": candidate.held - seen}
    views = replace(candidate.views(hidden["fit"]), test=candidate.views(hidden["predict_proba"]).test)
    undeclared = "+".join(sorted(hidden["fit"] | hidden["predict_proba"]))
    changed = _difference(first.probabilities, candidate.run(views)) if undeclared else ""
    if changed:
        yield (
            "error",
            f"predictions depend on the undeclared {undeclared} ({changed})",
            "declare it, or use only what the views hold",
        )
    idle = [
        name
        for name in sorted(learnt | seen)
        if not _difference(first.probabilities, candidate.run(candidate.views(frozenset({name}))))
    ]
    for name in idle:
        yield "warning", f"permuting {name} among the cases changes no prediction, although it is declared: is it used?"
    if not changed and not idle:
        declared = "+".join(sorted(learnt | seen)) or "no modality"
        yield "good", f"predictions depend on {declared}" + (f", and not on the undeclared {undeclared}" if undeclared else "")


def _findings(candidate: Candidate, first: Attempt) -> Results:
    answer = " and ".join(answering(first.method)[1])
    if not answer:
        return
    cohort = candidate.cohort()

    def answers(rows: Index) -> dict[str, list[float | None]]:
        with calling(answer):
            return columns_of(first.method, cohort, rows, blind_view(cohort, rows, candidate.row.method.modalities[1]))

    rows = candidate.split.test
    whole, turned = (np.array(list(found.values()), dtype=np.float64) for found in (answers(rows), answers(rows[::-1])))
    most = np.nanmax(np.abs(whole - turned[:, ::-1]))
    if most > TOLERANCE:
        yield (
            "error",
            f"{answer} of the cases in reversed order differs by up to {most:.2g}",
            "an answer may depend on its own case, its own text and on what was fitted",
        )
    else:
        yield "good", f"{answer} gives finite numbers in its range, and each case's alone whatever the order"


def _inputs(candidate: Candidate, first: Attempt) -> Results:
    if first.changed:
        yield "error", f"changed in place: {', '.join(first.changed)}: work on a copy"
    else:
        yield "good", "unchanged by fit and predict_proba"


def _pickle(candidate: Candidate, first: Attempt) -> Results:
    if first.unpickled:
        yield (
            "error",
            f"unpickled {', '.join(first.unpickled[:5])}",
            "a pickle can run any code: load weights with weights_only=True, and keep n_jobs at 1",
        )
    else:
        yield "good", "nothing was unpickled"


def _time(candidate: Candidate, first: Attempt) -> Results:
    slow = first.fit_seconds + first.predict_seconds > candidate.limit_seconds
    limit = f"the limit is {candidate.limit_seconds:g} s"
    yield "error" if slow else "good", f"fit {first.fit_seconds:.2f} s, predict_proba {first.predict_seconds:.2f} s; {limit}"


def _saved(candidate: Candidate, first: Attempt) -> Results:
    try:
        threshold, chosen, _ = saved_attributes(first.method)
    except (TypeError, ValueError) as error:
        yield "error", str(error)
        return
    values = {"threshold": f"threshold {threshold:.3g}", "chosen": f"chosen {chosen}"}
    saved = [text for name, text in values.items() if hasattr(first.method, name)]
    yield "good", ", ".join(saved) or "neither threshold nor chosen is set"


CHECKS: Mapping[str, Callable[[Candidate, Attempt], Results]] = MappingProxyType(
    {
        "probabilities": _probabilities,
        "determinism": _determinism,
        "seed": _seed,
        "shared training": _shared_training,
        "labels": _labels,
        "independence": _independence,
        "modalities": _modalities,
        "earlier cells": _earlier_cells,
        "findings": _findings,
        "inputs": _inputs,
        "pickle": _pickle,
        "time": _time,
        "saved attributes": _saved,
    }
)
"""What is checked of a method that can be loaded, applies, and gives probabilities."""
COMPARING = frozenset({"seed", "shared training", "labels", "earlier cells", "independence", "modalities"})
"""Checks that compare predictions, and so mean nothing where these differ between repeated runs."""
