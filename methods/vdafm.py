"""VDAFM: vision-guided dual alignment fusion, the proposed model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from benchmark import Batch, BenchmarkError, Cohort, NeuralMethod, Output, Shapes, UnknownNameError, register_method
from benchmark.learning.layers.losses import info_nce, misalignment
from benchmark.learning.layers.perceptron import Dropout, perceptron, widths


@register_method(
    "vdafm",
    family="proposed",
    reference="VDAFM, arXiv 2605.14710, equations 5-16",
    differences="image and text vectors come from the suite's encoders (the paper: MedicalNet, BioBERT); learning rate 5e-4 "
    "as in all neural rows here (the paper: 1e-4); [A] perceivers of two maps of d with ReLU and dropout 0.5, post-norm "
    "encoder, its dropout 0.1 and feed-forward width 2d, ReLU between the two FC, fused vector of 16 before the table joins, "
    "one hidden layer of d with dropout 0.5 in the classifier, temperature 0.07, 0.95^epoch counted from 0, batch 64, the "
    "checkpoint of the highest validation AUC from the end of the warm-up on (`checkpoint=auc`: from the first epoch on); one "
    "draft on each of four topics in place of the five prompts (an NIHSS cannot be measured on a mask), one drawn per epoch "
    "[A] and the mean embedding of all at prediction [A] (`reports=wording`: drafts on all topics that differ in words); "
    "semantic loss as in equations 9-12, without negatives (`semantic=infonce` for the prose's 'contrastive'); in training, "
    "blends that share a case with a pair (MixUp) and copies that share its image and text (SMOTE) stand among the negatives "
    "of the contrastive loss; `image`, `text` and `table=constant` are zero in training (but for the noise of SD 0.01 that "
    "all inputs get) and prediction, and keep both extra losses; `zeroed` is zero at prediction alone; `modalities` retrains "
    "without the others, and without either of image and text there are no extra losses",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "modalities": {
            "text": {"text"},
            "image": {"image"},
            "table": {"table"},
            "text+image": {"image", "text"},
            "text+table": {"table", "text"},
            "image+table": {"image", "table"},
        },
        "zeroed": {
            "image+table": {"image", "table", "text"},
            "table+text": {"image", "table", "text"},
            "image+text": {"image", "table", "text"},
            "table": {"image", "table", "text"},
            "image": {"image", "table", "text"},
            "text": {"image", "table", "text"},
        },
        "image": {"permuted": set(), "constant": set()},
        "text": {"permuted": set(), "constant": set()},
        "reports": {"wording": set()},
        "table": {"constant": set()},
        "checkpoint": {"auc": set()},
    },
)
@dataclass
class VDAFM(NeuralMethod):
    """Loss: L_cls + lambda_semantic L_sem + lambda_contrastive 0.95^epoch L_con.

    reports : the set of report drafts: one for each topic where the cohort has such, as the source paper has prompts.
    hidden : widths of the two dimension reductions; the last is the model's width d.
    layers, heads : of the joint encoder over the two tokens; without layers the tokens stay as they are.
    dropout : of the dimension reductions and the classifier.
    fused : width of the fused vector that joins the table.
    semantic : "cosine" as in the equations, or "infonce".
    zeroed : modalities, joined by "+", whose inputs are zero at prediction (one reading of the paper's ablation;
        `image=constant` and its like are the other): the training mean of numbers and vectors, no category of the table.
    modalities : says which modalities a variant is retrained with; its views hold no others.
    """

    evaluation_only = ("zeroed",)
    hidden: str = "512:256"
    layers: int = 1
    heads: int = 16
    dropout: float = 0.5
    temperature: float = 0.07
    lambda_semantic: float = 0.02
    lambda_contrastive: float = 0.2
    decay: float = 0.95
    semantic: str = "cosine"
    fused: int = 16
    zeroed: str = ""
    modalities: str = "image+table+text"
    reports: str = "topics"

    def __post_init__(self) -> None:
        """Refuse what the options cannot mean. Raises `BenchmarkError`."""
        known, used = {"image", "table", "text"}, self.modalities.split("+")
        for field, names in (("modalities", used), ("zeroed", self.zeroed.split("+") if self.zeroed else [])):
            for name in names:
                if name not in known or names.count(name) > 1:
                    raise BenchmarkError(f"vdafm: {field}={'+'.join(names)}: join some of image, table and text by +")
        if self.zeroed and set(used) != known:
            raise BenchmarkError("vdafm: zeroed is of the full model: leave out modalities")
        if self.semantic not in ("cosine", "infonce"):
            raise UnknownNameError("semantic loss", self.semantic, ("cosine", "infonce"))

    def search_space(self) -> dict[str, list[object]]:
        """The source paper's sensitivity grid; the steps of both lambdas and of dropout, and the learning rate, are [A]."""
        return {
            "layers": [1, 2, 3],
            "heads": [4, 8, 16, 32],
            "lambda_contrastive": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
            "lambda_semantic": [0.0, 0.02, 0.04, 0.06, 0.08, 0.1],
            "hidden": ["128:64", "256:128", "512:256", "512:512"],
            "dropout": [0.3, 0.4, 0.5, 0.6, 0.7],
            "learning_rate": [1e-4, 2e-4, 5e-4, 1e-3],
        }

    def module(self, shapes: Shapes) -> nn.Module:
        """The network of the paper's figure 2. Raises `BenchmarkError` where the views hold other modalities than are named."""
        sizes = {"image": shapes.image, "table": shapes.table, "text": shapes.text}
        held = {name for name, size in sizes.items() if size is not None}
        if held != set(self.modalities.split("+")):
            raise BenchmarkError(f"vdafm: modalities={self.modalities}, but it was given {'+'.join(sorted(held))}: see `list`")
        return Network(shapes, self)

    def weights(self, epoch: int) -> Mapping[str, float]:
        """The contrastive loss fades (equation 16)."""
        return {"semantic": self.lambda_semantic, "contrastive": self.lambda_contrastive * self.decay**epoch}

    def finish(self, module: nn.Module, train: Batch, validation: Batch) -> dict[str, Any]:
        """Angle and linear CKA between image and text embeddings, before and after the joint encoding (validation cases)."""
        assert isinstance(module, Network)
        if validation.image is None or validation.text is None or self.zeroed:
            return {}
        seen = module.fuse(validation)
        pairs = {"before": (seen.v, seen.t), "after": (seen.v_e, seen.t_e)}
        angles = {f"angle_{when}": round(angle(a, b), 3) for when, (a, b) in pairs.items()}
        return angles | {f"alignment_{when}": round(alignment(a, b), 5) for when, (a, b) in pairs.items()}

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1), (n,)."""
        return self.probabilities(without(self.inputs(cases), self.zeroed))


@dataclass(frozen=True)
class Fusion:
    """Embeddings of a batch, each (b, d), before and after the joint encoding."""

    v: Tensor
    t: Tensor
    v_e: Tensor
    t_e: Tensor


class Network(nn.Module):
    """Dimension reduction, vision-text perceiver, joint encoder, fusion, classifier."""

    def __init__(self, shapes: Shapes, settings: VDAFM) -> None:
        super().__init__()
        self.settings = settings
        hidden = widths(settings.hidden)
        d = hidden[-1]
        self.reduce_image = perceptron([shapes.image.pooled, *hidden], settings.dropout) if shapes.image else None
        self.reduce_text = perceptron([shapes.text.pooled, *hidden], settings.dropout) if shapes.text else None
        self.perceiver = perceptron([d, d, d], settings.dropout)
        layer = nn.TransformerEncoderLayer(d, settings.heads, 2 * d, dropout=0.1, batch_first=True)
        layer.dropout, layer.dropout1, layer.dropout2 = Dropout(0.1), Dropout(0.1), Dropout(0.1)  # as they were, but faster
        encoder = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)
        self.encoder = encoder if settings.layers else nn.Identity()
        self.text_to_vision = perceptron([d, d, d], settings.dropout)
        tokens = sum(part is not None for part in (shapes.image, shapes.text))
        self.fusion = nn.Linear(tokens * d, d) if tokens else None
        self.fused = nn.Linear(d, settings.fused) if tokens else None
        self.classifier = perceptron([settings.fused * (tokens > 0) + (shapes.table or 0), d, 1], settings.dropout)

    def fuse(self, batch: Batch) -> Fusion:
        """Equations 5-8, with both modalities."""
        assert batch.image is not None and batch.text is not None and self.reduce_image and self.reduce_text
        v, t = self.reduce_image(batch.image.pooled), self.reduce_text(batch.text.pooled)
        encoded = self.encoder(torch.stack([self.perceiver(v), t], dim=1))
        return Fusion(v, t, encoded[:, 0], encoded[:, 1])

    def forward(self, batch: Batch) -> Output:
        """Logits (b,) and, with both modalities, the losses `semantic` and `contrastive`."""
        terms: dict[str, Tensor] = {}
        tokens: list[Tensor] = []
        if batch.image is not None and batch.text is not None:
            seen = self.fuse(batch)
            tokens = [seen.v_e, seen.t_e]
            if self.training:
                terms = self._losses(seen)
        elif batch.image is not None and self.reduce_image:
            tokens = [self.encoder(self.perceiver(self.reduce_image(batch.image.pooled))[:, None])[:, 0]]
        elif batch.text is not None and self.reduce_text:
            tokens = [self.encoder(self.reduce_text(batch.text.pooled)[:, None])[:, 0]]
        joined = [] if batch.table is None else [batch.table]
        if tokens and self.fusion is not None and self.fused is not None:
            joined.insert(0, self.fused(torch.relu(self.fusion(torch.cat(tokens, dim=1)))))
        return Output(self.classifier(torch.cat(joined, dim=1)).squeeze(1), terms)

    def _losses(self, seen: Fusion) -> dict[str, Tensor]:
        """Equations 9-15."""
        t_v = self.text_to_vision(seen.t_e)
        temperature = self.settings.temperature
        if self.settings.semantic == "infonce":
            semantic = info_nce(seen.v_e, seen.v, temperature) + info_nce(t_v, seen.t, temperature)
        else:
            semantic = misalignment(seen.v_e, seen.v) + misalignment(t_v, seen.t)
        return {"semantic": semantic, "contrastive": info_nce(seen.v, seen.t, temperature)}


def without(batch: Batch, zeroed: str) -> Batch:
    """The batch with the inputs of these modalities at zero."""
    if not zeroed:
        return batch
    names = zeroed.split("+")
    return Batch(
        torch.zeros_like(batch.table) if batch.table is not None and "table" in names else batch.table,
        batch.image.zeroed() if batch.image is not None and "image" in names else batch.image,
        batch.text.zeroed() if batch.text is not None and "text" in names else batch.text,
    )


def angle(a: Tensor, b: Tensor) -> float:
    """The mean angle between the rows of a and b, (n, d), in degrees."""
    return math.degrees(float(torch.acos(cosine_similarity(a, b, dim=1).clamp(-1, 1)).mean()))


def alignment(a: Tensor, b: Tensor) -> float:
    """Linear centred kernel alignment of a and b, (n, d), in [0, 1] (Kornblith et al. 2019, arXiv 1905.00414)."""
    a, b = (part.double() - part.double().mean(0) for part in (a, b))
    return float((a.T @ b).square().sum() / ((a.T @ a).norm() * (b.T @ b).norm()).clamp(min=1e-12))
