"""Computing one cell: the code that runs in a worker process (or in-process, for tests and debugging)."""

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from benchmark.cells.planning import Cell
from benchmark.cells.stages import PlannedStage
from benchmark.cells.store import THRESHOLD, CellRecord, Outcome
from benchmark.cells.studies import open_study
from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool, features_of
from benchmark.data.modalities.text import WORDING
from benchmark.data.parts import Index
from benchmark.data.preparation import load_prepared
from benchmark.data.stages import StageKey
from benchmark.data.union import pooled
from benchmark.learning.fitting import Fitted, InvalidPredictions, Views, fit_and_predict, saved_attributes, views_of
from benchmark.learning.retrieval import columns_of, triage
from benchmark.learning.thresholds import Ask, at_sensitivity, predicted, threshold_by, youden
from benchmark.learning.tuning.search import method_of
from benchmark.learning.tuning.space import plain, read_space
from benchmark.registry.discovery import discover
from benchmark.registry.entries import forget
from benchmark.suites.suite import RETRIEVAL, SENSITIVITY, YOUDEN
from benchmark.system.errors import BenchmarkError, InvalidTraining
from benchmark.system.files import FULL, store_error
from benchmark.system.locations import data_folder
from benchmark.system.provenance import code_digest

TRACEBACK_LINES = 15
CUTS: Mapping[str, Callable[..., float]] = {YOUDEN: youden, SENSITIVITY: partial(at_sensitivity, 0.95)}
"""How a suite has thresholds chosen -> the threshold of labels and probabilities."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """What an encoder is to do with a cohort: give its features, or (`stage`) first learn on the pool.

    pool : positions of the pool's cases that a split allows, for an encoder that learns on them.
    reports : the set of reports that an encoder of text reads.
    identity : the encoder's, as the run has it; `plugins` are the files in which it may stand.
    """

    modality: str
    encoder: str
    pool: Index | None = None
    stage: StageKey | None = None
    reports: str = WORDING
    identity: str = ""
    plugins: tuple[str, ...] = ()

    def build(self, cohort: Cohort) -> None:
        """Keep the features, or the stage. Raises what the encoder raises."""
        bound = cohort if self.pool is None else bound_to_pool(cohort, self.pool)
        source = features_of(bound).reading(self.reports)
        if self.stage is None:
            source(self.modality, self.encoder, None)
        else:
            source.pretrained(self.modality, self.encoder)


@dataclass(frozen=True)
class Built:
    """How building what cells need ended in a worker: outcome "ok", or another with its reason and traceback."""

    outcome: Outcome = "ok"
    reason: str = ""
    traceback: str = ""


def build(need: PlannedStage | Encoding, folder: str, plugins: tuple[str, ...], *, debug: bool = False) -> Built:
    """Build a stage, or the features of an encoder or the weights that it learns on the pool, unless they are there.

    Whatever goes wrong is answered, or raised in `debug`. Raises `BenchmarkError` for a disk that keeps nothing more.
    """
    try:
        need.build(_cohort(folder, plugins))
    except (Exception, SystemExit) as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in FULL:
            raise store_error("write below", data_folder(), error) from error
        return Built(*outcome_of(error), traceback_tail())
    return Built()


def compute(cell: Cell, *, debug: bool = False) -> CellRecord:
    """Fit and predict one cell; whatever goes wrong becomes its outcome, or is raised in `debug`."""
    started = time.perf_counter()
    try:
        record = _computed(cell)
        return replace(record, measured={**record.measured, "total_seconds": time.perf_counter() - started})
    except (Exception, SystemExit) as error:  # the outcome of the cell, whatever it is
        if debug:
            raise
        tail = "" if isinstance(error, InvalidPredictions) else traceback_tail()
        return failure(cell, *outcome_of(error), tail, {"total_seconds": time.perf_counter() - started})


def failure(cell: Cell, outcome: Outcome, reason: str, tail: str = "", measured: dict[str, Any] | None = None) -> CellRecord:
    """The record of a cell that gave no predictions."""
    return CellRecord(
        address=cell.address,
        seed=cell.split.seed,
        ingredients=dict(cell.ingredients),
        key=cell.key,
        outcome=outcome,
        reason=_storable(reason),
        traceback=_storable(tail),
        measured=measured or {},
    )


def _storable(text: str) -> str:
    """The text with what UTF-8 cannot hold (a file name of unknown encoding) written as escapes."""
    return text.encode(errors="backslashreplace").decode()


def outcome_of(error: BaseException) -> tuple[Outcome, str]:
    """The outcome that an error is, and the reason.

    A RuntimeError of torch's or xgboost's allocator is a lack of memory as well; a loss that is no number is invalid.
    """
    words = str(error)
    if isinstance(error, MemoryError):
        return "out-of-memory", f"more memory than the limit ({words})" if words else "more memory than the limit"
    if isinstance(error, InvalidPredictions):
        return "invalid", words
    short = any(sign in words.lower() for sign in ("can't allocate memory", "bad_alloc", "out of memory"))
    outcome: Outcome = "invalid" if isinstance(error, InvalidTraining) else "out-of-memory" if short else "failed"
    return outcome, f"{type(error).__name__}: {words}"


def traceback_tail() -> str:
    """The last lines of the traceback of the exception in hand."""
    return "".join(traceback.format_exc().splitlines(keepends=True)[-TRACEBACK_LINES:])


@dataclass(frozen=True, eq=False)
class FittedCell:
    """A cell's fitted method, the views that it was given, and what is stored beside its probabilities."""

    views: Views
    fitted: Fitted
    threshold: float
    chosen: dict[str, Any]
    history: dict[str, Any]
    columns: dict[str, list[float | None]]


def fit_cell(cell: Cell) -> FittedCell:
    """Fit a cell's method. Raises what the method raises, and `BenchmarkError` for code that was edited meanwhile."""
    path = cell.row.method.entry.path
    forget(path)
    anew = cell.state == "fresh" and cell.stored_outcome == "ok"
    make = partial(method_of, cell.row.method, partial(open_study, cell.address, cell.key, anew=anew))
    if code_digest(path) != cell.ingredients["method code"] or (
        cell.row.method.budget is not None and plain(read_space(cell.row.method)) != cell.ingredients["tuning"]["space"]
    ):
        raise BenchmarkError(f"{path.name} was edited during the run: run again")
    cohort = bound_to_pool(_cohort(cell.row.folder, cell.row.plugins), cell.split.pool)
    cohort, split = pooled(cohort, cell.split)
    views = views_of(cohort, split, cell.row.method.modalities)
    stages = {stage.name: stage.key.arrays() for stage in cell.stages}
    fitted = fit_and_predict(cell.row.method, views, cell.training_seed, make, stages=stages, forgetting=False)
    threshold, chosen, history = saved_attributes(fitted.method)
    asks = cell.row.asks
    ask: Ask = predicted
    columns: dict[str, list[float | None]] = {}
    if asks.get("task") == RETRIEVAL:
        columns = columns_of(fitted.method, cohort, split.test, views.test)
        ask = triage(fitted.method, cohort)
    if ask is not predicted:
        fitted = replace(fitted, probabilities=ask(fitted.method, views.test))
    if THRESHOLD in asks:
        # a stage that saw labels saw those of the inner folds
        shared = None if any(stage.declared.labels for stage in cell.stages) else stages
        cut = CUTS[asks[THRESHOLD]]
        threshold, source = threshold_by(cut, cell.row.method, fitted, cohort, split, cell.training_seed, shared, ask)
        chosen = {**chosen, THRESHOLD: source}
    return FittedCell(views, fitted, threshold, chosen, history, columns)


def _computed(cell: Cell) -> CellRecord:
    done = fit_cell(cell)
    return CellRecord(
        address=cell.address,
        seed=cell.split.seed,
        ingredients=dict(cell.ingredients),
        key=cell.key,
        outcome="ok",
        probabilities=done.fitted.probabilities.tolist(),
        threshold=done.threshold,
        chosen=done.chosen,
        history=done.history,
        columns=done.columns,
        measured={
            "fit_seconds": done.fitted.fit_seconds,
            "predict_seconds": done.fitted.predict_seconds,
            "peak_mib": _peak_mib(),
        },
    )


def _peak_mib() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


_catalogue = lru_cache(maxsize=1)(discover)


@lru_cache(maxsize=1)
def _cohort(folder: str, plugins: tuple[str, ...]) -> Cohort:
    """The cohort last used is kept: cells come dataset by dataset within a seed."""
    return load_prepared(Path(folder), _catalogue(plugins))
