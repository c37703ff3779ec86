"""Specimens: small made cohorts of several shapes, on which `check` tries a method; never clinical evidence.

A plug-in file like a user's own: conformance hands its path to discovery, so that specimens are prepared, encoded and
sealed by the same code as every dataset, and no list or suite shows them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import LESION_VOLUME, MODALITIES, Atlas, Cohort, Features, ImageView
from benchmark.data.sources import Sources
from benchmark.registry.cards import register_dataset, register_encoder
from benchmark.system.errors import BenchmarkError, UnknownNameError

SHAPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "complete": frozenset(MODALITIES),
        "table-only": frozenset({"table"}),
        "no-text": frozenset({"image", "table"}),
        "one-site": frozenset(MODALITIES),
        "missing-modalities": frozenset(MODALITIES),
    }
)
"""Shape -> the modalities that a specimen of it has."""

CASES, POOL = 72, 10
SITES = ("East", "North", "West")
TERRITORIES = ("ACA left", "ACA right", "MCA left", "MCA right")
GRID, VOXEL_MM = 8, 8.0
WORDS = 16


@register_dataset(
    "specimen",
    title="Specimen",
    source="generated from a fixed seed",
    license="Apache-2.0",
    citation="none",
    label="made of the same latent severity as every modality, and noise",
    label_time="never",
    positive="good outcome (made)",
    negative="poor outcome (made)",
    site="hospital",
    inputs={"table": "two numbers, two categories", "image": "mask, FLAIR, four territories", "text": "one draft or two"},
    barred={},
    scope="Made for checks of methods; never clinical evidence.",
    modalities={"image", "table", "text"},
    cases=72,
    sites=3,
)
@dataclass(frozen=True)
class Specimen:
    """72 labelled cases and a pool of 10, always the same; every modality tells something of the label.

    shape : one of `SHAPES`.
    permuted : modalities, joined by "+", that are dealt anew among the cases and so tell nothing of the label.
    """

    shape: str = "complete"
    permuted: str = ""

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory. Raises `UnknownNameError` for a shape or modality that there is not."""
        if self.shape not in SHAPES:
            raise UnknownNameError("shape", self.shape, SHAPES)
        rng = np.random.default_rng(20)
        severity = rng.normal(size=CASES + POOL)
        labels = (severity + 0.5 * rng.normal(size=CASES + POOL) < 0).astype(np.int8)
        everyone = self._cohort(severity, rng)
        for modality in filter(None, self.permuted.split("+")):
            everyone = permuted(everyone, modality)
        labelled, pool = everyone.take(np.arange(CASES)), everyone.take(np.arange(CASES, CASES + POOL))
        return replace(labelled, labels=labels[:CASES], pool=replace(pool, encoders={}), rows=None)

    def _cohort(self, severity: NDArray[np.float64], rng: np.random.Generator) -> Cohort:
        """Every modality of the shape, without labels, (n,) severities."""
        n = len(severity)
        case = np.arange(n)
        whole = self.shape != "missing-modalities"
        image_there = np.full(n, whole) | (case % 6 != 0)
        table_there = np.full(n, whole) | (case % 6 != 3)
        lesions = _lesions(severity, rng)
        lesions[~image_there] = 0
        derived = _derived(lesions).mask(pd.Series(~image_there))
        ids = np.array([f"specimen-{i:03d}" for i in case])
        cohort = Cohort(
            name="specimen",
            case_ids=ids,
            sites=np.array([SITES[0 if self.shape == "one-site" else i % len(SITES)] for i in case]),
            groups=np.char.replace(ids, "specimen", "patient"),
            table=_table(severity, table_there, rng),
            reports=tuple(_drafts(row, i) if image_there[i] else () for i, row in enumerate(_rows(derived))),
            images={
                "mask": ImageView(lesions * np.uint8(255), scale=1 / 255),
                "flair": ImageView(_flair(lesions, rng) * image_there[:, None, None, None, None], scale=1 / 255),
            },
            derived=derived,
            present={"image": image_there, "table": table_there, "text": image_there},
            atlas=Atlas(_atlas(), TERRITORIES, VOXEL_MM),
            encoders={"image": "territories", "text": "specimen-words"},
            source_digest="specimen v1",
        )
        return cohort.only(SHAPES[self.shape])


@register_encoder("specimen-words", modality="text", reference="counts of hashed words", weights="none")
@dataclass(frozen=True)
class SpecimenWords:
    """Bag of words of each sentence: tokens (n, drafts, sentences, 16); pooled (n, drafts, 16) their mean.

    A stand-in for a language model, which would take longer to load than a check takes.
    """

    def weights_digest(self) -> str:
        """There are no weights."""
        return ""

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without a draft is masked. Raises `BenchmarkError` without reports."""
        if cohort.reports is None:
            raise BenchmarkError(f"encoder specimen-words: {cohort.name} has no reports")
        sentences = [[re.findall(r"[^.]+", draft) for draft in drafts] for drafts in cohort.reports]
        longest = max((len(draft) for drafts in sentences for draft in drafts), default=0)
        shape = (len(sentences), max(map(len, sentences)), longest)
        tokens, mask = np.zeros((*shape, WORDS), dtype=np.float32), np.zeros(shape, dtype=bool)
        for i, drafts in enumerate(sentences):
            for j, draft in enumerate(drafts):
                mask[i, j, : len(draft)] = True
                for k, sentence in enumerate(draft):
                    for word in re.findall(r"\w+", sentence.lower()):
                        tokens[i, j, k, zlib.crc32(word.encode()) % WORDS] += 1
        pooled = tokens.sum(axis=2) / np.maximum(mask.sum(axis=2), 1)[..., None]
        return Features(tokens, mask, pooled)


def permuted(cohort: Cohort, modality: str) -> Cohort:
    """The cohort with one modality dealt anew among its cases: labels, sites and other modalities stay where they are.

    Raises `UnknownNameError` where the cohort does not hold the modality.
    """
    if modality not in cohort.modalities:
        raise UnknownNameError("modality of the specimen", modality, cohort.modalities)
    dealt = cohort.take(np.random.default_rng(21).permutation(len(cohort)))
    parts: dict[str, Any] = {
        "table": {"table": dealt.table},
        "text": {"reports": dealt.reports},
        "image": {"images": dealt.images, "derived": dealt.derived},
    }
    return replace(cohort, **parts[modality], present={**cohort.present, modality: dealt.present[modality]})


def _atlas() -> NDArray[np.uint8]:
    """Four blocks of the grid: left or right by the first axis, ACA or MCA by the second; the rim belongs to none."""
    x, y, _ = np.indices((GRID, GRID, GRID))
    labels = 1 + (x >= GRID // 2) + 2 * (y >= GRID // 2)
    inside = np.pad(np.ones((GRID - 2,) * 3, dtype=bool), 1)
    return np.where(inside, labels, 0).astype(np.uint8)


def _lesions(severity: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(n, 1, x, y, z) balls, the larger the more severe, around centres drawn at random."""
    centres = rng.uniform(2, GRID - 2, size=(len(severity), 3))
    radii = np.clip(2.2 + 0.7 * severity + 0.2 * rng.normal(size=len(severity)), 0.9, 4)
    voxels = np.moveaxis(np.indices((GRID, GRID, GRID)), 0, -1) + 0.5
    distance = np.linalg.norm(voxels[None] - centres[:, None, None, None], axis=-1)
    lesions: NDArray[np.uint8] = (distance <= radii[:, None, None, None]).astype(np.uint8)[:, None]
    return lesions


def _flair(lesions: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Noise that is brighter within the lesion."""
    return (rng.integers(20, 120, size=lesions.shape) + 100 * lesions).astype(np.uint8)


def _derived(lesions: NDArray[np.uint8]) -> pd.DataFrame:
    """Lesion volume in ml and the damaged fraction of each territory, measured from the masks."""
    atlas = _atlas()
    columns = {LESION_VOLUME: lesions.sum(axis=(1, 2, 3, 4)) * (VOXEL_MM / 10) ** 3}
    for number, name in enumerate(TERRITORIES, start=1):
        columns[name] = lesions[:, 0, atlas == number].mean(axis=1)
    return pd.DataFrame(columns)


def _table(severity: NDArray[np.float64], there: NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    """Two numbers and two categories; some cells are empty, and all of a case without a table."""
    n = len(severity)
    table = pd.DataFrame(
        {
            "age": 70 + 6 * severity + 6 * rng.normal(size=n),
            "nihss": np.clip(np.round(8 + 5 * severity + 2 * rng.normal(size=n)), 0, 42),
            "sex": pd.Categorical(rng.choice(["female", "male"], size=n)),
            "treatment": pd.Categorical(np.where(severity + rng.normal(size=n) > 0.5, "thrombectomy", "lysis")),
        }
    )
    table.loc[np.arange(n) % 11 == 0, "age"] = np.nan
    table.loc[np.arange(n) % 13 == 5, "treatment"] = np.nan
    table.loc[~there] = np.nan
    return table


def _rows(derived: pd.DataFrame) -> list[dict[str, float]]:
    return [{str(name): float(value) for name, value in row.items()} for row in derived.to_dict("records")]


def _drafts(measured: Mapping[str, float], case: int) -> tuple[str, ...]:
    """One draft or two, told from the measured columns."""
    main = max(TERRITORIES, key=lambda name: measured[name])
    size = "large" if measured[LESION_VOLUME] > 25 else "small"
    first = f"A {size} infarct. It lies in the {main} territory."
    second = f"{size.capitalize()} infarct of the {main}, {measured[LESION_VOLUME]:.0f} ml."
    return (first, second) if case % 2 else (first,)
