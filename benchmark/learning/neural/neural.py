"""NeuralMethod: a method made of a PyTorch module; the rest is the suite's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.data.cohort import Cohort
from benchmark.learning.neural.inputs import Batch, Shapes
from benchmark.learning.neural.loop import History, Recipe, Training, fit_module, probabilities
from benchmark.learning.neural.preparation import LearningCases, Preparation, tensor
from benchmark.system.threads import device


@dataclass
class NeuralMethod(Recipe):
    """A method made of a module: subclass it, and return the module from `module(shapes)`.

    The module takes a `Batch` and gives logits (b,) or an `Output`. The views' modalities decide what a batch holds. The class
    attribute `needs_tokens = True` asks for tokens beside pooled vectors. The fields that every such method has beside those of
    `Recipe`, with the same values for every row:

    smote : neighbours of replication SMOTE on the training part; 0 for none.
    table_features : blocks of the design matrix that stand for the table.
    image_encoder : of all neural rows, so that those of tokens and those of pooled vectors see the same of the image.
    text_encoder : in place of the dataset's default.
    image, text : "own"; "permuted" gives each case those of a training case, "constant" the training mean: controls.
    """

    smote: int = 1
    table_features: str = "table"
    image_encoder: str = "lesion-grid"
    text_encoder: str = ""
    image: str = "own"
    text: str = "own"
    on_epoch: Callable[[int, float], None] | None = field(default=None, init=False, repr=False, compare=False)
    """Called after each epoch with its number from 0 and the validation AUC; what it raises ends the fit."""

    needs_tokens: ClassVar[bool] = False

    def module(self, shapes: Shapes) -> nn.Module:
        """The untrained module for inputs of these sizes."""
        raise NotImplementedError(f"{type(self).__name__} must define module(shapes)")

    def weights(self, epoch: int) -> Mapping[str, float]:
        """The weights of the module's further losses in an epoch, counted from 0; 1 for those not named."""
        return {}

    def finish(self, module: nn.Module, train: Batch, validation: Batch) -> dict[str, Any]:
        """What is done once after training, on training and validation cases; what it returns is stored with the cell."""
        return {}

    def fit(self, train: Cohort, validation: Cohort, seed: int) -> None:
        """Train, and stop by the validation part. Raises `InvalidTraining` where the loss is no finite number."""
        self._preparation = Preparation(
            train,
            self.table_features,
            {"image": self.image_encoder, "text": self.text_encoder},
            {"image": self.image, "text": self.text},
            tokens=self.needs_tokens,
            seed=seed,
        )
        learning = LearningCases(self._preparation, train, self.smote, seed)
        held_out = self.inputs(validation)
        torch.manual_seed(seed)
        self._module = self.module(learning.shapes).to(device())
        data = Training(learning.epoch, learning.labels, held_out, tensor(np.asarray(validation.labels)))
        self.history: History = fit_module(self._module, data, self, self.weights, seed, self.on_epoch)
        scores = self.history["validation_auc"]
        best = int(np.argmax(scores))
        self.chosen = {"best_epoch": best + 1, "epochs": len(scores), "validation_auc": scores[best]}
        with torch.inference_mode():
            self.chosen |= self.finish(self._module, self.inputs(train), held_out)

    def predict_proba(self, cases: Cohort) -> NDArray[np.floating[Any]]:
        """P(label = 1), (n,)."""
        return self.probabilities(self.inputs(cases))

    def inputs(self, cases: Cohort) -> Batch:
        """The cases as the fitted module sees them, with the mean of their drafts."""
        return self._preparation.batch(cases)

    def probabilities(self, cases: Batch) -> NDArray[np.floating[Any]]:
        """The fitted module's P(label = 1) of prepared cases, (n,)."""
        return probabilities(self._module, cases).numpy().astype(np.float64)
