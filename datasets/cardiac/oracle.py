"""How well an infarction can be predicted at best: AUCs of the known law on the labelled cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.cardiac.outcome import INTERCEPT
from datasets.cardiac.people import People

Numbers = NDArray[np.float64]
NODES, SHARES = np.polynomial.hermite_e.hermegauss(20)
"""Nodes and weights of the integral over a standard normal variable; the weights add up to sqrt(2 pi)."""


def oracle_facts(labelled: People, pool: People) -> dict[str, float]:
    """AUCs on the labelled cases, rounded to 4 decimals.

    oracle_auc : of P(infarction | state, table), complete and as drawn: no method is better but by luck.
    oracle_auc_ecg_image_table, oracle_auc_ecg_table, oracle_auc_image_table : with what ECG and image, or one of them, express
        in place of the state.
    oracle_auc_ecg, oracle_auc_image, oracle_auc_table : from one of the three alone.

    The oracle sees the values that the table lacks, and the levels of which ECG and volume are an outcome under noise: no
    method that reads recordings and volumes reaches it.
    """
    from sklearn.metrics import roc_auc_score

    ecg, image = ["electrical", "hypertrophy", "pulse_bpm"], ["mechanical", "hypertrophy"]
    scores = {
        "oracle_auc": labelled.terms.probability,
        "oracle_auc_ecg_image_table": _expected(labelled, pool, [*ecg, *image], table=True),
        "oracle_auc_ecg_table": _expected(labelled, pool, ecg, table=True),
        "oracle_auc_image_table": _expected(labelled, pool, image, table=True),
        "oracle_auc_ecg": _expected(labelled, pool, ecg, table=False),
        "oracle_auc_image": _expected(labelled, pool, image, table=False),
        "oracle_auc_table": _expected(labelled, pool, [], table=True),
    }
    return {name: round(float(roc_auc_score(labelled.infarction, score)), 4) for name, score in scores.items()}


def _expected(people: People, pool: People, shown: Sequence[str], *, table: bool) -> Numbers:
    """E[P(infarction | state, table) | what is `shown`, and the complete table where it is observed], (n,).

    Given what is observed, the part of the logit that is not is taken as normal: its mean is linear in it, with the least
    squares weights of the pool, and the variance is that of the pool's residuals.
    """
    hidden = pool.terms.state + (0 if table else pool.terms.table)
    known = _observed(pool, shown, table)
    weights, *_ = np.linalg.lstsq(known, hidden, rcond=None)
    spread = float(np.std(hidden - known @ weights))
    logit = INTERCEPT + (people.terms.table if table else 0) + _observed(people, shown, table) @ weights
    probabilities = 1 / (1 + np.exp(-(logit[:, None] + spread * NODES)))
    return np.asarray(np.round(probabilities @ SHARES / np.sqrt(2 * np.pi), 6))


def _observed(people: People, shown: Sequence[str], table: bool) -> Numbers:
    """What is observed as numbers, categories one-hot, with a constant."""
    signs = people.signs.assign(pulse_bpm=people.visit.table["pulse_bpm"])
    parts = [signs[list(shown)], *([pd.get_dummies(people.visit.table)] if table else [])]
    return np.asarray(pd.concat(parts, axis=1).assign(constant=1).to_numpy(dtype=np.float64))
