"""StrokeBench: a benchmark of multimodal stroke prognosis whose statistics are checked by simulation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.registry.cards import register_dataset, register_encoder, register_method, register_protocol

if TYPE_CHECKING:
    from benchmark.cells.rows import load_predictions
    from benchmark.data.cohort import Cohort, Features
    from benchmark.data.modalities.image import Atlas, ImageView, Slice
    from benchmark.data.splits import Split

_LATE = {
    "Atlas": "benchmark.data.modalities.image",
    "Cohort": "benchmark.data.cohort",
    "Features": "benchmark.data.cohort",
    "ImageView": "benchmark.data.modalities.image",
    "Slice": "benchmark.data.modalities.image",
    "Split": "benchmark.data.splits",
    "load_predictions": "benchmark.cells.rows",
}
__all__ = [
    "Atlas",
    "Cohort",
    "Features",
    "ImageView",
    "Slice",
    "Split",
    "load_predictions",
    "register_dataset",
    "register_encoder",
    "register_method",
    "register_protocol",
]


def __getattr__(name: str) -> Any:
    """Import what needs numpy and pandas only when it is asked for."""
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
