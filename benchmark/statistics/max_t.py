"""Many AUCs compared at once: every |z| of a family beside the family's greatest under its own covariance.

The null distribution of the greatest |z| is drawn from a multivariate t with the covariance of the AUCs, so rows that are alike
cost less correction than Bonferroni's or Holm's (Westfall and Young 1993; Hothorn, Bretz and Westfall, Biometrical J 50, 2008).
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtr

from benchmark.statistics.arrays import Counts, Floats, Index
from benchmark.statistics.multiplicity import ALPHA
from benchmark.statistics.student import quantile
from benchmark.system.provenance import code_digest

DRAWS, REFINED = 100_000, 2_000_000
"""Draws of the null distribution; a p within `NEAR` Monte-Carlo errors of `ALPHA` is refined, up to the error of `REFINED`."""
NEAR = 3.0
MANY_ROWS, FEW_DRAWS = 60, 10_000
"""Families of more rows get fewer draws and a single step."""
CHUNK = 10_000
SEED = 20_260_514
Remembered = MutableMapping[str, list[float]]


@dataclass(frozen=True, eq=False)
class Adjusted:
    """Family-wise `p` (P,), NaN for pairs out of the family, and the critical |z| of simultaneous 95 % intervals."""

    p: Floats
    critical: float


def adjust(
    statistic: Floats,
    covariance: Floats,
    a: Index,
    b: Index,
    df: float,
    *,
    awaited: int = 0,
    step_down: bool = True,
    draws: int | None = None,
    remembered: Remembered | None = None,
) -> Adjusted:
    """Adjust |z| of pairs of methods for their number, by the free step-down procedure or in a single step.

    Parameters
    ----------
    statistic : (P,) array
        z of each pair; not finite for a pair that stays out of the family (no variance, or undefined).
    covariance : (M, M) array
        Covariance of the methods' AUCs, up to a factor.
    a, b : (P,) arrays
        The pairs, rows of `covariance`.
    df : float
        Degrees of freedom of the multivariate t.
    awaited : int
        Comparisons whose covariance is not known yet; they count by Bonferroni's bound.
    step_down : bool
        Whether a pair competes only with those of smaller |z| (each step's family holds what was not called before).
    remembered : mapping
        What was drawn before, by the digest of all of the above; new results are added.
    draws : int
        Fixed number of draws; by default `DRAWS`, refined where these leave a p undecided.

    A family of one pair is exact: its p is Student's. The draws have a fixed seed and do not depend on the order of the rows.
    """
    p = np.full(len(statistic), np.nan)
    tested = np.flatnonzero(np.isfinite(statistic))
    z = np.abs(statistic[tested])
    if len(tested) == 0:
        return Adjusted(p, np.nan)
    if len(tested) == 1 and draws is None:
        p[tested] = np.minimum(2.0 * stdtr(df, -z) * (1 + awaited), 1.0)
        return Adjusted(p, quantile(df, 1 - ALPHA / (2 * (1 + awaited))))
    key = _digest(statistic, covariance, a, b, df, awaited, step_down, draws)
    known = None if remembered is None else remembered.get(key)
    if known is None:
        known = _drawn(z, covariance, a[tested], b[tested], df, awaited, step_down=step_down, draws=draws)
    if remembered is not None:
        remembered[key] = known
    p[tested] = known[1:]
    return Adjusted(p, known[0])


def _drawn(
    z: Floats,
    covariance: Floats,
    a: Index,
    b: Index,
    df: float,
    awaited: int,
    *,
    step_down: bool,
    draws: int | None,
) -> list[float]:
    """The critical value, then the adjusted p of each tested pair."""
    many, order = len(np.unique([a, b])) > MANY_ROWS, np.argsort(z, kind="stable")
    null = _Null(covariance, a[order], b[order], df, z[order], awaited, step_down=step_down and not many)
    null.draw((FEW_DRAWS if many else DRAWS) if draws is None else draws)
    if draws is None and not many:
        null.refine()
    return [null.critical(), *null.p()[np.argsort(order)].tolist()]


def _digest(*parts: object) -> str:
    """A digest of arrays and plain values, and of the code that draws."""
    given = (code_digest(Path(__file__)), *parts)
    texts = (part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode() for part in given)
    return sha256(b"|".join(texts)).hexdigest()


def _error(draws: int) -> float:
    """The Monte-Carlo error of a p at `ALPHA` that was counted in so many draws."""
    return float(np.sqrt(ALPHA * (1 - ALPHA) / draws))


class _Null:
    """The null distribution of the greatest |z| by draws; the pairs come in ascending order of their observed |z|.

    The family of step i is the pairs up to i; in a single step it is all of them. `awaited` pairs take Bonferroni's share.
    """

    def __init__(self, covariance: Floats, a: Index, b: Index, df: float, z: Floats, awaited: int, *, step_down: bool) -> None:
        rows, places = np.unique([a, b], return_inverse=True)
        a, b = places.reshape(2, -1)
        within = covariance[np.ix_(rows, rows)]
        # The draws shall not depend on the order in which the rows come.
        canonical = np.argsort(np.diagonal(within), kind="stable")
        self._root = _symmetric_root(within[np.ix_(canonical, canonical)])
        place = np.argsort(canonical)
        self._a, self._b, self._df, self._z = place[a], place[b], df, z
        spread = np.diagonal(within)
        self._scale = 1.0 / np.sqrt(spread[a] + spread[b] - 2.0 * within[a, b])
        self._step_down, self._awaited = step_down, awaited
        self._own: Floats = np.asarray(2.0 * stdtr(df, -z))
        self._random = np.random.default_rng(SEED)
        self._p: Floats = np.ones(len(z))
        self._greatest: list[Floats] = []
        self._in_directions: list[Floats] = []

    def draw(self, count: int) -> None:
        """Count the draws whose greatest |z| reaches each pair's; the observed counts as a draw."""
        reached: Counts = np.zeros(len(self._z), dtype=np.int64)
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            values = self._root @ self._random.standard_normal((len(self._root), size))
            if np.isfinite(self._df):
                values /= np.sqrt(self._random.chisquare(self._df, size) / self._df)
            running = np.zeros(size)
            for i in self._maxima(values, running, len(self._z)):
                if self._step_down:
                    reached[i] += np.count_nonzero(running >= self._z[i])
            if not self._step_down:
                reached += size - np.searchsorted(np.sort(running), self._z, side="left")
            self._greatest.append(running)
        self._p = (reached + 1) / (count + 1)

    def refine(self) -> None:
        """Estimate each p near `ALPHA` anew, until it is decided or as exact as `REFINED` counted draws would make it.

        Only directions are drawn: the tail of the length that reaches |z| in a direction is known (Genz and Bretz 2009, 4.1.1).
        """
        level, sums, squares, drawn = ALPHA - self._awaited * self._own, np.zeros(len(self._z)), np.zeros(len(self._z)), 0
        steps = np.flatnonzero(np.abs(self._p - level) < NEAR * _error(DRAWS))
        while len(steps):
            ends = {i: [i] for i in steps.tolist()} if self._step_down else {len(self._z) - 1: steps.tolist()}
            normal, running = self._random.standard_normal((len(self._root), CHUNK)), np.zeros(CHUNK)
            directions = self._root @ (normal / np.linalg.norm(normal, axis=0))
            for end in self._maxima(directions, running, max(ends) + 1):
                for i in ends.get(end, ()):
                    tail = self._tail(self._z[i] / running)
                    sums[i], squares[i] = sums[i] + tail.sum(), squares[i] + (tail**2).sum()
            if len(self._z) - 1 in ends:
                self._in_directions.append(running)
            drawn += CHUNK
            if drawn >= DRAWS:
                mean = sums / drawn
                error = np.sqrt((squares / drawn - mean**2) / drawn)
                self._p[steps] = mean[steps]
                steps = steps[((np.abs(mean - level) < NEAR * error) & (error > _error(REFINED)))[steps]]

    def p(self) -> Floats:
        """The adjusted p of the pairs in the order of their |z|, at most Bonferroni's."""
        steps = np.arange(1, len(self._z) + 1) if self._step_down else len(self._z)
        p = np.clip(self._p, self._own, self._own * steps) + self._awaited * self._own
        return np.minimum(np.maximum.accumulate(p[::-1])[::-1], 1.0)

    def critical(self) -> float:
        """The least |z| that a single step calls at `ALPHA`, of the draws that gave the greatest pair's p."""
        greatest = np.sort(np.concatenate(self._greatest))[::-1]
        spent = np.arange(2, len(greatest) + 2) / (len(greatest) + 1) + self._to_come(greatest)
        counted = float(greatest[np.searchsorted(spent, ALPHA)])
        if not self._in_directions:
            return counted
        from scipy.optimize import brentq

        within = np.concatenate(self._in_directions)
        found = brentq(lambda z: self._tail(z / within).mean() + self._to_come(z) - ALPHA, counted - 0.5, counted + 0.5)
        return float(found)

    def _maxima(self, values: Floats, running: Floats, count: int) -> Iterator[int]:
        """Raise `running` (D,) to the greatest |z| in `values` (M, D) over the first pairs, and name each pair as it is in."""
        z = np.empty_like(running)
        for i, (first, second) in enumerate(zip(self._a[:count], self._b[:count], strict=True)):
            np.subtract(values[first], values[second], out=z)
            np.abs(z, out=z)
            z *= self._scale[i]
            np.maximum(running, z, out=running)
            yield i

    def _tail(self, length: Floats) -> Floats:
        """The probability that a draw (a root of F, scaled) is longer."""
        size = len(self._root)
        if np.isfinite(self._df):
            return np.asarray(fdtrc(size, self._df, length**2 / size))
        return np.asarray(chdtrc(size, length**2))

    def _to_come(self, z: Floats | float) -> Floats:
        """Bonferroni's share of the awaited pairs at |z|."""
        return np.asarray(self._awaited * 2.0 * stdtr(self._df, -np.asarray(z)))


def _symmetric_root(matrix: Floats) -> Floats:
    """The symmetric square root of a covariance; eigenvalues below rounding count as 0."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.where(values > 1e-12 * values[-1], values, 0.0))) @ vectors.T)
