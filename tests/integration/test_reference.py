"""The committed reference results, and the leaderboard that follows from them."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from benchmark.cells.rows import current_suite, gather
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import DEFAULT, load_suite, suite_names
from benchmark.system.locations import ROOT
from tests.made_benchmark import in_this_process

MOST_BYTES = 60_000
DATASETS = {"synthetic-stroke": 939, "soop": 618, "soop-nihss": 944, "ist": 19285, "estonian-stroke": 829}


@pytest.mark.parametrize("suite", suite_names())
def test_ranking_the_reference_gives_the_committed_leaderboard_byte_for_byte(published, suite: str):
    path = "leaderboard.md" if suite == DEFAULT else f"results/{suite}.md"
    committed = subprocess.run(["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, check=True).stdout
    assert published(suite).leaderboard == committed
    assert len(committed) < MOST_BYTES, "what a reader opens first is brief: the whole is in `export md`"


UNTESTED = frozenset(("images", "variants", "hospitals", "large", "sensitivity", "tokens"))
"""Pairs tested elsewhere, folds of hospitals, one repetition, one ranked row."""


def applies(catalogue: Catalogue, dataset: str, spelled: str) -> bool:
    """Whether a row of the default suite is to be on a dataset: by the suite, and its modalities and size."""
    if load_suite(DEFAULT).why_skipped(dataset, spelled):
        return False
    modalities = catalogue.dataset(dataset).card.modalities
    return not catalogue.method(spelled).why_not_applicable(dataset, modalities, {}, DATASETS[dataset], columns_of(dataset))


def columns_of(dataset: str) -> list[str]:
    """The columns of its table, as its published task names them."""
    return json.loads((ROOT / "results" / "reference" / dataset / "repeated-cv" / "task.json").read_text())["columns"]


@pytest.mark.slow
def test_the_reference_holds_every_row_of_the_default_suite_that_applies_complete(published):
    tables = published(DEFAULT).tables
    both = ("repeated-cv", "leave-one-site-out")
    assert {(table["dataset"], table["protocol"]) for table in tables} == {
        (dataset, protocol) for dataset in DATASETS for protocol in both
    } - {("estonian-stroke", "leave-one-site-out")}  # one site
    suite = json.loads(in_this_process(["show", "suite", DEFAULT, "--json"], dict(os.environ)).stdout)
    catalogue = discover()
    for table in tables:
        methods = {*suite["ranked"], *suite["descriptive"]}
        expected = {name for name in methods if applies(catalogue, table["dataset"], name)}
        found = {row["method"] for row in table["rows"]}
        assert found == expected
        assert all(row["source"] == "reference" and row["cells_ok"] == row["cells"] for row in table["rows"])
        assert table["cases"] == DATASETS[table["dataset"]]


@pytest.mark.parametrize(
    ("suite", "tables", "complete"),
    [
        ("stroke-prognosis-variants", 4, 144),
        ("stroke-prognosis-hospitals", 1, 6),
        ("stroke-prognosis-images", 2, 12),
        ("stroke-prognosis-missing", 2, 24),
        ("stroke-prognosis-ablations", 2, 50),
        ("stroke-prognosis-tuned", 1, 10),
        ("stroke-prognosis-large", 1, 5),
        ("stroke-prognosis-sensitivity", 2, 68),
        ("stroke-prognosis-tokens", 2, 26),
        ("stroke-prognosis-reports", 1, 11),
    ],
)
def test_the_other_suites_are_published_complete(published, suite: str, tables: int, complete: int):
    catalogue = discover()
    found = gather(current_suite(suite, catalogue, local=False), catalogue, local=False)
    assert len(found) == tables
    for rows in found:
        assert not rows.left_out
        assert not rows.to_come
    assert sum(len(rows.complete) for rows in found) == complete
    for table in published(suite).tables:
        assert not table["interim"]
        assert bool(table["pairs"]) != (suite.removeprefix("stroke-prognosis-") in UNTESTED)


def test_stroke_risk_is_published_on_the_tables_that_are_computed(published):
    catalogue = discover()
    found = gather(current_suite("stroke-risk", catalogue, local=False), catalogue, local=False)
    complete = {(rows.task.dataset, rows.task.protocol): len(rows.complete) for rows in found}
    shares = [f"label-efficiency[share={share}]" for share in (0.5, 0.25, 0.1)]
    of_framingham = {("framingham", name): 10 for name in ("repeated-cv", *shares)}
    assert complete == {("emidec", "repeated-cv[repeats=1]"): 27, **of_framingham}
    assert not any(rows.to_come for rows in found)
    assert not any(rows.left_out for rows in found)
    tested = {table["dataset"] for table in published("stroke-risk").tables if table["pairs"]}
    assert tested == {"framingham"}


def test_rows_that_cannot_be_are_told_with_the_reason(published):
    leaderboard = published(DEFAULT).leaderboard.decode()
    assert "| ist | `svm` | 19285 cases, at most 5000: training time of an RBF kernel" in leaderboard
    imageless = next(line for line in leaderboard.splitlines() if line.startswith("| estonian-stroke | `lesion-volume`"))
    assert imageless.endswith("| estonian-stroke has no image |")


@pytest.mark.slow
def test_reference_predictions_load_as_a_frame_whose_auc_is_the_leaderboards(published):
    from sklearn.metrics import roc_auc_score

    from benchmark import load_predictions

    frame = load_predictions(local=False)
    row = frame[(frame.dataset == "soop") & (frame.protocol == "repeated-cv") & (frame.method == "logistic-regression")]
    assert len(row) == 4 * 618
    by_split = row.groupby("split", observed=True).apply(lambda part: roc_auc_score(part.label, part.probability))
    table = published(DEFAULT).table("soop", "repeated-cv")
    stated = next(row for row in table["rows"] if row["method"] == "logistic-regression")["metrics"]["auc"]["mean"]
    assert abs(by_split.mean() - stated) < 1e-12
