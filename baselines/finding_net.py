"""Finding network: the supervised network per finding, on the same views and convolutions as the text-vision row."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmark import Cohort, register_method
from benchmark.learning.text_vision.language import descent, step
from benchmark.learning.text_vision.vision import Scans, ViewNetworks, scans_of, shift_of
from benchmark.system.errors import InvalidTraining


@register_method(
    "finding-net",
    family="neural",
    reference="supervised yardstick of arXiv 2405.02782: one output per finding",
    differences="[A] the networks, views, shifts, optimiser and 1,500 steps of `neurobert`, with an output for the label and "
    "one for each finding, logits averaged over views, binary cross-entropy, and the epoch of the lowest validation loss, no "
    "fewer steps where labels are few",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="early-stopping",
)
@dataclass
class FindingNet:
    """Images -> one network per view, averaged -> logits of the label and of each finding.

    width, edge : as in `neurobert`. steps, rate, batch : of AdamW, however many cases there are.
    """

    unencoded = frozenset({"image"})

    width: int = 16
    edge: int = 28
    rate: float = 4e-3
    batch: int = 32
    steps: int = 1500

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train all outputs together; keep the epoch of the lowest validation loss."""
        learning, held_out = scans_of(train, self.edge), scans_of(validation, self.edge)
        targets, held = targets_of(train), targets_of(validation)
        torch.manual_seed(seed)
        self._network = ViewNetworks(learning.shapes, self.width, targets.shape[1])
        self._network.standardise(learning)
        self.history: dict[str, list[float]] = {"loss": [], "validation_loss": []}
        rng, count = np.random.default_rng(seed), max(round(len(targets) / self.batch), 1)
        epochs = math.ceil(self.steps / count)
        optimiser, falling = descent(self._network, self.rate, epochs * count)
        kept, best = deepcopy(self._network.state_dict()), 0
        for epoch in range(epochs):
            self._network.train()
            total = 0.0
            for rows in np.array_split(rng.permutation(len(targets)), count):
                places = torch.from_numpy(rows)
                loss = binary_cross_entropy_with_logits(self._network(*learning.at(places), shift_of(rng)), targets[places])
                step(self._network, optimiser, falling, loss)
                total += float(loss.detach()) / count
            if not np.isfinite(total):
                raise InvalidTraining(f"epoch {epoch + 1}: the loss is {total}: look at the images")
            unseen = float(binary_cross_entropy_with_logits(self._network.read(held_out), held))
            self.history["loss"].append(float(f"{total:.6g}"))
            self.history["validation_loss"].append(float(f"{unseen:.6g}"))
            if epoch == 0 or unseen < self.history["validation_loss"][best]:
                kept, best = deepcopy(self._network.state_dict()), epoch
        self._network.load_state_dict(kept)
        self.chosen: dict[str, Any] = {"best_epoch": best + 1, "epochs": epochs}

    def predict_proba(self, cases: Cohort) -> NDArray[np.float64]:
        """P(label = 1), (n,)."""
        return self._chances(cases)[:, 0]

    def predict_findings(self, cases: Cohort) -> NDArray[np.float64]:
        """P(finding), (n, k)."""
        return self._chances(cases)[:, 1:]

    def _chances(self, cases: Cohort) -> NDArray[np.float64]:
        scans: Scans = scans_of(cases, self.edge)
        return np.asarray(torch.sigmoid(self._network.read(scans)).double().numpy())


def targets_of(cases: Cohort) -> Tensor:
    """The label and each finding, (n, 1 + k)."""
    findings = np.zeros((len(cases), 0)) if cases.findings is None else cases.findings.to_numpy()
    return torch.from_numpy(np.column_stack([np.asarray(cases.labels), findings]).astype(np.float32))
