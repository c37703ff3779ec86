"""Who proposes the values of a trial, by Optuna; imported when a search begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from benchmark.learning.tuning.space import Range, Space, grid_point
from benchmark.registry.budget import Budget


class GridPoint(BaseSampler):  # type: ignore[misc]
    """Proposes one point. Optuna's own `GridSampler` would take a point as visited whose trial was killed."""

    def __init__(self, point: Mapping[str, Any]) -> None:
        self.point = point

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """Nothing: every value is given by itself."""
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Nothing, likewise."""
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        """The point's value."""
        return self.point[param_name]


def sampler(budget: Budget, space: Space, seed: int, place: int) -> BaseSampler:
    """Who proposes the trial at a place: drawn by seed and place alone, so that an interrupted search ends the same.

    A grid of more points than trials is sampled: that many different points, drawn evenly by the seed.
    """
    if budget.sampler == "grid":
        return GridPoint(grid_point(space, budget.trials, seed, place))
    own = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    if budget.sampler == "random":
        return RandomSampler(seed=own)
    return TPESampler(seed=own, constant_liar=False, n_startup_trials=min(10, budget.trials // 3))


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space in Optuna's terms."""
    return {name: _distribution(domain) for name, domain in space.items()}


def _distribution(domain: tuple[Any, ...] | Range) -> BaseDistribution:
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain)
    if isinstance(domain.low, int) and isinstance(domain.high, int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)
