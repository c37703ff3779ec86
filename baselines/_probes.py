"""Linear probes: logistic regressions on some numbers of each case, for the label and for each finding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import Cohort


class Probes:
    """A subclass gives the `numbers` of each case, and `penalty`, 1 / C."""

    penalty: float

    def numbers(self, cases: Cohort) -> NDArray[np.float64]:
        """What the regressions see, (n, p)."""
        raise NotImplementedError(f"{type(self).__name__} must define numbers(cases)")

    def learn(self, cases: Cohort) -> None:
        """Fit them all. A finding that all or no case has is given its share."""
        numbers = self.numbers(cases)
        self._label = probe(numbers, np.asarray(cases.labels), self.penalty)
        findings = {} if cases.findings is None else dict(cases.findings.items())
        self._findings = [probe(numbers, values.to_numpy(), self.penalty) for values in findings.values()]

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        return chances(self._label, self.numbers(cases))

    def predict_findings(self, cases: Cohort) -> NDArray[np.float64]:
        """P(finding), (n, k)."""
        numbers = self.numbers(cases)
        return np.stack([chances(model, numbers) for model in self._findings], axis=1)


def probe(numbers: NDArray[np.float64], values: NDArray[np.int8], penalty: float) -> Any:
    """A logistic regression on standardised columns, or the share of cases where all are alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(values)) < 2:
        return float(values.mean())
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=2000)).fit(numbers, values)


def chances(model: Any, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a probe predicts, (n,)."""
    return np.full(len(numbers), model) if isinstance(model, float) else np.asarray(model.predict_proba(numbers)[:, 1])
