"""Every published row, as a submission is checked: its task, its predictions, and its figures computed again."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.cells.planning import training_seed
from benchmark.registry.discovery import discover
from benchmark.suites.suite import suite_names
from benchmark.system.files import safe
from benchmark.system.locations import ROOT
from benchmark.system.provenance import digest
from tests.integration.conftest import RealData

REFERENCE = ROOT / "results" / "reference"
CATALOGUE = discover()
ROWS = sorted(path.relative_to(REFERENCE) for path in REFERENCE.rglob("*.parquet"))
TABLES = sorted({path.parent for path in ROWS})


def figures(truth: np.ndarray, probability: np.ndarray, threshold: float) -> dict[str, float]:
    """AUC by scikit-learn, the others by their definitions."""
    votes = probability > threshold
    right = int((votes & (truth == 1)).sum())
    return {
        "auc": float(roc_auc_score(truth, probability)),
        "accuracy": float((votes == truth).mean()),
        "brier": float(((probability - truth) ** 2).mean()),
        "f1": 2 * right / (int(votes.sum()) + int(truth.sum())),
    }


@functools.cache
def task_of(table: Path) -> dict:
    return json.loads((REFERENCE / table / "task.json").read_text(encoding="utf-8"))


def row_of(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The row's metadata, and its probabilities by split."""
    table = pq.read_table(REFERENCE / path)
    meta = json.loads(table.schema.metadata[b"strokebench"])
    ends = np.cumsum([item["cases"] for item in meta["splits"].values()])
    assert ends[-1] == len(table)
    return meta, dict(zip(meta["splits"], np.split(table["probability"].to_numpy(), ends[:-1]), strict=True))


@pytest.fixture(scope="module")
def stated(published) -> dict[tuple[str, str, str], dict]:
    """(dataset, protocol, method) -> the row as `rank --no-local --json` of some suite states it."""
    tables = [table for suite in suite_names() for table in published(suite).tables]
    return {(table["dataset"], table["protocol"], row["method"]): row for table in tables for row in table["rows"]}


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES, ids=str)
def test_cases_labels_sites_and_splits_are_those_of_the_datasets_own_code(table: Path, real_data: RealData, monkeypatch):
    from benchmark.cells.task import make_task
    from benchmark.data.preparation import load_cohort

    task = task_of(table)
    monkeypatch.setenv("STROKEBENCH_DATA", real_data.fetch(task["dataset"])["STROKEBENCH_DATA"])
    catalogue = discover()
    cohort = load_cohort(task["dataset"], catalogue)
    protocol = catalogue.protocol(task["protocol"]).make()
    ours = make_task(cohort, task["protocol"], protocol.splits(cohort))
    assert ours.case_ids.tolist() == task["case_ids"]
    assert ours.labels.tolist() == task["labels"]
    assert (None if ours.sites is None else ours.sites.tolist()) == task["sites"]
    assert [{**vars(split), "test": split.test.tolist()} for split in ours.splits] == task["splits"]
    assert (ours.digest, ours.absent, list(ours.columns)) == (task["digest"], task["absent"], task["columns"])
    assert ours.facts == pytest.approx(task["facts"], abs=1e-4), "another processor may give other last digits"


@pytest.mark.parametrize("path", ROWS, ids=str)
def test_a_row_holds_one_probability_per_test_case_of_every_split_its_method_runs(path: Path):
    assert set(pq.read_metadata(REFERENCE / path).metadata) == {b"strokebench", b"sha256"}, (
        "stored twice: publish the row again"
    )
    meta, probabilities = row_of(path)
    task = task_of(path.parent)
    method = CATALOGUE.method(meta["method"])
    assert method.entry.error is None
    assert path.stem == safe(meta["method"]) == safe(meta["ingredients"]["method"])
    splits = task["splits"]
    if not method.stochastic:  # it runs once where seeds change the training alone
        first_with_test = {tuple(split["test"]): split for split in reversed(splits)}
        splits = [split for split in splits if split is first_with_test[tuple(split["test"])]]
    assert list(probabilities) == [split["name"] for split in splits]
    for split in splits:
        values, said = probabilities[split["name"]], meta["splits"][split["name"]]
        assert len(values) == len(split["test"])
        assert said["split"] == split["digest"]
        assert np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1
        assert np.isfinite(said["threshold"])
        cut = SimpleNamespace(name=split["name"], seed=split["seed"])
        seed = training_seed(task["dataset"], task["protocol"], method.seeded_as, cut)
        own = {"stages": said["stages"]} if "stages" in said else {}
        assert said["seed"] == seed
        assert said["key"] == digest({**meta["ingredients"], "split": split["digest"], "seed": seed, **own})


@pytest.mark.slow
@pytest.mark.parametrize("path", ROWS, ids=str)
def test_the_stated_figures_follow_from_the_stored_predictions(path: Path, stated):
    meta, probabilities = row_of(path)
    task = task_of(path.parent)
    labels = np.array(task["labels"])
    row = stated[task["dataset"], task["protocol"], meta["method"]]
    parts: dict[str, list[dict[str, float]]] = {}
    for split in (split for split in task["splits"] if split["name"] in probabilities):
        truth, values = labels[split["test"]], probabilities[split["name"]]
        if split["site"] and min(truth.sum(), len(truth) - truth.sum()) < 5:
            continue  # a small site: left out of the mean by the fixed rule
        found = figures(truth, values, meta["splits"][split["name"]]["threshold"])
        parts.setdefault(split["site"] or split["name"], []).append(found)
    for name in ("auc", "accuracy", "brier", "f1"):
        mean = np.mean([np.mean([found[name] for found in part]) for part in parts.values()])  # over seeds, then over sites
        assert row["metrics"][name]["mean"] == pytest.approx(mean, abs=1e-9), name


def test_every_published_row_is_shown_by_a_suite(stated):
    published = {
        (task_of(path.parent)["dataset"], task_of(path.parent)["protocol"], row_of(path)[0]["method"]) for path in ROWS
    }
    assert published <= set(stated)
