"""Leave one site out: does a method hold at a hospital that it has not seen?"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.cohort import Cohort
from benchmark.data.splits import CUT_SEED, SEEDS, Split, binding_groups, make_split
from benchmark.registry.cards import register_protocol


@register_protocol(
    "leave-one-site-out",
    description="each site in turn is the test part; seeds 39-42 change the training only",
    inference="site",
)
@dataclass(frozen=True)
class LeaveOneSiteOut:
    """Each site in turn is the test set; validation is a stratified 20 % of the other sites (random_state=42)."""

    def splits(self, cohort: Cohort) -> list[Split]:
        """One split for each seed and site, seed by seed: `site-<slug>-seed39` ...; none where there is one site."""
        sites, groups = cohort.sites, binding_groups(cohort)
        names = [] if sites is None else [str(site) for site in np.unique(sites)]
        if len(names) < 2:
            return []
        slugs, cuts = _slugs(names), []
        for site in names:
            test, others = np.flatnonzero(sites == site), np.flatnonzero(sites != site)
            if groups is not None:
                others = others[~np.isin(groups[others], groups[test])]
            cuts.append(make_split(cohort, slugs[site], SEEDS[0], others, test, CUT_SEED, site))
        return [replace(split, name=f"site-{split.name}-seed{seed}", seed=seed) for seed in SEEDS for split in cuts]


def _slugs(names: list[str]) -> dict[str, str]:
    """A distinct file-name-safe slug for each name."""
    slugs: dict[str, str] = {}
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
        while slug in slugs.values():
            slug += "x"
        slugs[name] = slug
    return slugs
