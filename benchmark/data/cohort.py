"""Cohort: the cases of a dataset as methods see them, and Features: what an encoder makes of a modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.data.findings import FindingsPart, Queries, QueriesPart
from benchmark.data.modalities import known_modalities, known_parts
from benchmark.data.modalities.text import TEXT, WITHHELD, WORDING, set_to_read
from benchmark.data.parts import Bools, Flags, Floats, Frame, Index, Labels, Part, View, Words, join, lengths, take
from benchmark.system.errors import BenchmarkError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.data.modalities.image import Atlas, Views
    from benchmark.data.modalities.signal import Recordings
    from benchmark.data.modalities.text import Reports

OWN_PARTS = (
    Words("case_ids", place=None),
    Labels("labels", place=None),
    Words("sites", place=None),
    Words("groups", place=0),
    Words("balanced", place=None),
    Words("own_folds", place=None),
    Frame("strata", place=None, inputs=False),
    Flags("present", place=50),
    FindingsPart("findings", place=80),
    QueriesPart("queries", place=90, of_cases=False),
)
"""What a cohort holds of its cases besides the modalities; ids, labels and sites enter the task digest instead."""


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder makes of a modality.

    tokens (n, drafts, t, d) float32; mask (n, drafts, t) bool, false where there is no token (a missing modality is
    all false); pooled (n, drafts, p) float32. Images have one draft. `grid` is the token grid's shape for images on a
    grid; `lesion_share` (n, t) the share of lesion in each token where a mask exists.
    """

    tokens: Floats
    mask: Bools
    pooled: Floats
    grid: tuple[int, ...] | None = None
    lesion_share: Floats | None = None

    def take(self, index: Index) -> Features:
        """The features of the cases at `index`."""
        share = None if self.lesion_share is None else np.asarray(self.lesion_share[index])
        return Features(
            np.asarray(self.tokens[index], dtype=np.float32),
            np.asarray(self.mask[index]),
            np.asarray(self.pooled[index], dtype=np.float32),
            self.grid,
            share,
        )


class FeatureSource(Protocol):
    """Where the features of a dataset's cases come from."""

    def __call__(self, modality: str, encoder: str | None, rows: Index | None, /, *reports: str) -> Features:
        """Those of the cases at `rows`, positions in the dataset, or of all.

        The encoder is the dataset's default where it is None; a set of reports is named where it is not the cohort's own.
        """


@dataclass(frozen=True, eq=False)
class Cohort:
    """The cases of a dataset.

    The parts of the modalities (`benchmark/data/modalities/`) are arguments and attributes like the others; a cohort answers
    None, or an empty mapping, for a part that it lacks.

    Attributes
    ----------
    name : the dataset, with its configuration.
    case_ids : (n,) strings, unique, sorted as strings.
    labels : (n,) int8 of 0 and 1, or None in a blind view or a pool.
    sites : (n,) strings in the dataset's own word for a site; never an input. None in a blind view.
    groups : (n,) strings: what no split may part (the patient). None in a blind view.
    table : typed columns (float64 for numbers, `category` for categories), NaN where missing; or None.
    reports : per case a tuple of text drafts, or None.
    report_sets : further sets of drafts by name, from which a row chooses one in place of `reports`; see `reading`.
    images : named views, each lazily loaded to (n, c, *spatial) float32; empty where there are none.
    derived : named features computed from the image (lesion volume, territory fractions); the image modality. Or None.
    atlas : the territories on which `derived` and the reports were measured, or None.
    signals : recordings, lazily loaded to (n, leads, samples) float32, with sampling rate, leads and unit; or None.
    balanced : (n,) strings: the classes that every cut keeps in proportion, where these are not the labels: variants of one
        dataset that share them share their splits. None in any method's view.
    own_folds : (n,) strings, "train", "validation" or "test": the division that the dataset publishes, its pool's too. Where
        groups are None beside it, nobody knows whose each case is, and only this division keeps patients apart. None in any
        method's view.
    strata : attributes of the cases by which results are broken down (`subgroups`), never inputs: n rows of float64 numbers
        (`age` in years is banded) or categories in words, NaN where unknown; or None. No method's view holds them.
    findings : (n, k) int8 of 0 and 1, a column per finding, whose union is the label; never an input. Or None, as in a blind
        view or a pool.
    queries : finding, or `normal`, -> the sentences that state it, at least one for each finding; empty where there are none.
    present : modality, or image view -> (n,) bool: which case has it (where a case has not: `derived` is NaN, images and
        signals are zero, there is no draft). A modality or view that is not named is there for every case.
    pool : further cases without this dataset's label, for self-supervised pre-training, or None.
    encoders : modality -> the dataset's default encoder.
    facts : named figures that describe the whole dataset (a synthetic cohort's oracle AUC, for one).
    source_digest : digest of the source files (filled in by the engine), or the generator's version.
    task_digest : decides whether stored predictions of two machines may be compared (ids, labels, sites, sources).
    content_digest : decides whether something must be recomputed (every array as computed).
    unlabelled_digest : likewise of all but the label, the same for all labels of a dataset that names in `label_only` which of
        its fields choose the label; empty for any other dataset.
    folder : where the prepared arrays lie on this machine; labels lie there, so no method's view tells it.
    """

    name: str
    case_ids: NDArray[np.str_]
    labels: NDArray[np.int8] | None = None
    sites: NDArray[np.str_] | None = None
    groups: NDArray[np.str_] | None = None

    if TYPE_CHECKING:  # parts of the shipped modalities, for which `parts` stands
        table: pd.DataFrame | None = None
        reports: Reports | None = None
        report_sets: Mapping[str, Reports] = {}
        images: Views = {}
        derived: pd.DataFrame | None = None
        atlas: Atlas | None = None
        signals: Recordings | None = None

    balanced: NDArray[np.str_] | None = None
    own_folds: NDArray[np.str_] | None = None
    strata: pd.DataFrame | None = None
    findings: pd.DataFrame | None = None
    queries: Queries = field(default_factory=dict)
    present: Mapping[str, Bools] = field(default_factory=dict)
    pool: Cohort | None = None
    encoders: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    source_digest: str = ""
    task_digest: str = ""
    content_digest: str = ""
    unlabelled_digest: str = ""
    folder: str = ""
    rows: Index | None = None
    feature_source: FeatureSource | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)

    if not TYPE_CHECKING:  # a type checker sees a dataclass

        def __init__(self, name, case_ids, *columns, **named):
            order = ("labels", "sites", "groups", "table")[: len(columns)]
            given = {"name": name, "case_ids": case_ids, **dict(zip(order, columns, strict=True)), **named}
            for item in fields(self):
                default = item.default if item.default_factory is MISSING else item.default_factory()
                object.__setattr__(self, item.name, given.pop(item.name, default))
            for part in given.keys() - known_parts().keys():
                raise UnknownNameError("part of a cohort", part, [*known_parts(), *(item.name for item in fields(self))])
            held = {part: value for part, value in {**self.parts, **given}.items() if value is not None}
            object.__setattr__(self, "parts", held)

        def __getattr__(self, name):
            if name not in known_parts():
                raise AttributeError(f"a cohort has no '{name}'")
            return self.parts[name] if name in self.parts else known_parts()[name].empty

    def __len__(self) -> int:
        return len(self.case_ids)

    def contents(self) -> Iterator[tuple[Part, Any]]:
        """Every part that is there, with its value."""
        values = {**vars(self), **self.parts}
        return ((part, values[name]) for name, part in every_part().items() if values.get(name) is not None)

    def of_cases(self) -> Iterator[tuple[Part, Any]]:
        """Every part that holds something of each case, with its value."""
        return ((part, value) for part, value in self.contents() if part.of_cases)

    @property
    def modalities(self) -> frozenset[str]:
        """The modalities that this view holds."""
        filled = {part for part, value in self.of_cases() if any(True for _ in lengths(part.name, value))}
        return frozenset(name for name, modality in known_modalities().items() if filled.intersection(modality.parts))

    @property
    def absent(self) -> dict[str, int]:
        """Modality -> the number of cases without it, for the modalities that some case lacks."""
        counts = {name: int((~there).sum()) for name, there in self.present.items() if name in self.modalities}
        return {name: count for name, count in counts.items() if count}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table; none where this view holds no table."""
        return () if self.table is None else tuple(map(str, self.table.columns))

    def having(self, name: str) -> Bools:
        """(n,) which cases have the modality or the image view of that name."""
        return np.asarray(self.present.get(name, np.ones(len(self), dtype=bool)))

    def take(self, index: Index | Sequence[int]) -> Cohort:
        """The cases at `index` (positions in this view, or a mask over it), in that order; the pool is left as it is."""
        given = np.asarray(index)
        index = np.flatnonzero(given) if given.dtype == bool else given.astype(np.intp)
        rows = np.arange(len(self)) if self.rows is None else self.rows
        taken = {part.name: take(value, index) for part, value in self.of_cases()}
        return replace(self, **taken, facts=dict(self.facts), rows=rows[index])

    def only(self, modalities: Set[str]) -> Cohort:
        """The view that holds just these modalities (the pool likewise), and neither strata and divisions nor the folder.

        It holds no set of reports that exists to judge a method by (`WITHHELD`): some are made of other cases' reports.
        """
        held = {part.name: self.parts.get(part.name) for part in parts_of(modalities)}
        if held.get("report_sets"):
            held["report_sets"] = {name: drafts for name, drafts in self.report_sets.items() if name not in WITHHELD}
        return replace(
            self,
            parts=held,
            balanced=None,
            own_folds=None,
            strata=None,
            folder="",
            present={name: there for name, there in self.present.items() if name in self._flagged(modalities)},
            encoders={name: encoder for name, encoder in self.encoders.items() if name in modalities},
            pool=None if self.pool is None else self.pool.only(modalities),
        )

    def _flagged(self, modalities: Set[str]) -> set[str]:
        """The names under which `present` speaks of these modalities: their own, and those of their views that are held."""
        known = known_modalities()
        return {*modalities, *(view for name in modalities & known.keys() for view in known[name].views(self.parts))}

    def blind(self) -> Cohort:
        """The label-free view that prediction receives: no labels, findings, sites, groups, divisions, strata, pool, folder."""
        bare = replace(self.without_labels(), sites=None, groups=None, balanced=None, own_folds=None, strata=None)
        return replace(bare, pool=None, facts={}, folder="")

    def without_labels(self) -> Cohort:
        """The same view without labels and findings."""
        return replace(self, labels=None, findings=None)

    def sealed(self, rows: Index | None = None) -> Cohort:
        """The same view, whose features can be had of its own modalities and of `rows` alone (by default its own cases)."""
        source, modalities = self.feature_source, self.modalities
        if source is None:
            return self
        allowed = rows if rows is not None else self.rows
        message = f"{self.name}: these features belong to no view of the method's: it may use {', '.join(sorted(modalities))}"

        def bounded(modality: str, encoder: str | None, rows: Index | None, *reports: str) -> Features:
            inside = allowed is None or (rows is not None and bool(np.isin(rows, allowed).all()))
            if modality not in modalities or not inside:
                raise BenchmarkError(message)
            return source(modality, encoder, rows, *reports)

        return replace(self, feature_source=bounded)

    def reading(self, name: str) -> Cohort:
        """The same view, whose reports, and the features of its text, are those of the named set; the pool is left as it is.

        `wording` is the set of its own drafts, which also stand for `topics` where it has none. Raises `UnknownNameError` for
        any other set that the view does not hold. A case without a draft in the set has no text.
        """
        name, source = set_to_read(name, self.report_sets), self.feature_source
        if name == WORDING:
            return self

        def read(modality: str, encoder: str | None, rows: Index | None, *further: str) -> Features:
            assert source is not None and not further
            return source(modality, encoder, rows, name)

        reports = self.report_sets[name]
        there = np.array([bool(drafts) for drafts in reports], dtype=bool)
        present = self.present if there.all() and TEXT not in self.present else {**self.present, TEXT: there}
        features = None if source is None else read
        return replace(self, reports=reports, report_sets={}, present=present, feature_source=features)

    def join(self, other: Cohort) -> Cohort:
        """Both views of the same dataset as one, in the order of the dataset's cases (train + validation)."""
        if self.rows is None or other.rows is None or self.name != other.name:
            raise ValueError("join needs two views taken from the same cohort")
        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(rows, kind="stable")
        theirs = {part.name: value for part, value in other.of_cases()}
        joined: dict[str, Any] = {
            part.name: join(value, theirs[part.name], order) if part.name in theirs else None for part, value in self.of_cases()
        }
        return replace(self, **joined, rows=rows[order])

    def permuted(self, modality: str, rng: np.random.Generator) -> Cohort:
        """The cohort with one modality dealt anew among its cases: labels, sites and other modalities stay where they are.

        Raises `UnknownNameError` where the cohort does not hold the modality.
        """
        if modality not in self.modalities:
            raise UnknownNameError(f"modality of {self.name}", modality, self.modalities)
        dealt = self.take(rng.permutation(len(self)))
        moved: dict[str, Any] = {part.name: dealt.parts.get(part.name) for part in parts_of({modality})}
        present = {name: (dealt if name in self._flagged({modality}) else self).present[name] for name in self.present}
        return replace(self, **moved, present=present)

    def features(self, modality: str, encoder: str | None = None) -> Features:
        """The features of this view's cases, from the feature cache.

        Raises `BenchmarkError` where the view does not hold the modality or no encoder is known for it.
        """
        if modality not in self.modalities:
            raise BenchmarkError(f"{self.name}: this view holds no {modality}: declare it in the method's modalities")
        if self.feature_source is None:
            raise BenchmarkError(f"{self.name}: no encoders at hand: use benchmark.data.preparation.load_cohort")
        return self.feature_source(modality, encoder, self.rows)

    def views(self, modality: str) -> Mapping[str, View]:
        """The modality's views of these cases as they are, each read from disk when it is taken.

        Raises `BenchmarkError` where the cohort does not hold the modality, or the modality has no views.
        """
        views = known_modalities()[modality].views(self.parts) if modality in self.modalities else {}
        if not views:
            raise BenchmarkError(f"{self.name}: no {modality} that a network could see as it is: use an encoder's features")
        return views


def every_part() -> Mapping[str, Part]:
    """The parts of any cohort by name: its own ones, then the modalities'."""
    return {**{part.name: part for part in OWN_PARTS}, **known_parts()}


def parts_of(names: Set[str]) -> Iterator[Part]:
    """The parts of the named modalities."""
    return (part for name, modality in known_modalities().items() if name in names for part in modality.parts)
