"""The worlds of the campaign.

Their numbers of signals and strengths were chosen once, for trained models of an AUC of about .75 to .80, and never adjusted
to what came out [A].
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.audit.calibration.drawing import World

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
