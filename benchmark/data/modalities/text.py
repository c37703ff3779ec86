"""Text: per case a tuple of drafts of one report, empty where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Bools, Modality, Part

Reports = tuple[tuple[str, ...], ...]
PLACES = ("ACA left", "ACA right", "MCA left", "MCA right")


class Drafts(Part):
    """Per case a tuple of texts."""

    def read(self, folder: Path, written: Any) -> Reports:
        """The drafts."""
        return tuple(map(tuple, super().read(folder, written)))

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
