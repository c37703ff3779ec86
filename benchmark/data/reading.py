"""What a dataset's code reads while it builds its cohort: a file that it does not name could be edited unseen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.system.locations import data_folder, results_folder

CODE = (".py", ".pyc", ".pyi", ".so", ".toml")
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/opt")


class _Watch:
    """An audit hook, which cannot be removed: outside `opened_files` it does nothing."""

    def __init__(self) -> None:
        self.opened: dict[str, bool] | None = None
        self.hooked = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.opened is not None:
            mode, flags = arguments[1], arguments[2]
            by_mode = isinstance(mode, str)
            written = any(letter in mode for letter in "wax+") if by_mode else bool(flags & (os.O_WRONLY | os.O_RDWR))
            self.note(arguments[0], written=written)
        elif event == "sqlite3.connect":
            self.note(arguments[0])

    def note(self, path: object, *, written: bool = False) -> None:
        """Remember a file that is opened; a number or a buffer is none."""
        if self.opened is not None and isinstance(path, str | bytes | os.PathLike):
            name = str(Path(os.fsdecode(path)).absolute())
            self.opened[name] = self.opened.get(name, False) or written


_WATCH = _Watch()


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """The data files that Python code opens for reading while the block runs, complete when it ends.

    Code, libraries, the system's own files, hidden folders, StrokeBench's folders and what the block itself wrote do not count.
    A library that opens files without Python is not seen (PyArrow, HDF5), but for pandas' readers of Parquet and ORC.
    """
    if not _WATCH.hooked:
        sys.addaudithook(_WATCH)
        _WATCH.hooked = True
    before, opened, data = _WATCH.opened, dict[str, bool](), list[Path]()
    readers = {name: getattr(pd, name) for name in ("read_parquet", "read_orc")}
    _WATCH.opened = opened
    try:
        for name, reader in readers.items():
            setattr(pd, name, _noting(reader))
        yield data
    finally:
        _WATCH.opened = before
        for name, reader in readers.items():
            setattr(pd, name, reader)
        data += [Path(path) for path, written in opened.items() if not written and _is_data(Path(path))]


def _noting(reader: Callable[..., Any]) -> Callable[..., Any]:
    """The reader, which notes the file that it reads."""

    @wraps(reader)
    def read(path: Any, *more: Any, **named: Any) -> Any:
        _WATCH.note(path)
        return reader(path, *more, **named)

    return read


def _is_data(path: Path) -> bool:
    if path.suffix in CODE or not path.is_file():
        return False
    own = [Path(place) for place in (sys.prefix, sys.base_prefix, data_folder(), results_folder(), *SYSTEM)]
    places = {known for place in own for known in (place, place.resolve())}
    if any(form.is_relative_to(place) for place in places for form in (path, path.resolve())):
        return False
    return not any(part.startswith(".") for part in path.parts)
