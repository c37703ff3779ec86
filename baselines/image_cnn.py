"""Image CNN: a convolutional network on the images themselves, trained end to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from benchmark import Batch, BenchmarkError, NeuralMethod, Shapes, register_method
from benchmark.data.features import weights_digest
from benchmark.learning.encoders.monai_networks import loaded, medicalnet
from benchmark.learning.layers.images import ImageNetwork, ResNet
from benchmark.learning.layers.perceptron import perceptron
from benchmark.learning.layers.sizes import set_size

STAGES = 5
"""Of a ResNet: the first convolution and four blocks."""


@register_method(
    "image-cnn",
    family="neural",
    reference="a convolutional network trained end to end; `size=paper`: 3-D ResNet-50 of MedicalNet, Chen et al. 2019, "
    "arXiv 1904.00625, as MONAI builds it",
    differences="[A] volumes averaged to at most 16 voxels along an axis and slices to 32 pixels (`size=paper`: 96 and 192); "
    "convolutions of stride 2 with 8, 16 and then 32 channels and batch normalisation until no axis is longer than 3, one 3-D "
    "network for the volumes of a grid, one 2-D network for the slices of a view (in `size=paper` too; the ResNet-50 sees the "
    "channels of the volumes one by one), a hidden layer of 64, dropout 0.5; per sample and epoch turns up to 10 degrees, "
    "shifts up to 5 %, size and contrast up to 10 %, brightness up to 0.1 SD, no mirror images",
    fit_modalities={"image"},
    predict_modalities={"image"},
    validation="early-stopping",
    variants={"size": {"paper": set()}},
)
@dataclass
class ImageCNN(NeuralMethod):
    """Images -> convolutions -> MLP -> logit.

    size : "paper" for MedicalNet's ResNet-50 on the volumes. width : channels of the first convolution. edge : voxels along an
    axis that volumes are averaged to. hidden : width of the MLP's layer.
    pretrained : with `size=paper`, a file of MedicalNet's weights to start from. freeze : how many of the ResNet's five stages,
    from the first on, keep them.
    """

    unencoded = frozenset({"image"})

    size: str = "small"
    width: int = 8
    edge: int = 16
    hidden: int = 64
    dropout: float = 0.5
    pretrained: str = ""
    freeze: int = 0

    def __post_init__(self) -> None:
        """Refuse what the options cannot mean. Raises `BenchmarkError`."""
        set_size(self, self.size, edge=96)
        if self.pretrained and self.size != "paper":
            raise BenchmarkError(f"image-cnn: pretrained={self.pretrained}: these are weights of size=paper")
        if self.freeze not in range(STAGES + 1):
            raise BenchmarkError(f"image-cnn: freeze={self.freeze}: the network has {STAGES} stages")
        if self.freeze and not self.pretrained:
            raise BenchmarkError(
                f"image-cnn: freeze={self.freeze} without pretrained=/path: random weights would stay as they are"
            )

    def weights_digest(self) -> str:
        """sha256 of the weights to start from, empty where there are none. Raises `BenchmarkError` for a missing file."""
        return weights_digest(self._file()) if self.pretrained else ""

    def _file(self) -> Path:
        path = Path(self.pretrained).expanduser()
        if not path.is_file():
            raise BenchmarkError(f"image-cnn: pretrained={self.pretrained}: there is no such file")
        return path

    def module(self, shapes: Shapes) -> nn.Module:
        """The convolutions and the perceptron."""
        return Network(shapes, self)

    def resnet(self) -> tuple[nn.Module, int]:
        """The ResNet-50 that the paper's size has, and the number of its features."""
        network = medicalnet()
        if self.pretrained:
            loaded(network, self._file(), "image-cnn")
        return ResNet(network, self.freeze), 2048


class Network(nn.Module):
    """A perceptron on what the convolutions make of the images."""

    def __init__(self, shapes: Shapes, settings: ImageCNN) -> None:
        super().__init__()
        self.images = ImageNetwork(shapes.views, settings.width, settings.resnet if settings.size == "paper" else None)
        self.classifier = perceptron([self.images.width, settings.hidden, 1], settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (b,)."""
        logits: Tensor = self.classifier(self.images(batch.views)).squeeze(1)
        return logits
