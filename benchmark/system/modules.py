"""The project's modules as source text: where they lie, and where the names come from that they import or pass on."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmark.system.locations import ROOT


def module_file(name: str) -> Path | None:
    """The file of a module of the checkout by its dotted name; None where there is none."""
    place = ROOT.joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file; empty where it cannot be read."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, OSError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def imported_names(tree: ast.AST) -> Mapping[str, tuple[str, str]]:
    """Name in a file -> the module that it is imported from, and its name there; imports for type checking alone count."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        for alias in node.names
    }


def passed_on(package: str) -> Mapping[str, str]:
    """Name that a package's `__init__` imports -> the module that it comes from."""
    path = module_file(package)
    if path is None or path.name != "__init__.py":
        return {}
    return {name: module for name, (module, _) in imported_names(parsed(path)).items()}
