"""The feature cache: a frozen encoder runs once per cohort, and its features are memory-mapped from disk.

An encoder whose class says `pretrained_on_pool = True` is trained first, on the cases of the pool that a split allows: its
`pretrain(pool)` gives named arrays, kept on disk once per pool, and its `encode(cohort, weights)` receives them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.contracts import Encoder, PretrainedEncoder
from benchmark.data.parts import Index, mapped
from benchmark.registry.catalogue import Catalogue
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.files import build_once, check_sealed, safe, write_durably
from benchmark.system.locations import data_folder

Weights = Mapping[str, NDArray[Any]]
"""What pre-training gives: named arrays."""


@dataclass(frozen=True, eq=False)
class Pool:
    """A dataset's pool, and which of its cases a pool-trained encoder may see: none before a split says so."""

    digest: str
    load: Callable[[], Cohort]
    rows: Index | None = None

    @property
    def key(self) -> str:
        """Digest of the cases to see."""
        return "" if self.rows is None else sha256(self.rows.astype("<i8").tobytes()).hexdigest()[:16]


class FeatureCache:
    """Features of a cohort by modality, encoder and cases; content-addressed by cohort, encoder, weights and pool.

    It holds no cohort: what an encoder has to see is loaded by `load` where features are not cached yet.
    """

    def __init__(self, cohort: Cohort, catalogue: Catalogue, load: Callable[[], Cohort], pool: Pool | None = None) -> None:
        self._name, self._digest, self._encoders = cohort.name, data_key(cohort), dict(cohort.encoders)
        self._catalogue, self._load, self._pool = catalogue, load, pool
        self._held: dict[tuple[str, str, str], Features] = {}

    def bound(self, rows: Index) -> FeatureCache:
        """The same cache, whose pool-trained encoders are trained on the pool's cases at `rows`."""
        other = copy(self)
        other._pool = None if self._pool is None else replace(self._pool, rows=rows)
        return other

    def __call__(self, modality: str, encoder: str | None, rows: Index | None) -> Features:
        """The features of the cases at `rows` (all if None); computed and stored where they are not cached yet."""
        spelled = encoder or self._encoders.get(modality)
        if spelled is None:
            raise BenchmarkError(f"{self._name}: the dataset names no default encoder of {modality}: name one")
        key = (modality, spelled, self._pool.key if self._pool and is_pretrained_on_pool(spelled, self._catalogue) else "")
        if key not in self._held:
            self._held[key] = _read(self._folder(modality, spelled))
        whole = self._held[key]
        return whole if rows is None else whole.take(rows)

    def _folder(self, modality: str, spelled: str) -> Path:
        identity = encoder_identity(spelled, modality, self._catalogue)
        pool = self._pool_to_see(spelled)
        folder = (
            data_folder() / "features" / self._digest[:16] / (_label(spelled, identity) + (f"-pool-{pool.key}" if pool else ""))
        )

        def write(aside: Path) -> None:
            encoder: Encoder = self._catalogue.encoder(spelled).make()
            cohort = self._load().only({modality}).blind()
            if pool is None:
                features = encoder.encode(cohort)
            else:
                learner = cast(PretrainedEncoder, encoder)
                features = learner.encode(cohort, _pretrained(learner, pool, modality, spelled, identity))
            _write(features, aside, len(cohort), spelled)

        return build_once(folder, write)

    def _pool_to_see(self, spelled: str) -> Pool | None:
        """The pool that an encoder is trained on; None for the others. Raises `BenchmarkError` where there is none."""
        if not is_pretrained_on_pool(spelled, self._catalogue):
            return None
        if self._pool is None:
            raise BenchmarkError(
                f"encoder {spelled} is trained on a dataset's pool, and {self._name} has none: choose another encoder"
            )
        if self._pool.rows is None:
            raise BenchmarkError(
                f"{self._name}: encoder {spelled} is trained on the pool that a split allows: "
                "say which with benchmark.data.features.bound_to_pool(cohort, split.pool)"
            )
        if not len(self._pool.rows):
            raise BenchmarkError(f"{self._name}: the split leaves no case of the pool to train encoder {spelled} on")
        return self._pool


def data_key(cohort: Cohort) -> str:
    """What features are made of: the cohort's content, and what that digest does not cover."""
    return provenance.digest([cohort.content_digest, {part.name: part.undigested(value) for part, value in cohort.contents()}])


def bound_to_pool(cohort: Cohort, rows: Index) -> Cohort:
    """The cohort and its pool, whose pool-trained encoders are trained on the pool's cases at `rows`: those of a split."""

    def bound(view: Cohort) -> Cohort:
        source = view.feature_source
        return replace(view, feature_source=source.bound(rows)) if isinstance(source, FeatureCache) else view

    return replace(bound(cohort), pool=None if cohort.pool is None else bound(cohort.pool))


def is_pretrained_on_pool(spelled: str, catalogue: Catalogue) -> bool:
    """Whether an encoder is trained on the pool of the split."""
    return bool(catalogue.encoder(spelled).entry.constants.get("pretrained_on_pool", False))


def _label(spelled: str, identity: str) -> str:
    """A folder's name for an encoder; a spelling with a path in it may be longer than a file name can be."""
    return f"{safe(spelled)[:100]}-{identity[:16]}"


def _pretrained(encoder: PretrainedEncoder, pool: Pool, modality: str, spelled: str, identity: str) -> Weights:
    """The encoder's weights after pre-training on the pool, trained where that was not done yet."""
    folder = data_folder() / "features" / pool.digest[:16] / f"{_label(spelled, identity)}-trained-{pool.key}"

    def write(aside: Path) -> None:
        view = pool.load().only({modality}).blind()
        _write_arrays(encoder.pretrain(view if pool.rows is None else view.take(pool.rows)), aside)

    build_once(folder, write)
    check_sealed(folder, "`clean --features --yes`")
    return {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}


def encoder_identity(spelled: str, modality: str, catalogue: Catalogue) -> str:
    """Digest of an encoder: its name and parameters, its code, its libraries and its weights.

    Raises `BenchmarkError` where the encoder is of another modality or its weights are missing.
    """
    configured = catalogue.encoder(spelled)
    if configured.card.modality != modality:
        whole = [entry.name for entry in catalogue.encoders if entry.error is None and entry.card.modality == modality]
        raise UnknownNameError(f"{modality} encoder", spelled, whole)
    path, weights = configured.entry.path, configured.make().weights_digest()
    return provenance.digest([spelled, provenance.code_digest(path), provenance.library_versions(path), weights])


def weights_digest(path: Path) -> str:
    """sha256 of a weights file, remembered by path, size and time of change."""
    memory = data_folder() / "features" / "weights.json"
    stat = path.stat()
    key = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    known: dict[str, str] = json.loads(memory.read_text("utf-8")) if memory.is_file() else {}
    if key not in known:
        known[key] = provenance.file_digest(path)
        write_durably(memory, json.dumps(known, indent=1).encode())
    return known[key]


def _write(features: Features, folder: Path, cases: int, spelled: str) -> None:
    arrays = {
        "tokens": features.tokens.astype(np.float16),
        "mask": features.mask,
        "pooled": features.pooled.astype(np.float32),
        **({} if features.lesion_share is None else {"lesion_share": features.lesion_share}),
    }
    for name, array in arrays.items():
        if len(array) != cases:
            raise BenchmarkError(f"encoder {spelled}: {name} has {len(array)} rows for {cases} cases")
    _write_arrays(arrays, folder)
    (folder / "features.json").write_text(json.dumps({"grid": features.grid}), encoding="utf-8")


def _write_arrays(arrays: Weights, folder: Path) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def _read(folder: Path) -> Features:
    check_sealed(folder, "`clean --features --yes`")
    arrays = {path.stem: mapped(path) for path in folder.glob("*.npy")}
    grid = json.loads((folder / "features.json").read_text("utf-8"))["grid"]
    return Features(**arrays, grid=None if grid is None else tuple(grid))
