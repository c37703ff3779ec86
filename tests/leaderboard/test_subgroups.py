"""What `subgroups` prints: the attribute matched to the task's cases, its numbers, and names as data."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cells.rows import Row, TableRows
from benchmark.cells.task import Task, TaskSplit
from benchmark.data.cohort import Cohort
from benchmark.leaderboard import subgroups
from benchmark.leaderboard.standings import standings
from benchmark.leaderboard.subgroups import Breakdown, as_json, as_markdown, break_down
from benchmark.registry.discovery import discover
from benchmark.registry.entries import Entry
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError
from tests.leaderboard.made_standings import INFERENCE

CASES = 120
IDS = np.array([f"c{k:03d}" for k in range(CASES)])
LABELS = (np.arange(CASES) % 2).astype(np.int8)
SITES = np.array(["a", "b", "c"])[np.arange(CASES) // 2 % 3]
SUITE = Suite("made", "Made", ("made",), ("repeated-cv",), ("strong", "a|b"))
STRATA = pd.DataFrame(
    {
        "sex": pd.Categorical(np.where(np.arange(CASES) // 2 % 2, "female", "male")),
        "field_strength": np.where(np.arange(CASES) < 100, 1.5, 3.0),
        "age": np.linspace(40, 90, CASES),
        "a|b": pd.Categorical(np.where(np.arange(CASES) // 4 % 2, "x|y", "z")),
    }
)


def made_task(protocol: str = "repeated-cv", sites: np.ndarray | None = SITES) -> Task:
    if protocol == "leave-one-site-out":
        parts = [(f"{site}-{seed}", seed, site, np.flatnonzero(site == SITES)) for seed in (39, 40) for site in "abc"]
    else:
        order = {seed: np.random.default_rng(seed).permutation(CASES) for seed in (39, 40)}
        parts = [(f"{seed}-{f}", seed, "", np.sort(order[seed][f::3])) for seed in (39, 40) for f in range(3)]
    return Task("made", protocol, "d", IDS, LABELS, sites, tuple(TaskSplit(*part, part[0]) for part in parts), {})


def row(task: Task, method: str, strength: float) -> Row:
    rng = np.random.default_rng(len(method))
    scores = {split.name: 1 / (1 + np.exp(-rng.normal(strength * (2 * LABELS[split.test] - 1)))) for split in task.splits}
    return Row(method, "local", len(scores), scores, dict.fromkeys(scores, 0.5), Counter(ok=len(scores)))


def table(task: Task, rows: list[Row] | None = None) -> TableRows:
    entry: Entry[object] = Entry("dataset", "made", Path("made.py"), "Made", {})
    kept = tuple([row(task, "strong", 1.0), row(task, "a|b", 0.0)] if rows is None else rows)
    return TableRows(task, entry, INFERENCE[task.protocol], kept, (), (), ("strong",))


def cohort(**changes: object) -> Cohort:
    values = {"case_ids": IDS, "labels": LABELS, "sites": SITES, "strata": STRATA, **changes}
    return Cohort("made", **values)


@pytest.fixture
def broken_down(monkeypatch):
    """`broken_down("sex", tables=[...], here=cohort)` -> the breakdown, as if these were stored and prepared."""

    def run(by: str, tables: list[TableRows] | None = None, here: Cohort | BenchmarkError | None = None) -> Breakdown:
        def load(*_: object) -> Cohort:
            if isinstance(here, BenchmarkError):
                raise here
            return cohort() if here is None else here

        monkeypatch.setattr(subgroups, "gather", lambda *_, **__: [table(made_task())] if tables is None else tables)
        monkeypatch.setattr(subgroups, "load_cohort", load)
        return break_down(SUITE, discover(), by)

    return run


@pytest.mark.parametrize("by", ["field_strength", "Field-Strength", "FIELD STRENGTH"])
def test_a_name_is_found_whatever_its_case_and_its_hyphens(broken_down, by):
    found = broken_down(by).tables[0]
    assert found.by == "field_strength" and found.groups == ("1.5", "3")
    assert found.result.cases.tolist() == [100, 20]


def test_cases_are_matched_by_id_not_by_place(broken_down):
    order = np.random.default_rng(0).permutation(CASES)
    shuffled = cohort(case_ids=IDS[order], labels=LABELS[order], sites=SITES[order], strata=STRATA.iloc[order])
    assert as_json(broken_down("sex", here=shuffled)) == as_json(broken_down("sex"))


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (cohort(labels=1 - LABELS), "other labels"),
        (cohort(case_ids=np.char.add(IDS, "x")), "other cases"),
        (cohort().take(np.arange(CASES - 1)), "other cases"),
        (cohort(case_ids=[*IDS, "d000"], labels=[*LABELS, 0], strata=STRATA.iloc[[*range(CASES), 0]]), "other cases"),
    ],
)
def test_a_cohort_of_other_cases_or_labels_is_refused_by_the_tables_name(broken_down, here, said):
    with pytest.raises(BenchmarkError, match=f"made, repeated-cv: the cohort on this machine has {said}"):
        broken_down("sex", here=here)


@pytest.mark.parametrize(
    ("by", "hint"), [("sx", "did you mean 'sex'?"), ("weight", "known: age, a|b, field_strength, sex, site")]
)
def test_a_wrong_name_is_answered_with_the_nearest_or_with_all_that_exist(broken_down, by, hint):
    with pytest.raises(BenchmarkError) as raised:
        broken_down(by)
    assert str(raised.value) == f"no table by '{by}' (unknown attribute of made '{by}': {hint})"


def test_a_dataset_that_is_not_here_is_no_reason_to_call_the_name_unknown(broken_down):
    with pytest.raises(BenchmarkError, match=r"^no table by 'sex' \(made is not fetched\)$"):
        broken_down("sex", here=BenchmarkError("made is not fetched"))


def test_where_no_table_is_left_each_reason_is_said(broken_down):
    empty = TableRows(**{**vars(table(made_task())), "complete": ()})
    with pytest.raises(BenchmarkError, match=r"^no table by 'sx' \(unknown attribute of .*; made, repeated-cv: no row is"):
        broken_down("sx", tables=[table(made_task()), empty])


def test_the_cohort_of_two_tables_is_loaded_once(monkeypatch):
    asked = []
    monkeypatch.setattr(subgroups, "load_cohort", lambda name, _: asked.append(name) or cohort())
    monkeypatch.setattr(subgroups, "gather", lambda *_, **__: [table(made_task()), table(made_task("leave-one-site-out"))])
    assert len(break_down(SUITE, discover(), "sex").tables) == 2 and asked == ["made"]


def test_the_site_needs_no_cohort(broken_down):
    found = broken_down("Site", here=BenchmarkError("not fetched")).tables[0]
    assert found.groups == ("a", "b", "c") and found.result.cases.tolist() == [40, 40, 40]


def test_what_is_left_out_is_said_once_beside_what_is_shown(broken_down):
    tables = [table(made_task()), table(made_task(), rows=[])]
    found = broken_down("sex", tables=[*tables, tables[1]])
    assert found.skipped == ("made, repeated-cv: no row is complete",) and len(found.tables) == 1
    assert "\n- made, repeated-cv: no row is complete\n" in as_markdown(found)


def test_nothing_stored_is_an_error_with_the_mend(broken_down):
    with pytest.raises(BenchmarkError, match="no predictions of made are stored: `run` comes first"):
        broken_down("sex", tables=[])


def test_under_leave_one_site_out_the_aucs_by_site_are_the_leaderboards(broken_down):
    rows = table(made_task("leave-one-site-out"))
    found = broken_down("site", tables=[rows]).tables[0]
    expected = standings(rows, "auc").comparison.per_site
    for m, row in enumerate(found.rows.complete):
        np.testing.assert_allclose(found.result.metrics["auc"][m], expected.loc[list(found.groups), row.method].to_numpy(float))


def test_a_method_that_ran_once_has_the_same_figures_as_if_it_had_run_for_every_seed(broken_down):
    task = made_task("leave-one-site-out")
    first = row(task, "strong", 1.0)
    one = {name: first.probabilities[name] for name in ("a-39", "b-39", "c-39")}
    every = {split.name: one[task.first_with_test[split.name]] for split in task.splits}
    once, always = (
        Row("strong", "local", len(scores), scores, dict.fromkeys(scores, 0.5), Counter(ok=len(scores)))
        for scores in (one, every)
    )
    told = [as_json(broken_down("sex", tables=[table(task, rows=[item])])) for item in (once, always)]
    assert told[0] == told[1]


def test_only_the_cases_of_test_parts_are_counted(broken_down):
    whole = made_task()
    part = Task("made", "holdout", "d", IDS, LABELS, None, whole.splits[:1], {})
    found = broken_down("sex", tables=[table(part)]).tables[0].result
    assert found.cases.sum() == len(whole.splits[0].test) == 40


def test_a_subgroup_without_a_tested_case_is_not_shown(broken_down):
    whole = made_task()
    part = Task("made", "holdout", "d", IDS, LABELS, None, whole.splits[:1], {})
    untested = np.setdiff1d(np.arange(CASES), whole.splits[0].test)[0]
    strata = STRATA.assign(sex=pd.Categorical(np.where(np.arange(CASES) == untested, "few", "many")))
    assert broken_down("sex", tables=[table(part)], here=cohort(strata=strata)).tables[0].groups == ("many",)


def test_json_has_the_documented_shape_and_null_where_undefined(broken_down):
    strata = STRATA.assign(sex=pd.Categorical(np.where(np.arange(CASES) < 8, "few", "many")))
    content = as_json(broken_down("sex", here=cohort(strata=strata)))
    assert set(content) == {"suite", "by", "tables", "skipped"}
    (only,) = content["tables"]
    assert set(only) == {"dataset", "protocol", "by", "groups"}
    few, many = only["groups"]
    assert {name: few[name] for name in ("group", "cases", "positives", "small")} == {
        "group": "few",
        "cases": 8,
        "positives": 4,
        "small": True,
    }
    assert not many["small"] and {item["method"]: item["ranked"] for item in many["methods"]} == {"strong": True, "a|b": False}
    assert set(few["methods"][0]) == {"method", "ranked", "metrics", "pairs"}
    metrics = few["methods"][0]["metrics"]
    assert {name for name, value in metrics.items() if value is None} == {"auc", "recall", "specificity"}
    assert metrics["observed_share"] == 0.5


def test_markdown_marks_small_subgroups_shows_the_numbers_and_escapes_names(broken_down):
    strata = STRATA.assign(sex=pd.Categorical(np.where(np.arange(CASES) < 8, "fe|w", None)))
    text = as_markdown(broken_down("sex", here=cohort(strata=strata)))
    assert text.startswith("# Made, by sex\n\nDescriptive: no tests are made.")
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    assert ["fe\\|w", "8", "4 (50.0 %)"] in [cell[:3] for cell in cells] and "small" in text
    assert ["not known", "112", "56 (50.0 %)"] in [cell[:3] for cell in cells]
    of_few = next(cell for cell in cells if cell[:2] == ["`a\\|b`", "fe\\|w"])
    assert of_few[2] == "n/a" and of_few[4:6] == ["n/a", "n/a"] and float(of_few[3]) >= 0
    assert "p (" not in text and "95 %" not in text


def test_columns_line_up_in_a_terminal(broken_down):
    lines = as_markdown(broken_down("a|b")).splitlines()
    grids = [lines[i] for i, line in enumerate(lines) if line.startswith("| ")]
    assert len({len(line) for line in grids}) == 2
