"""Single values: a column, a word or a part of the image that separates the classes, and a column that names the case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.audit.leaks.pictures import small_images
from benchmark.audit.leaks.subject import FOLDS, Observation, Subject, called
from benchmark.audit.leaks.writing import sets_of, texts, words_by_case
from benchmark.cells.audited import State

SEPARATES = 0.95
"""No single predictor of a stroke's outcome is known to come near this AUC."""
LEVEL = 1e-3
"""The chance that any of all columns, words or parts of an image comes so far by chance (Bonferroni)."""
BINS = 32
CASES_PER_BIN = 10
FEWEST = 20
"""Cases, and a tenth of them of each class, from which a column is looked at."""
UNIQUE, MONOTONE = 0.9, 0.95
"""A column names the case where so many of its values are distinct and so strongly follow the order of the ids."""


@dataclass(frozen=True)
class Separation:
    """How well something alone tells the classes apart.

    auc : whichever way round. low : the lower end of its 95 % interval. by_chance : what no AUC of noise exceeds.
    """

    what: str
    auc: float
    low: float
    by_chance: float

    @property
    def state(self) -> State:
        """Beyond doubt where the whole interval lies above the limit."""
        return "invalidates" if self.low > SEPARATES else "warns"


def separating_columns(subject: Subject) -> Iterator[Observation]:
    """Columns, and what is missing, that separate the classes by themselves."""
    if not enough(subject.labels):
        return
    aucs = {
        f"column '{name}' of the {called(frame)}": column_auc(columns[name], subject)
        for frame, columns in subject.frames.items()
        for name in columns
    }
    for modality, there in subject.cohort.present.items():
        aucs[f"whether a case has its {modality}"] = rank_auc(np.asarray(there, dtype=float), subject.labels)
    yield from _separating([_separation(what, auc, subject.labels, len(aucs)) for what, auc in aucs.items()])


def separating_words(subject: Subject) -> Iterator[Observation]:
    """Words of the reports that separate the classes by being there or not."""
    for which, cohort in sets_of(subject.cohort):
        yield from _separating_words(subject, f"report{which}", texts(cohort))


def _separating_words(subject: Subject, where: str, written: NDArray[np.object_]) -> Iterator[Observation]:
    if not enough(subject.labels) or not any(re.search(r"\w", text) for text in written):
        return
    held, words = words_by_case(written)
    shares = [np.asarray(held[subject.labels == label].mean(axis=0)).ravel() for label in (0, 1)]
    aucs = 0.5 + np.abs(shares[1] - shares[0]) / 2
    best = np.argsort(-aucs, kind="stable")[:10]
    yield from _separating(
        [_separation(f"the word '{words[i]}' in the {where}", float(aucs[i]), subject.labels, len(words)) for i in best]
    )


def separating_images(subject: Subject) -> Iterator[Observation]:
    """Parts of an image whose brightness separates the classes."""
    if not enough(subject.labels):
        return
    for name, view in subject.cohort.images.items():
        there = subject.cohort.having(name) & subject.cohort.having("image")
        blocks, labels = small_images(view, there).blocks[there], subject.labels[there]
        if enough(labels):
            aucs = rank_aucs(blocks, labels)
            best = int(np.argmax(aucs))
            what = f"the brightness of one part of image '{name}'"
            yield from _separating([_separation(what, float(aucs[best]), labels, len(aucs))])


def naming_columns(subject: Subject) -> Iterator[Observation]:
    """Columns of near-unique values that follow the order of the ids."""
    n = len(subject.cohort)
    numbers = [re.findall(r"\d+", str(case)) for case in subject.cohort.case_ids]
    orders = {"sorted ids": np.arange(n, dtype=float)}
    if all(numbers):
        orders["numbers in the ids"] = np.array([float(found[-1][-15:]) for found in numbers])
    for frame, columns in subject.frames.items():
        for name in columns:
            column = columns[name]
            values = column.astype(float) if pd.api.types.is_numeric_dtype(column) else _sorted_codes(column)
            there = values.notna().to_numpy()
            if there.sum() < max(FEWEST, UNIQUE * n) or values.nunique() < UNIQUE * there.sum():
                continue
            for order, places in orders.items():
                rho = abs(np.corrcoef(pd.Series(places[there]).rank(), values[there].rank())[0, 1])
                if rho > MONOTONE:
                    what = f"column '{name}' of the {called(frame)} names the case"
                    evidence = f"{values.nunique()} values in {there.sum()} cases, rank correlation {rho:.3f} with the {order}"
                    yield Observation("warns", what, evidence)
                    break


def enough(labels: NDArray[np.int8]) -> bool:
    """Whether there are cases enough of both classes to speak of a single column."""
    return len(labels) >= FEWEST and min(np.bincount(labels, minlength=2)) >= FEWEST / 4


def rank_auc(values: NDArray[np.float64], labels: NDArray[np.int8]) -> float:
    """The AUC of values (n,), whichever way round."""
    return float(rank_aucs(values[:, None], labels)[0])


def rank_aucs(values: NDArray[np.floating], labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """The AUC of each column of values (n, p), whichever way round."""
    auc = one_way_aucs(values, labels)
    return np.asarray(np.maximum(auc, 1 - auc))


def one_way_aucs(values: NDArray[np.floating], labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """The AUC of each column of values (n, p), larger values standing for label 1."""
    from scipy.stats import rankdata

    ones = labels == 1
    n1, n0 = int(ones.sum()), int((~ones).sum())
    sums = rankdata(values, axis=0)[ones].sum(axis=0)
    return np.asarray((sums - n1 * (n1 + 1) / 2) / (n1 * n0))


def column_auc(column: pd.Series[float], subject: Subject) -> float:
    """The larger of the AUC by rank, where most cases have a value, and of the out-of-fold share of label 1 by level.

    Numbers enter the latter in bins of about equal size; what is missing is a level of its own.
    """
    labels = subject.labels
    numeric = pd.api.types.is_numeric_dtype(column)
    there = column.notna().to_numpy()
    by_rank = 0.5
    if numeric and 2 * there.sum() > len(labels) and enough(labels[there]):
        by_rank = rank_auc(np.asarray(column[there], dtype=np.float64), labels[there])
    levels = _bins(column) if numeric else pd.factorize(column)[0]
    return max(by_rank, _out_of_fold(levels + 1, subject))


def _bins(column: pd.Series[float]) -> NDArray[np.intp]:
    """(n,) the bin of each number, -1 where it is missing."""
    count = int(np.clip(column.notna().sum() // CASES_PER_BIN, 2, BINS))
    places = column.rank(method="average", pct=True).to_numpy(dtype=np.float64)
    return np.where(np.isnan(places), -1, np.minimum(np.nan_to_num(places) * count, count - 1)).astype(np.intp)


def _out_of_fold(levels: NDArray[np.intp], subject: Subject) -> float:
    """Mean AUC over folds of the share of label 1 among the other folds' cases of a level, drawn to the mean by one case."""
    labels, folds = subject.labels, subject.folds
    aucs = []
    for fold in range(FOLDS):
        test = folds == fold
        rest = ~test
        if len(np.unique(labels[test])) < 2:
            continue
        counts = np.bincount(levels[rest], minlength=levels.max() + 1)
        ones = np.bincount(levels[rest], weights=labels[rest], minlength=levels.max() + 1)
        share = (ones + labels[rest].mean()) / (counts + 1)
        aucs.append(one_way_aucs(share[levels[test], None], labels[test])[0])
    return float(np.mean(aucs)) if aucs else 0.5


def _sorted_codes(column: pd.Series[float]) -> pd.Series[float]:
    """The places of a category's words in their sorted order."""
    codes = pd.factorize(column.astype(object), sort=True)[0]
    return pd.Series(np.where(codes < 0, np.nan, codes), index=column.index)


def _separation(what: str, auc: float, labels: NDArray[np.int8], tried: int) -> Separation:
    """With the interval of Hanley and McNeil (1982), and the bound that the best of `tried` AUCs of noise keeps."""
    from scipy.stats import norm

    n1 = int(labels.sum())
    n0 = len(labels) - n1
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / (n1 * n0)
    by_chance = 0.5 + float(norm.isf(LEVEL / tried)) * float(np.sqrt((n1 + n0 + 1) / (12 * n1 * n0)))
    return Separation(what, auc, auc - 1.96 * float(np.sqrt(max(variance, 0))), by_chance)


def _separating(found: list[Separation]) -> Iterator[Observation]:
    for each in sorted(found, key=lambda each: -each.auc):
        if each.auc > max(SEPARATES, each.by_chance):
            evidence = f"AUC {each.auc:.3f} by itself, 95 % interval from {each.low:.3f}"
            yield Observation(each.state, f"{each.what} separates the classes", evidence)
