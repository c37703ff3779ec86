"""Reports as vectors of a frozen text model: one for each sentence, and one for each draft."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.data.parts import Bools, Floats
from benchmark.system.errors import BenchmarkError
from benchmark.system.provenance import digest

if TYPE_CHECKING:
    from torch import Tensor

SENTENCE = re.compile(r"(?<=[.!?])\s+")
CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
"""Files of weights, the first kind that there is; large models come in several."""
OTHERS = ("*.json", "*.txt", "*.model")
"""Configuration and tokenizer."""
LAST = 4
"""Layers whose CLS vectors are concatenated."""
Summary = Callable[[Sequence["Tensor"], "Tensor"], "Tensor"]
"""(states of all layers, each (b, t, hidden); attention mask (b, t)) -> (b, d)."""
Texts = Mapping[tuple[int, int], str]
"""(case, draft) -> its text, of the drafts that are not empty."""


class TextEncoder(ABC):
    """A text encoder; each distinct text is encoded once. tokens (n, drafts, sentences, hidden)."""

    name: ClassVar[str]
    batch: ClassVar[int] = 32
    unit: ClassVar[bool] = False
    """Whether sentence vectors are brought to length 1."""
    tokenizer: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Settings of the tokenizer, for a folder without tokenizer_config.json."""

    def weights_digest(self) -> str:
        """Digest of model, configuration and tokenizer. Raises `BenchmarkError` where the model is not on this machine."""
        folder = self.folder()
        files = [*weights_of(folder, self.name), *(path for kind in OTHERS for path in folder.glob(kind))]
        return digest({path.name: weights_digest(path) for path in sorted(files)})

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without report is masked and zero. Raises `BenchmarkError` without reports."""
        reports = cohort.reports
        if reports is None:
            raise BenchmarkError(f"encoder {self.name}: {cohort.name} has no reports")
        texts = {(i, j): draft.strip() for i, case in enumerate(reports) for j, draft in enumerate(case) if draft.strip()}
        sentences = {place: SENTENCE.split(text) for place, text in texts.items()}
        model = TextModel(self)
        vectors = model.vectors((part for parts in sentences.values() for part in parts), unit_mean if self.unit else mean)
        shape = (len(reports), max(map(len, reports), default=0), max(map(len, sentences.values()), default=0))
        tokens, mask = np.zeros((*shape, model.hidden), dtype=np.float32), np.zeros(shape, dtype=bool)
        for place, parts in sentences.items():
            tokens[place][: len(parts)] = [vectors[part] for part in parts]
            mask[place][: len(parts)] = True
        return Features(tokens, mask, self.pooled(model, texts, tokens, mask))

    @abstractmethod
    def folder(self) -> Path:
        """Where the model lies. Raises `BenchmarkError` that says how to get it."""

    @abstractmethod
    def pooled(self, model: TextModel, texts: Texts, tokens: Floats, mask: Bools) -> Floats:
        """(n, drafts, p): a vector of each draft."""


class TextModel:
    """A model as the Hugging Face hub stores it, with its tokenizer, frozen."""

    def __init__(self, encoder: TextEncoder) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        folder, name = encoder.folder(), encoder.name
        weights = weights_of(folder, name)
        logging.disable_progress_bar()
        logging.set_verbosity_error()
        settings = {} if (folder / "tokenizer_config.json").is_file() else encoder.tokenizer
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, **settings)
            model, loading = AutoModel.from_pretrained(
                folder, local_files_only=True, weights_only=True, output_loading_info=True, dtype=torch.float32
            )
        except UnpicklingError as error:
            raise BenchmarkError(f"encoder {name}: {weights[0]} holds more than tensors: it is not loaded") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise BenchmarkError(f"encoder {name}: {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
        # The outputs taken here do not pass through the pooler.
        missing = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
        wrong = missing or sorted(str(key) for key in loading["mismatched_keys"])
        if wrong:
            raise BenchmarkError(
                f"encoder {name}: the weights in {folder} are not those of the model in its {CONFIG}: {len(wrong)} "
                f"parameters are missing or of another shape, {wrong[0]} for one"
            )
        self._model: Any = model.eval()
        self._batch = encoder.batch
        self.hidden = int(model.config.hidden_size)
        self._longest = min(self._tokenizer.model_max_length, model.config.max_position_embeddings)

    def vectors(self, texts: Iterable[str], summary: Summary) -> dict[str, Floats]:
        """Text -> its vector, each distinct text once."""
        import torch

        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        vectors: dict[str, Floats] = {}
        for start in range(0, len(distinct), self._batch):
            some = distinct[start : start + self._batch]
            batch = self._tokenizer(some, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**batch, output_hidden_states=True).hidden_states
                vectors.update(zip(some, summary(states, batch["attention_mask"]).numpy(), strict=True))
        return vectors


def weights_of(folder: Path, encoder: str) -> list[Path]:
    """The files of weights in a model's folder. Raises `BenchmarkError` where there are none."""
    for kind in WEIGHTS:
        if files := sorted(folder.glob(kind)):
            return files
    raise BenchmarkError(
        f"encoder {encoder}: {folder} has neither model.safetensors nor pytorch_model.bin: get the model's weights"
    )


def mean(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """(b, hidden): the mean of the last layer's states under the attention mask."""
    weight = attention.unsqueeze(-1).to(states[-1].dtype)
    return (states[-1] * weight).sum(1) / weight.sum(1)


def unit_mean(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """`mean`, brought to length 1."""
    from torch.nn.functional import normalize

    return normalize(mean(states, attention), dim=1)


def last_cls(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """(b, 4 hidden): the first token's states in the last four layers, the last layer's last."""
    from torch import cat

    return cat([state[:, 0] for state in states[-LAST:]], dim=1)
