"""What a worker of a Dask cluster does with a cell that a run sends it.

A Dask worker cannot stop what it runs. So it computes nothing itself: it hands bytes to a child process of its own, under the
limits of the cell, and bytes back. The child starts with the run and imports the checkout as it is then.

A worker uses the data folder of the run where it sees it (shared storage), or the one that its own environment names.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import platform
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from benchmark.cells import executors, transfers
from benchmark.cells.executors import LocalProcesses
from benchmark.cells.transfers import is_sound
from benchmark.suites.suite import Limits
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT, data_folder, output_folder
from benchmark.system.secrets import take_secrets

IDLE_SECONDS = 60.0
"""After these without a cell a worker ends the child processes of a run."""
LOOK_SECONDS = 0.5
"""After these a worker looks whether a cell is still wanted."""
LOADED = provenance.digest([provenance.file_digest(Path(file)) for file in (__file__, executors.__file__, transfers.__file__)])
"""Digest of the code by which a worker deals with a run, as the files were when this module was imported."""


@dataclass(frozen=True)
class Software:
    """What computes: the checkout and the versions that a worker must share with the run.

    files : name of each file of the engine -> digest. versions : Python, and each package that the project asks for.
    """

    root: str
    files: Mapping[str, str]
    versions: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """Equal where nothing differs."""
        return provenance.digest([self.root, self.files, self.versions])

    @classmethod
    def here(cls) -> Software:
        """That of this process."""
        files = sorted(path for kind in ("*.py", "*.toml") for path in (ROOT / "benchmark").rglob(kind))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        packages = [name.partition(">")[0].partition("=")[0].strip() for name in project["dependencies"]]
        return cls(
            str(ROOT),
            {path.relative_to(ROOT).as_posix(): provenance.file_digest(path) for path in files},
            {"Python": platform.python_version(), **{name: provenance.version(name) for name in packages}},
        )

    def differs(self, there: Software) -> str:
        """How that of a worker differs, in words; empty where it does not."""
        for name, version in self.versions.items():
            if (other := there.versions.get(name, "")) != version:
                return f"it has {name} {other or 'not at all'}, this run {version}"
        if there.root != self.root:
            return f"its checkout is {there.root}, that of this run {self.root}"
        names = sorted(name for name in {*self.files, *there.files} if self.files.get(name) != there.files.get(name))
        return f"its checkout has another {names[0]}" if names else ""


@dataclass(frozen=True)
class Order:
    """What a worker is asked for: a pickled call, its limits, and where its folders lie below the run's data folder.

    run : names the run, whose child processes carry it out. loaded : its `LOADED`. software : the digest of its software.
    data, output : the run's folders. variables : further ones of its environment. needs, makes : names of folders below `data`.
    """

    run: str
    loaded: str
    software: str
    call: bytes
    seconds: float | None
    memory_gib: float
    data: str
    output: str
    variables: Mapping[str, str]
    needs: tuple[str, ...]
    makes: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What a worker says: `kind` is one of done, limit, died, lost, refused, lacks; the rest as that asks for.

    content : the pickled result of the call. names : folders that the worker lacks or has made, in its data folder `data`.
    """

    kind: str
    worker: str = ""
    data: str = ""
    content: bytes = b""
    words: str = ""
    names: tuple[str, ...] = ()


@dataclass
class _Children:
    """The child processes of one run in this worker; `busy` counts the cells at them."""

    pool: LocalProcesses
    busy: int = 0
    used: float = field(default_factory=time.monotonic)


_RUNS: dict[str, _Children] = {}
_RUNS_LOCK = threading.Lock()
OWN_DATA, OWN_OUTPUT = (os.environ.get(f"STROKEBENCH_{name}") for name in ("DATA", "OUTPUT"))
"""What this process's own environment says of its folders."""


def carry_out(order: Order) -> Answer:
    """Have an order carried out by a child process, in a thread of a Dask worker."""
    from distributed import get_worker

    worker = get_worker()
    at = str(worker.address)
    if order.loaded != LOADED:
        return Answer("refused", at, words="it runs since before its own code was changed, and must be started again")
    data = _data_here(order.data)
    try:
        lacking = tuple(name for name in order.needs if not is_sound(data, name, own=not _is_same(data, order.data)))
    except BenchmarkError as damaged:
        return Answer("refused", at, words=str(damaged))
    if lacking:
        return Answer("lacks", at, str(data), names=lacking)
    key = worker.get_current_task()
    with _children(order, data, worker.state.nthreads) as pool:
        work = partial(_answer, order.call, order.software, order.data, str(data))
        try:
            future = pool.submit(work, fits=None, limits=(order.seconds, order.memory_gib))
        except BenchmarkError as gone:
            return Answer("lost", at, words=str(gone))
        while not future.done():
            with suppress(TimeoutError):
                future.exception(LOOK_SECONDS)
            task = worker.state.tasks.get(key)
            if not future.done() and (task is None or task.state != "executing"):
                future.cancel()  # nobody waits for it any more: the run has ended, or given it to another worker
                return Answer("died", at, words="it was no longer wanted")
    error = future.exception()
    if isinstance(error, TimeoutError):
        return Answer("limit", at, words="time")
    if isinstance(error, MemoryError):
        return Answer("limit", at, words="memory")
    if isinstance(error, BenchmarkError):
        return Answer("refused", at, words=str(error))
    if error is not None:  # with its pool a cell is lost that no process was at
        return Answer("died" if pool.is_whole else "lost", at, words=str(error))
    answer = future.result()
    made = tuple(name for name in order.makes if answer.kind == "done" and (data / name).is_dir())
    return replace(answer, worker=at, data=str(data), names=made)


def _is_same(data: Path, of_run: str) -> bool:
    """Whether a worker's data folder is the run's, however the path is spelled."""
    return Path(of_run).is_dir() and data.is_dir() and data.samefile(of_run)


def _data_here(of_run: str) -> Path:
    """The data folder that this worker uses: its own environment's, or the run's where it is seen here."""
    return Path(of_run) if not OWN_DATA and Path(of_run).is_dir() else data_folder()


@contextmanager
def _children(order: Order, data: Path, threads: int) -> Iterator[LocalProcesses]:
    """The child processes of the order's run."""
    with _RUNS_LOCK:
        if order.run in _RUNS and not _RUNS[order.run].pool.is_whole:
            threading.Thread(target=_RUNS.pop(order.run).pool.end, daemon=True).start()
        if order.run not in _RUNS:
            output = order.output if not OWN_OUTPUT and Path(order.output).is_dir() else str(output_folder())
            own = {"STROKEBENCH_DATA": str(data), "STROKEBENCH_OUTPUT": output, **order.variables}
            # a nanny's workers are daemons, which may not have children; these end with their parent by themselves
            multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
            take_secrets()  # for good: what one run would put back, the children of another would get
            _RUNS[order.run] = _Children(LocalProcesses(threads, Limits(), own, _prepare))
            threading.Thread(target=_end_when_idle, args=[order.run], daemon=True).start()
        children = _RUNS[order.run]
        children.busy += 1
    try:
        yield children.pool
    finally:
        with _RUNS_LOCK:
            children.busy -= 1
            children.used = time.monotonic()


def _end_when_idle(run: str) -> None:
    while run in _RUNS:
        time.sleep(1)
        with _RUNS_LOCK:
            children = _RUNS.get(run)
            if children is None or children.busy or time.monotonic() - children.used < IDLE_SECONDS:
                continue
            del _RUNS[run]
        children.pool.end()


def end_run(run: str) -> None:
    """End the child processes of a run on this worker; a call that waits for one fails as if the process had died."""
    with _RUNS_LOCK:
        children = _RUNS.pop(run, None)
    if children is not None:
        threading.Thread(target=children.pool.end, daemon=True).start()


# What its child process does


def _answer(call: bytes, software: str, of_run: str, here: str) -> Answer:
    """Make a pickled call in a child process of a worker, whose data folder is `here`, unless its software is not the run's."""
    own = _software()
    if own.digest != software:
        return Answer("refused", content=pickle.dumps(own))
    try:
        fn, args = pickle.loads(call)
    except Exception as error:  # what it names is not here
        return Answer("refused", words=f"it cannot read a cell ({type(error).__name__}: {error})")
    args = [_at_home(arg, of_run, here) for arg in args]
    try:
        if words := next(filter(None, map(_unfit, args)), ""):
            return Answer("refused", words=words)
    except Exception as error:  # what it asks for is not here
        return Answer("refused", words=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Answer("done", content=pickle.dumps(fn(*args)))


def _unfit(argument: Any) -> str:
    """Why what a run asks for is not here what it is there: other code, libraries or weights; empty where it is.

    Raises what planning raises where a file or weights are missing.
    """
    from benchmark.cells.compute import Encoding
    from benchmark.cells.planning import Cell, code_of, weights_of
    from benchmark.cells.stages import PlannedStage

    if isinstance(argument, Encoding):
        if argument.identity == _identity(argument.encoder, argument.modality, argument.plugins):
            return ""
        return f"its encoder {argument.encoder} has other code, libraries or weights"
    if isinstance(argument, PlannedStage):
        method, wanted, plugins = argument.owner, argument.key.ingredients, argument.plugins
    elif isinstance(argument, Cell):
        method, wanted, plugins = argument.row.method, argument.ingredients, argument.row.plugins
    else:
        return ""
    if missing := [each for each in plugins if not Path(each).is_file()]:
        return f"the plug-in {missing[0]} is not there"
    path = method.entry.path
    code, libraries = code_of(path)
    if code != wanted.get("method code", code):
        return f"{path} differs there, or was edited during the run"
    for name, version in wanted.get("libraries", {}).items():
        if libraries.get(name) != version:
            return f"it has {name} {libraries.get(name) or 'not at all'}, this run {version}"
    if "weights" in wanted and weights_of(method) != wanted["weights"]:
        return f"{method.spelled} has other weights"
    for modality, encoder in argument.row.encoders.items() if isinstance(argument, Cell) else ():
        if _identity(encoder, modality, argument.row.plugins) != wanted["encoders"][encoder]:
            return f"its encoder {encoder} has other code, libraries or weights"
    return ""


@cache
def _identity(encoder: str, modality: str, plugins: tuple[str, ...]) -> str:
    from benchmark.cells.planning import identity_of
    from benchmark.registry.discovery import discover

    return identity_of(encoder, modality, discover(plugins))


_software = cache(Software.here)


def _prepare() -> None:
    """Import what a cell needs, so that its limit of time is for its own work as elsewhere."""
    with suppress(Exception):  # a cell that is asked for says what is missing
        import benchmark.cells.compute  # noqa: F401

        _software()


def _at_home(argument: Any, of_run: str, here: str) -> Any:
    """A cell, or the name of a folder, with the data folder of this worker in place of the run's."""
    from benchmark.cells.planning import Cell

    if isinstance(argument, Cell):
        return replace(argument, row=replace(argument.row, folder=_at_home(argument.row.folder, of_run, here)))
    if isinstance(argument, str) and Path(argument).is_relative_to(of_run):
        return str(Path(here) / Path(argument).relative_to(of_run))
    return argument
