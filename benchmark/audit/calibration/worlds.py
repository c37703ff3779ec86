"""The simulated worlds of the campaign: cases whose features are normal within each class, so that all truth is known.

Given the label, all features are independent normals with variance 1. A method's signal features differ in mean between the
classes, all equally, and so that the best rule on them has the AUC that the world states; noise features do not differ. A
logistic model is then right for every method.

Numbers of signals and strengths were chosen once, for trained models of an AUC of about .75 to .80, and never adjusted to what
came out [A].
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Index = NDArray[np.intp]

CASES, POSITIVES = 729, 229
"""As many as the source paper's two hospitals have, with about its share of good outcomes."""
STREAM = 2
"""Raised when a rule was changed after its figures were seen, so that it is judged on cases that nobody has looked at."""
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
    sees : of each method, how many of the signals it is given; all where it is not said.
    penalty : of the logistic regressions, scikit-learn's 1/C; the intercept is free.
    sites : cases come from eight sites that differ in size, in prevalence, and in how well each method does there.
    patients, positives : how many there are; `cases_each` equal cases of each patient.
    labelled : the share of each training part whose labels a method learns from.
    """

    name: str
    auc: tuple[float, ...]
    signals: int = 3
    noise: int = 0
    common: bool = False
    sees: tuple[int, ...] = ()
    penalty: float = 1.0
    inference: str = "fold"
    sites: bool = False
    patients: int = CASES
    positives: int = POSITIVES
    cases_each: int = 1
    labelled: float = 1.0

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the compared methods."""
        return tuple(f"method-{number}" for number in range(1, len(self.auc) + 1))

    def generator(self, repetition: int) -> np.random.Generator:
        """The random stream of one repetition; no repetition's stream depends on another's."""
        return np.random.default_rng(np.random.SeedSequence([STREAM, zlib.crc32(self.name.encode()), repetition]))


@dataclass(frozen=True, eq=False)
class Drawn:
    """One data set: `labels` (N,), `sites` (N,) in 0..S-1, `patients` (N,), each method's `features` (N, p).

    `differences` (S, p) are the differences of the classes' means, method by method.
    """

    labels: Labels
    sites: Index
    patients: Index
    features: tuple[Floats, ...]
    differences: tuple[Floats, ...]


def draw(world: World, rng: np.random.Generator) -> Drawn:
    """Fresh cases of a world."""
    labels, sites = _cases(world, rng)
    common = rng.normal(size=(world.patients, world.signals))
    features, differences = [], []
    for auc, sees in zip(world.auc, world.sees or (world.signals,) * len(world.auc), strict=True):
        strength = np.sqrt(2.0) * ndtri(auc) + SITE_SPREAD * world.sites * rng.normal(size=sites.max() + 1)
        difference = np.zeros((len(strength), world.signals + world.noise))
        difference[:, : world.signals] = strength[:, None] / np.sqrt(max(sees, 1))
        signals = common if world.common else rng.normal(size=common.shape)
        noise = rng.normal(size=(world.patients, world.noise))
        given = np.r_[:sees, world.signals : difference.shape[1]]
        features.append((np.hstack([signals, noise]) + labels[:, None] * difference[sites])[:, given])
        differences.append(difference[:, given])
    each = np.repeat(np.arange(world.patients), world.cases_each)
    return Drawn(labels[each], sites[each], each, tuple(values[each] for values in features), tuple(differences))


def _cases(world: World, rng: np.random.Generator) -> tuple[Labels, Index]:
    """Labels and sites. With one site the labels are always the same: features are fresh, and cuts depend on labels alone."""
    if not world.sites:
        return (np.arange(world.patients) < world.positives).astype(np.int8), np.zeros(world.patients, dtype=np.intp)
    sites = rng.choice(len(SITE_SIZES), size=world.patients, p=SITE_SIZES / SITE_SIZES.sum())
    prevalence = rng.uniform(*SITE_PREVALENCE, size=len(SITE_SIZES))
    return (rng.random(world.patients) < prevalence[sites]).astype(np.int8), sites


PAIR, FAMILY, LARGE_FAMILY = 2, 8, 22
LEVEL_WORLDS = ("s1", "s2", "s3", "s0", "noisy")
"""Null worlds of two methods under `repeated-cv`."""
POWER_WORLD, SITE_WORLD, HOLDOUT_WORLD = "gap", "sites", "holdout"
SMALL, SMALL_POSITIVES = 120, 38

PAIR_WORLDS = (
    World("s1", (0.8,) * PAIR, noise=20, common=True),
    World("s2", (0.8,) * PAIR),
    World("s3", (0.8,) * PAIR, noise=60, common=True, penalty=0.0),
    World("s0", (0.5,) * PAIR, signals=0, noise=20),
    World("noisy", (0.65,) * PAIR, noise=20),
    World(POWER_WORLD, (0.823, 0.777)),
    World(SITE_WORLD, (0.8,) * PAIR, inference="site", sites=True),
    World(HOLDOUT_WORLD, (0.8,) * PAIR, signals=1, inference="held-out"),
)
FAMILIES_OF_BOTH_SIZES: Mapping[str, World] = {
    "s1": World("", (0.8,), noise=20, common=True),
    "s2": World("", (0.8,)),
    "s0": World("", (0.5,), signals=0, noise=20),
    "noisy": World("", (0.65,), noise=20),
    "weak": World("", (0.6,), noise=3),
    "small": World("", (0.8,), patients=SMALL, positives=SMALL_POSITIVES),
}
FAMILIES_OF_EIGHT: Mapping[str, World] = {
    "small-s1": World("", (0.8,), noise=20, common=True, patients=SMALL, positives=SMALL_POSITIVES),
    "rare": World("", (0.8,), positives=36),
    "doubled": World("", (0.8,), patients=364, positives=114, cases_each=2),
}
FEW_LABELS: Mapping[str, World] = {
    "labels": World("", (0.8,), labelled=0.1),
    "few-positives": World("", (0.8,), positives=88, labelled=0.1),
}


def _named(worlds: Mapping[str, World], size: int) -> tuple[World, ...]:
    return tuple(replace(world, name=f"{size}-{name}", auc=world.auc * size) for name, world in worlds.items())


FAMILIES = (
    *_named(FAMILIES_OF_BOTH_SIZES, FAMILY),
    *_named(FAMILIES_OF_BOTH_SIZES, LARGE_FAMILY),
    *_named(FAMILIES_OF_EIGHT, FAMILY),
)
LABEL_FAMILIES = _named(FEW_LABELS, FAMILY)
GAP_FAMILIES = tuple(
    world
    for half in (FAMILY // 2, LARGE_FAMILY // 2)
    for world in (
        World(f"{2 * half}-gap", (0.823,) * half + (0.777,) * half),
        World(
            f"{2 * half}-shared-gap", (0.823,) * half + (0.7754,) * half, noise=20, common=True, sees=(3,) * half + (2,) * half
        ),
    )
)
FAMILY_WORLDS, LABEL_WORLDS, GAP_WORLDS = (tuple(w.name for w in of) for of in (FAMILIES, LABEL_FAMILIES, GAP_FAMILIES))
"""Families of equal methods; those that learn from a tenth of the labels; those in which half the methods are better."""
WORLDS: Mapping[str, World] = {world.name: world for world in (*PAIR_WORLDS, *FAMILIES, *LABEL_FAMILIES, *GAP_FAMILIES)}

KINDS: Mapping[str, str] = {
    "s1": "as in s1",
    "s2": "as in s2",
    "s0": "as in s0",
    "noisy": "as in noisy",
    "weak": "with 3 very weak signals and 3 noise features, all specific to each",
    "small": f"as in s2, on {SMALL} cases, {SMALL_POSITIVES} of label 1",
    "small-s1": f"as in s1, on {SMALL} cases, {SMALL_POSITIVES} of label 1",
    "rare": "as in s2, with 36 cases of label 1 (5 %)",
    "doubled": "as in s2, on 364 patients with two equal cases each",
    "labels": "as in s2, but methods learn from a tenth of each training part's labels (18 of label 1)",
    "few-positives": "as in 8-labels, but 88 cases are of label 1, so that methods learn from 7 of these",
    "gap": "as in gap, half of them the better ones",
    "shared-gap": "with the same signals, plus 20 noise features specific to each; half of them lack one of the 3 signals",
}
DESCRIPTIONS: Mapping[str, str] = {
    "s1": "the same 3 signals for both methods, plus 20 noise features specific to each",
    "s2": "3 equally strong signals specific to each method; no noise features",
    "s3": "the same 3 signals, plus 60 noise features specific to each method, no penalty: an unstable learner",
    "s0": "no signal: 20 noise features specific to each method",
    "noisy": "3 weak signals and 20 noise features, all specific to each method",
    POWER_WORLD: "3 signals specific to each method, stronger for the first: a true difference",
    SITE_WORLD: "8 sites of about 40 to 142 cases, prevalence .20 to .45; 3 signals specific to each method, whose strength "
    "varies from site to site for each method by itself",
    HOLDOUT_WORLD: "one signal specific to each method and nothing else, so that any two trained models are equal; 146 test "
    "cases",
    **{
        world.name: f"{len(world.auc)} methods {KINDS[world.name.partition('-')[2]]}"
        for world in (*FAMILIES, *LABEL_FAMILIES, *GAP_FAMILIES)
    },
}
