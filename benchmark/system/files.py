"""Durable files and sealed folders: written aside, fsynced and renamed, so that a crash leaves the old one or the new one."""

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmark.system.errors import BenchmarkError, StoreError

LONGEST = 180
"""Characters of a file name that are kept as they are; file systems take 255."""
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)
"""What a disk without `flock` answers: NFS 3 without its lock service, Lustre mounted without `flock`."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What a disk answers that keeps nothing more, whatever is to be kept."""
LIST = "files.json"
"""The files of a sealed folder, each with its size and sha256; the size alone where the folder is older than that."""
_DIGEST = b"sha256"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+=,\[\]-]")


@functools.lru_cache(maxsize=1 << 14)
def safe(name: str) -> str:
    """A name as a file name: what is unsafe is written as %XX; the end of a long one as a digest of the whole."""
    if not name.strip("."):
        return "%2E" * len(name) or "%"
    written = _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), name)
    if len(written) <= LONGEST:
        return written
    return f"{written[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def write_private(path: Path, content: bytes) -> None:
    """Likewise a file that only its owner can read, in a folder that only its owner can list."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise store_error("write", path, error) from error
    write_durably(path, content, mode=0o600)


def write_durably(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file so that after a crash it holds the old bytes or the new ones. Raises `StoreError`."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise store_error("write", path, error) from error


def write_if_changed(path: Path, content: bytes) -> None:
    """`write_durably`, unless the file holds that content already."""
    if not path.is_file() or path.read_bytes() != content:
        write_durably(path, content)


def with_digest(content: bytes) -> bytes:
    """A JSON object with its own sha256 as first field, on a line by itself: JSON still, if it is not empty."""
    return b'{"%s": "%s",\n%s' % (_DIGEST, hashlib.sha256(content[1:]).hexdigest().encode(), content[1:])


def without_digest(content: bytes) -> bytes:
    """The JSON that `with_digest` was given, or as it is where it has no digest. Raises `ValueError` where it is another's."""
    if not content.startswith(b'{"%s": ' % _DIGEST):
        return content
    head, _, body = content.partition(b"\n")
    if head != b'{"%s": "%s",' % (_DIGEST, hashlib.sha256(body).hexdigest().encode()):
        raise ValueError("its bytes are not those of its digest")
    return b"{" + body


def set_aside(path: Path) -> None:
    """Rename a file that cannot be trusted to `<name>.torn`, so that it is recomputed and can be looked at."""
    path.replace(path.with_name(path.name + ".torn"))


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the results folder for one writer. Raises `StoreError` where another run holds it."""
    from filelock import Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = locked(folder / ".lock", timeout=0)
    except Timeout:
        raise StoreError(f"another run is writing to {folder}: wait for it, or set STROKEBENCH_OUTPUT elsewhere") from None
    except OSError as error:
        raise store_error("write", folder, error) from error
    with held:
        yield


def locked(path: Path, timeout: float = -1, poll: float = 0.05) -> AbstractContextManager[Any]:
    """Hold a lock, by `flock`, or on a disk that keeps no such locks by a file beside it; -1 waits without end.

    Raises `filelock.Timeout`, and `OSError` where the file cannot be made.
    """
    from filelock import FileLock, SoftFileLock

    try:
        return FileLock(path, timeout=timeout, poll_interval=poll).acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return SoftFileLock(path.with_name(f"{path.name}.held"), timeout=timeout, poll_interval=poll).acquire()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def store_error(verb: str, path: Path, error: OSError) -> StoreError:
    """The error of a file that could not be read or written, with what to do about it."""
    mends = {
        errno.ENOSPC: "free some space, or set STROKEBENCH_OUTPUT to another disk",
        errno.EDQUOT: "free some of your quota, or set STROKEBENCH_OUTPUT to another disk",
        errno.EROFS: "the folder is read-only: set STROKEBENCH_OUTPUT to a folder that you may write",
        errno.EACCES: "you may not write there: set STROKEBENCH_OUTPUT to a folder that you may write",
        errno.EPERM: "you may not write there: set STROKEBENCH_OUTPUT to a folder that you may write",
    }
    mend = mends.get(error.errno or 0, "check the folder, or set STROKEBENCH_OUTPUT to another one")
    return StoreError(f"cannot {verb} {path}: {error.strerror or error}: {mend}")


def build_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder, filled by `write` unless it is there: under a lock, aside, sealed and renamed, so never half-written.

    Raises what `write` raises, and leaves nothing behind then.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            for left in folder.parent.glob(
                f".{glob.escape(folder.name)}.[0-9]*"
            ):  # by writers that were killed: the lock is ours
                shutil.rmtree(left, ignore_errors=True)
            aside = folder.with_name(f".{folder.name}.{os.getpid()}")
            aside.mkdir()
            try:
                write(aside)
                _seal(aside)
                aside.rename(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder


def _seal(folder: Path) -> None:
    """Bring every file to the disk and list them with size and digest; call it before the folder gets its final name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        _sync(path)
    listed = {path.relative_to(folder).as_posix(): [path.stat().st_size, _sha256(path)] for path in files}
    write_durably(folder / LIST, json.dumps(listed, indent=1).encode())


def check_sealed(folder: Path, mend: str, *, whole: bool = False) -> None:
    """Raise `BenchmarkError` where a listed file is missing or of another size, or, if `whole`, of other bytes.

    `mend` is the command that makes it anew.
    """
    try:
        content: dict[str, int | list[Any]] = json.loads((folder / LIST).read_text(encoding="utf-8"))
        listed = {name: told if isinstance(told, list) else [told] for name, told in content.items()}
        wrong = [name for name, (size, *_) in listed.items() if (folder / name).stat().st_size != size]
        wrong += [name for name, (_, *sha256) in listed.items() if whole and sha256 and _sha256(folder / name) != sha256[0]]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BenchmarkError(f"{folder} is damaged ({error}): {mend}, then run again") from error
    if wrong:
        raise BenchmarkError(f"{folder / wrong[0]} is damaged: {mend}, then run again")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
