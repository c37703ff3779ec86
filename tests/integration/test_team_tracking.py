"""Several machines that mirror to one MLflow with PostgreSQL, at the same time."""

from __future__ import annotations

import http.server
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.cells.mlflow_rivals import PARENT_TAG, WRITER_TAG, settle
from tests.made_benchmark import MadeBenchmark
from tests.services import PostgresService


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresService]:
    folder = tmp_path_factory.mktemp("database", numbered=True)
    for parent in (folder, *folder.parents):
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)  # user `postgres` must be able to pass through
    service = PostgresService(folder / "server").start()
    yield service
    service.end()


def other_machine(made: MadeBenchmark, name: str, **variables: str) -> MadeBenchmark:
    """The same components and data with an output folder of its own."""
    return MadeBenchmark(made.folder, {"STROKEBENCH_OUTPUT": str(made.folder / name), **variables})


def test_machines_that_mirror_at_once_leave_each_row_once(made: MadeBenchmark, postgres: PostgresService) -> None:
    machines = [other_machine(made, name, MLFLOW_TRACKING_URI=postgres.uri) for name in ("one", "two")]
    for machine, rows in zip(machines, (["steady", "dicey"], ["dicey", "blunt"]), strict=True):
        machine.run("--protocol", "leave-one-site-out", *(f"--method={row}" for row in rows))
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=postgres.uri)
    client.search_experiments()  # makes the tables, as a tracking server does when it starts
    done: list[str] = []

    def sync(machine: MadeBenchmark) -> None:
        ended = machine.process("sync", *machine.options)
        done.append(ended.stdout + ended.stderr)

    threads = [threading.Thread(target=sync, args=[machine]) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 2 and all(re.search(r"\d rows? written", told) and "hidden" not in told for told in done), done
    for machine in machines:  # a row that another machine was writing is brought level now
        sync(machine)
    experiment = client.get_experiment_by_name("made-suite")
    runs = client.search_runs([experiment.experiment_id])
    names = Counter(run.data.tags["strokebench.row"] for run in runs)
    table = "made x leave-one-site-out"
    assert names == Counter([table, *(f"{table} x {row}" for row in ("steady", "dicey", "blunt"))])
    parent = next(run for run in runs if PARENT_TAG not in run.data.tags).info.run_id
    assert {run.data.tags.get(PARENT_TAG, parent) for run in runs} == {parent}
    assert len({run.data.tags[WRITER_TAG] for run in runs if WRITER_TAG in run.data.tags}) == 2


def test_a_part_of_a_row_does_not_take_the_place_of_another_machines_whole_one(made: MadeBenchmark) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{made.folder / 'team.db'}"
    one, two = (other_machine(made, name, MLFLOW_TRACKING_URI=uri) for name in ("one", "two"))
    words = ["--protocol", "leave-one-site-out", "--method", "dicey"]
    one.run(*words)
    two.run(*words, "--seeds", "39")
    for machine in (one, two):
        machine.cli("sync", *machine.options)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("made-suite").experiment_id
    (run,) = client.search_runs([experiment], "tags.method = 'dicey'")
    assert run.info.status == "FINISHED" and "auc" in run.data.metrics
    two.run(*words)
    two.cli("sync", *two.options)
    assert len(client.search_runs([experiment])) == 2, "the table and the row, once each"


def test_searches_go_with_the_run_of_their_row_and_rows_stay_with_their_table(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'team.db'}")
    experiment = client.create_experiment("team", artifact_location=str(tmp_path / "artifacts"))

    def run(name: str, parent: str = "", **tags: str) -> str:
        given = {"row": name, **({PARENT_TAG: parent} if parent else {}), **tags}
        return str(client.create_run(experiment, tags=given).info.run_id)

    tables = [run("t") for _ in range(2)]
    rows = [run("t x m", table, digest="d") for table in tables]
    searches = [run("t x m x split", row) for row in rows]
    for each in (*tables, *rows, *searches):
        client.set_terminated(each)
    settle(client, experiment, "row", "digest")
    left = {each.info.run_id: each.data.tags.get(PARENT_TAG, "") for each in client.search_runs([experiment])}
    (table,) = [name for name, parent in left.items() if not parent]
    (row,) = [name for name, parent in left.items() if parent == table]
    assert len(left) == 3 and [parent for name, parent in left.items() if name in searches] == [row]


def test_token_and_certificate_variables_reach_the_tracking_server(made: MadeBenchmark) -> None:
    seen: list[str] = []

    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.send_response(403)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        made.run("--method", "steady", "--protocol", "leave-one-site-out")
        variables = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.server_port}", "MLFLOW_TRACKING_TOKEN": "abc"}
        done = made.cli("sync", *made.options, code=2, **variables)
        assert seen and set(seen) == {"Bearer abc"}
        assert "abc" not in done.stdout + done.stderr
        missing = made.folder / "no-such-certificate.pem"
        variables |= {"MLFLOW_TRACKING_URI": "https://127.0.0.1:1", "MLFLOW_TRACKING_SERVER_CERT_PATH": str(missing)}
        done = made.cli("sync", *made.options, code=None, **variables)
        assert done.stdout.count("\n") + done.stderr.count("\n") == 1
    finally:
        server.shutdown()
        server.server_close()
