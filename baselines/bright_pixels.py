"""Bright pixels: what the brightest pixels alone tell, a control where a lesion was painted on pictures and taken out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from baselines._probes import Probes
from benchmark import Cohort, register_method

READ = 64
"""Cases that are read at once."""


@register_method(
    "bright-pixels",
    family="control",
    reference="logistic regression on the share of saturated pixels in each field of a picture",
    differences="[A] pixels of at least .98 of the brightest value in training, two of `soop-findings`' 64 levels, "
    "to which a tint that was taken out brings 15 % of its pixels and .9 % of the others; 4 fields along each axis; C = 1",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="unused",
)
@dataclass
class BrightPixels(Probes):
    """Share of bright pixels in each field -> logistic regression, for the label and for each finding.

    fields : along each axis of a picture. level : of the brightest training value, from which it is bright. penalty : 1 / C.
    """

    stochastic = False
    unencoded = frozenset({"image"})

    fields: int = 4
    level: float = 0.98
    penalty: float = 1.0

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Learn from the training cases."""
        self._brightest = {name: float(np.max(view[:])) for name, view in train.views("image").items()}
        self.learn(train)

    def numbers(self, cases: Cohort) -> NDArray[np.float64]:
        """The share of bright pixels in each field of each view, (n, views x fields)."""
        views = cases.views("image")
        return np.hstack([self._of_view(views[name], name) for name in sorted(self._brightest)])

    def _of_view(self, view: Any, name: str) -> NDArray[np.float64]:
        pool: Any = adaptive_avg_pool3d if len(view.shape) == 5 else adaptive_avg_pool2d
        pieces = (np.asarray(view[at : at + READ]) for at in range(0, view.shape[0], READ))
        bright = (torch.from_numpy(piece >= self.level * self._brightest[name]).double() for piece in pieces)
        return np.concatenate([pool(each, self.fields).flatten(1).numpy() for each in bright])
