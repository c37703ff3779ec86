"""Fresh patients of the law of `synthetic-stroke`, with the features that neural rows see: none is in the benchmark's cohort.

They are drawn once, piece by piece, into a folder; scans are drawn, encoded and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities.image import LESION_VOLUME, ImageView
from benchmark.learning.writers.measurement import measure_voxels, write_reports
from benchmark.registry.catalogue import Catalogue
from datasets.synthetic.admission import admission_table
from datasets.synthetic.brain import ATLAS_NAMES, artery_atlas
from datasets.synthetic.hospitals import HOSPITALS
from datasets.synthetic.patients import CHART, POOL, Patient, draw_patient
from datasets.synthetic.scans import draw_masks, draw_scans

ENCODERS = {"image": "lesion-grid", "text": "minilm"}
CHUNK = 250


@dataclass(frozen=True, eq=False)
class Piece:
    """Some patients: the table, labels (n,), the logits of the known law (n,), and features by modality."""

    table: pd.DataFrame
    labels: NDArray[np.int8]
    logits: NDArray[np.float64]
    features: dict[str, Features]


def piece(start: int, stop: int, seed: int, catalogue: Catalogue, folder: Path) -> Piece:
    """The patients numbered from `start` to `stop` of a seed, drawn where they do not lie in the folder yet."""
    place = folder / f"{seed}-{start}-{stop}"
    if not place.with_suffix(".npz").is_file():
        parts = [_drawn(numbers, seed, catalogue) for numbers in _chunks(start, stop)]
        _write(joined(parts), place)
    return _read(place)


def joined(pieces: Sequence[Piece]) -> Piece:
    """Several pieces as one, in their order."""
    table = pd.concat([part.table for part in pieces], ignore_index=True)
    features = {modality: _joined([part.features[modality] for part in pieces]) for modality in ENCODERS}
    labels, logits = (np.concatenate([getattr(part, name) for part in pieces]) for name in ("labels", "logits"))
    return Piece(table, labels, logits, features)


def cohort_of(patients: Piece) -> Cohort:
    """The patients as a cohort whose features are at hand."""
    n = len(patients.labels)
    ids = np.array([f"case-{number:05d}" for number in range(n)])
    words = [name for name, column in patients.table.items() if not pd.api.types.is_numeric_dtype(column)]
    return Cohort(
        name="synthetic-stroke",
        case_ids=ids,
        labels=patients.labels,
        sites=np.full(n, "any"),
        groups=ids,
        table=patients.table.astype(dict.fromkeys(words, "category")),
        derived=pd.DataFrame({LESION_VOLUME: np.zeros(n)}),
        reports=(("seen as features",),) * n,
        encoders=ENCODERS,
        rows=np.arange(n),
        feature_source=lambda modality, encoder, rows, *reports: patients.features[modality].take(
            np.arange(n) if rows is None else rows
        ),
    )


def _chunks(start: int, stop: int) -> Iterable[range]:
    return (range(first, min(first + CHUNK, stop)) for first in range(start, stop, CHUNK))


def _drawn(numbers: range, seed: int, catalogue: Catalogue) -> Piece:
    patients: list[Patient] = [draw_patient(seed, HOSPITALS[i % len(HOSPITALS)], POOL, i) for i in numbers]
    ids = [f"case-{number:05d}" for number in numbers]
    derived = pd.DataFrame(np.stack([patient.fractions for patient in patients]), columns=list(ATLAS_NAMES))
    derived.insert(0, LESION_VOLUME, [patient.volume_ml for patient in patients])
    findings = [measure_voxels(patient.infarct, artery_atlas()) for patient in patients]
    cohort = Cohort(
        name="synthetic-stroke",
        case_ids=np.array(ids),
        reports=write_reports(ids, findings, seed=seed),
        images={"mask": ImageView(draw_masks(patients), scale=1 / 255), "mri": ImageView(draw_scans(patients), scale=1 / 255)},
        derived=derived,
        atlas=artery_atlas(),
    )
    return Piece(
        admission_table([patient.admission for patient in patients], [patient.generator(CHART) for patient in patients]),
        np.array([patient.good_outcome for patient in patients], dtype=np.int8),
        np.array([patient.terms.logit for patient in patients]),
        {modality: catalogue.encoder(name).make().encode(cohort) for modality, name in ENCODERS.items()},
    )


def _joined(parts: Sequence[Features]) -> Features:
    """Features of several pieces; reports of fewer sentences are filled up with masked ones."""
    tokens = max(part.tokens.shape[2] for part in parts)

    def filled(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.pad(values, [(0, 0), (0, 0), (0, tokens - values.shape[2]), *[(0, 0)] * (values.ndim - 3)])

    shares = [part.lesion_share for part in parts if part.lesion_share is not None]
    return Features(
        np.concatenate([filled(part.tokens) for part in parts]).astype(np.float16),
        np.concatenate([filled(part.mask) for part in parts]).astype(bool),
        np.concatenate([part.pooled for part in parts]),
        parts[0].grid,
        np.concatenate(shares) if shares else None,
    )


def _write(patients: Piece, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    words = dict.fromkeys(patients.table.select_dtypes("category"), "str")
    patients.table.astype(words).to_parquet(place.with_suffix(".parquet"))
    arrays: dict[str, Any] = {"labels": patients.labels, "logits": patients.logits}
    for modality, features in patients.features.items():
        parts = {item.name: getattr(features, item.name) for item in fields(features)}
        arrays |= {f"{modality}.{name}": np.asarray(value) for name, value in parts.items() if value is not None}
    np.savez(place.with_suffix(".npz"), **arrays)


def _read(place: Path) -> Piece:
    with np.load(place.with_suffix(".npz")) as arrays:
        features = {}
        for modality in ENCODERS:
            parts = {name.split(".")[1]: arrays[name] for name in arrays.files if name.startswith(f"{modality}.")}
            grid = tuple(int(length) for length in parts.pop("grid")) if "grid" in parts else None
            features[modality] = Features(**parts, grid=grid)
        table = pd.read_parquet(place.with_suffix(".parquet"))
        return Piece(table, arrays["labels"], arrays["logits"], features)
