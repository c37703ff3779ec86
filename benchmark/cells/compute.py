"""Computing one cell: the code that runs in a worker process (or in-process, for tests and debugging)."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cells.planning import Cell
from benchmark.cells.store import CellAddress, CellRecord, Outcome
from benchmark.cells.studies import open_study
from benchmark.data.cohort import Cohort, Index
from benchmark.data.features import bound_to_pool
from benchmark.data.preparation import load_prepared
from benchmark.data.splits import Split
from benchmark.learning.fitting import what_is_invalid
from benchmark.learning.seeding import seed_everything
from benchmark.learning.tuning.search import Tuned
from benchmark.learning.tuning.space import plain
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Catalogue, forget
from benchmark.system.errors import BenchmarkError, InvalidTraining
from benchmark.system.provenance import code_digest

TRACEBACK_LINES = 15


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker needs to compute a cell; `folder` holds the cohort as it was prepared before the run.

    `anew`: the cell is there and sound, and is to be computed again from nothing.
    """

    address: CellAddress
    folder: str
    split: Split
    training_seed: int
    fit_modalities: frozenset[str]
    predict_modalities: frozenset[str]
    ingredients: Mapping[str, Any]
    key: str
    plugins: tuple[str, ...]
    anew: bool = False


@dataclass
class _Worker:
    """What a worker process keeps between cells."""

    catalogue: Catalogue | None = None
    cohort: Cohort | None = None


_WORKER = _Worker()


def job(cell: Cell, plugins: tuple[str, ...]) -> Job:
    """The job of a planned cell."""
    return Job(
        address=cell.address,
        folder=cell.row.folder,
        split=cell.split,
        training_seed=cell.training_seed,
        fit_modalities=cell.row.fit_modalities,
        predict_modalities=cell.row.predict_modalities,
        ingredients=cell.ingredients,
        key=cell.key,
        plugins=plugins,
        anew=cell.state == "fresh" and cell.stored is not None and cell.stored.outcome == "ok",
    )


def initialise(memory_bytes: int) -> None:
    """Prepare a worker process: bound its memory, leave Ctrl-C to the parent."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def encode(folder: str, modality: str, encoder: str, plugins: tuple[str, ...], pool: Index | None = None) -> None:
    """Make sure that the features of a prepared cohort are in the cache, `pool` (positions) being what a split allows of it."""
    cohort = _cohort(folder, plugins)
    (cohort if pool is None else bound_to_pool(cohort, pool)).features(modality, encoder)


def compute(job: Job, *, debug: bool = False) -> CellRecord:
    """Fit and predict one cell; whatever goes wrong becomes its outcome, or is raised in `debug`."""
    if debug:
        return _computed(job)
    started = time.perf_counter()
    try:
        return _computed(job)
    except MemoryError as error:
        outcome: Outcome = "out-of-memory"
        reason = f"more memory than the limit ({error})" if str(error) else "more memory than the limit"
        tail = traceback_tail()
    except (Exception, SystemExit) as error:  # the outcome of the cell, whatever it is
        outcome, reason, tail = _outcome(error), f"{type(error).__name__}: {error}", traceback_tail()
    return failure(job, outcome, reason, tail, {"total_seconds": time.perf_counter() - started})


def failure(job: Job, outcome: Outcome, reason: str, tail: str = "", measured: dict[str, Any] | None = None) -> CellRecord:
    """The record of a cell that gave no predictions."""
    return CellRecord(
        address=job.address,
        seed=job.split.seed,
        ingredients=dict(job.ingredients),
        key=job.key,
        outcome=outcome,
        reason=_storable(reason),
        traceback=_storable(tail),
        measured=measured or {},
    )


def _storable(text: str) -> str:
    """The text with what UTF-8 cannot hold (a file name of unknown encoding) written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def _outcome(error: BaseException) -> Outcome:
    """A RuntimeError of torch's or xgboost's allocator is a lack of memory as well; a loss that is no number is invalid."""
    if isinstance(error, InvalidTraining):
        return "invalid"
    words = str(error).lower()
    return "out-of-memory" if "can't allocate memory" in words or "bad_alloc" in words else "failed"


def traceback_tail() -> str:
    """The last lines of the traceback of the exception in hand."""
    return "".join(traceback.format_exc().splitlines(keepends=True)[-TRACEBACK_LINES:])


def _computed(job: Job) -> CellRecord:
    catalogue = _catalogue(job.plugins)
    cohort = _cohort(job.folder, job.plugins)
    entry, parameters = catalogue.methods.resolve(job.address.method)
    forget(entry.path)  # a method keeps nothing in its module or class from one cell to the next
    method = entry.configure(parameters)
    edited = code_digest(entry.path) != job.ingredients["method code"]
    if isinstance(method, Tuned):
        method.open_study = partial(open_study, job.address, job.key, anew=job.anew)
        edited = edited or plain(method.space) != job.ingredients["tuning"]["space"]
    if edited:
        raise BenchmarkError(f"{entry.path.name} was edited during the run: run again")
    split = job.split
    cohort = bound_to_pool(cohort, split.pool)
    train, validation = learning_views(cohort, split, job.fit_modalities)
    test = blind_view(cohort, split.test, job.predict_modalities)
    seed_everything(job.training_seed, torch="torch" in job.ingredients.get("libraries", ()))
    started = time.perf_counter()
    method.fit(train, validation, job.training_seed)
    fitted = time.perf_counter()
    probabilities = method.predict_proba(test)
    predicted = time.perf_counter()
    measured = {"fit_seconds": fitted - started, "predict_seconds": predicted - fitted, "peak_mib": _peak_mib()}
    wrong = what_is_invalid(probabilities, len(test))
    if wrong:
        return failure(job, "invalid", wrong, measured=measured)
    threshold, chosen = saved_attributes(method)
    return CellRecord(
        address=job.address,
        seed=split.seed,
        ingredients=dict(job.ingredients),
        key=job.key,
        outcome="ok",
        probabilities=np.asarray(probabilities, dtype=np.float64).tolist(),
        threshold=threshold,
        chosen=chosen,
        history=_plain("history", dict(getattr(method, "history", {}))),
        measured=measured,
    )


def learning_views(cohort: Cohort, split: Split, modalities: frozenset[str]) -> tuple[Cohort, Cohort]:
    """The training part (with the pool) and the validation part as a method may see them: sealed, declared modalities alone."""
    pool = None if cohort.pool is None else cohort.pool.take(split.pool).only(modalities).sealed()
    learning = cohort.only(modalities).sealed(np.concatenate([split.train, split.validation]))
    return replace(learning.take(split.train), pool=pool), replace(learning.take(split.validation), pool=None)


def blind_view(cohort: Cohort, rows: Index, modalities: frozenset[str]) -> Cohort:
    """The cases to predict as a method may see them: sealed, blind, declared modalities alone."""
    return cohort.take(rows).only(modalities).sealed().blind()


def saved_attributes(method: Any) -> tuple[float, dict[str, Any]]:
    """`threshold` and `chosen` as the cell stores them. Raises `TypeError` or `ValueError` for what it cannot store."""
    threshold = _finite("threshold", float(getattr(method, "threshold", 0.5)))
    return threshold, _plain("chosen", dict(getattr(method, "chosen", {})))


def _finite(name: str, value: float) -> float:
    """The value. Raises `ValueError` where it is no finite number."""
    if not np.isfinite(value):
        raise ValueError(f"the method's {name} is {value}: it must be a finite number")
    return value


def _plain(name: str, value: dict[str, Any]) -> dict[str, Any]:
    """The value as JSON has it, numpy's numbers as Python's. Raises `TypeError` or `ValueError` for what JSON has not."""
    import json

    def number(item: Any) -> Any:
        if isinstance(item, np.generic | np.ndarray):
            return item.tolist()
        raise TypeError(f"the method's {name} holds a {type(item).__name__}: JSON has none")

    told: dict[str, Any] = json.loads(json.dumps(value, default=number, allow_nan=False))
    return told


def _peak_mib() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _catalogue(plugins: tuple[str, ...]) -> Catalogue:
    if _WORKER.catalogue is None or _WORKER.catalogue.plugins != plugins:
        _WORKER.catalogue = discover(plugins)
        _WORKER.cohort = None
    return _WORKER.catalogue


def _cohort(folder: str, plugins: tuple[str, ...]) -> Cohort:
    """The cohort last used is kept: cells come dataset by dataset within a seed."""
    catalogue = _catalogue(plugins)
    if _WORKER.cohort is None or _WORKER.cohort.folder != folder:
        _WORKER.cohort = load_prepared(Path(folder), catalogue)
    return _WORKER.cohort
