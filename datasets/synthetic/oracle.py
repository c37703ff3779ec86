"""How well the outcome can be predicted at best: AUCs of the known law on the labelled cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from datasets.synthetic.outcome import eloquent_damage
from datasets.synthetic.patients import Patient


def oracle_facts(labelled: Sequence[Patient], pool: Sequence[Patient]) -> dict[str, float]:
    """AUCs on the labelled cases, rounded to 4 decimals.

    oracle_auc : of P(good | image, table), complete and without the site: no method is better but by luck.
    oracle_auc_additive : of the same logit without its interaction term.
    oracle_auc_table, oracle_auc_image : of P(good | table) and P(good | image). They have no closed form and are the quadratic
        regression, over the pool, of the known probability on what the one modality shows of it.

    The oracle sees the values that the table lacks. In the two hospitals with given class counts the draw shifts the prior,
    which only the site would tell; the oracle ignores it.
    """
    from sklearn.metrics import roc_auc_score

    truth = [patient.good_outcome for patient in labelled]
    scores = {
        "oracle_auc": [patient.terms.probability for patient in labelled],
        "oracle_auc_additive": [patient.terms.table + patient.terms.image for patient in labelled],
        "oracle_auc_table": _expected(labelled, pool, _table),
        "oracle_auc_image": _expected(labelled, pool, _image),
    }
    return {name: round(float(roc_auc_score(truth, score)), 4) for name, score in scores.items()}


def _expected(
    labelled: Sequence[Patient], pool: Sequence[Patient], observed: Callable[[Patient], Sequence[float]]
) -> NDArray[np.float64]:
    """E[P(good | image, table) | observed] of the labelled cases (n,), by least squares over the pool."""
    inside, outside = (np.array([observed(patient) for patient in group], dtype=np.float64) for group in (labelled, pool))
    centre, spread = outside.mean(axis=0), outside.std(axis=0)
    known = np.array([patient.terms.probability for patient in pool])
    weights, *_ = np.linalg.lstsq(_quadratic((outside - centre) / spread), known, rcond=None)
    return np.asarray(np.round(_quadratic((inside - centre) / spread) @ weights, 6))


def _quadratic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, d) -> (n, 1 + d + d(d+1)/2): constant, terms, squares and products."""
    first, second = np.triu_indices(x.shape[1])
    return np.column_stack([np.ones(len(x)), x, x[:, first] * x[:, second]])


def _table(patient: Patient) -> Sequence[float]:
    return astuple(patient.admission)


def _image(patient: Patient) -> Sequence[float]:
    """What the outcome takes from the image, directly or through the NIHSS."""
    return math.log1p(patient.volume_ml), eloquent_damage(patient.fractions)
