"""Cells on a Dask cluster, whose scheduler and workers are processes of their own, as on a real one."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmark.cells import transfers
from benchmark.cells.cluster import DEATHS, DaskCluster, _WorkerLeft
from benchmark.cells.cluster_worker import Answer, Order, Software, _unfit
from benchmark.cells.compute import Encoding
from benchmark.cells.executors import LocalProcesses
from benchmark.cells.store import Store
from benchmark.data.preparation import load_cohort
from benchmark.data.written import keep
from benchmark.suites.suite import Limits
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import build_once
from benchmark.system.locations import ROOT
from tests.cells.test_stages import SHARING
from tests.made_benchmark import Done, MadeBenchmark
from tests.services import DaskServices, Service, alive, free_port

SLOW = ["--method", "dicey[pause=0.4]", "--protocol", "leave-one-site-out"]
"""12 cells of about half a second."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskServices]:
    """A scheduler, so far without workers."""
    services = DaskServices(tmp_path)
    yield services
    services.end()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskServices]:
    """A cluster of two workers with data folders of their own, one of them under a nanny."""
    services = DaskServices(tmp_path_factory.mktemp("cluster"))
    for name, kind in (("first", "--nanny"), ("second", "--no-nanny")):
        own = {variable: str(services.folder / name / variable) for variable in ("STROKEBENCH_DATA", "STROKEBENCH_OUTPUT")}
        services.add_worker(kind, **own, MADE_TOKEN="secret")
    yield services
    services.end()


def run_on(made: MadeBenchmark, cluster: DaskServices, *words: str, code: int = 0) -> Done:
    return made.cli("run", *made.options, "--no-sync", "--scheduler", cluster.address, *words, code=code)


@contextmanager
def started(made: MadeBenchmark, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, which is killed at the end of the block if it still works."""
    command = made.command("run", *made.options, "--no-sync", *words)
    how = {"cwd": ROOT, "env": made.environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **how) as child:
        try:
            yield child
        finally:
            child.kill()


def wait_for_cells(made: MadeBenchmark, child: subprocess.Popen[str], count: int, seconds: float = 150) -> None:
    until = time.monotonic() + seconds
    while len(made.cells()) < count:
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < until, f"{len(made.cells())} cells after {seconds:.0f} s"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_cluster_gives_the_bytes_of_one_process_and_brings_data_and_stages_where_they_are_needed(
    made: MadeBenchmark, two_workers: DaskServices, tmp_path: Path
) -> None:
    sharing = SHARING.replace("BEGIN", "time.sleep(0.2)").replace("BROKEN", "None")
    rows = [f"--method={name}" for name in ("steady", "dicey", "of-image", "sharing", "sharing[head=other]")]
    words = ["--plugin", str(made.write("sharing.py", sharing)), "--protocol", "leave-one-site-out", *rows]
    run_on(made, two_workers, *words)
    alone = MadeBenchmark(tmp_path / "alone")
    alone.run("--plugin", str(alone.write("sharing.py", sharing)), *words[2:])
    assert len(alone.cells()) == 3 * (1 + 4 + 1 + 4 + 4)
    assert made.cells() == alone.cells()
    for kind in ("prepared/made/*", "features/*/*", "stages/[!.]*"):
        here = {path.name for path in (made.folder / "data").glob(kind) if path.is_dir()}
        there = {path.name for path in two_workers.folder.glob(f"*/STROKEBENCH_DATA/{kind}") if path.is_dir()}
        assert here == there, kind
        assert here, kind


@pytest.mark.slow
def test_a_stage_that_fails_on_a_worker_fails_the_cells_that_need_it_and_no_worker_has_secrets(
    made: MadeBenchmark, two_workers: DaskServices
) -> None:
    import_os = "import os\n        assert 'MADE_TOKEN' not in os.environ, 'a secret'\n        "
    sharing = SHARING.replace("BEGIN", import_os + "raise ValueError('no luck')").replace("BROKEN", "None")
    words = ["--plugin", str(made.write("sharing.py", sharing)), "--protocol", "holdout", "--seeds", "39"]
    for method in ("sharing", "sharing[depth=2]"):
        run_on(made, two_workers, *words, "--method", method, "--method", "steady", code=1)
        record = Store().row("made", "holdout", method)["holdout-seed39"]
        assert record.outcome == "failed" and "no luck" in record.reason
    assert Store().row("made", "holdout", "steady")["holdout-seed39"].outcome == "ok"


@pytest.mark.slow
def test_reports_that_were_written_for_a_cohort_are_sent_with_it(
    made: MadeBenchmark, two_workers: DaskServices, tmp_path: Path
) -> None:
    method = (
        "from dataclasses import dataclass\nimport numpy as np\nfrom benchmark import register_method\n"
        '@register_method("reader", family="f", reference="r", fit_modalities={"text"}, predict_modalities={"text"})\n'
        '@dataclass\nclass Reader:\n    reports: str = "mine"\n    unencoded = frozenset({"text"})\n'
        "    def fit(self, train, validation, seed): pass\n"
        "    def predict_proba(self, cases):\n"
        "        return np.array([len(drafts[0]) / 100 if drafts else 0.5 for drafts in cases.reports])\n"
    )
    words = ["--plugin", str(made.write("reader.py", method)), "--protocol", "holdout", "--seeds", "39", "--method", "reader"]
    cohort = load_cohort("made", made.catalogue())
    keep(cohort, "mine", tuple((f"of case {case}",) for case in cohort.case_ids), {"writer": "by hand"})
    run_on(made, two_workers, *words)
    on_cluster = made.cells()
    assert [Store().row("made", "holdout", "reader")["holdout-seed39"].outcome] == ["ok"]
    made.run(*words, "--recompute")
    assert made.cells() == on_cluster


def test_other_code_or_libraries_of_a_cell_or_stage_are_refused_by_name(made: MadeBenchmark) -> None:
    plugin = made.write("sharing.py", SHARING.replace("BEGIN", "pass").replace("BROKEN", "None"))
    cell, image = made.cell("sharing", plugins=[plugin]), made.cell("of-image")
    assert [_unfit(each) for each in (cell, cell.stages[0], image, "no cell")] == [""] * 4
    other = replace(cell.row, ingredients={**cell.row.ingredients, "libraries": {"python": "3.11", "numpy": "0.1"}})
    assert re.fullmatch(r"it has numpy \S+, this run 0\.1", _unfit(replace(cell, row=other)))
    (encoder,) = image.row.encoders.values()
    weights = replace(image.row, ingredients={**image.row.ingredients, "encoders": {encoder: "other weights"}})
    assert _unfit(replace(image, row=weights)) == f"its encoder {encoder} has other code, libraries or weights"
    encoding = Encoding("image", encoder, identity=image.ingredients["encoders"][encoder], plugins=image.row.plugins)
    assert _unfit(encoding) == ""
    assert _unfit(replace(encoding, identity="other")) == f"its encoder {encoder} has other code, libraries or weights"
    weights = replace(cell.row, ingredients={**cell.row.ingredients, "weights": "of another version"})
    assert _unfit(replace(cell, row=weights)) == "sharing has other weights"
    away = replace(cell.row, plugins=(*cell.row.plugins, "/nowhere/else.py"))
    assert _unfit(replace(cell, row=away)) == "the plug-in /nowhere/else.py is not there"
    plugin.write_text(plugin.read_text().replace("0.01 *", "0.02 *"))
    assert all("differs there, or was edited" in _unfit(each) for each in (cell, cell.stages[0]))


class Worker:
    """A client of Dask with one worker, which is called in this process; it can be told to have a full disk."""

    def __init__(self, full_after: int) -> None:
        self.left = full_after

    def run(self, function: Callable[..., Any], *words: Any, workers: list[str]) -> dict[str, Any]:
        if function is transfers._receive:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
        found = function(*words)
        if inspect.iscoroutine(found):  # in a thread: a browser test before it leaves its own event loop running in this one
            with ThreadPoolExecutor(1) as thread:
                found = thread.submit(asyncio.run, found).result()
        return {workers[0]: found}

    def scheduler_info(self, **words: Any) -> dict[str, Any]:
        return {"workers": {"w": {"nthreads": 1}}}


def sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_after: int) -> tuple[DaskCluster, Path]:
    """A cluster whose worker has a data folder of its own, and a sealed folder of the run's."""
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "here"))
    sent = object.__new__(DaskCluster)
    vars(sent)["_client"] = Worker(full_after)

    def write(folder: Path) -> None:
        (folder / "a.npy").write_bytes(b"a" * 10)
        (folder / "b.npy").write_bytes(b"b" * 10)

    return sent, build_once(tmp_path / "here" / "stages" / "one", write)


def test_a_full_disk_of_a_worker_ends_the_run_in_one_line_and_nothing_half_sent_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    sent, _ = sending(tmp_path, monkeypatch, 1)
    with pytest.raises(BenchmarkError, match="worker w can no longer read or keep data .*No space left"):
        sent._push("w", str(there), "stages/one")
    assert [path for path in there.rglob("*") if path.is_file()] == []
    sent, folder = sending(tmp_path, monkeypatch, 9)
    sent._push("w", str(there), "stages/one")
    assert {path.name: path.read_bytes() for path in (there / "stages" / "one").iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    with pytest.raises(BenchmarkError, match="stages/two is not there, and a worker needs it"):
        sent._push("w", str(there), "stages/two")


def test_what_a_worker_made_is_fetched_unless_it_is_seen_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, folder = sending(tmp_path, monkeypatch, 9)
    there = tmp_path / "there"
    shutil.copytree(folder.parent, there / "stages")
    before = (folder / "b.npy").stat().st_ino
    sent._pull("w", str(there), "stages/one")
    assert (folder / "b.npy").stat().st_ino == before, "it is here already"
    shutil.rmtree(folder)
    left = folder.parent / ".one.sent-cut-short"
    left.mkdir()
    os.utime(left, (0, 0))
    sent._pull("w", str(there), "stages/one")
    assert (folder / "b.npy").read_bytes() == b"b" * 10
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["one"]
    shutil.rmtree(folder)
    (there / "stages" / "one" / "b.npy").write_bytes(b"c" * 10)
    with pytest.raises(BenchmarkError, match=r"b\.npy is damaged"):
        sent._pull("w", str(there), "stages/one")
    assert not [path for path in folder.parent.iterdir() if path.is_dir()]


def test_a_worker_looks_once_whether_a_folder_has_the_bytes_of_its_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = sending(tmp_path, monkeypatch, 9)
    data, name = folder.parents[1], "stages/one"
    assert transfers.is_sound(data, name, own=True)
    assert not transfers.is_sound(data, "stages/two", own=True)
    monkeypatch.setattr(transfers, "_SOUND", set())
    (folder / "b.npy").write_bytes(b"c" * 10)
    with pytest.raises(BenchmarkError, match=r"b\.npy is damaged"):
        transfers.is_sound(data, name, own=False)
    assert not transfers.is_sound(data, name, own=True)
    assert not folder.exists(), "it is sent anew"


def test_a_line_that_breaks_is_no_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, _ = sending(tmp_path, monkeypatch, 9)

    def broken(*words: Any, **more: Any) -> None:
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(vars(sent)["_client"], "run", broken, raising=False)
    with pytest.raises(_WorkerLeft):
        sent._push("w", str(tmp_path / "there"), "stages/one")
    answer, future = Answer("lacks", "w", str(tmp_path / "there"), names=("stages/one",)), Future[Any]()
    order = Order("run", "", "", b"", None, 1.0, "", "", {}, (), ())
    sent._taken(order, future, DEATHS, answer)
    assert "worker w cannot be reached" in str(future.exception()), "it was tried often enough"


@pytest.mark.slow
def test_limits_and_deaths_are_outcomes_on_a_cluster_as_elsewhere(made: MadeBenchmark, two_workers: DaskServices) -> None:
    made.edit("memory_gib = 4", "memory_gib = 2", made.suite)
    expected = {"hungry": "out-of-memory", "dying": "crashed", "sleeping": "timeout"}
    words = ["--plugin", str(made.broken), "--protocol", "holdout", "--seeds", "39"]
    run_on(made, two_workers, *words, "--method", "hungry", "--method", "dying", code=1)
    made.edit("seconds = 60", "seconds = 3", made.suite)
    run_on(made, two_workers, *words, "--method", "sleeping", code=1)
    rows = {method: Store().row("made", "holdout", method) for method in expected}
    assert {method: row["holdout-seed39"].outcome for method, row in rows.items()} == expected


@pytest.mark.slow
def test_killing_workers_at_random_moments_costs_no_cell(
    made: MadeBenchmark, two_workers: DaskServices, tmp_path: Path
) -> None:
    """A worker is killed again and again; its nanny starts another."""
    drawn, ended, killed = random.Random(24), threading.Event(), []

    def kill() -> None:
        while not ended.wait(drawn.uniform(2, 4)):
            for process in two_workers.workers[0].all[1:]:
                if process.ppid() == two_workers.workers[0].process.pid and "resource_tracker" not in " ".join(
                    process.cmdline()
                ):
                    killed.append([process, *process.children(recursive=True)])
                    process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        run_on(made, two_workers, *SLOW, "--method", "dicey[noise=0.1,pause=0.4]")
    finally:
        ended.set()
        killer.join()
    assert killed, "no worker was killed during the run"
    assert not alive([each for group in killed for each in group]), "a killed worker left a child behind"
    alone = MadeBenchmark(tmp_path / "alone")
    alone.run(*SLOW[2:], "--method", "dicey[noise=0.1,pause=0.4]", "--method", SLOW[1])
    assert len(made.cells()) == 24
    assert made.cells() == alone.cells()


@pytest.mark.slow
def test_a_run_that_is_killed_keeps_its_cells_and_the_next_one_computes_the_others(
    made: MadeBenchmark, two_workers: DaskServices
) -> None:
    words = ["--method", "dicey[pause=1.0]", "--protocol", "leave-one-site-out"]
    with started(made, "--scheduler", two_workers.address, *words) as child:
        wait_for_cells(made, child, 2)
    kept = {path: path.stat().st_mtime_ns for path in made.output.glob("results/cells/*/*/*/*.json")}
    assert 2 <= len(kept) < 12
    done = run_on(made, two_workers, *words)
    assert f"{12 - len(kept)} of 12 cells to compute ({len(kept)} are fresh)" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "a finished cell was computed again"


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_run_with_one_line_and_keeps_its_cells(
    made: MadeBenchmark, cluster: DaskServices
) -> None:
    worker = cluster.add_worker()
    with started(made, "--scheduler", cluster.address, *SLOW) as child:
        wait_for_cells(made, child, 2)
        there = worker.all
        os.killpg(cluster.scheduler.process.pid, signal.SIGKILL)
        _, errors = child.communicate(timeout=300)
    assert child.returncode == 2, errors
    assert errors.strip().splitlines()[-1] == (
        f"error: the scheduler at {cluster.address} went away: finished cells are saved; "
        "run the same command again when it is back"
    )
    assert len(errors.strip().splitlines()) == 1
    stored = len(made.cells())
    worker.end()
    assert not alive(there)
    done = made.run(*SLOW)
    assert f"({stored} are fresh)" in done.stdout


@pytest.mark.slow
def test_a_worker_from_another_checkout_is_refused_with_one_line(made: MadeBenchmark, cluster: DaskServices) -> None:
    other = made.folder / "other"
    for name in ("benchmark", "datasets", "baselines", "methods"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", other)
    log = made.folder / "other.log"
    words = [sys.executable, "-m", "distributed.cli.dask_worker", cluster.address, "--nthreads", "1", "--no-nanny"]
    environment = {"PYTHONPATH": str(other), "STROKEBENCH_DATA": "", "STROKEBENCH_OUTPUT": ""}
    worker = Service([*words, "--no-dashboard"], log, environment, {"cwd": other})
    worker.start(lambda: "Registered to" in log.read_text(errors="replace"))
    try:
        done = run_on(made, cluster, "--method", "steady", code=2)
    finally:
        worker.end()
    assert re.fullmatch(
        rf"error: worker tcp://\S+ is not fit for this run: its checkout is {re.escape(str(other))}, that of this run "
        rf"{re.escape(str(ROOT))}: start its workers from this checkout, in this environment \(docs/cluster.md\)",
        done.stderr.strip(),
    )
    assert not made.cells()


def test_what_differs_between_two_environments_is_named() -> None:
    here = Software("/a", {"x.py": "1", "y.py": "2"}, {"Python": "3.11.4", "numpy": "2.0"})
    assert here.differs(here) == ""
    assert here.differs(replace(here, versions={"Python": "3.11.4"})) == "it has numpy not at all, this run 2.0"
    assert here.differs(replace(here, versions={"Python": "3.12.0"})) == "it has Python 3.12.0, this run 3.11.4"
    assert here.differs(replace(here, files={"x.py": "1", "y.py": "3"})) == "its checkout has another y.py"
    assert here.differs(replace(here, files={"x.py": "1", "y.py": "2", "z.py": "1"})) == "its checkout has another z.py"


@pytest.mark.slow
def test_an_address_that_nobody_answers_is_one_line(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("benchmark.cells.cluster.ANSWER_SECONDS", 1.0)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense://here", "127.0.0.1:0"):
        done = made.cli("run", *made.options, "--no-sync", "--scheduler", address, code=2)
        assert re.fullmatch(rf"error: no Dask scheduler answers at {address} within 1 s \(.+\): .+", done.stderr.strip()), (
            address
        )


@pytest.mark.slow
def test_messages_are_encrypted_where_scheduler_and_run_have_certificates(made: MadeBenchmark, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    how = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=made"]
    subprocess.run(["openssl", "req", *how, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    variables = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
    for who in ("SCHEDULER", "WORKER", "CLIENT"):
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{who}__CERT"] = str(certificate)
        variables[f"DASK_DISTRIBUTED__COMM__TLS__{who}__KEY"] = str(key)
    services = DaskServices(tmp_path, protocol="tls", variables=variables)
    try:
        services.add_worker()
        words = ["run", *made.options, "--no-sync", "--scheduler", services.address, "--method", "steady", "--seeds", "39"]
        refused = made.process(*words)
        assert refused.returncode == 2
        assert refused.stderr.strip() == (
            f"error: {services.address}: TLS needs a certificate: name it in Dask's configuration (docs/cluster.md)"
        )
        done = made.process(*words, env={**made.environment, **variables})
        assert done.returncode == 0, done.stderr
    finally:
        services.end()
    assert made.cells()


@pytest.mark.parametrize("words", [["--cluster", "slurm:3"], ["--cluster", "local:0"], ["--cluster", "local:x"]])
def test_a_cluster_that_cannot_be_started_is_refused(made: MadeBenchmark, words: list[str]) -> None:
    assert made.run(*words, "--jobs", "1", code=2).stderr.startswith(f"error: --cluster {words[1]}: give local:N")


def test_a_run_has_one_place_to_compute(made: MadeBenchmark) -> None:
    done = made.run("--scheduler", "x", "--cluster", "local:2", code=2)
    assert done.stderr == "error: --scheduler, --cluster and --in-process: give one of them\n"


@pytest.mark.slow
def test_a_cluster_of_this_machine_needs_no_scheduler_and_leaves_no_process(made: MadeBenchmark) -> None:
    pytest.importorskip("distributed")
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    made.run("--cluster", "local:1", "--jobs", "1", "--method", "steady", "--protocol", "leave-one-site-out")
    assert len(made.cells()) == 3
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not alive([child for child in left if "resource_tracker" not in " ".join(child.cmdline())])


# Workers of this machine


@pytest.mark.slow
def test_a_run_that_is_asked_to_end_leaves_no_worker_behind(made: MadeBenchmark) -> None:
    with started(made, "--jobs", "2", "--method", "dicey[pause=20.0]") as child:
        until = time.monotonic() + 150
        while len(workers := _spawned(child.pid)) < 2 or sum(each.cpu_times().user for each in workers) < 0.2:
            assert child.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        child.terminate()
        _, errors = child.communicate(timeout=300)
    assert child.returncode == 130
    assert errors.strip() == "interrupted: finished cells are saved; run the same command to go on"
    assert not alive(workers)


def test_a_worker_whose_code_holds_the_interpreter_ends_with_its_parent_too() -> None:
    source = (
        "import os, re, signal, time\nfrom benchmark.cells.executors import LocalProcesses\n"
        "from benchmark.suites.suite import Limits\n"
        "if __name__ == '__main__':\n"
        "    pool = LocalProcesses(1, Limits())\n    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    pool.submit(re.match, '(a+)+$', 'a' * 64 + 'b')\n    time.sleep(0.5)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = Path(os.environ["STROKEBENCH_OUTPUT"])
    path.mkdir(parents=True)
    (path / "holding.py").write_text(source)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, path / "holding.py"], env=environment, capture_output=True, text=True, timeout=300)
    pid = int(done.stdout)
    assert not psutil.pid_exists(pid) or not alive([psutil.Process(pid)])


@pytest.mark.slow
def test_variables_of_a_pool_are_those_of_its_workers_alone() -> None:
    with LocalProcesses(1, Limits(), {"STROKEBENCH_DATA": "/there"}) as pool:
        assert pool.submit(os.getenv, "STROKEBENCH_DATA").result() == "/there"
    assert os.environ["STROKEBENCH_DATA"] != "/there"


def _spawned(parent: int) -> list[psutil.Process]:
    there = psutil.Process(parent).children(recursive=True)
    return [child for child in there if "spawn_main" in " ".join(child.cmdline())]
