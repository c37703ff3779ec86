"""Cardio-SSL: what images show is carried to ECG and table by contrast; prediction needs ECG and table alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.ecg_mae import ECGMAE
from baselines.simclr import AlteredContrast
from benchmark import Cohort, register_method
from benchmark.data.stages import Arrays
from benchmark.learning.layers.sizes import set_size
from benchmark.learning.self_supervised.images import Images
from benchmark.learning.self_supervised.losses import clip_loss, similarities, without_own
from benchmark.learning.self_supervised.networks import ImageEncoder, TableMLP, projection, resnet_of
from benchmark.learning.self_supervised.pretraining import Inputs, Objective, Schedule, Unlabelled, pretrain
from benchmark.learning.self_supervised.signal_table import groups_of, load, part_of, some, state_of
from benchmark.learning.self_supervised.signals import SignalBatch, SignalInputs, Signals
from benchmark.learning.self_supervised.table import TableCoder
from benchmark.learning.stages import Seen, stage
from benchmark.system.errors import UnknownNameError

PAIRS = {
    "image": ({"image", "signal"}, {"image", "table"}),
    "all": ({"image", "signal"}, {"image", "table"}, {"signal", "table"}),
    "table": ({"signal", "table"},),
    "image+table": ({"image", "table"},),
    "off": (),
}
"""What `transfer` brings together."""
OF_IMAGES = (
    *("size", "image_width", "edge", "cases", "transfer"),
    *("image_epochs", "pretraining_rate", "pretraining_least", "batch"),
)
TEMPERATURE = 0.1


@register_method(
    "cardio-ssl",
    family="proposed",
    reference="self-supervised cardiovascular model, arXiv 2411.05900; details of the nearest public code, Turgut et al. 2023, "
    "arXiv 2308.05764",
    differences="no code is public. Kept: a masked autoencoder of ECGs, an image encoder of its own pre-training, contrast of "
    "image with ECG and of image with table (cosine / 0.1, projections of 128), training on ECG and table. [A] the autoencoder "
    "and the training of `ecg-mae`; SimCLR on images for 20 epochs with a ResNet of width 16 (`size=paper`: ResNet-50), 10 "
    "epochs of contrast, each of 512 cases at least, fewer several times, records of one person never each other's negatives; "
    "one linear head on both embeddings; in training with labels the normalisation of encoders that were pre-trained stays. "
    "`start=scratch`: no autoencoder; `transfer=off`: no images, `transfer=table`: contrast of ECG and table in place of "
    "images, `transfer=all`: beside them",
    fit_modalities={"image", "signal", "table"},
    predict_modalities={"signal", "table"},
    validation="early-stopping",
    variants={
        "mode": {"frozen": set()},
        "start": {"scratch": set()},
        "transfer": {
            "all": set(),
            "table": {"signal", "table"},
            "off": {"signal", "table"},
            "image+table": {"image", "table"},
        },
        "size": {"paper": set()},
    },
)
@dataclass
class CardioSSL(ECGMAE):
    """Autoencoder(ECG), SimCLR(image); contrast of image with ECG and table; transformer(ECG) and MLP(table) -> logit.

    transfer : what is brought together, see `PAIRS`. image_width : channels of the ResNet's first convolution. edge : voxels
    along an axis that volumes are averaged to. image_epochs, transfer_epochs, pretraining_rate, batch : of SimCLR and contrast,
    an epoch of which sees at least `pretraining_least` cases: fewer are gone through several times.
    """

    transfer: str = "image"
    image_width: int = 16
    edge: int = 28
    image_epochs: int = 20
    transfer_epochs: int = 10
    pretraining_rate: float = 1e-3
    pretraining_least: int = 512
    batch: int = 64

    def __post_init__(self) -> None:
        """Set the sizes. Raises `UnknownNameError` for a transfer that there is not."""
        super().__post_init__()
        if self.transfer not in PAIRS:
            raise UnknownNameError("transfer", self.transfer, tuple(PAIRS))
        set_size(self, self.size, image_width=64, edge=128, table_width=2048)

    @stage(sees={"unlabelled"}, fields=OF_IMAGES, seconds=7200.0)
    def imaging(self, seen: Seen, seed: int) -> Arrays:
        """The image encoder after SimCLR, and the mean loss of each epoch."""
        if "image" not in self._compared:
            return {"loss": np.zeros(0)}
        cases = some(seen.unlabelled, {"image"}, self.cases)
        images = Images(cases, self.edge)
        torch.manual_seed(seed)
        contrast = AlteredContrast(Encoders({"image": self.image_encoder(images)}))  # type: ignore[arg-type]
        contrast.mirrored = False  # a wall's place is what the ECG shows of it
        loss = pretrain(contrast, Inputs(None, images, groups_of(cases)), self._schedule(self.image_epochs), seed)
        return {"loss": loss, **state_of(contrast)}

    @stage(
        sees={"unlabelled"},
        fields=(*OF_IMAGES, "width", "layers", "heads", "patch", "table_width", "start", "transfer_epochs"),
        after=("masking", "imaging"),
        seconds=7200.0,
    )
    def transferring(self, seen: Seen, seed: int) -> Arrays:
        """The encoders after contrast, how tables became numbers, and the mean loss of each epoch."""
        if self.transfer == "off":
            return {"loss": np.zeros(0)}
        cases = some(seen.unlabelled, self._compared, self.cases)
        inputs, coder = self._inputs_of(cases)
        torch.manual_seed(seed)
        contrast = Contrasts(self._encoders_of(inputs), PAIRS[self.transfer])
        loss = pretrain(contrast, inputs, self._schedule(self.transfer_epochs), seed)
        return {"loss": loss, "coder": coder.as_array(), **state_of(contrast)}

    def image_encoder(self, images: Images) -> ImageEncoder:
        """The ResNet."""
        return ImageEncoder(images.shapes, resnet_of(self.size, self.image_width))

    def starts(self) -> dict[str, Mapping[str, NDArray[Any]]]:
        """The encoders after contrast, or the autoencoder's where there was none."""
        if self.transfer == "off":
            return super().starts()
        kept = {name: part_of(self.stages["transferring"], f"network.{name}.") for name in ("signal", "table")}
        return {name: weights for name, weights in kept.items() if weights}

    def coder(self, train: Cohort) -> TableCoder:
        """That of the contrast."""
        return super().coder(train) if self.transfer == "off" else TableCoder.from_array(self.stages["transferring"]["coder"])

    def _schedule(self, epochs: int) -> Schedule:
        return Schedule(epochs, self.batch, self.pretraining_rate, 0.0, self.pretraining_least)

    @property
    def _compared(self) -> set[str]:
        return set().union(*PAIRS[self.transfer])

    def _inputs_of(self, cases: Cohort) -> tuple[Inputs, TableCoder]:
        coder = TableCoder.of(cases)
        images = Images(cases, self.edge) if "image" in self._compared else None
        inputs = Inputs(coder.transform(cases), images, groups_of(cases))
        if "signal" not in self._compared:
            return inputs, coder
        return SignalInputs(inputs.table, images, inputs.groups, Signals(cases)), coder

    def _encoders_of(self, inputs: Inputs) -> Encoders:
        """The encoders that are brought together, as earlier stages left them."""
        encoders: dict[str, Any] = {}
        if inputs.images is not None:
            encoders["image"] = self.image_encoder(inputs.images)
            load(encoders["image"], part_of(self.stages["imaging"], "network.image."))
        if isinstance(inputs, SignalInputs):
            encoders["signal"] = self.signal_encoder(*inputs.signals.shape)
            load(encoders["signal"], part_of(self.stages["masking"], "network."))
        assert inputs.table is not None
        return Encoders({**encoders, "table": TableMLP(inputs.table.shape[1], self.table_width)})

    def search_space(self) -> dict[str, list[object]]:
        """What the source does not fix [A]."""
        return {
            "learning_rate": [1e-4, 3e-4, 1e-3],
            "smoothing": [0.0, 0.1],
            "mode": ["frozen", "trainable"],
        }


class Encoders(nn.Module):
    """Encoders, each an attribute: of image, signal or table."""

    def __init__(self, encoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, encoder in encoders.items():
            self.add_module(name, encoder)


class Contrasts(Objective):
    """Of each pair of modalities, projections that must find their partner in the batch, by cosine / 0.1; the losses' sum.

    Records of one person are never each other's negatives.
    """

    mirrored = False

    def __init__(self, network: Encoders, pairs: Iterable[set[str]]) -> None:
        super().__init__(network)
        self.pairs = [tuple(sorted(pair)) for pair in pairs]
        self.projections = nn.ModuleDict({name: projection(encoder.width) for name, encoder in network.named_children()})  # type: ignore[arg-type]

    def forward(self, batch: Unlabelled) -> Tensor:
        """CLIP losses, summed over the pairs."""
        inputs = {"image": batch.views, "table": batch.table}
        if isinstance(batch, SignalBatch):
            inputs["signal"] = batch.signals
        projected = {
            name: self.projections[name](encoder(inputs[name]).mean(1)) for name, encoder in self.network.named_children()
        }
        partner = torch.arange(len(batch.groups))
        logits = (similarities(projected[a], projected[b], TEMPERATURE) for a, b in self.pairs)
        return torch.stack([clip_loss(without_own(each, batch.groups, partner)) for each in logits]).sum()
