"""Running a suite: what is computed, what is kept, and what survives an accident."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time

import pyarrow.parquet as pq
import pytest

from benchmark.system.locations import ROOT
from tests.made_benchmark import CASES

CELLS = 3 * 20 + 20 + (3 + 12 + 12) + 3
"""Per row 20 splits of repeated-cv; leave-one-site-out 3 sites x 4 seeds, once for the deterministic rows."""


def test_the_second_run_computes_nothing_and_says_so(ran):
    before, leaderboard = ran.cells(), ran.leaderboard.read_bytes()
    assert len(before) == CELLS
    assert f"nothing to compute: all {CELLS} cells are fresh" in ran.run().stdout
    assert ran.cells() == before
    assert ran.leaderboard.read_bytes() == leaderboard


@pytest.mark.slow
def test_the_number_of_jobs_and_the_executor_change_no_deterministic_byte(ran):
    in_process = ran.cells()
    assert len(in_process) == CELLS
    for jobs in ("1", "2"):
        before = {path: path.stat().st_mtime_ns for path in ran.output.rglob("seed*-fold*.json")}
        ran.run("--recompute", "--jobs", jobs)
        assert all(path.stat().st_mtime_ns > was for path, was in before.items())
        assert ran.cells() == in_process


@pytest.mark.slow
def test_an_edit_of_one_methods_code_makes_only_its_cells_stale_and_a_comment_none(ran):
    words = ["--plugin", str(ran.other), "--method", "other"]
    assert "32 of 32 cells to compute" in ran.run(*words).stdout
    ran.edit("self.p = 0.4", "self.p = 0.4  # of all", ran.other)
    assert "nothing to compute" in ran.run().stdout
    ran.edit("self.p = 0.4", "self.p = 0.5", ran.other)
    assert f"32 of {CELLS + 32} cells to compute" in ran.run().stdout


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_leaderboard(ran):
    undisturbed, cells = ran.leaderboard.read_bytes(), ran.cells()
    chance = random.Random(os.getpid())
    for _ in range(3):
        for path in ran.output.rglob("*"):
            if path.is_file():
                path.unlink()
        child = subprocess.Popen(
            ran.command("run", *ran.options, "--no-sync"), cwd=ROOT, env=ran.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(chance.uniform(0.5, 6))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        ran.run()
        assert ran.cells() == cells
        assert ran.leaderboard.read_bytes() == undisturbed


@pytest.mark.slow
def test_ctrl_c_keeps_every_finished_cell_and_ends_with_130(made):
    slow = ["--method", "dicey[pause=0.2]"]
    child = subprocess.Popen(
        made.command("run", *made.options, "--no-sync", *slow), cwd=ROOT, env=made.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background of a shell inherit "ignored"
    )  # fmt: skip
    until = time.monotonic() + 300
    while len(made.cells()) < 3:
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "interrupted" in errors and "Traceback" not in errors
    kept = made.cells()
    assert 3 <= len(kept) < 32
    assert f"{32 - len(kept)} of 32 cells to compute" in made.run(*slow).stdout
    assert kept.items() <= made.cells().items()


@pytest.mark.slow
def test_a_failing_method_stops_no_other_and_is_shown_with_its_cause(made):
    made.edit("FAIL = False", "FAIL = True")
    done = made.run("--jobs", "2", code=1)
    assert "blunt fails on purpose" in done.stdout and "Traceback" not in done.stdout + done.stderr
    table = made.json("rank", *made.options, "--json")["tables"][0]
    rows = {row["method"]: row for row in table["rows"]}
    assert rows["steady"]["ranked"] and rows["steady"]["cells_ok"] == 20
    assert not rows["blunt"]["ranked"] and rows["blunt"]["cells_ok"] == 0
    assert {pair["a"] for pair in table["pairs"]} | {pair["b"] for pair in table["pairs"]} == {"steady", "dicey"}
    assert "failed: ValueError: blunt fails on purpose" in made.leaderboard.read_text()
    assert "nothing to compute" in made.run(code=1).stdout
    assert "32 of" in made.run("--retry", "failed", code=1).stdout
    other = made.run("--retry", "timeout,crashed", code=1).stdout
    assert "nothing to compute: no cell has the outcome timeout or crashed" in other


@pytest.mark.slow
def test_a_row_that_a_suite_skips_is_shown_once_it_was_run(made):
    made.suite.write_text(made.suite.read_text() + '[skipped.made]\nblunt = "takes hours"\n')
    made.run()
    assert "| made | `blunt` | takes hours |" in made.leaderboard.read_text()
    assert "blunt" not in made.cli("publish", *made.options).stdout
    assert "missing" in made.cli("explain", "made/repeated-cv/blunt/seed39-fold0", *made.options).stdout
    made.run("--method", "blunt")
    assert "takes hours" not in made.leaderboard.read_text()
    assert {row["method"] for row in made.json("rank", *made.options, "--json")["tables"][0]["rows"]} >= {"blunt", "steady"}
    assert "8 rows published" in made.cli("publish", *made.options).stdout
    shown = ["show", "predictions", "--method", "blunt", "--dataset", "made", "--protocol", "repeated-cv"]
    assert len(made.json(*shown, *made.options, "--json")) == 4 * CASES


@pytest.mark.slow
def test_a_cell_that_ran_out_of_time_and_is_tried_again_is_no_sign_of_chance(made):
    made.edit("seconds = 60", "seconds = 1.0", made.suite)
    made.edit("time.sleep(self.pause)", "time.sleep(0 if __import__('os').environ.get('FAST') else 9)")
    done = made.run("--method", "dicey", "--seeds", "39", "--protocol", "leave-one-site-out", "--jobs", "2", code=1)
    assert "`run --retry timeout` tries again" in done.stdout
    made.run("--method", "dicey", "--seeds", "39", "--retry", "timeout", FAST="1")
    made.run("--method", "dicey", FAST="1")
    text = made.leaderboard.read_text()
    assert "`dicey`" in text
    assert "not reproducible" not in text


@pytest.mark.slow
def test_while_seeds_are_missing_the_table_is_interim_and_has_no_p_values(made):
    made.run("--method", "steady", "--method", "dicey")
    made.run("--method", "blunt", "--seeds", "39")
    text = made.leaderboard.read_text()
    assert "**Interim, 5 of 20 splits.**" in text
    table = made.json("rank", *made.options, "--json")["tables"][0]
    assert table["interim"]
    assert [(pair["p"], pair["p_adjusted"], pair["ci"]) for pair in table["pairs"]] == [(None, None, None)]
    assert {row["method"]: (row["cells_ok"], row["rank"]) for row in table["rows"]} == {
        "steady": (20, None),
        "dicey": (20, None),
        "blunt": (5, None),
    }
    assert all(row["metrics"]["auc"]["mean"] is not None for row in table["rows"])
    made.run()
    assert "Interim" not in made.leaderboard.read_text()


def test_a_torn_cell_is_set_aside_and_computed_again(ran):
    before = ran.cells()
    path = ran.output / "results" / "cells" / "made" / "repeated-cv" / "steady" / "seed40-fold2.json"
    path.write_bytes(path.read_bytes()[:200])
    edited = path.with_name("seed40-fold3.json")
    edited.write_bytes(edited.read_bytes().replace(b'"threshold":0.5', b'"threshold":0.4'))
    assert f"2 of {CELLS} cells to compute" in ran.run().stdout
    assert ran.cells() == before
    assert path.with_name(path.name + ".torn").exists()


def no_file_above_500_bytes():
    """As on a full disk, a write fails half-way."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))


@pytest.mark.slow
@pytest.mark.parametrize("obstacle", ["file", "size"])
def test_results_that_cannot_be_written_are_one_line_and_leave_nothing_half_written(made, obstacle):
    made.run("--seeds", "39")
    before = made.cells()
    if obstacle == "file":
        done = made.cli("run", *made.options, "--no-sync", code=2, STROKEBENCH_OUTPUT=str(made.plugin))
    else:
        done = subprocess.run(
            made.command("run", *made.options, "--no-sync", "--recompute", "--in-process"), cwd=ROOT, env=made.environment,
            capture_output=True, text=True, timeout=120,
            preexec_fn=no_file_above_500_bytes,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    assert made.cells() == before
    assert not list(made.output.rglob("*.part"))


def test_two_runs_at_once_are_refused(made):
    from filelock import FileLock

    (made.output / "results").mkdir(parents=True)
    with FileLock(made.output / "results" / ".lock"):
        done = made.run(code=2)
    assert "another run is writing" in done.stderr


def test_dry_run_computes_nothing_and_says_what_was_never_timed(made):
    out = made.run("--dry-run").stdout
    assert f"{CELLS} of {CELLS} cells to compute, {CELLS} of rows that were never timed" in out
    assert "made  repeated-cv  steady: 20 cells, time unknown" in out
    assert made.cells() == {}


@pytest.mark.slow
def test_dry_run_estimates_by_this_machines_cells(made):
    row = ["--method", "dicey[pause=0.5]", "--protocol", "repeated-cv"]
    made.run(*row, "--seeds", "39")
    out = made.run(*row, "--dry-run", "--jobs", "1").stdout
    each = re.search(r"dicey\[pause=0.5\]: 15 cells, (\S+) s each", out)
    assert each is not None and 0.5 <= float(each[1]) < 2
    about = re.search(r"15 of 20 cells to compute, about (\d+) s with 1 job", out)
    assert about is not None and int(about[1]) == pytest.approx(15 * float(each[1]), abs=1)


def test_dry_run_on_a_machine_that_never_ran_a_row_takes_the_published_times(made):
    made.run("--method", "dicey", "--method", "steady", "--protocol", "repeated-cv")
    made.cli("publish", *made.options, "--method", "dicey", "--protocol", "repeated-cv")
    seconds = made.output / "results" / "reference" / "made" / "repeated-cv" / "seconds.json"
    assert set(json.loads(seconds.read_text())) == {"sha256", "dicey"}
    seconds.write_text('{"dicey": 6.0}')
    shutil.rmtree(made.output / "results" / "cells")
    out = made.run("--method", "dicey", "--method", "steady", "--protocol", "repeated-cv", "--dry-run", "--jobs", "2").stdout
    assert (
        "40 of 40 cells to compute, at least about 60 s with 2 jobs, 20 of them timed on the machine of the published rows"
        in out
    )
    assert "20 of rows that were never timed" in out


def test_publishing_again_after_a_recomputation_changes_no_byte_of_a_row(made):
    row = ["--method", "steady", "--protocol", "repeated-cv"]
    made.run(*row)
    made.cli("publish", *made.options, *row)
    path = made.output / "results" / "reference" / "made" / "repeated-cv" / "steady.parquet"
    before = path.read_bytes()
    made.run(*row, "--recompute")
    made.cli("publish", *made.options, *row)
    assert path.read_bytes() == before
    assert set(pq.read_metadata(path).metadata) == {b"strokebench", b"sha256"}, "what the row depends on is stored once"


def test_explain_says_why(made):
    cell = "made/repeated-cv/steady/seed39-fold0"
    assert "missing" in made.cli("explain", cell, *made.options).stdout
    made.run("--method", "steady")
    assert "fresh" in made.cli("explain", cell, *made.options).stdout
    made.edit("steep = SLOPE * ", "steep = 2 * SLOPE * ")
    out = made.cli("explain", cell, *made.options).stdout
    assert "stale" in out and "method code changed" in out


def test_publishing_makes_reference_rows_that_another_machine_ranks_alike(ran):
    ran.cli("publish", *ran.options)
    local = ran.json("rank", *ran.options, "--json")
    shutil.rmtree(ran.output / "results" / "cells")
    reference = ran.json("rank", *ran.options, "--no-local", "--json")
    for table in (*local["tables"], *reference["tables"]):
        for row in table["rows"]:
            assert row.pop("source") in ("local", "reference")
    assert reference == local


@pytest.mark.slow
def test_a_reference_row_never_stands_in_for_running(ran):
    ran.cli("publish", *ran.options)
    shutil.rmtree(ran.output / "results" / "cells")
    assert f"{CELLS} of {CELLS} cells to compute" in ran.run().stdout
