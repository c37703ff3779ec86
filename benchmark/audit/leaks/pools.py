"""The pool: rows, images and texts of a labelled case that stand there under another name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.audit.leaks.chance import EqualPairs, codes_of, equal_keys, equal_pairs
from benchmark.audit.leaks.pictures import hashes
from benchmark.audit.leaks.subject import Observation, Subject, group_names
from benchmark.audit.leaks.writing import sets_of, texts, units
from benchmark.data.cohort import Cohort


def rows_in_pool(subject: Subject) -> Iterator[Observation]:
    """Rows of the pool that equal a labelled case's."""
    pool = subject.cohort.pool
    if pool is None:
        return
    table, theirs = subject.cohort.table, pool.table
    if table is not None and theirs is not None:
        rows = [np.flatnonzero(side.having("table")) for side in (subject.cohort, pool)]
        both = pd.concat([table.iloc[rows[0]], theirs.iloc[rows[1]]], ignore_index=True)
        equal = equal_pairs(codes_of(both), _groups(subject.cohort, pool, rows), _of_pool(rows))
        yield from _found(subject, pool, "rows of the table", equal, rows)


def images_in_pool(subject: Subject) -> Iterator[Observation]:
    """Images of the pool whose stored voxels equal a labelled case's."""
    cohort, pool = subject.cohort, subject.cohort.pool
    if pool is None:
        return
    for name in sorted(cohort.images.keys() & pool.images.keys()):
        keys = [hashes(side.images[name], side.having(name) & side.having("image")) for side in (cohort, pool)]
        rows = [np.flatnonzero(each) for each in keys]
        both = np.concatenate([each[chosen] for each, chosen in zip(keys, rows, strict=True)])
        equal = equal_keys(both, _groups(cohort, pool, rows), _of_pool(rows))
        yield from _found(subject, pool, f"images '{name}'", equal, rows)


def texts_in_pool(subject: Subject) -> Iterator[Observation]:
    """Reports of the pool that equal a labelled case's."""
    cohort, pool = subject.cohort, subject.cohort.pool
    if pool is None:
        return
    theirs = dict(sets_of(pool))
    for which, ours in sets_of(cohort):
        written = [texts(side) for side in (ours, theirs[which])] if which in theirs else []
        rows = [np.flatnonzero(each != "") for each in written]
        if rows and all(map(len, rows)):
            both = np.concatenate([each[chosen] for each, chosen in zip(written, rows, strict=True)])
            equal = equal_pairs(codes_of(units(both)), _groups(cohort, pool, rows), _of_pool(rows))
            yield from _found(subject, pool, f"reports{which}", equal, rows)


def _groups(cohort: Cohort, pool: Cohort, rows: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """A number for each group of the chosen cases of both."""
    names = [group_names(side)[chosen] for side, chosen in zip((cohort, pool), rows, strict=True)]
    return np.unique(np.concatenate(names), return_inverse=True)[1].astype(np.intp)


def _of_pool(rows: list[NDArray[np.intp]]) -> NDArray[np.bool_]:
    return np.repeat([False, True], [len(chosen) for chosen in rows])


def _found(subject: Subject, pool: Cohort, what: str, equal: EqualPairs, rows: list[NDArray[np.intp]]) -> Iterator[Observation]:
    if not equal.pairs:
        return
    ids = np.concatenate([subject.cohort.case_ids[rows[0]], pool.case_ids[rows[1]]])
    names = " and ".join(ids[[equal.first[0], equal.second[0]]].tolist()) if len(equal.first) else "none"
    evidence = f"of a labelled case and one of the pool {equal.in_words}; the first: {names}"
    if equal.beyond_chance:
        yield Observation("invalidates", f"{what} of labelled cases stand in the pool under another name", evidence)
    else:
        yield Observation(
            "reports", f"{what} of pool and labelled cases are equal, as chance makes them among few values", evidence
        )
