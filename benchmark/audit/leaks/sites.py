"""Sites: how well the inputs tell at which site a case was seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.audit.leaks.subject import Observation, Subject, called, having

FOLDS = 5
FEWEST = 10
"""Cases of a site; smaller ones are left out."""
TOLD = 0.6
"""A smaller AUC says too little of a site to matter."""
BY_CHANCE = 3.1
"""Standard errors above .5, which chance exceeds once in a thousand times."""


def sites_told(subject: Subject) -> Iterator[Observation]:
    """Frames from which a forest tells the site: the mean over sites of the cross-validated AUC of each against the others."""
    sites = subject.cohort.sites
    if sites is None:
        return
    for name, frame in subject.frames.items():
        there = having(subject.cohort, name)
        names, counts = np.unique(sites[there], return_counts=True)
        kept = there & np.isin(sites, names[counts >= FEWEST])
        names, codes = np.unique(sites[kept], return_inverse=True)
        if len(names) < 2:
            continue
        aucs, error = _aucs(_numbers(frame[kept]), codes.astype(np.intp), subject.groups[kept])
        mean = float(aucs.mean())
        if mean > max(TOLD, 0.5 + BY_CHANCE * error):
            best = int(aucs.argmax())
            evidence = (
                f"mean AUC {mean:.3f} over {len(names)} sites, {aucs[best]:.3f} for {names[best]} (5 folds, random forest)"
            )
            yield Observation("reports", f"the {called(name)} tells the site", evidence)


def _numbers(frame: pd.DataFrame) -> NDArray[np.float64]:
    """(n, p) numbers as they are and categories as codes; what is missing is below all."""
    columns = [
        frame[name].astype(float) if pd.api.types.is_numeric_dtype(frame[name]) else pd.Series(pd.factorize(frame[name])[0])
        for name in frame
    ]
    filled = [column.fillna(column.min() - 1 if column.notna().any() else 0.0) for column in columns]
    return np.stack([column.to_numpy(dtype=np.float64) for column in filled], axis=1)


def _aucs(x: NDArray[np.float64], codes: NDArray[np.intp], groups: NDArray[np.intp]) -> tuple[NDArray[np.float64], float]:
    """The out-of-fold AUC of each site against all others, and the standard error of their mean if inputs ignore the site."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    count = int(codes.max()) + 1
    shares = np.zeros((len(codes), count))
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(x, codes, groups):
        forest = RandomForestClassifier(100, min_samples_leaf=5, random_state=0).fit(x[train], codes[train])
        shares[np.ix_(test, forest.classes_)] = forest.predict_proba(x[test])
    aucs = np.array([roc_auc_score(codes == site, shares[:, site]) for site in range(count)])
    ones = np.bincount(codes, minlength=count)
    variances = (len(codes) + 1) / (12 * ones * (len(codes) - ones))
    # the sites' AUCs go together (two sites have the same one): a mean's error is no smaller than that of the largest
    return aucs, float(np.sqrt(max(variances.min(), variances.sum() / count**2)))
