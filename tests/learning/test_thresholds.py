"""Thresholds by Youden's index: what is chosen, from which cases, and in which suites."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from benchmark.data.splits import FOLDS, folds, inner_cut
from benchmark.learning.thresholds import youden
from benchmark.statistics.metrics import score
from tests.made_benchmark import MadeBenchmark

METHODS = """
from dataclasses import dataclass

import numpy as np

from benchmark import register_method


class Wary:
    stochastic = False

    def fit(self, train, validation, seed):
        self.learnt = {*train.case_ids, *(validation.case_ids if self.both else ())}
        self.chosen = {"cases": len(self.learnt)}
        self.offset = float(train.table["x"].mean())

    def predict_proba(self, cases):
        assert not self.learnt & {*cases.case_ids}, "it is asked for cases that it trained on"
        return 0.4 / (1 + np.exp(-cases.table["x"].to_numpy() - self.offset))


@register_method("wary", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class OnBoth(Wary):
    both = True


@register_method("stopping", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"},
                 validation="early-stopping")
@dataclass
class OnTraining(Wary):
    both = False
"""
SUITE = """
title = "Made"
datasets = ["made"]
protocols = ["repeated-cv"]
ranked = ["wary", "stopping"]
"""


def index(labels: np.ndarray, p: np.ndarray, threshold: float) -> float:
    return float(np.mean(p[labels == 1] > threshold) - np.mean(p[labels == 0] > threshold))


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 12))
def test_no_cut_has_a_greater_index_than_the_chosen_one(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, n)]
    p = rng.integers(0, levels + 1, n + 2) / (levels + 1)
    rising, falling, _ = roc_curve(labels, p, drop_intermediate=False)
    greatest, found = (falling - rising).max(), youden(labels, p)
    assert index(labels, p, found) == pytest.approx(greatest) if greatest > 1e-9 else found == 0.5


def test_it_lies_in_the_middle_between_the_predictions_that_it_parts() -> None:
    assert youden([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.9]) == pytest.approx(0.25)
    assert youden([0, 1, 1, 1], [0.6, 0.8, 0.9, 0.9]) == pytest.approx(0.7)


def test_of_equally_good_cuts_the_one_nearest_a_half_is_taken() -> None:
    assert youden([0, 1, 0, 1], [0.1, 0.3, 0.5, 0.7]) == pytest.approx(0.6)
    assert youden([0, 1, 0, 1], [0.2, 0.6, 0.7, 0.9]) == pytest.approx(0.4)


@pytest.mark.parametrize("p", [[0.9, 0.8, 0.2, 0.1], [0.3, 0.3, 0.3, 0.3]])
def test_predictions_that_point_the_wrong_way_or_nowhere_are_not_turned_round(p: list[float]) -> None:
    assert youden([0, 0, 1, 1], p) == 0.5


# In a suite


def suite(made: MadeBenchmark, words: str = 'threshold = "youden"') -> list[str]:
    path = made.write("thresholds.toml", f"{words}\n{SUITE}")
    return ["--suite", str(path), "--plugin", str(made.plugin), "--plugin", str(made.write("wary.py", METHODS))]


def run(made: MadeBenchmark, words: list[str], *more: str) -> str:
    return made.cli("run", *words, "--no-sync", "--in-process", "--seeds", "39", *more).stdout


def stored(made: MadeBenchmark, method: str, split: str = "seed39-fold0", protocol: str = "repeated-cv") -> dict[str, Any]:
    paths = [
        path
        for path in made.output.rglob(f"{split}.json")
        if path.parent.name == method and path.parent.parent.name == protocol
    ]
    content: dict[str, Any] = json.loads(paths[0].read_text())["deterministic"]
    assert content["outcome"] == "ok", content
    return content


def test_a_row_that_stops_by_the_validation_part_takes_the_threshold_from_it(made: MadeBenchmark) -> None:
    run(made, suite(made))
    cell = stored(made, "stopping")
    cohort, split = made.cohort(), made.plan(["majority"]).cells[0].split
    assert cohort.table is not None and cohort.labels is not None
    x = cohort.table["x"].to_numpy()
    p = 0.4 / (1 + np.exp(-x - x[split.train].mean()))
    assert cell["threshold"] == pytest.approx(youden(cohort.labels[split.validation], p[split.validation]))
    assert cell["threshold"] < 0.4 and cell["chosen"] == {"cases": len(split.train), "threshold": "validation part"}


def test_a_row_that_trains_on_both_parts_takes_it_out_of_five_inner_folds(made: MadeBenchmark) -> None:
    run(made, suite(made))
    cell = stored(made, "wary")
    cohort, split = made.cohort(), made.plan(["majority"]).cells[0].split
    assert cohort.table is not None and cohort.labels is not None
    x, rows = cohort.table["x"].to_numpy(), np.sort([*split.train, *split.validation])
    p = np.zeros(len(cohort))
    for rest, held_out in folds(cohort.take(rows), split.seed):
        learning = rows[rest[inner_cut(cohort.take(rows[rest]), split.seed)[0]]]
        p[rows[held_out]] = 0.4 / (1 + np.exp(-x[rows[held_out]] - x[learning].mean()))
    assert cell["threshold"] == pytest.approx(youden(cohort.labels[rows], p[rows]))
    assert cell["chosen"] == {"cases": len(rows), "threshold": "out-of-fold"}


def test_with_fewer_than_five_of_a_class_the_share_in_training_stands_in(made: MadeBenchmark) -> None:
    words = suite(made)
    run(made, words, "--protocol", "label-efficiency[share=0.5]")
    cell = stored(made, "stopping", protocol="label-efficiency[share=0.5]")
    cohort = made.cohort()
    split = made.plan(["majority"], ["label-efficiency[share=0.5]"]).cells[0].split
    assert cohort.labels is not None and np.bincount(cohort.labels[split.validation]).min() < 5
    x, share = cohort.table["x"].to_numpy(), cohort.labels[split.train].mean()
    p = 0.4 / (1 + np.exp(-x[split.validation] - x[split.train].mean()))
    assert cell["threshold"] == pytest.approx(np.quantile(p, 1 - share))
    assert cell["chosen"]["threshold"] == "prevalence"


def test_a_sensitivity_needs_cases_of_label_1_alone(made: MadeBenchmark) -> None:
    made.edit("luck < 0)", "luck < 0.5)")
    words = suite(made, 'threshold = "sensitivity-95"')
    run(made, words, "--protocol", "label-efficiency[share=0.9]", "--method", "stopping")
    cell = stored(made, "stopping", protocol="label-efficiency[share=0.9]")
    cohort = made.cohort()
    split = made.plan(["majority"], ["label-efficiency[share=0.9]"]).cells[0].split
    normal, positive = np.bincount(cohort.labels[split.validation])
    assert normal < 5 <= positive
    assert cell["chosen"]["threshold"] == "validation part"


def test_it_is_part_of_the_key_in_such_suites_alone_and_predictions_stay(made: MadeBenchmark) -> None:
    own = suite(made, "")
    run(made, own)
    before = stored(made, "wary")
    assert "threshold" not in before["ingredients"] and before["threshold"] == 0.5
    assert "nothing to compute" in run(made, suite(made, 'threshold = "half"'))
    words = suite(made)
    explained = made.cli("explain", "made/repeated-cv/wary/seed39-fold0", *words).stdout
    assert "stale" in explained and "threshold changed: none -> youden" in explained
    run(made, words)
    after = stored(made, "wary")
    assert after["probabilities"] == before["probabilities"] and after["key"] != before["key"]
    assert after["ingredients"] == {**before["ingredients"], "threshold": "youden"}


def test_a_row_whose_thresholds_were_chosen_in_another_way_is_not_shown(made: MadeBenchmark) -> None:
    words = suite(made, "")
    made.cli("run", *words, "--no-sync", "--in-process")
    assert {row["method"] for row in made.json("rank", *words, "--json")["tables"][0]["rows"]} == {"wary", "stopping"}
    assert made.json("rank", *suite(made), "--json")["tables"] == []


@pytest.mark.slow
def test_published_rows_are_those_whose_thresholds_were_chosen_alike(made: MadeBenchmark) -> None:
    half, other = suite(made, ""), made.write("other.toml", f'threshold = "youden"\n{SUITE}')
    made.cli("run", *half, "--no-sync", "--in-process")
    made.cli("publish", *half)
    named = ["--suite", str(other), *half[2:], "--no-sync", "--in-process"]
    assert "no results of other are published yet" in made.cli("run", *named).stdout
    assert [row["source"] for row in made.json("rank", *half, "--json")["tables"][0]["rows"]] == ["reference", "reference"]
    assert [row["source"] for row in made.json("rank", *named[:2], *half[2:], "--json")["tables"][0]["rows"]] == [
        "local",
        "local",
    ]
    made.cli("publish", *named[:2], *half[2:])
    assert "2 rows of other are published" in made.cli("run", *named).stdout


def test_the_leaderboard_says_where_thresholds_come_from_and_what_a_half_gives(made: MadeBenchmark) -> None:
    words = suite(made)
    made.cli("run", *words, "--no-sync", "--in-process")
    (table,) = made.json("rank", *words, "--json")["tables"]
    shown = {row["method"]: row["metrics"]["balanced_accuracy"]["mean"] for row in table["rows"]}
    assert table["threshold"] == "youden" and shown["wary"] > 0.6
    text = (made.output / "results" / "thresholds.md").read_text()
    assert "out of 5 inner folds where a row trains on the validation part too (`wary`)" in text
    assert "balanced accuracy with the threshold 0.5 in its place: `wary` 0.500, `stopping` 0.500" in text
    assert "uses its own thresholds" not in text


@pytest.mark.slow
def test_each_balanced_accuracy_is_that_at_the_chosen_threshold(made: MadeBenchmark) -> None:
    words = suite(made)
    made.cli("run", *words, "--no-sync", "--in-process")
    labels, cells = made.cohort().labels, made.plan(["majority"]).cells
    assert labels is not None
    expected = []
    for split in (cell.split for cell in made.plan(["wary"], plugins=[made.folder / "wary.py"]).cells):
        cell = stored(made, "wary", split.name)
        found = score(labels[split.test], np.array([cell["probabilities"]]), np.array([cell["threshold"]]))
        expected.append(found["balanced_accuracy"][0])
    (table,) = made.json("rank", *words, "--json")["tables"]
    shown = next(row for row in table["rows"] if row["method"] == "wary")["metrics"]["balanced_accuracy"]["mean"]
    assert len(cells) >= len(expected) and shown == pytest.approx(np.mean(expected))


def test_another_word_is_refused_by_name(made: MadeBenchmark) -> None:
    words = suite(made, 'threshold = "yuden"')
    message = made.cli("run", *words, code=2).stderr
    assert "thresholds.toml: unknown threshold 'yuden': did you mean 'youden'?" in message
    assert (
        "unknown threshold '0.3': known: half, sensitivity-95, youden"
        in made.cli("run", *suite(made, "threshold = 0.3"), code=2).stderr
    )


def test_a_row_that_is_fitted_six_times_has_six_times_the_limit(made: MadeBenchmark) -> None:
    path = made.write("wary.py", METHODS)
    both, stopping = (made.plan([method], plugins=[path]).cells[0].row for method in ("wary", "stopping"))
    assert (both.fits, stopping.fits) == (1, 1)
    assert (
        replace(both, asks={"threshold": "youden"}).fits == 1 + FOLDS
        and replace(stopping, asks={"threshold": "youden"}).fits == 1
    )
