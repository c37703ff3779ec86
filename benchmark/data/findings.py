"""Findings: what a case shows, named columns of 0 and 1; queries: the sentences that state them.

The label is their union; where every case has a finding, it is one of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.parts import Part
from benchmark.data.remarks import Remarks, quoted
from benchmark.data.words import read_flags
from benchmark.system.errors import DataError
from benchmark.system.locations import ROOT

Queries = Mapping[str, tuple[str, ...]]
NORMAL = "normal"
"""Among the queries: the sentences that state that there is no finding."""
FINDING, KIND = "finding:", "altered:"
"""What columns of stored answers begin with: scores of a finding, similarities to reports with a kind of error."""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FOLDER = ROOT / "datasets" / "queries"


class FindingsPart(Part):
    """A data frame of 0 and 1, (n, k) int8, a column per finding."""

    def take_in(self, value: Any, remarks: Remarks) -> pd.DataFrame | None:
        """Every column read as yes or no; a missing value is refused, for a finding is there or not."""
        if not isinstance(value, pd.DataFrame) or not len(value.columns):
            remarks.refuse(self.name, f"is a {type(value).__name__}: give a data frame with a column for each finding")
            return None
        read = {str(name): read_flags(f"{self.name} '{name}'", value.iloc[:, i], remarks) for i, name in enumerate(value)}
        strange = [name for name in read if not NAME.fullmatch(name) or name == NORMAL]
        if strange or len(read) < len(value.columns):
            named = quoted(strange or value.columns[value.columns.duplicated()])
            remarks.refuse(self.name, f"{named}: name each finding once, in kebab-case, and none '{NORMAL}'")
            return None
        known = {name: flags.astype(np.int8) for name, flags in read.items() if flags is not None}
        return pd.DataFrame(known) if len(known) == len(read) else None


class QueriesPart(Part):
    """Finding, or `normal`, -> the sentences that state it."""

    def take_in(self, value: Any, remarks: Remarks) -> Queries:
        """Sentences without the blanks around them; one without a word is refused."""
        if not isinstance(value, Mapping):
            remarks.refuse(self.name, f"is a {type(value).__name__}: give a mapping of findings to sentences")
            return {}
        for name, sentences in value.items():
            if isinstance(sentences, str) or not all(isinstance(text, str) and text.strip() for text in sentences):
                remarks.refuse(f"{self.name}['{name}']", "give a list of sentences, none of them empty")
                return {}
        return {str(name): tuple(" ".join(text.split()) for text in sentences) for name, sentences in value.items()}

    def read(self, folder: Path, written: Any) -> Queries:
        """The sentences."""
        return {name: tuple(sentences) for name, sentences in super().read(folder, written).items()}

    def digested(self, value: Queries | None) -> Iterator[tuple[str, object]]:
        """The sentences of each finding; nothing of a cohort that has none."""
        return ((f"{self.name}.{name}", list(sentences)) for name, sentences in (value or {}).items())


def check_findings(labels: NDArray[np.int8] | None, findings: pd.DataFrame | None, queries: Queries, remarks: Remarks) -> None:
    """Refuse labels that are not "any finding" (nor one of them, where every case has one), unasked findings, other queries.

    Nothing is said of parts that were refused before.
    """
    if any(line.place.startswith(("findings", "queries")) for line in remarks.refused()):
        return
    if findings is None:
        if queries:
            remarks.refuse("queries", "there are no findings beside them")
        return
    if labels is not None and len(labels) == len(findings):
        union = findings.any(axis=1).to_numpy()
        if not union.all() and (labels != union).any():
            remarks.refuse("labels", "must be 1 where a case has any finding, and 0 where it has none", labels != union)
        if union.all() and not (findings.to_numpy() == labels[:, None]).all(axis=0).any():
            remarks.refuse("labels", "every case has a finding: give labels that equal one of the findings")
    for name in findings:
        if not findings[name].any():
            remarks.refuse("findings", f"no case has '{name}'")
    unasked = [name for name in findings if not queries.get(str(name))]
    if unasked:
        remarks.refuse("queries", f"{quoted(unasked)}: give at least one sentence that states the finding")
    unknown = [name for name in queries if name not in (*findings, NORMAL)]
    if unknown:
        remarks.refuse("queries", f"{quoted(unknown)}: is no finding of the cohort, nor '{NORMAL}'")


def queries_file(dataset: str) -> Path:
    """Where the queries of a dataset stand."""
    return FOLDER / f"{dataset}.toml"


def read_queries(dataset: str) -> dict[str, tuple[str, ...]]:
    """The queries of a dataset, of the table `[templates]` of `datasets/queries/DATASET.toml`. Raises `DataError`."""
    path = queries_file(dataset)
    try:
        templates = tomllib.loads(path.read_text(encoding="utf-8"))["templates"]
        return {str(name): tuple(sentences) for name, sentences in templates.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{dataset}: {path} must hold [templates] with lines FINDING = [sentences] ({type(error).__name__}: {error})"
        ) from error
