"""With the number of patients given for a pair, the difference is found as often as promised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtri

from benchmark.cells.task import Task, TaskSplit
from benchmark.leaderboard.latex import as_latex
from benchmark.leaderboard.one_pair import SOUGHT, as_json, as_lines, pair_at, patients_needed, patients_of
from benchmark.leaderboard.remarks import cases
from benchmark.statistics.comparison import compare
from tests.leaderboard.made_standings import made_task, row, table

AUCS = (0.8, 0.8 - SOUGHT)
SHARED = 0.6
"""Correlation of the two rows' scores within a class."""


def drawn(patients: int, seed: int) -> pd.Series:
    """The contrast of two rows on one test set, whose AUCs differ by `SOUGHT` in truth; two fifths have label 1."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(patients) % 5 < 2).astype(int)
    noise = np.sqrt(SHARED) * rng.normal(size=(1, patients)) + np.sqrt(1 - SHARED) * rng.normal(size=(2, patients))
    scores = expit(noise + labels * np.sqrt(2) * ndtri(AUCS)[:, None])
    task = pd.DataFrame({"split": "holdout", "seed": 39, "site": "", "case": range(patients), "label": labels})
    found = compare(
        task,
        pd.DataFrame(scores.T, columns=["a", "b"]),
        pd.DataFrame(0.5, index=["holdout"], columns=["a", "b"]),
        inference="held-out",
        ranked=["a", "b"],
        families={"compare": [("a", "b")]},
    )
    return found.families["compare"].iloc[0]


@pytest.mark.slow
def test_so_many_patients_find_the_difference_four_times_in_five():
    needed = int(patients_needed(400, float(np.median([drawn(400, seed).detectable for seed in range(10)]))))
    assert 400 < needed < 4000
    found = np.mean([drawn(needed, 1000 + seed).p < 0.05 for seed in range(120)])
    assert 0.68 < found < 0.9, f"{needed} patients"


def test_the_cases_of_a_single_test_set_are_counted_and_not_those_that_train() -> None:
    cv = made_task()
    test = cv.splits[0].test
    parts = tuple(TaskSplit(f"holdout-seed{seed}", seed, "", test, str(seed)) for seed in (39, 40))
    task = Task("made", "holdout", "d", cv.case_ids, cv.labels, None, parts, {})
    found = table(task, [row(task, "a", 1.0), row(task, "b", 0.2)])
    ones = int(cv.labels[test].sum())
    assert cases(found).startswith(f"40 cases, {ones} with label 1 ({100 * ones / 40:.1f} %): ")
    assert cases(found).endswith(" 160 further cases are for training and validation.")
    assert "further" not in cases(table(cv, [row(cv, "a", 1.0), row(cv, "b", 0.2)]))
    pair = pair_at(found.rows, "auc", "a", "b")
    assert pair.patients == pytest.approx(patients_needed(40, pair.detectable))
    assert as_lines(pair)[0].startswith("made, holdout (40 cases), auc: ")
    assert as_json("s", [pair])["tables"][0]["cases"] == 40
    assert "40 cases, mean over 2 trainings, one test part." in as_latex([found])
    doubled = replace(task, groups=np.repeat(np.arange(100).astype(str), 2))
    assert patients_of(table(doubled, [row(task, "a", 1.0), row(task, "b", 0.2)])) == len(np.unique(test // 2))
