"""`compare` end to end, on made tasks of every inference."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from benchmark.statistics import comparison, inflation
from benchmark.statistics.comparison import Comparison, compare
from benchmark.statistics.delong import RESAMPLING, delong_test
from benchmark.statistics.families import Pairs, all_pairs, named
from benchmark.statistics.inference import AREAS, Areas, Inferred
from benchmark.statistics.metric_names import METRICS
from benchmark.statistics.student import corrected_t
from benchmark.system.errors import BenchmarkError, UnknownNameError

SEEDS = (39, 40, 41, 42)


def made_task(cases: int = 200, sites: int = 0, inference: str = "fold", positives: float = 0.35) -> pd.DataFrame:
    """Rows (split, seed, site, case, label) of the shape of an inference's protocol."""
    rng = np.random.default_rng(7)
    label = (np.arange(cases) < positives * cases).astype(int)[rng.permutation(cases)]
    site = np.arange(cases) % max(sites, 1)
    frames = []
    for seed in SEEDS:
        if inference == "fold":
            order = np.random.default_rng(seed).permutation(cases)
            order = np.concatenate([order[label[order] == c] for c in (0, 1)])  # stratified folds
            parts = [(f"seed{seed}-fold{f}", "", np.sort(order[f::5])) for f in range(5)]
        elif inference == "site":
            parts = [(f"site-{s}-seed{seed}", f"S{s}", np.flatnonzero(site == s)) for s in range(sites)]
        else:
            parts = [(f"holdout-seed{seed}", "", np.arange(cases // 5))]
        frames += [
            pd.DataFrame({"split": name, "seed": seed, "site": where, "case": [f"c{i:05}" for i in part], "label": label[part]})
            for name, where, part in parts
        ]
    return pd.concat(frames, ignore_index=True)


def made_scores(task: pd.DataFrame, strengths: dict[str, float], seed: int = 1) -> pd.DataFrame:
    """Probabilities whose logits carry the label with the given strengths, plus noise shared between methods."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=len(task))
    return pd.DataFrame(
        {
            name: 1 / (1 + np.exp(-(strength * (task["label"] - 0.5) + 0.8 * shared + 0.6 * rng.normal(size=len(task)))))
            for name, strength in strengths.items()
        }
    )


def run(task: pd.DataFrame, scores: pd.DataFrame, inference: str = "fold", **options) -> Comparison:
    thresholds = pd.DataFrame(0.5, index=task["split"].unique(), columns=scores.columns)
    options.setdefault("ranked", list(scores.columns))
    return compare(task, scores, thresholds, inference=inference, **options)


@pytest.fixture(scope="module")
def task() -> pd.DataFrame:
    return made_task()


@pytest.fixture(scope="module")
def scores(task) -> pd.DataFrame:
    return made_scores(task, {"weak": 0.3, "strong": 2.5, "good": 2.3, "control": 1.0}).assign(majority=0.35)


@pytest.fixture(scope="module")
def table(task, scores) -> Comparison:
    return run(task, scores, ranked=["weak", "strong", "good", "majority"])


def test_the_headline_is_the_mean_over_cells_and_the_second_opinion_the_corrected_t(task, scores, table):
    from sklearn.metrics import roc_auc_score

    aucs = {
        name: [roc_auc_score(part["label"], scores.loc[part.index, name]) for _, part in task.groupby("split", sort=False)]
        for name in scores
    }
    for name, values in aucs.items():
        assert table.metrics.loc[name, "auc"] == pytest.approx(np.mean(values))
        np.testing.assert_allclose(table.per_split["auc"].loc[name], values)
    assert list(table.per_split["auc"].columns) == list(task["split"].unique())
    pair = table.pairs.set_index(["a", "b"]).loc[("strong", "good")]
    test = corrected_t(np.subtract(aucs["strong"], aucs["good"]))
    np.testing.assert_allclose(pair[["difference", "p_nadeau_bengio"]].to_numpy(dtype=float), [test.mean, test.p])


def test_a_pair_is_tested_by_the_inflated_variance_of_its_patients_placements(task, scores, table):
    placed = {}
    for name in ("strong", "good"):
        parts = []
        for _, part in task.groupby("split", sort=False):
            score, label = scores.loc[part.index, name].to_numpy(), part["label"].to_numpy()
            won = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
            parts.append(
                pd.Series(np.where(label == 1, won[:, label == 0].mean(1), 1 - won[:, label == 1].mean(1)), part["case"])
            )
        placed[name] = pd.concat(parts).groupby(level=0).mean()
    label = task.groupby("case")["label"].first()
    d = placed["strong"] - placed["good"]
    sizes = [int((label == c).sum()) for c in (0, 1)]
    variance = sum(d[label == c].var() / size for c, size in enumerate(sizes))
    pair = table.pairs.set_index(["a", "b"]).loc[("strong", "good")]
    error = np.sqrt(inflation.ALL_PAIRS * variance)
    assert pair["error"] == pytest.approx(error)
    assert pair["p"] == pytest.approx(2 * student.sf(abs(pair["difference"]) / error, min(sizes) - 1))
    assert pair["high"] - pair["difference"] == pytest.approx(table.power.first_rejection_t * error)
    assert table.inflation == inflation.ALL_PAIRS and table.question_inflation == inflation.QUESTIONS


def test_ranks_and_best_set_come_from_the_matrix(table):
    assert list(table.metrics.index) == ["strong", "good", "control", "weak", "majority"]
    assert table.best_set["strong"] is True
    assert table.best_set["good"] is True
    assert table.best_set["majority"] is False
    assert table.best_set["control"] is None
    assert (table.rank_low["strong"], table.rank_high["strong"]) == (1, 2)
    assert (table.rank_low["weak"], table.rank_high["weak"]) == (3, 4), "neither it nor the constant is shown to be above .5"
    assert np.isnan(table.rank_low["control"])


def test_intervals_enclose_the_mean_and_stay_in_range(table):
    for metric in METRICS:
        inside = (table.low[metric] <= table.metrics[metric]) & (table.metrics[metric] <= table.high[metric])
        assert (inside | table.metrics[metric].isna()).all(), metric
    assert (table.low["auc"] >= 0).all()
    assert (table.high["auc"] <= 1).all()


def test_facts_are_noted(table, task, scores):
    assert "majority: constant predictions in 20 of 20 splits (AUC .5 there)" in table.notes
    assert table.auprc_baseline == pytest.approx(0.35, abs=1e-3)
    assert np.isnan(table.metrics.loc["majority", "calibration_slope"])
    twins = run(task, scores.assign(twin=scores["strong"]))
    pair = twins.pairs.set_index(["a", "b"]).loc[("strong", "twin")]
    assert pair["identical"]
    assert tuple(pair[["p", "p_adjusted", "p_nadeau_bengio", "p_holm", "p_mcnemar"]]) == (1, 1, 1, 1, 1)
    assert "strong and twin: identical predictions, the same run" in twins.notes


def test_power_is_printed(table):
    df = 70 - 1  # of 200 cases 70 are positive
    assert student.isf(0.05 / 2, df) < table.power.first_rejection_t < student.isf(0.05 / 6 / 2, df)
    assert 0 < table.power.detectable_alone < table.power.detectable < 0.5


def test_the_ensemble_column_scores_seed_averaged_predictions(task, scores, table):
    from sklearn.metrics import roc_auc_score

    averaged = scores.groupby(task["case"])["good"].mean()
    label = task.groupby("case")["label"].first()
    assert table.ensemble_auc["good"] == pytest.approx(roc_auc_score(label, averaged))


def test_a_monotone_transform_leaves_the_auc_tests_unchanged(task, scores, table):
    again = run(task, scores.assign(strong=scores["strong"] ** 3), ranked=["weak", "strong", "good", "majority"])
    tests = ["a", "b", "difference", "low", "high", "p", "p_adjusted", "p_nadeau_bengio", "p_holm"]
    pd.testing.assert_frame_equal(again.pairs[tests], table.pairs[tests])


def test_the_order_of_rows_and_columns_does_not_matter(task, scores, table):
    within = task.reset_index().sort_values(["case"], kind="stable")
    order = within.groupby("split", sort=False)["index"].apply(lambda rows: rows).droplevel(0).to_numpy()
    order = np.concatenate([order[task["split"].to_numpy()[order] == name] for name in task["split"].unique()])
    again = run(task.iloc[order], scores.iloc[order, ::-1], ranked=["weak", "strong", "good", "majority"])
    pd.testing.assert_frame_equal(again.metrics, table.metrics, atol=1e-9)
    pd.testing.assert_frame_equal(again.pairs, table.pairs, atol=1e-9)


def test_a_fold_with_one_class_makes_the_row_undefined_and_untested():
    task = made_task(40, positives=0.1)
    found = run(task, made_scores(task, {"a": 1.0, "b": 2.0}))
    assert found.metrics["auc"].isna().all()
    assert found.metrics["accuracy"].notna().all()
    assert found.pairs["p"].isna().all()
    assert found.rank_low.isna().all()
    assert list(found.best_set) == [None, None]


def test_a_perfect_method_has_the_degenerate_interval_of_the_corrected_t(task):
    perfect = pd.DataFrame({"perfect": task["label"] * 0.8 + 0.1}).join(made_scores(task, {"a": 1.0}))
    found = run(task, perfect)
    assert (found.metrics.loc["perfect", "auc"], found.low.loc["perfect", "auc"], found.high.loc["perfect", "auc"]) == (1, 1, 1)
    assert found.best_set["perfect"] is True


def test_a_lower_brier_score_is_better(task, scores):
    found = run(task, scores, metric="brier")
    assert found.metrics["brier"].is_monotonic_increasing
    assert found.best_set[found.metrics.index[0]] is True
    assert (found.pairs["p"] == found.pairs["p_nadeau_bengio"]).all() and np.isnan(found.inflation)
    assert (found.pairs["p_adjusted"] == found.pairs["p_holm"]).all()


def test_an_interim_table_has_estimates_only(task, scores):
    first = task[task["seed"] == 39]
    found = run(first, scores.loc[first.index], interim=True)
    assert found.metrics["auc"].notna().all()
    assert found.low.isna().all(axis=None)
    assert found.pairs[["p", "p_adjusted", "p_holm", "p_mcnemar"]].isna().all(axis=None)
    assert found.rank_low.isna().all()


def test_few_sites_are_descriptive():
    task = made_task(200, 4, "site")
    found = run(task, made_scores(task, {"a": 1.0, "b": 2.0}), "site")
    assert found.low.isna().all(axis=None)
    assert found.pairs[["p", "p_adjusted", "p_nadeau_bengio", "p_holm", "p_sign_flip"]].isna().all(axis=None)
    assert found.rank_low.isna().all()
    assert list(found.best_set) == [None, None]
    assert np.isnan(found.power.detectable)
    assert found.heterogeneity is not None
    assert "4 sites are too few" in " ".join(found.notes)


def test_a_sites_score_is_the_mean_over_seeds_and_the_headline_the_mean_over_sites():
    task = made_task(400, 8, "site")
    scores = made_scores(task, {"a": 0.5, "b": 2.0})
    found = run(task, scores, "site")
    by_split = found.per_split["auc"]
    by_site = by_split.T.groupby(task.groupby("split")["site"].first()).mean()
    pd.testing.assert_frame_equal(found.per_site[["b", "a"]], by_site[["b", "a"]], check_names=False)
    assert found.metrics.loc["a", "auc"] == pytest.approx(by_site["a"].mean())
    from scipy.stats import ttest_rel

    pair = found.pairs.iloc[0]
    assert pair["p"] == pytest.approx(ttest_rel(by_site["a"], by_site["b"]).pvalue)
    assert pair["p_sign_flip"] == 2 / 2**8
    assert found.best_set["b"] is True
    assert found.best_set["a"] is False
    assert found.heterogeneity.loc["a", "worst_site"] == by_site["a"].idxmin()
    assert found.low.loc["a", "auc"] < found.metrics.loc["a", "auc"] < found.high.loc["a", "auc"]


def test_a_small_or_one_class_site_is_shown_marked_and_left_out():
    task = made_task(400, 8, "site")
    task.loc[task["site"] == "S3", "label"] = 0
    scores = made_scores(task, {"a": 0.5, "b": 2.0})
    found = run(task, scores, "site")
    assert found.per_site["small"].tolist() == [site == "S3" for site in found.per_site.index]
    assert np.isnan(found.per_site.loc["S3", "a"])
    assert found.metrics.loc["a", "auc"] == pytest.approx(found.per_site.loc[~found.per_site["small"], "a"].mean())
    assert "site S3 has fewer than 5 of a class: shown, left out of the mean" in found.notes


def test_with_no_site_large_enough_nothing_is_guessed():
    task = made_task(40, 8, "site")
    found = run(task, made_scores(task, {"a": 0.5, "b": 2.0}), "site")
    assert found.metrics.isna().all(axis=None)
    assert found.per_site["small"].all()


def test_holdout_is_delong_without_the_resampling_factor():
    task = made_task(400, inference="held-out")
    one_seed = made_scores(task[task["seed"] == 39], {"a": 0.5, "b": 1.5})
    scores = pd.concat([one_seed] * 4, ignore_index=True)  # methods that the seed does not change
    found = run(task, scores, "held-out")
    auc, cov, test = delong_test(task["label"].to_numpy()[:80], one_seed.to_numpy().T)
    assert found.metrics.loc[["a", "b"], "auc"].tolist() == pytest.approx(auc.tolist())
    positives = int(task["label"].to_numpy()[:80].sum())
    assert found.pairs["p"][0] == pytest.approx(2 * student.sf(abs(test.statistic[0]), min(positives, 80 - positives) - 1))
    assert found.pairs["p_adjusted"][0] == found.pairs["p"][0] and found.inflation == 1
    half = 1.959963984540054 * np.sqrt(cov[0, 0]) / (auc[0] * (1 - auc[0]))
    assert np.log(found.high.loc["a", "auc"] / (1 - found.high.loc["a", "auc"])) == pytest.approx(
        np.log(auc[0] / (1 - auc[0])) + half
    )
    assert found.low["f1"].isna().all()
    assert (found.spread["f1"] == 0).all()
    assert "conditional on the trained models" in found.notes[0]


def test_an_unknown_inference_is_descriptive(task, scores):
    found = run(task, scores, "bootstrap")
    assert found.pairs["p"].isna().all()
    assert found.low.isna().all(axis=None)


def test_one_ranked_row_stands_alone(task, scores):
    found = run(task, scores, ranked=["good"])
    assert len(found.pairs) == 0
    assert (found.rank_low["good"], found.rank_high["good"], found.best_set["good"]) == (1, 1, True)


def test_input_errors_say_what_is_wrong(task, scores):
    with pytest.raises(UnknownNameError, match="unknown metric 'aucc'"):
        run(task, scores, metric="aucc")
    with pytest.raises(BenchmarkError, match="cannot rank"):
        run(task, scores, metric="calibration_slope")
    with pytest.raises(UnknownNameError, match="did you mean 'strong'"):
        run(task, scores, ranked=["stron"])
    with pytest.raises(BenchmarkError, match="weak: predictions are missing"):
        run(task, scores.assign(weak=scores["weak"].where(task["seed"] > 39)))
    with pytest.raises(BenchmarkError, match="different rows"):
        run(task, scores.iloc[1:])


@pytest.mark.parametrize(("cases", "limit"), [(620, 2.5), (19_285, 5.0)])
def test_a_table_of_30_methods_takes_little_time(cases, limit):
    task = made_task(cases)
    scores = made_scores(task, {f"m{m:02}": m / 3 for m in range(30)})
    start = time.process_time()  # of the processor, so that other work on the machine does not count
    run(task, scores)
    assert time.process_time() - start < limit


def test_constant_predictions_have_no_seed_averaged_auc_and_twins_of_them_do_not_shrink_the_family():
    rng = np.random.default_rng(1)
    label = np.arange(60) % 2
    parts = []
    for seed in (39, 40, 41, 42):
        order = np.random.default_rng(seed).permutation(60)
        for fold in range(5):
            rows = order[fold::5]
            parts.append(
                pd.DataFrame({"split": f"{seed}-{fold}", "seed": seed, "site": "", "case": rows, "label": label[rows]})
            )
    task = pd.concat(parts, ignore_index=True)
    constant = task.groupby("split")["label"].transform("mean")
    scores = pd.DataFrame({"a": constant, "b": constant, "c": rng.random(len(task))})
    thresholds = pd.DataFrame(0.5, index=task["split"].unique(), columns=list("abc"))
    found = compare(task, scores, thresholds, inference="fold", ranked=list("abc"))
    assert np.isnan(found.ensemble_auc["a"]) and np.isfinite(found.ensemble_auc["c"])
    assert found.power.pairs == 3 and found.power.detectable > 0.01


def test_with_few_labels_tests_and_intervals_of_aucs_are_wider_and_the_second_opinion_stays(task):
    scores = made_scores(task, {"a": 1.6, "b": 1.0, "c": 0.4})
    families = {"one": [("a", "b")]}
    usual, few = (run(task, scores, inference, families=families) for inference in ("fold", "few-labels"))
    assert (few.inflation, few.question_inflation) == (inflation.FEW_LABELS, inflation.FEW_LABELS)
    width = few.families["one"]["high"] - few.families["one"]["low"]
    before = usual.families["one"]["high"] - usual.families["one"]["low"]
    assert width[0] / before[0] == pytest.approx((inflation.FEW_LABELS / inflation.QUESTIONS) ** 0.5)
    assert (few.pairs["p"] > usual.pairs["p"]).all()
    pd.testing.assert_series_equal(few.pairs["p_nadeau_bengio"], usual.pairs["p_nadeau_bengio"])
    ratio = [_logits(found.high["auc"]) - _logits(found.low["auc"]) for found in (few, usual)]
    assert (ratio[0] / ratio[1]).to_numpy() == pytest.approx((inflation.ROW_WITH_FEW_LABELS / RESAMPLING) ** 0.5)
    others = [name for name in few.low if name not in AREAS]
    pd.testing.assert_frame_equal(few.low[others], usual.low[others])


def _logits(values):
    return np.log(values / (1 - values))


@pytest.mark.parametrize(("mean", "p"), [(0.52, 1.0), (0.7, None)])
def test_no_difference_is_called_between_mean_aucs_that_are_not_shown_to_be_above_half(task, mean, p):
    scores = made_scores(task, {"a": 1.0, "b": 0.4})
    splits = list(dict.fromkeys(task["split"]))
    wobble = np.linspace(-0.05, 0.05, len(splits))
    macro = pd.DataFrame({"a": mean + wobble, "b": 0.44 + wobble + 1e-3 * np.cos(np.arange(len(splits)))}, index=splits)
    found = run(task, scores, "fold", metric="zero_shot_auc_macro", further={"zero_shot_auc_macro": macro})
    (pair,) = found.pairs.itertuples()
    assert pair.p < 1e-6
    assert pair.near_chance == (p is not None)
    assert pair.p_adjusted == (pair.p if p is None else p)


def test_sixty_rows_are_ranked_lettered_and_put_into_the_best_set_by_one_matrix(task):
    found = run(task, made_scores(task, {f"m{m:02}": m / 15 for m in range(60)}))
    pairs = found.pairs
    assert len(pairs) == 60 * 59 // 2
    better, worse = dict.fromkeys(found.letters.index, 0), dict.fromkeys(found.letters.index, 0)
    for pair in pairs.itertuples():
        shared = bool(set(found.letters[pair.a]) & set(found.letters[pair.b]))
        assert shared == (pair.p_adjusted >= 0.05)
        if not shared:
            winner, loser = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
            better[loser] += 1
            worse[winner] += 1
    assert {name: 1 + count for name, count in better.items()} == found.rank_low.to_dict()
    assert {name: 60 - count for name, count in worse.items()} == found.rank_high.to_dict()
    assert {name for name, count in better.items() if not count} == set(found.best_set[found.best_set.eq(True)].index)
    assert 1 < found.best_set.sum() < 60


def test_of_many_rows_the_pairs_of_the_first_and_of_neighbours_are_listed_and_none_has_letters(task, monkeypatch):
    scores = made_scores(task, {f"m{m}": m / 3 for m in range(6)})
    whole = run(task, scores)
    pd.testing.assert_frame_equal(whole.listed, whole.pairs)
    monkeypatch.setattr(comparison, "MANY_ROWS", 5)
    many = run(task, scores)
    pd.testing.assert_frame_equal(many.pairs, whole.pairs)
    first, *others = many.metrics.index
    listed = {frozenset(pair) for pair in many.listed[["a", "b"]].to_numpy().tolist()}
    assert listed == {frozenset(pair) for pair in [*((first, name) for name in others), *pairwise(others)]}
    assert set(many.letters) == {""} and set(whole.letters) != {""}
    pd.testing.assert_series_equal(many.rank_low, whole.rank_low)
    assert [note for note in many.notes if note not in whole.notes] == [comparison.MANY]


def test_swapping_the_rows_of_a_pair_swaps_signs_and_keeps_every_probability(task, scores):
    one = run(task, scores, ranked=["weak", "strong"]).pairs.iloc[0]
    other = run(task, scores, ranked=["strong", "weak"]).pairs.iloc[0]
    assert (one.a, one.b) == (other.b, other.a)
    assert one.difference == -other.difference and (one.low, one.high) == (-other.high, -other.low)
    for name in ("p", "p_adjusted", "p_holm", "p_equivalent", "p_mcnemar", "p_mcnemar_recall", "p_mcnemar_specificity"):
        assert one[name] == pytest.approx(other[name], abs=1e-12), name


def test_identical_scores_are_equal_and_not_different(task, scores):
    pair = run(task, scores.assign(twin=scores["good"]), ranked=["good", "twin"]).pairs.iloc[0]
    assert pair.identical and pair.difference == 0
    assert (pair.p, pair.p_adjusted, pair.p_holm, pair.p_mcnemar, pair.p_equivalent) == (1.0, 1.0, 1.0, 1.0, 1.0)


def test_a_single_positive_case_leaves_the_auc_undefined_and_untested():
    task = made_task(100, positives=0.01)
    found = run(task, made_scores(task, {"one": 1.0, "two": 2.0}))
    assert found.metrics["auc"].isna().all() and found.pairs["p"].isna().all()
    assert found.rank_low.isna().all() and (found.letters == "").all()
    assert found.metrics["brier"].notna().all()


def test_ties_count_half(task):
    coarse = made_scores(task, {"fine": 1.5, "other": 1.0}).round(1)
    from sklearn.metrics import roc_auc_score

    found = run(task, coarse)
    expected = [roc_auc_score(rows["label"], coarse.loc[rows.index, "fine"]) for _, rows in task.groupby("split")]
    assert found.metrics.at["fine", "auc"] == pytest.approx(np.mean(expected), abs=1e-12)


def test_every_case_doubled_gives_the_error_of_the_undoubled_set(task, scores):
    alone = run(task, scores)
    twice = pd.concat([task.assign(group=task["case"]), task.assign(case=task["case"] + "b", group=task["case"])])
    order = np.argsort(pd.factorize(twice["split"])[0], kind="stable")
    both = pd.concat([scores, scores]).iloc[order].reset_index(drop=True)
    doubled = run(twice.iloc[order].reset_index(drop=True), both)
    columns = ["difference", "error", "p", "p_adjusted", "low", "high", "p_mcnemar", "p_mcnemar_recall"]
    pd.testing.assert_frame_equal(doubled.pairs[columns], alone.pairs[columns], rtol=1e-9)
    pd.testing.assert_frame_equal(doubled.high[["auc"]], alone.high[["auc"]], rtol=1e-9)
    ungrouped = run(twice.iloc[order].reset_index(drop=True).drop(columns="group"), both)
    assert (ungrouped.pairs["error"] < 0.75 * doubled.pairs["error"]).all(), "that is what the groups are for"


def test_a_family_named_in_advance_is_adjusted_by_itself_in_a_single_step(task, scores, table):
    families = {"one": [("strong", "weak")], "two": [("weak", "strong"), ("control", "good")]}
    found = run(task, scores, ranked=["weak", "strong", "good", "majority"], families=families)
    pd.testing.assert_frame_equal(found.pairs, table.pairs)
    one, two = found.families["one"], found.families["two"]
    assert one["p_adjusted"][0] == one["p"][0] and list(two["b"]) == ["strong", "good"]
    pair = table.pairs.set_index(["a", "b"]).loc[("weak", "strong")]
    assert one["difference"][0] == -pair["difference"] == -two["difference"][0]
    factor = np.sqrt(inflation.QUESTIONS / inflation.ALL_PAIRS)
    np.testing.assert_allclose(one["error"][0], factor * pair["error"])
    assert (two["p_adjusted"] >= two["p"]).all()
    assert ((two["p_adjusted"] < 0.05) == (two["low"] * two["high"] > 0)).all(), "p and interval agree"


def test_more_than_60_rows_are_adjusted_in_a_single_step(task):
    found = run(task, made_scores(task, {f"m{m:02}": m / 15 for m in range(61)}))
    assert ((found.pairs["p_adjusted"] < 0.05) == (found.pairs["low"] * found.pairs["high"] > 0)).all()


def test_intervals_and_p_hold_for_all_pairs_together_where_holm_adjusts(task, scores):
    found = run(task, scores, metric="brier", families={"asked": [("strong", "weak"), ("strong", "good")]})
    tests = len(found.pairs)
    by_fold = found.per_split["brier"]
    for pair in found.pairs.itertuples():
        test = corrected_t(by_fold.loc[pair.a] - by_fold.loc[pair.b])
        half = student.isf(0.05 / 2 / tests, 19) * test.error
        assert (pair.low, pair.high) == pytest.approx((pair.difference - half, pair.difference + half))
    asked = found.families["asked"]
    assert asked["p_adjusted"].tolist() == pytest.approx(np.minimum(asked["p"] * 2, 1).tolist())
    assert ((asked["p_adjusted"] < 0.05) == (asked["low"] * asked["high"] > 0)).all()


def test_pairs_near_chance_stay_in_the_maximum_of_every_step():
    above, a, b = np.array([0.5] * 12 + [1e-9]), *np.triu_indices(13, 1)
    auc = np.array([0.43, 0.57] * 6 + [0.655])
    areas = Areas(auc, np.eye(13) * 4e-4, 300, 1.0, 1.0)
    blank = Inferred({}, auc, 0.5, areas=areas, above_chance=above)
    pairs = Pairs(a, b, np.arange(len(a)))
    found = all_pairs(blank, pairs, 0)
    silent = (a < 12) & (b < 12)
    assert (found.p_adjusted[silent] == 1).all() and (found.near_chance == silent).all()
    single = named(blank, pairs)
    greatest = np.argmax(np.where(silent, 0, np.abs(auc[a] - auc[b])))
    assert found.p_adjusted[greatest] == pytest.approx(single.p_adjusted[greatest], abs=0.005), "it competes with all pairs"


def test_a_row_without_any_p_has_no_rank():
    task = made_task(400, inference="held-out")
    task["label"] = (task["case"] == "c00003").astype(int)
    found = run(task, made_scores(task, {"a": 0.5, "b": 1.5}), "held-out")
    assert found.pairs["p"].isna().all()
    assert found.rank_low.isna().all() and list(found.best_set) == [None, None]
