"""Cells on a Dask cluster: an executor that sends them to it, and what a worker of the cluster does with one.

A Dask worker cannot stop what it runs. So it computes nothing itself: it hands bytes to a child process of its own, under the
limits of the cell, and bytes back. The child starts with the run and imports the checkout as it is then.

A worker uses the data folder of the run where it sees it (shared storage), or the one that its own environment names. Into the
latter the run sends, once, each sealed folder that a cell needs, and fetches from it what was built there.
"""

from __future__ import annotations

import asyncio
import glob
import logging
import multiprocessing
import os
import pickle
import platform
import shutil
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from benchmark.cells.executors import NO_FOLDERS, CellExecutor, Folders, LocalProcesses, OwnLimits
from benchmark.suites.suite import Limits
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import LIST, check_sealed
from benchmark.system.locations import ROOT, data_folder, output_folder
from benchmark.system.secrets import take_secrets
from benchmark.system.threads import DEVICE

R = TypeVar("R")

EXTRA = "pip install 'distributed' (the optional extra `cluster`)"
ANSWER_SECONDS = 10.0
"""Within these a scheduler must answer."""
DEATHS = 5
"""How often a cell is sent again after the cluster gave it up: each time several workers had died at it."""
IDLE_SECONDS = 60.0
"""After these without a cell a worker ends the child processes of a run."""
LOOK_SECONDS = 0.5
"""After these a worker looks whether a cell is still wanted."""
TAKERS = 8
"""Answers that are taken at once: one that was lost with its worker is waited for until another worker gave it."""
LEFT_SECONDS = 3600.0
"""What is on its way and was not touched for so long was left by a run that was killed."""
CHUNK = 16 * 2**20
"""Bytes of a file that travel at once."""
PASSED_ON = (DEVICE, "CUBLAS_WORKSPACE_CONFIG")
"""Variables of the run's environment that its cells need."""
MEND = "start its workers from this checkout, in this environment (docs/cluster.md)"
SELF = Path(__file__).resolve()
LOADED = provenance.file_digest(SELF)
"""Digest of this file as the process has it, whatever became of it since."""


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

    run : names the run, whose child processes carry it out. loaded, software : digests of this file, and of what computes.
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


class DaskCluster(CellExecutor):
    """Sends cells to the workers of a Dask cluster, which keep the limits of time and memory in child processes.

    Parameters
    ----------
    address : of a scheduler, or the path of its file; `local:N` starts one on this machine with N workers.
    limits : of a cell.
    most : cells at once; None: as many as the workers have threads.

    Raises `BenchmarkError` where Dask is not installed, no scheduler answers, or it is of another version.
    """

    def __init__(self, address: str, limits: Limits, most: int | None = None) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise BenchmarkError(f"a cluster needs Dask, which is not installed ({error}): {EXTRA}") from error
        for name in ("distributed", "distributed.client"):  # each has a level of its own; what matters is said in one line
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if address.startswith("tls://") and not dask.config.get("distributed.comm.tls.client.cert", None):
            raise BenchmarkError(f"{address}: TLS needs a certificate: name it in Dask's configuration (docs/cluster.md)")
        self._address, self._limits, self._most = address, limits, most
        self._software = Software.here()
        self._run = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._ending = False
        self._sent: dict[Any, Future[Any]] = {}
        """What is on the cluster: Dask's future -> ours."""
        self._takers, self._couriers = ThreadPoolExecutor(TAKERS), ThreadPoolExecutor(1)
        self._counted = (0, -1.0)
        self._cluster: Any = None
        self._client: Any = None
        try:
            if address.startswith("local:"):
                with dask.config.set({"distributed.worker.daemon": False}):
                    self._cluster = distributed.LocalCluster(
                        n_workers=int(address.removeprefix("local:")),
                        threads_per_worker=1,
                        memory_limit=None,
                        dashboard_address=":0",
                        silence_logs=logging.CRITICAL,
                    )
            where = {"scheduler_file": address} if Path(address).is_file() else {"address": self._cluster or address}
            self._client = distributed.Client(**where, timeout=ANSWER_SECONDS, set_as_default=False)
            self._check_versions(self._client.get_versions())
        except BaseException as error:
            self._close()
            if isinstance(error, BenchmarkError) or not isinstance(error, Exception):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise BenchmarkError(
                f"no Dask scheduler answers at {address} within {ANSWER_SECONDS:.0f} s ({reason}): start one "
                "(docs/cluster.md), or compute here without it"
            ) from error

    def _check_versions(self, versions: Mapping[str, Any]) -> None:
        own = versions["client"]["packages"]
        others = {"the scheduler": versions["scheduler"], **{f"worker {at}": each for at, each in versions["workers"].items()}}
        for who, told in others.items():
            packages = (told or {}).get("packages", {})
            for name in ("python", "distributed", "cloudpickle"):
                if packages and packages.get(name) != own[name]:
                    raise BenchmarkError(
                        f"{self._address}: {who} has {name} {packages.get(name)}, this run {own[name]}: {MEND}"
                    )

    @property
    def at_once(self) -> int:
        """How many cells the workers that are there now compute at once."""
        if time.monotonic() - self._counted[1] > LOOK_SECONDS:
            self._counted = (sum(worker["nthreads"] for worker in self._workers().values()), time.monotonic())
        there = self._counted[0]
        return there if self._most is None else min(there, self._most)

    def _workers(self) -> dict[str, Any]:
        """What Dask knows of the workers that are there, by address; none where the scheduler went away."""
        try:
            return dict(self._client.scheduler_info(n_workers=-1).get("workers", {}))
        except (AttributeError, OSError, RuntimeError):  # of a client that is closed
            return {}

    @property
    def in_flight(self) -> int:
        """Twice as many as the workers compute at once, so that none waits for the next; exactly `most` where that is given."""
        return max(2 * self.at_once, 1) if self._most is None else self._most

    @property
    def remarks(self) -> list[str]:
        """What a user should know before anything is computed."""
        threads = self.at_once
        if not threads:
            return [f"{self._address}: no worker has joined yet; cells wait until one does"]
        return [f"{self._address}: {threads} cells at once"]

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._lock:
            self._ending = True
            left = list(self._sent)
        with suppress(Exception):  # a scheduler that is gone has nothing left to end
            if left:
                self._client.cancel(left)
            if self._client.status == "running":
                self._client.run(_end_run, self._run, on_error="ignore")
        self._close()

    def _close(self) -> None:
        for threads in (self._takers, self._couriers):
            threads.shutdown(wait=False, cancel_futures=True)
        for opened in (self._client, self._cluster):
            with suppress(Exception):
                if opened is not None:
                    opened.close(timeout=5)

    def submit(
        self,
        fn: Callable[..., R],
        /,
        *args: Any,
        fits: int | None = 1,
        limits: OwnLimits = (None, None),
        folders: Folders = NO_FOLDERS,
    ) -> Future[R]:
        """A future as other executors give it. It holds `BenchmarkError` where the cluster went away or is not fit for it."""
        seconds, memory = limits
        data = data_folder()
        order = Order(
            self._run,
            LOADED,
            self._software.digest,
            pickle.dumps((fn, args)),
            (None if fits is None else fits * self._limits.seconds) if seconds is None else seconds,
            self._limits.memory_gib if memory is None else memory,
            str(data),
            str(output_folder()),
            {name: os.environ[name] for name in PASSED_ON if name in os.environ},
            *(tuple(path.relative_to(data).as_posix() for path in paths) for paths in (folders.needs, folders.makes)),
        )
        future: Future[R] = Future()
        self._send(order, future, 0)
        return future

    def _send(self, order: Order, future: Future[Any], deaths: int) -> None:
        with self._lock:
            if self._ending:
                future.cancel()
                return
            try:
                sent = self._client.submit(_carry_out, order, key=f"cell-{uuid.uuid4().hex}", pure=False, retries=0)
            except Exception as error:
                future.set_exception(self._lost(error))
                return
            self._sent[sent] = future
        # Dask calls back in one thread: who waited there would keep all others waiting
        sent.add_done_callback(lambda sent: self._takers.submit(self._answered, order, future, deaths, sent))

    def _answered(self, order: Order, future: Future[Any], deaths: int, sent: Any) -> None:
        """Take what the cluster made of an order; it runs in a thread of its own, where an exception would be lost."""
        from distributed import KilledWorker

        with self._lock:
            self._sent.pop(sent, None)
        try:
            answer: Answer = sent.result()
            if answer.names:
                self._couriers.submit(self._taken, order, future, deaths, answer)
            else:
                self._taken(order, future, deaths, answer)
        except KilledWorker as error:
            self._send_again(order, future, deaths, f"every worker that was at it ({error})")
        except (CancelledError, RuntimeError) as error:
            if self._ending:
                future.cancel()
            else:
                future.set_exception(self._lost(error))
        except BaseException as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            future.set_exception(BenchmarkError(f"{self._address}: a worker cannot compute cells ({reason}): {MEND}"))

    def _send_again(self, order: Order, future: Future[Any], deaths: int, words: str) -> None:
        if deaths < DEATHS:
            self._send(order, future, deaths + 1)
        else:
            future.set_exception(RuntimeError(words))

    def _lost(self, error: BaseException) -> BenchmarkError:
        if isinstance(error, RuntimeError) and self._client.status == "running":
            reason = " ".join(str(error).split())[:200]
            return BenchmarkError(f"{self._address}: the scheduler cannot pass on a cell ({reason}): {MEND}")
        return BenchmarkError(
            f"the scheduler at {self._address} went away: finished cells are saved; run the same command again when it is back"
        )

    def _taken(self, order: Order, future: Future[Any], deaths: int, answer: Answer) -> None:
        """Fulfil a future by an answer, after the folders that are due were sent or fetched."""
        try:
            if answer.kind == "lacks":
                for name in answer.names:
                    self._push(answer.worker, answer.data, name)
                self._send(order, future, deaths)
            elif answer.kind == "refused":
                words = answer.words or self._software.differs(pickle.loads(answer.content))
                raise BenchmarkError(f"worker {answer.worker} is not fit for this run: {words}: {MEND}")
            elif answer.kind == "limit":
                future.set_exception(TimeoutError() if answer.words == "time" else MemoryError())
            elif answer.kind == "died":
                future.set_exception(RuntimeError(answer.words))
            elif answer.kind == "lost":
                self._send_again(order, future, deaths, answer.words)
            else:
                for name in answer.names:
                    self._pull(answer.worker, answer.data, name)
                future.set_result(pickle.loads(answer.content))
        except _WorkerLeft:
            if answer.worker not in self._workers():
                self._send(order, future, deaths)
            elif deaths < DEATHS:
                self._send(order, future, deaths + 1)
            else:  # it still answers the scheduler, but takes no call
                future.set_exception(BenchmarkError(f"worker {answer.worker} cannot be reached (docs/cluster.md)"))
        except OSError as error:
            future.set_exception(BenchmarkError(f"cannot keep what worker {answer.worker} has made ({error})"))
        except BaseException as error:
            future.set_exception(error)

    def _push(self, worker: str, data: str, name: str) -> None:
        """Send a sealed folder to a worker. Raises `_WorkerLeft` where that has left."""
        folder, aside = data_folder() / name, _beside(name)
        if worker not in self._workers():  # a call would wait for it
            raise _WorkerLeft
        if self._on(worker, _has, data, name):  # it was sent with another cell meanwhile
            return
        if not folder.is_dir():
            raise BenchmarkError(f"{folder} is not there, and worker {worker} needs it: run again")
        try:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                with path.open("rb") as stream:
                    content, place = stream.read(CHUNK), 0
                    while content or not place:
                        self._on(worker, _receive, data, aside, path.relative_to(folder).as_posix(), place, content)
                        place += len(content) or 1
                        content = stream.read(CHUNK)
            self._on(worker, _take_in_there, data, aside, name)
        except BenchmarkError:  # what it holds of it fills its disk
            self._on(worker, _drop_there, data, aside)
            raise

    def _pull(self, worker: str, data: str, name: str) -> None:
        """Fetch a sealed folder that a worker has made, unless it is seen here. Raises `_WorkerLeft` where that has left."""
        own, aside = str(data_folder()), _beside(name)
        if _has(own, name):
            return
        try:
            for file, size in self._on(worker, _listed, data, name).items():
                for place in range(0, max(size, 1), CHUNK):
                    _receive(own, aside, file, place, self._on(worker, _read, data, name, file, place))
            _take_in(own, aside, name)
        finally:
            _drop(own, aside)

    def _on(self, worker: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of data folders, or a coroutine, on a worker.

        Raises `_WorkerLeft`, and `BenchmarkError` for what its disk refuses.
        """
        try:
            found = self._client.run(function, *args, workers=[worker])
        except (OSError, ValueError, KeyError, CancelledError) as error:
            of_the_line = isinstance(error, OSError) and error.errno is None  # a broken connection has no number, a disk has
            if of_the_line or worker not in self._workers():
                raise _WorkerLeft from error
            raise BenchmarkError(f"worker {worker} can no longer read or keep data in its data folder ({error})") from error
        if worker not in found:
            raise _WorkerLeft
        return found[worker]


class _WorkerLeft(Exception):
    """A worker left the cluster while it was spoken to."""


# What a worker of the cluster does


@dataclass
class _Children:
    """The child processes of one run in this worker; `busy` counts the cells at them."""

    pool: LocalProcesses
    busy: int = 0
    used: float = field(default_factory=time.monotonic)


_RUNS: dict[str, _Children] = {}
_RUNS_LOCK, _SOUND_LOCK = threading.Lock(), threading.Lock()
_SOUND: set[tuple[Path, int]] = set()
"""Folders whose files were seen to be those of their lists, each with the list's time."""
OWN_DATA, OWN_OUTPUT = (os.environ.get(f"STROKEBENCH_{name}") for name in ("DATA", "OUTPUT"))
"""What this process's own environment says of its folders."""


def _carry_out(order: Order) -> Answer:
    """Have an order carried out by a child process, in a thread of a Dask worker."""
    from distributed import get_worker

    worker = get_worker()
    at = str(worker.address)
    if order.loaded != LOADED:
        return Answer("refused", at, words=f"it runs since before {SELF.name} was changed, and must be started again")
    data = _data_here(order.data)
    try:
        lacking = tuple(name for name in order.needs if not _is_sound(data, name, own=not _is_same(data, order.data)))
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


def _is_sound(data: Path, name: str, *, own: bool) -> bool:
    """Whether a folder is there with the bytes of its list; one that is not goes, where this worker can be sent it again."""
    folder = data / name
    with _SOUND_LOCK:
        if not folder.is_dir():
            return False
        try:
            listed = folder / LIST
            seen = (folder, listed.stat().st_mtime_ns if listed.exists() else 0)
            if seen not in _SOUND:
                check_sealed(folder, "make it anew on the run's machine", whole=True)
                _SOUND.add(seen)
        except BenchmarkError as error:
            cannot_be_read = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError)
            if not own or cannot_be_read:
                raise
            aside = data / _beside(name)
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            return False
        return True


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


def _end_run(run: str) -> None:
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


# How folders come and go


def _beside(name: str) -> str:
    """A name beside a folder's for what is on its way; whoever takes the folder in deletes what others left behind."""
    return str(Path(name).with_name(f"{_on_its_way(name)}{uuid.uuid4().hex}"))


def _on_its_way(name: str) -> str:
    return f".{Path(name).name}.sent-"


def _has(data: str, name: str) -> bool:
    return _below(data, name).is_dir()


def _drop(data: str, name: str) -> None:
    shutil.rmtree(_below(data, name), ignore_errors=True)


def _receive(data: str, aside: str, file: str, place: int, content: bytes) -> None:
    """Write a part of a file into a folder beside its final place."""
    path = _below(data, aside, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as stream:
        stream.seek(place)
        stream.write(content)


def _below(data: str, *parts: str) -> Path:
    """A path below a data folder. Raises `BenchmarkError` for one that leads out of it."""
    path = Path(data, *parts)
    if not Path(os.path.normpath(path)).is_relative_to(data):
        raise BenchmarkError(f"{path} is not below {data}")
    return path


def _take_in(data: str, aside: str, name: str) -> None:
    """Give a sealed folder that has come its name, unless one is there. Raises `BenchmarkError` for half of one."""
    place, folder = _below(data, aside), _below(data, name)
    if not folder.is_dir():
        check_sealed(place, "run again", whole=True)
        for path in place.rglob("*"):
            if path.is_file():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
        try:
            place.rename(folder)
        except OSError:
            if not folder.is_dir():  # no other one was quicker
                raise
    shutil.rmtree(place, ignore_errors=True)
    for left in folder.parent.glob(f"{glob.escape(_on_its_way(name))}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


async def _take_in_there(data: str, aside: str, name: str) -> None:
    """Likewise on a worker, whose thread of messages must not wait for a disk."""
    await asyncio.to_thread(_take_in, data, aside, name)


async def _drop_there(data: str, name: str) -> None:
    await asyncio.to_thread(_drop, data, name)


def _listed(data: str, name: str) -> dict[str, int]:
    folder = _below(data, name)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _read(data: str, name: str, file: str, place: int) -> bytes:
    with _below(data, name, file).open("rb") as stream:
        stream.seek(place)
        return stream.read(CHUNK)
