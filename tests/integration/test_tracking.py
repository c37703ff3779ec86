"""The MLflow mirror: complete, idempotent, and never in the way."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.made_benchmark import CASES


@pytest.fixture
def silent_server():
    """A server that takes connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []
    threading.Thread(target=lambda: [held.append(server.accept()) for _ in range(50)], daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def test_the_mirror_holds_every_row_with_metrics_parameters_tags_and_predictions(ran):
    assert "8 rows written, 0 were up to date" in ran.cli("sync", *ran.options).stdout
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{ran.output}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("made-suite")
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.info.run_id: run.info.run_name for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert set(parents.values()) == {"made x repeated-cv", "made x leave-one-site-out"}
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == 8
    steady = next(
        run
        for run in children
        if run.info.run_name == "steady" and parents[run.data.tags["mlflow.parentRunId"]] == "made x repeated-cv"
    )
    history = client.get_metric_history(steady.info.run_id, "auc")
    assert sorted(point.step for point in history) == list(range(20))
    table = ran.json("rank", *ran.options, "--json")["tables"][0]
    stated = next(row for row in table["rows"] if row["method"] == "steady")["metrics"]["auc"]["mean"]
    assert steady.data.metrics["mean_auc"] == pytest.approx(stated, abs=1e-12)
    assert sum(point.value for point in history) / 20 == pytest.approx(stated, abs=1e-12)
    assert steady.data.params["steepness"] == "1.0"
    assert len([tag for tag in steady.data.tags if tag.startswith("key seed")]) == 20
    path = client.download_artifacts(steady.info.run_id, "predictions.csv", str(ran.folder))
    assert len(Path(path).read_text().splitlines()) == 1 + 4 * CASES


def test_sync_is_idempotent_and_follows_a_changed_row(made):
    made.run("--plugin", str(made.other), "--method", "other", "--method", "steady")
    assert "4 rows written, 0 were up to date" in made.cli("sync", *made.options).stdout
    assert "0 rows written, 4 were up to date" in made.cli("sync", *made.options).stdout
    made.edit("self.p = 0.4", "self.p = 0.3", made.other)
    made.run("--method", "other")
    assert "2 rows written, 2 were up to date" in made.cli("sync", *made.options).stdout
    database = sqlite3.connect(made.output / "results" / "mlflow" / "mlflow.db")
    alive = database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()
    assert alive == (2 + 4,)


def test_a_dead_server_neither_stops_nor_slows_a_run(made):
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = f"http://127.0.0.1:{server.getsockname()[1]}"
    started = time.monotonic()
    made.cli("run", *made.options, "--no-sync")
    without = time.monotonic() - started
    started = time.monotonic()
    done = made.cli("run", *made.options, "--recompute", MLFLOW_TRACKING_URI=dead)
    assert time.monotonic() - started < without + 8
    assert "does not answer" in done.stdout
    assert "8 rows written" in made.cli("sync", *made.options).stdout


def test_a_server_that_never_answers_costs_a_bounded_time(made, silent_server, monkeypatch):
    from benchmark.cells import mlflow_mirror as tracking

    monkeypatch.setattr(tracking, "LIMIT_SECONDS", 4.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    started = time.monotonic()
    with tracking.Mirror(str(made.suite), [str(made.plugin)], enabled=True) as mirror:
        mirror.start()
        assert time.monotonic() - started < 1
        said = mirror.finish()
    assert time.monotonic() - started < 12
    assert "sync" in said
