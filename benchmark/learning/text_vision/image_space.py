"""Images in the space of reports: the networks that regress the vector of each case's own report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from benchmark.data.cohort import Cohort
from benchmark.data.stages import Arrays
from benchmark.learning.stages import Seen, stage
from benchmark.learning.text_vision.corpora_language import OF_LANGUAGE
from benchmark.learning.text_vision.report_space import ReportSpace
from benchmark.learning.text_vision.vision import (
    Regression,
    Scans,
    ViewNetworks,
    features_of,
    imaged,
    regress,
    scans_of,
    state_of,
)
from benchmark.system.errors import UnknownNameError

MODES = ("end-to-end", "frozen")


@dataclass
class ImageSpace(ReportSpace):
    """One network per view gives the vector of the report by mean squared error; the vectors of several views are averaged.

    mode : "end-to-end" trains networks on the images, "frozen" a perceptron on the features of the dataset's image encoder.
    permuted : a control: the reports are dealt anew among the cases that it learns from before images are mapped to them.
    width : channels of the first convolution. edge : voxels along an axis that volumes are averaged to, and half of what slices
    are averaged to. image_steps, image_rate, batch : of the regression, however many cases there are.
    """

    mode: str = "end-to-end"
    permuted: bool = False
    width: int = 16
    edge: int = 28
    image_steps: int = 1500
    image_rate: float = 4e-3
    batch: int = 32

    def __post_init__(self) -> None:
        """Set the sizes. Raises `UnknownNameError` for a mode or size that there is not."""
        super().__post_init__()
        if self.mode not in MODES:
            raise UnknownNameError("mode", self.mode, MODES)

    @property
    def unencoded(self) -> frozenset[str]:
        """Images are seen as they are, unless the mode is frozen."""
        return super().unencoded - ({"image"} if self.mode == "frozen" else set())

    @stage(
        sees={"unlabelled"},
        modalities={"image", "text"},
        fields=(*OF_LANGUAGE, "mode", "permuted", "width", "edge", "image_steps", "image_rate", "batch"),
        after=("matching",),
        seconds=1800.0,
    )
    def vision(self, seen: Seen, seed: int) -> Arrays:
        """The networks after the regression, and the mean squared error of each epoch."""
        cases = seen.unlabelled
        vectors, reported = self.report_vectors(cases)
        rows = np.flatnonzero(reported.numpy() & imaged(cases))
        learnt, vectors = cases.take(rows), vectors[torch.from_numpy(rows)]
        if self.permuted:
            vectors = vectors[torch.from_numpy(np.random.default_rng(seed).permutation(len(vectors)))]
        scans = self.scans(learnt)
        torch.manual_seed(seed)
        network = ViewNetworks(scans.shapes, self.width, vectors.shape[1])
        loss = regress(network, scans, vectors, Regression(self.image_steps, self.batch, self.image_rate), seed)
        return {"loss": loss, "cases": np.array(len(scans)), **state_of(network)}

    def scans(self, cases: Cohort) -> Scans:
        """What the networks see of the cases."""
        return features_of(cases) if self.mode == "frozen" else scans_of(cases, self.edge)

    def image_vectors(self, cases: Cohort) -> NDArray[np.float32]:
        """Where images lie in the space of reports, (n, d) of length 1, zero where a case has none; from the stages alone."""
        arrays, scans = self.stages["vision"], self.scans(cases)
        network: Any = ViewNetworks(scans.shapes, self.width, len(self.stages["matching"]["centre"]))
        network.load_state_dict({name: torch.from_numpy(arrays[f"state.{name}"].copy()) for name in network.state_dict()})
        return np.asarray(normalize(network.read(scans), dim=1).numpy())
