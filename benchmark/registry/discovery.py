"""Finding components: every file of the checkout's folders, plug-in files, and installed entry points.

Names and metadata are read from the syntax tree, so listing runs no component's code; a broken file stays listed with its
error and stops no other.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from benchmark.registry.catalogue import Catalogue
from benchmark.registry.entries import CARDS, Entry, Kind, Registry
from benchmark.registry.importing import shown
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT
from benchmark.system.modules import imported_names, module_file, parsed

FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "dataset": ("datasets",),
    "encoder": ("benchmark/learning/encoders",),
    "method": ("baselines", "methods"),
    "protocol": ("benchmark/data/protocols",),
}

DECORATORS: Mapping[str, Kind] = {f"register_{kind}": kind for kind in CARDS}


def discover(plugins: Sequence[str] = (), root: Path = ROOT) -> Catalogue:
    """Read every component of the checkout, of the plug-in files and of installed entry points; imports none of them."""
    found: dict[Kind, list[Entry[Any]]] = {kind: [] for kind in CARDS}
    for kind, places in FOLDERS.items():
        for place in places:
            for path in _files(root / place):
                for entry in read_entries(path, kind):
                    found[entry.kind].append(entry)
    for plugin in plugins:
        path = Path(plugin).expanduser().resolve()
        if not path.is_file():
            raise BenchmarkError(f"plug-in '{plugin}' is not a file: give the path of a Python file with a registered class")
        for entry in read_entries(path, "method"):
            found[entry.kind].append(entry)
    for entry in _entry_points():
        found[entry.kind].append(entry)
    resolved = tuple(str(Path(plugin).expanduser().resolve()) for plugin in plugins)
    return Catalogue(
        Registry("dataset", found["dataset"]),
        Registry("encoder", found["encoder"]),
        Registry("method", found["method"]),
        Registry("protocol", found["protocol"]),
        resolved,
    )


def read_entries(path: Path, default_kind: Kind) -> list[Entry[Any]]:
    """The components of a file, read from its syntax tree; a broken file gives one entry that carries the error."""
    stem = path.stem.replace("_", "-")

    def broken(error: str, name: str = stem, kind: Kind = default_kind) -> Entry[Any]:
        return Entry(kind, name, path, error=f"{shown(path)}: {error}")

    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        return [broken(f"line {error.lineno}: {error.msg}")]
    except (OSError, ValueError) as error:
        return [broken(str(error))]
    entries = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                entry = _read_class(path, tree, node, decorator, broken)
                if entry is not None:
                    entries.append(entry)
    return entries or [broken("registers nothing: put a @register_ decorator on a class")]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.glob("*.py") if not path.name.startswith("_"))


def _read_class(
    path: Path, tree: ast.Module, node: ast.ClassDef, decorator: ast.expr, broken: Callable[..., Entry[Any]]
) -> Entry[Any] | None:
    if not isinstance(decorator, ast.Call):
        return None
    called = decorator.func
    function = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    kind = DECORATORS.get(function)
    if kind is None:
        return None
    try:
        name = ast.literal_eval(decorator.args[0])
        if not isinstance(name, str):
            raise ValueError(name)
    except (IndexError, ValueError, TypeError):
        return broken(f"line {decorator.lineno}: the first argument of @{function} is the name, a string", kind=kind)
    metadata = {}
    for keyword in decorator.keywords:
        try:
            metadata[keyword.arg or "**"] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            return broken(f"line {keyword.lineno}: '{keyword.arg}' of @{function} must be a literal", name, kind)
    known = {item.name: item for item in fields(CARDS[kind]) if item.name != "name"}
    required = {key for key, item in known.items() if item.default is MISSING and item.default_factory is MISSING}
    missing, extra = required - metadata.keys(), metadata.keys() - known.keys()
    if missing or extra:
        lacks = f"lacks {', '.join(sorted(missing))}" if missing else ""
        unknown = f"does not know {', '.join(sorted(extra))}" if extra else ""
        said = " and ".join(filter(None, [lacks, unknown]))
        return broken(f"line {decorator.lineno}: @{function}('{name}') {said}", name, kind)
    for field_name in ("modalities", "fit_modalities", "predict_modalities"):
        if not isinstance(metadata.get(field_name, set()), set | frozenset | list | tuple):
            said = f"{field_name} must be a set of modalities, such as {{'table'}}"
            return broken(f"line {decorator.lineno}: @{function}('{name}') {said}", name, kind)
    classes = list(_lineage(tree, node))
    constants = {key: value for owner in reversed(classes) for key, value in _constants(owner).items()}
    parameters = frozenset[str]().union(*map(_fields, classes))
    searched = any(isinstance(item, ast.FunctionDef) and item.name == "search_space" for item in node.body)
    card = CARDS[kind](name, **metadata)
    return Entry(kind, name, path, node.name, card, constants, parameters, searched)


def _lineage(tree: ast.Module, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The class, then the base classes whose source lies in the checkout, nearest first; none of it is imported."""
    yield node
    for base in node.bases:
        if isinstance(base, ast.Name):
            found = _class_called(tree, base.id)
            if found is not None:
                yield from _lineage(*found)


def _class_called(tree: ast.Module, name: str) -> tuple[ast.Module, ast.ClassDef] | None:
    """A class of the checkout by the name that it has in a file: defined there, or imported from another project file."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return tree, statement
    module, original = imported_names(tree).get(name, ("", ""))
    path = module_file(module) if module else None
    return None if path is None else _class_called(parsed(path), original)


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    """Literal class attributes and field defaults (`stochastic = False`, `trees: int = 500`)."""
    found = {}
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            try:
                found[target.id] = ast.literal_eval(value)
            except (ValueError, TypeError):  # not a literal, or one that Python refuses: `{[1]}`
                continue
    return found


def _fields(node: ast.ClassDef) -> frozenset[str]:
    """Annotated names of the class body that its constructor takes: the dataclass's own fields."""
    items = [item for item in node.body if isinstance(item, ast.AnnAssign) and not _is_internal(item)]
    return frozenset(item.target.id for item in items if isinstance(item.target, ast.Name))


def _is_internal(item: ast.AnnAssign) -> bool:
    """Whether it is a class variable or `field(init=False)`."""
    given = item.value.keywords if isinstance(item.value, ast.Call) else []
    hidden = any(keyword.arg == "init" and ast.unparse(keyword.value) == "False" for keyword in given)
    return hidden or "ClassVar" in ast.unparse(item.annotation)


def _entry_points() -> list[Entry[Any]]:
    from importlib.metadata import entry_points

    entries: list[Entry[Any]] = []
    for kind in ("method", "dataset", "encoder"):
        for point in entry_points(group=f"strokebench.{kind}s"):
            try:
                spec = importlib.util.find_spec(point.module)
            except (ImportError, ValueError) as error:
                entries.append(Entry(kind, point.name, Path(point.value), error=f"entry point {point.value}: {error}"))
                continue
            if spec is None or spec.origin is None:
                entries.append(Entry(kind, point.name, Path(point.value), error=f"entry point {point.value} is not installed"))
                continue
            there = read_entries(Path(spec.origin), kind)
            entries += [entry for entry in there if not point.attr or entry.class_name == point.attr]
    return entries
