"""End to end: two copies of a registered method that differ only in their seed, on fresh cohorts of a generated dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from benchmark.audit.calibration.trials import AUC, CORRECTED_T, MCNEMAR, NAIVE_T, WIDENED, Trial
from benchmark.cells.planning import training_seed
from benchmark.cells.task import make_task
from benchmark.data.cohort import Cohort
from benchmark.data.fetching import open_sources
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.data.splits import Split
from benchmark.learning.fitting import InvalidPredictions, fit_and_predict, saved_attributes, views_of
from benchmark.learning.tuning.search import method_of
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.statistics import comparison
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError

PROTOCOL = "repeated-cv"
TABLE = frozenset({"table"})
FIRST_COHORT = 1001
"""Cohorts have the dataset's seeds from here on: none that a suite uses."""


@dataclass(frozen=True)
class Copies:
    """Copies of `method` on cohorts of `dataset`, both spelled as on the command line."""

    dataset: str
    method: str
    plugins: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return f"{self.method} on {self.dataset}"


def check(copies: Copies, catalogue: Catalogue) -> None:
    """Raise `BenchmarkError` for a dataset without a seed, or a method whose copies cannot be had from seed and table alone."""
    dataset, method = catalogue.dataset(copies.dataset), catalogue.method(copies.method)
    if "seed" not in dataset.entry.fields or "seed" in dataset.parameters:
        raise BenchmarkError(f"--dataset {copies.dataset}: fresh cohorts need a dataset with a free field 'seed'")
    method_of(method)
    if not method.stochastic:
        raise BenchmarkError(f"--method {copies.method}: its seed changes nothing, so its copies are equal: choose another")
    if not frozenset.union(*method.modalities) <= TABLE:
        raise BenchmarkError(f"--method {copies.method} needs more than the table, which is all that copies are given")


def digest(copies: Copies, catalogue: Catalogue) -> str:
    """Digest of all code that decides what comes out."""
    entries = catalogue.dataset(copies.dataset).entry, catalogue.method(copies.method).entry
    code = [provenance.code_digest(Path(str(comparison.__file__))), provenance.file_digest(Path(__file__))]
    code += [provenance.code_digest(entry.path) for entry in entries]
    libraries = provenance.library_versions(entries[1].path)
    return provenance.digest([copies.dataset, copies.method, code, libraries, (NAIVE_T, CORRECTED_T, WIDENED, MCNEMAR)])


def repeat(copies: Copies, repetition: int) -> Trial:
    """Build one cohort, fit and predict both copies as cells are, compare. Raises `BenchmarkError` for invalid predictions."""
    catalogue = discover(copies.plugins)
    cohort = _cohort(copies, repetition, catalogue)
    splits = RepeatedCV().splits(cohort)
    names = (copies.method, f"{copies.method}, second copy")
    told = [_predictions(copies, name, cohort, splits, catalogue) for name in names]
    scores = pd.DataFrame({name: probabilities for name, (probabilities, _) in zip(names, told, strict=True)})
    cuts = pd.DataFrame({name: cut for name, (_, cut) in zip(names, told, strict=True)}, index=[part.name for part in splits])
    task = make_task(cohort, PROTOCOL, splits).frame()
    found = comparison.compare(task, scores, cuts, inference="fold", ranked=names)
    pair, folds = found.pairs.iloc[0], found.per_split[AUC].loc[list(names)].to_numpy()
    return Trial(
        {
            NAIVE_T: float(ttest_rel(*folds).pvalue),
            CORRECTED_T: float(pair["p"]),
            WIDENED: float(pair["p_delong"]),
            MCNEMAR: float(pair["p_mcnemar"]),
        },
        differences=[float(pair["difference"])],
    )


def _cohort(copies: Copies, repetition: int, catalogue: Catalogue) -> Cohort:
    """The cohort of the repetition's seed, built in memory, its cases in the engine's order; only the table is kept."""
    dataset = catalogue.dataset(copies.dataset)
    fresh = replace(dataset, parameters={**dataset.parameters, "seed": FIRST_COHORT + repetition})
    built: Cohort = fresh.make().build(open_sources(dataset.entry.name))
    order = np.argsort(np.asarray(built.case_ids, dtype=np.str_), kind="stable")
    labels = np.asarray(built.labels, dtype=np.int8)
    return replace(replace(built.only(TABLE), labels=labels).take(order), name=fresh.spelled, rows=None)


def _predictions(
    copies: Copies, copy: str, cohort: Cohort, splits: list[Split], catalogue: Catalogue
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], list[float]]:
    """Test probabilities of all splits, one after the other, and each split's threshold; the copy's name decides its seeds."""
    method = catalogue.method(copies.method)
    predicted, thresholds = [], []
    for split in splits:
        seed = training_seed(cohort.name, PROTOCOL, copy, split)
        try:
            fitted = fit_and_predict(method, views_of(cohort, split, method.modalities), seed, partial(method_of, method))
        except InvalidPredictions as error:
            raise BenchmarkError(f"{copies.method}, {cohort.name}, {split.name}: {error}") from error
        predicted.append(fitted.probabilities)
        thresholds.append(saved_attributes(fitted.method)[0])
    return np.concatenate(predicted), thresholds
