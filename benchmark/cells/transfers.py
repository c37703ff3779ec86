"""Sealed folders on their way between the data folder of a run and that of a worker of a cluster.

The run does both ways: `push` and `pull` call the functions below them on the worker. What comes lies beside its final place
until it is whole.
"""

from __future__ import annotations

import asyncio
import glob
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.system.errors import BenchmarkError
from benchmark.system.files import LIST, check_sealed

CHUNK = 16 * 2**20
"""Bytes of a file that travel at once."""
LEFT_SECONDS = 3600.0
"""What is on its way and was not touched for so long was left by a run that was killed."""
Call = Callable[..., Any]
"""Calls a function of this module, or a coroutine, with its arguments on a worker, and gives what it returns."""

_SOUND: set[tuple[Path, int]] = set()
"""Folders whose files were seen to be those of their lists, each with the list's time."""
_SOUND_LOCK = threading.Lock()


def push(call: Call, here: Path, there: str, name: str) -> None:
    """Send a sealed folder from a data folder to that of a worker. Raises `BenchmarkError` where it is not here.

    What `call` raises passes on; what the worker holds of the folder goes where that is a `BenchmarkError`, as of a full disk.
    """
    folder, aside = here / name, _beside(name)
    if call(_has, there, name):  # it was sent with another cell meanwhile
        return
    if not folder.is_dir():
        raise BenchmarkError(f"{folder} is not there, and a worker needs it: run again")
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            with path.open("rb") as stream:
                content, place = stream.read(CHUNK), 0
                while content or not place:
                    call(_receive, there, aside, path.relative_to(folder).as_posix(), place, content)
                    place += len(content) or 1
                    content = stream.read(CHUNK)
        call(_take_in_there, there, aside, name)
    except BenchmarkError:
        call(_drop_there, there, aside)
        raise


def pull(call: Call, here: Path, there: str, name: str) -> None:
    """Fetch a sealed folder from the data folder of a worker into that of the run, unless it is there already.

    What `call` raises passes on.
    """
    own, aside = str(here), _beside(name)
    if _has(own, name):
        return
    try:
        for file, size in call(_listed, there, name).items():
            for place in range(0, max(size, 1), CHUNK):
                _receive(own, aside, file, place, call(_read, there, name, file, place))
        _take_in(own, aside, name)
    finally:
        _drop(own, aside)


def is_sound(data: Path, name: str, *, own: bool) -> bool:
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
