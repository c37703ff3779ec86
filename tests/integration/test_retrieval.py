"""A suite of task retrieval through the command line: what cells store, what tables show, and that both are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.cells.task import read_task
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS
from tests.made_benchmark import MadeBenchmark


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> MadeBenchmark:
    made = MadeBenchmark(tmp_path_factory.mktemp("scans"))
    made.cli("run", *made.scans, "--no-sync", "--in-process")
    return made


@pytest.fixture(scope="module")
def tables(ran: MadeBenchmark) -> dict[str, Any]:
    return {table["dataset"]: table for table in ran.json("rank", *ran.scans, "--json")["tables"]}


def cells(made: MadeBenchmark, method: str) -> list[dict[str, Any]]:
    folder = made.output / "results" / "cells" / "scans" / "repeated-cv" / method
    return [json.loads("{" + path.read_text().split("\n", 1)[1])["deterministic"] for path in sorted(folder.glob("*.json"))]


def rows(table: dict[str, Any]) -> dict[str, Any]:
    return {row["method"]: row for row in table["rows"]}


def mean(table: dict[str, Any], method: str, metric: str) -> float:
    return rows(table)[method]["metrics"][metric]["mean"]


@pytest.mark.slow
def test_a_cell_of_task_retrieval_stores_its_columns_and_a_binary_one_stays_as_it_was(ran: MadeBenchmark) -> None:
    reader = cells(ran, "reader")
    assert len(reader) == 20
    assert {len(values) for cell in reader for values in cell["columns"].values()} == {20}
    assert {(cell["ingredients"]["task"], cell["ingredients"]["threshold"]) for cell in reader} == {
        ("retrieval", "sensitivity-95")
    }
    assert {cell["chosen"]["threshold"] for cell in reader} == {"validation part"}
    assert set(cells(ran, "taught")[0]["columns"]) == {"finding:infarct", "finding:bleed"}
    ran.run("--method", "steady", "--protocol", "leave-one-site-out")
    binary = next(value for path, value in ran.cells().items() if "steady" in path)
    assert b"columns" not in binary and b'"task"' not in binary
    task = ran.output / "results" / "cells" / "made" / "leave-one-site-out" / "task.json"
    assert "findings" not in json.loads(task.read_text())


def test_a_method_that_reads_the_truth_finds_everything_and_one_that_knows_nothing_is_at_chance(tables: Any) -> None:
    table = tables["scans"]
    perfect = ("auc", "zero_shot_auc_macro", "recall_at_1", "recall_at_10", "median_rank", "ruled_out_at_95_sensitivity")
    assert {metric: mean(table, "reader", metric) for metric in perfect} == dict.fromkeys(perfect, 1.0)
    assert mean(table, "reader", "error_auc") > 0.9
    assert mean(table, "guesser", "zero_shot_auc_macro") == pytest.approx(0.5, abs=0.12)
    assert mean(table, "guesser", "recall_at_5") == pytest.approx(5 / 20, abs=0.12)
    assert mean(table, "guesser", "median_rank") == pytest.approx(10.5, abs=2.5)
    assert mean(table, "guesser", "error_auc") == pytest.approx(0.5, abs=0.12)
    assert rows(table)["reader"]["rank"] == [1, 2]
    assert rows(table)["guesser"]["rank"] == [3, 3]
    assert mean(table, "taught", "zero_shot_auc_macro") == 1.0
    assert mean(table, "taught", "recall_at_1") is None


def test_every_figure_of_the_guesser_is_what_its_stored_columns_give(ran: MadeBenchmark, tables: Any) -> None:
    task = read_task(ran.output / "results" / "cells" / "scans" / "repeated-cv" / "task.json")
    expected: dict[str, list[float]] = {}
    for cell in cells(ran, "guesser"):
        test, columns = task.by_name[cell["address"]["split"]].test, cell["columns"]
        own = np.array(columns["similarity"])
        errors = {}
        for kind in ("exchanged", "side-swapped", "finding-removed", "finding-invented"):
            wrong = np.array(columns[f"altered:{kind}"], dtype=float)
            there = ~np.isnan(wrong)
            truth = np.r_[np.ones(there.sum()), np.zeros(there.sum())]
            errors[f"error_auc_{kind.replace('-', '_')}"] = roc_auc_score(truth, np.r_[own[there], wrong[there]])
        found = {
            **errors,
            "zero_shot_auc_macro": np.mean(
                [roc_auc_score(shown[test], columns[f"finding:{name}"]) for name, shown in task.findings.items()]
            ),
            **{f"recall_at_{k}": np.mean(np.array(columns["rank"]) <= k) for k in (1, 5, 10)},
            "median_rank": np.median(columns["rank"]),
            "map": np.mean(columns["precision"]),
            "ruled_out_at_95_sensitivity": np.mean(
                np.array(cell["probabilities"])[task.labels[test] == 0] <= cell["threshold"]
            ),
            "error_auc": np.mean(list(errors.values())),
        }
        for metric, value in found.items():
            expected.setdefault(metric, []).append(value)
    assert set(expected) == set(RETRIEVAL_METRICS) - {"held_out_wording_auc"}, "the made scans have no such reports"
    for metric, values in expected.items():
        assert mean(tables["scans"], "guesser", metric) == pytest.approx(np.mean(values), abs=1e-12), metric


def test_gallery_and_chance_stand_beside_the_figures_everywhere(ran: MadeBenchmark, tables: Any) -> None:
    gallery = tables["scans"]["gallery"]
    assert (gallery["fewest"], gallery["most"]) == (20, 20)
    assert gallery["chance"]["recall_at_1"] == pytest.approx(1 / 20)
    assert gallery["chance"]["median_rank"] == 10.5
    text = (ran.output / "results" / "scans-suite.md").read_text()
    assert "its own report among the 20 reports of its test part" in text
    assert "| chance | 0.500 | 0.050 | 0.250 | 0.500 | 10.500 |" in text
    page = (ran.output / "results" / "scans-suite.html").read_text()
    assert "its own report among the 20 reports" in page
    assert "is the greatest that finds 95 % of label 1 on cases that the row did not train on" in text


def test_each_finding_is_a_table_of_its_own_from_the_same_cells(ran: MadeBenchmark, tables: Any) -> None:
    assert list(tables) == ["scans", "scans[finding=infarct]", "scans[finding=bleed]"]
    table = tables["scans[finding=bleed]"]
    assert (table["primary_metric"], table["threshold"], table["cases"]) == ("auc", "half", 100)
    task = read_task(ran.output / "results" / "cells" / "scans" / "repeated-cv" / "task.json")
    aucs = [
        roc_auc_score(task.findings["bleed"][task.by_name[cell["address"]["split"]].test], cell["columns"]["finding:bleed"])
        for cell in cells(ran, "guesser")
    ]
    assert mean(table, "guesser", "auc") == pytest.approx(np.mean(aucs))
    assert mean(table, "reader", "auc") == mean(table, "taught", "auc") == 1.0
    assert len(table["pairs"]) == 3
    assert next(pair for pair in table["pairs"] if {pair["a"], pair["b"]} == {"reader", "guesser"})["p_adjusted"] < 0.05
    assert set(rows(table)["reader"]["metrics"]) == set(METRICS)
    text = (ran.output / "results" / "scans-suite.md").read_text()
    assert "100 cases, 40 with label 1 (40.0 %): bleed; label 0: no bleed." in text


def test_rows_of_equal_probabilities_are_the_same_run_only_if_their_answers_are_too(ran: MadeBenchmark) -> None:
    text = (ran.output / "results" / "scans-suite.md").read_text()
    by_name = {cell["address"]["split"]: cell["probabilities"] for cell in cells(ran, "taught")}
    assert all(by_name[cell["address"]["split"]] == cell["probabilities"] for cell in cells(ran, "guesser"))
    assert "identical predictions" not in text
    assert text.count("no threshold is chosen for it") == 2


def test_csv_has_the_metrics_of_retrieval_where_there_are_some(ran: MadeBenchmark) -> None:
    lines = ran.cli("export", "csv", *ran.scans).stdout.splitlines()
    assert "recall_at_5" in lines[0].split(",")
    ran.run("--method", "steady", "--protocol", "leave-one-site-out")
    assert "recall_at_5" not in ran.cli("export", "csv", *ran.options).stdout


@pytest.mark.slow
def test_jobs_change_no_byte(ran: MadeBenchmark, tmp_path: Path) -> None:
    other = MadeBenchmark(tmp_path)
    other.cli("run", *other.scans, "--no-sync", "--jobs", "2")
    assert {path: cell for path, cell in ran.cells().items() if path.startswith("scans")} == other.cells()


def test_published_rows_give_back_every_figure(ran: MadeBenchmark) -> None:
    ran.cli("publish", *ran.scans)
    local, published = (ran.json("rank", *ran.scans, "--json", *words)["tables"] for words in ([], ["--no-local"]))
    assert {row["source"] for table in published for row in table["rows"]} == {"reference"}
    for one, other in zip(local, published, strict=True):
        assert {**one, "rows": [{**row, "source": ""} for row in one["rows"]]} == {
            **other,
            "rows": [{**row, "source": ""} for row in other["rows"]],
        }


def test_a_dataset_without_findings_and_a_suite_of_another_threshold_are_refused_by_name(ran: MadeBenchmark) -> None:
    suite = ran.folder / "scans-suite.toml"
    wrong = ran.write("wrong.toml", suite.read_text().replace('threshold = "sensitivity-95"\n', ""))
    words = ["--plugin", str(ran.folder / "scans_plugin.py"), "--plugin", str(ran.plugin)]
    message = ran.cli("run", "--suite", str(wrong), *words, code=2).stderr
    assert 'a suite of task retrieval has threshold = "sensitivity-95"' in message
    bare = ran.write("bare.toml", suite.read_text().replace('"scans"', '"made"'))
    said = ran.cli("run", "--suite", str(bare), *words, "--no-sync", "--in-process", code=None).stdout
    assert "made has no findings, which task retrieval asks for" in said
    binary = ran.write("binary.toml", suite.read_text().replace('task = "retrieval"\n', ""))
    assert "unknown metric 'zero_shot_auc_macro'" in ran.cli("run", "--suite", str(binary), *words, code=2).stderr


def test_show_case_names_the_findings(ran: MadeBenchmark) -> None:
    words = ["--dataset", "scans", "--plugin", str(ran.folder / "scans_plugin.py"), "--json"]
    assert ran.json("show", "case", "scan-004", *words)["findings"] == ["infarct", "bleed"]
    assert ran.json("show", "case", "scan-000", *words)["findings"] == []
