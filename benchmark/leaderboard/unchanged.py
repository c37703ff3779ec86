"""Whether a suite's leaderboard and page say already what is stored: then ranking has nothing to compute."""

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Set
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmark.cells.rows import gathered, pairings
from benchmark.leaderboard.further import further_suites
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.spelling import parse_spelling
from benchmark.suites.suite import Suite
from benchmark.system.files import safe, write_durably
from benchmark.system.locations import results_folder
from benchmark.system.parallel import mapped
from benchmark.system.provenance import file_digest

CODE = Path(__file__).resolve().parents[1]


def state(suite: Suite, catalogue: Catalogue, *, local: bool = True, jobs: int = 1) -> str:
    """A digest of all that the files of a suite are made of.

    These are the stored rows with every prediction, those of its further suites, the suite, what its methods and datasets say
    of themselves, the code of the package, and the installed libraries. Tables are read by as many processes as `jobs` says.
    """
    tables = [
        (each, names) for each in (suite, *further_suites(suite, catalogue, local=local)) for names in pairings(each, catalogue)
    ]
    rows = mapped(lambda table: _digest([gathered(table[0], catalogue, *table[1], local=local)]), tables, jobs)
    methods = [catalogue.methods.get(name) for name in dict.fromkeys(parse_spelling(method)[0] for method in suite.methods)]
    return _digest([local, suite, methods, rows, _code(), _libraries()])


def said(suite: Suite, state: str, paths: Iterable[Path]) -> str | None:
    """What was said when these files were written of this state; None where they were not, or are no longer as they were."""
    try:
        told = json.loads(_memory(suite).read_bytes())
        return str(told["said"]) if told["state"] == state and told["files"] == _files(paths) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember(suite: Suite, state: str, paths: Iterable[Path], said: str) -> None:
    """That these files were written of this state, and what was said of them."""
    write_durably(_memory(suite), json.dumps({"state": state, "files": _files(paths), "said": said}).encode())


def _memory(suite: Suite) -> Path:
    return results_folder() / "drawn" / f"{safe(suite.name)}.files.json"


def _files(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): file_digest(path) for path in paths}


def _code() -> dict[str, str]:
    files = sorted(path for path in CODE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(CODE).as_posix(): file_digest(path) for path in files}


def _libraries() -> list[str]:
    return [sys.version, *sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))]


def _digest(of: Any) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(_plain(of))).hexdigest()


def _plain(value: Any) -> Any:
    """The same as lists, words and numbers; what is of another kind as its `repr`."""
    if value is None or type(value) in (str, bytes, bool, int, float):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [str(value.dtype), value.shape, value.tobytes()]
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(_plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, Set):
        return sorted(map(repr, value))
    return repr(value)
