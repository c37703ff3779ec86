"""One registry for datasets, encoders, methods and protocols.

A component is a dataclass under a `register_*` decorator whose arguments are literals. Discovery reads them from the
syntax tree, so listing imports no component; `Entry.load` imports the one that is asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, cast

from benchmark.registry.spelling import TUNED, parse_spelling
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.locations import ROOT

Kind = Literal["dataset", "encoder", "method", "protocol"]
KINDS: tuple[Kind, ...] = ("dataset", "encoder", "method", "protocol")

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
    `scope` the leaderboard's sentence on what the inputs are. The class has `build(sources) -> Cohort`, and `files() -> list of
    paths` if it reads files of its own that `sources.toml` does not list: an edit of theirs has the cohort prepared anew.
    """
    return lambda cls: cls


def register_encoder(name: str, *, modality: str, reference: str, weights: str) -> Callable[[C], C]:
    """Register a frozen encoder of `modality`; `weights` says where its weights come from ("none" for a computation).

    The class has `encode(cohort) -> Features` and `weights_digest() -> str`. With `pretrained_on_pool = True` it has
    `pretrain(pool) -> named arrays` as well, and `encode(cohort, weights)` receives those of the split's pool.
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
    accepts_missing: bool = False,
) -> Callable[[C], C]:
    """Register a method; it receives only the modalities that it declares.

    `variants` maps a field to the values registered for it and the modalities that each needs; `differences` names what
    departs from the reference, assumed values marked [A]; `validation` says what the method does with the validation part;
    `accepts_missing` that it can do with cases that lack a modality which it uses.
    The class has `fit(train, validation, seed)` and `predict_proba(cases) -> (n,)`.
    """
    return lambda cls: cls


def register_protocol(name: str, *, description: str) -> Callable[[C], C]:
    """Register a split protocol; the class has `splits(cohort) -> list[Split]`."""
    return lambda cls: cls


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
    has_search_space: bool = False
    error: str | None = None

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities of a dataset, or all that a method declares."""
        if self.kind == "dataset":
            return frozenset(self.metadata.get("modalities", ()))
        return frozenset(self.metadata.get("fit_modalities", ())) | frozenset(self.metadata.get("predict_modalities", ()))

    def stochastic(self, parameters: Mapping[str, Any]) -> bool:
        """Whether the seed changes the predictions of a method so configured: as its class says; SMOTE and searches draw."""
        options = {**self.constants, **parameters}
        return bool(options.get("stochastic", True) or options.get("smote") or TUNED in parameters)

    def modalities_of(self, parameters: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
        """The modalities of a configuration for fitting and for predicting: those of its registered variant, if it is one."""
        needed: frozenset[str] = frozenset()
        for name, values in (self.metadata.get("variants") or {}).items():
            needed |= frozenset(values.get(parameters.get(name), ()))
        if needed:
            return needed, needed
        fit, predict = (frozenset(self.metadata.get(f"{part}_modalities", ())) for part in ("fit", "predict"))
        return fit, predict

    def defaults(self) -> dict[str, Any]:
        """Field -> default of the component's dataclass, inherited fields included. Raises `BenchmarkError` if it is broken."""
        cls = self.load()
        fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
        return {item.name: item.default for item in fields if item.init and item.default is not dataclasses.MISSING}

    def load(self) -> type[T]:
        """Import the component's class. Raises `BenchmarkError` if it is broken."""
        if self.error:
            raise BenchmarkError(f"{self.kind} '{self.name}' is broken: {self.error}")
        cls: type[T] = getattr(import_file(self.path), self.class_name)
        return cls

    def configure(self, parameters: Mapping[str, Any]) -> T:
        """An instance with the given fields; unknown fields are an error with the nearest names.

        A method's parameter `tuned` is none of its fields: it makes a method that searches the fields not given.
        """
        if self.kind == "method" and TUNED in parameters:
            from benchmark.learning.tuning.search import Tuned

            return cast(T, Tuned(self, parameters))
        cls = self.load()
        known = {item.name for item in dataclasses.fields(cls) if item.init} if dataclasses.is_dataclass(cls) else set()
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
            both = f"registered twice: {shown(other.path)} and {shown(entry.path)}; rename one"
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
    loaded = sys.modules.get(top)
    origin = getattr(loaded, "__file__", None) if loaded else None
    if origin and not Path(origin).resolve().is_relative_to(root):
        raise BenchmarkError(
            f"another package named '{top}' was imported before StrokeBench's own ({origin}): "
            "import benchmark components first, or uninstall that package"
        )


def shown(path: Path) -> str:
    """A path for messages: within the checkout relative to it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
