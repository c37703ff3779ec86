"""The feature cache: a frozen encoder runs once per cohort, and its features are memory-mapped from disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark import provenance
from benchmark.cohort import Cohort, Features, Index
from benchmark.errors import BenchmarkError, UnknownNameError
from benchmark.folders import check_sealed, seal
from benchmark.locations import data_folder
from benchmark.registry import Catalogue
from benchmark.store import safe


class FeatureCache:
    """Features of a cohort by modality, encoder and cases; content-addressed by cohort, encoder and weights.

    It holds no cohort: what an encoder has to see is loaded by `load` where features are not cached yet.
    """

    def __init__(self, cohort: Cohort, catalogue: Catalogue, load: Callable[[], Cohort]) -> None:
        self._name, self._digest, self._encoders = cohort.name, cohort.content_digest, dict(cohort.encoders)
        self._catalogue, self._load = catalogue, load
        self._held: dict[tuple[str, str], Features] = {}

    def __call__(self, modality: str, encoder: str | None, rows: Index | None) -> Features:
        """The features of the cases at `rows` (all if None); computed and stored where they are not cached yet."""
        spelled = encoder or self._encoders.get(modality)
        if spelled is None:
            raise BenchmarkError(f"{self._name}: the dataset names no default encoder of {modality}: name one")
        key = (modality, spelled)
        if key not in self._held:
            self._held[key] = _read(self._folder(modality, spelled))
        whole = self._held[key]
        return whole if rows is None else whole.take(rows)

    def _folder(self, modality: str, spelled: str) -> Path:
        from filelock import FileLock

        identity = encoder_identity(spelled, modality, self._catalogue)
        parent = data_folder() / "features" / self._digest[:16]
        folder = parent / f"{safe(spelled)}-{identity[:16]}"
        if folder.is_dir():
            return folder
        parent.mkdir(parents=True, exist_ok=True)
        with FileLock(parent / f".{safe(spelled)}.lock"):
            if not folder.is_dir():
                cohort = self._load().only({modality}).blind()
                entry, parameters = self._catalogue.encoders.resolve(spelled)
                _write(entry.configure(parameters).encode(cohort), folder, len(cohort), spelled)
        return folder


def encoder_identity(spelled: str, modality: str, catalogue: Catalogue) -> str:
    """Digest of an encoder: its name and parameters, its code, its libraries and its weights.

    Raises `BenchmarkError` where the encoder is of another modality or its weights are missing.
    """
    entry, parameters = catalogue.encoders.resolve(spelled)
    if entry.error is None and entry.metadata["modality"] != modality:
        of_modality = [other.name for other in catalogue.encoders if other.metadata.get("modality") == modality]
        raise UnknownNameError(f"{modality} encoder", spelled, of_modality)
    encoder = entry.configure(parameters)
    code = provenance.code_digest(entry.path)
    return provenance.digest([spelled, code, provenance.library_versions(entry.path), encoder.weights_digest()])


def weights_digest(path: Path) -> str:
    """sha256 of a weights file, remembered by path, size and time of change."""
    memory = data_folder() / "features" / "weights.json"
    stat = path.stat()
    key = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    known: dict[str, str] = json.loads(memory.read_text("utf-8")) if memory.is_file() else {}
    if key not in known:
        known[key] = provenance.file_digest(path)
        memory.parent.mkdir(parents=True, exist_ok=True)
        aside = memory.with_name(f".weights.{os.getpid()}")
        aside.write_text(json.dumps(known, indent=1), encoding="utf-8")
        aside.replace(memory)
    return known[key]


def _write(features: Features, folder: Path, cases: int, spelled: str) -> None:
    for name in ("tokens", "mask", "pooled"):
        if len(getattr(features, name)) != cases:
            raise BenchmarkError(f"encoder {spelled}: {name} has {len(getattr(features, name))} rows for {cases} cases")
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir()
    try:
        np.save(aside / "tokens.npy", features.tokens.astype(np.float16))
        np.save(aside / "mask.npy", features.mask)
        np.save(aside / "pooled.npy", features.pooled.astype(np.float32))
        if features.lesion_share is not None:
            np.save(aside / "lesion_share.npy", features.lesion_share)
        (aside / "features.json").write_text(json.dumps({"grid": features.grid}), encoding="utf-8")
        seal(aside)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _read(folder: Path) -> Features:
    check_sealed(folder, "`clean --features --yes`")

    def array(name: str) -> Any:
        return np.load(folder / f"{name}.npy", mmap_mode="r")

    grid = json.loads((folder / "features.json").read_text("utf-8"))["grid"]
    share = array("lesion_share") if (folder / "lesion_share.npy").is_file() else None
    return Features(array("tokens"), array("mask"), array("pooled"), None if grid is None else tuple(grid), share)
