"""Text encoders of the Hugging Face hub: BioBERT, and any other model by its id or by the folder that holds it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.data.parts import Floats
from benchmark.learning.encoders._weights import weights_path
from benchmark.learning.encoders.minilm import SENTENCE
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder
from benchmark.system.provenance import digest

BATCH = 32
LAST = 4
"""Layers whose CLS vectors are concatenated."""
CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
"""Files of weights, the first kind that there is; large models come in several."""
OTHERS = ("*.json", "*.txt", "*.model")
"""Configuration and tokenizer."""
Summary = Callable[[Sequence[Tensor], Tensor], Tensor]
"""(states of all layers, each (b, t, hidden); attention mask (b, t)) -> (b, d)."""
HUB_ID = "dmis-lab/biobert-v1.1"
UNUSED = re.compile(r"^pooler\.")
"""Parameters that may be missing: the outputs taken here do not pass through them."""


class _HubText(ABC):
    """What text models of the hub have in common.

    tokens (n, drafts, sentences, hidden): the mean of the last layer's states over each sentence, its first and last token
    included; pooled (n, drafts, 4 hidden): the CLS vectors of the whole draft in the last four layers. Each distinct text is
    encoded once.
    """

    cased = False
    """Whether the vocabulary tells capitals apart, for a folder without tokenizer_config.json."""

    def weights_digest(self) -> str:
        """Digest of model, configuration and tokenizer. Raises `BenchmarkError` where the model is not on this machine."""
        folder = self._folder()
        files = [*weights_of(folder, self._spelled()), *(path for kind in OTHERS for path in folder.glob(kind))]
        return digest({path.name: weights_digest(path) for path in sorted(files)})

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without report is masked and zero. Raises `BenchmarkError` without reports."""
        if cohort.reports is None:
            raise BenchmarkError(f"encoder {self._spelled()}: {cohort.name} has no reports")
        drafts = [[draft.strip() for draft in case] for case in cohort.reports]
        sentences = [[SENTENCE.split(draft) if draft else [] for draft in case] for case in drafts]
        model = _Model(self._spelled(), self._folder(), cased=self.cased)
        whole = model.vectors([draft for case in drafts for draft in case if draft], _last_cls)
        words = model.vectors([sentence for case in sentences for draft in case for sentence in draft], _mean_state)
        longest = max((len(draft) for case in sentences for draft in case), default=0)
        shape = (len(drafts), max(map(len, drafts), default=0))
        tokens = np.zeros((*shape, longest, model.hidden), dtype=np.float32)
        mask = np.zeros((*shape, longest), dtype=bool)
        pooled = np.zeros((*shape, LAST * model.hidden), dtype=np.float32)
        for i, case in enumerate(drafts):
            for j, draft in enumerate(case):
                if draft:
                    parts = sentences[i][j]
                    tokens[i, j, : len(parts)] = [words[part] for part in parts]
                    mask[i, j, : len(parts)] = True
                    pooled[i, j] = whole[draft]
        return Features(tokens, mask, pooled)

    @abstractmethod
    def _spelled(self) -> str: ...

    @abstractmethod
    def _folder(self) -> Path: ...


@register_encoder(
    "biobert",
    modality="text",
    reference="BioBERT v1.1 (Lee et al., Bioinformatics 2020;36:1234), CLS of the last four layers",
    weights="dmis-lab/biobert-v1.1 on the Hugging Face hub; a folder, by default weights/biobert-v1.1 in the data folder",
)
@dataclass(frozen=True)
class BioBert(_HubText):
    """BioBERT v1.1: pooled 3072-d, tokens 768-d.

    weights : the folder with config.json, model.safetensors or pytorch_model.bin, and vocab.txt.
    """

    cased = True
    weights: str = ""

    def _spelled(self) -> str:
        return "biobert"

    def _folder(self) -> Path:
        usual = data_folder() / "weights" / "biobert-v1.1"
        cached = None if self.weights or (usual / CONFIG).is_file() else _cached(HUB_ID)
        source = f"the Hugging Face hub (`hf download {HUB_ID}`)"
        return cached or weights_path("biobert", self.weights, "biobert-v1.1", source, CONFIG)


@register_encoder(
    "hub-text",
    modality="text",
    reference="any text model that transformers' AutoModel loads, CLS of the last four layers",
    weights="hub-text[model=...]: a folder, or the id of a model that was downloaded from the Hugging Face hub",
)
@dataclass(frozen=True)
class HubText(_HubText):
    """Any encoder model of the hub; nothing is downloaded here.

    model : a folder with config.json, weights and tokenizer, or a hub id that `hf download` has fetched; `HF_HOME` is
        honoured.
    """

    model: str = ""

    def _spelled(self) -> str:
        return f"hub-text[model={self.model}]"

    def _folder(self) -> Path:
        if not self.model:
            raise BenchmarkError("encoder hub-text: say which model: hub-text[model=/folder] or hub-text[model=owner/name]")
        folder = Path(self.model).expanduser()
        if (folder / CONFIG).is_file():
            return folder
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", self.model):
            raise BenchmarkError(
                f"encoder hub-text: {folder / CONFIG} is not there: give a folder that holds a model, or a hub id"
            )
        cached = _cached(self.model)
        if cached is None:
            raise BenchmarkError(
                f"encoder hub-text: {self.model} is neither a folder with {CONFIG} nor a model that was downloaded: "
                f"run `hf download {self.model}`"
            )
        return cached


def weights_of(folder: Path, encoder: str) -> list[Path]:
    """The files of weights in a model's folder. Raises `BenchmarkError` where there are none."""
    for kind in WEIGHTS:
        if found := sorted(folder.glob(kind)):
            return found
    raise BenchmarkError(
        f"encoder {encoder}: {folder} has neither model.safetensors nor pytorch_model.bin: get the model's weights"
    )


def _cached(model: str) -> Path | None:
    """The folder of a hub model that was downloaded to this machine; None where it was not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, CONFIG)
    return Path(found).parent if isinstance(found, str) else None


class _Model:
    """A model of the hub with its tokenizer, frozen."""

    def __init__(self, encoder: str, folder: Path, *, cased: bool) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        weights = weights_of(folder, encoder)
        logging.disable_progress_bar()
        before = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            told_there = (folder / "tokenizer_config.json").is_file()
            case: dict[str, Any] = {"do_lower_case": False} if cased and not told_there else {}
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, **case)
            self._model: Any
            self._model, told = AutoModel.from_pretrained(
                folder, local_files_only=True, weights_only=True, output_loading_info=True, dtype=torch.float32
            )
        except UnpicklingError as error:
            raise BenchmarkError(f"encoder {encoder}: {weights[0]} holds more than tensors: it is not loaded") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise BenchmarkError(f"encoder {encoder}: {folder} cannot be loaded: {str(error).splitlines()[0]}") from error
        finally:
            logging.set_verbosity(before)
        lacking = sorted(name for name in told["missing_keys"] if not UNUSED.match(name))
        wrong = lacking or sorted(str(name) for name in told["mismatched_keys"])
        if wrong:
            raise BenchmarkError(
                f"encoder {encoder}: the weights in {folder} are not those of the model in its {CONFIG}: {len(wrong)} "
                f"parameters are missing or of another shape, {wrong[0]} for one"
            )
        self._model.eval()
        self.hidden = int(self._model.config.hidden_size)
        self._longest = min(self._tokenizer.model_max_length, self._model.config.max_position_embeddings)

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str], summary: Summary) -> dict[str, Floats]:
        """Text -> its vector, each distinct text once."""
        known = sorted(set(texts), key=lambda text: (len(text), text))
        found: dict[str, Floats] = {}
        for start in range(0, len(known), BATCH):
            some = known[start : start + BATCH]
            batch = self._tokenizer(some, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
            states = self._model(**batch, output_hidden_states=True).hidden_states
            found.update(zip(some, summary(states, batch["attention_mask"]).numpy(), strict=True))
        return found


def _last_cls(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """(b, 4 hidden): the first token's states in the last four layers, the last layer's last."""
    return torch.cat([state[:, 0] for state in states[-LAST:]], dim=1)


def _mean_state(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """(b, hidden): the mean of the last layer's states under the attention mask."""
    weight = attention.unsqueeze(-1).to(states[-1].dtype)
    return (states[-1] * weight).sum(1) / weight.sum(1)
