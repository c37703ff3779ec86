"""The MLflow mirror: complete, idempotent, and never in the way."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.made_benchmark import CASES, MadeBenchmark


@pytest.fixture
def silent_server():
    """A server that takes connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    held = []
    threading.Thread(target=lambda: [held.append(server.accept()) for _ in range(50)], daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


@pytest.mark.slow
def test_the_mirror_holds_every_row_with_the_leaderboards_numbers_and_its_predictions(ran):
    from mlflow import MlflowClient

    said = ran.cli("sync", *ran.options).stdout
    assert "8 rows written, 0 were up to date" in said
    assert f"ui --backend-store-uri sqlite:///{ran.output}/results/mlflow/mlflow.db" in said.splitlines()[-2]

    client = MlflowClient(tracking_uri=f"sqlite:///{ran.output}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("made-suite")
    assert experiment.tags["mlflow.note.content"].startswith("Made")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development", "it opens with the metrics"
    runs = client.search_runs([experiment.experiment_id])
    parents = {run.info.run_id: run.info.run_name for run in runs if "mlflow.parentRunId" not in run.data.tags}
    assert set(parents.values()) == {"made x repeated-cv", "made x leave-one-site-out"}
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    found = {(parents[run.data.tags["mlflow.parentRunId"]], run.info.run_name): run for run in children}
    tables = ran.json("rank", *ran.options, "--json")["tables"]
    stated = {
        (f"{table['dataset']} x {table['protocol']}", row["method"]): row["metrics"]
        for table in tables
        for row in table["rows"]
    }
    assert found.keys() == stated.keys() and len(found) == 8
    for name, metrics in stated.items():
        for metric, value in metrics.items():
            assert found[name].data.metrics.get(metric) == value["mean"], (name, metric)
        interval = [found[name].data.metrics.get(f"auc_{bound}") for bound in ("low", "high")]
        assert interval == (metrics["auc"]["ci"] or [None, None])

    steady = found["made x repeated-cv", "steady"]
    history = client.get_metric_history(steady.info.run_id, "split_auc")
    assert sorted(point.step for point in history) == list(range(20))
    assert sum(point.value for point in history) / 20 == pytest.approx(steady.data.metrics["auc"], abs=1e-12)
    assert [point.step for point in client.get_metric_history(steady.info.run_id, "auc")] == [0]
    assert steady.data.params["steepness"] == "1.0"
    assert f"has AUC {steady.data.metrics['auc']:.3f}" in steady.data.tags["mlflow.note.content"]
    assert not any(tag.startswith(("key ", "ingredient ")) for tag in steady.data.tags)
    files = {name: client.download_artifacts(steady.info.run_id, name, str(ran.folder)) for name in FILES}
    assert len(Path(files["predictions.csv"]).read_text().splitlines()) == 1 + 4 * CASES
    keys = [line.split(",")[:2] for line in Path(files["cells.csv"]).read_text().splitlines()[1:]]
    cells = ran.output / "results" / "cells" / "made" / "repeated-cv" / "steady"
    stored = {path.stem: re.search(r'"key": ?"(\w{64})"', path.read_text())[1] for path in cells.glob("*.json")}
    assert {split: key for split, key in keys} == stored and len(stored) == 20
    assert json.loads(Path(files["ingredients.json"]).read_text())["configuration"] == {"steepness": 1.0}


@pytest.mark.slow
def test_published_rows_are_mirrored_where_they_are_asked_for(made):
    from mlflow import MlflowClient

    made.run("--method", "steady", "--protocol", "repeated-cv")
    made.cli("publish", *made.options)
    shutil.rmtree(made.output / "results" / "cells")
    assert "0 rows written" in made.cli("sync", *made.options).stdout
    assert "1 row written" in made.cli("sync", *made.options, "--reference").stdout
    assert "0 rows written, 1 was up to date" in made.cli("sync", *made.options, "--reference").stdout
    client = MlflowClient(tracking_uri=f"sqlite:///{made.output}/results/mlflow/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("made-suite").experiment_id])
    (row,) = [run for run in runs if "method" in run.data.tags]
    (published,) = made.json("rank", *made.options, "--no-local", "--json")["tables"][0]["rows"]
    assert row.data.tags["source"] == "reference" and row.data.params["steepness"] == "1.0"
    assert row.data.metrics["auc"] == published["metrics"]["auc"]["mean"]


@pytest.mark.slow
def test_an_incomplete_row_has_no_mean_and_says_why(made):
    from mlflow import MlflowClient

    made.run("--method", "steady", "--protocol", "repeated-cv", "--seeds", "39")
    made.cli("sync", *made.options)
    client = MlflowClient(tracking_uri=f"sqlite:///{made.output}/results/mlflow/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("made-suite").experiment_id])
    (row,) = [run for run in runs if "method" in run.data.tags]
    assert "auc" not in row.data.metrics and len(client.get_metric_history(row.info.run_id, "split_auc")) == 5
    assert row.data.tags["mlflow.note.content"] == "5 of 20 cells, so there is no mean AUC: 15 not computed yet."


FILES = ("predictions.csv", "cells.csv", "ingredients.json")


@pytest.mark.slow
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


ODD = "a b?c#d%20e=ü&'%zz"


def mirrored(made):
    """The predictions of the made suite's mirrored rows, as MLflow finds them by its default database."""
    from mlflow import MlflowClient

    database = made.output / "results" / "mlflow" / "mlflow.db"
    assert database.is_file()
    client = MlflowClient(tracking_uri=f"sqlite+pysqlite:///{quote(str(database))}")
    experiment = client.get_experiment_by_name("made-suite")
    runs = client.search_runs([experiment.experiment_id])
    rows = [run.info.run_id for run in runs if "method" in run.data.tags]
    return [Path(client.download_artifacts(run, "predictions.csv")).read_text() for run in rows]


@pytest.mark.slow
def test_folders_may_have_any_name(tmp_path):
    made = MadeBenchmark(tmp_path / ODD)
    made.run("--method", "steady", "--protocol", "repeated-cv", "--seeds", "39")
    assert "1 row written, 0 were up to date" in made.cli("sync", *made.options).stdout
    assert "0 rows written, 1 was up to date" in made.cli("sync", *made.options).stdout
    artifacts = made.output / "results" / "mlflow" / "artifacts"
    assert mirrored(made) == [path.read_text() for path in artifacts.rglob("predictions.csv")] != []
    assert [path.name for path in tmp_path.iterdir()] == [ODD]


@pytest.mark.slow
def test_a_database_whose_making_was_interrupted_is_made_anew(made):
    made.run("--method", "steady", "--protocol", "repeated-cv", "--seeds", "39")
    unfinished = made.output / "results" / "mlflow" / ".mlflow.db.part"
    unfinished.parent.mkdir()
    with sqlite3.connect(unfinished) as database:
        database.execute("create table experiments (x)")
    assert "1 row written" in made.cli("sync", *made.options).stdout
    assert len(mirrored(made)) == 1
    assert not list(unfinished.parent.glob(".mlflow.db.part*"))


@pytest.mark.slow
def test_an_experiment_that_was_deleted_or_lies_elsewhere_is_mirrored_again(made):
    from mlflow import MlflowClient

    made.run("--method", "steady", "--protocol", "repeated-cv", "--seeds", "39")
    made.cli("sync", *made.options)
    client = MlflowClient(tracking_uri=f"sqlite:///{made.output}/results/mlflow/mlflow.db")
    client.delete_experiment(client.get_experiment_by_name("made-suite").experiment_id)
    assert "up to date" in made.cli("sync", *made.options).stdout
    assert len(mirrored(made)) == 1

    place = made.output
    for name in ("there", "back"):  # twice, since an experiment that made room keeps its name
        place = place.rename(made.folder / name)
        made.variables["STROKEBENCH_OUTPUT"] = str(place)
        assert "1 row written, 0 were up to date" in made.cli("sync", *made.options).stdout
        assert "0 rows written, 1 was up to date" in made.cli("sync", *made.options).stdout
        assert not made.output.exists(), "nothing is written where the folder was before"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mysql+pymysql://me:secret@{listening}/db", r"mysql\+pymysql://me:\*\*\*@127\.0\.0\.1:\d+/db: .*pymysql"),
        ("nonsense://x", "nonsense"),
        ("sqlite:////dev/null/all.db", "/dev/null"),
    ],
)
def test_a_tracking_address_that_does_not_work_is_one_line_without_its_password(made, uri, message):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = uri.format(listening="{}:{}".format(*listening.getsockname()))
        done = made.cli("sync", *made.options, MLFLOW_TRACKING_URI=address, code=2)
    assert re.fullmatch(r"error: mlflow: [^\n]+nothing is lost[^\n]+\n", done.stderr), done.stderr
    assert re.search(message, done.stderr)
    assert "secret" not in done.stderr


@pytest.mark.parametrize("scheme", ["http", "postgresql", "postgresql+psycopg", "mysql+pymysql"])
def test_a_server_that_takes_no_connection_is_away_at_once(made, scheme):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = made.cli("sync", *made.options, MLFLOW_TRACKING_URI=f"{scheme}://me:secret@127.0.0.1:{port}/db").stdout
    assert "does not answer" in said and "secret" not in said


def test_an_address_with_a_port_that_is_no_number_is_away(made):
    from benchmark.cells.mlflow_mirror import is_away

    assert is_away("http://localhost:port")
    assert "does not answer" in made.cli("sync", *made.options, MLFLOW_TRACKING_URI="http://localhost:port").stdout


@pytest.mark.slow
def test_a_mirror_that_fails_ends_no_run(made):
    folder = made.output / "results" / "mlflow"
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder of the mirror would be")
    done = made.cli("run", *made.options, "--in-process", "--method", "steady", "--protocol", "repeated-cv", "--seeds", "39")
    assert "mlflow" in done.stdout.splitlines()[-1]
    assert "nothing is lost" in done.stdout
    assert len(made.cells()) == 5


def test_a_mirror_that_cannot_be_started_is_told_and_ends_nothing(made, monkeypatch):
    from benchmark.cells import mlflow_mirror as tracking

    def failing(*words, **options):
        raise OSError("no more processes")

    monkeypatch.setattr(tracking.subprocess, "Popen", failing)
    with tracking.Mirror(str(made.suite), [], enabled=True) as mirror:
        mirror.start()
        assert mirror.finish() == "mlflow: not mirrored (no more processes); `python -m benchmark sync` brings it level"


@pytest.mark.slow
def test_a_dead_server_neither_stops_nor_slows_a_run(made):
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = f"http://127.0.0.1:{server.getsockname()[1]}"
    started = time.monotonic()
    made.cli("run", *made.options, "--no-sync")
    without = time.monotonic() - started
    started = time.monotonic()
    done = made.cli("run", *made.options, "--recompute", MLFLOW_TRACKING_URI=dead)
    assert time.monotonic() - started < 2 * without + 8, "on a busy machine; waiting for the server would take minutes"
    assert "does not answer" in done.stdout
    assert "8 rows written" in made.cli("sync", *made.options).stdout


@pytest.mark.slow
def test_a_server_that_never_answers_costs_a_bounded_time(made, silent_server, monkeypatch):
    from benchmark.cells import mlflow_mirror as tracking

    monkeypatch.setattr(tracking, "LIMIT_SECONDS", 4.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", silent_server)
    with tracking.Mirror(str(made.suite), [str(made.plugin)], enabled=True) as mirror:
        mirror.start()
        child = mirror._child._child
        assert child is not None and child.poll() is None, "it has returned while its child works"
        said = mirror.finish()
    assert said.startswith("mlflow: not finished within 4 s") and "sync" in said
