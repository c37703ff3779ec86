"""An archive: the cases of a dataset as a row that compares images with words reads them, each by a model that never saw it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.cells.compute import fit_cell
from benchmark.cells.planning import Cell
from benchmark.cells.row_fits import computed, row_cells
from benchmark.data.cohort import Cohort
from benchmark.data.corpora import load_corpus
from benchmark.data.preparation import load_prepared
from benchmark.learning.fitting import blind_view
from benchmark.learning.stages import UNLABELLED
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.files import build_once, check_sealed
from benchmark.system.locations import data_folder

Vectors = NDArray[np.float32]
FILES = ("vectors.npy", "words.json")
MEND = "`clean --archives --yes`"
WORD = re.compile(r"[^\W\d_]+")


class Reader(Protocol):
    """What a method offers that compares images with words: vectors of unit length, float32; their product is the cosine."""

    def image_vectors(self, cases: Cohort) -> Vectors:
        """(n, d), of a fitted method."""

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """(m, d), of a method that has its stages."""


@dataclass(frozen=True, eq=False)
class Archive:
    """The labelled cases of a dataset, then those of its pool, as K models of one row read them.

    The models are those of the folds of the first seed. `there` (N,) says which cases have an image; `vectors` (K, N, d)
    float32 is how each model sees it. `reader` (N,) is the model that saw neither the case's image nor its report, of a
    pool's case the first; `pool_seen` says whether that one learned from the pool. `words` are those of the reports, the
    queries and the corpora at hand.
    """

    cohort: Cohort
    method: str
    case_ids: NDArray[np.str_]
    there: NDArray[np.bool_]
    vectors: Vectors
    reader: NDArray[np.intp]
    models: tuple[Reader, ...]
    pool_seen: bool
    words: frozenset[str]

    def row(self, case: str) -> int:
        """The position of a case. Raises `UnknownNameError`, and `BenchmarkError` for a case without an image."""
        found = np.flatnonzero(self.case_ids == case)
        if not len(found):
            raise UnknownNameError(f"case of {self.cohort.name}", case, map(str, self.case_ids))
        if not self.there[found[0]]:
            raise BenchmarkError(f"{self.cohort.name}: case {case} has no image to compare")
        return int(found[0])

    def similarity(self, texts: Sequence[str]) -> Vectors:
        """The cosine of each case's image, as its reader sees it, with each text, (N, m); NaN where there is no image."""
        found = np.empty((len(self.case_ids), len(texts)), dtype=np.float32)
        for k, model in enumerate(self.models):
            found[self.reader == k] = self.vectors[k, self.reader == k] @ model.text_vectors(texts).T
        found[~self.there] = np.nan
        return found

    def alike(self, row: int) -> Vectors:
        """The cosine of each case's image with that of the case at `row`, as that one's reader sees both, (N,)."""
        seen = self.vectors[self.reader[row]]
        return np.where(self.there, seen @ seen[row], np.nan)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that no report, query or corpus holds, each once."""
        return [word for word in dict.fromkeys(words_of(text)) if word not in self.words]

    @cached_property
    def reports(self) -> tuple[str, ...]:
        """Each case's own report, its first draft; empty where there is none."""
        parts = [part for part in (self.cohort, self.cohort.pool) if part is not None]
        return tuple(drafts[0] if drafts else "" for part in parts for drafts in part.reports or [()] * len(part))


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


def open_archive(
    suite: Suite,
    method: str,
    dataset: str,
    cohort: Cohort,
    catalogue: Catalogue,
    say: Callable[[str], None] = lambda line: None,
) -> Archive:
    """The archive of a dataset by a row of a suite; made first, in workers, where that was not done on this machine.

    `say` receives a line for each step of that. Raises `BenchmarkError` for a row that compares no images with words, for a
    tuned row, whose models are not kept, and for what fails.
    """
    configured = catalogue.method(method)
    if not all(hasattr(configured.entry.load(), name) for name in ("image_vectors", "text_vectors")):
        raise BenchmarkError(f"{method} compares no images with words: take a row such as neurobert")
    if configured.budget is not None:
        raise BenchmarkError(f"{method} is a search, whose models are not kept: name the values, as in neurobert[width=8]")
    if not cohort.images:
        raise BenchmarkError(f"{dataset} has no images to compare with words")
    every = row_cells(suite, method, dataset, cohort, catalogue)
    first = next(iter(every.values())).split.seed
    cells = [cell for cell in every.values() if cell.split.seed == first]
    folder = data_folder() / "archives" / provenance.digest([cell.key for cell in cells])[:32]

    def write(aside: Path) -> None:
        say(f"{method} reads the images of {dataset} for the first time; what it makes of them is kept")
        vectors = list(computed(suite, cells, cohort, catalogue, image_vectors, say=say))
        np.save(aside / FILES[0], np.stack(vectors))
        (aside / FILES[1]).write_text(json.dumps(sorted(_known_words(cohort, catalogue)), ensure_ascii=False), encoding="utf-8")

    build_once(folder, write)
    check_sealed(folder, MEND, whole=True)
    vectors = np.load(folder / FILES[0], mmap_mode="r")
    reader = np.zeros(vectors.shape[1], dtype=np.intp)
    for k, cell in enumerate(cells):
        reader[cell.split.test] = k
    parts = [cohort] if cohort.pool is None else [cohort, cohort.pool]
    return Archive(
        cohort,
        method,
        np.concatenate([part.case_ids for part in parts]),
        np.concatenate([part.having("image") for part in parts]),
        vectors,
        reader,
        tuple(_with_stages(cell) for cell in cells),
        any({"pool", UNLABELLED} & set(stage.key.ingredients.get("seen", ())) for stage in cells[0].stages),
        frozenset(json.loads((folder / FILES[1]).read_text(encoding="utf-8"))),
    )


def image_vectors(cell: Cell) -> Vectors:
    """The images of all cases, labelled ones and then the pool's, as a cell's fitted method sees them, (N, d).

    Raises what the method raises, and `BenchmarkError` for vectors that are none.
    """
    method: Any = fit_cell(cell).fitted.method
    cohort = load_prepared(Path(cell.row.folder), discover(cell.row.plugins))
    modalities = cell.row.method.modalities[1]
    parts = [blind_view(cohort, np.arange(len(cohort)), modalities)]
    if cohort.pool is not None:
        parts.append(blind_view(cohort.pool, np.arange(len(cohort.pool)), modalities))
    vectors = np.concatenate([np.asarray(method.image_vectors(part), dtype=np.float32) for part in parts])
    if vectors.shape[:-1] != (sum(map(len, parts)),) or not np.isfinite(vectors).all():
        raise BenchmarkError(f"image_vectors gave shape {vectors.shape}, or values that are no numbers")
    return vectors


def _with_stages(cell: Cell) -> Reader:
    """The cell's method with the results of its stages, which its text side needs alone."""
    method: Any = cell.row.method.make()
    method.stages = {stage.name: stage.key.arrays() for stage in cell.stages}
    reader: Reader = method
    return reader


def _known_words(cohort: Cohort, catalogue: Catalogue) -> Set[str]:
    """The words of the cohort's reports and queries, and of the corpora on this machine."""
    texts: list[Iterable[str]] = [text for text in cohort.queries.values()]
    for part in (cohort, cohort.pool):
        if part is not None and part.reports is not None:
            texts += part.reports
    for entry in catalogue.corpora:
        try:
            texts.append(document.text for document in load_corpus(entry.name, catalogue).documents)
        except BenchmarkError:  # not fetched: its words are not known
            continue
    return {word for group in texts for text in group for word in words_of(text)}
