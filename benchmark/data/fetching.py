"""Source files from the network or a mirror: declared in `datasets/sources.toml`, verified by sha256, resumable.

`sources.toml` has a table per dataset, `manifest` naming a file of `datasets/manifests/` in the format of `sha256sum`
(`<sha256>  <host>/<path>`, the URL without its scheme). A dataset without a table needs no files.
"""

from __future__ import annotations

import errno
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.data.downloading import Deliver, opened
from benchmark.data.sources import Sources
from benchmark.registry.entries import Entry
from benchmark.system.errors import BenchmarkError, DataError, NotFetchedError
from benchmark.system.files import locked, write_durably
from benchmark.system.locations import ROOT, data_folder
from benchmark.system.provenance import file_digest

DATASETS = ROOT / "datasets"
Progress = Callable[[int, str], AbstractContextManager[Callable[[str, str], None]]]
"""(number of things, their name) -> what to call with the name of each that is done, and "" or its problem."""
HOPELESS = 20
"""Wrong files after which a source is given up: a mis-typed mirror, not a broken file."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *]?(\S.*)")
SUMS = "SHA256SUMS.txt"
"""The manifest that a published folder has of its own."""


def needs_files(name: str) -> bool:
    """Whether `sources.toml` has a table for the dataset."""
    return name in _declared()


def is_fetched(name: str) -> bool:
    """Whether the dataset's files were fetched to this machine, by its marker alone; true where none are needed."""
    return not needs_files(name) or _marker(name).is_file()


def why_unavailable(dataset: Entry[Any]) -> str:
    """Why a registered dataset cannot be prepared on this machine, and what to do; empty where it can.

    A dataset whose files every user gets for himself names the path that must be there below the sources: `place` of its class.
    """
    if dataset.error:
        return f"broken: {dataset.error}"
    place = dataset.constants.get("place")
    if place and not (_folder() / str(place)).exists():
        return f"not there: its files are for everyone to get for himself, and belong to {_folder() / str(place)}"
    return "" if is_fetched(dataset.name) else f"not fetched: python -m benchmark fetch {dataset.name}"


def open_sources(name: str) -> Sources:
    """The dataset's source files. Raises `NotFetchedError` where they are missing or the manifest has changed since."""
    if not needs_files(name):
        return Sources(_folder(), {}, "")
    files, digest = read_manifest(name)
    marker = _marker(name)
    if not marker.is_file():
        raise NotFetchedError(f"{name} is not fetched: run `python -m benchmark fetch {name}`")
    if marker.read_text(encoding="ascii").strip() != digest:
        raise NotFetchedError(f"{name} was fetched by another manifest: run `python -m benchmark fetch {name}` again")
    return Sources(_folder(), files, digest)


def fetch(name: str, mirror: str | None = None, jobs: int = 8, progress: Progress | None = None) -> Sources:
    """Fetch the dataset's files into `data_folder()/sources` with `jobs` threads; those already there and right are kept.

    `mirror` is a folder or an `http(s)://` address with the same files as `<host>/<path>`. Raises `DataError` for a file that
    is not as the manifest says (the others are fetched all the same), `BenchmarkError` where disk or network fail. `progress`
    shows how many files have arrived.
    """
    if not needs_files(name):
        return Sources(_folder(), {}, "")
    files, digest = read_manifest(name)
    folder = _folder()
    with _disk_errors(name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"), opened(name, mirror, jobs) as deliver:
            missing = _missing(files, folder, jobs)
            if missing:
                _marker(name).unlink(missing_ok=True)
                _fetch_all(name, missing, folder, deliver, jobs, progress or _silent)
            write_durably(_marker(name), f"{digest}\n".encode())
    return Sources(folder, files, digest)


def read_manifest(name: str) -> tuple[Mapping[str, str], str]:
    """The dataset's files as `<host>/<path>` -> sha256, and the manifest's own sha256. Raises `DataError`.

    A folder that the user downloads as a whole has its own manifest; `NotFetchedError` says where it belongs.
    """
    declared = _declared()[name]
    if "found" in declared:
        return _found(name, **declared)
    path = DATASETS / "manifests" / _manifest(name)
    try:
        return _parsed(path.name, path.read_bytes())
    except OSError as error:
        raise DataError(f"{name}: manifest {path} cannot be read: {error.strerror}") from error


def _found(name: str, found: str, only: Sequence[str], get: str, source: object = None) -> tuple[Mapping[str, str], str]:
    """The files of a downloaded folder, `found` below sources/, that the dataset reads: they begin with one of `only`."""
    path = _folder() / found / SUMS
    if not path.is_file():
        raise NotFetchedError(f"{name}: {path} is not there: `{get}` in {_folder()}, then `python -m benchmark fetch {name}`")
    files, digest = _parsed(path.name, path.read_bytes())
    return {f"{found}{file}": sha for file, sha in files.items() if file.startswith(tuple(only))}, digest


def _parsed(name: str, content: bytes) -> tuple[Mapping[str, str], str]:
    """The lines of a manifest, and the digest of the whole."""
    files = {}
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match or {"..", "/"} & set(PurePosixPath(match[2]).parts):
            raise DataError(f"{name}, line {number}: '{line}' is not '<sha256>  <host>/<path>'")
        files[match[2]] = match[1]
    return files, hashlib.sha256(content).hexdigest()


def _folder() -> Path:
    return data_folder() / "sources"


def _marker(name: str) -> Path:
    """Says that the files of the dataset's manifest are there; datasets of one manifest share it."""
    return _folder() / f"{Path(_manifest(name)).stem}.complete"


def _manifest(name: str) -> str:
    """The file name of the dataset's manifest. Raises `DataError` where `sources.toml` names none."""
    declared = _declared()[name]
    manifest = f"{name}.found" if "found" in declared else declared.get("manifest")
    if not isinstance(manifest, str):
        raise DataError(f'sources.toml: [{name}] names no manifest: add manifest = "{name}.sha256"')
    return manifest


def _declared() -> Mapping[str, Mapping[str, Any]]:
    path = DATASETS / "sources.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path.name} is not valid TOML: {error}") from error


def _missing(files: Mapping[str, str], folder: Path, jobs: int) -> dict[str, str]:
    """The files that are not there with the right sha256."""

    def right(item: tuple[str, str]) -> bool:
        path = folder / item[0]
        return path.is_file() and file_digest(path) == item[1]

    with ThreadPoolExecutor(max(1, jobs)) as threads:
        there = threads.map(right, files.items())
        return {relative: sha for (relative, sha), good in zip(files.items(), there, strict=True) if not good}


def _fetch_all(name: str, files: Mapping[str, str], folder: Path, deliver: Deliver, jobs: int, progress: Progress) -> None:
    """Fetch the files; a wrong one is reported once the others are there, `HOPELESS` ones or another failure stop the rest."""
    wrong: list[DataError] = []
    with ThreadPoolExecutor(max(1, jobs)) as threads, progress(len(files), "files") as advance:
        futures = {threads.submit(_fetch_one, name, file, sha, folder, deliver): file for file, sha in files.items()}
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                    advance(futures[future], "")
                except DataError as error:
                    wrong.append(error)
                    if len(wrong) >= HOPELESS:
                        raise
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    if wrong:
        more = f" ({len(wrong) - 1} more files are wrong too)" if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0]}{more}")


def _fetch_one(name: str, relative: str, sha: str, folder: Path, deliver: Deliver) -> None:
    """Bring one file under its final name, through `.part`."""
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for resumed in (part.is_file(), False):
        deliver(relative, part)
        got, size = file_digest(part), part.stat().st_size
        if got == sha:
            part.replace(target)
            return
        part.unlink()
        if not resumed:
            break
    raise DataError(
        f"{name}: {relative} is truncated or wrong: expected sha256 {sha}, got {got} ({size} bytes): "
        f"run `python -m benchmark fetch {name}` again, or from another mirror"
    )


@contextmanager
def _disk_errors(name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the file system into one line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        where = folder if full else error.filename or folder
        mend = "free space there" if full else "mend its permissions"
        raise BenchmarkError(
            f"{name}: {where}: {error.strerror or error}: {mend}, or set STROKEBENCH_DATA to another folder; "
            "files already fetched are kept"
        ) from error


@contextmanager
def _silent(total: int, unit: str) -> Iterator[Callable[[str, str], None]]:
    yield lambda file, problem: None
