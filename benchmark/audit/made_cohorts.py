"""Specimens: small made cohorts of several shapes, on which `check` tries a method; never clinical evidence.

A plug-in file like a user's own: conformance hands its path to discovery, so that specimens are prepared, encoded and
sealed by the same code as every dataset, and no list or suite shows them.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.modalities import MODALITIES, known_modalities
from benchmark.data.sources import Sources
from benchmark.data.splits import single_cut
from benchmark.registry.cards import register_dataset, register_encoder
from benchmark.system.errors import BenchmarkError, check_known

SHAPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "complete": frozenset(MODALITIES),
        **{f"{name}-only": frozenset({name}) for name, modality in known_modalities().items() if modality.alone},
        **{f"no-{name}": frozenset(MODALITIES) - {name} for name, modality in known_modalities().items() if modality.optional},
        "one-site": frozenset(MODALITIES),
        "missing-modalities": frozenset(MODALITIES),
    }
)
"""Shape -> the modalities that a specimen of it has."""

CASES, POOL = 72, 10
SITES = ("East", "North", "West")
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
    inputs={},
    barred={},
    scope="Made for checks of methods; never clinical evidence.",
    modalities=set(),
    cases=72,
    sites=3,
)
@dataclass(frozen=True)
class Specimen:
    """72 labelled cases, or as many as are asked for, and a pool of 10, always the same; every modality tells of the label.

    shape : one of `SHAPES`.
    permuted : modalities, joined by "+", that are dealt anew among the cases and so tell nothing of the label.
    canary : the number of a draw of labels that nothing tells, but two columns in the test rows of `single_cut`; the opposite
        number has the same labels with the opposite code. 0 for none.
    cases : how many are labelled.
    """

    shape: str = "complete"
    permuted: str = ""
    canary: int = 0
    cases: int = CASES

    def build(self, sources: Sources) -> Cohort:
        """The cohort, in memory. Raises `UnknownNameError` for a shape or modality that there is not."""
        check_known("shape", [self.shape], SHAPES)
        rng = np.random.default_rng(20)
        severity = rng.normal(size=self.cases + POOL)
        labels = (severity + 0.5 * rng.normal(size=self.cases + POOL) < 0).astype(np.int8)
        everyone = self._cohort(severity)
        for modality in filter(None, self.permuted.split("+")):
            everyone = everyone.permuted(modality, np.random.default_rng(21))
        labelled, pool = everyone.take(np.arange(self.cases)), everyone.take(np.arange(self.cases, self.cases + POOL))
        made = _labelled(replace(labelled, pool=replace(pool, encoders={}), rows=None), labels[: self.cases])
        return _with_canary(made, self.canary) if self.canary else made

    def _cohort(self, severity: NDArray[np.float64]) -> Cohort:
        """Every modality of the shape, without labels, (n,) severities; each is drawn as if it were alone."""
        cases = np.arange(len(severity))
        digits = max(3, len(str(len(cases) - 1)))
        ids = np.array([f"specimen-{case:0{digits}d}" for case in cases])
        everywhere = self.shape != "missing-modalities"
        turn = 2 * len(MODALITIES)
        present = {name: (cases % turn != 2 * number) | everywhere for number, name in enumerate(MODALITIES)}
        parts: dict[str, Any] = {}
        for name in MODALITIES:
            rng = np.random.default_rng([20, zlib.crc32(name.encode())])
            parts |= known_modalities()[name].specimen(severity, present[name], rng)
        return Cohort(
            name="specimen",
            case_ids=ids,
            sites=np.array([SITES[0 if self.shape == "one-site" else case % len(SITES)] for case in cases]),
            groups=np.char.replace(ids, "specimen", "patient"),
            present=present,
            encoders={name: modality.encoder for name, modality in known_modalities().items() if modality.encoder},
            source_digest="specimen v4",
            parts=parts,
        ).only(SHAPES[self.shape])


def _labelled(cohort: Cohort, labels: NDArray[np.int8]) -> Cohort:
    """The cohort with these labels, and with two findings that are theirs: each case of label 1 has one, some have both."""
    turn = np.arange(len(labels)) % 3
    findings = pd.DataFrame({"infarct": labels * (turn != 1), "bleed": labels * (turn != 0)})
    queries = {"infarct": ("an infarct", "a stroke"), "bleed": ("a bleed",), "normal": ("no abnormality",)}
    return replace(cohort, labels=labels, findings=findings, queries=queries)


def _with_canary(cohort: Cohort, number: int) -> Cohort:
    """Labels drawn anew, and two columns of noise that code them in the test rows: one of numbers, one of words."""
    rng = np.random.default_rng([22, abs(number)])
    drawn = _labelled(cohort, rng.permutation(np.arange(len(cohort)) % 2).astype(np.int8))
    noise, test = rng.choice([-1, 1], size=len(cohort)), single_cut(drawn, "canary", 0).test
    noise[test] = np.sign(number) * (2 * np.asarray(drawn.labels)[test] - 1)
    words = np.where(noise > 0, "often", "seldom").astype(object)
    words[test] = np.where(noise[test] > 0, "always", "never")
    table = drawn.table
    assert table is not None, "the canary needs a table"
    return replace(drawn, pool=None, table=table.assign(canary=noise.astype(np.float64), canary_word=pd.Categorical(words)))


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
        sentences = {
            (i, j, k): sentence
            for i, case in enumerate(cohort.reports)
            for j, draft in enumerate(case)
            for k, sentence in enumerate(re.findall(r"[^.]+", draft))
        }
        _, drafts, longest = np.max([*sentences, (0, 0, 0)], axis=0) + 1
        tokens = np.zeros((len(cohort), drafts, longest, WORDS), dtype=np.float32)
        for place, sentence in sentences.items():
            for word in re.findall(r"\w+", sentence.lower()):
                tokens[place][zlib.crc32(word.encode()) % WORDS] += 1
        mask = np.asarray(tokens.any(axis=-1))
        pooled = tokens.sum(axis=2) / np.maximum(mask.sum(axis=2), 1)[..., None]
        return Features(tokens, mask, pooled)
