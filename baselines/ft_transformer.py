"""FT-Transformer: each column of the table is a token."""

from __future__ import annotations

from dataclasses import dataclass

from rtdl_revisiting_models import FTTransformer
from torch import Tensor, nn

from benchmark import Batch, NeuralMethod, Shapes, register_method
from benchmark.learning.layers.sizes import set_size


@register_method(
    "ft-transformer",
    family="neural",
    reference="FT-Transformer, Gorishniy et al. 2021, arXiv 2106.11959, by the package `rtdl_revisiting_models` (Apache-2.0)",
    differences="[A] one-hot columns enter as numeric tokens; the package's default of 1 block (`size=paper`: that of 3 "
    "blocks); the loop's optimiser in place of AdamW",
    fit_modalities={"table"},
    predict_modalities={"table"},
    validation="early-stopping",
    variants={"size": {"paper": set()}, "table_features": {"table+derived": {"table", "image"}}},
)
@dataclass
class FTTransformerMethod(NeuralMethod):
    """Column j -> token x_j W_j + b_j; [CLS ; tokens] -> pre-norm transformer -> logit. blocks : of it; they set its width."""

    size: str = "small"
    blocks: int = 1

    def __post_init__(self) -> None:
        set_size(self, self.size, blocks=3)

    def module(self, shapes: Shapes) -> nn.Module:
        """The transformer."""
        return Network(shapes, self.blocks)


class Network(nn.Module):
    """FT-Transformer on the table, in the package's default size for so many blocks."""

    def __init__(self, shapes: Shapes, blocks: int) -> None:
        super().__init__()
        defaults = FTTransformer.get_default_kwargs(blocks)
        self.transformer = FTTransformer(n_cont_features=shapes.table or 0, cat_cardinalities=[], d_out=1, **defaults)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.transformer(batch.table, None).squeeze(1)
        return logits
