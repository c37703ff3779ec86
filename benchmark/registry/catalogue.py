"""Catalogue: all that is registered; it turns a spelling, once, into the configured component that travels from there on."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from benchmark.registry.budget import Budget, read_budget
from benchmark.registry.cards import CorpusCard, DatasetCard, EncoderCard, Inference, MethodCard, ProtocolCard
from benchmark.registry.entries import PLURALS, CardT, Entry, Kind, Registry
from benchmark.registry.spelling import TUNED, parse_spelling, spell
from benchmark.system.errors import BenchmarkError, check_known

ConfiguredT = TypeVar("ConfiguredT", bound="Configured[Any]")


@dataclass(frozen=True)
class Configured(Generic[CardT]):
    """A component with the parameters that a spelling gives it."""

    entry: Entry[CardT]
    parameters: Mapping[str, Any]

    @property
    def spelled(self) -> str:
        """`name[a=1,b=2]`."""
        return spell(self.entry.name, self.parameters)

    @property
    def card(self) -> CardT:
        """What the component says of itself. Raises `BenchmarkError` if it is broken."""
        return self.entry.card

    def make(self) -> Any:
        """A fresh instance. Raises `BenchmarkError` if the component is broken, `UnknownNameError` for an unknown field."""
        return self.entry.make(self.parameters)

    def canonical(self) -> Self:
        """The configuration in its one spelling: no parameter that equals its default. Raises `UnknownNameError`."""
        if self.entry.error or not self.parameters:
            return self
        defaults = self.entry.constants
        if not self.parameters.keys() <= self.entry.fields:
            self.make()
            defaults = self.entry.defaults()
        differing = {name: value for name, value in self.parameters.items() if name not in defaults or defaults[name] != value}
        return replace(self, parameters=differing)


@dataclass(frozen=True)
class ConfiguredDataset(Configured[DatasetCard]):
    """A dataset with its parameters."""

    @property
    def card(self) -> DatasetCard:
        """Its card, with what its parameters change of it. Raises `BenchmarkError` if it is broken."""
        card = self.entry.card
        changes = [card.variants.get(f"{name}={value}", {}) for name, value in sorted(self.parameters.items())]
        return replace(card, **{name: value for changed in changes for name, value in changed.items()})

    @property
    def without_label(self) -> str:
        """Spelled without the fields that its class names in `label_only`: they choose the label and nothing else."""
        of_label = self.entry.constants.get("label_only", ())
        return spell(self.entry.name, {name: value for name, value in self.parameters.items() if name not in of_label})


@dataclass(frozen=True)
class ConfiguredMethod(Configured[MethodCard]):
    """A method with its parameters; `tuned` among them makes it a search over the fields that are not given."""

    @property
    def fixed(self) -> dict[str, Any]:
        """The method's own fields that are given."""
        return {name: value for name, value in self.parameters.items() if name != TUNED}

    @property
    def budget(self) -> Budget | None:
        """What its search may spend; None of a method that is not tuned."""
        return read_budget(self.parameters[TUNED]) if TUNED in self.parameters else None

    def canonical(self) -> Self:
        """Likewise, but a tuned method keeps every parameter that is given: what is given is not searched."""
        if self.budget is None:
            return super().canonical()
        fixed = ConfiguredMethod(self.entry, self.fixed)
        if self.entry.error is None and not self.entry.has_search_space and not hasattr(fixed.make(), "search_space"):
            raise BenchmarkError(f"{self.entry.name} has no search_space(): let its class return field -> values to try")
        fixed.canonical()
        return replace(self, parameters={**self.fixed, TUNED: str(self.budget)})

    def in_order(self) -> Self:
        """The configuration with names joined by + in the order of the default or of the registered variant."""
        if self.entry.error:
            return self
        known = {name: (self.entry.constants.get(name), *self.card.variants.get(name, ())) for name in self.parameters}
        ordered = {
            name: next((each for each in known[name] if _same_names(each, value)), value)
            for name, value in self.parameters.items()
        }
        return replace(self, parameters=ordered)

    @property
    def stochastic(self) -> bool:
        """Whether the seed changes the predictions: as its class says; SMOTE and searches draw."""
        options = {**self.entry.constants, **self.parameters}
        return bool(options.get("stochastic", True) or options.get("smote") or TUNED in self.parameters)

    @property
    def modalities(self) -> tuple[frozenset[str], frozenset[str]]:
        """The modalities for fitting and for predicting: those of its registered variant, if it is one.

        What the method needs in fitting alone, its variants do too.
        """
        if self.entry.error:
            return frozenset(), frozenset()
        variants = (values.get(self.parameters.get(name), ()) for name, values in self.card.variants.items())
        needed = frozenset[str]().union(*variants)
        fitting, predicting = frozenset(self.card.fit_modalities), frozenset(self.card.predict_modalities)
        if needed:
            return needed, needed - (fitting - predicting)
        return fitting, predicting

    @property
    def trained_as(self) -> str:
        """Whose training it repeats: itself, spelled without the fields that its class names in `evaluation_only`.

        A class may name in `trained_as` another method, whose training is its own. Rows that differ at prediction alone then
        have the same fitted model, and differ by what they do with it.
        """
        after = self.entry.constants.get("evaluation_only", ())
        shared = {name: value for name, value in self.parameters.items() if name not in after}
        return spell(self.seeded_as, shared)

    @property
    def seeded_as(self) -> str:
        """The method that names its training seed: itself, whatever its parameters, or the one in `trained_as`.

        So a variant draws what the plain row draws, and what differs between the two is the configuration.
        """
        return str(self.entry.constants.get("trained_as", self.entry.name))

    @property
    def members(self) -> tuple[str, ...]:
        """The methods whose trained models it combines, named in `combines` of its class."""
        return tuple(self.entry.constants.get("combines", ()))

    def why_not_applicable(
        self, dataset: str, modalities: Iterable[str], absent: Mapping[str, int], cases: int, columns: Collection[str]
    ) -> str:
        """Why it does not apply to a dataset of such modalities, `absent` in some cases; empty where it does.

        `columns` are those of its table; where none are known, none is said to be lacking.
        """
        needed = frozenset[str]().union(*self.modalities)
        lacking = sorted(needed - set(modalities))
        if lacking:
            return f"{dataset} has no {' or '.join(lacking)}"
        held = {column.casefold() for column in columns}
        unheld = sorted(column for column in self.card.columns if held and column.casefold() not in held)
        if unheld:
            return f"the table of {dataset} has no column {', '.join(unheld)}"
        partly = [f"{absent[name]} have no {name}" for name in sorted(needed) if absent.get(name)]
        if partly and not self.card.accepts_missing:
            return f"of {cases} cases {' and '.join(partly)}, and the method needs every case's"
        limit = self.entry.constants.get("max_cases")
        if limit is not None and cases > limit:
            return f"{cases} cases, at most {limit}: {self.entry.constants.get('max_cases_reason', 'the method says no more')}"
        return ""


@dataclass(frozen=True)
class ConfiguredProtocol(Configured[ProtocolCard]):
    """A split protocol with its parameters."""

    @property
    def inference(self) -> Inference:
        """What its test parts allow; nothing where parameters change them: such rows are shown and not tested."""
        return "" if self.entry.error or self.parameters.keys() - self.card.inference_for else self.card.inference


@dataclass(frozen=True)
class Catalogue:
    """All that is registered: one registry of each kind."""

    corpora: Registry[CorpusCard]
    datasets: Registry[DatasetCard]
    encoders: Registry[EncoderCard]
    methods: Registry[MethodCard]
    protocols: Registry[ProtocolCard]
    plugins: tuple[str, ...] = ()

    def dataset(self, spelled: str) -> ConfiguredDataset:
        """The dataset of a spelling. Raises `UnknownNameError`, as all of these do."""
        return _configured(ConfiguredDataset, self.datasets, spelled).canonical()

    def corpus(self, spelled: str) -> Configured[CorpusCard]:
        """The corpus of a spelling."""
        return _configured(Configured, self.corpora, spelled).canonical()

    def with_sources(self, spelled: str) -> Configured[Any]:
        """The dataset or corpus of a spelling: what has source files to fetch."""
        name = parse_spelling(spelled)[0]
        check_known("dataset or corpus", [name], {entry.name for entry in (*self.datasets, *self.corpora)})
        return self.corpus(spelled) if name in self.corpora else self.dataset(spelled)

    def encoder(self, spelled: str) -> Configured[EncoderCard]:
        """The encoder of a spelling, with every parameter that is given."""
        return _configured(Configured, self.encoders, spelled)

    def method(self, spelled: str) -> ConfiguredMethod:
        """The method of a spelling."""
        return _configured(ConfiguredMethod, self.methods, spelled).in_order().canonical()

    def protocol(self, spelled: str) -> ConfiguredProtocol:
        """The protocol of a spelling."""
        return _configured(ConfiguredProtocol, self.protocols, spelled).canonical()

    def variants(self) -> Iterator[ConfiguredMethod]:
        """Every method, each followed by its registered variants."""
        for entry in self.methods:
            yield ConfiguredMethod(entry, {})
            for name, values in ({} if entry.error else entry.card.variants).items():
                yield from (ConfiguredMethod(entry, {name: value}) for value in values if entry.constants.get(name) != value)

    def configured(self, kind: Kind, spelled: str) -> Configured[Any]:
        """The component of a kind and a spelling."""
        configured: Configured[Any] = getattr(self, kind)(spelled)
        return configured

    def registry(self, kind: Kind) -> Registry[Any]:
        """The registry of a kind."""
        registry: Registry[Any] = getattr(self, PLURALS[kind])
        return registry


def _same_names(one: Any, other: Any) -> bool:
    """Whether both are texts that join the same names by +."""
    return isinstance(one, str) and isinstance(other, str) and sorted(one.split("+")) == sorted(other.split("+"))


def _configured(made: type[ConfiguredT], registry: Registry[Any], spelled: str) -> ConfiguredT:
    """The component of a spelling; a configuration that is registered under its spelling is a component of its own."""
    name, parameters = parse_spelling(spelled)
    whole = spell(name, parameters)
    return made(registry.get(whole), {}) if whole in registry else made(registry.get(name), parameters)
