"""ECG-MAE: a transformer that restores masked patches of ECGs without labels, then learns the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark import register_method
from benchmark.data.stages import Arrays
from benchmark.learning.layers.signals import PatchTransformer
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.self_supervised.pretraining import Schedule, pretrain
from benchmark.learning.self_supervised.signal_table import SignalTable, groups_of, part_of, some, state_of
from benchmark.learning.self_supervised.signals import MaskedAutoencoder, SignalInputs, Signals
from benchmark.learning.stages import Seen, stage
from benchmark.system.errors import UnknownNameError

STARTS = ("pretrained", "scratch")
BETAS = (0.9, 0.95)
"""Of AdamW in pre-training, as masked autoencoders have them."""
FIELDS = (
    *("size", "width", "layers", "heads", "patch", "decoder", "masked", "start", "cases"),
    *("masking_epochs", "masking_batch", "masking_rate", "masking_decay"),
)
"""What the masked autoencoder depends on."""


@register_method(
    "ecg-mae",
    family="self-supervised",
    reference="masked autoencoder, He et al. 2022, CVPR, arXiv 2111.06377; of ECGs, Turgut et al. 2023, arXiv 2308.05764",
    differences="kept: patches of one lead, three quarters masked, fixed places in lead and time, loss 0.9 squared error + 0.1 "
    "(1 - correlation) on masked patches, recordings cut at 4 SD of all leads, then rid of their baseline, then each group of "
    "leads of unit SD: networks see no millivolts; AdamW (.9, .95) of decay .05. [A] the cut is about each lead's median in "
    "place of 0, and the baseline what is slower than 0.5 Hz in place of a smooth asymmetric curve; patches of 100 samples, "
    "which are 1 s at 100 Hz in place of .2 s at 500 Hz; width 64, 2 layers, 2 heads and a decoder of 64 in place of 384, 3, 6 "
    "and 256 (`size=paper`), 40 epochs of pre-training at 3e-3 in batches of 16; at most 30 epochs of training, 512 cases each "
    "in batches of 16, half of either label, from a logistic regression's head, labels smoothed by 0.1, which predictions "
    "undo, recordings altered: half of them by a Fourier surrogate, each by a factor of its own for all its leads (SD .2 in "
    "place of .5) and by noise of .1 of its SD in place of a share of each sample; with `mode=frozen` that logistic "
    "regression. `start=scratch` is the same network without pre-training",
    fit_modalities={"signal"},
    predict_modalities={"signal"},
    validation="early-stopping",
    variants={"mode": {"frozen": set()}, "start": {"scratch": set()}, "size": {"paper": set()}},
)
@dataclass
class ECGMAE(SignalTable):
    """Transformer(patches that are seen) -> decoder -> patches that are not; then transformer(all patches) -> logit.

    start : "pretrained" on training cases and pool without their labels; "scratch" for the same network that was not.
    cases : how many of these cases are used, drawn at random; 0 for all.
    size : "paper" for the source's widths. patch : samples. decoder : its width. masked : share of the patches.
    masking_epochs, masking_batch, masking_rate, masking_decay : AdamW's, under a warm-up and a cosine.
    """

    start: str = "pretrained"
    cases: int = 0
    size: str = "small"
    layers: int = 2
    heads: int = 2
    patch: int = 100
    decoder: int = 64
    masked: float = 0.75
    masking_epochs: int = 40
    masking_batch: int = 16
    masking_rate: float = 3e-3
    masking_decay: float = 0.05

    def __post_init__(self) -> None:
        """Set the sizes. Raises `UnknownNameError` for a mode or pre-training that there is not."""
        super().__post_init__()
        if self.start not in STARTS:
            raise UnknownNameError("start", self.start, STARTS)
        set_size(self, self.size, width=384, layers=3, heads=6, decoder=256)

    def signal_encoder(self, leads: int, samples: int) -> PatchTransformer:
        """The transformer on patches."""
        return PatchTransformer(leads, samples, patch=self.patch, width=self.width, layers=self.layers, heads=self.heads)

    @stage(sees={"unlabelled"}, fields=FIELDS, seconds=7200.0)
    def masking(self, seen: Seen, seed: int) -> Arrays:
        """The autoencoder after pre-training, and the mean loss of each epoch; of recordings alone."""
        cases = seen.unlabelled
        if self.start == "scratch" or "signal" not in cases.modalities:
            return {"loss": np.zeros(0)}
        cases = some(cases, {"signal"}, self.cases)
        signals = Signals(cases)
        torch.manual_seed(seed)
        autoencoder = self.autoencoder(signals.shape)
        inputs = SignalInputs(None, None, groups_of(cases), signals)
        loss = pretrain(autoencoder, inputs, self.masking_schedule(), seed)
        return {"loss": loss, **state_of(autoencoder)}

    def masking_schedule(self) -> Schedule:
        """Of the autoencoder's pre-training."""
        sizes = self.masking_epochs, self.masking_batch, self.masking_rate, self.masking_decay
        return Schedule(*sizes, decoupled=True, betas=BETAS)

    def autoencoder(self, shape: tuple[int, int]) -> MaskedAutoencoder:
        """Encoder and decoder of recordings (leads, samples)."""
        return MaskedAutoencoder(self.signal_encoder(*shape), shape, width=self.decoder, masked=self.masked)

    def starts(self) -> dict[str, Mapping[str, NDArray[Any]]]:
        """The autoencoder's encoder."""
        weights = part_of(self.stages["masking"], "network.")
        return {"signal": weights} if weights else {}
