"""Importing a component's file: under its dotted name inside the checkout, under a name of its own elsewhere."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT


def import_file(path: Path, root: Path = ROOT) -> ModuleType:
    """Import a component's file: under its dotted name inside the checkout, under a name of its own elsewhere."""
    name = _module_name(path, root)
    if path.is_relative_to(root):
        _claim_package(name.partition(".")[0], root)
        return importlib.import_module(name)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise BenchmarkError(f"{path} cannot be imported: a plug-in is a file that ends in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def forget(path: Path, root: Path = ROOT) -> None:
    """Have the next import of a component's file run it anew, so that nothing is left of what it kept in module or class."""
    sys.modules.pop(_module_name(path, root), None)


def _module_name(path: Path, root: Path) -> str:
    """The dotted name inside the checkout, a name of its own elsewhere."""
    if path.is_relative_to(root):
        return ".".join(path.relative_to(root).with_suffix("").parts)
    return f"strokebench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _claim_package(top: str, root: Path) -> None:
    """Make `import datasets` mean the checkout's package although an installed package may bear that name."""
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    origin = getattr(sys.modules.get(top), "__file__", None)
    if origin and not Path(origin).resolve().is_relative_to(root):
        raise BenchmarkError(
            f"another package named '{top}' was imported before StrokeBench's own ({origin}): "
            "import benchmark components first, or uninstall that package"
        )


def shown(path: Path) -> str:
    """A path for messages: within the checkout relative to it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
