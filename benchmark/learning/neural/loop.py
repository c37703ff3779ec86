"""The training loop: epochs of mixed, noisy batches, early stopping on the validation part, best weights restored; RAdam."""

import math
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits
from torch.nn.utils import clip_grad_norm_

from benchmark.learning.neural.inputs import Batch
from benchmark.system.errors import BenchmarkError, InvalidTraining

CHECKPOINTS = ("auc", "auc-after-warmup", "log-loss")
"""Which epoch's weights are kept: that of the highest validation AUC, of all epochs or of those from the end of the warm-up on,
or that of the lowest validation log loss."""
READ = 64
"""Cases whose views are read at once to predict them."""


@dataclass(frozen=True)
class Output:
    """What a module makes of a batch.

    logits (b,), or (b, k) for k members: the loss is then the mean of the members' losses, the probability the mean of their
    probabilities. `terms`: further losses by name, scalars, unweighted (`NeuralMethod.weights` weighs them); a module need not
    compute them outside training.
    """

    logits: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass
class Recipe:
    """The settings of the loop, with the source paper's values (VDAFM, arXiv 2605.14710), the same for every row.

    learning_rate : of RAdam, after `warmup` epochs of linear rise, then half a cosine to the last of `epochs`. The paper's
        1e-4 is too slow for 100 epochs of 7 to 13 steps [A].
    checkpoint : which epoch's weights are kept, one of `CHECKPOINTS` [A] (docs/why-vdafm.md): in the warm-up a network has
        hardly learnt, and may still have the highest validation AUC by luck.
    patience : epochs after the best one so far until training ends.
    batch_size : cases per step [A]. clip : greatest norm of the gradient.
    noise : standard deviation of Gaussian noise on all inputs, in half of the batches.
    mixup : parameter of MixUp's Beta distribution, in half of the batches; 0 for none.
    """

    learning_rate: float = 5e-4
    epochs: int = 100
    patience: int = 30
    warmup: int = 15
    batch_size: int = 64
    clip: float = 1.0
    noise: float = 0.01
    mixup: float = 0.4
    checkpoint: str = "auc-after-warmup"


@dataclass(frozen=True)
class Training:
    """The cases to learn from: `epoch(rng)` gives their inputs with a draft of each drawn, labels (n,) are 0 and 1."""

    epoch: Callable[[np.random.Generator], Batch]
    labels: Tensor
    validation: Batch
    validation_labels: Tensor


class RectifiedAdam(torch.optim.Adam):
    """RAdam (Liu et al. 2020, arXiv 1908.03265), as `torch.optim.RAdam` without weight decay.

    Once the variance of the adaptive rate is tractable (from the sixth step on, with the usual betas), an RAdam step is an Adam
    step whose learning rate is multiplied by the rectification r_t: that step is the fused kernel's. Before, the step is
    momentum alone. It differs from `torch.optim.RAdam` only in where epsilon enters: after the bias correction of the second
    moment, as in Adam, instead of before.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        super().__init__(parameters, lr=learning_rate, betas=betas, fused=True)
        self._taken = 0

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step of all parameters that have a gradient; `closure` is not used."""
        self._taken += 1
        rectification = rectified(self._taken, self.defaults["betas"][1])
        if rectification is None:
            self._unadapted_step()
            return
        given = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] = group["lr"] * rectification
        super().step()
        for group, rate in zip(self.param_groups, given, strict=True):
            group["lr"] = rate

    @torch.no_grad()
    def _unadapted_step(self) -> None:
        """Update both moments, and go along the first alone."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in (each for each in group["params"] if each.grad is not None):
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                    state |= {"exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}
                state["step"] += 1
                state["exp_avg"].lerp_(parameter.grad, 1 - first)
                state["exp_avg_sq"].mul_(second).addcmul_(parameter.grad, parameter.grad, value=1 - second)
                parameter.add_(state["exp_avg"], alpha=-group["lr"] / (1 - first ** int(state["step"])))


def rectified(step: int, beta: float) -> float | None:
    """r_t of the paper's equation for step 1, 2, ...; None where the variance of the adaptive rate is not tractable."""
    longest = 2 / (1 - beta) - 1
    decayed = beta**step
    length = longest - 2 * step * decayed / (1 - decayed)
    if length <= 5:
        return None
    return math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))


History = dict[str, list[float]]


def fit_module(
    module: nn.Module,
    data: Training,
    recipe: Recipe,
    weights: Callable[[int], Mapping[str, float]],
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> History:
    """Train the module in place, and leave it with the weights of its best epoch, in evaluation mode.

    Returns one list per figure, an entry per epoch: `loss` (all terms, weighted), each term unweighted, `validation_auc`,
    `validation_loss` and `learning_rate`. Raises `InvalidTraining` that names the epoch where the loss is no finite number, and
    `BenchmarkError` for another checkpoint than there are.
    """
    if recipe.checkpoint not in CHECKPOINTS:
        raise BenchmarkError(f"checkpoint={recipe.checkpoint}: give one of {', '.join(CHECKPOINTS)}")
    rng = np.random.default_rng(seed)
    optimiser = RectifiedAdam(filter(lambda each: each.requires_grad, module.parameters()), recipe.learning_rate)
    history: History = {}
    kept = deepcopy(module.state_dict())
    for epoch in range(recipe.epochs):
        rate = recipe.learning_rate * rate_factor(epoch, recipe.warmup, recipe.epochs)
        optimiser.param_groups[0]["lr"] = rate
        losses = _epoch(module, data, recipe, weights(epoch), optimiser, rng)
        if not all(map(math.isfinite, losses.values())):
            raise InvalidTraining(
                f"epoch {epoch + 1}: the loss is {losses['loss']}: lower the learning rate or look at the inputs"
            )
        chances = probabilities(module, data.validation)
        if not bool(torch.isfinite(chances).all()):
            raise InvalidTraining(f"epoch {epoch + 1}: a predicted probability is no number: lower the learning rate")
        score = _auc(data.validation_labels, chances)
        loss = _log_loss(data.validation_labels, chances)
        figures = {**losses, "validation_auc": score, "validation_loss": loss, "learning_rate": rate}
        for name, value in figures.items():
            history.setdefault(name, []).append(float(f"{value:.6g}"))
        if on_epoch is not None:
            on_epoch(epoch, score)
        best = best_epoch(history, recipe)
        if best == epoch:
            kept = deepcopy(module.state_dict())
        elif epoch - best >= recipe.patience:
            break
    module.load_state_dict(kept)
    module.eval()
    return history


def best_epoch(history: History, recipe: Recipe) -> int:
    """The epoch, counted from 0, whose weights are kept of those in the history; the last one before any may be."""
    first = min(recipe.warmup, recipe.epochs) - 1 if recipe.checkpoint == "auc-after-warmup" else 0
    scores = np.array(history["validation_auc"])
    if recipe.checkpoint == "log-loss":
        scores = -np.array(history["validation_loss"])
    first = min(max(first, 0), len(scores) - 1)
    return first + int(scores[first:].argmax())


def probabilities(module: nn.Module, cases: Batch) -> Tensor:
    """P(label = 1) of each case, (n,) float32 on the CPU."""
    module.eval()
    with torch.inference_mode():
        logits = [as_output(module(some)).logits for some in cases.portions(READ)]
        chances = torch.sigmoid(torch.cat(logits))
    return (chances.mean(1) if chances.ndim == 2 else chances).cpu()


def as_output(result: Output | Tensor) -> Output:
    """What a module gave, as an `Output`: plain logits are one without terms."""
    return result if isinstance(result, Output) else Output(result)


def rate_factor(epoch: int, warmup: int, epochs: int) -> float:
    """Linear from 1/warmup to 1 over the first epochs, then half a cosine down to near 0 at the last."""
    if epoch < warmup:
        return (epoch + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(epochs - warmup, 1)))


def _epoch(
    module: nn.Module,
    data: Training,
    recipe: Recipe,
    weights: Mapping[str, float],
    optimiser: RectifiedAdam,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One pass over the training cases, in batches as equal as can be; the mean of each loss over its batches."""
    module.train()
    inputs = data.epoch(rng)
    sums: dict[str, Tensor] = {}
    cases = len(data.labels)
    batches = math.ceil(cases / recipe.batch_size)
    for index in np.array_split(rng.permutation(cases), batches):
        places = torch.from_numpy(index).to(data.labels.device)
        batch, labels = augmented(inputs.at(places), data.labels[places], recipe, rng)
        output = as_output(module(batch))
        targets = labels if output.logits.ndim == 1 else labels[:, None].expand_as(output.logits)
        loss = classification = binary_cross_entropy_with_logits(output.logits, targets)
        for name, value in output.terms.items():
            loss = loss + weights.get(name, 1.0) * value
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(optimiser.param_groups[0]["params"], recipe.clip)
        optimiser.step()
        for name, value in {"loss": loss, "classification": classification, **output.terms}.items():
            sums[name] = sums.get(name, torch.zeros((), device=value.device)) + value.detach()
    return {name: float(total) / batches for name, total in sums.items()}


def augmented(batch: Batch, labels: Tensor, recipe: Recipe, rng: np.random.Generator) -> tuple[Batch, Tensor]:
    """MixUp of the batch with itself, then Gaussian noise, each with probability one half (Zhang et al. 2018)."""
    if recipe.mixup and rng.random() < 0.5:
        weight = float(rng.beta(recipe.mixup, recipe.mixup))
        partner = torch.from_numpy(rng.permutation(len(labels))).to(labels.device)
        batch, labels = batch.blended(batch.at(partner), weight), torch.lerp(labels[partner], labels, weight)
    if recipe.noise and rng.random() < 0.5:
        batch = batch.noisy(recipe.noise)
    return batch, labels


def _log_loss(labels: Tensor, chances: Tensor) -> float:
    return float(binary_cross_entropy(chances, labels.cpu()))


def _auc(labels: Tensor, chances: Tensor) -> float:
    """The AUC; where a class is absent, minus the mean squared error, so that there is something to stop by."""
    if not 0 < float(labels.mean()) < 1:
        return -float(((chances - labels.cpu()) ** 2).mean())
    ranks = rankdata(chances.numpy())
    positive = labels.cpu().numpy() == 1
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(ranks) - count)))
