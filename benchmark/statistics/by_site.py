"""Inference over held-out sites: sites are the units, with tests over them where there are at least six."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics import delong, sites
from benchmark.statistics.evaluation import Evaluation
from benchmark.statistics.inference import Inferred, cut, no_intervals, unzip
from benchmark.statistics.metric_names import METRICS
from benchmark.statistics.ordering import auc, order_cases

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Values = dict[str, Floats]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The S held-out sites of a task: names, class counts, patients, which are small; each metric's site scores (M, S)."""

    names: NDArray[np.object_]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    patients: list[Index]
    small: NDArray[np.bool_]
    scores: Values

    @property
    def counted(self) -> Index:
        """The H sites that enter means and tests."""
        return np.flatnonzero(~self.small)


def by_site(run: Evaluation, metric: str, a: Index, b: Index) -> Inferred:
    """Means over the sites that are not small; with at least six of them t over site differences and intervals."""
    held = _held_out(run)
    counted = held.counted
    enough = len(counted) >= sites.MIN_SITES
    scored = {key: values[:, counted] for key, values in held.scores.items()}
    effects = _random_effects(run, held) if len(counted) >= 2 else None
    differences = scored[metric][a] - scored[metric][b]
    notes = [f"site {name} has fewer than 5 of a class: shown, left out of the mean" for name in held.names[held.small]]
    if not enough:
        notes.append(f"{len(counted)} sites are too few (6 are needed) for intervals and p-values over sites: descriptive")
    areas = [auc(order_cases(run.patient_labels[who], run.patient_scores[:, who])) for who in held.patients]
    ensemble = np.stack(areas, axis=1)
    return Inferred(
        {key: _mean(values) for key, values in scored.items()},
        *unzip(_intervals(scored) if enough else no_intervals(run)),
        sites.site_t(differences) if enough else None,
        _mean(ensemble[:, counted]),
        float(_mean((held.positives / (held.positives + held.negatives))[counted])),
        {"p_sign_flip": sites.sign_flip(differences)} if enough else {},
        per_site=_per_site(run, held, metric),
        heterogeneity=_heterogeneity(run, held, effects) if effects else None,
        notes=notes,
    )


def _held_out(run: Evaluation) -> HeldOut:
    found = list(run.sites())
    patients = [who for _, _, who in found]
    positives = np.array([int(run.patient_labels[who].sum()) for who in patients])
    negatives = np.array([len(who) for who in patients]) - positives
    scores = {key: np.stack([run.cells[key][:, splits].mean(axis=1) for _, splits, _ in found], axis=1) for key in METRICS}
    names = np.array([name for name, _, _ in found], dtype=object)
    return HeldOut(names, positives, negatives, patients, sites.small_sites(positives, negatives), scores)


def _mean(values: Floats) -> Floats:
    """The mean over the last axis, NaN where it is empty."""
    return np.asarray(values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan))


def _random_effects(run: Evaluation, held: HeldOut) -> sites.RandomEffects:
    """Random effects of the AUC over the counted sites, with DeLong's variance within each."""
    areas = held.scores["auc"][:, held.counted]
    parts = [held.patients[site] for site in held.counted]
    variances = np.stack([delong.variance(run.patient_placements[:, who], run.patient_labels[who]) for who in parts], axis=1)
    floor = sites.auc_variance_floor(areas, held.positives[held.counted], held.negatives[held.counted])
    return sites.random_effects(areas, np.where(variances <= 1e-15, floor, variances))


def _intervals(scored: Values) -> dict[str, tuple[Floats, Floats]]:
    """By t over sites, about the plain mean. (Hartung and Knapp's is about another mean, and stands in `heterogeneity`.)"""
    tests = {key: sites.site_t(values) for key, values in scored.items()}
    return {key: cut(key, test.low, test.high) for key, test in tests.items()}


def _per_site(run: Evaluation, held: HeldOut, metric: str) -> pd.DataFrame:
    facts = {"n": held.positives + held.negatives, "positives": held.positives, "small": held.small}
    scores = pd.DataFrame(held.scores[metric].T, index=held.names, columns=list(run.methods))
    return pd.concat([pd.DataFrame(facts, index=held.names), scores], axis=1)


def _heterogeneity(run: Evaluation, held: HeldOut, effects: sites.RandomEffects) -> pd.DataFrame:
    areas = held.scores["auc"][:, held.counted]
    enough = len(held.counted) >= sites.MIN_SITES
    return pd.DataFrame(
        {
            "tau": effects.tau,
            "i2": effects.i2,
            "random_effects_auc": effects.mean,
            "random_effects_low": np.where(enough, np.clip(effects.low, 0.0, 1.0), np.nan),
            "random_effects_high": np.where(enough, np.clip(effects.high, 0.0, 1.0), np.nan),
            "worst_site": held.names[held.counted][areas.argmin(axis=1)],
            "worst_auc": areas.min(axis=1),
        },
        index=list(run.methods),
    )
