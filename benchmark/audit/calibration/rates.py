"""From finished repetitions to rates with Monte-Carlo errors, and the bars that they are held to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.audit.calibration.repetition import (
    AVERAGED,
    CORRECTED_T,
    MCNEMAR,
    NAIVE_T,
    TARGETS,
    WIDENED,
    WILCOXON,
    Repetition,
)
from benchmark.statistics.multiplicity import ALPHA

Floats = NDArray[np.float64]

FULL = 800
"""The least repetitions of a world on which a bar is judged."""
ENOUGH_COHORTS = 20
"""The same for cohorts: fewer could not show a rate of .05."""


@dataclass(frozen=True)
class Rate:
    """A share of `count` independent repetitions, with its Monte-Carlo standard error."""

    value: float
    error: float
    count: int


def rate(happened: ArrayLike) -> Rate:
    """The mean over repetitions (R,) of what happened: 0 or 1, or a share of the methods.

    What happened never, or always, gets the error of the share with two of either added (Agresti and Coull 1998), not 0.
    """
    values = np.asarray(happened, dtype=np.float64)
    share, spread = float(values.mean()), float(values.std())
    if spread == 0:
        share_near = (values.sum() + 2) / (len(values) + 4)
        spread = float(np.sqrt(share_near * (1 - share_near)))
    return Rate(share, spread / float(np.sqrt(len(values))), len(values))


def rejections(repetitions: Sequence[Repetition], test: str) -> Rate:
    """How often a test calls a pair different at .05."""
    return rate([each.p[test] < ALPHA for each in repetitions])


def coverage(repetitions: Sequence[Repetition], kind: str, of_own_models: bool = False) -> Rate:
    """How often an interval covers the truth, both methods together.

    The truth is the learning procedure's expected figure, that is the mean over all repetitions, method by method; or, if
    `of_own_models`, the mean of the very models of the repetition. An interval that does not exist covers nothing.
    """
    bounds = np.array([each.intervals[kind] for each in repetitions], dtype=np.float64)
    truth = np.array([each.truth[TARGETS[kind]] for each in repetitions])
    if not of_own_models:
        truth = truth.mean(axis=0, keepdims=True)
    return rate(((bounds[..., 0] <= truth) & (truth <= bounds[..., 1])).mean(axis=1))


def any_called(repetitions: Sequence[Repetition], rule: str) -> Rate:
    """How often at least one pair is called so by a rule."""
    return rate([each.called[rule] > 0 for each in repetitions])


def expected(repetitions: Sequence[Repetition], metric: str) -> Floats:
    """Each method's expected figure (M,)."""
    return np.asarray(np.mean([each.truth[metric] for each in repetitions], axis=0))


@dataclass(frozen=True)
class Bar:
    """What a test's rate must keep in a world, limits included, and from how many repetitions on that is judged."""

    world: str
    test: str
    low: float = 0.0
    high: float = 1.0
    enough: int = FULL

    def holds(self, rate: Rate, errors: float = 0.0) -> bool:
        """Whether the rate is within the limits, or outside by at most so many Monte-Carlo errors."""
        slack = errors * rate.error
        return self.low - slack <= rate.value <= self.high + slack


BARS: tuple[Bar, ...] = (
    *(Bar(world, CORRECTED_T, high=0.075) for world in ("s1", "s2")),
    *(Bar(world, test, low=0.15) for test in (NAIVE_T, WILCOXON) for world in ("s1", "s2")),
    Bar("s1", AVERAGED, 0.005, 0.03),
    Bar("s2", AVERAGED, 0.05, 0.10),
    *(Bar(world, MCNEMAR, 0.03, 0.08) for world in ("s1", "s2")),
    *(Bar(world, WIDENED, high=0.075) for world in ("s1", "s2")),
)
"""The calibration bar: the corrected tests keep the level, and the generator bites."""


def judge(results: Mapping[str, Sequence[Repetition]], copies: Sequence[str] = ()) -> list[tuple[Bar, Rate]]:
    """Each bar whose world was simulated, with the rate found there; `copies` of a method must keep the level."""
    bars = (*BARS, *(Bar(name, CORRECTED_T, high=ALPHA, enough=ENOUGH_COHORTS) for name in copies))
    return [(bar, rejections(results[bar.world], bar.test)) for bar in bars if results.get(bar.world)]
