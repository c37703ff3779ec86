"""Studies on disk: one Optuna journal per row, one study per cell and key, in `results/tuning/`.

Several workers write one journal. Its lock is the kernel's (`filelock`), which is free again when its holder is killed. Each
record of a journal carries its own digest: a flipped bit may leave valid JSON, and would steer a search unseen.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmark.cells.store import CellAddress
from benchmark.learning.tuning.search import INTERRUPTED, counted
from benchmark.system import provenance
from benchmark.system.files import locked, safe, set_aside
from benchmark.system.locations import results_folder

POLL = 0.002
"""Seconds between two looks at a journal's lock: it is held for as short a time."""
_DIGEST = "sha256"
"""The field of a journal's record that holds the digest of its other fields."""


def journals_folder() -> Path:
    """Where the journals of this machine lie."""
    return results_folder() / "tuning"


def journal_path(dataset: str, protocol: str, method: str) -> Path:
    """The journal of a tuned row."""
    return journals_folder() / safe(dataset) / safe(protocol) / f"{safe(method)}.journal"


def study_name(address: CellAddress, key: str) -> str:
    """The study of a cell as it is now: another space, budget or code has another key, and so another study."""
    return f"{address} #{key[:12]}"


def open_study(address: CellAddress, key: str, *, anew: bool = False) -> optuna.Study:
    """The study of a cell, gone on with where a killed process left it, or from its first trial if `anew`.

    Whoever opens a study owns it: a process that searched in it before, and still lives, stops.
    """
    path = journal_path(*address.row)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = _storage(path)
    _end_running(storage, f"{address} #")
    name = study_name(address, key)
    if anew and name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    study.set_user_attr("owner", uuid.uuid4().hex)
    return study


def trials_of(address: CellAddress, key: str) -> list[FrozenTrial]:
    """The trials of a stored cell that count, in order; none where its study is not on this machine."""
    path = journal_path(*address.row)
    if not path.is_file():
        return []
    try:
        return counted(optuna.load_study(study_name=study_name(address, key), storage=_storage(path)))
    except KeyError:
        return []


def end_interrupted(rows: Iterable[tuple[str, str, str]]) -> None:
    """Mark every running trial of rows (dataset, protocol, method) as failed: call it when no worker is at them any more."""
    for row in rows:
        if (path := journal_path(*row)).is_file():
            _end_running(_storage(path), "")


def _end_running(storage: JournalStorage, beginning: str) -> None:
    """Mark the running trials of the studies whose name begins so as failed by interruption."""
    for study in storage.get_all_studies():
        if study.study_name.startswith(beginning):
            for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
                # a process that lives may end it this very moment
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                    storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
                    storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def _storage(path: Path) -> JournalStorage:
    """A journal, after what a killed writer did not end was cut off: what is appended to that could not be read.

    A journal with a record that is not as it was written is set aside, and the search begins anew. The lock's file is not
    named as Optuna's own lock is, which is there only while held.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    guard = path.with_name(f".{path.name}.guard")
    with locked(guard, poll=POLL):
        content = path.read_bytes() if path.is_file() else b""
        if (kept := content.rfind(b"\n") + 1) < len(content):
            os.truncate(path, kept)
        if not all(map(_is_whole, content[:kept].splitlines())):
            set_aside(path)
    return JournalStorage(cast(Any, _Digested(path, _Guard(guard))))


def _is_whole(line: bytes) -> bool:
    """Whether a record of a journal is as it was written; others that write to a journal, as dashboards do, add no digest."""
    try:
        record = json.loads(line)
        return bool(record.pop(_DIGEST, None) in (None, provenance.digest(record)))
    except (ValueError, AttributeError, TypeError):
        return False


class _Digested:
    """Optuna's journal file, whose records carry their digest, a field of which Optuna knows nothing."""

    def __init__(self, path: Path, lock: "_Guard") -> None:
        self._file = JournalFileBackend(str(path), lock_obj=cast(Any, lock))
        self.read_logs = self._file.read_logs

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, each with its digest."""
        self._file.append_logs([{**log, _DIGEST: provenance.digest(log)} for log in logs])


class _Guard:
    """A journal's lock as Optuna asks for one."""

    def __init__(self, path: Path) -> None:
        self._path, self._held = path, contextlib.ExitStack()

    def acquire(self) -> bool:
        """Wait until it is held."""
        self._held.enter_context(locked(self._path, poll=POLL))
        return True

    def release(self) -> None:
        """Let others have it."""
        self._held.close()
