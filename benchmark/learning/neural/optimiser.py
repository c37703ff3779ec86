"""RAdam as a learning-rate factor on top of the fused Adam kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


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
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["exp_avg_sq"] = torch.zeros_like(parameter)
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
