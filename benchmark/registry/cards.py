"""What a component says of itself: the arguments of its `register_*` decorator, which are the fields of its card.

A component is a dataclass under a decorator whose arguments are literals. Discovery reads them from the syntax tree, so listing
imports no component.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import wraps
from typing import Any, Literal, TypeVar

C = TypeVar("C", bound=type)
Inference = Literal["fold", "few-labels", "site", "held-out", ""]


@dataclass(frozen=True)
class Card:
    """The name of a component. A card is a class decorator that leaves the class as it is."""

    name: str

    def __call__(self, component: C) -> C:
        """The class, unchanged."""
        return component


@dataclass(frozen=True)
class DatasetCard(Card):
    """A dataset's card; every argument but the name is by keyword.

    `label` is the rule, `label_time` when the outcome is taken, `positive` and `negative` what 1 and 0 mean in words,
    `site` the dataset's word for a site, `inputs` modality -> what it holds, `barred` column -> why it is no input,
    `scope` the leaderboard's sentence on what the inputs are. The class has `build(sources) -> Cohort`, and `files() -> list of
    paths` if it reads files of its own that `sources.toml` does not list: an edit of theirs has the cohort prepared anew.
    `synthetic` says that its patients are made: real ones come first, `private` that they are the user's own: their rows are
    never published. `descriptive` says why its tables are shown and never
    tested, if they are not. `variants` maps a configuration, "field=value", to what it changes of the card.
    """

    _: KW_ONLY
    title: str
    source: str
    license: str
    citation: str
    label: str
    label_time: str
    positive: str
    negative: str
    site: str
    inputs: Mapping[str, str]
    barred: Mapping[str, str]
    scope: str
    modalities: frozenset[str] | set[str]
    cases: int | None = None
    sites: int | None = None
    synthetic: bool = False
    private: bool = False
    descriptive: str = ""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class CorpusCard(Card):
    """A corpus's card: texts with a licence and no cases, for language models; every argument but the name is by keyword.

    `scope` says what the texts are not; `documents` and `words` how many are left once the engine has taken duplicates out.
    The class has `documents(sources) -> iterable of Document`, and `files() -> list of paths` as a dataset has.
    """

    _: KW_ONLY
    title: str
    source: str
    license: str
    citation: str
    scope: str
    documents: int | None = None
    words: int | None = None


@dataclass(frozen=True)
class EncoderCard(Card):
    """The card of a frozen encoder of `modality`; `weights` says where its weights come from ("none" for a computation).

    The class has `encode(cohort) -> Features` and `weights_digest() -> str`. With `pretrained_on_pool = True` it has
    `pretrain(pool) -> named arrays` as well, and `encode(cohort, weights)` receives those of the split's pool.
    """

    _: KW_ONLY
    modality: str
    reference: str
    weights: str


@dataclass(frozen=True)
class MethodCard(Card):
    """A method's card; the method receives only the modalities that it declares.

    `variants` maps a field to the values registered for it and the modalities that each needs; `differences` names what
    departs from the reference, assumed values marked [A]; `validation` says what the method does with the validation part;
    `accepts_missing` that it can do with cases that lack a modality which it uses; `columns` names those of the table that it
    needs, in capitals or not. With `labels=False` its `fit` and its stages are handed neither labels nor findings.
    The class has `fit(train, validation, seed)` and `predict_proba(cases) -> (n,)`.
    """

    _: KW_ONLY
    family: str
    reference: str
    fit_modalities: frozenset[str] | set[str]
    predict_modalities: frozenset[str] | set[str]
    differences: str = ""
    variants: Mapping[str, Mapping[Any, set[str]]] = field(default_factory=dict)
    validation: Literal["train", "early-stopping", "selection", "unused"] = "train"
    accepts_missing: bool = False
    columns: frozenset[str] | set[str] = frozenset()
    labels: bool = True

    def __post_init__(self) -> None:
        """None stands for no variants."""
        object.__setattr__(self, "variants", self.variants or {})

    def __call__(self, component: C) -> C:
        """The class; one that learns without labels has a `fit` that is handed none, whoever calls it."""
        method: Any = component
        if sees_labels(method) != self.labels:
            method.sees_labels = self.labels
        if not self.labels:
            method.fit = _without_labels(method.fit)
        return component


def sees_labels(method: Any) -> bool:
    """Whether a method, or its class, learns from labels, as its card says."""
    return bool(getattr(method, "sees_labels", True))


def _without_labels(fit: Callable[..., None]) -> Callable[..., None]:
    """The `fit` of a class, handed views without labels and findings unless a subclass learns from them."""

    @wraps(fit)
    def blinded(self: Any, train: Any, validation: Any, seed: int) -> None:
        views = (train, validation) if sees_labels(self) else (train.without_labels(), validation.without_labels())
        fit(self, *views, seed)

    return blinded


@dataclass(frozen=True)
class ProtocolCard(Card):
    """A split protocol's card; the class has `splits(cohort) -> list[Split]`.

    `inference` is what its test parts allow: "fold" (each case is tested once per repetition), "few-labels" (the same, with few
    labels to learn from), "site" (each site in turn) or "held-out" (one test part); rows under any other protocol are
    descriptive. `inference_for` names the parameters that it holds for as well, whatever their value; with any other one
    given, rows are descriptive. `elsewhere` says that nobody of the place of the test part was learnt from.
    """

    _: KW_ONLY
    description: str
    inference: Inference = ""
    elsewhere: bool = False
    inference_for: frozenset[str] | set[str] = frozenset()


register_corpus = CorpusCard
register_dataset = DatasetCard
register_encoder = EncoderCard
register_method = MethodCard
register_protocol = ProtocolCard
