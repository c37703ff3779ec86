"""Errors that end a command with one line: what is wrong, and the mend."""

import difflib
import re
import sysconfig
import traceback
from collections.abc import Collection, Iterable
from pathlib import Path

_NOT_OWN = (Path(__file__).resolve().parents[1], Path(sysconfig.get_path("stdlib")))
"""The engine and Python's own library."""
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def raised_at(shown: str) -> str:
    """` (mine.py, line 12)`: the last line of a component's own code in a traceback's text; empty where there is none."""
    frames = [(Path(name), line) for name, line in _FRAME.findall(shown)]
    own = [
        (path, line)
        for path, line in frames
        if path.suffix == ".py" and "site-packages" not in path.parts and not any(map(path.is_relative_to, _NOT_OWN))
    ]
    return f" ({own[-1][0].name}, line {own[-1][1]})" if own else ""


def place_of(error: BaseException) -> str:
    """Likewise of an exception that was caught."""
    return raised_at("".join(traceback.format_exception(error)))


class BenchmarkError(Exception):
    """An error of the user's input or surroundings; its text is the whole message."""


class UnknownNameError(BenchmarkError):
    """A name that is not registered; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], broken: str = "") -> None:
        known = sorted(known)
        by_lower = {other.lower(): other for other in known}
        near = [f"'{by_lower[match]}'" for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"unknown {kind} '{name}': {hint}" + (f"; what cannot be read: {broken}" if broken else ""))


def check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise `UnknownNameError` for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UnknownNameError(kind, str(name), known)


class NotFetchedError(BenchmarkError):
    """A dataset whose source files are not on this machine."""


class DataError(BenchmarkError):
    """A source file whose content is not what its dataset expects."""


class StoreError(BenchmarkError):
    """The results folder cannot be written or read."""


class InvalidTraining(BenchmarkError):
    """Training whose loss is no finite number: the cell's outcome is `invalid`."""
