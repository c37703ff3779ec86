"""EarthMind (adapted): modality alignment, modality mutual attention and spatial attention prompting on tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmark import Batch, NeuralMethod, Output, Shapes, UnknownNameError, register_method
from benchmark.learning.layers.losses import info_nce
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.layers.tokens import Attention, TokenProjection, TransformerLayer, all_see, with_cls

ALIGNMENTS = ("infonce", "mse")


@register_method(
    "earthmind",
    family="adapted",
    reference="EarthMind (adapted), arXiv 2506.01667 v1",
    differences="kept: modality alignment, modality mutual attention, spatial attention prompting (SAP, weight 0.1; where "
    "images carry lesion masks; on soop that mask is also the image's source). Changed: each modality is resampled to M "
    "learned queries, since scans and words have no pairing; raw image tokens stand beside the gated ones; the gate has a "
    "factor 1/sqrt(d); alignment is symmetric InfoNCE of the resampled tokens' means, temperature 0.1 and weight 0.1, whose "
    "negatives include blends (MixUp) and copies (SMOTE) (the released code: MSE token by token, weight 1; `alignment=mse`: "
    "MSE of the means, weight 0.1); CLS and the table decide. Dropped: language model, segmentation decoder, region encoder, "
    "pre-training. [A] width 64, M 16, one layer, 4 heads (`size=paper`: 256, 32, 1, 8, larger but no paper's), in SAP the "
    "lesion's share of each token as the mask (the released code: whether it has any) and CLS in place of the segmentation "
    "token, feed-forward width 2d, dropout 0.5 in the classifier, a learned vector per place",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "tokens": {"pooled": set()},
        "size": {"paper": set()},
        "alignment": {"mse": set()},
    },
)
@dataclass
class EarthMind(NeuralMethod):
    """Loss: L_cls + lambda_align L_align + lambda_sap L_sap.

    queries : M, tokens to which each modality is resampled. gates : K, learned vectors of the mutual attention.
    alignment : "infonce", or "mse" as in the released code.
    width, layers, heads, size, tokens : as in `joint-transformer`; `size=paper` also sets 32 queries.
    """

    needs_tokens = True
    width: int = 64
    layers: int = 1
    heads: int = 4
    queries: int = 16
    gates: int = 2
    dropout: float = 0.0
    alignment: str = "infonce"
    temperature: float = 0.1
    lambda_align: float = 0.1
    lambda_sap: float = 0.1
    tokens: str = "all"
    size: str = "small"

    def __post_init__(self) -> None:
        """The paper's sizes where they are asked for."""
        set_size(self, self.size, width=256, heads=8, queries=32)
        if self.alignment not in ALIGNMENTS:
            raise UnknownNameError("alignment", self.alignment, ALIGNMENTS)

    def module(self, shapes: Shapes) -> nn.Module:
        """Resampling, mutual attention, transformer, head."""
        return Network(shapes, self)

    def weights(self, epoch: int) -> Mapping[str, float]:
        """Constant weights."""
        return {"alignment": self.lambda_align, "sap": self.lambda_sap}


class Network(nn.Module):
    """[w a ; w b ; image tokens ; CLS] -> transformer -> [CLS ; x] -> MLP, for a, b resampled from image and text."""

    def __init__(self, shapes: Shapes, settings: EarthMind) -> None:
        super().__init__()
        assert shapes.image and shapes.text
        self.settings = settings
        width, heads = settings.width, settings.heads
        self.image = TokenProjection(shapes.image, width, settings.tokens)
        self.text = TokenProjection(shapes.text, width, settings.tokens)
        self.resample_image = Resampler(settings.queries, width, heads)
        self.resample_text = Resampler(settings.queries, width, heads)
        self.gates = nn.Parameter(torch.randn(settings.gates, width))
        self.cls = nn.Parameter(torch.randn(width))
        self.layers = nn.ModuleList(TransformerLayer(width, heads, settings.dropout) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.classifier = perceptron([width + (shapes.table or 0), 64, 1], 0.5)

    def forward(self, batch: Batch) -> Output:
        """Logits (b,) and, in training, the losses `alignment` and, where lesion shares are known, `sap`."""
        assert batch.image and batch.text
        (image, image_present), (text, text_present) = self.image(batch.image), self.text(batch.text)
        a, b = self.resample_image(image, image_present), self.resample_text(text, text_present)
        w = mutual_attention(a, b, self.gates)[..., None]
        everywhere = image_present.new_ones(len(image_present), 2 * a.shape[1])
        states, present = with_cls(
            torch.cat([w * a, w * b, image], dim=1), torch.cat([everywhere, image_present], dim=1), self.cls
        )
        allowed = all_see(present)
        for layer in self.layers[:-1]:
            states = layer(states, allowed)
        last_layer = self.layers[-1]
        assert isinstance(last_layer, TransformerLayer)
        states, attention = last_layer.watched(states, allowed, last=1)
        terms = {}
        if self.training:
            terms["alignment"] = self._alignment(a.mean(dim=1), b.mean(dim=1))
            if batch.image.lesion_share is not None and not self.image.pooled:
                terms["sap"] = spatial_prompt(attention[:, :, 0, 2 * a.shape[1] : -1].mean(dim=1), batch.image.lesion_share)
        table = [] if batch.table is None else [batch.table]
        cls = self.norm(states[:, -1])
        return Output(self.classifier(torch.cat([cls, *table], dim=1)).squeeze(1), terms)

    def _alignment(self, a: Tensor, b: Tensor) -> Tensor:
        return mse_loss(a, b) if self.settings.alignment == "mse" else info_nce(a, b, self.settings.temperature)


class Resampler(nn.Module):
    """M learned queries that each take from all tokens of a modality (pre-norm cross-attention, as a perceiver's)."""

    def __init__(self, queries: int, width: int, heads: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)

    def forward(self, states: Tensor, present: Tensor) -> Tensor:
        """(b, t, d), (b, t) bool -> (b, M, d)."""
        queries = self.queries.expand(len(states), -1, -1)
        resampled: Tensor = queries + self.attention(queries, self.norm(states), all_see(present))
        return resampled


def mutual_attention(a: Tensor, b: Tensor, gates: Tensor) -> Tensor:
    """w_i = sigmoid(sum_k <q_k * a_i, b_i> / sqrt(d)) for a, b (n, M, d) and gates q (K, d): (n, M)."""
    return torch.sigmoid((a * b) @ gates.sum(dim=0) / math.sqrt(a.shape[-1]))


def spatial_prompt(attention: Tensor, lesion: Tensor) -> Tensor:
    """sum_i m_i log(m_i / a_i) for the lesion's shares m, normalised over the tokens, and attention a as it is: (b, t) each.

    Attention to other tokens than these is missing in a, so that looking elsewhere costs too. The mean over the cases with a
    lesion. The released code, too, adds 1e-6 to a.
    """
    total = lesion.sum(dim=1, keepdim=True)
    target = lesion / total.clamp(min=1e-12)
    divergence = (torch.xlogy(target, target) - target * (attention + 1e-6).log()).sum(dim=1)
    lesioned = total[:, 0] > 0
    return (divergence * lesioned).sum() / lesioned.sum().clamp(min=1)
