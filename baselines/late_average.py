"""Late average: the mean probability of three networks of one modality each, every one trained and stopped by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.image_net import ImageNet
from baselines.mlp import MLP
from baselines.text_net import TextNet
from benchmark import Cohort, NeuralMethod, register_method
from benchmark.data.stages import Arrays
from benchmark.learning.stages import TRAINING

MEMBERS: Mapping[str, tuple[type[NeuralMethod], str]] = {
    "image-net": (ImageNet, "image"),
    "text-net": (TextNet, "text"),
    "mlp": (MLP, "table"),
}
"""Method -> its class, and the modality that it sees."""


@register_method(
    "late-average",
    family="neural",
    reference="late fusion by the mean of unimodal probabilities (Kittler et al. 1998, IEEE TPAMI 20:226-239, the sum rule)",
    differences="[A] the members are `image-net`, `text-net` and `mlp` as they are, each with its own best epoch, so that its "
    "probability is the mean of those rows'",
    fit_modalities={"image", "table", "text"},
    predict_modalities={"image", "table", "text"},
    validation="early-stopping",
)
@dataclass
class LateAverage:
    """(p_image + p_text + p_table) / 3. A member is trained here where no stage holds its training."""

    combines = ("image-net", "text-net", "mlp")

    stages: Mapping[str, Arrays] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Member -> its training."""

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train the members, or take their trainings. Raises what they raise."""
        self._fitted = {name: made() for name, (made, _) in MEMBERS.items()}
        for name, member in self._fitted.items():
            if name in self.stages:
                member.stages = {TRAINING: self.stages[name]}
            member.fit(_seen(train, name), _seen(validation, name), seed)
        self.chosen = {f"{name} best_epoch": member.chosen["best_epoch"] for name, member in self._fitted.items()}

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1), (n,)."""
        return np.asarray(np.mean([member.predict_proba(_seen(cases, name)) for name, member in self._fitted.items()], axis=0))


def _seen(cases: Cohort, member: str) -> Cohort:
    """The cases as a member sees them."""
    return cases.only({MEMBERS[member][1]})
