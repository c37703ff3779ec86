"""Rows on one split of `synthetic-risk`, to hold its law against: a control that takes a network is not a test.

`python -m tools.risk_controls SEED ROW...` prints the test AUC of each row on the first split of `repeated-cv`, beside the
optimum of that draw. docs/synthetic-risk.md has what it printed.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.discovery import discover


def main(seed: str, *rows: str) -> None:
    """Print a line for the draw and one for each row."""
    catalogue = discover()
    cohort = load_cohort(f"synthetic-risk[seed={seed}]" if seed != "1" else "synthetic-risk", catalogue)
    assert cohort.labels is not None
    split = next(iter(RepeatedCV(repeats=1).splits(cohort)))
    labels = np.asarray(cohort.labels)[split.test]
    print(f"seed {seed}: optimum {cohort.facts['oracle_auc']:.3f}, {labels.sum()} of {len(labels)} test cases have label 1")
    for row in rows:
        method, started = catalogue.method(row), time.process_time()
        probabilities = fit_and_predict(method, views_of(cohort, split, method.modalities), split.seed).probabilities
        print(f"{row}: {roc_auc_score(labels, probabilities):.3f} ({time.process_time() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
