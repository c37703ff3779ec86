"""Linear probe: logistic regressions on images where their networks have put them in the space of reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark import Cohort, register_method
from benchmark.learning.self_supervised.table import TableCoder
from benchmark.learning.text_vision.image_space import ImageSpace
from benchmark.system.errors import UnknownNameError

INPUTS = ("image", "image+table")


@register_method(
    "report-space-probe",
    family="control",
    reference="linear probe on the frozen image vectors of arXiv 2405.02782",
    differences="[A] one logistic regression for the label and one for each finding, C = 1, on standardised vectors; "
    "`inputs=image+table` puts the table beside the vector",
    fit_modalities={"image", "text"},
    predict_modalities={"image"},
    validation="unused",
    accepts_missing=True,
    variants={"inputs": {"image+table": {"image", "text", "table"}}, "text_encoder": {"minilm": set()}},
)
@dataclass
class ReportSpaceProbe(ImageSpace):
    """Image vector -> logistic regression, for the label and for each finding.

    inputs : "image", or "image+table". penalty : 1 / C.
    """

    inputs: str = "image"
    penalty: float = 1.0

    def __post_init__(self) -> None:
        """Raises `UnknownNameError` for inputs that there are not."""
        super().__post_init__()
        if self.inputs not in INPUTS:
            raise UnknownNameError("inputs", self.inputs, INPUTS)

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Learn from the training cases alone: the validation cases, whose reports no stage read, choose the threshold.

        A finding that all or no case has is given its share.
        """
        self._coder = TableCoder.of(train) if self.inputs == "image+table" else None
        vectors = self._inputs(train)
        self._label = probe(vectors, np.asarray(train.labels), self.penalty)
        findings = {} if train.findings is None else dict(train.findings.items())
        self._findings = [probe(vectors, values.to_numpy(), self.penalty) for values in findings.values()]
        self.chosen: dict[str, Any] = self.figures()

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        return chances(self._label, self._inputs(cases))

    def predict_findings(self, cases: Cohort) -> NDArray[np.float64]:
        """P(finding), (n, k)."""
        vectors = self._inputs(cases)
        return np.stack([chances(model, vectors) for model in self._findings], axis=1)

    def _inputs(self, cases: Cohort) -> NDArray[np.float64]:
        vectors = self.image_vectors(cases).astype(np.float64)
        return vectors if self._coder is None else np.hstack([vectors, self._coder.transform(cases).double().numpy()])


def probe(vectors: NDArray[np.float64], values: NDArray[np.int8], penalty: float) -> Any:
    """A logistic regression on standardised columns, or the share of cases where all are alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(values)) < 2:
        return float(values.mean())
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=2000)).fit(vectors, values)


def chances(model: Any, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a probe predicts, (n,)."""
    return np.full(len(vectors), model) if isinstance(model, float) else np.asarray(model.predict_proba(vectors)[:, 1])
