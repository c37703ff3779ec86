"""Splits: a patient in two parts, a held-out site in the training, a pool that holds what is held out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.audit.leaks.subject import Observation, Subject, named

PARTS = ("train", "validation", "test", "unlabelled")


def torn_groups(subject: Subject) -> Iterator[Observation]:
    """A group with cases in two parts of a split."""
    names, splits = np.unique(subject.group_names), 0
    torn = np.zeros(len(names), dtype=bool)
    for split in subject.splits:
        held = [np.bincount(subject.groups[getattr(split, part)], minlength=len(names)) > 0 for part in PARTS]
        both = np.sum(held, axis=0) > 1
        splits += bool(both.any())
        torn |= both
    if splits:
        evidence = f"{torn.sum()} patients ({named(names[torn].tolist())}) in {splits} of {len(subject.splits)} splits"
        yield Observation("invalidates", "a patient stands in two parts of a split", evidence)


def sites_held_out(subject: Subject) -> Iterator[Observation]:
    """A split that holds a site out, and learns from cases of it."""
    sites = subject.cohort.sites
    broken = [
        split.name
        for split in subject.splits
        if split.site is not None
        and sites is not None
        and (sites[np.r_[split.train, split.validation, split.unlabelled]] == split.site).any()
    ]
    if broken:
        evidence = f"{len(broken)} of {len(subject.splits)} splits: {named(broken)}"
        yield Observation("invalidates", "a held-out site stands in the training part as well", evidence)


def pools_of_splits(subject: Subject) -> Iterator[Observation]:
    """A split whose pool holds cases of a test patient or of the held-out site."""
    cohort, pool = subject.cohort, subject.cohort.pool
    if pool is None:
        return
    broken: dict[str, list[str]] = {"a test patient": [], "the held-out site": []}
    for split in subject.splits:
        chosen = pool.take(split.pool)
        if chosen.groups is not None and cohort.groups is not None and np.isin(chosen.groups, cohort.groups[split.test]).any():
            broken["a test patient"].append(split.name)
        if split.site is not None and len(chosen) and (chosen.sites is None or (chosen.sites == split.site).any()):
            broken["the held-out site"].append(split.name)
    for whose, names in broken.items():
        if names:
            evidence = f"{len(names)} of {len(subject.splits)} splits: {named(names)}"
            yield Observation("invalidates", f"the pool of a split holds cases of {whose}", evidence)
