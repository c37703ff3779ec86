"""The space of reports: texts as unit vectors, of the language model after section matching, or of a frozen text encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from benchmark.data.cohort import Cohort
from benchmark.data.features import encoder_identity
from benchmark.data.stages import Arrays
from benchmark.learning.stages import Seen, stage
from benchmark.learning.text_vision.corpora_language import OF_LANGUAGE, Language
from benchmark.learning.text_vision.language import LanguageModel, trained_language
from benchmark.learning.text_vision.matching import match_sections, sections_in, sections_of
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError

ENDS = {"before": 0, "after": -1}


@dataclass(frozen=True, eq=False)
class TextSpace:
    """Where texts lie: vectors of length 1, less the mean of the training reports', of length 1 again [A].

    vectors_of : texts -> (m, d).
    """

    vectors_of: Callable[[Sequence[str]], Tensor]
    centre: Tensor

    def of(self, texts: Sequence[str]) -> Tensor:
        """(m, d). Raises `BenchmarkError` for a text without a word."""
        if not len(texts):
            return self.centre.new_zeros(0, len(self.centre))
        return normalize(normalize(self.vectors_of(texts), dim=1) - self.centre, dim=1)


@dataclass
class ReportSpace(Language):
    """The language model goes on with the reports that a split allows for learning: their sections are matched."""

    @property
    def unencoded(self) -> frozenset[str]:
        """Images are seen and reports are read as they are."""
        return frozenset({"image", "text"})

    def weights_digest(self) -> str:
        """Of the text encoder and its weights; "" where the language model is trained here."""
        return encoder_identity(self.text_encoder, "text", discover()) if self.text_encoder else ""

    @stage(sees={"unlabelled"}, modalities={"text"}, fields=OF_LANGUAGE, after=("language",), seconds=1800.0)
    def matching(self, seen: Seen, seed: int) -> Arrays:
        """Vocabulary and weights after section matching, the mean loss of each epoch, the reports' mean vector, and counts."""
        cases = seen.unlabelled
        drafts = list(chain.from_iterable(cases.reports or ()))
        if not drafts:
            raise BenchmarkError(f"{cases.name}: no case has a report, which this method learns from")
        if self.text_encoder:
            unit = normalize(by_section(self._encoded, drafts), dim=1)
            return {"loss": np.zeros(0), "pairs": np.array(0), "centre": unit.mean(0).numpy()}
        model = self._language_model(list(dict.fromkeys(drafts)), seed)
        pairs = sections_in(drafts)
        loss = match_sections(model, pairs, self.matching_schedule, seed)
        unit = normalize(by_section(model.vectors, drafts), dim=1)
        figures = {"loss": loss, "pairs": np.array(len(pairs)), "centre": unit.mean(0).numpy()}
        return {**figures, **model.as_arrays()}

    @cached_property
    def text_space(self) -> TextSpace:
        """Where texts lie after section matching; it needs the stages alone."""
        arrays = self.stages["matching"]
        centre = torch.from_numpy(arrays["centre"].copy())
        read = self._encoded if self.text_encoder else LanguageModel.from_arrays(arrays, self.text_size).vectors
        return TextSpace(partial(by_section, read), centre)

    def text_vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(m, d) of length 1. Raises `BenchmarkError` for a text without a word."""
        return np.asarray(self.text_space.of(texts).numpy())

    def report_vectors(self, cases: Cohort) -> tuple[Tensor, Tensor]:
        """The mean over each case's drafts, (n, d), and which cases have a draft, (n,) bool; zero where there is none."""
        reports, space = cases.reports or ((),) * len(cases), self.text_space
        owners = torch.tensor([case for case, own in enumerate(reports) for _ in own], dtype=torch.int64)
        drafts = list(chain.from_iterable(reports))
        each = space.of(drafts)
        sums = each.new_zeros(len(cases), each.shape[1]).index_add(0, owners, each)
        counts = torch.bincount(owners, minlength=len(cases))
        return sums / counts.clamp(min=1)[:, None], counts > 0

    def figures(self) -> dict[str, float]:
        """What the stages say of themselves: the perplexity of the language model, first and last, and the losses likewise."""
        curves = {f"{name}_loss": each["loss"] for name, each in self.stages.items()}
        curves["perplexity"] = self.stages["language"]["perplexity"]
        told = {f"{name}_{when}": curve[place] for name, curve in curves.items() if len(curve) for when, place in ENDS.items()}
        return {"pairs": int(self.stages["matching"]["pairs"]), **{name: float(f"{value:.4g}") for name, value in told.items()}}

    def _encoded(self, texts: Sequence[str]) -> Tensor:
        """What the text encoder makes of texts, (m, d)."""
        return encoded(self.text_encoder, texts)

    def _language_model(self, drafts: Sequence[str], seed: int) -> LanguageModel:
        """That of the corpora, or one of these drafts alone."""
        if self.corpora:
            return LanguageModel.from_arrays(self.stages["language"], self.text_size)
        return trained_language(drafts, self.vocabulary, self.text_size, self.language_schedule, seed)[0]


def by_section(read: Callable[[Sequence[str]], Tensor], texts: Sequence[str]) -> Tensor:
    """The vectors of texts, (m, d): of one with both sections the sum of theirs, each of length 1, as they were matched [A].

    read : texts -> (m, d), by a language model or a text encoder.
    """
    sections = [sections_of(text) for text in texts]
    first = [text if own is None else own.findings for text, own in zip(texts, sections, strict=True)]
    second = [text if own is None else own.summary for text, own in zip(texts, sections, strict=True)]
    findings, summaries = torch.split(read([*first, *second]), len(texts))
    return normalize(findings, dim=1) + normalize(summaries, dim=1)


def encoded(encoder: str, texts: Sequence[str]) -> Tensor:
    """What a frozen text encoder makes of texts, (m, d). Raises `BenchmarkError` where it is not there, or for no word."""
    if wordless := [place for place, text in enumerate(texts) if not text.strip()]:
        raise BenchmarkError(f"text {wordless[0] + 1} of {len(texts)} holds no word, and so has no vector")
    distinct = sorted(set(texts))
    ids = np.array([f"{number:06d}" for number in range(len(distinct))])
    cohort = Cohort("texts", ids, reports=tuple((text,) for text in distinct))
    vectors = torch.from_numpy(discover().encoder(encoder).make().encode(cohort).pooled[:, 0])
    rows = {text: row for row, text in enumerate(distinct)}
    return vectors[[rows[text] for text in texts]]
