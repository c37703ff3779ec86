"""Text: per case a tuple of drafts of one report, empty where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Bools, CasePart, Index, Modality

Reports = tuple[tuple[str, ...], ...]
PLACES = ("ACA left", "ACA right", "MCA left", "MCA right")


class Drafts(CasePart[Reports]):
    """Per case a tuple of texts."""

    def lengths(self, value: Reports) -> Iterator[tuple[str, int]]:
        """The number of cases."""
        yield self.name, len(value)

    def take(self, value: Reports, index: Index) -> Reports:
        """The drafts of the cases at `index`."""
        return tuple(value[i] for i in index)

    def join(self, first: Reports, second: Reports, order: Index) -> Reports:
        """Both, in the given order."""
        return self.take(first + second, order)

    def write(self, value: Reports, folder: Path) -> object:
        """One JSON file."""
        (folder / f"{self.name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        return None

    def read(self, folder: Path, written: Any) -> Reports:
        """The drafts, in memory."""
        return tuple(map(tuple, json.loads((folder / f"{self.name}.json").read_text(encoding="utf-8"))))

    def digested(self, value: Reports | None) -> Iterator[tuple[str, object]]:
        """The drafts, or None where a cohort has none: its digest says so."""
        yield self.name, value


class Text(Modality):
    """What is written of a case."""

    def specimen(self, severity: NDArray[np.float64], present: Bools, rng: np.random.Generator) -> Mapping[str, Any]:
        """One draft or two that tell a size, which follows severity, and a place, which does not."""
        volumes = 20 * np.exp(0.5 * severity + 0.1 * rng.normal(size=len(severity)))
        places = rng.choice(PLACES, size=len(severity))
        drafts = [_drafts(*told, 1 + case % 2) for case, told in enumerate(zip(volumes, places, strict=True))]
        return {"reports": tuple(draft if there else () for draft, there in zip(drafts, present, strict=True))}


def _drafts(volume: float, place: str, count: int) -> tuple[str, ...]:
    size = "large" if volume > 20 else "small"
    first = f"A {size} infarct. It lies in the {place} territory."
    return (first, f"{size.capitalize()} infarct of the {place}, {volume:.0f} ml.")[:count]


MODALITY = Text((Drafts("reports", place=30),), optional=True, encoder="specimen-words")
