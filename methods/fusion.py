"""FUSION (adapted): text-guided image encoding, multi-level connector, latent re-querying, dual-supervised mapping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from benchmark import Batch, BenchmarkError, NeuralMethod, Output, Shapes, register_method
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.layers.tokens import Attention, TokenProjection, TransformerLayer, all_see, masked_mean, with_cls

EDGE = 2
"""Tokens along each axis of a window; without a grid, a window is 2^3 = 8 consecutive tokens [A]."""


@register_method(
    "fusion",
    family="adapted",
    reference="FUSION (adapted), arXiv 2504.09925",
    differences="kept: text-guided image encoding (text hidden from the image in the encoder's first half), multi-level "
    "connector, latent tokens and their windows of the image encoded without text, after connector and v2t, re-queried "
    "between decoder layers, dual-supervised mapping loss token by token. Changed: a transformer over frozen tokens stands "
    "for the vision encoder, one with a CLS for the language model: it reads image tokens and leaves them as the connector "
    "gave them, and latents, text and CLS all see one another (a language model looks back alone); the mean text state is "
    "added to the latents' question (the released code joins the question's last token to it), and latents take what they "
    "attend to without a perceptron; targets of the mapping loss are detached (not in the released code); CLS and the table "
    "decide. Dropped: language model, image crops, three-stage pre-training. [A] width 32, encoder of 3 layers, decoder of 2, "
    "2 heads (`size=paper`: 256, 4, 4, 8), the first of 3 encoder layers is the first half, whose mean lacks the layers' "
    "input (the released code has it), windows of 2 tokens per axis (8 consecutive tokens without a grid), feed-forward width "
    "2d, dropout 0.5 in the classifier, a learned vector per place",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "tokens": {"pooled": set()},
        "size": {"paper": set()},
    },
)
@dataclass
class Fusion(NeuralMethod):
    """Loss: L_cls + lambda_mapping [(1 - cos(text, v2t)) + (1 - cos(vision, t2v(v2t)))].

    encoder_layers : the first half of them (of 3, one) hides the text from the image.
    layers : of the decoder.
    width, heads, size, tokens : as in `joint-transformer`; `size=paper` sets 4 layers each.
    """

    needs_tokens = True
    width: int = 32
    encoder_layers: int = 3
    layers: int = 2
    heads: int = 2
    dropout: float = 0.0
    lambda_mapping: float = 0.1
    tokens: str = "all"
    size: str = "small"

    def __post_init__(self) -> None:
        """The paper's sizes where they are asked for."""
        set_size(self, self.size, width=256, encoder_layers=4, layers=4, heads=8)

    def module(self, shapes: Shapes) -> nn.Module:
        """Encoder, connector, decoder, head."""
        return Network(shapes, self)

    def weights(self, epoch: int) -> Mapping[str, float]:
        """A constant weight."""
        return {"mapping": self.lambda_mapping}


class Network(nn.Module):
    """Two spaces of width d: the encoder's (vision) and the decoder's (text); t2v and v2t map between them."""

    def __init__(self, shapes: Shapes, settings: Fusion) -> None:
        super().__init__()
        assert shapes.image and shapes.text
        width, heads, layers = settings.width, settings.heads, settings.layers
        self.image = TokenProjection(shapes.image, width, settings.tokens)
        self.text = TokenProjection(shapes.text, width, settings.tokens)
        self.t2v = perceptron([width, width, width], 0)
        self.v2t = perceptron([3 * width, width, width], 0)
        self.encoder = Encoder(width, heads, settings.encoder_layers, settings.dropout)
        self.windows = Windows(self.image.count, self.image.grid)
        self.decoder = nn.ModuleList(TransformerLayer(width, heads, settings.dropout) for _ in range(layers))
        self.requeries = nn.ModuleList(Requery(width, heads) for _ in range(layers - 1))
        self.cls = nn.Parameter(torch.randn(width))
        self.norm = nn.LayerNorm(width)
        self.classifier = perceptron([width + (shapes.table or 0), 64, 1], 0.5)

    def forward(self, batch: Batch) -> Output:
        """Logits (b,) and, in training, the loss `mapping`."""
        assert batch.image and batch.text
        (image, image_present), (text, text_present) = self.image(batch.image), self.text(batch.text)
        guided, unguided = (self.v2t(levels) for levels in self.encoder(image, image_present, self.t2v(text), text_present))
        v2t, text_again = guided.split([image.shape[1], text.shape[1]], dim=1)
        cls = self._decoded(unguided, (v2t, image_present), (text, text_present))
        table = [] if batch.table is None else [batch.table]
        logits = self.classifier(torch.cat([cls, *table], dim=1)).squeeze(1)
        if not self.training:
            return Output(logits)
        return Output(
            logits, {"mapping": mapping_loss((text, text_again, text_present), (image, self.t2v(v2t), image_present))}
        )

    def _decoded(self, unguided: Tensor, image: States, text: States) -> Tensor:
        """The CLS (b, d) after the decoder over [image ; latents ; text ; CLS]; between layers the latents ask again.

        unguided : the image in the text's space, encoded without the text; of it the latents are made, and of it they ask.
        """
        (v2t, image_present), (context, text_present) = image, text
        asking, filled = self.windows.pool(unguided, image_present)
        window, inside = self.windows.gather(unguided, image_present)
        own, present = with_cls(torch.cat([asking, context], dim=1), torch.cat([filled, text_present], dim=1), self.cls)
        allowed = all_see(torch.cat([image_present, present], dim=1))
        parts = [filled.shape[1], text_present.shape[1], 1]
        for layer, requery in zip(self.decoder[:-1], self.requeries, strict=True):
            own = layer(torch.cat([v2t, own], dim=1), allowed, last=sum(parts))
            asking, context, cls = own.split(parts, dim=1)
            own = torch.cat([requery(asking, masked_mean(context, text_present), window, inside), context, cls], dim=1)
        decided: Tensor = self.norm(self.decoder[-1](torch.cat([v2t, own], dim=1), allowed, last=1)[:, -1])
        return decided


States = tuple[Tensor, Tensor]
"""Tokens (b, t, d) and which are there (b, t)."""


class Encoder(nn.Module):
    """A transformer over [image ; text]; in the first half of its layers the image does not see the text."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        if layers < 2:
            raise BenchmarkError(f"fusion: encoder_layers={layers}: the encoder has two halves, give 2 or more")
        self.layers = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers))

    def forward(self, image: Tensor, image_present: Tensor, text: Tensor, text_present: Tensor) -> tuple[Tensor, Tensor]:
        """Levels (b, t, 3 d) of all tokens, and those of the image tokens encoded without any text.

        Both encodings have the first half in common, for there the image does not see the text.
        """
        states, present = torch.cat([image, text], dim=1), torch.cat([image_present, text_present], dim=1)
        images, half = image.shape[1], len(self.layers) // 2
        first = outputs_of(self.layers[:half], states, without_guidance(present, images))
        alone = [output[:, :images] for output in first]
        guided = outputs_of(self.layers[half:], first[-1], all_see(present))
        unguided = outputs_of(self.layers[half:], alone[-1], all_see(image_present))
        return levels(first, guided), levels(alone, unguided)


def outputs_of(layers: Iterable[nn.Module], states: Tensor, allowed: Tensor) -> list[Tensor]:
    """What each of the layers gives, one after the other, (b, t, d) each."""
    outputs = []
    for layer in layers:
        states = layer(states, allowed)
        outputs.append(states)
    return outputs


def levels(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """[last ; mean of the first half ; mean of the second half] of the layers' outputs (b, t, d): (b, t, 3 d)."""
    return torch.cat([second[-1], *(torch.stack([*half]).mean(dim=0) for half in (first, second))], dim=-1)


def without_guidance(present: Tensor, images: int) -> Tensor:
    """The image tokens, the first so many, look at image tokens alone; the text at all: (b, t) -> (b, 1, t, t)."""
    count = present.shape[1]
    image = torch.arange(count, device=present.device) < images
    return present[:, None, None] & ~(image[:, None] & ~image)


class Windows(nn.Module):
    """Which tokens lie in which window: blocks of `EDGE` per axis of the grid, or consecutive tokens where there is none."""

    def __init__(self, count: int, grid: tuple[int, ...] | None) -> None:
        super().__init__()
        places = window_places(count, grid)
        self.register_buffer("places", places.clamp(min=0), persistent=False)
        self.register_buffer("filled", places >= 0, persistent=False)
        self.places: Tensor
        self.filled: Tensor

    def gather(self, states: Tensor, present: Tensor) -> States:
        """Tokens by window, (b, windows, size, d), and which are there, (b, windows, size)."""
        return states[:, self.places], present[:, self.places] & self.filled

    def pool(self, states: Tensor, present: Tensor) -> States:
        """The maximum over each window, (b, windows, d), zero where it is empty, and which are not, (b, windows)."""
        window, inside = self.gather(states, present)
        open_ = inside.any(dim=2)
        highest = window.masked_fill(~inside[..., None], -math.inf).amax(dim=2)
        return torch.where(open_[..., None], highest, 0.0), open_


def window_places(count: int, grid: tuple[int, ...] | None) -> Tensor:
    """(windows, size) int64: the tokens of each window, -1 where a window at the edge has fewer."""
    if grid is None or math.prod(grid) != count:
        window = torch.arange(count) // EDGE**3
    else:
        window = torch.zeros(grid, dtype=torch.int64)
        for axis, length in enumerate(grid):
            block = (torch.arange(length) // EDGE).view([-1 if i == axis else 1 for i in range(len(grid))])
            window = window * math.ceil(length / EDGE) + block
        window = window.flatten()
    members = [torch.nonzero(window == number).flatten() for number in range(int(window.max()) + 1)]
    return nn.utils.rnn.pad_sequence(members, batch_first=True, padding_value=-1)


class Requery(nn.Module):
    """Each latent token asks the image tokens of its window anew, with the text in its question."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm, self.norm_window = nn.LayerNorm(width), nn.LayerNorm(width)
        self.condition = nn.Linear(width, width)
        self.attention = Attention(width, heads)

    def forward(self, latents: Tensor, text: Tensor, window: Tensor, inside: Tensor) -> Tensor:
        """Latents (b, w, d), mean text state (b, d), tokens by window (b, w, size, d) -> latents."""
        asking = self.norm(latents) + self.condition(text)[:, None]
        taken = self.attention(
            asking.flatten(0, 1)[:, None], self.norm_window(window).flatten(0, 1), all_see(inside.flatten(0, 1))
        )
        states: Tensor = latents + taken.view_as(latents) * inside.any(dim=2)[..., None]
        return states


def mapping_loss(text: tuple[Tensor, Tensor, Tensor], vision: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """(1 - cos(text, v2t)) + (1 - cos(vision, t2v(v2t))), the mean over the tokens that are there; targets are detached.

    text : tokens in their own space (b, t, d), encoded and mapped back to it, and which are there (b, t); vision likewise.
    """
    return sum((_misalignment(*part) for part in (text, vision)), torch.zeros((), device=text[0].device))


def _misalignment(target: Tensor, mapped: Tensor, present: Tensor) -> Tensor:
    apart = 1 - cosine_similarity(target.detach(), mapped, dim=-1)
    return (apart * present).sum() / present.sum().clamp(min=1)
