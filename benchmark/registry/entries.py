"""Entries: the registered components, each known from its source alone until `load` imports its file.

A file is imported under its dotted name inside the checkout, under a name of its own elsewhere.
"""

import dataclasses
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from benchmark.registry.cards import Card, CorpusCard, DatasetCard, EncoderCard, MethodCard, ProtocolCard
from benchmark.system.errors import BenchmarkError, UnknownNameError, check_known
from benchmark.system.locations import ROOT
from benchmark.system.provenance import modules_beside

Kind = Literal["corpus", "dataset", "encoder", "method", "protocol"]
CARDS: Mapping[Kind, type[Card]] = {
    "corpus": CorpusCard,
    "dataset": DatasetCard,
    "encoder": EncoderCard,
    "method": MethodCard,
    "protocol": ProtocolCard,
}
PLURALS: Mapping[Kind, str] = {kind: "corpora" if kind == "corpus" else f"{kind}s" for kind in CARDS}

CardT = TypeVar("CardT", bound=Card)


@dataclass(frozen=True)
class Entry(Generic[CardT]):
    """A registered component: its card, where it lies, and its error if it is broken.

    `constants` are the literal attributes and field defaults of its class, `fields` the parameters of its constructor that a
    spelling may give, `given` those that its registration fixes.
    """

    kind: Kind
    name: str
    path: Path
    class_name: str = ""
    read_card: CardT | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    has_search_space: bool = False
    error: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> CardT:
        """What its decorator says. Raises `BenchmarkError` if it is broken."""
        if self.read_card is None:
            raise BenchmarkError(f"{self.kind} '{self.name}' is broken: {self.error}")
        return self.read_card

    def load(self) -> type[Any]:
        """Import the component's class. Raises `BenchmarkError` if it is broken."""
        if self.error:
            raise BenchmarkError(f"{self.kind} '{self.name}' is broken: {self.error}")
        cls: type[Any] = getattr(import_file(self.path), self.class_name)
        return cls

    def defaults(self) -> dict[str, Any]:
        """Field -> default of the component's dataclass, inherited fields included. Raises `BenchmarkError` if it is broken."""
        return {item.name: item.default for item in _fields(self.load()) if item.default is not dataclasses.MISSING}

    def make(self, parameters: Mapping[str, Any]) -> Any:
        """An instance with the given fields. Raises `UnknownNameError` with the nearest names for an unknown field."""
        cls = self.load()
        check_known(f"parameter of {self.name}", parameters, {item.name for item in _fields(cls)} - self.given.keys())
        return cls(**self.given, **parameters)


def _fields(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that its constructor takes; none of any other class."""
    return [item for item in dataclasses.fields(cls) if item.init] if dataclasses.is_dataclass(cls) else []


class Registry(Generic[CardT]):
    """The components of one kind, by name."""

    def __init__(self, kind: Kind, entries: Sequence[Entry[CardT]]) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[CardT]] = {}
        for entry in entries:
            other = self._entries.setdefault(entry.name, entry)
            if (other.path, other.class_name, other.given) != (entry.path, entry.class_name, entry.given):
                both = f"registered twice: {shown(other.path)} and {shown(entry.path)}; rename one"
                self._entries[entry.name] = Entry(kind, entry.name, entry.path, error=both)

    def __iter__(self) -> Iterator[Entry[CardT]]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def get(self, name: str) -> Entry[CardT]:
        """The entry of a plain name. Raises `UnknownNameError`, which tells of files that cannot be read: it may be in one."""
        if name not in self._entries:
            broken = [str(entry.error) for entry in self if entry.error]
            raise UnknownNameError(self.kind, name, self._entries, "; ".join(broken))
        return self._entries[name]


def import_file(path: Path, root: Path = ROOT) -> ModuleType:
    """Import a component's file: under its dotted name inside the checkout, under a name of its own elsewhere."""
    name = _module_name(path, root)
    if path.is_relative_to(root):
        _claim_package(name.partition(".")[0], root)
        return importlib.import_module(name)
    if name not in sys.modules:
        BESIDE.serve(path)
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
    """Have the next import of a component's file, and of the modules beside it, run it anew: nothing that it kept is left."""
    for name in (_module_name(path, root), *(() if path.is_relative_to(root) else modules_beside(path))):
        sys.modules.pop(name, None)


class _Beside(MetaPathFinder):
    """Finds the modules beside plug-ins that these import."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def serve(self, plugin: Path) -> None:
        """Find from now on what a plug-in imports from its folder."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._folders |= {name.partition(".")[0]: str(plugin.parent) for name in modules_beside(plugin)}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module in the folder of the plug-in that imports it."""
        return PathFinder.find_spec(fullname, [self._folders[fullname]]) if fullname in self._folders else None


BESIDE = _Beside()


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
