"""Stored predictions as arrays, and every metric of every (method, split)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.arrays import Floats, Index, Labels
from benchmark.statistics.delong import average_by_patient
from benchmark.statistics.metric_names import FLAGS, METRICS
from benchmark.statistics.metrics import score
from benchmark.statistics.ordering import Ordering, auc, order_cases, placements
from benchmark.system.errors import BenchmarkError


@dataclass(frozen=True, eq=False)
class Evaluation:
    """M methods on J splits with R test rows of N patients.

    `labels` and `patient` are (R,), `scores` (M, R), `thresholds` (M, J), `rows` the J slices of R; `site` and `seed` (J,);
    `patient_labels` (N,). `patient` is a case; `groups` (N,) in 0..G-1 says whose it is, None where each patient has one case.
    `further` is metric -> its value in each method's test part (M, J), of metrics that do not follow from the scores,
    `measured` the same of the others where it is known already.
    """

    methods: tuple[str, ...]
    splits: tuple[str, ...]
    rows: tuple[slice, ...]
    site: tuple[str, ...]
    seed: tuple[int, ...]
    labels: Labels
    patient: Index
    patient_labels: Labels
    scores: Floats
    thresholds: Floats
    groups: Index | None = None
    further: Mapping[str, Floats] = field(default_factory=dict)
    measured: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that is measured."""
        return (*METRICS, *self.further)

    @cached_property
    def split_of_row(self) -> Index:
        """The split (R,) of each test row, in 0..J-1."""
        return np.repeat(np.arange(len(self.rows)), [part.stop - part.start for part in self.rows])

    @cached_property
    def cells(self) -> dict[str, Floats]:
        """Metric or flag -> its value in each method's test part (M, J); no flags where the metrics are known already."""
        if self.measured:
            return {**self.measured, **self.further}
        parts = [score(self.labels[part], self.scores[:, part], self.thresholds[:, j]) for j, part in enumerate(self.rows)]
        return {**{key: np.stack([values[key] for values in parts], axis=1) for key in METRICS + FLAGS}, **self.further}

    @cached_property
    def _orderings(self) -> list[Ordering]:
        return [order_cases(self.labels[part], self.scores[:, part]) for part in self.rows]

    @cached_property
    def fold_auc(self) -> Floats:
        """The AUC in each method's test part (M, J)."""
        return np.stack([auc(cases) for cases in self._orderings], axis=1)

    @cached_property
    def patient_placements(self) -> Floats:
        """Each patient's placement within its test part, averaged over seeds: (M, N)."""
        parts = np.concatenate([placements(cases) for cases in self._orderings], axis=1)
        return average_by_patient(parts, self.patient, len(self.patient_labels))

    @cached_property
    def patient_margins(self) -> Floats:
        """Each patient's mean over seeds of (probability - that cell's threshold), (M, N), rounded as `patient_scores`."""
        margins = self.scores - self.thresholds[:, self.split_of_row]
        return np.round(average_by_patient(margins, self.patient, len(self.patient_labels)), 12)

    @cached_property
    def patient_scores(self) -> Floats:
        """Each patient's mean probability over seeds, (M, N), rounded so that the order of summation breaks no tie."""
        return np.round(average_by_patient(self.scores, self.patient, len(self.patient_labels)), 12)

    def groups_of(self, patients: Index) -> Index | None:
        """The groups of some patients, numbered from 0; None where each patient has one case."""
        return None if self.groups is None else np.unique(self.groups[patients], return_inverse=True)[1]


def evaluate(
    task: pd.DataFrame,
    scores: pd.DataFrame,
    thresholds: pd.DataFrame,
    further: Mapping[str, pd.DataFrame] | None = None,
) -> Evaluation:
    """Arrange the frames of `comparison.compare`. Raises `BenchmarkError` where they do not fit together."""
    if not task.index.equals(scores.index):
        raise BenchmarkError("the predictions and the task have different rows: give both one row per (split, test case)")
    methods = tuple(str(method) for method in scores.columns)
    code, names = pd.factorize(task["split"])
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(np.bincount(code, minlength=len(names)))
    rows = tuple(slice(int(start), int(end)) for start, end in zip(np.r_[0, ends[:-1]], ends, strict=True))
    missing = [name for name in names if name not in thresholds.index]
    unknown = sorted(set(scores.columns) - set(thresholds.columns))
    if missing or unknown:
        raise BenchmarkError(f"thresholds are missing: splits {missing}, methods {unknown}")
    values = np.ascontiguousarray(scores.to_numpy(dtype=np.float64).T[:, order])
    cuts = thresholds.loc[names, list(scores.columns)].to_numpy(dtype=np.float64).T
    for method, row, cut in zip(methods, values, cuts, strict=True):
        if not (np.isfinite(row).all() and np.isfinite(cut).all() and row.min() >= 0 and row.max() <= 1):
            raise BenchmarkError(f"{method}: predictions are missing or outside [0, 1]: only complete methods are compared")
    patient, cases = pd.factorize(task["case"].to_numpy()[order])
    labels = task["label"].to_numpy(dtype=np.int8)[order]
    patient_labels = np.zeros(len(cases), dtype=np.int8)
    patient_labels[patient] = labels
    firsts = [part.start for part in rows]
    return Evaluation(
        methods,
        tuple(str(name) for name in names),
        rows,
        tuple(str(site) for site in task["site"].to_numpy()[order][firsts]),
        tuple(int(seed) for seed in task["seed"].to_numpy()[order][firsts]),
        labels,
        patient,
        patient_labels,
        values,
        cuts,
        None if "group" not in task else _groups(task["group"].to_numpy()[order], patient, len(cases)),
        {metric: values.loc[names, list(scores.columns)].to_numpy(np.float64).T for metric, values in (further or {}).items()},
    )


def _groups(names: NDArray[np.object_], patient: Index, count: int) -> Index:
    """The group of each of the `count` cases, from those of the test rows."""
    of_case = np.zeros(count, dtype=np.intp)
    of_case[patient] = pd.factorize(names)[0]
    return of_case
