"""StrokeBench: a benchmark of multimodal stroke prognosis whose statistics are checked by simulation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.registry.cards import register_corpus, register_dataset, register_encoder, register_method, register_protocol
from benchmark.system.errors import BenchmarkError, DataError, UnknownNameError

if TYPE_CHECKING:
    from benchmark.cells.rows import load_predictions
    from benchmark.data.cohort import Cohort, Features
    from benchmark.data.corpora import Document
    from benchmark.data.findings import read_queries
    from benchmark.data.modalities.image import LESION_VOLUME, Atlas, ImageView, Slice
    from benchmark.data.modalities.signal import Recordings
    from benchmark.data.sources import Sources
    from benchmark.data.splits import Split
    from benchmark.learning.method import EstimatorMethod
    from benchmark.learning.neural import Batch, NeuralMethod, Output, Shapes
    from benchmark.learning.stages import Seen, stage

__version__ = "0.1.0"
_LATE = {
    **dict.fromkeys(("Cohort", "Features"), "benchmark.data.cohort"),
    **dict.fromkeys(("LESION_VOLUME", "Atlas", "ImageView", "Slice"), "benchmark.data.modalities.image"),
    **dict.fromkeys(("Batch", "NeuralMethod", "Output", "Shapes"), "benchmark.learning.neural"),
    **dict.fromkeys(("Seen", "stage"), "benchmark.learning.stages"),
    "Document": "benchmark.data.corpora",
    "EstimatorMethod": "benchmark.learning.method",
    "Recordings": "benchmark.data.modalities.signal",
    "Sources": "benchmark.data.sources",
    "Split": "benchmark.data.splits",
    "load_predictions": "benchmark.cells.rows",
    "read_queries": "benchmark.data.findings",
}
__all__ = [
    "LESION_VOLUME",
    "Atlas",
    "Batch",
    "BenchmarkError",
    "Cohort",
    "DataError",
    "Document",
    "EstimatorMethod",
    "Features",
    "ImageView",
    "NeuralMethod",
    "Output",
    "Recordings",
    "Seen",
    "Shapes",
    "Slice",
    "Sources",
    "Split",
    "UnknownNameError",
    "load_predictions",
    "read_queries",
    "register_corpus",
    "register_dataset",
    "register_encoder",
    "register_method",
    "register_protocol",
    "stage",
]


def __getattr__(name: str) -> Any:
    """Import what needs numpy, pandas or torch only when it is asked for."""
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, those that are imported late included."""
    return sorted(__all__)
