"""The question answered from the report itself: what is lost where the image is asked in its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import normalize

from benchmark import Cohort, register_method
from benchmark.learning.text_vision.zero_shot import ZeroShot


@register_method(
    "report-query",
    family="control",
    reference="the query's cosine with the case's own report; text side of arXiv 2405.02782",
    differences="a reference and no competitor: prediction reads the report of the test case, which states the findings, "
    "and finds that very report among all; no image is seen",
    fit_modalities={"text"},
    predict_modalities={"text"},
    validation="unused",
    accepts_missing=True,
    labels=False,
    variants={"text_encoder": {"minilm": set()}},
)
@dataclass
class ReportQuery(ZeroShot):
    """The vector of a case is that of its report."""

    def vectors_of(self, cases: Cohort) -> NDArray[np.float32]:
        """Of the reports; zero where a case has none."""
        return np.asarray(normalize(self.report_vectors(cases)[0], dim=1).numpy())
