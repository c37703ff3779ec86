"""What the engine calls of a dataset, an encoder and a split protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.remarks import Remarks
from benchmark.data.sources import Sources
from benchmark.data.splits import Split


class Dataset(Protocol):
    """A dataclass whose fields are the dataset's parameters."""

    def build(self, sources: Sources) -> Cohort:
        """The cohort from the source files that `sources.toml` lists. Raises `DataError` where they are not as expected."""


@runtime_checkable
class ReadsFiles(Protocol):
    """A dataset or corpus that reads files of its own, whose edit has it prepared anew."""

    def files(self) -> Sequence[Path | str]:
        """The files."""


@runtime_checkable
class Inspected(Protocol):
    """A dataset that looks through its files before it builds a cohort of them, and writes other ids than the user's own."""

    def inspect(self) -> Remarks:
        """All that is wrong with the files, or read in one certain way, in the user's own ids."""

    def own_names(self) -> Mapping[str, str]:
        """Id in all that is written -> the user's own id."""


class Encoder(Protocol):
    """A frozen encoder of one modality."""

    def weights_digest(self) -> str:
        """Digest of its weights; empty where there are none. Raises `BenchmarkError` where they are missing."""

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case of the view."""


class PretrainedEncoder(Protocol):
    """An encoder that is trained on the cases of the pool that a split allows (`pretrained_on_pool = True`)."""

    def weights_digest(self) -> str:
        """Digest of what else it depends on."""

    def pretrain(self, pool: Cohort) -> Mapping[str, NDArray[Any]]:
        """Named arrays, the trained weights, which are kept as a stage."""

    def encode(self, cohort: Cohort, weights: Mapping[str, NDArray[Any]]) -> Features:
        """Features of every case of the view."""


class SplitProtocol(Protocol):
    """A way to divide the cases of a cohort."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """The splits; none where the cohort does not allow it. Raises `ValueError` where a class or group is too small."""
