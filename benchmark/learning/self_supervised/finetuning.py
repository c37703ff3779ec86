"""What is trained with labels: encoders, in class-stratified epochs with early stopping; or heads on frozen embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.learning.neural.loop import History, _auc, _log_loss
from benchmark.system.errors import InvalidTraining

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Of the regression on frozen embeddings: what the loss of the cases counts against the squares of the weights (C) [A]."""
CONSTANT = 1e-5
"""An embedding whose deviation is a smaller share of its mean tells nothing."""
LEAST = 1e-3
"""What a network that learned smoothed labels can say beyond them lies within so much of 0 and of 1."""


@dataclass(frozen=True)
class Recipe:
    """Epochs of `samples` cases, in batches, by AdamW; training ends `patience` epochs after the best one.

    smoothing : labels 0 and 1 are learned as smoothing / 2 and 1 - smoothing / 2.
    """

    epochs: int
    samples: int
    patience: int
    batch: int
    rate: float
    decay: float
    smoothing: float = 0.0


def finetune(
    module: nn.Module,
    logits_of: Callable[[Tensor, np.random.Generator], Tensor],
    labels: Tensor,
    chances: Callable[[], Tensor],
    validation: Tensor,
    recipe: Recipe,
    seed: int,
) -> History:
    """Train the module in place, and leave it with the weights of its best epoch, in evaluation mode.

    The best epoch has the highest validation AUC; of several the one of the lowest validation loss.

    logits_of(rows, rng) : (b,) of training cases, whose images are altered by `rng`. chances() : P(label = 1) of the validation
    cases, whose labels are `validation`. Raises `InvalidTraining` where the loss is no finite number.
    """
    rng = np.random.default_rng(seed)
    parameters = [each for each in module.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, recipe.rate, weight_decay=recipe.decay, fused=True)
    targets = labels * (1 - recipe.smoothing) + recipe.smoothing / 2
    history: History = {"loss": [], "validation_auc": [], "validation_loss": []}
    kept, best = deepcopy(module.state_dict()), 0
    for epoch in range(recipe.epochs):
        module.train()
        total, batches = 0.0, stratified(labels.numpy(), recipe.samples, recipe.batch, rng)
        for rows in batches:
            places = torch.from_numpy(rows)
            loss = binary_cross_entropy_with_logits(logits_of(places, rng), targets[places])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach()) / len(batches)
        if not np.isfinite(total):
            raise InvalidTraining(f"epoch {epoch + 1}: the loss is {total}: lower the learning rate or look at the inputs")
        module.eval()
        predicted = chances()
        figures = {
            "loss": total,
            "validation_auc": _auc(validation, predicted),
            "validation_loss": _log_loss(validation, predicted),
        }
        for name, value in figures.items():
            history[name].append(float(f"{value:.6g}"))
        if epoch == best_epoch(history):
            kept, best = deepcopy(module.state_dict()), epoch
        elif epoch - best >= recipe.patience:
            break
    module.load_state_dict(kept)
    module.eval()
    return history


def best_epoch(history: History) -> int:
    """The epoch, counted from 0, of the highest validation AUC; of several the first of the lowest validation loss."""
    scores = [(-auc, loss) for auc, loss in zip(history["validation_auc"], history["validation_loss"], strict=True)]
    return scores.index(min(scores))


def stratified(labels: NDArray[np.float32], samples: int, batch: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows of an epoch: `samples` cases, in batches that hold the classes as the training part does.

    A training part of fewer cases is gone through several times, so that few labels do not mean few steps.
    """
    passes = -(-samples // len(labels))
    mixed = np.concatenate([_mixed(labels, rng) for _ in range(passes)])[:samples]
    return [part for part in np.array_split(mixed, max(round(len(mixed) / batch), 1)) if len(part)]


def _mixed(labels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.intp]:
    """All cases once, in an order of which any stretch holds the classes as the whole does."""
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1)])
    counts = [int((labels == label).sum()) for label in (0, 1)]
    place = np.concatenate([(np.arange(count) + rng.random()) / max(count, 1) for count in counts])
    return np.asarray(order[np.argsort(place, kind="stable")])


def fit_heads(
    heads: Sequence[nn.Linear], seen: Sequence[Tensor], labels: Tensor, unseen: Sequence[Tensor], validation: Tensor
) -> dict[str, float]:
    """Give linear heads, the mean of whose logits counts, the weights of one logistic regression on all their embeddings.

    Embeddings are standardised over the training cases. Of the strengths `STRENGTHS` that one is kept whose validation loss is
    lowest: the optimum is reached, where steps of a given rate need not reach it.

    seen, unseen : the embeddings of training and validation cases, one of (n, width) for each head. Returns what was chosen.
    Raises `InvalidTraining` for embeddings that are no finite numbers, and for one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    values = torch.cat(list(seen), dim=1).double().numpy()
    if not np.isfinite(values).all():
        raise InvalidTraining("the frozen embeddings are no finite numbers: look at the pre-training")
    if len(torch.unique(labels)) < 2:
        raise InvalidTraining("the training cases are of one class")
    scaler.fit(values)
    scaler.scale_[scaler.scale_ < CONSTANT * np.abs(scaler.mean_)] = np.inf  # it is alike in all cases, but for rounding
    learning = scaler.transform(values)
    held_out = scaler.transform(torch.cat(list(unseen), dim=1).double().numpy())
    fits: list[tuple[float, float, float, Any]] = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=2000).fit(learning, labels.numpy())
        chances = torch.from_numpy(model.predict_proba(held_out)[:, 1]).float()
        fits.append((_log_loss(validation, chances), strength, _auc(validation, chances), model))
    loss, strength, auc, model = min(fits, key=lambda fit: fit[:2])
    weights = model.coef_[0] / scaler.scale_
    bias = float(model.intercept_[0] - weights @ scaler.mean_)
    with torch.no_grad():
        parts = torch.split(torch.from_numpy(weights), [each.shape[1] for each in seen])
        for head, part in zip(heads, parts, strict=True):
            head.weight.copy_(len(heads) * part[None])
            head.bias.fill_(bias)
    return {"C": strength, "validation_auc": float(f"{auc:.6g}"), "validation_loss": float(f"{loss:.6g}")}


def unsmoothed(chances: Tensor, smoothing: float) -> Tensor:
    """The chances of a network that learned labels as smoothing / 2 and 1 - smoothing / 2, as those of labels 0 and 1.

    Those beyond what it learned keep their order, within a thousandth of 0 and of 1.
    """
    if not smoothing:
        return chances
    known = [0.0, smoothing / 2, 1 - smoothing / 2, 1.0]
    return torch.from_numpy(np.interp(chances.double().numpy(), known, [0.0, LEAST, 1 - LEAST, 1.0])).to(chances)
