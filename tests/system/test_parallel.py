"""A list computed by forked processes is the list that one process computes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark.system.locations import ROOT

CODE = """
import os
from benchmark.system.parallel import mapped

held = {{"factor": 3}}

def of(number):
    {fault}
    return number * held["factor"], os.getpid()

found = mapped(of, range(6), 2)
assert [value for value, _ in found] == [0, 3, 6, 9, 12, 15]
print(os.getpid() in {{process for _, process in found}})
"""


def run(fault: str) -> subprocess.CompletedProcess[str]:
    """In a process without other threads, as the command line is."""
    return subprocess.run(
        [sys.executable, "-c", CODE.format(fault=fault)], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_items_are_computed_by_other_processes_in_their_order() -> None:
    done = run("pass")
    assert done.stdout == "False\n", done.stderr


def test_an_error_is_raised_as_it_is() -> None:
    done = run("1 / (number - 4)")
    assert done.returncode == 1 and "ZeroDivisionError: division by zero" in done.stderr.splitlines()[-1]
