"""The language model of the corpora: a stage that sees no case, and is built once for every dataset, split and row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmark.data.stages import Arrays
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.stages import Seen, stage
from benchmark.learning.text_vision.language import Schedule, Size, trained_language
from benchmark.learning.text_vision.matching import Sections, match_sections

PIECES = 2048
"""In a batch of masked language modelling, padding included."""
PAIRS = 32
"""In a batch of section matching [A]."""
OF_LANGUAGE = (
    *("corpora", "text_encoder", "vocabulary", "size", "text_width", "text_layers", "longest"),
    *("language_epochs", "language_rate", "matching_epochs", "matching_rate"),
)
"""What the language model depends on."""


@dataclass
class Language:
    """A language model of the corpora alone, or in its place a text encoder that is there.

    corpora : whose texts it learns from, joined by "+"; "" for none, it then learns from the split's training reports alone.
    text_encoder : an encoder such as "minilm" in its place; "" for none.
    vocabulary : pieces at most. size : "paper" for the source's widths. text_width, text_layers : of the network.
    longest : pieces that it reads at once. language_epochs, language_rate : of masked language modelling; the rate is for a
        width of 128, and smaller for a wider network in proportion. matching_epochs, matching_rate : of section matching.
    """

    corpora: str = "mtsamples+roco"
    text_encoder: str = ""
    vocabulary: int = 10_000
    size: str = "small"
    text_width: int = 128
    text_layers: int = 4
    longest: int = 128
    language_epochs: int = 4
    language_rate: float = 1e-3
    matching_epochs: int = 10
    matching_rate: float = 5e-4
    stages: Mapping[str, Arrays] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Name -> result of the stage that this row builds on."""

    def __post_init__(self) -> None:
        """Set the sizes. Raises `UnknownNameError` for a size that there is not."""
        set_size(self, self.size, text_width=768, text_layers=12, longest=512)
        if self.text_encoder:
            self.corpora = ""

    @stage(corpora="corpora", fields=OF_LANGUAGE, seconds=7200.0, memory_gib=4.0)
    def language(self, seen: Seen, seed: int) -> Arrays:
        """Vocabulary and weights, the perplexity on held-back documents before training and after each epoch, and losses.

        First the masked language model, then section matching on the documents that have both sections.
        """
        if not self.corpora:
            return {"perplexity": np.zeros(0), "loss": np.zeros(0)}
        corpora = seen.corpora(self.corpora)
        texts = [document.text for corpus in corpora for document in corpus.documents]
        model, perplexities = trained_language(texts, self.vocabulary, self.text_size, self.language_schedule, seed)
        pairs = [Sections(document.findings, document.summary) for corpus in corpora for document in corpus.paired]
        loss = match_sections(model, pairs, self.matching_schedule, seed)
        return {"perplexity": perplexities, "loss": loss, **model.as_arrays()}

    @property
    def text_size(self) -> Size:
        """Of the network."""
        return Size(self.text_width, self.text_layers, self.longest)

    @property
    def language_schedule(self) -> Schedule:
        """Of masked language modelling."""
        return Schedule(self.language_epochs, PIECES, self.language_rate * 128 / self.text_width)

    @property
    def matching_schedule(self) -> Schedule:
        """Of section matching."""
        return Schedule(self.matching_epochs, PAIRS, self.matching_rate)
