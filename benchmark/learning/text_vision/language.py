"""A RoBERTa encoder trained here by masked language modelling (Liu et al. 2019, arXiv 1907.11692), and texts as its vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from benchmark.learning.text_vision.wordpiece import END, MASK, PAD, SPECIAL, START, WordPieces
from benchmark.system.errors import BenchmarkError, InvalidTraining

MASKED, BY_MASK, BY_ANY = 0.15, 0.8, 0.1
"""The share of pieces that are to be guessed; of these the shares in whose place stand the mask, and any piece at random."""
HELD_BACK = 0.02
"""The share of documents on which perplexity is measured."""
HEAD = 64
"""The width of an attention head."""
GROUPS = 3
"""Groups by length in which the windows of a batch are read for their vectors."""
CLIP, WARMUP = 1.0, 0.06
"""The greatest norm of a gradient; the share of steps in which the learning rate rises."""
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Size:
    """Width of the vectors, layers, and the pieces that are read at once."""

    width: int
    layers: int
    longest: int


@dataclass(frozen=True)
class Schedule:
    """Epochs, pieces in a batch, and the highest learning rate of AdamW, which warms up and falls to zero on a line."""

    epochs: int
    pieces: int
    rate: float


class LanguageModel:
    """A vocabulary, and the network that reads its pieces."""

    def __init__(self, pieces: WordPieces, size: Size) -> None:
        self.pieces, self.size = pieces, size
        self.network: Any = _roberta(len(pieces), size)

    def windows(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Stretches of the texts that are read at once, with a start and an end, and the number of each one's text."""
        room = self.size.longest - 2
        cut = [
            (number, [START, *ids[at : at + room], END])
            for number, ids in enumerate(self.pieces.ids(texts))
            for at in range(0, len(ids), room)
        ]
        return [window for _, window in cut], [number for number, _ in cut]

    def states(self, ids: Tensor) -> Tensor:
        """(b, t) -> the last layer's states, (b, t, width); padding is not seen."""
        states: Tensor = self.network.roberta(ids, attention_mask=(ids != PAD).long()).last_hidden_state
        return states

    def pooled(self, texts: Sequence[str]) -> Tensor:
        """Mean pooling: the mean of the last layer's states over all of a text, (n, width).

        A text longer than the network reads at once is read stretch by stretch. Raises `BenchmarkError` for a text without a
        word.
        """
        windows, owners = self.windows(texts)
        if wordless := sorted(set(range(len(texts))) - set(owners)):
            raise BenchmarkError(f"text {wordless[0] + 1} of {len(texts)} holds no word, and so has no vector")
        together, counts = torch.zeros(len(texts), self.size.width), torch.zeros(len(texts))
        for rows in _of_like_length(windows):
            ids, whose = padded([windows[row] for row in rows]), torch.tensor([owners[row] for row in rows])
            there = (ids != PAD).float()
            together = together.index_add(0, whose, (self.states(ids) * there[..., None]).sum(1))
            counts = counts.index_add(0, whose, there.sum(1))
        return together / counts[:, None]

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], batch: int = 64) -> Tensor:
        """`pooled` of many texts, each distinct one once."""
        self.network.eval()
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        rows = {text: row for row, text in enumerate(distinct)}
        parts = [self.pooled(distinct[at : at + batch]) for at in range(0, len(distinct), batch)]
        whole = torch.cat(parts) if parts else torch.zeros(0, self.size.width)
        return whole[[rows[text] for text in texts]]

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Vocabulary and weights."""
        state = {f"state.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        return {"vocabulary": self.pieces.as_array(), **state}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], size: Size) -> LanguageModel:
        """What `as_arrays` gave of a model of this size."""
        model = cls(WordPieces.from_array(arrays["vocabulary"]), size)
        model.network.load_state_dict(
            {name: torch.from_numpy(arrays[f"state.{name}"].copy()) for name in model.network.state_dict()}
        )
        model.network.eval()
        return model


def trained_language(
    texts: Sequence[str], vocabulary: int, size: Size, schedule: Schedule, seed: int
) -> tuple[LanguageModel, NDArray[np.float64]]:
    """A model of these texts, and its perplexity on held-back ones before training and after each epoch.

    The held-back texts enter neither the vocabulary nor the training. Raises `BenchmarkError` for fewer than two texts.
    """
    if len(texts) < 2:
        raise BenchmarkError(f"a language model needs two texts or more, one of them held back, not {len(texts)}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts))
    held = max(round(HELD_BACK * len(texts)), 1)
    back, learnt = ([texts[row] for row in np.sort(part)] for part in (order[:held], order[held:]))
    pieces = WordPieces.trained(learnt, vocabulary)
    torch.manual_seed(seed)
    model = LanguageModel(pieces, size)
    return model, continued(model, learnt, back, schedule, seed)


def continued(
    model: LanguageModel, learnt: Sequence[str], held_back: Sequence[str], schedule: Schedule, seed: int
) -> NDArray[np.float64]:
    """Train a model on further texts, in place; returns the perplexity on held-back ones before and after each epoch.

    Raises `InvalidTraining` where the loss is no finite number.
    """
    rng = np.random.default_rng(seed)
    windows, unseen = (model.windows(part)[0] for part in (learnt, held_back))
    steps = schedule.epochs * len(list(_batches(windows, schedule.pieces, np.random.default_rng(0))))
    optimiser, falling = descent(model.network, schedule.rate, steps)
    figures = [perplexity(model, unseen, schedule.pieces)]
    for epoch in range(schedule.epochs):
        model.network.train()
        total, batches = 0.0, list(_batches(windows, schedule.pieces, rng))
        for rows in batches:
            loss = masked_loss(model, padded([windows[row] for row in rows]), rng).mean()
            step(model.network, optimiser, falling, loss)
            total += float(loss.detach()) / len(batches)
        if not np.isfinite(total):
            raise InvalidTraining(f"language model, epoch {epoch + 1}: the loss is {total}: lower the learning rate")
        figures.append(perplexity(model, unseen, schedule.pieces))
    model.network.eval()
    return np.array(figures)


@torch.no_grad()
def perplexity(model: LanguageModel, windows: Sequence[list[int]], pieces: int) -> float:
    """The exponential of the mean loss over masked pieces, which are always the same ones; NaN without a text."""
    model.network.eval()
    rng = np.random.default_rng(0)
    batches = list(_batches(windows, pieces, rng))
    losses = [masked_loss(model, padded([windows[row] for row in rows]), rng) for rows in batches]
    return float(torch.cat(losses).mean().exp()) if losses else float("nan")


def masked_loss(model: LanguageModel, ids: Tensor, rng: np.random.Generator) -> Tensor:
    """The loss of each piece of the batch that is to be guessed, (k,)."""
    shown, guessed = masked(ids.numpy(), len(model.pieces), rng)
    places = torch.from_numpy(guessed)
    # the vocabulary's scores of the guessed pieces alone: those of all pieces would be half of the work
    scores = model.network.lm_head(model.states(torch.from_numpy(shown))[places])
    return cross_entropy(scores, ids[places], reduction="none")


def masked(ids: Ids, vocabulary: int, rng: np.random.Generator) -> tuple[Ids, NDArray[np.bool_]]:
    """The pieces as they are shown, and which are to be guessed: 15 %, at least one, never a special one.

    Of these 80 % are shown as the mask, 10 % as any other piece at random, 10 % as they are (Devlin et al. 2019).
    """
    drawn = np.where(ids < len(SPECIAL), 2.0, rng.random(ids.shape))
    guessed = drawn < max(MASKED, drawn.min() + 1e-12) if drawn.min() < 1 else np.zeros(ids.shape, dtype=bool)
    fate = rng.random(ids.shape)
    any_piece = rng.integers(len(SPECIAL), vocabulary, size=ids.shape)
    shown = np.where(guessed & (fate < BY_MASK), MASK, ids)
    return np.where(guessed & (fate >= 1 - BY_ANY), any_piece, shown), guessed


def padded(windows: Sequence[Sequence[int]]) -> Tensor:
    """(b, t) of the longest one's length."""
    ids = torch.full((len(windows), max(map(len, windows), default=0)), PAD)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = torch.tensor(window)
    return ids


def _of_like_length(windows: Sequence[Sequence[int]]) -> list[NDArray[np.intp]]:
    """The rows of windows of like length, in a few groups: as one batch, up to half of what is read would be padding."""
    order = np.argsort([len(window) for window in windows], kind="stable")
    return [rows for rows in np.array_split(order, GROUPS) if len(rows)]


def descent(network: nn.Module, rate: float, steps: int) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW, whose rate rises over the first 6 % of the steps and falls on a line to zero."""
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.01, fused=True)
    warm = max(round(WARMUP * steps), 1)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda done: min((done + 1) / warm, max(steps - done, 0) / max(steps - warm, 1))
    )
    return optimiser, falling


def step(network: nn.Module, optimiser: torch.optim.Optimizer, falling: Any, loss: Tensor) -> None:
    """One step down the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    clip_grad_norm_(network.parameters(), CLIP)
    optimiser.step()
    falling.step()


def _batches(windows: Sequence[Sequence[int]], pieces: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """All windows once, those of a length together, at most `pieces` in a batch with its padding; the batches in any order."""
    lengths = np.array([len(window) for window in windows], dtype=np.intp)
    order = np.lexsort((rng.random(len(windows)), lengths))
    batches: list[list[int]] = []
    for row in order:
        if not batches or (len(batches[-1]) + 1) * lengths[row] > pieces:
            batches.append([])
        batches[-1].append(int(row))
    yield from (np.array(batches[number]) for number in rng.permutation(len(batches)))


def _roberta(vocabulary: int, size: Size) -> Any:
    """RoBERTa in these sizes: heads of 64, feed-forward layers of four times the width; no dropout in so few epochs [A]."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    configuration = RobertaConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=max(size.width // HEAD, 1),
        intermediate_size=4 * size.width,
        max_position_embeddings=size.longest + PAD + 1,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        bos_token_id=START,
        pad_token_id=PAD,
        eos_token_id=END,
    )
    return RobertaForMaskedLM(configuration)
