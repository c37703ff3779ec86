"""Every pair alone has what it would have as the only contrast that was named in advance."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from benchmark.statistics import comparison
from benchmark.statistics.comparison import compare, each_alone
from benchmark.statistics.evaluation import evaluate

SHOWN = ["difference", "low", "high", "p_adjusted", "detectable", "identical", "degenerate", "near_chance"]


def frames(inference: str, sites: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """160 cases under two seeds: two rows that know something, one twice, two of noise, and a constant."""
    rng, cases = np.random.default_rng(5), 160
    labels = np.arange(cases) % 2
    part = np.arange(cases) // 2 % (5 if inference == "fold" else sites)
    site = [f"s{each}" for each in part] if inference == "site" else [""] * cases
    noise = rng.normal(size=(4, cases))
    scores = {
        "good": labels + noise[0],
        "fair": 0.5 * labels + noise[1],
        "twin": 0.5 * labels + noise[1],
        "noise": noise[2],
        "other noise": noise[3],
        "constant": np.zeros(cases),
    }
    tasks = [
        pd.DataFrame(
            {"split": [f"{seed}-{each}" for each in part], "seed": seed, "site": site, "case": range(cases), "label": labels}
        )
        for seed in (39, 40)
    ]
    task = pd.concat([each.sort_values(["split", "case"]) for each in tasks], ignore_index=True)
    values = pd.DataFrame(scores)
    chances = pd.DataFrame(1 / (1 + np.exp(-values.loc[task["case"]].to_numpy())), columns=list(values))
    return task, chances, pd.DataFrame(0.5, index=task["split"].unique(), columns=list(values))


@pytest.mark.parametrize(
    ("inference", "sites", "metric"),
    [
        ("fold", 0, "auc"),
        ("fold", 0, "brier"),
        ("few-labels", 5, "auc"),
        ("held-out", 1, "auc"),
        ("site", 8, "auc"),
        ("site", 3, "auc"),
        ("", 5, "auc"),
    ],
)
def test_a_pair_alone_is_a_family_of_one(inference: str, sites: int, metric: str):
    task, scores, thresholds = frames(inference, sites)
    found = each_alone(evaluate(task, scores, thresholds), inference, metric)
    assert len(found) == 15
    for pair in found.to_dict("records"):
        names = (pair["a"], pair["b"])
        whole = compare(task, scores, thresholds, inference=inference, ranked=[], metric=metric, families={"one": [names]})
        (expected,) = whole.families["one"][SHOWN].to_dict("records")
        for key in SHOWN:
            assert pair[key] == pytest.approx(expected[key], rel=1e-12, nan_ok=True), (names, key)
    tested = inference in ("fold", "few-labels", "held-out") or sites == 8
    assert found["p"].notna().any() == tested and found["identical"].sum() == 1
    assert not tested or metric != "auc" or found["near_chance"].any()


def test_an_interim_table_has_differences_alone():
    found = each_alone(evaluate(*frames("fold", 0)), "fold", "auc", interim=True)
    assert found["p"].isna().all() and found["difference"].notna().all()


def test_of_many_rows_the_listed_pairs_alone_are_tested(monkeypatch: pytest.MonkeyPatch):
    task, scores, thresholds = frames("fold", 0)
    run, order = evaluate(task, scores, thresholds), ["fair", "good", "constant", "twin", "noise", "other noise"]
    whole = each_alone(run, "fold", "auc").set_index(["a", "b"])
    monkeypatch.setattr(comparison, "MANY_ROWS", 5)
    many = each_alone(run, "fold", "auc", order=order).set_index(["a", "b"])
    wanted = {frozenset(pair) for pair in [*(("fair", name) for name in order[1:]), *pairwise(order[1:])]}
    assert {frozenset(pair) for pair in many.index} == wanted
    pd.testing.assert_frame_equal(many[SHOWN], whole.loc[many.index, SHOWN])
