"""The feature cache: a frozen encoder runs once per cohort, and its features are memory-mapped from disk.

An encoder whose class says `pretrained_on_pool = True` is trained first, on the cases of the pool that a split allows: its
`pretrain(pool)` gives named arrays, which are kept as a stage, and its `encode(cohort, weights)` receives them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np

from benchmark.data.cohort import Cohort, Features
from benchmark.data.contracts import Encoder, PretrainedEncoder
from benchmark.data.modalities.text import TEXT, WORDING, set_to_read
from benchmark.data.parts import Index, mapped
from benchmark.data.stages import Arrays, StageKey, rows_digest
from benchmark.registry.catalogue import Catalogue
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.files import build_once, check_sealed, safe, with_digest, without_digest, write_durably
from benchmark.system.locations import data_folder

PRETRAINING = "pretraining"


@dataclass(frozen=True, eq=False)
class Pool:
    """A dataset's pool, and which of its cases a pool-trained encoder may see: none before a split says so.

    sets : name -> digest of each further set of its reports.
    """

    dataset: str
    digest: str
    load: Callable[[], Cohort]
    sets: Mapping[str, str]
    rows: Index | None = None

    @property
    def key(self) -> str:
        """Digest of the cases to see."""
        return "" if self.rows is None else rows_digest(self.rows)[:16]


class FeatureCache:
    """Features of a cohort by modality, encoder, cases and set of reports; content-addressed by these, weights and pool.

    It holds no cohort: what an encoder has to see is loaded by `load` where features are not cached yet.
    """

    def __init__(self, cohort: Cohort, catalogue: Catalogue, load: Callable[[], Cohort], pool: Pool | None = None) -> None:
        self._name, self._digest, self._encoders = cohort.name, data_key(cohort), dict(cohort.encoders)
        self._catalogue, self._load, self._pool = catalogue, load, pool
        self._sets, self._set = report_digests(cohort), WORDING
        self._held: dict[tuple[str, str, str, str], Features] = {}

    def bound(self, rows: Index) -> FeatureCache:
        """The same cache, whose pool-trained encoders are trained on the pool's cases at `rows`."""
        other = copy(self)
        other._pool = None if self._pool is None else replace(self._pool, rows=rows)
        return other

    def reading(self, name: str) -> FeatureCache:
        """The same cache, whose encoders of text read the named set of reports. Raises `UnknownNameError`."""
        other = copy(self)
        other._set = set_to_read(name, self._sets)
        return other

    def __call__(self, modality: str, encoder: str | None, rows: Index | None, *reports: str) -> Features:
        """The features of the cases at `rows` (all if None); computed and stored where they are not cached yet."""
        if reports:
            return self.reading(*reports)(modality, encoder, rows)
        spelled = encoder or self._encoders.get(modality)
        if spelled is None:
            raise BenchmarkError(f"{self._name}: the dataset names no default encoder of {modality}: name one")
        pool = self._pool.key if self._pool and is_pretrained_on_pool(spelled, self._catalogue) else ""
        key = (modality, spelled, pool, self._read_set(modality))
        if key not in self._held:
            self._held[key] = _read(self._folder(modality, spelled))
        whole = self._held[key]
        return whole if rows is None else whole.take(rows)

    def stage(self, modality: str, spelled: str) -> StageKey | None:
        """The stage in which an encoder is trained on the pool; None for the others. Raises `BenchmarkError` without a pool."""
        pool = self._pool_to_see(spelled)
        if pool is None:
            return None
        identity = encoder_identity(spelled, modality, self._catalogue)
        ingredients = {"data": pool.digest, "encoder": identity, "modality": modality, "seen": {"pool": pool.key}}
        if modality == TEXT and self._set in pool.sets:
            ingredients["reports"] = {self._set: pool.sets[self._set]}
        return StageKey(spelled, PRETRAINING, pool.dataset, ingredients)

    def pretrained(self, modality: str, spelled: str) -> Arrays:
        """The weights of an encoder that is trained on the pool, trained where that was not done yet."""
        stage, pool = self.stage(modality, spelled), self._pool_to_see(spelled)
        assert stage is not None and pool is not None and pool.rows is not None
        if not stage.is_built:
            view = pool.load().reading(self._set).only({modality}).blind().take(pool.rows)
            learner: PretrainedEncoder = self._catalogue.encoder(spelled).make()
            stage.build(lambda: learner.pretrain(view), view.case_ids.tolist())
        return stage.arrays()

    def place(self, modality: str, spelled: str) -> Path:
        """Where the features lie, or will lie. Raises `BenchmarkError` as computing them would."""
        pool = self._pool_to_see(spelled)
        label = _label(spelled, encoder_identity(spelled, modality, self._catalogue))
        read = self._read_set(modality)
        label += (f"-pool-{pool.key}" if pool else "") + (f"-reports-{read}" if read else "")
        return data_folder() / "features" / self._digest[:16] / label

    def _read_set(self, modality: str) -> str:
        """The set of reports that features of the modality are made of, with its digest; empty where it is no further set."""
        return "" if modality != TEXT or self._set == WORDING else f"{self._set}-{self._sets[self._set][:16]}"

    def _folder(self, modality: str, spelled: str) -> Path:
        """The features' folder, filled where it is not there yet."""

        def write(aside: Path) -> None:
            encoder: Encoder = self._catalogue.encoder(spelled).make()
            cohort = self._load().reading(self._set).only({modality}).blind()
            if self._pool_to_see(spelled) is None:
                features = encoder.encode(cohort)
            else:
                features = cast(PretrainedEncoder, encoder).encode(cohort, self.pretrained(modality, spelled))
            _write(features, aside, len(cohort), spelled)

        return build_once(self.place(modality, spelled), write)

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
    """What features are made of: the cohort's content, and what that digest does not cover; further reports have their own."""
    undigested = {part.name: part.undigested(value) for part, value in cohort.contents() if not part.by_name}
    return provenance.digest([cohort.content_digest, undigested])


def report_digests(cohort: Cohort) -> Mapping[str, str]:
    """Name -> digest of each further set of reports, the pool's included."""
    if cohort not in _REPORT_DIGESTS:
        sides = [side.report_sets for side in (cohort, cohort.pool) if side is not None]
        _REPORT_DIGESTS[cohort] = {name: provenance.digest([side.get(name) for side in sides]) for name in cohort.report_sets}
    return _REPORT_DIGESTS[cohort]


_REPORT_DIGESTS: WeakKeyDictionary[Cohort, Mapping[str, str]] = WeakKeyDictionary()


def bound_to_pool(cohort: Cohort, rows: Index) -> Cohort:
    """The cohort and its pool, whose pool-trained encoders are trained on the pool's cases at `rows`: those of a split."""

    def bound(view: Cohort) -> Cohort:
        source = view.feature_source
        return replace(view, feature_source=source.bound(rows)) if isinstance(source, FeatureCache) else view

    return replace(bound(cohort), pool=None if cohort.pool is None else bound(cohort.pool))


def features_of(cohort: Cohort) -> FeatureCache:
    """The feature cache behind a whole cohort. Raises `BenchmarkError` where it has none, or is a method's view."""
    if not isinstance(cohort.feature_source, FeatureCache):
        raise BenchmarkError(f"{cohort.name}: no encoders at hand: use benchmark.data.preparation.load_cohort")
    return cohort.feature_source


def is_pretrained_on_pool(spelled: str, catalogue: Catalogue) -> bool:
    """Whether an encoder is trained on the pool of the split."""
    return bool(catalogue.encoder(spelled).entry.constants.get("pretrained_on_pool", False))


def _label(spelled: str, identity: str) -> str:
    """A folder's name for an encoder; a spelling with a path in it may be longer than a file name can be."""
    return f"{safe(spelled)[:100]}-{identity[:16]}"


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
    known: dict[str, str] = {}
    with suppress(OSError, ValueError):  # of a file that was torn nothing is known
        known = json.loads(without_digest(memory.read_bytes()))
    if key not in known:
        known[key] = provenance.file_digest(path)
        with suppress(BenchmarkError):  # of a folder that cannot be written: it is read again next time
            write_durably(memory, with_digest(json.dumps(known, indent=1).encode()))
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


def _write_arrays(arrays: Arrays, folder: Path) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def _read(folder: Path) -> Features:
    check_sealed(folder, "`clean --features --yes`")
    arrays = {path.stem: mapped(path) for path in folder.glob("*.npy")}
    grid = json.loads((folder / "features.json").read_text("utf-8"))["grid"]
    return Features(**arrays, grid=None if grid is None else tuple(grid))
