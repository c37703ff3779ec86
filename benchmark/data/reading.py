"""What a dataset's code reads while it builds its cohort: a file that it does not name could be edited unseen."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.system.locations import data_folder, results_folder

CODE = (".py", ".pyc", ".pyi", ".so", ".toml")
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/opt")


class _Watch:
    """An audit hook, which cannot be removed: outside `opened_files` it does nothing."""

    def __init__(self) -> None:
        self.opened: dict[str, bool] | None = None
        self.hooked = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.opened is None or event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        mode, flags = arguments[1], arguments[2]
        written = any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
        path = str(Path(os.fsdecode(arguments[0])).absolute())
        self.opened[path] = self.opened.get(path, False) or written


_WATCH = _Watch()


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """The data files that Python code opens for reading while the block runs, complete when it ends.

    Code, libraries, the system's own files, hidden folders, StrokeBench's folders and what the block itself wrote do not count.
    A library that opens files without Python is not seen (PyArrow's own readers, HDF5).
    """
    if not _WATCH.hooked:
        sys.addaudithook(_WATCH)
        _WATCH.hooked = True
    before, opened, data = _WATCH.opened, dict[str, bool](), list[Path]()
    _WATCH.opened = opened
    try:
        yield data
    finally:
        _WATCH.opened = before
        data += [Path(path) for path, written in opened.items() if not written and _is_data(Path(path))]


def _is_data(path: Path) -> bool:
    if path.suffix in CODE or not path.is_file():
        return False
    own = [Path(place) for place in (sys.prefix, sys.base_prefix, data_folder(), results_folder(), *SYSTEM)]
    places = {known for place in own for known in (place, place.resolve())}
    if any(form.is_relative_to(place) for place in places for form in (path, path.resolve())):
        return False
    return not any(part.startswith(".") for part in path.parts)
