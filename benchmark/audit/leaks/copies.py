"""Copies: rows, images and texts of one case that stand in the cohort again under another patient's name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.audit.leaks.chance import EqualPairs, codes_of, equal_keys, equal_pairs
from benchmark.audit.leaks.neighbours import FEWEST, NearCopies, near_copies
from benchmark.audit.leaks.pictures import hashes, small_images
from benchmark.audit.leaks.subject import Observation, Subject, called, having
from benchmark.audit.leaks.writing import letters, sets_of, texts, units
from benchmark.cells.audited import State

FEW = 0.01
"""A share of cases below which copies move an AUC by less than the .01 that counts as equal: a copied test case gains at most
1 - AUC, so 1 % of them less than .005."""
CONTINUOUS = 0.8
"""A column counts as continuous where so large a share of its values is distinct: in others near values are the rule."""
DIMENSIONS = 3
"""Continuous columns that near copies of rows are looked for in; with fewer, near neighbours are the rule."""
CORRELATED = 0.99
"""Small images that correlate less are no copies, whatever the others are like."""
FREE_TEXT, SAME_TEXT = 0.7, 0.9
"""Near copies are looked for where the median report has no other more alike than the first; a copy is more alike than the
second (cosine of tf-idf of letters)."""
RATIO = "at {:.2g} of the distance to the second nearest"
MOST_TEXTS = 5000
"""Reports that are compared with each other, drawn at random from more."""


def same_rows(subject: Subject) -> Iterator[Observation]:
    """Rows of the table that are equal in all columns that are not constant.

    Image-derived columns are left to the image: small lesions have the same figures.
    """
    table = subject.cohort.table
    if table is not None:
        there = np.flatnonzero(subject.cohort.having("table"))
        equal = equal_pairs(codes_of(table.iloc[there]), subject.groups[there])
        yield from _equal(subject, "rows of the table", equal, there)


def same_images(subject: Subject) -> Iterator[Observation]:
    """Images whose stored voxels are equal."""
    for name, view in subject.cohort.images.items():
        keys = hashes(view, subject.cohort.having(name) & subject.cohort.having("image"))
        there = np.flatnonzero(keys)
        yield from _equal(subject, f"images '{name}'", equal_keys(keys[there], subject.groups[there]), there)


def same_texts(subject: Subject) -> Iterator[Observation]:
    """Reports that are equal but for case, blanks and punctuation."""
    for which, cohort in sets_of(subject.cohort):
        written = texts(cohort)
        there = np.flatnonzero(written != "")
        if len(there):
            equal = equal_pairs(codes_of(units(written[there])), subject.groups[there])
            yield from _equal(subject, f"reports{which}", equal, there)


def near_rows(subject: Subject) -> Iterator[Observation]:
    """Rows that nearly agree in all continuous columns."""
    for name, frame in subject.frames.items():
        there = np.flatnonzero(having(subject.cohort, name))
        columns = [frame[column].iloc[there] for column in frame if pd.api.types.is_numeric_dtype(frame[column])]
        columns = [column for column in columns if column.nunique() >= CONTINUOUS * len(there)]
        if len(columns) >= DIMENSIONS:
            complete = np.flatnonzero(np.all([column.notna() for column in columns], axis=0))
            values = np.stack([column.iloc[complete].to_numpy(dtype=np.float64) for column in columns], axis=1)
            points = values / np.subtract(*np.percentile(values, [75, 25], axis=0))
            found = near_copies(points, subject.groups[there[complete]])
            yield from _near(subject, f"rows of the {called(name)}", found, there[complete], RATIO)


def near_images(subject: Subject) -> Iterator[Observation]:
    """Images that correlate almost perfectly once they are made small."""
    for name, view in subject.cohort.images.items():
        small = small_images(view, subject.cohort.having(name) & subject.cohort.having("image"))
        there = np.flatnonzero(small.told)
        if len(there) >= FEWEST:
            found = near_copies(small.normalised()[there], subject.groups[there], closest=np.sqrt(2 - 2 * CORRELATED))
            yield from _near(subject, f"images '{name}'", found, there, RATIO)


def near_texts(subject: Subject) -> Iterator[Observation]:
    """Reports in free words that are almost the same letter by letter."""
    for which, cohort in sets_of(subject.cohort):
        yield from _near_texts(subject, f"reports{which}", texts(cohort))


def _near_texts(subject: Subject, what: str, written: NDArray[np.object_]) -> Iterator[Observation]:
    there = np.flatnonzero(written != "")
    if len(there) > MOST_TEXTS:
        there = np.sort(np.random.default_rng(0).permutation(there)[:MOST_TEXTS])
    if len(there) < FEWEST:
        return
    vectors, groups = letters(written[there]), subject.groups[there]
    alike, which = np.zeros(len(there)), np.zeros(len(there), dtype=np.intp)
    for start in range(0, len(there), 500):
        rows = slice(start, start + 500)
        products = (vectors[rows] @ vectors.T).toarray()
        products[groups[rows, None] == groups[None, :]] = -1
        products[products > 1 - 1e-6] = -1  # equal reports are the other check's
        alike[rows], which[rows] = products.max(axis=1), products.argmax(axis=1)
    if np.median(alike) < FREE_TEXT:
        found = np.flatnonzero(alike > SAME_TEXT)
        near = NearCopies(found, which[found], 1 - alike[found], np.nan)
        yield from _near(subject, what, near, there, "a cosine of 1 - {:.2g}")


def _equal(subject: Subject, what: str, equal: EqualPairs, rows: NDArray[np.intp]) -> Iterator[Observation]:
    """What equal pairs mean: chance, or copies; `rows` are the positions that the pairs count in."""
    if not equal.pairs:
        return
    first, second, cases = rows[equal.first], rows[equal.second], rows[equal.cases]
    unlike = int((subject.labels[first] != subject.labels[second]).sum())
    evidence = (
        f"{equal.in_words}; {len(cases)} of {len(rows)} cases have one; of {len(first)} pairs looked at {unlike} differ in "
        f"label; the first: {subject.named([first[0], second[0]])}"
    )
    if not equal.beyond_chance:
        yield Observation("reports", f"{what} are equal, as chance makes them among few values", evidence)
    else:
        yield Observation(_grave(len(cases), len(rows)), f"{what} stand under two patients' names", evidence)


def _near(subject: Subject, what: str, found: NearCopies, rows: NDArray[np.intp], measure: str) -> Iterator[Observation]:
    if not len(found.cases):
        return
    closest = np.argsort(found.ratios)
    first, second = rows[found.cases[closest]], rows[found.neighbours[closest]]
    unlike = int((subject.labels[first] != subject.labels[second]).sum())
    evidence = (
        f"{len(first)} of {len(rows)} cases have one, {unlike} of them with another label; the nearest: "
        f"{subject.named([first[0], second[0]])}, {measure.format(found.ratios[closest[0]])}"
    )
    yield Observation(_grave(len(first), len(rows)), f"{what} are nearly equal under two patients' names", evidence)


def _grave(cases: int, of: int) -> State:
    """Copies of a few cases move no number by much."""
    return "invalidates" if cases > FEW * of else "warns"
