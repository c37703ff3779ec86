"""Text encoders of the Hugging Face hub: BioBERT, and any other model by its id or by the folder that holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from benchmark.data.parts import Bools, Floats
from benchmark.learning.encoders._text import CONFIG, LAST, TextEncoder, TextModel, Texts, last_cls
from benchmark.learning.encoders._weights import weights_path
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder

HUB_ID = "dmis-lab/biobert-v1.1"


class _HubText(TextEncoder):
    """What text models of the hub have in common.

    tokens (n, drafts, sentences, hidden): the mean of the last layer's states over each sentence, its first and last token
    included; pooled (n, drafts, 4 hidden): the CLS vectors of the whole draft in the last four layers.
    """

    def pooled(self, model: TextModel, texts: Texts, tokens: Floats, mask: Bools) -> Floats:
        """(n, drafts, 4 hidden)."""
        vectors = model.vectors(texts.values(), last_cls)
        pooled = np.zeros((*mask.shape[:2], LAST * model.hidden), dtype=np.float32)
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
        cached = _cached(self.model)
        if cached is None:
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
