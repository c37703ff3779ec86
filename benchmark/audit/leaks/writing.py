"""Reports as the checks see them: one text for each case, its sentences or words in order, and its letters' n-grams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities.text import WITHHELD

SENTENCE = re.compile(r"[.;\n]+")
WORD = re.compile(r"\w+")
MOST_UNITS = 60
"""The largest number of distinct sentences, or words, kept per report; the others count as one."""
SENTENCES = 3
"""Reports of fewer sentences (by the median) are taken word by word."""


def texts(cohort: Cohort) -> NDArray[np.object_]:
    """(n,) all drafts of each case as one text in lower case, blanks and punctuation evened; empty where there is none."""
    reports = cohort.reports or ((),) * len(cohort)
    joined = [". ".join(" ".join(draft.casefold().split()) for draft in drafts) for drafts in reports]
    return np.array(joined, dtype=object)


def sets_of(cohort: Cohort) -> Iterator[tuple[str, Cohort]]:
    """The cohort as it is read by each set of reports that a method can see, and what to add to `reports` to name the set."""
    yield "", cohort
    for name in cohort.report_sets:
        if name not in WITHHELD:
            yield f" of set '{name}'", cohort.reading(name)


def units(written: NDArray[np.object_]) -> pd.DataFrame:
    """(n, units) the reports' sentences, or words, by their place; missing where a report is shorter."""
    sentences = [[" ".join(WORD.findall(part)) for part in SENTENCE.split(text) if WORD.search(part)] for text in written]
    if not sentences or np.median([len(parts) for parts in sentences]) < SENTENCES:
        sentences = [WORD.findall(text) for text in written]
    cut = [[*parts[:MOST_UNITS], " ".join(parts[MOST_UNITS:])] for parts in sentences]
    return pd.DataFrame([dict(enumerate(parts)) for parts in cut], dtype=object)


def letters(written: NDArray[np.object_]) -> Any:
    """(n, grams) tf-idf of groups of five letters within words, each row of length 1 (sparse)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(analyzer="char_wb", ngram_range=(5, 5), sublinear_tf=True).fit_transform(written)


def words_by_case(written: NDArray[np.object_]) -> tuple[Any, NDArray[np.str_]]:
    """Which case's report holds which word: (n, words) 0/1 sparse, and the words."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, token_pattern=r"(?u)\b\w+\b")
    held = counter.fit_transform(written)
    return held, np.asarray(counter.get_feature_names_out(), dtype=np.str_)
