"""Suites: which datasets, protocols and methods are paired, and where a user's own methods count among them."""

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

from benchmark.registry.budget import check_equal
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.entries import Kind
from benchmark.statistics.metric_names import METRICS, RETRIEVAL_METRICS
from benchmark.suites.members import FOLDER, Members, Places, Standing, Table, file_of, read_members
from benchmark.suites.questions import Question, naming, read_questions, validated_questions
from benchmark.system.errors import BenchmarkError, UnknownNameError, check_known
from benchmark.system.locations import results_folder

DEFAULT = "stroke-prognosis"
HALF, YOUDEN, SENSITIVITY = "half", "youden", "sensitivity-95"
BINARY, RETRIEVAL = "binary", "retrieval"


@dataclass(frozen=True)
class Limits:
    """Hard limits of a cell in a worker process."""

    seconds: float = 1800
    memory_gib: float = 6


@dataclass(frozen=True)
class ReportedRow:
    """A row as a paper prints it: its name there, metric -> what is printed, and the methods here that follow its recipe."""

    said: str
    figures: Mapping[str, str]
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Reported:
    """What a paper reports of its own patients, and where it says so."""

    source: str
    rows: tuple[ReportedRow, ...]


@dataclass(frozen=True)
class Suite:
    """A family of comparisons: the ranked methods are tested against each other, descriptive rows are only shown.

    `task` is what cells answer: "binary" the label alone, "retrieval" every finding of a case and which report is its own.
    `threshold` is whose thresholds count: "half" for each method's own, .5 unless it sets one, "youden" for that of Youden's
    index on cases that it did not train on, or "sensitivity-95" for the greatest that finds 95 % of those of label 1. `note` is
    printed above the methods; `reported` is what a paper prints, to stand beside it; `skipped` is dataset -> method -> why it
    is not run there; `only` is dataset -> its protocols, where it does not stand under all of them. `places` is method -> the
    tables in which it stands, for the members of this machine; every other row stands in all tables.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    ranked: tuple[str, ...]
    descriptive: tuple[str, ...] = ()
    primary_metric: str = "auc"
    task: str = BINARY
    threshold: str = HALF
    note: str = ""
    limits: Limits = field(default_factory=Limits)
    reported: Reported | None = None
    skipped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """All rows of all tables, ranked ones first."""
        return tuple(dict.fromkeys(self.ranked + self.descriptive))

    @property
    def asks(self) -> dict[str, str]:
        """What it asks of its cells besides probabilities and their own thresholds, as their keys hold it."""
        asked = {"task": (self.task, BINARY), "threshold": (self.threshold, HALF)}
        return {name: value for name, (value, default) in asked.items() if value != default}

    @property
    def pairings(self) -> list[Table]:
        """Its tables: every dataset under every protocol, or under its own."""
        every = product(self.datasets, self.protocols)
        return [(dataset, protocol) for dataset, protocol in every if protocol in self.only.get(dataset, self.protocols)]

    @property
    def tables(self) -> Iterator["Suite"]:
        """Each of its tables as a suite."""
        return (self.at(*table) for table in self.pairings)

    def at(self, dataset: str, protocol: str) -> "Suite":
        """One of its tables as a suite: of the members of this machine it holds those that were run for it."""
        places = {name: tuple(p for p in there if p.table == (dataset, protocol)) for name, there in self.places.items()}

        def standing(kind: Standing, declared: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                name
                for name in self.methods
                if (any(place.standing == kind for place in places[name]) if name in places else name in declared)
            )

        return replace(
            self,
            datasets=(dataset,),
            protocols=(protocol,),
            ranked=standing("ranked", self.ranked),
            descriptive=standing("descriptive", self.descriptive),
            places={name: there for name, there in places.items() if there},
        )

    @property
    def spelled(self) -> str:
        """What `--suite` takes: the name of a shipped suite, the file of any other."""
        return self.name if self.name in suite_names() else f"{self.name}.toml"

    def why_not_asked(self, dataset: str, *, has_findings: bool) -> str:
        """Why the suite's task cannot be asked of a dataset; empty where it can."""
        lacking = self.task == RETRIEVAL and not has_findings
        return f"{dataset} has no findings, which task {RETRIEVAL} asks for" if lacking else ""

    def why_skipped(self, dataset: str, method: str) -> str:
        """Why the suite does not run a method on a dataset; empty where it does."""
        return self.skipped.get(dataset, {}).get(method, "")


def suite_names() -> list[str]:
    """The names of the suites of the checkout."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_suite(name: str) -> Suite:
    """A suite by name or by the path of its TOML file. Raises `BenchmarkError` with the field that is wrong."""
    own = name.endswith(".toml")
    path = Path(name) if own else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise BenchmarkError(f"suite file {name} does not exist") if own else UnknownNameError("suite", name, suite_names())
    if path.stem in (*suite_names(), "leaderboard") and path.resolve().parent != FOLDER:
        raise BenchmarkError(f"suite file {name} bears the name of a suite of the checkout: rename the file")
    other = read_members().get(path.stem, {}).get("file", [])
    if own and other not in ([], file_of(path)) and Path(other[0]).is_file():
        raise BenchmarkError(
            f"suite file {name} bears the name of {other[0]}, whose results lie in {results_folder()}: "
            "rename one of them, or set STROKEBENCH_OUTPUT to another folder"
        )
    try:
        return _suite(path.stem, tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"suite file {path.name} is not in UTF-8 ({error}): save it in that encoding") from error
    except (ValueError, BenchmarkError) as error:  # a ValueError says that it is not TOML
        raise BenchmarkError(f"suite file {path.name}: {error}") from error


def _suite(name: str, content: dict[str, Any]) -> Suite:
    check_known("field", content, {item.name for item in fields(Suite)} - {"name", "places"})
    for field_name in ("title", "datasets", "protocols", "ranked"):
        if field_name not in content:
            raise BenchmarkError(f"field '{field_name}' is missing")
    values: dict[str, Any] = {key: (READERS.get(key) or _names)(key, value) for key, value in content.items()}
    return Suite(name, **values)


def _text(field_name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BenchmarkError(f"field '{field_name}' must be a string, not {value!r}")
    return value


def _threshold(_: str, value: Any) -> str:
    check_known("threshold", [value], (HALF, YOUDEN, SENSITIVITY))
    return str(value)


def _task(_: str, value: Any) -> str:
    check_known("task", [value], (BINARY, RETRIEVAL))
    return str(value)


def _names(field_name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BenchmarkError(f"field '{field_name}' must be a list of strings, not {value!r}")
    return tuple(value)


def _limits(_: str, value: Any) -> Limits:
    if not isinstance(value, dict):
        raise BenchmarkError(f"field 'limits' must be a table, not {value!r}")
    check_known("field of limits", value, {item.name for item in fields(Limits)})
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise BenchmarkError(f"field 'limits.{name}' must be a positive number, not {number!r}")
    return Limits(**value)


def _skipped(_: str, value: Any) -> dict[str, dict[str, str]]:
    """`[skipped.DATASET]` with a line `METHOD = "why"` for each method that is not run there."""
    try:
        return {str(dataset): {str(method): str(why) for method, why in rows.items()} for dataset, rows in value.items()}
    except AttributeError as error:
        raise BenchmarkError("field 'skipped' must hold tables of METHOD = reason") from error


def _only(_: str, value: Any) -> dict[str, tuple[str, ...]]:
    """`[only]` with a line `DATASET = ["protocol", ...]` for each dataset that stands under some protocols alone."""
    if not isinstance(value, dict):
        raise BenchmarkError(f"field 'only' must be a table of DATASET = [protocols], not {value!r}")
    return {dataset: _names(f"only.{dataset}", protocols) for dataset, protocols in value.items()}


def _reported(_: str, value: Any) -> Reported:
    """`[reported]` with a source, and `[[reported.rows]]` of `said`, `methods` and the printed figures by metric."""
    try:
        return Reported(str(value["source"]), tuple(map(_reported_row, value["rows"])))
    except (KeyError, TypeError, AttributeError) as error:
        raise BenchmarkError(
            f"field 'reported' must have a source and rows of said, methods and printed figures (wrong or missing: {error})"
        ) from error


def _reported_row(row: Mapping[str, Any]) -> ReportedRow:
    figures = {name: str(figure) for name, figure in row.items() if name not in ("said", "methods")}
    return ReportedRow(str(row["said"]), figures, tuple(map(str, row["methods"])))


READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "title": _text,
    "primary_metric": _text,
    "task": _task,
    "threshold": _threshold,
    "note": _text,
    "limits": _limits,
    "reported": _reported,
    "skipped": _skipped,
    "only": _only,
    "questions": read_questions,
}
"""How the fields of a suite file are read that are not a list of names."""


def canonical(kind: Kind, spelled: str, catalogue: Catalogue) -> str:
    """The one spelling of a configuration: known name, sorted keys, no parameter that equals its default."""
    return catalogue.configured(kind, spelled).spelled


def validated(suite: Suite, catalogue: Catalogue) -> Suite:
    """The suite with every name in its one spelling.

    Raises `BenchmarkError` for what is not registered, and for tuned rows of different budgets.
    """

    def spelled(field_name: str, kind: Kind) -> tuple[str, ...]:
        with naming(f"suite {suite.name}: field '{field_name}'"):
            return tuple(dict.fromkeys(canonical(kind, name, catalogue) for name in getattr(suite, field_name)))

    known_metrics = METRICS + RETRIEVAL_METRICS if suite.task == RETRIEVAL else METRICS
    with naming(f"suite {suite.name}: field 'primary_metric'"):
        check_known("metric", [suite.primary_metric], known_metrics)
    if suite.task == RETRIEVAL and suite.threshold != SENSITIVITY:
        raise BenchmarkError(f'suite {suite.name}: a suite of task {RETRIEVAL} has threshold = "{SENSITIVITY}"')
    ranked = spelled("ranked", "method")
    descriptive = tuple(name for name in spelled("descriptive", "method") if name not in ranked)
    check_equal(suite.name, ranked + descriptive)
    with naming(f"suite {suite.name}: field 'reported'"):
        for row in suite.reported.rows if suite.reported else ():
            check_known("metric", row.figures, known_metrics)
            for name in row.methods:
                canonical("method", name, catalogue)
    with naming(f"suite file {suite.name}.toml"):
        questions = validated_questions(suite.questions, lambda name: canonical("method", name, catalogue), ranked, descriptive)
    datasets, protocols = spelled("datasets", "dataset"), spelled("protocols", "protocol")
    known: dict[Kind, tuple[str, ...]] = {"dataset": datasets, "protocol": protocols, "method": ranked + descriptive}
    return replace(
        suite,
        skipped={
            _member(suite, "skipped", "dataset", dataset, known, catalogue): {
                _member(suite, "skipped", "method", method, known, catalogue): why for method, why in rows.items()
            }
            for dataset, rows in suite.skipped.items()
        },
        only={
            _member(suite, "only", "dataset", dataset, known, catalogue): tuple(
                _member(suite, "only", "protocol", name, known, catalogue) for name in names
            )
            for dataset, names in suite.only.items()
        },
        datasets=datasets,
        protocols=protocols,
        ranked=ranked,
        descriptive=descriptive,
        questions=questions,
    )


def _member(
    suite: Suite, field_name: str, kind: Kind, spelled: str, known: Mapping[Kind, tuple[str, ...]], catalogue: Catalogue
) -> str:
    """A name in its one spelling. Raises `BenchmarkError` for what the suite does not hold."""
    with suppress(UnknownNameError):
        if (name := canonical(kind, spelled, catalogue)) in known[kind]:
            return name
    raise BenchmarkError(f"suite {suite.name}: field '{field_name}': {spelled} is not in the suite")


def joined(suite: Suite, extra: Members) -> Suite:
    """The suite with its members of this machine, each in the tables that it was run for.

    Raises `BenchmarkError` for tuned rows of different budgets in one table.
    """
    whole = replace(
        suite,
        datasets=tuple(dict.fromkeys(suite.datasets + extra.datasets)),
        protocols=tuple(dict.fromkeys(suite.protocols + extra.protocols)),
    )
    places = {
        name: tuple(place for place in there if place.table in whole.pairings)
        for name, there in extra.placed(whole.pairings).items()
        if name not in suite.methods
    }

    def standing(kind: Standing) -> tuple[str, ...]:
        return tuple(name for name, there in places.items() if any(place.standing == kind for place in there))

    whole = replace(
        whole,
        ranked=suite.ranked + standing("ranked"),
        descriptive=suite.descriptive + standing("descriptive"),
        places={name: there for name, there in places.items() if there},
    )
    for table in whole.tables:
        check_equal(suite.name, table.methods)
    return whole
