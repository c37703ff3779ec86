"""Cross-attention: image tokens look at the report's sentences and these at the image, then the table joins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.layers.tokens import Attention, TokenProjection, all_see, masked_mean


@register_method(
    "cross-attention",
    family="neural",
    reference="co-attention layer of ViLBERT, Lu et al. 2019, arXiv 1908.02265, figure 2b",
    differences="frozen encoders' tokens in place of detector and BERT, pre-norm layers with a normalisation after each in "
    "place of post-norm ones; [A] one layer each way, no self-attention after it, feed-forward width 2d, width 64 and 2 heads "
    "(`size=paper`: 256 and 8), mean over each modality's tokens, a learned vector per place, a hidden layer of 256, dropout "
    "0.5 after it alone",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={"size": {"paper": set()}},
)
@dataclass
class CrossAttention(NeuralMethod):
    """v' = norm(layer(v to t)), t' = norm(layer(t to v)); [mean v' ; mean t' ; x] -> MLP -> logit.

    width, heads : of attention; hidden : width of the MLP's layer.
    """

    size: str = "small"
    width: int = 64
    heads: int = 2
    hidden: int = 256
    dropout: float = 0.5

    needs_tokens = True

    def __post_init__(self) -> None:
        set_size(self, self.size, width=256, heads=8)

    def module(self, shapes: Shapes) -> nn.Module:
        """Projections, the two layers, the classifier."""
        return Network(shapes, self)


class CrossLayer(nn.Module):
    """Pre-norm transformer layer whose keys and values are the other modality's tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.own_norm, self.other_norm, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, heads)
        self.perceptron = perceptron([width, 2 * width, width], dropout=0)

    def forward(self, own: Tensor, other: Tensor, other_present: Tensor) -> Tensor:
        """The next states of tokens (b, q, d) that look at others (b, k, d), of which (b, k) are there."""
        own = own + self.attention(self.own_norm(own), self.other_norm(other), all_see(other_present))
        states: Tensor = own + self.perceptron(self.norm(own))
        return states


class Network(nn.Module):
    """A layer each way, the mean over the tokens of each modality, and a perceptron that the table joins."""

    def __init__(self, shapes: Shapes, settings: CrossAttention) -> None:
        super().__init__()
        assert shapes.image is not None and shapes.text is not None and shapes.table is not None
        width, dropout = settings.width, settings.dropout
        self.image, self.text = (TokenProjection(shape, width, "all") for shape in (shapes.image, shapes.text))
        self.to_text, self.to_image = (CrossLayer(width, settings.heads) for _ in range(2))
        self.image_norm, self.text_norm = (nn.LayerNorm(width) for _ in range(2))
        self.classifier = perceptron([2 * width + shapes.table, settings.hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.image is not None and batch.text is not None and batch.table is not None
        (v, v_present), (t, t_present) = self.image(batch.image), self.text(batch.text)
        v_t, t_v = self.image_norm(self.to_text(v, t, t_present)), self.text_norm(self.to_image(t, v, v_present))
        pooled = torch.cat([masked_mean(v_t, v_present), masked_mean(t_v, t_present), batch.table], dim=1)
        logits: Tensor = self.classifier(pooled).squeeze(1)
        return logits
