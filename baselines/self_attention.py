"""Self-attention: image tokens and the report's sentences in one sequence, then the table joins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.layers.tokens import TokenProjection, TransformerLayer, all_see, masked_mean


@register_method(
    "self-attention",
    family="neural",
    reference="self-attention over image and text tokens, Vaswani et al. 2017, arXiv 1706.03762",
    differences="MultiTrans, related work of VDAFM (arXiv 2605.14710) and no row of its comparison, joins its inputs "
    "likewise; nothing of it is reproduced. [A] one pre-norm layer and a normalisation after it, width 64 and 2 heads "
    "(`size=paper`: 256 and 8), mean over each modality's tokens (no CLS: that is `joint-transformer`), a learned vector per "
    "place, a hidden layer of 256, dropout 0.5 after it alone",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={"size": {"paper": set()}},
)
@dataclass
class SelfAttention(NeuralMethod):
    """[v' ; t'] = norm(transformer([v ; t])); [mean v' ; mean t' ; x] -> MLP -> logit.

    layers, width, heads : of the transformer; hidden : width of the MLP's layer.
    """

    size: str = "small"
    layers: int = 1
    width: int = 64
    heads: int = 2
    hidden: int = 256
    dropout: float = 0.5

    needs_tokens = True

    def __post_init__(self) -> None:
        set_size(self, self.size, width=256, heads=8)

    def module(self, shapes: Shapes) -> nn.Module:
        """Projections, transformer, classifier."""
        return Network(shapes, self)


class Network(nn.Module):
    """A transformer over both modalities' tokens, the mean over each one's, and a perceptron that the table joins."""

    def __init__(self, shapes: Shapes, settings: SelfAttention) -> None:
        super().__init__()
        assert shapes.image is not None and shapes.text is not None and shapes.table is not None
        width, dropout = settings.width, settings.dropout
        self.image, self.text = (TokenProjection(shape, width, "all") for shape in (shapes.image, shapes.text))
        self.layers = nn.ModuleList(TransformerLayer(width, settings.heads, dropout=0) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(width)
        self.classifier = perceptron([2 * width + shapes.table, settings.hidden, 1], dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        assert batch.image is not None and batch.text is not None and batch.table is not None
        (v, v_present), (t, t_present) = self.image(batch.image), self.text(batch.text)
        states, present = torch.cat([v, t], dim=1), torch.cat([v_present, t_present], dim=1)
        for layer in self.layers:
            states = layer(states, all_see(present))
        v, t = torch.split(self.norm(states), [v.shape[1], t.shape[1]], dim=1)
        pooled = torch.cat([masked_mean(v, v_present), masked_mean(t, t_present), batch.table], dim=1)
        logits: Tensor = self.classifier(pooled).squeeze(1)
        return logits
