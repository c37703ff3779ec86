"""How well a stroke can be predicted at best: AUCs of the known law on the labelled cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.risk.people import People
from datasets.risk.signs import MEDIAN_ML

Numbers = NDArray[np.float64]


def oracle_facts(labelled: People, pool: People) -> dict[str, float]:
    """AUCs on the labelled cases, rounded to 4 decimals.

    oracle_auc : of P(stroke | image, table), complete and as drawn: no method is better but by luck.
    oracle_auc_additive : of the same logit without its interaction term.
    oracle_auc_table, oracle_auc_image : of P(stroke | table) and P(stroke | image). They have no closed form and are the
        quadratic regression, over the pool, of the known probability on what the one modality tells of the law's terms.

    The oracle sees the values that the table lacks, and the signs of which scan and measured columns show an image only.
    """
    from sklearn.metrics import roc_auc_score

    scores = {
        "oracle_auc": labelled.terms.probability,
        "oracle_auc_additive": labelled.terms.table + labelled.terms.image,
        "oracle_auc_table": _expected(_table(labelled, pool), _table(pool, pool), pool.terms.probability),
        "oracle_auc_image": _expected(_image(labelled), _image(pool), pool.terms.probability),
    }
    return {name: round(float(roc_auc_score(labelled.stroke, score)), 4) for name, score in scores.items()}


def _expected(inside: Numbers, outside: Numbers, known: Numbers) -> Numbers:
    """E[known | what was observed] of the cases `inside` (n,), by least squares over those `outside`."""
    centre, spread = outside.mean(axis=0), outside.std(axis=0)
    weights, *_ = np.linalg.lstsq(_quadratic((outside - centre) / spread), known, rcond=None)
    return np.asarray(np.round(_quadratic((inside - centre) / spread) @ weights, 6))


def _quadratic(x: Numbers) -> Numbers:
    """(n, d) -> (n, 1 + d + d(d+1)/2): constant, terms, squares and products."""
    first, second = np.triu_indices(x.shape[1])
    return np.column_stack([np.ones(len(x)), x, x[:, first] * x[:, second]])


def _table(people: People, pool: People) -> Numbers:
    """(n, 3): the table's own term, blood pressure, and the image's term as far as the table foretells it."""
    columns, known = _numbers(people), _numbers(pool)
    weights, *_ = np.linalg.lstsq(known, pool.terms.image, rcond=None)
    return np.column_stack([people.terms.table, people.visit.table["systolic_mmhg"], columns @ weights])


def _numbers(people: People) -> Numbers:
    """The table as numbers, categories one-hot, with a constant."""
    return np.asarray(pd.get_dummies(people.visit.table).assign(constant=1).to_numpy(dtype=np.float64))


def _image(people: People) -> Numbers:
    """(n, 4): the signs, volumes as logarithms."""
    volumes = {name: np.log(people.signs[name]) for name in MEDIAN_ML}
    return np.asarray(people.signs.assign(**volumes).to_numpy(dtype=np.float64))
