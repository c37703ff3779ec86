"""StrokeBench: a benchmark of multimodal stroke prognosis whose statistics are checked by simulation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.registry import register_dataset, register_encoder, register_method, register_protocol

if TYPE_CHECKING:
    from benchmark.cohort import Atlas, Cohort, Features, ImageView
    from benchmark.predictions import load_predictions
    from benchmark.protocols import Split

_LATE = {
    "Atlas": "benchmark.cohort",
    "Cohort": "benchmark.cohort",
    "Features": "benchmark.cohort",
    "ImageView": "benchmark.cohort",
    "Split": "benchmark.protocols",
    "load_predictions": "benchmark.predictions",
}
__all__ = [
    "Atlas",
    "Cohort",
    "Features",
    "ImageView",
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
