"""Task retrieval: what a fitted method says of the findings of cases, and of the reports that may be theirs.

A method gives `similarity(cases, texts) -> (n, m)`, cosines of images and texts, or `predict_findings(cases) -> (n, k)`,
probabilities in the order of the findings that its `fit` saw. The queries are asked here, and so are the reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.findings import FINDING, KIND
from benchmark.data.modalities.text import ALTERED, Reports
from benchmark.data.parts import Index
from benchmark.learning.fitting import ROUNDING, InvalidPredictions
from benchmark.learning.tuning.search import Tuned

Numbers = NDArray[np.float64]


ANSWERS = ("similarity", "predict_findings")
"""What a method of task retrieval has one of."""


def answering(method: Any) -> tuple[Any, str]:
    """The method that answers, of a search the one that it chose, and which of `ANSWERS` it has; "" for neither."""
    asked: Any = method._fitted if isinstance(method, Tuned) else method
    return asked, next((name for name in ANSWERS if callable(getattr(asked, name, None))), "")


def columns_of(method: Any, cohort: Cohort, rows: Index, cases: Cohort) -> dict[str, list[float | None]]:
    """What a fitted method says of the cohort's cases at `rows`, which `cases` shows it: a list of n values by name.

    `finding:NAME` is the score of a finding. Of a method with `similarity` there are besides `similarity`, to the case's own
    report; `rank`, of the own report among those of these cases, 1 the best; `precision`, the average precision of the reports
    of cases with the same findings; and `altered:KIND`, the similarity to its report with an error. None where there is no
    such report. Raises what the method raises, and `InvalidPredictions`.
    """
    asked, answer = answering(method)
    tested = cohort.take(rows)
    assert tested.findings is not None
    if answer == "similarity":
        columns = _compared(asked, tested, cases)
    elif answer == "predict_findings":
        values = checked("predict_findings", asked.predict_findings(cases), tested.findings.shape, 0.0)
        columns = {f"{FINDING}{name}": column for name, column in zip(tested.findings, values.T, strict=True)}
    else:
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


def _compared(method: Any, tested: Cohort, cases: Cohort) -> dict[str, Numbers]:
    """The columns of a method that compares images with texts, each of which it is asked once."""
    own = _first_drafts(tested.reports, len(tested))
    altered = {kind: _first_drafts(tested.report_sets[kind], len(tested)) for kind in ALTERED if kind in tested.report_sets}
    queries = {name: tested.queries[name] for name in map(str, tested.findings)} if tested.findings is not None else {}
    texts = sorted({text for some in (own, *altered.values(), *queries.values()) for text in some if text})
    place = {text: number for number, text in enumerate(texts)}
    values = checked("similarity", method.similarity(cases, texts), (len(tested), len(texts)), -1.0)

    def to(reports: Sequence[str]) -> Numbers:
        return np.array([values[case, place[text]] if text else np.nan for case, text in enumerate(reports)])

    scores = {name: values[:, [place[text] for text in some]].max(axis=1) for name, some in queries.items()}
    return {
        **{f"{FINDING}{name}": (1 + score) / 2 for name, score in scores.items()},
        **_retrieved(values, np.array([place.get(text, -1) for text in own]), np.asarray(tested.findings)),
        "similarity": to(own),
        **{f"{KIND}{kind}": to(reports) for kind, reports in altered.items()},
    }


def _retrieved(values: Numbers, own: Index, findings: NDArray[np.int8]) -> Mapping[str, Numbers]:
    """Rank and average precision when each case is asked for among the reports; `own` is the place of its text, -1 for none.

    Ties count as the middle in a rank, and as one threshold in a precision.
    """
    there = np.flatnonzero(own >= 0)
    rank, precision = np.full((2, len(own)), np.nan)
    for case in there:
        gallery = values[case, own[there]]
        mine = values[case, own[case]]
        rank[case] = (gallery > mine).sum() + ((gallery == mine).sum() + 1) / 2
        relevant = np.sort(gallery[(findings[there] == findings[case]).all(axis=1)])
        among, every = (len(some) - np.searchsorted(some, relevant) for some in (relevant, np.sort(gallery)))
        precision[case] = (among / every).mean()
    return {"rank": rank, "precision": precision}


def _first_drafts(reports: Reports | None, cases: int) -> tuple[str, ...]:
    """The first draft of each case, "" where it has none."""
    return ("",) * cases if reports is None else tuple(drafts[0] if drafts else "" for drafts in reports)
