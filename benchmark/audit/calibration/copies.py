"""End to end: copies of a registered method that differ only in their seed, on fresh cohorts of a generated dataset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from benchmark.audit.calibration.repetition import AUC, CORRECTED_T, MCNEMAR, NAIVE_T, Repetition, family
from benchmark.cells.planning import splits_of, training_seed
from benchmark.cells.task import make_task
from benchmark.data.cohort import Cohort
from benchmark.data.fetching import open_sources
from benchmark.data.splits import Split
from benchmark.learning.fitting import InvalidPredictions, Probabilities, fit_and_predict, saved_attributes, views_of
from benchmark.learning.tuning.search import method_of
from benchmark.registry.cards import DatasetCard
from benchmark.registry.catalogue import Catalogue, Configured, ConfiguredMethod, ConfiguredProtocol
from benchmark.statistics import comparison, inflation
from benchmark.statistics.evaluation import evaluate
from benchmark.suites.suite import DEFAULT, load_suite
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError

TABLE = frozenset({"table"})
COPIES = 8
FIRST_COHORT = 1001
"""Cohorts have the dataset's seeds from here on: none that a suite uses."""


@dataclass(frozen=True)
class Copies:
    """Copies of a method on cohorts of a dataset, split by a protocol that is tested by folds."""

    dataset: Configured[DatasetCard]
    protocol: ConfiguredProtocol
    method: ConfiguredMethod

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return f"{self.method.spelled} on {self.dataset.spelled}"


def can_be_redrawn(dataset: Configured[DatasetCard]) -> bool:
    """Whether the dataset is generated from a field `seed`, and that field is free."""
    return "seed" in dataset.entry.fields and "seed" not in dataset.parameters


def usual_task(catalogue: Catalogue) -> tuple[Configured[DatasetCard], ConfiguredProtocol]:
    """The default suite's first dataset of which fresh cohorts can be drawn, and its first protocol that is tested by folds."""
    suite = load_suite(DEFAULT)
    datasets, protocols = map(catalogue.dataset, suite.datasets), map(catalogue.protocol, suite.protocols)
    return next(filter(can_be_redrawn, datasets)), next(each for each in protocols if each.inference == "fold")


def check(copies: Copies) -> None:
    """Raise `BenchmarkError` for a dataset without a seed, or a method that ignores its seed or needs more than the table."""
    if not can_be_redrawn(copies.dataset):
        raise BenchmarkError(f"--dataset {copies.dataset.spelled}: fresh cohorts need a dataset with a free field 'seed'")
    option = f"--method {copies.method.spelled}"
    method_of(copies.method)
    if not copies.method.stochastic:
        raise BenchmarkError(f"{option}: its seed changes nothing, so its copies are equal: choose another")
    if not frozenset.union(*copies.method.modalities) <= TABLE:
        raise BenchmarkError(f"{option} needs more than the table, which is all that copies are given")


def digest(copies: Copies) -> str:
    """Digest of all code that decides what comes out."""
    parts = (copies.dataset, copies.protocol, copies.method)
    constants, statistics = Path(str(inflation.__file__)), Path(str(comparison.__file__))
    code = [provenance.code_digest(path, constants) for path in (statistics, *(part.entry.path for part in parts))]
    code.append(provenance.file_digest(Path(__file__)))
    libraries, tests = provenance.library_versions(copies.method.entry.path), (NAIVE_T, CORRECTED_T, MCNEMAR, COPIES)
    return provenance.digest([[part.spelled for part in parts], code, libraries, tests])


def repeat(copies: Copies, number: int) -> Repetition:
    """Build one cohort, fit and predict all copies as cells are, compare: the first two, and the family.

    Raises `BenchmarkError` for invalid predictions.
    """
    cohort = _cohort(copies.dataset, number)
    splits = splits_of(copies.protocol, cohort)
    names = [f"{copies.method.spelled}, copy {number}" for number in range(1, COPIES + 1)]
    scores, thresholds = zip(*(_predictions(copies, name, cohort, splits) for name in names), strict=True)
    task, given = (
        make_task(cohort, copies.protocol.spelled, splits).frame(),
        pd.DataFrame(dict(zip(names, scores, strict=True))),
    )
    cuts = pd.DataFrame(dict(zip(names, thresholds, strict=True)), index=[split.name for split in splits])
    compared = comparison.compare(task, given, cuts, inference=copies.protocol.inference, ranked=names[:2])
    pair, folds = compared.pairs.iloc[0], compared.per_split[AUC].loc[names[:2]].to_numpy()
    p = {NAIVE_T: ttest_rel(*folds).pvalue, CORRECTED_T: pair["p_nadeau_bengio"], MCNEMAR: pair["p_mcnemar"]}
    of_all = family(evaluate(task, given, cuts), {AUC: [0.0] * COPIES}, [0.0] * COPIES)
    return replace(
        of_all, p={test: float(value) for test, value in p.items()}, differences=[float(pair["difference"])], truth={}
    )


def _cohort(dataset: Configured[DatasetCard], number: int) -> Cohort:
    """The cohort of the repetition's seed, built in memory, its cases in the engine's order; only the table is kept."""
    fresh = replace(dataset, parameters={**dataset.parameters, "seed": FIRST_COHORT + number})
    built: Cohort = fresh.make().build(open_sources(dataset.entry.name))
    order = np.argsort(np.asarray(built.case_ids, dtype=np.str_), kind="stable")
    labelled = replace(built.only(TABLE), labels=np.asarray(built.labels, dtype=np.int8))
    return replace(labelled.take(order), name=fresh.spelled, rows=None)


def _predictions(copies: Copies, copy: str, cohort: Cohort, splits: Sequence[Split]) -> tuple[Probabilities, list[float]]:
    """Test probabilities of all splits, one after the other, and each split's threshold; the copy's name decides its seeds."""
    method, probabilities, thresholds = copies.method, [], []
    for split in splits:
        seed = training_seed(cohort.name, copies.protocol.spelled, copy, split)
        try:
            fitted = fit_and_predict(method, views_of(cohort, split, method.modalities), seed, partial(method_of, method))
        except InvalidPredictions as error:
            raise BenchmarkError(f"{method.spelled}, {cohort.name}, {split.name}: {error}") from error
        probabilities.append(fitted.probabilities)
        thresholds.append(saved_attributes(fitted.method)[0])
    return np.concatenate(probabilities), thresholds
