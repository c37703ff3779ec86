"""What is trained on top of encoders with labels: class-stratified epochs, early stopping on the validation AUC."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark.learning.neural.loop import History, _auc, _log_loss
from benchmark.system.errors import InvalidTraining


@dataclass(frozen=True)
class Recipe:
    """Epochs of at most `samples` cases, in batches, by AdamW; training ends `patience` epochs after the best one.

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
        if epoch == 0 or history["validation_auc"][epoch] > history["validation_auc"][best]:
            kept, best = deepcopy(module.state_dict()), epoch
        elif epoch - best >= recipe.patience:
            break
    module.load_state_dict(kept)
    module.eval()
    return history


def stratified(labels: NDArray[np.float32], samples: int, batch: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows of an epoch: at most `samples` cases, in batches that hold the classes as the training part does."""
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in (0, 1)])
    # Cases of each class spread evenly along [0, 1): any stretch holds the classes as the whole does.
    counts = [int((labels == label).sum()) for label in (0, 1)]
    place = np.concatenate([(np.arange(count) + rng.random()) / max(count, 1) for count in counts])
    mixed = order[np.argsort(place, kind="stable")][:samples]
    return [part for part in np.array_split(mixed, max(round(len(mixed) / batch), 1)) if len(part)]
