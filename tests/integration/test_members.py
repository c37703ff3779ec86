"""A family is what was declared: a row of one's own counts in the tables that it was run for, and in no other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.test_tune import TUNABLE
from tests.made_benchmark import COMPONENTS, MadeBenchmark

SMALL = "made[cases=48]"
TUNED = ("--trials", "2", "--no-sync", "--in-process")


@pytest.fixture
def made(made: MadeBenchmark) -> MadeBenchmark:
    """The made benchmark with two tables of one cut and two fast ranked rows, and a method that can be tuned."""
    made.write(made.plugin.name, COMPONENTS + TUNABLE)
    made.edit('datasets = ["made"]', f'datasets = ["made", "{SMALL}"]', made.suite)
    made.edit('["repeated-cv", "leave-one-site-out"]', '["holdout"]', made.suite)
    made.edit('"steady", "dicey", "blunt"', '"steady", "blunt"', made.suite)
    made.edit('"steady[steepness=0.01]"', "", made.suite)
    return made


def tables(made: MadeBenchmark) -> dict[str, Any]:
    """Dataset -> its table as `rank --json` prints it."""
    return {table["dataset"]: table for table in made.json("rank", *made.options, "--json")["tables"]}


def rows(made: MadeBenchmark, dataset: str) -> dict[str, bool]:
    """Method -> whether it is ranked in a dataset's table."""
    return {row["method"]: row["ranked"] for row in tables(made)[dataset]["rows"]}


@pytest.mark.slow
def test_a_row_tuned_on_one_dataset_leaves_the_family_of_the_other_alone(made: MadeBenchmark) -> None:
    made.edit('["holdout"]', '["repeated-cv"]', made.suite)
    made.run()
    before, section = tables(made)["made"], made.leaderboard.read_text().partition(f"## {SMALL}")[0].partition("## made")[2]
    assert before["pairs"][0]["p_holm"] is not None
    made.cli("tune", "leaning", *made.options, "--dataset", SMALL, *TUNED)
    assert tables(made)["made"] == before
    assert section and section in made.leaderboard.read_text()
    assert rows(made, SMALL) == {"steady": True, "blunt": True, "leaning[tuned=tpe-2]": True}
    assert len(tables(made)[SMALL]["pairs"]) == 3


@pytest.mark.slow
def test_a_plain_run_computes_a_row_of_ones_own_in_its_tables_alone(made: MadeBenchmark) -> None:
    made.run("--method", "varied", "--dataset", SMALL)
    made.edit("SLOPE = 3.0", "SLOPE = 5.0")
    out = made.run("--dry-run").stdout
    assert f"{SMALL}  holdout  varied: 1 cells" in out
    assert "made  holdout  varied" not in out
    assert "made  holdout  steady: 1 cells" in out
    made.run()
    assert "varied" not in rows(made, "made")
    published = made.cli("publish", *made.options).stdout
    assert published.startswith("5 rows published") and "not published" not in published
    exported = made.cli("export", "pairs", *made.options).stdout.splitlines()
    assert sum("varied" in line for line in exported) == 2


@pytest.mark.slow
def test_a_row_that_is_run_for_a_further_dataset_joins_that_table_too(made: MadeBenchmark) -> None:
    made.run("--method", "varied", "--dataset", SMALL)
    done = made.run("--method", "varied", "--dataset", "made")
    assert "joins made, holdout: 3 ranked rows, 3 pairs (2 ranked rows, 1 pair before)" in done.stdout
    assert f"joins {SMALL}" not in done.stdout
    assert rows(made, "made")["varied"] and rows(made, SMALL)["varied"]
    assert "varied joins" not in made.run("--method", "varied", "--dataset", "made").stdout


def test_a_protocol_that_is_named_bounds_what_a_row_joins(made: MadeBenchmark) -> None:
    """Its cells are planned there alone, and none of them while they are fresh."""
    made.edit('["holdout"]', '["repeated-cv", "holdout"]', made.suite)
    made.run("--method", "varied", "--dataset", "made", "--protocol", "holdout")
    planned = [line.partition(":")[0].split() for line in made.run("--dry-run").stdout.splitlines()]
    assert [line for line in planned if "varied" in line] == []
    made.edit("SLOPE = 3.0", "SLOPE = 5.0")
    planned = [line.partition(":")[0].split() for line in made.run("--dry-run").stdout.splitlines()]
    assert [line for line in planned if "varied" in line] == [["made", "holdout", "varied"]]


@pytest.mark.slow
def test_a_row_without_a_dataset_joins_all_tables_and_each_family_is_said(made: MadeBenchmark) -> None:
    said = made.run("--method", "varied").stdout
    for dataset in ("made", SMALL):
        assert f"joins {dataset}, holdout: 3 ranked rows, 3 pairs (2 ranked rows, 1 pair before)\n" in said
    said = made.run("--method", "varied[features=image]", "--dataset", SMALL).stdout
    counted = "4 ranked rows, 6 pairs (3 ranked rows, 3 pairs before)"
    assert f"joins {SMALL}, holdout: {counted}; what is said there of varied may change by that\n" in said
    assert "joins made, " not in said
    made.run()
    assert {dataset: len(table["pairs"]) for dataset, table in tables(made).items()} == {"made": 3, SMALL: 6}


def test_a_row_that_does_not_apply_to_a_table_widens_no_family(made: MadeBenchmark) -> None:
    said = made.run("--method", "limited").stdout
    assert "limited joins made-suite" in said
    assert "ranked rows" not in said
    assert "3 ranked rows, 3 pairs (2 ranked rows, 1 pair before)" in made.run("--method", "varied").stdout


@pytest.mark.slow
def test_a_row_joins_no_table_of_a_dataset_that_cannot_be_run_here(made: MadeBenchmark) -> None:
    made.run()
    before = tables(made)[SMALL]
    made.edit("def build(self, sources):", "def build(self, sources):\n        assert self.cases == 60")
    assert f"not in the tables of {SMALL}, which cannot be run here" in made.run("--method", "varied", code=1).stdout
    assert tables(made)[SMALL] == before
    assert rows(made, "made")["varied"]


@pytest.mark.slow
def test_a_row_that_is_tried_is_shown_and_neither_ranked_nor_tested(made: MadeBenchmark) -> None:
    made.run()
    before = tables(made)
    done = made.run("--method", "varied", "--descriptive", "--dataset", SMALL)
    said = f"varied is tried in made-suite on this machine: descriptive, neither ranked nor tested, in {SMALL}, holdout\n"
    assert said in done.stdout and "joins" not in done.stdout
    after = tables(made)
    assert after["made"] == before["made"]
    assert after[SMALL]["pairs"] == before[SMALL]["pairs"]
    assert rows(made, SMALL) == {"steady": True, "blunt": True, "varied": False}
    assert [row for row in after[SMALL]["rows"] if row["method"] != "varied"] == before[SMALL]["rows"]
    assert "nothing to compute" in made.run().stdout, "it is remembered"
    assert rows(made, SMALL)["varied"] is False


@pytest.mark.slow
def test_a_tried_row_that_is_run_without_the_option_is_ranked_and_that_is_said(made: MadeBenchmark) -> None:
    made.run("--method", "varied", "--descriptive")
    done = made.run("--method", "varied", "--dataset", "made")
    assert "varied was descriptive until now in made, holdout\n" in done.stdout
    assert "joins made, holdout: 3 ranked rows, 3 pairs" in done.stdout
    made.run()
    assert rows(made, "made")["varied"] is True
    assert rows(made, SMALL)["varied"] is False


@pytest.mark.slow
def test_a_ranked_row_does_not_leave_its_family_by_being_tried(made: MadeBenchmark) -> None:
    made.run("--method", "varied", "--dataset", "made")
    for words in ((), ("--dataset", "made"), ("--dry-run",)):
        refused = made.run("--method", "varied", "--descriptive", *words, code=2).stderr
        assert "varied is ranked in made, holdout, and a row does not leave a family by --descriptive" in refused
        assert f"clean --suite {made.suite.resolve()} --member varied" in refused
    assert rows(made, "made")["varied"] is True
    made.run("--method", "varied", "--descriptive", "--dataset", SMALL)
    assert (rows(made, "made")["varied"], rows(made, SMALL)["varied"]) == (True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "steady"], "steady is ranked by suite made-suite itself: leave out --descriptive"),
        ([], "say which, by --method NAME"),
    ],
)
def test_descriptive_is_for_rows_of_ones_own(made: MadeBenchmark, words: list[str], said: str) -> None:
    assert said in made.run("--descriptive", *words, code=2).stderr
    assert made.cells() == {}


@pytest.mark.slow
def test_a_tuned_row_can_be_tried_and_takes_the_place_of_no_ranked_one(made: MadeBenchmark) -> None:
    tune = ("tune", "leaning", *made.options, "--dataset", "made", "--no-sync", "--in-process", "--seeds", "39")
    done = made.cli(*tune, "--trials", "2", "--descriptive")
    assert "leaning[tuned=tpe-2] is tried in made-suite" in done.stdout
    assert "leaning[tuned=tpe-2] leaves" in made.cli(*tune, "--trials", "3").stdout
    refused = made.cli(*tune, "--trials", "4", "--descriptive", code=2).stderr
    assert "leaning[tuned=tpe-3] (tpe-3) and leaning[tuned=tpe-4] (tpe-4) have different budgets" in refused


@pytest.mark.slow
def test_a_tuned_row_of_another_budget_takes_places_in_its_own_tables_alone(made: MadeBenchmark) -> None:
    tune = ("tune", "leaning", *made.options, "--no-sync", "--in-process")
    made.cli(*tune, "--trials", "2", "--dataset", "made", "--dataset", SMALL)
    done = made.cli(*tune, "--trials", "3", "--dataset", SMALL)
    assert f"leaning[tuned=tpe-2] leaves made-suite on this machine, in {SMALL}, holdout; its cells are kept" in done.stdout
    assert set(rows(made, "made")) == {"leaning[tuned=tpe-2]"}
    assert set(rows(made, SMALL)) == {"leaning[tuned=tpe-3]"}


@pytest.mark.slow
def test_members_that_were_remembered_without_tables_count_in_all(made: MadeBenchmark) -> None:
    made.run("--method", "steady")
    path = made.output / "results" / "members.json"
    old = {name: value for name, value in json.loads(path.read_text())["made-suite"].items() if name != "places"}
    path.write_text(json.dumps({"made-suite": {**old, "methods": ["varied"]}}))
    assert "varied joins" not in made.run("--method", "varied", "--dataset", "made").stdout
    out = made.run("--dry-run").stdout
    assert f"{SMALL}  holdout  varied: 1 cells" in out
    made.run()
    assert rows(made, "made") == rows(made, SMALL) == {"steady": True, "blunt": True, "varied": True}
    refused = made.run("--method", "varied", "--descriptive", code=2).stderr
    assert f"varied is ranked in made, holdout; {SMALL}, holdout" in refused


@pytest.mark.slow
def test_a_member_that_is_taken_out_leaves_every_table(made: MadeBenchmark) -> None:
    made.run("--method", "varied", "--method", "steady", "--dataset", "made")
    made.run("--method", "varied", "--method", "steady", "--dataset", SMALL, "--descriptive", code=2)
    made.run("--method", "varied", "--dataset", SMALL, "--descriptive")
    made.run("--method", "steady", "--dataset", SMALL)
    assert "varied" in rows(made, "made") and "varied" in rows(made, SMALL)
    made.cli("clean", *made.options, "--member", "varied")
    assert rows(made, "made") == rows(made, SMALL) == {"steady": True}
    assert "varied" not in (made.output / "results" / "members.json").read_text()


@pytest.mark.slow
def test_a_dataset_that_is_taken_out_and_joins_again_has_no_row_of_before(made: MadeBenchmark) -> None:
    other = "made[cases=50]"
    made.run("--method", "varied", "--dataset", other)
    made.run("--method", "varied", "--dataset", "made")
    made.cli("clean", *made.options, "--member", other)
    assert other not in tables(made)
    made.run("--dataset", other, "--protocol", "holdout")
    assert rows(made, other) == {"steady": True, "blunt": True}
    assert rows(made, "made") == {"varied": True}
