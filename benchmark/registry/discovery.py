"""Finding components: every file of the checkout's folders, plug-in files, and installed entry points.

Names and metadata are read from the syntax tree, so listing runs no component's code; a broken file stays listed with its
error and stops no other.
"""

import ast
import contextlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.registry.catalogue import Catalogue
from benchmark.registry.entries import CARDS, PLURALS, Entry, Kind, Registry, shown
from benchmark.registry.folders import read_described
from benchmark.registry.remembered import remembered
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT
from benchmark.system.provenance import file_digest, imported_names, module_file, modules_beside, parsed, syntax_tree

FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "corpus": ("datasets/corpora",),
    "dataset": ("datasets",),
    "encoder": ("benchmark/learning/encoders",),
    "method": ("baselines", "methods"),
    "protocol": ("benchmark/data/protocols",),
}

DECORATORS: Mapping[str, Kind] = {f"register_{kind}": kind for kind in CARDS}
ENTRY_POINTS: Mapping[str, Kind] = {
    "strokebench.methods": "method",
    "strokebench.datasets": "dataset",
    "strokebench.corpora": "corpus",
    "strokebench.encoders": "encoder",
}


def discover(plugins: Sequence[str] = (), root: Path = ROOT) -> Catalogue:
    """Read every component of the checkout, of the plug-in files and of installed entry points; imports none of them."""
    found = list(remembered(root, partial(_components, root)))
    resolved = [Path(plugin).expanduser().resolve() for plugin in plugins]
    for plugin, path in zip(plugins, resolved, strict=True):
        if not path.is_file():
            raise BenchmarkError(f"plug-in '{plugin}' is not a file: give the path of a Python file with a registered class")
        found += [read_described(path)] if path.suffix == ".toml" else read_entries(path, "method")
    _check_modules_beside([path for path in resolved if path.suffix != ".toml"])
    found += _entry_points()
    registries: dict[str, Registry[Any]] = {
        plural: Registry(kind, [entry for entry in found if entry.kind == kind]) for kind, plural in PLURALS.items()
    }
    return Catalogue(**registries, plugins=tuple(map(str, resolved)))


def _components(root: Path) -> list[Entry[Any]]:
    """The components of a checkout."""
    return [
        entry
        for kind, places in FOLDERS.items()
        for place in places
        for path in sorted((root / place).glob("*.py"))
        if not path.name.startswith("_")
        for entry in read_entries(path, kind)
    ]


def _check_modules_beside(plugins: Sequence[Path]) -> None:
    """Raise `BenchmarkError` where two plug-ins import different modules of one name: Python would give both the same one."""
    known: dict[str, Path] = {}
    for name, path in (item for plugin in plugins for item in modules_beside(plugin).items()):
        other = known.setdefault(name, path)
        if other != path and file_digest(other) != file_digest(path):
            raise BenchmarkError(f"two plug-ins import different modules named '{name}': {other} and {path}: rename one")


def read_entries(path: Path, default_kind: Kind) -> list[Entry[Any]]:
    """The components of a file, read from its syntax tree; a broken file gives one entry that carries the error."""
    try:
        tree = syntax_tree(path)
    except SyntaxError as error:
        return [_broken(path, default_kind, f"line {error.lineno}: {error.msg}" if error.lineno else error.msg)]
    except (OSError, ValueError) as error:
        return [_broken(path, default_kind, str(error))]
    calls = [
        (node, decorator, ast.unparse(decorator.func).rpartition(".")[2])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
    ]
    entries = [_read_class(path, tree, *call) for call in calls if call[-1] in DECORATORS]
    return entries or [_broken(path, default_kind, "registers nothing: put a @register_ decorator on a class")]


def _broken(path: Path, kind: Kind, problem: str, name: str = "") -> Entry[Any]:
    return Entry(kind, name or path.stem.replace("_", "-"), path, error=f"{shown(path)}: {problem}")


def _read_class(path: Path, tree: ast.Module, node: ast.ClassDef, decorator: ast.Call, function: str) -> Entry[Any]:
    kind, place = DECORATORS[function], f"line {decorator.lineno}:"
    name = next((argument.value for argument in decorator.args[:1] if isinstance(argument, ast.Constant)), None)
    if not isinstance(name, str):
        return _broken(path, kind, f"{place} the first argument of @{function} is the name, a string")
    metadata = {}
    for keyword in decorator.keywords:
        try:
            metadata[keyword.arg or "**"] = ast.literal_eval(keyword.value)
        except (ValueError, TypeError):
            return _broken(path, kind, f"line {keyword.lineno}: '{keyword.arg}' of @{function} must be a literal", name)
    known = {item.name: item for item in fields(CARDS[kind]) if item.name != "name"}
    required = {key for key, item in known.items() if item.default is MISSING and item.default_factory is MISSING}
    wrong = {"lacks": required - metadata.keys(), "does not know": metadata.keys() - known.keys()}
    problems = [f"{verb} {', '.join(sorted(names))}" for verb, names in wrong.items() if names] or [
        f"{item} must be a set, such as {{'table'}}"
        for item in ("modalities", "fit_modalities", "predict_modalities", "columns", "inference_for")
        if not isinstance(metadata.get(item, set()), set | frozenset | list | tuple)
    ]
    if problems:
        return _broken(path, kind, f"{place} @{function}('{name}') {' and '.join(problems)}", name)
    classes = list(_lineage(tree, node, ROOT if path.is_relative_to(ROOT) else path.parent))
    constants = {key: value for owner in reversed(classes) for key, value in _constants(owner).items()}
    parameters = frozenset[str]().union(*map(_fields, classes))
    searched = any(isinstance(item, ast.FunctionDef) and item.name == "search_space" for item in node.body)
    return Entry(kind, name, path, node.name, CARDS[kind](name, **metadata), constants, parameters, searched)


def _lineage(tree: ast.Module, node: ast.ClassDef, folder: Path) -> Iterator[ast.ClassDef]:
    """The class, then the base classes whose source lies in the checkout or in a plug-in's folder, nearest first; none of it is
    imported.
    """
    yield node
    for base in node.bases:
        if isinstance(base, ast.Name):
            found = _class_called(tree, base.id, folder)
            if found is not None:
                yield from _lineage(*found, folder)


def _class_called(tree: ast.Module, name: str, folder: Path) -> tuple[ast.Module, ast.ClassDef] | None:
    """A class by the name that it has in a file: defined there, or imported from another file of the checkout or the folder."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return tree, statement
    module, original = imported_names(tree).get(name, ("", ""))
    path = (module_file(module) or module_file(module, folder)) if module else None
    return None if path is None else _class_called(parsed(path), original, folder)


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    """Literal class attributes and field defaults (`stochastic = False`, `trees: int = 500`)."""
    found = {}
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            with contextlib.suppress(ValueError, TypeError):  # not a literal, or one that Python refuses: `{[1]}`
                found[target.id] = ast.literal_eval(value)
    return found


def _fields(node: ast.ClassDef) -> frozenset[str]:
    """The annotated names that the constructor takes: all but class variables and `field(init=False)`."""
    items = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    shown = {ast.unparse(item.target): item for item in items if "ClassVar" not in ast.unparse(item.annotation)}
    given = {name: item.value.keywords if isinstance(item.value, ast.Call) else [] for name, item in shown.items()}
    return frozenset(name for name, keywords in given.items() if "init=False" not in map(ast.unparse, keywords))


def _entry_points() -> Iterator[Entry[Any]]:
    from importlib.metadata import entry_points

    for kind, point in ((kind, point) for group, kind in ENTRY_POINTS.items() for point in entry_points(group=group)):
        try:
            origin, why = getattr(importlib.util.find_spec(point.module), "origin", None), " is not installed"
        except (ImportError, ValueError) as error:
            origin, why = None, f": {error}"
        if origin is None:
            yield Entry(kind, point.name, Path(point.value), error=f"entry point {point.value}{why}")
        else:
            yield from (entry for entry in read_entries(Path(origin), kind) if not point.attr or entry.class_name == point.attr)
