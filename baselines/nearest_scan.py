"""Nearest scan: the training case whose voxels are nearest lends its findings and the words of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import Cohort, register_method
from benchmark.learning.text_vision.vision import scans_of


@register_method(
    "nearest-scan",
    family="control",
    reference="nearest neighbours in voxels (Cover and Hart 1967)",
    differences="[A] Euclidean distance over all views, averaged to 14 voxels along an axis (slices to 28); a text is as close "
    "to a scan as its words, by TF-IDF, are to the nearest training case's report",
    fit_modalities={"image", "text"},
    predict_modalities={"image"},
)
@dataclass
class NearestScan:
    """Mean over the `neighbours` nearest training cases of labels, findings and reports' words. edge : as in `neurobert`."""

    stochastic = False
    unencoded = frozenset({"image", "text"})

    neighbours: int = 1
    edge: int = 14

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Keep the training and validation cases."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.neighbors import NearestNeighbors

        cases = train.join(validation)
        self._near = NearestNeighbors(n_neighbors=min(self.neighbours, len(cases))).fit(self._voxels(cases))
        self._labels = np.asarray(cases.labels, dtype=np.float64)
        self._findings = None if cases.findings is None else cases.findings.to_numpy(np.float64)
        reports = ["\n".join(drafts) for drafts in cases.reports or ()]
        self._words: Any = TfidfVectorizer(token_pattern=r"\w+")
        self._reports = self._words.fit_transform(reports)

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        return np.asarray(self._labels[self._nearest(cases)].mean(axis=1))

    def predict_findings(self, cases: Cohort) -> NDArray[np.float64]:
        """P(finding), (n, k)."""
        assert self._findings is not None, "the dataset names no findings"
        return np.asarray(self._findings[self._nearest(cases)].mean(axis=1))

    def similarity(self, cases: Cohort, texts: Sequence[str]) -> NDArray[np.float64]:
        """The cosine in TF-IDF of the nearest cases' reports with each text, (n, m)."""
        each = (self._reports @ self._words.transform(texts).T).toarray()
        return np.asarray(each[self._nearest(cases)].mean(axis=1))

    def _nearest(self, cases: Cohort) -> NDArray[np.intp]:
        """Rows of the training cases, (n, neighbours)."""
        found: NDArray[np.intp] = self._near.kneighbors(self._voxels(cases), return_distance=False)
        return found

    def _voxels(self, cases: Cohort) -> NDArray[np.float32]:
        views = scans_of(cases, self.edge).views
        return np.hstack([view.flatten(1).float().numpy() for view in views.values()])
