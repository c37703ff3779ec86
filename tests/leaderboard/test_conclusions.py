"""The sentences of the leaderboard say no more than its numbers do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cells.rows import Row, TableRows, of_findings
from benchmark.cells.task import Task, TaskSplit, read_task, write_task
from benchmark.cells.task import make_task as task_of
from benchmark.data.cohort import Cohort
from benchmark.data.findings import FINDING
from benchmark.data.splits import Split
from benchmark.leaderboard.conclusions import conclusion, of_the_proposed
from benchmark.leaderboard.exports import as_json
from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.remarks import causes, notes, progress
from benchmark.leaderboard.standings import Standings, standings
from benchmark.registry.cards import DatasetCard
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Entry
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import CARD, LABELS, made_task, row, table


def test_rows_of_equal_worth_are_said_to_be_indistinguishable():
    task = made_task()
    found = table(task, [row(task, name, 0.7) for name in ("alpha", "beta", "gamma")])
    assert all(found.comparison.pairs.p_adjusted > 0.05)
    assert "No difference in AUC between the 3 rows is shown." in conclusion(found)
    assert {tuple(item["rank"]) for item in as_json("s", [found])["tables"][0]["rows"]} == {(1, 3)}


def test_one_clear_winner_is_named_only_if_it_beats_each_other_row():
    task = made_task()
    clear = table(task, [row(task, "strong", 3.0), row(task, "weak", 0.3), row(task, "null", 0.0)])
    best = clear.comparison.metrics.at["strong", "auc"]
    assert conclusion(clear).startswith(f"`strong` has the best AUC, {best:.3f} (")
    assert "It is significantly better than each of the other 2 rows." in conclusion(clear)


@pytest.mark.parametrize(
    ("strength", "said"),
    [(1.7, "; significantly worse than none."), (0.7, "; significantly worse than `alpha` and `beta`.")],
)
def test_the_proposed_rows_place_and_what_differs_from_it_is_said(strength: float, said: str):
    task = made_task()
    others = [row(task, "alpha", 2.0), row(task, "beta", 1.9), row(task, "null", 0.0)]
    found = table(task, [*others, row(task, "vdafm", strength)])
    told = of_the_proposed(found, discover())
    mean, low, high = (
        frame.at["vdafm", "auc"] for frame in (found.comparison.metrics, found.comparison.low, found.comparison.high)
    )
    bounds = dict.fromkeys([found.comparison.rank_low["vdafm"], found.comparison.rank_high["vdafm"]])
    place = f"rank {'-'.join(f'{bound:.0f}' for bound in bounds)} of 4; significantly better than `null`; "
    assert told.startswith(f" The proposed `vdafm` has AUC {mean:.3f} ({low:.3f} to {high:.3f}), {place}")
    assert told.endswith(said)
    ablated = [row(task, "vdafm", 1.0), row(task, "vdafm[zeroed=text]", 0.9)]
    for rows in (others, ablated):
        assert of_the_proposed(table(task, rows), discover()) == ""


def test_a_suite_that_ranks_one_row_says_that_it_tests_nothing():
    task = made_task()
    found = table(task, [row(task, "alpha", 2.0), row(task, "shown", 0.0)], ("shown",))
    assert conclusion(found).startswith("This suite ranks fewer than two rows")


def test_thresholds_that_a_row_chose_are_told():
    task = made_task()
    chosen = replace(row(task, "chosen", 2.0), thresholds={split.name: 0.25 + 0.01 * i for i, split in enumerate(task.splits)})
    assert notes(table(task, [chosen, row(task, "null", 1.0)])) == [
        "chosen: uses its own thresholds, 0.250 to 0.440, instead of 0.5"
    ]


def test_cells_that_predict_nearly_the_same_for_every_case_are_counted():
    task = made_task()
    own = row(task, "settled", 2.0)
    first = task.splits[0].name
    flat = {**own.probabilities, first: 0.475 + 0.05 * own.probabilities[first]}
    told = notes(table(task, [own, replace(own, method="flat", probabilities=flat)]))
    assert told == ["cells in which the SD of the probabilities is below 0.1, nearly the same for every case: `flat` 1 of 20"]


def test_of_many_causes_three_are_told_with_the_number_of_the_others_and_of_splits_to_come():
    task = made_task()
    item = row(task, "broken", 1.0, splits=2)
    failures = tuple((split.name, "failed", f"cause {i}") for i, split in enumerate(task.splits[2:7]))
    item = replace(item, failures=failures, outcomes=Counter(ok=2, failed=5))
    found = table(task, [row(task, "alpha", 2.0), item])
    told = ["failed: cause 0", "failed: cause 1", "failed: cause 2", "and 2 more causes", "13 not computed yet"]
    assert causes(found.partial[0]) == told


def test_a_leaderboard_without_rows_names_the_command_of_its_own_suite():
    text = render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [], discover())
    assert "run `python -m benchmark run --suite made.toml`." in text


def test_commands_of_a_suite_of_ones_own_name_its_file():
    text = render(Suite("own", "Own", ("made",), ("repeated-cv",), ()), [], discover())
    assert "rank --suite own.toml`" in text
    assert "run --suite own.toml`" in text
    assert "--suite own`" not in text


def test_descriptive_rows_to_come_are_named_and_ranked_ones_by_the_conclusion():
    task = made_task()
    rows = tuple(row(task, name, 1.0) for name in ("one", "two"))
    entry: Entry[DatasetCard] = Entry("dataset", "made", Path("made.py"), "Made", CARD)
    to_come = ("last", *(f"shown-{i}" for i in range(14)))
    found = standings(TableRows(task, entry, "fold", rows, (), (), ("one", "two", "last"), (), to_come), "auc")
    (said,) = [note for note in notes(found) if "not computed yet" in note]
    assert said.startswith("descriptive rows not computed yet: `shown-0`, ")
    assert said.endswith("`shown-11` and 2 more")


def test_splits_that_failed_count_as_done_in_a_table_in_progress():
    task = made_task()
    failing = replace(row(task, "failing", 1.0, splits=0), outcomes=Counter(failed=10))
    found = table(task, [row(task, "going", 1.0, splits=10), failing])
    assert progress(found) == "Interim, 10 of 20 splits."


def test_the_site_is_what_the_datasets_spelling_chose():
    task = made_task("leave-one-site-out", 6)
    found = table(task, [row(task, "alpha", 2.0), row(task, "null", 0.0)])
    assert found.site == "hospital"
    object.__setattr__(task, "dataset", "made[site=hospital-group]")
    assert found.site == "hospital group"
    assert "site (hospital group)" in render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [found], discover())


def test_two_leaders_that_do_not_differ_share_the_best_set():
    task = made_task()
    found = table(task, [row(task, "one", 2.0), row(task, "two", 2.0), row(task, "null", 0.0)])
    said = conclusion(found)
    assert "2 of 3 rows are in the best set, which no row significantly outperforms: `" in said
    assert "`null` is significantly worse than at least one row." in said
    pairs = found.comparison.pairs
    greatest = pairs.loc[pairs["difference"].abs().idxmax()]
    low, high = sorted([abs(greatest["low"]), abs(greatest["high"])])
    apart = f"{abs(greatest['difference']):+.3f} ({low:+.3f} to {high:+.3f})"
    assert f"The greatest of 2 differences shown is that of `one` from `null`, {apart}." in said
    assert said.count(". ") < 6


def test_a_table_in_progress_concludes_nothing_and_has_no_p_values():
    task = made_task()
    found = table(task, [row(task, "done", 3.0), row(task, "also", 0.0), row(task, "going", 1.0, splits=5)])
    assert found.interim and found.comparison.pairs.p.isna().all()
    assert conclusion(found).startswith("Interim")


def test_a_failed_row_leaves_the_tests_of_the_others_alone_and_stands_with_its_cause():
    task = made_task()
    found = table(task, [row(task, "done", 3.0), row(task, "also", 0.0), row(task, "broken", 9.0, splits=7, failed="x | y")])
    assert not found.interim and found.comparison.pairs.p.notna().all()
    assert "broken" not in set(found.comparison.metrics.index)
    text = render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [found], discover())
    assert "| `broken` | 7/20 |" in text and "failed: x \\| y" in text


@pytest.mark.parametrize("sites", [4, 5])
def test_few_sites_give_neither_intervals_nor_p_values_nor_ranks(sites):
    task = made_task("leave-one-site-out", sites)
    found = table(task, [row(task, "strong", 3.0), row(task, "null", 0.0)])
    assert conclusion(found).startswith(f"Descriptive: with {sites} sites")
    content = as_json("s", [found])["tables"][0]
    assert all(item["rank"] is None and item["metrics"]["auc"]["ci"] is None for item in content["rows"])
    assert all(pair["p"] is None for pair in content["pairs"])
    assert "| p, all pairs |" not in render(Suite("made", "Made", ("made",), (), ()), [found], discover())


def test_six_sites_are_tested_over_sites():
    task = made_task("leave-one-site-out", 6)
    found = table(task, [row(task, "strong", 3.0), row(task, "null", 0.0)])
    assert found.comparison.pairs.p.notna().all()
    assert "It is significantly better than the other row." in conclusion(found)
    text = render(Suite("made", "Made", ("made",), (), ()), [found], discover())
    assert "| method | random-effects mean (Hartung-Knapp 95 % CI) | tau | I2 | worst site |" in text
    worst = found.comparison.per_site["null"].idxmin()
    assert any(line.startswith("| `null` |") and f"| {worst} (" in line for line in text.splitlines())


def test_holdout_shows_the_spread_over_seeds_as_spread_and_is_conditional():
    cv = made_task()
    parts = tuple(TaskSplit(f"holdout-seed{seed}", seed, "", cv.splits[0].test, str(seed)) for seed in (39, 40, 41, 42))
    task = Task("made", "holdout", "d", cv.case_ids, LABELS, None, parts, {})
    rng = np.random.default_rng(0)
    strong = row(task, "strong", 2.0)
    for item in strong.probabilities.values():
        item[:] = np.clip(item + 0.2 * rng.random(len(item)), 0, 1)
    found = table(task, [strong, row(task, "null", 0.0)])
    aucs = found.comparison.per_split["auc"].loc["strong"]
    text = render(Suite("made", "Made", ("made",), (), ()), [found], discover())
    assert f"SD over seeds {aucs.std(ddof=1):.3f}" in text
    assert "Conditional on the trained models." in conclusion(found)


def test_a_metric_without_a_test_is_not_called_undefined():
    cv = made_task()
    parts = tuple(TaskSplit(f"holdout-seed{seed}", seed, "", cv.splits[0].test, str(seed)) for seed in (39, 40))
    task = Task("made", "holdout", "d", cv.case_ids, LABELS, None, parts, {})
    entry: Entry[DatasetCard] = Entry("dataset", "made", Path("made.py"), "Made", CARD)
    rows = TableRows(task, entry, "held-out", (row(task, "a", 1.0), row(task, "b", 0.0)), (), (), ("a", "b"))
    assert conclusion(standings(rows, "accuracy")).startswith("Descriptive: accuracy cannot be tested here")


def test_the_second_opinion_over_folds_stands_beside_the_primary_test():
    task = made_task()
    found = table(task, [row(task, "strong", 0.35), row(task, "null", 0.0)])
    pair = found.comparison.pairs.iloc[0]
    text = render(Suite("m", "M", ("made",), (), ()), [found], discover())
    line = next(line for line in text.splitlines() if line.startswith("|") and "`null`" in line)
    assert 0.001 < pair.p_holm < 0.0995 and pair.p_holm != pair.p_adjusted
    head = next(line for line in text.splitlines() if line.startswith("| rank |")).split(" | ")
    assert line.split(" | ")[head.index("second opinion (Nadeau-Bengio, Holm)")] == f"{pair.p_holm:.3f}"


def test_descriptive_rows_are_shown_and_never_tested():
    task = made_task()
    found = table(task, [row(task, "a", 1.0), row(task, "b", 1.0), row(task, "best", 9.0)], descriptive=("best",))
    assert set(found.comparison.pairs.a) | set(found.comparison.pairs.b) == {"a", "b"}
    best = next(item for item in as_json("s", [found])["tables"][0]["rows"] if item["method"] == "best")
    assert best["rank"] is None and best["best_set"] is None and not best["ranked"]
    assert conclusion(found).startswith("`b` has the best AUC of the ranked rows, ")
    assert "descriptive `best`, which is not tested, has 1.000" in conclusion(found)
    assert "of the ranked rows" not in conclusion(table(task, [row(task, "a", 2.0), row(task, "b", 1.0)]))


def test_a_method_that_ran_once_counts_for_every_seed():
    task = made_task("leave-one-site-out", 4)
    full = row(task, "steady", 1.0)
    once = Row("steady", "local", 4, dict(list(full.probabilities.items())[:4]), full.thresholds, Counter(ok=4))
    assert once.complete
    several, single = (table(task, [item, row(task, "null", 0.0)]) for item in (full, once))
    assert single.comparison.metrics.loc["steady"].to_numpy() == pytest.approx(
        several.comparison.metrics.loc["steady"].to_numpy()
    )


def test_no_difference_is_called_between_two_rows_near_chance_and_a_note_says_so():
    task = made_task()
    weak, wrong = row(task, "weak", 0.12), row(task, "wrong", -0.12)
    shared = np.random.default_rng(3).normal(size=200)
    for item, sign in ((weak, 1), (wrong, -1)):
        for name in item.probabilities:
            test = task.by_name[name].test
            item.probabilities[name][:] = 1 / (1 + np.exp(-(sign * 0.12 * (2 * LABELS[test] - 1) + shared[test])))
    found = table(task, [weak, wrong])
    assert (found.comparison.low["auc"] < 0.5).all() and found.comparison.pairs.p[0] < 0.05
    assert found.comparison.pairs.p_adjusted[0] == 1.0 and found.comparison.best_set.all()
    assert "No difference in AUC between the 2 rows is shown." in conclusion(found)
    assert any("neither AUC is shown to be above .5" in note for note in found.comparison.notes)


def test_a_twin_changes_nothing_but_its_own_pair():
    task = made_task()
    one = row(task, "one", 1.0)
    twin = Row("twin", "local", one.cells, one.probabilities, one.thresholds, one.outcomes)
    found = table(task, [one, twin, row(task, "null", 0.0)])
    alone = table(task, [one, row(task, "null", 0.0)])
    assert found.comparison.power.pairs == 3
    with_twin = found.comparison.pairs.set_index(["a", "b"])
    assert with_twin.at[("one", "twin"), "p_adjusted"] == 1 and with_twin.at[("one", "twin"), "identical"]
    p, before = with_twin.at[("one", "null"), "p_adjusted"], alone.comparison.pairs.p_adjusted[0]
    assert p == pytest.approx(before, abs=0.003), "the twin's pair is the same comparison"


def test_what_a_table_can_show_is_said_for_its_family_and_for_one_comparison_alone():
    task = made_task()
    found = table(task, [row(task, f"row-{i}", 1.0 + i / 10) for i in range(6)])
    said = conclusion(found)
    family = float(said.partition("True differences under ")[2].split()[0])
    alone = float(said.partition("may be missed here (")[2].split()[0])
    assert (family, alone) == (round(found.comparison.power.detectable, 3), round(found.comparison.power.detectable_alone, 3))
    assert 0 < alone < family


def test_letters_stand_in_the_table_and_agree_with_the_best_set():
    task = made_task()
    found = table(task, [row(task, "one", 2.0), row(task, "two", 2.0), row(task, "null", 0.0)])
    comparison = found.comparison
    assert comparison.letters["null"] == "b"
    assert [name for name in comparison.metrics.index if "a" in comparison.letters[name]] == ["one", "two"]
    text = render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [found], discover())
    head = next(line for line in text.splitlines() if line.startswith("| rank |")).split("|")
    line = next(line for line in text.splitlines() if line.startswith("| 3 | `null`")).split("|")
    assert line[head.index(" letters ")].strip() == "b"


def test_rows_are_called_equal_only_where_the_probability_says_so():
    task = made_task()
    one = row(task, "one", 2.0)
    twin = Row(
        "twin", "local", 20, {k: np.clip(p + 1e-4, 0, 1) for k, p in one.probabilities.items()}, one.thresholds, one.outcomes
    )
    said = conclusion(table(task, [one, twin, row(task, "null", 0.0)]))
    assert "Shown to be equal within 0.01 (probability above 0.95): `one` and `twin`." in said
    others = table(task, [one, row(task, "two", 1.9), row(task, "null", 0.0)])
    assert others.comparison.pairs.p_adjusted.max() > 0.05
    assert "Shown to be equal" not in conclusion(others)
    assert "rows that are not shown to differ need not be equal" in conclusion(others)


def test_a_pair_that_differs_is_not_called_equal_however_small_the_difference():
    task = made_task()
    one = row(task, "one", 2.0)
    below = {name: p.copy() for name, p in one.probabilities.items()}
    for name, p in below.items():
        labels = LABELS[task.by_name[name].test]
        moved = np.flatnonzero(labels == 1)[p[labels == 1].argsort()[-3]]
        p[moved] = max(p[(labels == 0) & (p < p[moved])]) - 1e-9
    worse = Row("worse", "local", 20, below, one.thresholds, one.outcomes)
    found = standings(table(task, [one, worse]).rows, "auprc")
    pair = found.comparison.pairs.iloc[0]
    assert pair.p_adjusted < 0.05 and pair.p_equivalent > 0.95
    assert "Shown to be equal" not in conclusion(found)


def test_rows_that_are_still_to_come_count_in_the_correction_and_in_the_ranks():
    task = made_task()
    rows = [row(task, "one", 2.0), row(task, "null", 0.0)]
    entry: Entry[DatasetCard] = Entry("dataset", "made", Path("made.py"), "Made", CARD)
    told = standings(TableRows(task, entry, "fold", tuple(rows), (), (), ("one", "null", "later", "last")), "auc")
    pair = told.comparison.pairs.iloc[0]
    assert pair.p_adjusted == pytest.approx(min(1.0, 6 * pair.p)) and told.comparison.power.pairs == 6
    assert (told.comparison.rank_low["one"], told.comparison.rank_high["one"]) == (1, 3)
    assert "2 of 4 ranked rows are complete; missing: `later` and `last`." in conclusion(told)
    assert "The correction and the ranks count rows still to come." in conclusion(told)


def test_own_rows_among_published_ones_are_named():
    task = made_task()
    mine = row(task, "mine", 2.0)
    published = Row("published", "reference", 20, row(task, "p", 0.0).probabilities, mine.thresholds, mine.outcomes)
    assert "`mine`: computed on this machine" in conclusion(table(task, [mine, published]))
    assert "computed on this machine" not in conclusion(table(task, [mine, row(task, "null", 0.0)]))


def test_a_failed_row_is_placed_as_if_its_missing_cells_were_chance():
    task = made_task()
    best = row(task, "best", 3.0, splits=10, failed="out of patience")
    found = table(task, [best, row(task, "good", 3.0), row(task, "null", 0.0)])
    (partial,) = found.partial
    assert partial.penalised == pytest.approx((10 * partial.mean + 10 * 0.5) / 20)
    assert partial.place == 2
    text = render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [found], discover())
    assert f"{partial.penalised:.3f} (place 2)" in text


def test_a_row_that_is_still_being_computed_has_no_place():
    task = made_task()
    found = table(task, [row(task, "good", 3.0), row(task, "null", 0.0), row(task, "going", 3.0, splits=10)])
    assert found.partial[0].place is None


def test_six_sites_give_mean_ranks_and_a_critical_difference_and_fewer_do_not():
    for sites, there in ((6, True), (5, False), (4, False)):
        task = made_task("leave-one-site-out", sites)
        found = table(task, [row(task, "strong", 3.0), row(task, "null", 0.0)])
        text = render(Suite("made", "Made", ("made",), ("leave-one-site-out",), ()), [found], discover())
        assert ("Mean ranks over 6 sites: Iman-Davenport F = inf" in text) == there


def test_datasets_that_share_patients_are_one_block():
    from benchmark.leaderboard.critical_difference import over_datasets

    def at(dataset: str, prefix: str) -> Standings:
        task = made_task()
        ids = np.array([f"{prefix}{k:03d}" for k in range(200)])
        task = Task(dataset, "repeated-cv", "d", ids, LABELS, None, task.splits, {})
        return table(task, [row(task, "strong", 3.0), row(task, "null", 0.0)])

    tables = [at(f"d{k}", f"p{k}") for k in range(4)]
    blocks, names = over_datasets([*tables, at("second-label", "p0")], "repeated-cv")
    assert blocks is None and names == ["d0", "d1", "d2", "d3"]
    blocks, names = over_datasets([*tables, at("d4", "p4")], "repeated-cv")
    assert blocks is not None and list(blocks.ranks) == ["strong", "null"] and blocks.test.blocks == 5
    text = render(Suite("made", "Made", (), ("repeated-cv",), ()), [*tables, at("d4", "p4")], discover())
    assert "## Across datasets" in text and "Mean ranks over 5 datasets" in text


def test_few_labels_of_a_finding_are_said_in_its_own_table(tmp_path: Path):
    cv = made_task()
    rare = np.zeros(200, dtype=np.int8)
    rare[1:16:2] = 1
    cohort = Cohort("made", cv.case_ids, LABELS, findings=pd.DataFrame({"often": LABELS, "rare": rare}))
    rest = [np.setdiff1d(np.arange(200), split.test) for split in cv.splits]
    none = np.arange(0)
    splits = [Split(part.name, part.seed, train, none, part.test, none) for part, train in zip(cv.splits, rest, strict=True)]
    task = task_of(cohort, "repeated-cv", splits)
    least = min(int(rare[part].sum()) for part in rest)
    assert (task.fewest, task.fewest_of) == (None, {"rare": least})
    write_task(task, tmp_path / "task.json")
    stored = read_task(tmp_path / "task.json")
    assert stored is not None and stored.fewest_of == {"rare": least}
    write_task(replace(task, fewest_of=None), tmp_path / "older.json")
    assert "fewest_of" not in (tmp_path / "older.json").read_text()
    scores = row(task, "a", 1.0)
    columns = {split: {f"{FINDING}{name}": p for name in ("often", "rare")} for split, p in scores.probabilities.items()}
    found = table(stored, [replace(scores, columns=columns), replace(row(task, "b", 0.5), columns=columns)])
    rows = of_findings(replace(found.rows, dataset=discover().dataset("synthetic-stroke")))
    of_finding = {each.finding: " ".join(notes(standings(each, "auc"))) for each in rows}
    assert f"holds only {least} labelled cases of a class" in of_finding["rare"]
    assert "few labels" not in of_finding["often"]
