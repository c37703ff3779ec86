"""What is trained with labels: heads on frozen embeddings, then encoders and heads on class-balanced batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm

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
    pretrained: Sequence[nn.Module] = (),
) -> tuple[History, dict[str, float]]:
    """Train the module in place, and leave it with the weights of its best epoch, in evaluation mode.

    The best epoch has the highest validation AUC; of several the one of the lowest validation loss, of these the first. The
    weights that it starts from count as epoch 0. Returns the figures of the epochs from 1 on, and what was chosen.

    logits_of(rows, rng) : (b,) of training cases, whose images are altered by `rng`. chances() : what the module gives for the
    validation cases, whose labels are `validation`; smoothing and halves are undone before it is scored. pretrained : parts of
    the module whose batch normalisation keeps the statistics of their pre-training: with those of small batches the heads that
    were fitted before would be worthless. Raises `InvalidTraining` where the loss is no finite number, and for one class.
    """
    rng = np.random.default_rng(seed)
    parameters = [each for each in module.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, recipe.rate, weight_decay=recipe.decay, fused=True)
    targets = labels * (1 - recipe.smoothing) + recipe.smoothing / 2
    history: History = {"loss": [], "validation_auc": [], "validation_loss": []}
    by = log_odds(labels)
    module.eval()
    best, best_score = 0, _scored(validation, shifted(chances(), by))
    kept = deepcopy(module.state_dict())
    norms = norms_of(pretrained)
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        for norm in norms:
            norm.eval()
        total, batches = 0.0, balanced(labels.numpy(), recipe.samples, recipe.batch, rng)
        for rows in batches:
            places = torch.from_numpy(rows)
            loss = binary_cross_entropy_with_logits(logits_of(places, rng), targets[places])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach()) / len(batches)
        if not np.isfinite(total):
            raise InvalidTraining(f"epoch {epoch}: the loss is {total}: lower the learning rate or look at the inputs")
        module.eval()
        score = _scored(validation, shifted(unsmoothed(chances(), recipe.smoothing), by))
        for name, value in (("loss", total), ("validation_auc", -score[0]), ("validation_loss", score[1])):
            history[name].append(float(f"{value:.6g}"))
        if score < best_score:
            best, best_score, kept = epoch, score, deepcopy(module.state_dict())
        elif epoch - best >= recipe.patience:
            break
    module.load_state_dict(kept)
    module.eval()
    reached = {"validation_auc": -best_score[0], "validation_loss": best_score[1]}
    return history, {"best_epoch": best, "epochs": len(history["loss"]), **reached}


def _scored(labels: Tensor, chances: Tensor) -> tuple[float, float]:
    """The lower, the better: by AUC, then by loss, as they are printed."""
    return -float(f"{_auc(labels, chances):.6g}"), float(f"{_log_loss(labels, chances):.6g}")


def balanced(labels: NDArray[np.float32], samples: int, batch: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows of an epoch of `samples` cases, in batches of which half are of either label.

    The cases of a label are gone through, each time in another order, until there are enough: few labels do not mean few steps.
    Raises `InvalidTraining` for one class.
    """
    count = max(round(samples / batch), 1)
    parts = []
    for label in (0, 1):
        cases = np.flatnonzero(labels == label)
        if not len(cases):
            raise InvalidTraining("the training cases are of one class")
        passes = -(-(samples // 2) // len(cases))
        drawn = np.concatenate([rng.permutation(cases) for _ in range(passes)])[: samples // 2]
        parts.append(np.array_split(drawn, count))
    return [np.concatenate(halves) for halves in zip(*parts, strict=True)]


def log_odds(labels: Tensor) -> float:
    """The logarithm of the odds of label 1 among the cases: what a network that learned halves does not know."""
    positive = float(labels.sum())
    return float(np.log(positive / (len(labels) - positive)))


def shifted(chances: Tensor, by: float) -> Tensor:
    """Chances whose log odds are moved by so much (King and Zeng 2001, Political Analysis 9:137): from halves to a share."""
    if not by:
        return chances
    odds = chances.double() * math.exp(by)
    return (odds / (odds + 1 - chances.double())).to(chances)


def norms_of(parts: Iterable[nn.Module]) -> list[_BatchNorm]:
    """The batch normalisations in some modules."""
    return [each for part in parts for each in part.modules() if isinstance(each, _BatchNorm)]


def settle(untrained: Iterable[nn.Module], read: Callable[[], object]) -> None:
    """Give batch normalisations that were never trained the statistics of the cases that `read` sends through the network.

    The network is in evaluation mode before and after.
    """
    norms = norms_of(untrained)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    if norms:
        read()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


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
