"""Linear probe: logistic regressions on images where their networks have put them in the space of reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines._probes import Probes
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
    "without a large pool it fits on cases whose images the networks have regressed, so that their vectors lie nearer to their "
    "reports than those of new cases do; `inputs=image+table` puts the table beside the vector",
    fit_modalities={"image", "text"},
    predict_modalities={"image"},
    validation="unused",
    accepts_missing=True,
    variants={"inputs": {"image+table": {"image", "text", "table"}}, "text_encoder": {"minilm": set()}},
)
@dataclass
class ReportSpaceProbe(Probes, ImageSpace):
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
        """Learn from the training cases alone: the validation cases, whose reports no stage read, choose the threshold."""
        self._coder = TableCoder.of(train) if self.inputs == "image+table" else None
        self.learn(train)
        self.chosen: dict[str, Any] = self.figures()

    def numbers(self, cases: Cohort) -> NDArray[np.float64]:
        """The image vector, and the table beside it."""
        vectors = self.image_vectors(cases).astype(np.float64)
        return vectors if self._coder is None else np.hstack([vectors, self._coder.transform(cases).double().numpy()])
