"""What is said of a row of one's own: the table's numbers, and its nearest relative even where that one is not ranked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.cells.rows import Row, current_suite
from benchmark.cells.task import Task
from benchmark.leaderboard.own_rows import of_pair, own_row_sentences
from benchmark.leaderboard.publication import rank
from benchmark.leaderboard.standings import Standings, standings
from benchmark.leaderboard.tables import p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from tests.leaderboard.made_standings import made_task, row, table
from tests.made_benchmark import MadeBenchmark

OWN = "logistic-regression[max_iter=900]"
"""A row that sees the table, as `svm`, `xgboost` and `random-forest` do; `image-net` sees the image."""


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return discover()


def owned(task: Task, rows: list[Row], descriptive: tuple[str, ...] = (), own: tuple[str, ...] = (OWN,)) -> Standings:
    found = table(task, rows, descriptive)
    return standings(replace(found.rows, own=own), "auc")


def adjusted(found: Standings, a: str, b: str) -> float:
    pairs = found.comparison.pairs
    pair = pairs[((pairs.a == a) & (pairs.b == b)) | ((pairs.a == b) & (pairs.b == a))].iloc[0]
    return float(pair["p_adjusted"])


def test_its_estimate_rank_and_the_rows_that_differ_are_those_of_the_table(shipped: Catalogue) -> None:
    task = made_task()
    strengths = {"image-net": 3.0, OWN: 1.2, "svm": 1.15, "majority": 0.0}
    found = owned(task, [row(task, name, strength) for name, strength in strengths.items()])
    (said,) = own_row_sentences(found, shipped)
    comparison = found.comparison
    mean, low, high = (float(frame.at[OWN, "auc"]) for frame in (comparison.metrics, comparison.low, comparison.high))
    bounds = f"{comparison.rank_low[OWN]:.0f}-{comparison.rank_high[OWN]:.0f}"
    assert said.startswith(f"Your row `{OWN}` has AUC {mean:.3f} ({low:.3f} to {high:.3f}), rank {bounds} of 4; ")
    assert adjusted(found, OWN, "image-net") < 0.05 and adjusted(found, OWN, "majority") < 0.05
    assert adjusted(found, OWN, "svm") > 0.05
    assert "; significantly better than `majority`; significantly worse than `image-net`. " in said


def test_a_ranked_row_that_it_is_most_like_is_compared_by_the_tables_own_test(shipped: Catalogue) -> None:
    task = made_task()
    strengths = {"image-net": 2.5, "svm": 1.45, OWN: 1.2, "xgboost": 0.5}
    found = owned(task, [row(task, name, strength) for name, strength in strengths.items()])
    (said,) = own_row_sentences(found, shipped)
    pair = found.against("svm")[OWN]
    interval = f"{pair['difference']:+.3f} ({pair['low']:+.3f} to {pair['high']:+.3f})"
    assert f" Of the other rows with its inputs `svm` scores best (table; ranked): {interval} from it, " in said
    assert adjusted(found, OWN, "svm") > pair["p"]
    assert said.endswith(f"p {p_value(adjusted(found, OWN, 'svm'))}, adjusted for all pairs of the table.")


def test_a_descriptive_row_that_it_is_most_like_is_compared_as_the_only_pair_and_that_is_said(shipped: Catalogue) -> None:
    task = made_task()
    rows = [row(task, name, strength) for name, strength in {OWN: 1.2, "svm": 1.0, "image-net": 1.1, "xgboost": 1.6}.items()]
    found = owned(task, rows, descriptive=("xgboost",))
    (said,) = own_row_sentences(found, shipped)
    pair = table(task, [rows[0], rows[3]]).against("xgboost")[OWN]
    interval = f"{pair['difference']:+.3f} ({pair['low']:+.3f} to {pair['high']:+.3f})"
    p = p_value(pair["p"])
    assert f"`xgboost` scores best (table; descriptive): {interval} from it, p {p}, unadjusted: of this pair alone" in said
    assert found.comparison.pairs[["a", "b"]].isin(["xgboost"]).sum().sum() == 0, "it stays out of the family"


def test_the_sign_is_the_rows_own_and_lower_is_better_where_it_is(shipped: Catalogue) -> None:
    task = made_task()
    strengths = {OWN: 1.2, "svm": 0.2, "image-net": 0.0}
    found = standings(owned(task, [row(task, name, strength) for name, strength in strengths.items()]).rows, "brier")
    (said,) = own_row_sentences(found, shipped)
    difference = found.comparison.metrics.at[OWN, "brier"] - found.comparison.metrics.at["svm", "brier"]
    assert difference < 0
    assert f"Your row `{OWN}` has Brier score " in said
    assert "better than `svm` and `image-net`; significantly worse than none." in said
    assert f"{difference:+.3f} (" in said


def test_rows_with_other_inputs_are_no_relatives(shipped: Catalogue) -> None:
    task = made_task()
    (said,) = own_row_sentences(owned(task, [row(task, OWN, 1.0), row(task, "image-net", 1.1)]), shipped)
    assert "inputs" not in said and said.endswith("significantly worse than none.")


def test_many_rows_are_counted_and_not_named(shipped: Catalogue) -> None:
    task = made_task()
    weak = ["svm", "xgboost", "random-forest", "image-net", "text-net"]
    (said,) = own_row_sentences(owned(task, [row(task, OWN, 3.0), *(row(task, name, 0.1) for name in weak)]), shipped)
    assert ", rank 1 of 6; significantly better than 5 of 5 rows; significantly worse than none." in said


def test_a_row_that_is_only_tried_has_its_estimate_and_no_test(shipped: Catalogue) -> None:
    task = made_task()
    rows = [row(task, name, strength) for name, strength in {OWN: 1.2, "svm": 1.0, "image-net": 1.1}.items()]
    found = owned(task, rows, descriptive=(OWN,))
    (said,) = own_row_sentences(found, shipped)
    mean = float(found.comparison.metrics.at[OWN, "auc"])
    assert said.startswith(f"Your row `{OWN}` has AUC {mean:.3f} (")
    assert said.endswith("; it is descriptive: shown, and neither ranked nor tested.")
    assert ", p " not in said and "rank " not in said


def test_several_rows_of_ones_own_have_a_paragraph_each_and_other_rows_have_none(shipped: Catalogue) -> None:
    task = made_task()
    rows = [row(task, name, strength) for name, strength in {OWN: 1.0, "svm": 2.0, "image-net": 0.5}.items()]
    said = own_row_sentences(owned(task, rows, own=(OWN, "svm", "xgboost")), shipped)
    assert [text.split("`")[1] for text in said] == ["svm", OWN]
    assert own_row_sentences(owned(task, rows, own=()), shipped) == []


def test_an_interim_table_says_nothing_of_it(shipped: Catalogue) -> None:
    task = made_task()
    found = owned(task, [row(task, OWN, 1.0), row(task, "svm", 0.5), row(task, "xgboost", 1.0, splits=5)])
    assert found.interim
    assert own_row_sentences(found, shipped) == []


def test_few_sites_give_neither_a_rank_nor_a_p(shipped: Catalogue) -> None:
    task = made_task("leave-one-site-out", 4)
    found = owned(task, [row(task, OWN, 1.0), row(task, "svm", 0.5)])
    mean = {name: float(found.comparison.metrics.at[name, "auc"]) for name in (OWN, "svm")}
    assert own_row_sentences(found, shipped) == [
        f"Your row `{OWN}` has AUC {mean[OWN]:.3f}. Of the other rows with its inputs `svm` scores best (table; ranked): "
        f"{mean[OWN] - mean['svm']:+.3f} from it."
    ]


@pytest.mark.slow
def test_a_row_is_ones_own_where_it_was_run_for_the_table_on_this_machine(made: MadeBenchmark) -> None:
    made.edit('datasets = ["made"]', 'datasets = ["made", "made[cases=48]"]', made.suite)
    made.edit('["repeated-cv", "leave-one-site-out"]', '["holdout"]', made.suite)
    made.run()
    made.run("--method", "varied", "--dataset", "made")
    catalogue = made.catalogue()
    first, second = rank(current_suite(str(made.suite), catalogue), catalogue)
    (said,) = own_row_sentences(first, catalogue)
    assert said.startswith("Your row `varied` has AUC ") and "of 4; " in said
    assert own_row_sentences(second, catalogue) == []
    assert all(table.rows.own == () for table in rank(current_suite(str(made.suite), catalogue, local=False), catalogue))


@pytest.mark.parametrize("how", ["descriptive table", "interim table"])
def test_where_nothing_is_tested_a_pair_has_its_difference_alone(how: str) -> None:
    task = made_task()
    rows = [row(task, OWN, 1.4), row(task, "svm", 0.4)]
    found = table(task, rows, descriptive=("svm",))
    assert ", p " in of_pair(found, OWN, "svm")
    if how == "descriptive table":
        found = standings(replace(found.rows, descriptive="shown, not tested", ranked=()), "auc")
    else:
        found = table(task, [*rows, row(task, "xgboost", 1.0, splits=5)], descriptive=("svm",))
        assert found.interim
    first, second = (found.comparison.metrics.at[name, "auc"] for name in (OWN, "svm"))
    assert of_pair(found, OWN, "svm") == f"{first - second:+.3f} from it"
