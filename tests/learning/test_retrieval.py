"""What a cell of task retrieval stores: scores of findings, ranks and similarities, against references and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn.metrics import label_ranking_average_precision_score

from benchmark.data.cohort import Cohort
from benchmark.learning.fitting import InvalidPredictions
from benchmark.learning.retrieval import checked, columns_of, triage
from benchmark.learning.thresholds import at_sensitivity

FINDINGS = pd.DataFrame({"infarct": [1, 1, 0, 0, 1], "bleed": [0, 0, 1, 0, 1]}, dtype=np.int8)
COHORT = Cohort(
    "scans",
    np.array(list("abcde")),
    FINDINGS.any(axis=1).to_numpy().astype(np.int8),
    findings=FINDINGS,
    queries={"infarct": ("infarct", "stroke"), "bleed": ("bleed",), "normal": ("normal",)},
    reports=(("of a",), ("of b", "more of b"), ("of c",), (), ("of a",)),
    report_sets={"side-swapped": (("swapped a",), (), (), (), ("swapped e",)), "topics": (("t",),) * 5},
)


class Drawn:
    """Similarities of a fixed draw, with ties, by case and text."""

    def similarity(self, cases: Cohort, texts: list[str]) -> np.ndarray:
        self.texts = list(texts)
        return np.array([[self.of(case, text) for text in texts] for case in cases.case_ids])

    def of(self, case: str, text: str) -> float:
        return float(np.random.default_rng([ord(case), *text.encode()]).integers(-3, 4)) / 4


def columns(method: Any, rows: tuple[int, ...] = (0, 1, 2, 3, 4)) -> dict[str, list[float | None]]:
    index = np.array(rows)
    return columns_of(method, COHORT, index, COHORT.take(index).blind())


def test_the_score_of_a_finding_is_the_mean_over_its_queries_mapped_to_0_and_1() -> None:
    method = Drawn()
    found = columns(method)
    means = [np.mean([method.of(case, text) for text in ("infarct", "stroke")]) for case in "abcde"]
    assert found["finding:infarct"] == [(1 + value) / 2 for value in means]
    assert found["finding:bleed"] == [(1 + method.of(case, "bleed")) / 2 for case in "abcde"]


def test_ranks_lie_within_scipys_of_ties_and_precisions_are_those_of_scikit_learn() -> None:
    method = Drawn()
    for rows in [(0, 1, 2, 3, 4), (4, 2, 1, 0), (1, 2)]:
        found = columns(method, rows)
        there = [row for row in rows if COHORT.reports[row]]
        for place, row in enumerate(rows):
            if row not in there:
                assert found["rank"][place] is None and found["precision"][place] is None
                continue
            gallery = np.array([method.of("abcde"[row], COHORT.reports[other][0]) for other in there])
            relevant = [(FINDINGS.iloc[other] == FINDINGS.iloc[row]).all() for other in there]
            first, last = (rankdata(-gallery, method)[there.index(row)] for method in ("min", "max"))
            assert first <= found["rank"][place] <= last
            expected = label_ranking_average_precision_score([relevant], [gallery])
            assert found["precision"][place] == pytest.approx(expected, abs=1e-12)


def test_reports_of_equal_words_find_their_cases_as_often_as_chance_does() -> None:
    class Knowing(Drawn):
        def of(self, case: str, text: str) -> float:
            return float(text == "of a") - float(case not in "ae" and text == "of a")

    found = columns(Knowing())["rank"]
    assert sorted([found[0], found[4]]) == [1, 2]

    class Unknowing(Drawn):
        def of(self, case: str, text: str) -> float:
            return 0.5

    ranks = columns(Unknowing())["rank"]
    assert sorted(rank for rank in ranks if rank) == [1, 2, 3, 4]
    assert columns(Unknowing(), (4, 3, 2, 1, 0))["rank"] == ranks[::-1], "an order of the cases, not of their places"


def test_similarities_are_to_the_own_report_and_to_each_wrong_one_that_there_is() -> None:
    method = Drawn()
    found = columns(method)
    assert found["similarity"] == [method.of("a", "of a"), method.of("b", "of b"), method.of("c", "of c"), None] + [
        method.of("e", "of a")
    ]
    assert found["altered:side-swapped"] == [method.of("a", "swapped a"), None, None, None, method.of("e", "swapped e")]
    assert list(found) == ["finding:infarct", "finding:bleed", "rank", "precision", "similarity", "altered:side-swapped"]


def test_reports_in_held_out_wording_are_compared_too() -> None:
    method, reworded = Drawn(), (("other a",), (), ("other c",), (), ())
    cohort = replace(COHORT, report_sets={**COHORT.report_sets, "held-out-wording": reworded})
    found = columns_of(method, cohort, np.arange(5), cohort.blind())
    assert found["altered:held-out-wording"] == [method.of("a", "other a"), None, method.of("c", "other c"), None, None]


def test_texts_come_once_and_in_an_order_that_tells_nothing_of_the_cases() -> None:
    method = Drawn()
    columns(method)
    assert method.texts == sorted({"bleed", "infarct", "stroke", "of a", "of b", "of c", "swapped a", "swapped e"})


def test_a_supervised_method_gives_findings_alone() -> None:
    class Taught:
        def predict_findings(self, cases: Cohort) -> np.ndarray:
            return np.linspace(0, 1, 10).reshape(5, 2)

    assert columns(Taught()) == {
        "finding:infarct": pytest.approx([0, 2 / 9, 4 / 9, 6 / 9, 8 / 9]),
        "finding:bleed": pytest.approx([1 / 9, 3 / 9, 5 / 9, 7 / 9, 1]),
    }


def test_of_a_method_with_both_findings_are_predicted_and_reports_compared() -> None:
    class Both(Drawn):
        def predict_findings(self, cases: Cohort) -> np.ndarray:
            return np.full((5, 2), 0.25)

    found, compared = columns(Both()), columns(Drawn())
    assert found == {**compared, "finding:infarct": [0.25] * 5, "finding:bleed": [0.25] * 5}


def test_a_method_without_labels_is_asked_for_the_finding_that_the_label_is() -> None:
    class Unknowing(Drawn):
        sees_labels = False

        def predict_proba(self, cases: Cohort) -> np.ndarray:
            return np.full(len(cases), 0.3)

    sided = COHORT.take([0, 1, 2, 4])
    sided = replace(sided, labels=np.array([0, 0, 1, 1], dtype=np.int8))
    method = Unknowing()
    assert triage(method, sided)(method, sided.blind()).tolist() == [(1 + method.of(case, "bleed")) / 2 for case in "abce"]
    assert triage(method, COHORT)(method, COHORT.blind()).tolist() == [0.3] * 5
    method.sees_labels = True
    assert triage(method, sided)(method, sided.blind()).tolist() == [0.3] * 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 2)), r"similarity gave shape \(5, 2\): it must be \(5, 8\)"),
        (np.full((5, 8), np.nan), "similarity: 40 of 40 values are NaN or infinite"),
        (np.full((5, 8), 1.1), r"similarity: values from 1.1 to 1.1, outside \[-1, 1\]"),
        (np.full((5, 8), "0"), "similarity gave <U1, not numbers"),
    ],
)
def test_what_is_no_similarity_is_refused_by_name(given: np.ndarray, message: str) -> None:
    class Wrong:
        def similarity(self, cases: Cohort, texts: list[str]) -> np.ndarray:
            return given

    with pytest.raises(InvalidPredictions, match=message):
        columns(Wrong())


def test_a_method_without_either_is_refused_and_findings_outside_0_and_1_too() -> None:
    with pytest.raises(InvalidPredictions, match="neither similarity.* nor predict_findings"):
        columns(object())
    with pytest.raises(InvalidPredictions, match=r"predict_findings: values from -0.1 to 0.5, outside \[0, 1\]"):
        checked("predict_findings", [[0.5], [-0.1]], (2, 1), 0.0)
    assert checked("similarity", [[1 + 5e-7]], (1, 1), -1.0).tolist() == [[1.0]]


@pytest.mark.parametrize("positives", [1, 5, 19, 20, 21, 40, 200])
def test_the_threshold_is_the_greatest_that_finds_95_percent(positives: int) -> None:
    rng = np.random.default_rng(positives)
    labels = rng.permutation(np.repeat([0, 1], [50, positives]))
    p = rng.random(len(labels)).round(2)
    cut = at_sensitivity(0.95, labels, p)
    assert np.mean(p[labels == 1] > cut) >= 0.95
    assert np.mean(p[labels == 1] > np.nextafter(cut, 1)) < 0.95
