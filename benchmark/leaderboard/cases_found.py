"""What a search over the cases of a dataset found, ready for JSON, and how good such scores were in the benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.cells.archive import Archive, words_of
from benchmark.cells.row_fits import PROTOCOL
from benchmark.cells.rows import Row, TableRows, gather, of_findings
from benchmark.data.findings import NORMAL
from benchmark.leaderboard.standings import frames, further
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.comparison import Comparison, compare
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError

Found = dict[str, Any]
NEAREST = 3
"""Past cases that `suggest` shows."""
SUSPECT = 0.05
"""A report less like its scan than this share of the other cases' own reports is called suspect [A]."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A row's stored cells of a table, and their statistics."""

    rows: TableRows
    row: Row
    comparison: Comparison

    def estimate(self, metric: str) -> Found:
        """Mean and 95 % interval, None where it has none."""
        frames = (self.comparison.metrics, self.comparison.low, self.comparison.high)
        mean, low, high = (float(frame.to_dict("index")[self.row.method][metric]) for frame in frames)
        return {"mean": mean, "ci": [low, high] if np.isfinite([low, high]).all() else None}


def measured(suite: Suite, catalogue: Catalogue, dataset: str, method: str) -> dict[str, Measured]:
    """Table -> what a row's stored predictions on a dataset say there, of the dataset and of each of its findings.

    Empty where the row was not computed.
    """
    alone = replace(suite.at(dataset, PROTOCOL), ranked=(method,), descriptive=())
    found = {}
    for rows in (table for whole in gather(alone, catalogue) for table in (whole, *of_findings(whole))):
        for row in rows.complete:
            only = replace(rows, complete=(row,))
            comparison = compare(*frames(only), inference=rows.inference, ranked=[row.method], further=further(only))
            found[rows.task.dataset] = Measured(only, row, comparison)
    return found


def check_words(archive: Archive, text: str) -> list[str]:
    """The words of a text that the model never met. Raises `BenchmarkError` for a text without words, or with none it knows."""
    words, unknown = list(dict.fromkeys(words_of(text))), archive.unknown(text)
    if not words:
        raise BenchmarkError("the text holds no word: write a sentence such as 'there is an acute infarct'")
    if len(unknown) * 2 > len(words):
        raise BenchmarkError(
            f"{len(unknown)} of {len(words)} words are in no report and no corpus that {archive.method} learned from "
            f"({', '.join(unknown[:6])}): it reads English radiology, so ask in its words"
        )
    return unknown


def query(archive: Archive, text: str, top: int, scores: Mapping[str, Measured]) -> Found:
    """The cases whose images are most like a sentence, best first. Raises `BenchmarkError` for a text that cannot be asked."""
    unknown = check_words(archive, text)
    similarity = archive.similarity([text])[:, 0]
    return {
        **_whose(archive),
        "text": text,
        "unknown_words": unknown,
        "nearest_finding": _nearest_finding(archive, text, scores),
        "cases": _listed(archive, similarity, top),
    }


def alike(archive: Archive, case: str, top: int) -> Found:
    """The cases whose images are most like a case's, best first, the case itself left out. Raises `UnknownNameError`."""
    row = archive.row(case)
    similarity = archive.alike(row).astype(np.float64)
    similarity[row] = np.nan
    return {**_whose(archive), "case": _described(archive, row), "cases": _listed(archive, similarity, top)}


def checked_report(archive: Archive, case: str, text: str, scores: Mapping[str, Measured]) -> Found:
    """How a report fits a case's image: better than which share of the cases' own reports fit theirs.

    A pool that the models learned from is no part of the comparison.

    Raises `UnknownNameError`, and `BenchmarkError` for a text that cannot be asked.
    """
    row, unknown = archive.row(case), check_words(archive, text)
    count = len(archive.cohort) if archive.pool_seen else len(archive.case_ids)
    usable = [i for i, report in enumerate(archive.reports[:count]) if report and archive.there[i] and i != row]
    others = np.array(usable, dtype=np.intp)
    if not len(others):
        raise BenchmarkError(f"{archive.cohort.name} has no reports to compare with")
    own = _own_similarity(archive, others)
    found = float(archive.vectors[archive.reader[row], row] @ archive.models[archive.reader[row]].text_vectors([text])[0])
    share = float((own < found).mean())
    whole = scores.get(archive.cohort.name)
    return {
        **_whose(archive),
        "case": _described(archive, row),
        "text": text,
        "unknown_words": unknown,
        "similarity": found,
        "share_below": share,
        "suspect": share < SUSPECT,
        "own_reports": len(others),
        "error_auc": None if whole is None else _metric(whole, "error_auc"),
    }


def suggested(archive: Archive, case: str, scores: Mapping[str, Measured]) -> Found:
    """The findings of a case by how much its image is like the sentences that state them, and the nearest past cases.

    Raises `UnknownNameError`, and `BenchmarkError` where the dataset has no queries.
    """
    row, queries = archive.row(case), archive.cohort.queries
    if not queries:
        raise BenchmarkError(f"{archive.cohort.name} names no findings to suggest")
    texts = [text for sentences in queries.values() for text in sentences]
    reader = archive.models[archive.reader[row]]
    cosines = iter(reader.text_vectors(texts) @ archive.vectors[archive.reader[row], row])
    means = {name: float(np.mean([next(cosines) for _ in sentences])) for name, sentences in queries.items()}
    findings = [
        {"finding": name, "similarity": value, "auc": _area(scores, name)}
        for name, value in sorted(means.items(), key=lambda item: -item[1])
        if name != NORMAL
    ]
    return {
        **_whose(archive),
        "case": _described(archive, row),
        "findings": findings,
        "normal": means.get(NORMAL),
        "cases": alike(archive, case, NEAREST)["cases"],
    }


def worklist(suite: Suite, measured: Measured, top: int) -> Found:
    """The labelled cases of the first seed, most abnormal first, each by the model that never saw it.

    `called` says whether a case lies above its split's threshold; the thresholds' recall and specificity are the benchmark's.
    """
    task, row = measured.rows.task, measured.row
    first = task.splits[0].seed
    parts = [split for split in task.splits if split.seed == first]
    cases = [
        {
            "case": str(task.case_ids[i]),
            "probability": float(p),
            "called": bool(p > row.thresholds[split.name]),
            "split": split.name,
        }
        for split in parts
        for i, p in zip(split.test, row.probabilities[split.name], strict=True)
    ]
    ordered = sorted(cases, key=lambda case: (-float(str(case["probability"])), str(case["case"])))
    figures = {name: measured.estimate(name) for name in ("auc", "recall", "specificity")}
    return {
        "dataset": task.dataset,
        "method": row.method,
        "threshold": suite.threshold,
        **figures,
        "called": sum(bool(case["called"]) for case in cases),
        "of": len(cases),
        "cases": [{"rank": i + 1, **case} for i, case in enumerate(ordered[:top])],
    }


def _whose(archive: Archive) -> Found:
    return {"dataset": archive.cohort.name, "method": archive.method, "searched": len(archive.case_ids)}


def _listed(archive: Archive, similarity: NDArray[Any], top: int) -> list[Found]:
    order = np.argsort(-similarity, kind="stable")[:top]
    return [
        {"rank": place + 1, "similarity": float(similarity[row]), **_described(archive, int(row))}
        for place, row in enumerate(order)
        if np.isfinite(similarity[row])
    ]


def _described(archive: Archive, row: int) -> Found:
    """A case: whether it is one of the pool, and its reader learned from it; its findings where they are known; its report."""
    pool = row >= len(archive.cohort)
    findings = None if pool else archive.cohort.findings
    there = None if findings is None else [str(name) for name, value in findings.iloc[row].items() if value]
    seen = pool and archive.pool_seen
    return {
        "case": str(archive.case_ids[row]),
        "pool": pool,
        "seen": seen,
        "findings": there,
        "report": archive.reports[row],
    }


def _own_similarity(archive: Archive, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The cosine of the image of each case at `rows` with its own report, by its reader."""
    values = np.empty(len(rows))
    for k, model in enumerate(archive.models):
        mine = np.flatnonzero(archive.reader[rows] == k)
        if len(mine):
            said = model.text_vectors([archive.reports[row] for row in rows[mine]])
            values[mine] = (archive.vectors[k, rows[mine]] * said).sum(axis=1)
    return values


def _nearest_finding(archive: Archive, text: str, scores: Mapping[str, Measured]) -> Found | None:
    """The finding one of whose sentences is most like the text, and the AUC of its scores."""
    asked = [(name, sentence) for name, sentences in archive.cohort.queries.items() for sentence in sentences]
    if not asked:
        return None
    vectors = archive.models[0].text_vectors([text, *(sentence for _, sentence in asked)])
    likeness = vectors[1:] @ vectors[0]
    name, sentence = asked[int(np.argmax(likeness))]
    area = _area(scores, name)
    return {"finding": name, "sentence": sentence, "similarity": float(likeness.max()), "auc": area}


def _area(scores: Mapping[str, Measured], finding: str) -> Found | None:
    table = next((each for each in scores.values() if each.rows.finding == finding), None)
    return None if table is None else table.estimate("auc")


def _metric(table: Measured, metric: str) -> Found | None:
    return table.estimate(metric) if metric in table.comparison.metrics else None


def names(findings: Sequence[str] | None) -> str:
    """Findings in words."""
    return "unread" if findings is None else ", ".join(findings) or "none"
