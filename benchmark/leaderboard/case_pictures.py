"""Thumbnails of cases: their image views side by side in grey, what a mask marks in red."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.modalities import known_modalities
from benchmark.data.modalities.image import MASK

HEIGHT = 120
"""Pixels."""
VIEWS = 3
"""Views that are shown."""
MARKED = 0.35
"""How much red covers a place that the mask marks."""


@dataclass(frozen=True)
class Picture:
    """A PNG as an address that holds it, and what it shows in words; empty where a case has no image."""

    source: str = ""
    words: str = ""


def picture(cohort: Cohort, row: int) -> Picture:
    """The case at `row`, a position in the cohort."""
    from PIL import Image

    scans = [name for name in sorted(cohort.images) if name not in known_modalities()["image"].shares][:VIEWS]
    names = scans or sorted(cohort.images)[:VIEWS]
    there = [name for name in names if cohort.having("image")[row] and cohort.having(name)[row]]
    if not there:
        return Picture()
    mask = cohort.images[MASK][np.array([row])][0] if MASK in cohort.images else None
    panels = [_panel(cohort.images[name][np.array([row])][0], mask) for name in there]
    scaled = [Image.fromarray(panel).resize((max(HEIGHT * panel.shape[1] // panel.shape[0], 1), HEIGHT)) for panel in panels]
    sheet = Image.new("RGB", (sum(part.width for part in scaled), HEIGHT))
    left = 0
    for part in scaled:
        sheet.paste(part, (left, 0))
        left += part.width
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    marked = (
        ", the lesion mask in red" if mask is not None and any(mask.shape[1:] == _grid(cohort, name) for name in there) else ""
    )
    words = f"{' and '.join(there)} of case {cohort.case_ids[row]}{marked}"
    return Picture(f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}", words)


def _grid(cohort: Cohort, name: str) -> tuple[int, ...]:
    return tuple(cohort.images[name].shape[2:])


def _panel(view: NDArray[np.float32], mask: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    """(rows, columns, 3): the first channel of (c, rows, columns), or the axial plane of (c, x, y, z) where most is marked."""
    values, marked = view[0], mask[0] if mask is not None and mask.shape[1:] == view.shape[1:] else None
    if values.ndim == 3:
        plane = values.shape[2] // 2 if marked is None or not marked.any() else int(marked.sum(axis=(0, 1)).argmax())
        values, marked = values[:, :, plane].T[::-1], None if marked is None else marked[:, :, plane].T[::-1]
    low, high = np.quantile(values, (0.01, 0.99))
    grey = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1)
    colour = np.repeat(grey[..., None], 3, axis=2)
    if marked is not None:
        cover = MARKED * (marked > 0)[..., None]
        colour = colour * (1 - cover) + np.array([1.0, 0.0, 0.0]) * cover
    return np.asarray(np.round(255 * colour), dtype=np.uint8)
