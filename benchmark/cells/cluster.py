"""An executor that sends cells to the workers of a Dask cluster, and fetches what they made.

To a worker with a data folder of its own the run sends each sealed folder that a cell needs, once, and from it fetches what was
built there. What the worker does stands in cluster_worker.py.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmark.cells.cluster_worker import LOADED, LOOK_SECONDS, Answer, Order, Software, carry_out, end_run
from benchmark.cells.executors import NO_FOLDERS, CellExecutor, Folders, OwnLimits, bounds
from benchmark.cells.transfers import pull, push
from benchmark.suites.suite import Limits
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder, output_folder
from benchmark.system.threads import DEVICE

R = TypeVar("R")

EXTRA = "pip install 'distributed' (the optional extra `cluster`)"
ANSWER_SECONDS = 10.0
"""Within these a scheduler must answer."""
DEATHS = 5
"""How often a cell is sent again after the cluster gave it up: each time several workers had died at it."""
TAKERS = 8
"""Answers that are taken at once: one that was lost with its worker is waited for until another worker gave it."""
PASSED_ON = (DEVICE, "CUBLAS_WORKSPACE_CONFIG")
"""Variables of the run's environment that its cells need."""
MEND = "start its workers from this checkout, in this environment (docs/cluster.md)"


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
                self._client.run(end_run, self._run, on_error="ignore")
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
        data = data_folder()
        order = Order(
            self._run,
            LOADED,
            self._software.digest,
            pickle.dumps((fn, args)),
            *bounds(self._limits, fits, limits),
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
                sent = self._client.submit(carry_out, order, key=f"cell-{uuid.uuid4().hex}", pure=False, retries=0)
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
        if worker not in self._workers():  # a call would wait for it
            raise _WorkerLeft
        push(partial(self._on, worker), data_folder(), data, name)

    def _pull(self, worker: str, data: str, name: str) -> None:
        """Fetch a sealed folder that a worker has made, unless it is seen here. Raises `_WorkerLeft` where that has left."""
        pull(partial(self._on, worker), data_folder(), data, name)

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
