"""Several machines that mirror to one tracking server at the same time: no row twice, none taken from under another's hands.

A tracking server has no lock. So each run says who writes it; one that is being written elsewhere is let be; and whoever ends
last leaves of each row, and of each table, one run: all choose the same one.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections import defaultdict
from typing import Any

from benchmark.system.locations import results_folder

WRITER_TAG = "strokebench.writer"
PARENT_TAG = "mlflow.parentRunId"
BUSY_SECONDS = 600.0
"""A run that another machine began within these, and has not ended, is taken for one that it still writes."""


def writer() -> str:
    """A name for this machine's results folder that tells nothing of either."""
    return hashlib.sha256(f"{socket.gethostname()} {results_folder()}".encode()).hexdigest()[:16]


def is_busy(run: Any, digest_tag: str) -> bool:
    """Whether another machine writes a run now."""
    tags = run.data.tags
    fresh = time.time() - run.info.start_time / 1000 < BUSY_SECONDS
    return bool(fresh and digest_tag not in tags and tags.get(WRITER_TAG, writer()) != writer())


def is_whole_elsewhere(run: Any) -> bool:
    """Whether a run is of a row that another machine has complete."""
    return bool(run.info.status == "FINISHED" and run.data.tags.get(WRITER_TAG, writer()) != writer())


def runs_by_row(client: Any, experiment: str, row_tag: str) -> dict[str, list[Any]]:
    """The runs of an experiment by the row that they mirror."""
    groups: dict[str, list[Any]] = defaultdict(list)
    page = client.search_runs([experiment], max_results=1000)
    while page:
        for run in page:
            groups[run.data.tags.get(row_tag, "")].append(run)
        page = page.token and client.search_runs([experiment], max_results=1000, page_token=page.token)
    return groups


def settle(client: Any, experiment: str, row_tag: str, digest_tag: str) -> None:
    """Leave one run of each row and each table; rows of a table's other runs come under the one that stays.

    Searches of a row's other runs go with them: the one that stays has its own.
    """
    groups = runs_by_row(client, experiment, row_tag)
    replaced: dict[str, str] = {}
    of_rows: set[str] = set()
    for name, runs in groups.items():
        whole = [run for run in runs if PARENT_TAG not in run.data.tags or digest_tag in run.data.tags]
        if name and len(whole) > 1:
            stays, *others = sorted(
                whole, key=lambda run: (run.info.status != "FINISHED", run.info.start_time, run.info.run_id)
            )
            for run in others:
                replaced[run.info.run_id] = stays.info.run_id
                if PARENT_TAG in run.data.tags:
                    of_rows.add(run.info.run_id)
                _delete(client, run.info.run_id)
    for runs in groups.values():
        for run in runs:
            parent = run.data.tags.get(PARENT_TAG, "")
            if parent in of_rows:
                _delete(client, run.info.run_id)
            elif parent in replaced and run.info.run_id not in replaced:
                client.set_tag(run.info.run_id, PARENT_TAG, replaced[parent])


def _delete(client: Any, run: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_run(run)
    except MlflowException:
        if client.get_run(run).info.lifecycle_stage != "deleted":  # another machine was quicker
            raise
