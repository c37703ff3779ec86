"""Fitting a configured method on the cases that it may see, and predicting: one way for cells, checks, copies and trials."""

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.parts import Index
from benchmark.data.splits import Split
from benchmark.data.stages import Arrays
from benchmark.learning.method import Method
from benchmark.learning.stages import Declared, Seen, declared_stages, stage_seed
from benchmark.registry.catalogue import ConfiguredMethod
from benchmark.registry.entries import forget
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import library_versions

Probabilities = NDArray[np.float64]


ROUNDING = 1e-6
"""How far a probability may lie outside [0, 1] by the rounding of single precision; it is clipped."""


class InvalidPredictions(BenchmarkError):
    """Predictions that are not one probability for each case."""


@dataclass(frozen=True, eq=False)
class Views:
    """What a method is handed: sealed views of its declared modalities, the test part blind."""

    train: Cohort
    validation: Cohort
    test: Cohort


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted method, its test probabilities (n,), and the seconds that both took."""

    method: Method
    probabilities: Probabilities
    fit_seconds: float
    predict_seconds: float


def views_of(cohort: Cohort, split: Split, modalities: tuple[frozenset[str], frozenset[str]]) -> Views:
    """The parts of a split as a method of these modalities (for fitting, for predicting) may see them.

    The training part holds what the split allows of the pool.
    """
    to_fit, to_predict = modalities
    pool = None if cohort.pool is None else cohort.pool.take(split.pool).only(to_fit).sealed()
    learning = cohort.only(to_fit).sealed(np.concatenate([split.train, split.validation]))
    return Views(
        replace(learning.take(split.train), pool=pool),
        replace(learning.take(split.validation), pool=None),
        blind_view(cohort, split.test, to_predict),
    )


def blind_view(cohort: Cohort, rows: Index, modalities: frozenset[str]) -> Cohort:
    """The cases at `rows` as prediction may see them: sealed, blind, declared modalities alone."""
    return cohort.take(rows).only(modalities).sealed().blind()


def fit_and_predict(
    method: ConfiguredMethod,
    views: Views,
    seed: int,
    make: Callable[[], Method] | None = None,
    *,
    stages: Mapping[str, Arrays] | None = None,
    forgetting: bool = True,
    during: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> Fitted:
    """Fit a fresh instance with all generators seeded, and predict the test part.

    `make` gives the instance, by default the configured method itself. Its module is imported anew, so that it keeps nothing
    from an earlier fit, unless `forgetting` is false. `stages` are the results of its stages; without them they are built
    here. `during` is entered with the name of each call of the method's code. Raises what the method raises, and
    `InvalidPredictions`.
    """
    if forgetting:
        forget(method.entry.path)
    if stages is None:
        stages = stages_built(method, views.train, views.validation, seed, {})
    instance = fresh(method, seed, make, forgetting=False)
    if stages:
        instance.stages = stages  # type: ignore[attr-defined]
    started = time.perf_counter()
    with during("fit"):
        instance.fit(views.train, views.validation, seed)
    fitted = time.perf_counter()
    with during("predict_proba"):
        probabilities = instance.predict_proba(views.test)
    predicted = time.perf_counter()
    return Fitted(instance, checked(probabilities, len(views.test)), fitted - started, predicted - fitted)


def fresh(method: ConfiguredMethod, seed: int, make: Callable[[], Method] | None, *, forgetting: bool = True) -> Method:
    """An instance that was not fitted yet, with the global generators seeded alike before every fit.

    torch's is seeded wherever the method's code imports it, were it as late as inside `fit`. For `make` and `forgetting` see
    `fit_and_predict`.
    """
    if forgetting:
        forget(method.entry.path)
    instance: Method = (make or method.make)()
    random.seed(seed)
    np.seterr(divide="warn", over="warn", under="ignore", invalid="warn")
    np.random.seed(seed)  # noqa: NPY002 - for libraries that read numpy's global state
    if "torch" in library_versions(method.entry.path):
        import torch

        torch.set_default_dtype(torch.float32)
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        # a tenth of a training step, and no kernel used here reads memory that nobody wrote
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(1)
    return instance


def build_stage(method: ConfiguredMethod, declared: Declared, seen: Seen, seed: int, earlier: Mapping[str, Arrays]) -> Arrays:
    """The result of a method's stage on the cases that it may see, from the stages `earlier` than it. Raises what it raises."""
    instance = fresh(method, seed, None, forgetting=False)
    instance.stages = earlier  # type: ignore[attr-defined]
    arrays: Arrays = getattr(instance, declared.name)(seen, seed)
    return arrays


def stages_built(
    method: ConfiguredMethod, train: Cohort, validation: Cohort, seed: int, known: dict[tuple[str, ...], Arrays]
) -> dict[str, Arrays]:
    """The results of the stages that a method declares, each built with a seed of its own.

    `known` are results on the same views with the same seed, by what they depend on; new ones are added.
    """
    stages: dict[str, Arrays] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for declared in declared_stages(method.entry.load()):
        narrowed = declared.narrowed(method)
        key = (declared.name, narrowed.spelled, *(part for name in declared.after for part in keys[name]))
        if key not in known:
            own_seed, seen = stage_seed("", seed, narrowed.entry.name, declared.name, {}), declared.seen(train, validation)
            known[key] = build_stage(narrowed, declared, seen, own_seed, {name: stages[name] for name in declared.after})
        keys[declared.name], stages[declared.name] = key, known[key]
    return stages


def checked(probabilities: Any, cases: int) -> Probabilities:
    """What a method predicted of so many cases, (n,) float64 in [0, 1]. Raises `InvalidPredictions` that says why not."""
    if np.ma.is_masked(probabilities):
        raise InvalidPredictions("predict_proba gave masked values")
    if hasattr(probabilities, "iloc") and list(probabilities.index) != list(range(cases)):
        raise InvalidPredictions("predict_proba gave a Series in an order of its own: give an array in the order of the cases")
    values = np.asarray(probabilities)
    if values.shape != (cases,):
        hint = {(cases, 2): ": take column 1, P(label = 1)", (cases, 1): ": take its one column"}.get(values.shape, "")
        raise InvalidPredictions(f"predict_proba gave shape {values.shape} for {cases} cases: it must be ({cases},){hint}")
    if not np.issubdtype(values.dtype, np.floating) and not np.issubdtype(values.dtype, np.integer):
        raise InvalidPredictions(f"predict_proba gave {values.dtype}, not numbers")
    if not np.isfinite(values).all():
        raise InvalidPredictions(f"{int((~np.isfinite(values)).sum())} of {cases} probabilities are NaN or infinite")
    return _clipped(values.astype(np.float64))


def _clipped(values: Probabilities) -> Probabilities:
    """The values in [0, 1]. Those outside by more than rounding are refused: how far they lie, and what they seem to be."""
    excess = np.maximum(-values, values - 1)
    if excess.max(initial=0) <= ROUNDING:
        return np.clip(values, 0, 1)
    low, high = values.min(), values.max()
    if set(np.unique(values)) <= {-1, 1}:
        hint = ": these look like classes -1 and 1"
    elif low < 0 and excess.max() > 0.1:
        hint = ": these look like log-odds: 1 / (1 + exp(-x)) makes them probabilities"
    else:
        hint = ": these look like percent: divide by 100" if 2 < high <= 100 else ""
    outside = f"{int((excess > ROUNDING).sum())} of {len(values)} probabilities lie outside [0, 1], by up to {excess.max():.3g}"
    raise InvalidPredictions(f"{outside} (they range from {low:.4g} to {high:.4g}){hint}")


def saved_attributes(method: Method) -> tuple[float, dict[str, Any], dict[str, Any]]:
    """`threshold`, `chosen` and `history` as a cell stores them.

    Raises `TypeError` or `ValueError` for what it cannot store.
    """
    threshold = float(getattr(method, "threshold", 0.5))
    if not np.isfinite(threshold):
        raise ValueError(f"the method's threshold is {threshold}: it must be a finite number")
    return threshold, _plain("chosen", getattr(method, "chosen", {})), _plain("history", getattr(method, "history", {}))


def _plain(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as JSON has it, numpy's numbers as Python's. Raises `TypeError` or `ValueError` for what JSON has not."""

    def number(item: Any) -> Any:
        if isinstance(item, np.generic | np.ndarray):
            return item.tolist()
        raise TypeError(f"the method's {name} holds a {type(item).__name__}: JSON has none")

    return cast(dict[str, Any], json.loads(json.dumps(dict(value), default=number, allow_nan=False)))
