"""SparseMM (adapted): a joint transformer whose heads, at prediction, each keep few tokens, the visual ones more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from baselines.joint_transformer import JointTransformer
from baselines.joint_transformer import Network as Backbone
from benchmark import Batch, BenchmarkError, Shapes, UnknownNameError, register_method
from benchmark.learning.layers.tokens import all_see

SCORES = ("visual", "random", "uniform")
MASKED = ("", "visual-heads", "random-heads")
CASES = 256
"""Cases whose attention is computed at once, to bound memory."""


@register_method(
    "sparsemm",
    family="adapted",
    reference="SparseMM (adapted), arXiv 2506.05344",
    differences="kept: visual head scores (on training cases alone), budgets of window, uniform share and share by score, "
    "choice of keys by the last queries' attention, rho 0.1, average pooling over 5 keys; all of it at prediction alone, "
    "without training. Changed: a head's surplus over all tokens goes to the others (the released code drops it); the "
    "backbone is `joint-transformer`, whose CLS stands for the words that a language model writes: it votes, and it reads the "
    "kept tokens. On soop the lesion tokens, the scores' target, come from the mask that the image is. Dropped: language "
    "model, pre-training, faster decoding. [A] window 4, mean budget 0.33 of the tokens, in pooling an absent token counts as "
    "one without attention, tokens of the window see one another both ways, a quarter of the heads silenced by `masked` (the "
    "released scripts: a tenth), lesion tokens are those with any lesion; the backbone's as there",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
    variants={
        "tokens": {"pooled": set()},
        "size": {"paper": set()},
        "scores": {"random": set(), "uniform": set()},
        "masked": {"visual-heads": set(), "random-heads": set()},
    },
)
@dataclass
class SparseMM(JointTransformer):
    """The dense backbone is trained; then heads are scored and budgets set; predictions read the kept tokens alone.

    kept : mean budget as a share of all tokens. window : latest tokens that every head keeps. rho : share of the rest that is
    divided evenly. pool : neighbouring keys over which attention is averaged before the highest are kept.
    scores : "visual", or for controls "random" or "uniform".
    masked : "visual-heads" or "random-heads" instead silences a quarter of the heads in the dense backbone: a control.
    """

    trained_as = "joint-transformer"
    evaluation_only = ("kept", "window", "rho", "pool", "scores", "masked", "masked_share")
    kept: float = 0.33
    window: int = 4
    rho: float = 0.1
    pool: int = 5
    scores: str = "visual"
    masked: str = ""
    masked_share: float = 0.25

    def __post_init__(self) -> None:
        """The paper's sizes where they are asked for, and controls that there are."""
        super().__post_init__()
        for field, value, known in (("scores", self.scores, SCORES), ("masked", self.masked, MASKED)):
            if value not in known:
                raise UnknownNameError(f"value of '{field}'", value, known)
        if self.pool % 2 == 0:
            raise BenchmarkError(
                f"sparsemm: pool={self.pool}: give an odd number, so that a key is the middle of its neighbours"
            )

    def module(self, shapes: Shapes) -> nn.Module:
        """The backbone."""
        return Network(shapes, self)

    def finish(self, module: nn.Module, train: Batch, validation: Batch) -> dict[str, Any]:
        """Score the heads on training cases, and compress; what is kept and how far it moves is seen on validation cases."""
        assert isinstance(module, Network)
        visual = visual_scores(module, train)
        record: dict[str, Any] = {"visual_scores": [round(float(score), 5) for score in visual.flatten()]}
        dense = module(validation)
        if self.masked:
            ranking = visual if self.masked == "visual-heads" else torch.rand(visual.shape)
            module.heads_on = heads_without(ranking, self.masked_share).to(visual.device)
        else:
            scores = {"visual": visual, "random": torch.rand(visual.shape), "uniform": torch.ones(visual.shape)}[self.scores]
            mean = self.kept * module.length
            module.budgets = budgets(scores.flatten().tolist(), mean, self.window, self.rho, module.length)
            record |= {"budgets": module.budgets, "kept_share": round(kept_share(module, validation), 5)}
        moved = (module(validation).sigmoid() - dense.sigmoid()).abs().mean()
        return record | {"moved": round(float(moved), 6)}


class Network(Backbone):
    """The backbone, dense until `budgets` (one per head, layer by layer) or `heads_on` (layers, heads) are set."""

    def __init__(self, shapes: Shapes, settings: SparseMM) -> None:
        super().__init__(shapes, settings)
        self.settings = settings
        self.budgets: list[int] | None = None
        self.heads_on: Tensor | None = None

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,): CLS reads the tokens that each head keeps."""
        states, present = self.sequence(batch)
        dense = all_see(present)
        if self.budgets is None:
            return self.read(batch, states, [dense] * len(self.layers), self.heads_on)
        allowed = [_for_cls(dense, kept) for kept in self.keep(batch)]
        return self.read(batch, states, allowed)

    def keep(self, batch: Batch) -> list[Tensor]:
        """Per layer the tokens that each head keeps, (b, h, n) bool, chosen by the dense backbone's attention."""
        assert self.budgets is not None
        settings, heads = self.settings, len(self.budgets) // len(self.layers)
        present = self.sequence(batch)[1]
        return [
            kept_keys(attention, present, self.budgets[layer * heads : (layer + 1) * heads], settings.window, settings.pool)
            for layer, attention in enumerate(self.attention(batch))
        ]


def _for_cls(dense: Tensor, kept: Tensor) -> Tensor:
    """All tokens see all, as when a prompt is read in; CLS alone, the last, is confined to what is kept: (b, h, n, n) bool."""
    cases, heads, count = kept.shape
    return torch.cat([dense.expand(cases, heads, count - 1, count), kept[:, :, None]], dim=2)


def visual_scores(module: Backbone, cases: Batch) -> Tensor:
    """How often the token that a head's CLS looks at most is one of the lesion, each hit 1 / |lesion tokens|: (layers, heads).

    Any image token counts where no lesion is known.
    """
    total = torch.zeros(())
    for index in torch.split(torch.arange(len(cases)), CASES):
        batch = cases.at(index)
        assert batch.image is not None
        images = module.image.count
        image_present = module.sequence(batch)[1][:, :images]
        share = None if module.image.pooled else batch.image.lesion_share
        lesion = image_present if share is None else image_present & (share > 0)
        target = torch.where(lesion.any(dim=1, keepdim=True), lesion, image_present)
        worth = target / target.sum(dim=1, keepdim=True).clamp(min=1)
        worth = torch.cat([worth, worth.new_zeros(len(index), module.length - images)], dim=1)
        most = torch.stack([weights[:, :, -1].argmax(dim=-1) for weights in module.attention(batch)], dim=1)
        hits = worth[:, None].expand(-1, len(module.layers), -1).gather(2, most)
        total = total + hits.sum(dim=0)
    return total / len(cases)


def budgets(scores: Sequence[float], mean: float, window: int, rho: float, most: int) -> list[int]:
    """Tokens per head: `window`, an even part of the share `rho` of the rest, and of what is left a part by score.

    They sum to `mean` times the number of heads (rounded; at least the window, at most `most` each). What a head has over
    `most` goes to the others by their scores, evenly where all are zero.
    """
    heads = len(scores)
    total = round(min(max(mean, window), most) * heads)
    worth = torch.tensor(scores, dtype=torch.float64)
    rest = total - min(window, most) * heads
    share = min(window, most) + rho * rest / heads + (1 - rho) * rest * _parts(worth)
    while bool((share > most + 1e-9).any()):
        surplus = (share - most).clamp(min=0).sum()
        open_ = share < most - 1e-9
        share = share.clamp(max=most)
        share[open_] += surplus * _parts(worth[open_])
    share = share.clamp(max=most)
    whole = (share + 1e-9).floor()
    largest = torch.argsort(whole - share, stable=True)[: total - int(whole.sum())]
    whole[largest] += 1
    return [int(count) for count in whole]


def _parts(scores: Tensor) -> Tensor:
    """Scores over their sum; even parts where it is zero."""
    return scores / scores.sum() if float(scores.sum()) > 0 else torch.full_like(scores, 1 / max(len(scores), 1))


def kept_keys(attention: Tensor, present: Tensor, budget: Sequence[int], window: int, pool: int) -> Tensor:
    """The tokens that each head keeps, (b, h, n) bool, of those that are there, (b, n).

    The last `window` tokens, and of those before them the ones to which these pay most attention (b, h, n, n), averaged over
    the `window` queries and over `pool` neighbouring keys before the window (SnapKV, Li et al. 2024, arXiv 2404.14469).
    """
    latest = present & (present.flip(1).cumsum(dim=1).flip(1) <= window)
    asking = latest / latest.sum(dim=1, keepdim=True)
    paid = torch.einsum("bq,bhqk->bhk", asking, attention).masked_fill(latest[:, None], 0)
    paid = avg_pool1d(paid, pool, stride=1, padding=pool // 2)
    paid = paid.masked_fill(latest[:, None], torch.inf).masked_fill(~present[:, None], -torch.inf)
    rank = paid.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return (rank < torch.tensor(budget, device=rank.device)[:, None]) & present[:, None]


def kept_share(module: Network, cases: Batch) -> float:
    """The mean share of a case's tokens that a head keeps."""
    shares = []
    for index in torch.split(torch.arange(len(cases)), CASES):
        batch = cases.at(index)
        present = module.sequence(batch)[1].sum(dim=1)
        kept = torch.stack([part.sum(dim=-1).float().mean(dim=1) for part in module.keep(batch)]).mean(dim=0)
        shares.append(kept / present)
    return float(torch.cat(shares).mean())


def heads_without(ranking: Tensor, share: float) -> Tensor:
    """Factors on the heads, 0 for the share of them that ranks highest (at least one), else 1: (layers, heads)."""
    count = max(1, round(share * ranking.numel()))
    on = torch.ones(ranking.numel())
    on[torch.argsort(ranking.flatten(), descending=True, stable=True)[:count]] = 0
    return on.view(ranking.shape)
