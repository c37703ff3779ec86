"""The simulated worlds of the campaign: cases whose features are normal within each class, so that all truth is known.

Given the label, all features are independent normals with variance 1. A method's signal features differ in mean between the
classes, all equally, and so that the best rule on them has the AUC that the world states; noise features do not differ. A
logistic model is then right for every method.

Numbers of signals and strengths were chosen once, for trained models of an AUC of about .75 to .80, and never adjusted to what
came out [A].
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Index = NDArray[np.intp]

CASES, POSITIVES = 729, 229
"""As many as the source paper's two hospitals have, with about its share of good outcomes."""
SITE_SIZES = np.linspace(40, 142, 8)
"""Expected sizes of the eight sites, to which cases are dealt in proportion."""
SITE_PREVALENCE = (0.2, 0.45)
SITE_SPREAD = 0.25
"""SD over sites of the standardised difference of the classes, drawn for each method on its own; the AUC's SD is about .05."""


@dataclass(frozen=True)
class World:
    """One way in which cases arise, and the methods that are compared on them.

    auc : of each method, what the best rule on its signals reaches.
    signals, noise : numbers of features; `common` signals are the same columns for all methods, noise is each one's own.
    penalty : of the logistic regressions, scikit-learn's 1/C; the intercept is free.
    sites : cases come from eight sites that differ in size, in prevalence, and in how well each method does there.
    """

    name: str
    auc: tuple[float, ...]
    signals: int = 3
    noise: int = 0
    common: bool = False
    penalty: float = 1.0
    inference: str = "fold"
    sites: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the compared methods."""
        return tuple(f"method-{number}" for number in range(1, len(self.auc) + 1))

    def generator(self, repetition: int) -> np.random.Generator:
        """The random stream of one repetition; no repetition's stream depends on another's."""
        return np.random.default_rng(np.random.SeedSequence([zlib.crc32(self.name.encode()), repetition]))


@dataclass(frozen=True, eq=False)
class Drawn:
    """One data set: `labels` (N,), `sites` (N,) in 0..S-1, each method's `features` (N, p).

    `differences` (S, p) are the differences of the classes' means, method by method.
    """

    labels: Labels
    sites: Index
    features: tuple[Floats, ...]
    differences: tuple[Floats, ...]


def draw(world: World, rng: np.random.Generator) -> Drawn:
    """Fresh cases of a world."""
    labels, sites = _cases(world, rng)
    common = rng.normal(size=(CASES, world.signals))
    features, differences = [], []
    for auc in world.auc:
        strength = np.sqrt(2.0) * ndtri(auc) + SITE_SPREAD * world.sites * rng.normal(size=sites.max() + 1)
        difference = np.zeros((len(strength), world.signals + world.noise))
        difference[:, : world.signals] = strength[:, None] / np.sqrt(max(world.signals, 1))
        signals = common if world.common else rng.normal(size=common.shape)
        noise = rng.normal(size=(CASES, world.noise))
        features.append(np.hstack([signals, noise]) + labels[:, None] * difference[sites])
        differences.append(difference)
    return Drawn(labels, sites, tuple(features), tuple(differences))


def _cases(world: World, rng: np.random.Generator) -> tuple[Labels, Index]:
    """Labels and sites. With one site the labels are always the same: features are fresh, and cuts depend on labels alone."""
    if not world.sites:
        return (np.arange(CASES) < POSITIVES).astype(np.int8), np.zeros(CASES, dtype=np.intp)
    sites = rng.choice(len(SITE_SIZES), size=CASES, p=SITE_SIZES / SITE_SIZES.sum())
    prevalence = rng.uniform(*SITE_PREVALENCE, size=len(SITE_SIZES))
    return (rng.random(CASES) < prevalence[sites]).astype(np.int8), sites


PAIR, FAMILY = 2, 8
LEVEL_WORLDS = ("s1", "s2", "s3", "s0", "noisy")
"""Null worlds of two methods under `repeated-cv`."""
POWER_WORLD, SITE_WORLD, HOLDOUT_WORLD = "gap", "sites", "holdout"
FAMILY_WORLDS = ("family-s1", "family-s2", "family-s0", "family-noisy")

WORLDS: Mapping[str, World] = {
    world.name: world
    for world in (
        World("s1", (0.8,) * PAIR, noise=20, common=True),
        World("s2", (0.8,) * PAIR),
        World("s3", (0.8,) * PAIR, noise=60, common=True, penalty=0.0),
        World("s0", (0.5,) * PAIR, signals=0, noise=20),
        World("noisy", (0.65,) * PAIR, noise=20),
        World(POWER_WORLD, (0.823, 0.777)),
        World(SITE_WORLD, (0.8,) * PAIR, inference="site", sites=True),
        World(HOLDOUT_WORLD, (0.8,) * PAIR, signals=1, inference="held-out"),
        World("family-s1", (0.8,) * FAMILY, noise=20, common=True),
        World("family-s2", (0.8,) * FAMILY),
        World("family-s0", (0.5,) * FAMILY, signals=0, noise=20),
        World("family-noisy", (0.65,) * FAMILY, noise=20),
    )
}

DESCRIPTIONS: Mapping[str, str] = {
    "s1": "the same 3 signals for both methods, and 20 noise features of each one's own",
    "s2": "3 signals of each method's own, equally strong; no noise features",
    "s3": "the same 3 signals, 60 noise features of each one's own, no penalty: an unstable learner",
    "s0": "no signal: 20 noise features of each one's own",
    "noisy": "3 weak signals and 20 noise features, all of each one's own",
    POWER_WORLD: "3 signals of each one's own, stronger for the first method: a true difference",
    SITE_WORLD: "8 sites of about 40 to 142 cases, prevalence .20 to .45; 3 signals of each one's own, whose strength varies "
    "from site to site for each method on its own",
    HOLDOUT_WORLD: "one signal of each one's own and nothing else, so that any two trained models are equal; 146 test cases",
    "family-s1": "8 methods as in s1",
    "family-s2": "8 methods as in s2",
    "family-s0": "8 methods as in s0",
    "family-noisy": "8 methods as in noisy",
}
