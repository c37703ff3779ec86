"""Metrics by subgroup against pairs counted one by one, scikit-learn, and what must not change them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, recall_score, roc_auc_score

from benchmark.statistics.evaluation import Evaluation, evaluate
from benchmark.statistics.subgroups import SUBGROUP_METRICS, UNKNOWN, Subgroups, describe, group_cases

SEEDS = (39, 40)


def made_task(cases: int = 90, folds: int = 3, seed: int = 0, repeats: tuple[int, ...] = SEEDS) -> pd.DataFrame:
    labels = np.random.default_rng(seed).integers(0, 2, cases)
    frames = []
    for repeat in repeats:
        order = np.random.default_rng([seed, repeat]).permutation(cases)
        for fold in range(folds):
            part = np.sort(order[fold::folds])
            names = [f"c{i:03d}" for i in part]
            frames.append(
                pd.DataFrame(
                    {
                        "split": f"s{repeat}-{fold}",
                        "seed": repeat,
                        "site": "",
                        "case": names,
                        "label": labels[part],
                        "row": part,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def made_scores(task: pd.DataFrame, methods: int = 2, seed: int = 1) -> pd.DataFrame:
    """Scores on a coarse grid, so that there are ties."""
    rng = np.random.default_rng(seed)
    drawn = {f"m{k}": np.round(np.clip(rng.normal(0.4 + 0.2 * task["label"], 0.25), 0, 1), 1) for k in range(methods)}
    return pd.DataFrame(drawn)


def evaluated(task: pd.DataFrame, scores: pd.DataFrame, threshold: float = 0.45) -> Evaluation:
    return evaluate(task, scores, pd.DataFrame(threshold, index=task["split"].unique(), columns=scores.columns))


def by_subgroup(task: pd.DataFrame, scores: pd.DataFrame, codes: np.ndarray) -> Subgroups:
    return describe(evaluated(task, scores), codes[task["row"]], int(codes.max()) + 1)


def counted_auc(task: pd.DataFrame, scores: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """The AUC and its number of pairs, pair by pair: mean over seeds."""
    areas, numbers = [], []
    for _, of_seed in task[inside].groupby("seed"):
        wins = pairs = 0.0
        for _, part in of_seed.groupby("split"):
            good, poor = (scores[part.index[part["label"] == label]] for label in (1, 0))
            for one, zero in itertools.product(good, poor):
                wins += 1.0 if one > zero else 0.5 if one == zero else 0.0
                pairs += 1
        areas.append(wins / pairs if pairs else np.nan)
        numbers.append(pairs)
    return float(np.nanmean(areas)), float(np.mean(numbers))


@pytest.mark.parametrize("groups", [2, 5])
def test_the_auc_equals_pairs_of_one_test_part_counted_one_by_one(groups):
    task = made_task(folds=groups + 1)
    scores, codes = made_scores(task), np.arange(90) % groups
    found = by_subgroup(task, scores, codes)
    assert not found.small.any()
    for g in range(groups):
        for m, name in enumerate(scores):
            area, pairs = counted_auc(task, scores[name].to_numpy(), codes[task["row"]] == g)
            assert found.metrics["auc"][m, g] == pytest.approx(area, abs=1e-12)
            assert found.pairs[g] == pairs


def test_cases_of_different_test_parts_are_not_compared():
    task = made_task(40, folds=2, repeats=(39,))
    scores = pd.DataFrame({"m": np.where(task["label"] == 1, 0.2, 0.1) + 0.5 * (task["split"] == "s39-1")})
    found = by_subgroup(task, scores, np.zeros(40, dtype=int))
    assert roc_auc_score(task["label"], scores["m"]) < 0.9
    assert found.metrics["auc"][0, 0] == 1


def test_with_one_test_part_all_figures_are_scikit_learns():
    task = made_task(80, folds=1, repeats=(39,))
    scores, codes = made_scores(task, 1), np.arange(80) % 2
    found = by_subgroup(task, scores, codes)
    for g in range(2):
        inside = codes[task["row"]] == g
        y, p = task["label"][inside], scores["m0"][inside]
        expected = {
            "auc": roc_auc_score(y, p),
            "accuracy": accuracy_score(y, p > 0.45),
            "recall": recall_score(y, p > 0.45),
            "specificity": recall_score(1 - y, p <= 0.45),
            "brier": brier_score_loss(y, p),
            "mean_probability": p.mean(),
            "observed_share": y.mean(),
        }
        assert set(expected) == set(SUBGROUP_METRICS)
        for name, value in expected.items():
            assert found.metrics[name][0, g] == pytest.approx(value, abs=1e-12), name
        assert found.pairs[g] == y.sum() * (1 - y).sum()


def test_figures_are_means_over_seeds_at_each_cells_own_threshold():
    task = made_task()
    task = task[task["split"] != "s40-2"]  # seeds of unequal size: their mean is not that of all rows
    scores, codes = made_scores(task, 1), np.arange(90) % 2
    splits = list(task["split"].unique())
    cuts = pd.DataFrame({"m0": np.linspace(0.2, 0.8, len(splits))}, index=splits)
    found = describe(evaluate(task, scores, cuts), codes[task["row"]], 2)
    vote = scores["m0"] > task["split"].map(cuts["m0"])
    for g in range(2):
        inside = (codes[task["row"]] == g) & (task["label"] == 1)
        per_seed = [vote[inside & (task["seed"] == seed)].mean() for seed in SEEDS]
        assert found.metrics["recall"][0, g] == pytest.approx(np.mean(per_seed), abs=1e-12)


def test_everyone_in_one_test_part_has_the_ordinary_auc_of_that_part():
    task = made_task(60, folds=1, repeats=(39,))
    found = evaluated(task, made_scores(task))
    everyone = describe(found, np.zeros(60, dtype=int), 1)
    np.testing.assert_allclose(everyone.metrics["auc"][:, 0], found.cells["auc"][:, 0], rtol=1e-14)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_neither_the_order_of_cases_nor_the_names_of_subgroups_change_a_figure(seed, groups):
    rng = np.random.default_rng(seed)
    task = made_task(70, seed=seed % 7)
    scores, codes = made_scores(task, seed=seed), rng.integers(0, groups, 70)
    codes[:groups] = np.arange(groups)
    found = by_subgroup(task, scores, codes)
    order = task["split"].sample(frac=1, random_state=seed).sort_values(kind="stable").index
    shuffled = by_subgroup(task.iloc[order].reset_index(drop=True), scores.iloc[order].reset_index(drop=True), codes)
    names = rng.permutation(groups)
    renamed = by_subgroup(task, scores, names[codes])
    for name, values in found.metrics.items():
        np.testing.assert_allclose(shuffled.metrics[name], values, atol=1e-12)
        np.testing.assert_allclose(renamed.metrics[name][:, names], values, atol=1e-12)
    assert found.cases.sum() == 70 and renamed.pairs[names].tolist() == shuffled.pairs.tolist() == found.pairs.tolist()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_turning_scores_and_labels_round_swaps_recall_and_specificity_and_keeps_the_auc(seed):
    task = made_task(60, seed=seed % 5)
    scores, codes = made_scores(task, seed=seed), np.arange(60) % 2
    found = by_subgroup(task, scores, codes)
    turned = describe(evaluated(task.assign(label=1 - task["label"]), 1 - scores, 0.55), codes[task["row"]], 2)
    np.testing.assert_allclose(turned.metrics["auc"], found.metrics["auc"], atol=1e-12)
    np.testing.assert_allclose(turned.metrics["recall"], found.metrics["specificity"], atol=1e-12)


@pytest.mark.parametrize("few", [0, 1])
def test_a_subgroup_with_fewer_than_5_of_a_class_is_small_and_has_no_auc_recall_or_specificity(few):
    task = made_task(90)
    labels = task.drop_duplicates("row").set_index("row")["label"].sort_index().to_numpy()
    codes = np.zeros(90, dtype=int)
    codes[np.flatnonzero(labels == few)[:4]] = 1
    codes[np.flatnonzero(labels != few)[:20]] = 1
    found = by_subgroup(task, made_scores(task), codes)
    assert found.small.tolist() == [False, True]
    assert found.cases[1] == 24 and found.positives[1] == (4 if few else 20)
    for name, values in found.metrics.items():
        assert np.isnan(values[:, 1]).all() == (name in {"auc", "recall", "specificity"})
        assert np.isfinite(values[:, 0]).all()
    codes[np.flatnonzero(labels == few)[4]] = 1
    assert not by_subgroup(task, made_scores(task), codes).small[1]


def test_a_subgroup_whose_classes_never_meet_in_a_test_part_has_no_auc():
    task = made_task(60, folds=2, repeats=(39,))
    task["label"] = np.where(task["split"] == "s39-0", task["label"], 1)
    codes = np.zeros(60, dtype=int)
    first = task["split"] == "s39-0"
    codes[task["row"][(first & (task["label"] == 0)) | ~first]] = 1
    found = by_subgroup(task, made_scores(task), codes)
    assert not found.small[1] and found.pairs[1] == 0
    assert np.isnan(found.metrics["auc"][:, 1]).all() and np.isfinite(found.metrics["accuracy"][:, 1]).all()


def test_ages_fall_into_bands_closed_below():
    ages = pd.Series([54.9, 55, 64.99, 65, 74, 75, 84, 85, 101, np.nan, 20], name="Age")
    found = group_cases(ages)
    assert found.names == ("<55", "55-64", "65-74", "75-84", "85+", UNKNOWN)
    assert found.codes.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 0]


def test_empty_bands_are_left_out():
    assert group_cases(pd.Series([60.0, 90.0], name="age")).names == ("55-64", "85+")


def test_numbers_with_few_values_are_categories_and_others_are_cut_at_quartiles():
    assert group_cases(pd.Series([3, 1.5, np.nan, 3], name="field_strength")).names == ("1.5", "3", UNKNOWN)
    assert group_cases(pd.Series([0, 1, 2, 3, 4, 5])).names == ("0", "1", "2", "3", "4", "5")
    found = group_cases(pd.Series(np.arange(1, 101), name="nihss"))
    assert found.names == ("up to 25", "above 25 to 50", "above 50 to 75", "above 75")
    assert np.bincount(found.codes).tolist() == [25, 25, 25, 25]


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=7, max_size=60, unique=True))
def test_the_edges_in_a_subgroups_name_are_true_of_its_cases(numbers):
    found = group_cases(pd.Series(numbers))
    for name, cases in ((name, np.array(numbers)[found.codes == g]) for g, name in enumerate(found.names)):
        words = name.replace("up to", "to").split()
        bounds = dict(zip(words[::2], map(float, words[1::2]), strict=True))
        assert len(cases) and (cases <= bounds.get("to", np.inf)).all() and (cases > bounds.get("above", -np.inf)).all()
    sizes = np.bincount(found.codes)
    assert len(sizes) == 4 and max(sizes) - min(sizes) <= 2


def test_quartiles_that_coincide_give_fewer_subgroups():
    found = group_cases(pd.Series([0.0] * 80 + list(range(1, 21))))
    assert found.names == ("up to 0", "above 0") and np.bincount(found.codes).tolist() == [80, 20]


def test_categories_keep_their_order_and_what_is_missing_comes_last():
    ordered = pd.Series(pd.Categorical(["low", "high", None, "low"], categories=["low", "none here", "high"]))
    assert group_cases(ordered).names == ("low", "high", UNKNOWN)
    assert group_cases(ordered).codes.tolist() == [0, 1, 2, 0]
    assert group_cases(pd.Series(["b", "a", UNKNOWN, None, "z"])).names == ("a", "b", "z", UNKNOWN)
    assert group_cases(pd.Series(pd.Categorical(["<55", None, "55-64"]), name="age")).names == ("55-64", "<55", UNKNOWN)
    assert group_cases(pd.Series([True, False])).names == ("False", "True")
    assert group_cases(pd.Series([2, None, 1], dtype="Int64")).names == ("1", "2", UNKNOWN)
    assert group_cases(pd.Series([np.nan, np.nan])).names == (UNKNOWN,)
