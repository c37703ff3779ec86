"""The components of a checkout, kept until one of its source files changes: parsing these is most of a short command's time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmark.registry.entries import CARDS, Entry
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import write_durably
from benchmark.system.locations import data_folder
from benchmark.system.provenance import PROJECT

Entries = Sequence[Entry[Any]]


def remembered(root: Path, read: Callable[[], Entries]) -> Entries:
    """What `read` finds below `root`, or found before in the same source files: same names, sizes and times."""
    stamp = _stamp(root)
    if (root, stamp) not in _KNOWN:
        _KNOWN[root, stamp] = _from_disk(root, stamp, read)
    return _KNOWN[root, stamp]


_KNOWN: dict[tuple[Path, str], Entries] = {}


def _from_disk(root: Path, stamp: str, read: Callable[[], Entries]) -> Entries:
    path = data_folder() / "components" / f"{hashlib.sha256(str(root).encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        digest, _, body = path.read_bytes().partition(b"\n")
        kept = json.loads(body) if digest.decode() == hashlib.sha256(body).hexdigest() else {}
        if kept.get("stamp") == stamp:
            return [_entry(root, described) for described in kept["entries"]]
    entries = read()
    with suppress(OSError, TypeError, BenchmarkError):  # a folder that cannot be written, or a constant that JSON has not
        body = json.dumps({"stamp": stamp, "entries": [_described(root, entry) for entry in entries]}).encode()
        write_durably(path, b"%s\n%s" % (hashlib.sha256(body).hexdigest().encode(), body))
    return entries


def _stamp(root: Path) -> str:
    """Changes with every edit, addition and removal of a source file."""
    files = sorted(path for package in PROJECT for path in (root / package).rglob("*.py"))
    stats = [(path, path.stat() if path.exists() else path.lstat()) for path in files]  # a link may lead nowhere
    found = [(path.relative_to(root).as_posix(), stat.st_size, stat.st_mtime_ns) for path, stat in stats]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def _described(root: Path, entry: Entry[Any]) -> dict[str, Any]:
    card = entry.read_card
    return {
        **{name: getattr(entry, name) for name in ("kind", "name", "class_name", "has_search_space", "error")},
        "path": entry.path.relative_to(root).as_posix(),
        "card": None if card is None else {item.name: _plain(getattr(card, item.name)) for item in fields(card)},
        "constants": _plain(entry.constants),
        "fields": sorted(entry.fields),
    }


def _entry(root: Path, described: dict[str, Any]) -> Entry[Any]:
    card, path = described.pop("card"), Path(os.path.normpath(root / described["path"]))
    if not path.is_relative_to(root):
        raise ValueError(f"{path} is not below {root}")  # what is kept in a shared data folder names no other code
    values = {} if card is None else {name: _literal(value) for name, value in card.items()}
    return Entry(
        **{
            **described,
            "path": path,
            "read_card": None if card is None else CARDS[described["kind"]](**values),
            "constants": _literal(described["constants"]),
            "fields": frozenset(described["fields"]),
        }
    )


def _plain(value: Any) -> Any:
    """A literal of Python as JSON has it. Raises `TypeError` for what it has not, such as bytes."""
    match value:
        case Mapping():
            return {"dict": [[_plain(key), _plain(inner)] for key, inner in value.items()]}
        case set() | frozenset():
            return {type(value).__name__: sorted(map(_plain, value), key=repr)}
        case tuple():
            return {"tuple": [_plain(item) for item in value]}
        case list():
            return [_plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{type(value).__name__} is no literal of JSON")


def _literal(value: Any) -> Any:
    """What `_plain` was given."""
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, items),) = value.items()
    if kind == "dict":
        return {_literal(key): _literal(inner) for key, inner in items}
    made: Any = {"set": set, "frozenset": frozenset, "tuple": tuple}[kind]
    return made(map(_literal, items))
