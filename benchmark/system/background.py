"""A command of the suite in a child process, beside a run that it must never hold up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmark.system.locations import ROOT
from benchmark.system.secrets import is_secret

POLITE = 5
"""How much lower its priority is than the run's."""


class Background(contextlib.AbstractContextManager["Background"]):
    """`python -m benchmark WORDS` in a child process; leaving the block ends a child that still works.

    Its environment is that of this process when it was made; passwords, tokens and keys are in it only with `secrets`.
    """

    def __init__(self, words: Sequence[str], plugins: Sequence[str] = (), *, secrets: bool = False) -> None:
        self._command = [sys.executable, "-m", "benchmark", *words, *(word for path in plugins for word in ("--plugin", path))]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        given = {name: value for name, value in os.environ.items() if secrets or not is_secret(name, value)}
        self._environment = {**given, "PYTHONPATH": path}
        self._child: subprocess.Popen[str] | None = None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.end()

    def start(self) -> None:
        """Begin, unless an earlier start is still at work; returns at once. A child that cannot be started is let be."""
        if self._child is None or self._child.poll() is not None:
            with contextlib.suppress(OSError):
                self._child = self._spawn()

    def settle(self, seconds: float) -> None:
        """Wait so long for a child that works, then end it."""
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.communicate(timeout=seconds)
        self.end()

    def run(self, seconds: float) -> tuple[str, str, int]:
        """Run it within so many seconds; returns output, errors and exit code. Raises `TimeoutExpired` and `OSError`."""
        self._child = self._spawn()
        try:
            output, errors = self._child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise
        return output, errors, self._child.returncode

    def end(self) -> None:
        """End a child that still works, with the processes that it has started: what they hold open would be waited for."""
        if self._child is None:
            return
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # of a group that has just ended
                if hasattr(os, "killpg"):
                    os.killpg(self._child.pid, signal.SIGKILL)
                else:
                    self._child.kill()
            self._child.wait()
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()

    def _spawn(self) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            self._command,
            env=self._environment,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, child.pid, os.getpriority(os.PRIO_PROCESS, 0) + POLITE)
        return child
