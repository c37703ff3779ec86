"""Task retrieval: what a fitted method says of the findings of cases, and of the reports that may be theirs.

A method gives `similarity(cases, texts) -> (n, m)`, cosines of images and texts, or `predict_findings(cases) -> (n, k)`,
probabilities in the order of the findings that its `fit` saw. The queries are asked here, and so are the reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.findings import FINDING, KIND
from benchmark.data.modalities.text import WITHHELD, Reports
from benchmark.data.parts import Index
from benchmark.learning.fitting import ROUNDING, InvalidPredictions, Probabilities
from benchmark.learning.thresholds import Ask, predicted
from benchmark.learning.tuning.search import Tuned
from benchmark.registry.cards import sees_labels

Numbers = NDArray[np.float64]


def answering(method: Any) -> tuple[Any, list[str]]:
    """The method that answers, of a search the one that it chose, and which of the two ways it has."""
    asked: Any = method._fitted if isinstance(method, Tuned) else method
    return asked, [name for name in ("similarity", "predict_findings") if callable(getattr(asked, name, None))]


def triage(method: Any, cohort: Cohort) -> Ask:
    """How a method's P(label = 1) for the cases of a blind view is had: by `predict_proba`, with one exception.

    Where every case has a finding and the label is one of them, a method that learns without labels cannot know which one it is
    asked for: its score of that finding counts.
    """
    asked, ways = answering(method)
    name = labelled_finding(cohort)
    if name and "similarity" in ways and not sees_labels(asked):
        return partial(_stated, cohort.queries[name])
    return predicted


def labelled_finding(cohort: Cohort) -> str:
    """The finding that the label is, where every case has one; "" where the label is any finding."""
    assert cohort.findings is not None and cohort.labels is not None
    if not cohort.findings.any(axis=1).all():
        return ""
    return next(str(name) for name, shown in cohort.findings.items() if np.array_equal(shown, cohort.labels))


def columns_of(method: Any, cohort: Cohort, rows: Index, cases: Cohort) -> dict[str, list[float | None]]:
    """What a fitted method says of the cohort's cases at `rows`, which `cases` shows it: a list of n values by name.

    `finding:NAME` is the score of a finding, by `predict_findings` where a method has it. Of a method with `similarity` there
    are besides `similarity`, to the case's own report; `rank`, of the own report among those of these cases, 1 the best;
    `precision`, the average precision of the reports of cases with the same findings; and `altered:KIND`, the similarity to its
    report with an error, or in other words. None where there is no such report. Raises what the method raises, and
    `InvalidPredictions`.
    """
    asked, ways = answering(method)
    tested = cohort.take(rows)
    assert tested.findings is not None
    columns = _compared(asked, tested, cases) if "similarity" in ways else {}
    if "predict_findings" in ways:
        values = checked("predict_findings", asked.predict_findings(cases), tested.findings.shape, 0.0)
        columns |= {f"{FINDING}{name}": column for name, column in zip(tested.findings, values.T, strict=True)}
    if not columns:
        raise InvalidPredictions("the method has neither similarity(cases, texts) nor predict_findings(cases): define one")
    return {name: [None if np.isnan(value) else value for value in column.tolist()] for name, column in columns.items()}


def checked(name: str, values: Any, shape: tuple[int, ...], least: float) -> Numbers:
    """What a method gave, as finite numbers of that shape from `least` to 1. Raises `InvalidPredictions` that says why not."""
    array = np.asarray(values)
    if array.shape != shape:
        raise InvalidPredictions(f"{name} gave shape {array.shape}: it must be {shape}")
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise InvalidPredictions(f"{name} gave {array.dtype}, not numbers")
    if not np.isfinite(array).all():
        raise InvalidPredictions(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} values are NaN or infinite")
    low, high = array.min(), array.max()
    if low < least - ROUNDING or high > 1 + ROUNDING:
        raise InvalidPredictions(f"{name}: values from {low:.4g} to {high:.4g}, outside [{least:g}, 1]")
    return np.clip(array.astype(np.float64), least, 1.0)


def _stated(queries: Sequence[str], method: Any, cases: Cohort) -> Probabilities:
    """The score of a finding, (n,): the mean similarity with the sentences that state it, mapped to [0, 1]."""
    texts = sorted(set(queries))
    values = checked("similarity", answering(method)[0].similarity(cases, texts), (len(cases), len(texts)), -1.0)
    return np.asarray((1 + values.mean(axis=1)) / 2)


def _compared(method: Any, tested: Cohort, cases: Cohort) -> dict[str, Numbers]:
    """The columns of a method that compares images with texts, each of which it is asked once."""
    own = _first_drafts(tested.reports, len(tested))
    altered = {kind: _first_drafts(tested.report_sets[kind], len(tested)) for kind in WITHHELD if kind in tested.report_sets}
    queries = {name: tested.queries[name] for name in map(str, tested.findings)} if tested.findings is not None else {}
    texts = sorted({text for some in (own, *altered.values(), *queries.values()) for text in some if text})
    place = {text: number for number, text in enumerate(texts)}
    values = checked("similarity", method.similarity(cases, texts), (len(tested), len(texts)), -1.0)

    def to(reports: Sequence[str]) -> Numbers:
        return np.array([values[case, place[text]] if text else np.nan for case, text in enumerate(reports)])

    scores = {name: values[:, [place[text] for text in some]].mean(axis=1) for name, some in queries.items()}
    return {
        **{f"{FINDING}{name}": (1 + score) / 2 for name, score in scores.items()},
        **_retrieved(values, np.array([place.get(text, -1) for text in own]), np.asarray(tested.findings), tested.case_ids),
        "similarity": to(own),
        **{f"{KIND}{kind}": to(reports) for kind, reports in altered.items()},
    }


def _retrieved(values: Numbers, own: Index, findings: NDArray[np.int8], case_ids: NDArray[np.str_]) -> Mapping[str, Numbers]:
    """Rank and average precision when each case is asked for among the reports; `own` is the place of its text, -1 for none.

    Ties are ranked by a hash of the reports' case ids, so that reports of equal words find their cases as often as chance does;
    in a precision they are one threshold.
    """
    there = np.flatnonzero(own >= 0)
    order = np.argsort(np.argsort([sha256(str(case_ids[case]).encode()).hexdigest() for case in there]))
    rank, precision = np.full((2, len(own)), np.nan)
    for place, case in zip(order, there, strict=True):
        gallery = values[case, own[there]]
        mine = values[case, own[case]]
        rank[case] = 1 + (gallery > mine).sum() + ((gallery == mine) & (order < place)).sum()
        relevant = np.sort(gallery[(findings[there] == findings[case]).all(axis=1)])
        among, every = (len(some) - np.searchsorted(some, relevant) for some in (relevant, np.sort(gallery)))
        precision[case] = (among / every).mean()
    return {"rank": rank, "precision": precision}


def _first_drafts(reports: Reports | None, cases: int) -> tuple[str, ...]:
    """The first draft of each case, "" where it has none."""
    return ("",) * cases if reports is None else tuple(drafts[0] if drafts else "" for drafts in reports)
