"""Servers that tests need, each as processes of its own: a Dask cluster, PostgreSQL, MLflow.

A service takes a free port, is ready within 30 s or its log is shown, and ends with all that it started. Where its software is
not installed the test is skipped, with the reason.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmark.system.locations import ROOT

READY_SECONDS = 180


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something on this machine takes connections at a port."""
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Service:
    """A command in a session of its own; `log` keeps what it prints."""

    words: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)

    def start(self, is_ready: Callable[[], bool]) -> Service:
        """Start it and wait until it is ready; fail with the end of its log where it is not within three minutes."""
        with self.log.open("ab") as log:
            options = {"cwd": ROOT, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **self.how}
            self.process = subprocess.Popen(
                self.words, env={**os.environ, **self.environment}, start_new_session=True, **options
            )
        until = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.end()
                pytest.fail(f"{self.words[:4]} is not ready:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        return self

    @property
    def all(self) -> list[psutil.Process]:
        """Its process, and those that it has started and that live."""
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def end(self) -> None:
        """End it and all that it has started."""
        there = self.all
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in there:
                if process.is_running():
                    process.send_signal(number)
            _, there = psutil.wait_procs(there, timeout=3)
        self.process.wait()


def alive(processes: Sequence[psutil.Process], seconds: float = 60) -> list[psutil.Process]:
    """Those of some processes that still live after so many seconds, or as soon as none does."""
    until = time.monotonic() + seconds
    while there := [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > until:
            return there
        time.sleep(0.05)
    return []


@dataclass
class MlflowService:
    """MLflow's server over a store, with its pages."""

    folder: Path
    store: str
    service: Service | None = None

    def start(self) -> MlflowService:
        """Start it on a free port of this machine."""
        self.port = free_port()
        words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.store, "--workers", "1"]
        words += ["--host", "127.0.0.1", "--port", str(self.port), "--artifacts-destination", str(self.folder / "artifacts")]
        self.folder.mkdir(parents=True)
        self.service = Service(words, self.folder / "log", {}, {"cwd": self.folder})
        self.service.start(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        """End it."""
        if self.service is not None:
            self.service.end()


@dataclass
class PostgresService:
    """A PostgreSQL server with one empty database; as user `postgres` where the tests run as root, as which it starts not."""

    folder: Path
    service: Service | None = None

    def start(self) -> PostgresService:
        """Start it on a free port of this machine; skip the test where it is not installed."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found or importlib.util.find_spec("psycopg") is None:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql, pip install -e '.[team]'")
        self.port, binaries, data = free_port(), found[-1].parent, self.folder / "data"
        self.folder.mkdir(parents=True)
        as_user: list[str] = []
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.folder.chmod(0o700)
            as_user = ["runuser", "-u", "postgres", "--"]
        own = {"cwd": "/", "capture_output": True, "text": True, "timeout": READY_SECONDS}
        made = subprocess.run(
            [*as_user, str(binaries / "initdb"), "-D", str(data), "-U", "strokebench", "-A", "trust", "-N"], **own
        )
        if made.returncode:
            pytest.skip(f"PostgreSQL cannot be used here: {made.stderr.strip()[-200:]}")
        words = [str(binaries / "postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        log = self.folder.parent / f"{self.folder.name}.log"
        ready = "database system is ready to accept connections"
        self.service = Service([*as_user, *words, "-F"], log, {}, {"cwd": "/"})
        self.service.start(lambda: ready in log.read_text(errors="replace") and listens(self.port))
        return self

    @property
    def uri(self) -> str:
        """Its address, for MLflow."""
        return f"postgresql://strokebench:hidden@127.0.0.1:{self.port}/postgres"

    def end(self) -> None:
        """End it."""
        if self.service is not None:
            self.service.end()


@dataclass
class DaskServices:
    """A Dask scheduler and workers of one thread, which compute cells; `variables` are of their environment."""

    folder: Path
    workers: list[Service] = field(default_factory=list)
    protocol: str = "tcp"
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if importlib.util.find_spec("distributed") is None:
            pytest.skip("distributed is not installed: pip install -e '.[cluster]'")
        self.port = free_port()
        self.address = f"{self.protocol}://127.0.0.1:{self.port}"
        words = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"]
        command = [sys.executable, "-m", *words, "--protocol", self.protocol]
        self.scheduler = Service(command, self.folder / "scheduler.log", self.variables).start(lambda: listens(self.port))

    def add_worker(self, *words: str, wait: bool = True, **environment: str) -> Service:
        """Start a worker more, with further words of `dask worker` and variables of its environment."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        local = ["--local-directory", str(self.folder / "dask")]
        fixed = ["--nthreads", "1", "--no-dashboard", *local, *(words or ["--no-nanny"])]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *fixed]
        own = {name: "" for name in ("STROKEBENCH_DATA", "STROKEBENCH_OUTPUT")}
        worker = Service(command, log, {**own, **self.variables, **environment})
        self.workers.append(worker)
        return worker.start(lambda: not wait or "Registered to" in log.read_text(errors="replace"))

    def end(self) -> None:
        """End the workers, then the scheduler."""
        for service in (*self.workers, self.scheduler):
            service.end()
