"""The canary: a made cohort whose test rows alone carry the label, which only a method reads that saw test labels in fit.

Labels are drawn without regard to any input. Two columns are added to the table. In training and validation rows both are
noise; in test rows `canary` is +1 or -1 by the label, and `canary_word` has one of two words that stand nowhere else. What a
method learns of the noise has no preferred sign, and each cohort comes twice, with the code and with its opposite: so over all
fits the mean AUC is .5. A method that fits anything on the labels of test rows (target encoding, selection, scaling towards the
label) reads the code, whichever way round.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmark.audit.attempt import SEED, Candidate, Misbehaviour, specimen, with_specimens
from benchmark.audit.leaks.subject import Observation
from benchmark.cells.planning import describe_row
from benchmark.data.splits import single_cut
from benchmark.registry.catalogue import Catalogue
from benchmark.system.errors import BenchmarkError

COHORTS = 10
LEVEL = 1e-3
LEAST = 0.55
"""A mean AUC below this is no finding, however narrow its interval: ten pairs may vary little by chance."""
SHAPE = "complete"


def canary(spelled: str, catalogue: Catalogue) -> Iterator[Observation]:
    """The mean AUC of a method over pairs of canary cohorts, against what chance gives (one-sided t test over the pairs).

    Raises `UnknownNameError` for an unknown method, `BenchmarkError` for one that does not apply or cannot be fitted.
    """
    from scipy.stats import t as student
    from sklearn.metrics import roc_auc_score

    catalogue = with_specimens(catalogue)
    method = catalogue.method(spelled)
    aucs = np.zeros((COHORTS, 2))
    for number in range(COHORTS):
        for place, sign in enumerate((1, -1)):
            planted = sign * (number + 1)
            cohort = specimen(SHAPE, catalogue, canary=planted)
            row = describe_row(catalogue.dataset(cohort.name), method, cohort, catalogue)
            if row.not_applicable:
                raise BenchmarkError(f"{spelled}: {row.not_applicable}")
            split = single_cut(cohort, SHAPE, SEED)
            candidate = Candidate(row, SHAPE, catalogue, split, np.inf, canary=planted)
            try:
                probabilities = candidate.run(candidate.views())
            except Misbehaviour as error:
                raise BenchmarkError(f"{error}\n(`python -m benchmark check {spelled}` says more)") from error
            aucs[number, place] = roc_auc_score(np.asarray(cohort.labels)[split.test], probabilities)
    pairs = aucs.mean(axis=1)
    bound = 0.5 + float(student.isf(LEVEL, COHORTS - 1)) * float(pairs.std(ddof=1)) / np.sqrt(COHORTS)
    if pairs.mean() > max(bound, LEAST):
        evidence = f"mean AUC {pairs.mean():.3f} over {aucs.size} fits; chance alone stays below {max(bound, LEAST):.3f}"
        yield Observation("invalidates", f"{spelled} reads labels of test rows", evidence)
