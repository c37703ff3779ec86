"""How often a family of equal methods is called different, and which inflation of the covariance keeps that at the level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from benchmark.audit.calibration.rates import Rate, rate
from benchmark.audit.calibration.repetition import FACTORS, Repetition

MORE_CANDIDATES = (*FACTORS, 3.0, 4.0)
"""With few labels the covariance may need more."""
BAR = 0.065
"""The family-wise error's 95 % upper bound is to be at most this."""
ENOUGH = 1000
"""The least repetitions of a world on which an inflation is chosen and tested, one half each."""

Results = Mapping[str, Sequence[Repetition]]


def errors(repetitions: Sequence[Repetition], family: str, inflation: float) -> Rate:
    """How often max-T calls at least one pair of a family different."""
    return rate([each.least[family] > inflation for each in repetitions])


def upper_bound(found: Rate) -> float:
    """The exact one-sided 95 % upper bound (Clopper and Pearson) of a share."""
    return float(binomtest(round(found.value * found.count), found.count).proportion_ci(0.9).high)


@dataclass(frozen=True)
class Choice:
    """The least candidate that keeps the bar in every world on the first half of the repetitions and on the second; or None.

    `worst` is the world with the greatest `bound` on the second half, at that candidate or at the greatest of all. `refuted`
    are the lesser candidates that the first half chose and the second did not confirm. `open_worlds` are those that no
    candidate holds on the first half: they are left out of the choice.
    """

    inflation: float | None
    worst: str
    bound: float
    refuted: tuple[float, ...]
    open_worlds: tuple[str, ...]


def choose(results: Results, worlds: Sequence[str], families: Sequence[str], candidates: Sequence[float] = FACTORS) -> Choice:
    """Choose on the even repetitions of the worlds, all families together; test on the odd ones."""
    known = [world for world in worlds if results.get(world)]

    def bound(world: str, inflation: float, half: int) -> float:
        return max(upper_bound(errors(results[world][half::2], family, inflation)) for family in families)

    open_worlds = tuple(world for world in known if bound(world, candidates[-1], 0) > BAR)
    closed = [world for world in known if world not in open_worlds]
    kept = [each for each in candidates if closed and all(bound(world, each, 0) <= BAR for world in closed)]
    confirmed = next((each for each in kept if all(bound(world, each, 1) <= BAR for world in closed)), None)
    bounds = {world: bound(world, confirmed or candidates[-1], 1) for world in closed}
    worst = max(bounds, key=lambda world: bounds[world], default="")
    refuted = tuple(each for each in kept if confirmed is None or each < confirmed)
    return Choice(confirmed, worst, bounds.get(worst, float("nan")), refuted, open_worlds)
