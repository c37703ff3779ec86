"""NeuroBERT: images are mapped to the vectors of their reports, and a question in words needs no label to be answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark import Cohort, register_method
from benchmark.learning.text_vision.image_space import ImageSpace
from benchmark.learning.text_vision.zero_shot import ZeroShot


@register_method(
    "neurobert",
    family="proposed",
    reference="text-vision framework of neuroradiology, arXiv 2405.02782",
    differences="no code and no weights are public. Kept: a RoBERTa-type encoder with a WordPiece vocabulary of its own, "
    "masked language modelling of 15 %, section matching of Findings and Summary by a twin network, mean pooling, one network "
    "per view that regresses the report's vector by mean squared error, cosine with a question in words. A finding's score is "
    "the mean over its sentences, not the source's greatest: chosen on `synthetic-findings[seed=2]` by labels of 540 cases. "
    "[A] 128-d and 4 layers in place of 768-d and 12 (`size=paper`), without RoBERTa's dropout of .1; public texts in place of "
    "50,523 reports; in-batch negatives at temperature 0.05; 10 epochs of section matching, which are some 470 steps on "
    "`synthetic-findings`, 190 on `soop-findings` and 40 on `medpix`; a report's vector is the mean of its sections', of "
    "length 1 less the training reports' mean; small networks per view, each trained by itself, their vectors averaged; 1,500 "
    "steps of the regression, as `finding-net` takes; the triage compares the nearest finding with the normal sentences. 152 "
    "texts of `mtsamples` hold both sections; all other pairs are the dataset's reports, synthetic where "
    "these are",
    fit_modalities={"image", "text"},
    predict_modalities={"image"},
    validation="unused",
    accepts_missing=True,
    labels=False,
    variants={
        "text_encoder": {"minilm": set()},
        "mode": {"frozen": set()},
        "permuted": {True: set()},
        "size": {"paper": set()},
    },
)
@dataclass
class NeuroBERT(ZeroShot, ImageSpace):
    """Image vector = mean over views of CNN(view), trained to be the report's; score = its cosine with the question's."""

    def vectors_of(self, cases: Cohort) -> NDArray[np.float32]:
        """Of the images."""
        return self.image_vectors(cases)

    def search_space(self) -> dict[str, list[object]]:
        """What the source does not fix [A]."""
        return {
            "matching_epochs": [5, 10, 20],
            "image_steps": [750, 1500],
            "image_rate": [2e-3, 4e-3, 8e-3],
            "width": [8, 16],
        }
