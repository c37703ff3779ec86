"""One registry for datasets, encoders, methods and protocols.

A component is a dataclass under a `register_*` decorator whose arguments are literals. Discovery reads them from the
syntax tree, so listing imports no component; `Entry.load` imports the one that is asked for.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.locations import ROOT

Kind = Literal["dataset", "encoder", "method", "protocol"]
KINDS: tuple[Kind, ...] = ("dataset", "encoder", "method", "protocol")
FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "dataset": ("datasets",),
    "encoder": ("benchmark/encoders",),
    "method": ("baselines", "methods"),
    "protocol": ("benchmark/protocols.py",),
}
DECORATORS: Mapping[str, Kind] = {f"register_{kind}": kind for kind in KINDS}

T = TypeVar("T")
C = TypeVar("C", bound=type)


def register_dataset(
    name: str,
    *,
    title: str,
    source: str,
    license: str,
    citation: str,
    label: str,
    label_time: str,
    positive: str,
    negative: str,
    site: str,
    inputs: Mapping[str, str],
    barred: Mapping[str, str],
    scope: str,
    modalities: set[str],
    cases: int | None = None,
    sites: int | None = None,
) -> Callable[[C], C]:
    """Register a dataset; every argument but the name is a field of its card, and a literal.

    `label` is the rule, `label_time` when the outcome is taken, `positive` and `negative` what 1 and 0 mean in words,
    `site` the dataset's word for a site, `inputs` modality -> what it holds, `barred` column -> why it is no input,
    `scope` the leaderboard's sentence on what the inputs are. The class has `build(sources) -> Cohort`.
    """
    return lambda cls: cls


def register_encoder(name: str, *, modality: str, reference: str, weights: str) -> Callable[[C], C]:
    """Register a frozen encoder of `modality`; `weights` says where its weights come from ("none" for a computation).

    The class has `encode(cohort) -> Features` and `weights_digest() -> str`.
    """
    return lambda cls: cls


def register_method(
    name: str,
    *,
    family: str,
    reference: str,
    fit_modalities: set[str],
    predict_modalities: set[str],
    differences: str = "",
    variants: Mapping[str, Mapping[str, set[str]]] | None = None,
    validation: Literal["train", "early-stopping", "selection", "unused"] = "train",
) -> Callable[[C], C]:
    """Register a method; it receives only the modalities that it declares.

    `variants` maps a field to the values registered for it and the modalities that each needs; `differences` names what
    departs from the reference, assumed values marked [A]; `validation` says what the method does with the validation part.
    The class has `fit(train, validation, seed)` and `predict_proba(cases) -> (n,)`.
    """
    return lambda cls: cls


def register_protocol(name: str, *, description: str) -> Callable[[C], C]:
    """Register a split protocol; the class has `splits(cohort) -> list[Split]`."""
    return lambda cls: cls


_REQUIRED: Mapping[Kind, frozenset[str]] = {
    "dataset": frozenset(
        {"title", "source", "license", "citation", "label", "label_time", "positive", "negative"}
        | {"site", "inputs", "barred", "scope", "modalities"}
    ),
    "encoder": frozenset({"modality", "reference", "weights"}),
    "method": frozenset({"family", "reference", "fit_modalities", "predict_modalities"}),
    "protocol": frozenset({"description"}),
}
_OPTIONAL: Mapping[Kind, frozenset[str]] = {
    "dataset": frozenset({"cases", "sites"}),
    "encoder": frozenset(),
    "method": frozenset({"differences", "variants", "validation"}),
    "protocol": frozenset(),
}


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A registered component: what its decorator says, where it lies, and its error if it is broken."""

    kind: Kind
    name: str
    path: Path
    class_name: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    error: str | None = None

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities of a dataset, or all that a method declares."""
        if self.kind == "dataset":
            return frozenset(self.metadata.get("modalities", ()))
        return frozenset(self.metadata.get("fit_modalities", ())) | frozenset(self.metadata.get("predict_modalities", ()))

    def load(self) -> type[T]:
        """Import the component's class. Raises `BenchmarkError` if it is broken."""
        if self.error:
            raise BenchmarkError(f"{self.kind} '{self.name}' is broken: {self.error}")
        cls: type[T] = getattr(import_file(self.path), self.class_name)
        return cls

    def configure(self, parameters: Mapping[str, Any]) -> T:
        """An instance with the given fields; unknown fields are an error with the nearest names."""
        cls = self.load()
        known = {item.name for item in dataclasses.fields(cls) if item.init}  # type: ignore[arg-type]
        for name in parameters:
            if name not in known:
                raise UnknownNameError(f"parameter of {self.name}", name, known)
        return cls(**parameters)


class Registry(Generic[T]):
    """The components of one kind, by name."""

    def __init__(self, kind: Kind, entries: Sequence[Entry[T]]) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: Entry[T]) -> None:
        other = self._entries.get(entry.name)
        if other is not None and (other.path, other.class_name) != (entry.path, entry.class_name):
            both = f"registered twice: {_shown(other.path)} and {_shown(entry.path)}; rename one"
            entry = Entry(self.kind, entry.name, entry.path, error=both)
        self._entries[entry.name] = entry

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def get(self, name: str) -> Entry[T]:
        """The entry of a plain name. Raises `UnknownNameError`."""
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def resolve(self, spelled: str) -> tuple[Entry[T], dict[str, Any]]:
        """`name[a=1]` -> its entry and parameters. Raises `UnknownNameError`."""
        name, parameters = parse_spelling(spelled)
        return self.get(name), parameters


@dataclass(frozen=True)
class Catalogue:
    """All that is registered: one registry of each kind."""

    datasets: Registry[Any]
    encoders: Registry[Any]
    methods: Registry[Any]
    protocols: Registry[Any]
    plugins: tuple[str, ...] = ()

    def registry(self, kind: Kind) -> Registry[Any]:
        """The registry of a kind."""
        chosen: Registry[Any] = getattr(self, f"{kind}s")
        return chosen


def discover(plugins: Sequence[str] = (), root: Path = ROOT) -> Catalogue:
    """Read every component of the checkout, of the plug-in files and of installed entry points; imports none of them."""
    found: dict[Kind, list[Entry[Any]]] = {kind: [] for kind in KINDS}
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
    registries = {f"{kind}s": Registry(kind, found[kind]) for kind in KINDS}
    return Catalogue(**registries, plugins=resolved)


def parse_spelling(spelled: str) -> tuple[str, dict[str, Any]]:
    """`name[a=1,b=two]` -> ("name", {"a": 1, "b": "two"}); values are Python literals where they read as such."""
    name, bracket, rest = spelled.partition("[")
    if not bracket:
        return spelled, {}
    if not rest.endswith("]"):
        raise BenchmarkError(f"'{spelled}' lacks its closing bracket: write name[a=1,b=2]")
    parameters: dict[str, Any] = {}
    for part in filter(None, rest[:-1].split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise BenchmarkError(f"'{spelled}': '{part}' is not key=value: write name[a=1,b=2]")
        if key.strip() in parameters:
            raise BenchmarkError(f"'{spelled}' gives '{key.strip()}' twice")
        parameters[key.strip()] = _literal(value.strip())
    return name, parameters


def spell(name: str, parameters: Mapping[str, Any]) -> str:
    """The canonical spelling `name[a=1,b=2]`, keys sorted; the plain name where there are no parameters."""
    if not parameters:
        return name
    inside = ",".join(f"{key}={parameters[key]}" for key in sorted(parameters))
    return f"{name}[{inside}]"


def import_file(path: Path, root: Path = ROOT) -> ModuleType:
    """Import a component's file: under its dotted name inside the checkout, under a name of its own elsewhere."""
    if path.is_relative_to(root):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        _claim_package(name.partition(".")[0], root)
        return importlib.import_module(name)
    name = f"strokebench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
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


def _claim_package(top: str, root: Path) -> None:
    """Make `import datasets` mean the checkout's package although an installed package may bear that name."""
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    loaded = sys.modules.get(top)
    origin = getattr(loaded, "__file__", None) if loaded else None
    if origin and not Path(origin).resolve().is_relative_to(root):
        raise BenchmarkError(
            f"another package named '{top}' was imported before StrokeBench's own ({origin}): "
            "import benchmark components first, or uninstall that package"
        )


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.glob("*.py") if not path.name.startswith("_"))


def read_entries(path: Path, default_kind: Kind) -> list[Entry[Any]]:
    """The components of a file, read from its syntax tree; a broken file gives one entry that carries the error."""
    stem = path.stem.replace("_", "-")

    def broken(error: str, name: str = stem, kind: Kind = default_kind) -> Entry[Any]:
        return Entry(kind, name, path, error=f"{_shown(path)}: {error}")

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
                entry = _read_class(path, node, decorator, broken)
                if entry is not None:
                    entries.append(entry)
    return entries or [broken("registers nothing: put a @register_ decorator on a class")]


def _read_class(path: Path, node: ast.ClassDef, decorator: ast.expr, broken: Callable[..., Entry[Any]]) -> Entry[Any] | None:
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
    missing = _REQUIRED[kind] - metadata.keys()
    extra = metadata.keys() - _REQUIRED[kind] - _OPTIONAL[kind]
    if missing or extra:
        lacks = f"lacks {', '.join(sorted(missing))}" if missing else ""
        unknown = f"does not know {', '.join(sorted(extra))}" if extra else ""
        said = " and ".join(filter(None, [lacks, unknown]))
        return broken(f"line {decorator.lineno}: @{function}('{name}') {said}", name, kind)
    for field_name in ("modalities", "fit_modalities", "predict_modalities"):
        if not isinstance(metadata.get(field_name, set()), set | frozenset | list | tuple):
            said = f"{field_name} must be a set of modalities, such as {{'table'}}"
            return broken(f"line {decorator.lineno}: @{function}('{name}') {said}", name, kind)
    return Entry(kind, name, path, node.name, metadata, _constants(node), _fields(node))


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    """Literal class attributes and field defaults (`stochastic = False`, `trees: int = 500`)."""
    found = {}
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.expr):
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found


def _fields(node: ast.ClassDef) -> frozenset[str]:
    """Annotated names of the class body: the dataclass's own fields."""
    targets = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
    return frozenset(target.id for target in targets if isinstance(target, ast.Name))


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


def _literal(text: str) -> Any:
    lowered = {"true": True, "false": False, "none": None}
    if text.lower() in lowered:
        return lowered[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
