"""A command in the background ends when told to, together with every process that it started, and delays nobody."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from benchmark.system.background import Background
from benchmark.system.locations import ROOT
from tests.services import alive

FORKS = "import os, time\nos.fork()\ntime.sleep(600)\n"
MAPS = """
import time
from benchmark.system.parallel import mapped
mapped(lambda number: time.sleep(600), range(4), 2)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


def started(process: psutil.Process, children: int) -> list[psutil.Process]:
    """Its children, once it has so many."""
    until = time.monotonic() + 120
    while len(there := process.children(recursive=True)) < children:
        assert process.is_running() and time.monotonic() < until
        time.sleep(0.05)
    return there


def test_a_child_is_ended_with_what_it_has_started() -> None:
    with Background(()) as board:
        board._command = [sys.executable, "-c", FORKS]
        board.start()
        assert board._child is not None
        there = [psutil.Process(board._child.pid), *started(psutil.Process(board._child.pid), 1)]
        board.end()  # a grandchild that held its output open would keep it waiting
        assert not alive(there)


@pytest.mark.parametrize(("secrets", "printed"), [(False, "None de"), (True, "t de")])
def test_only_a_child_that_must_log_in_somewhere_gets_the_secrets(
    secrets: bool, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    monkeypatch.setenv("KEYBOARD", "de")
    with Background((), secrets=secrets) as child:
        child._command = [sys.executable, "-c", "import os; print(os.getenv('MLFLOW_TRACKING_TOKEN'), os.getenv('KEYBOARD'))"]
        assert child.run(60) == (f"{printed}\n", "", 0)


def test_forked_processes_end_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", MAPS], cwd=ROOT)
    children = started(psutil.Process(parent.pid), 2)
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    assert not alive(children)
