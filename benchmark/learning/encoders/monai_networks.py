"""Frozen networks of MONAI with weights from a file: MedicalNet's 3-D ResNet-50, and any other by its name."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.data.modalities.image import ImageView
from benchmark.learning.encoders._views import MASK, averaged, shapes_of
from benchmark.learning.encoders._weights import weights_path
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.provenance import digest

BATCH = 4
CELLS = 4
"""A feature map of more cells than this along an axis is averaged down to it."""
MEDICALNET = "resnet_50_23dataset.pth"


class _Frozen(ABC):
    """What the encoders of this file have in common.

    tokens (n, 1, cells, channels of the network's last feature map); pooled (n, 1, channels): their mean. A network of one
    input channel sees the channels of a view one by one, and their features stand side by side. lesion_share (n, cells)
    where the cohort has a mask. Slices do not enter.
    """

    name: ClassVar[str]
    view: str
    spacing: float
    edge: int

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without image is masked and zero. Raises `BenchmarkError` where there is no volume."""
        view = volume_view(cohort, self.name, self.view)
        network = _Tapped(self._network(), self.name)
        maps = [network.last_map(batch) for batch in volumes(cohort, view, self.spacing, self.edge)]
        grid = tuple(maps[0].shape[2:])
        present = cohort.having("image")
        tokens = torch.cat([some.flatten(2).transpose(1, 2) for some in maps]).numpy() * present[:, None, None]
        share = None
        if MASK in cohort.images:
            masks = volumes(cohort, MASK, self.spacing, self.edge)
            shares = [averaged(mask[:, 0].numpy(), grid).reshape(len(mask), -1) for mask in masks]
            share = np.concatenate(shares) * present[:, None]
        kept = np.repeat(present[:, None], tokens.shape[1], axis=1)[:, None]
        return Features(tokens[:, None], kept, tokens.mean(axis=1)[:, None], grid, share)

    @abstractmethod
    def _network(self) -> nn.Module:
        """The network with its weights, frozen."""


def volume_view(cohort: Cohort, encoder: str, view: str) -> str:
    """The view of that name; without a name the first volume beside the mask, else the mask.

    Slices are left out: a network for volumes has no use for three pictures. Raises `BenchmarkError` where there is no such
    view.
    """
    names = [name for name, image in sorted(cohort.images.items()) if len(image.shape) == 5]
    chosen = view or next((name for name in names if name != MASK), MASK)
    if chosen not in names:
        raise BenchmarkError(f"encoder {encoder}: {cohort.name} has no volume '{chosen}': its views are {shapes_of(cohort)}")
    return chosen


def volumes(cohort: Cohort, view: str, spacing: float, edge: int) -> Iterator[Tensor]:
    """Every case of a view in turn, as (b, channels, edge, edge, edge): orientation RAS, `spacing` in mm, one size.

    Intensities have mean 0 and deviation 1 over the non-zero voxels of each channel; masks stay shares.
    """
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms import Compose, NormalizeIntensity, Orientation, ResizeWithPadOrCrop, Spacing, ToTensor

    image = cohort.images[view]
    transform = Compose(
        [
            Orientation(axcodes="RAS", labels=None),
            Spacing(pixdim=(spacing,) * 3, mode="bilinear", padding_mode="zeros"),
            *([NormalizeIntensity(nonzero=True, channel_wise=True)] if view != MASK else []),
            ResizeWithPadOrCrop((edge,) * 3),
            ToTensor(track_meta=False),
        ]
    )
    voxel = _voxel_mm(cohort, image)
    places = [*(-voxel if axis in "LPI" else voxel for axis in image.axes), 1.0]
    affine = torch.diag(torch.tensor(places, dtype=torch.float64))
    for start in range(0, len(image), BATCH):
        cases = image[np.arange(start, min(start + BATCH, len(image)))]
        yield torch.stack([transform(MetaTensor(torch.from_numpy(case), affine=affine)) for case in cases])


def _voxel_mm(cohort: Cohort, view: ImageView) -> float:
    """The edge of a voxel, by the atlas on the same field of view; 1 mm where there is no atlas [A]."""
    if cohort.atlas is None:
        return 1.0
    finer = cohort.atlas.labels.shape[0] / view.shape[2]
    return float(cohort.atlas.voxel_mm * max(round(finer), 1))


@register_encoder(
    "medicalnet-resnet50",
    modality="image",
    reference="MedicalNet 3-D ResNet-50 (Chen et al. 2019, arXiv 1904.00625), 23 data sets",
    weights="resnet_50_23dataset.pth of github.com/Tencent/MedicalNet, by default in weights/ in the data folder",
)
@dataclass(frozen=True)
class MedicalNet(_Frozen):
    """MedicalNet's ResNet-50 in MONAI: 2048 channels, shortcuts of type B, one input channel, a first stride of 2.

    MedicalNet itself dilates the last two stages instead of halving; the weights are the same.

    weights : the file; view : by default the first volume beside the mask, else the mask; spacing in mm and edge in voxels of
    the network's input, assumed [A].
    """

    name = "medicalnet-resnet50"
    weights: str = ""
    view: str = ""
    spacing: float = 2.0
    edge: int = 96

    def weights_digest(self) -> str:
        """sha256 of the file. Raises `BenchmarkError` where it is missing."""
        return weights_digest(self._path())

    def _path(self) -> Path:
        source = "github.com/Tencent/MedicalNet (or huggingface.co/TencentMedicalNet/MedicalNet-Resnet50)"
        return weights_path(self.name, self.weights, MEDICALNET, source)

    def _network(self) -> nn.Module:
        from monai.networks.nets.resnet import resnet50

        network: nn.Module = resnet50(
            spatial_dims=3,
            n_input_channels=1,
            conv1_t_stride=2,
            feed_forward=False,
            shortcut_type="B",
            bias_downsample=False,
        )
        return loaded(network, self._path(), self.name)


@register_encoder(
    "monai",
    modality="image",
    reference="any network of monai.networks.nets for volumes, with weights from a file",
    weights="monai[network=...,weights=/path]: a state dict (.pth, .pt, .safetensors)",
)
@dataclass(frozen=True)
class Monai(_Frozen):
    """A network of MONAI by the name of its class or function in `monai.networks.nets`.

    Its arguments are read from a JSON file beside the weights, with `.json` after their whole name; the rest as in
    `MedicalNet`.
    """

    name = "monai"
    network: str = ""
    weights: str = ""
    view: str = ""
    spacing: float = 2.0
    edge: int = 96

    def weights_digest(self) -> str:
        """Digest of the weights and of the arguments. Raises `BenchmarkError` where a file is missing."""
        files = (self._path(), self._arguments())
        return digest([weights_digest(path) for path in files if path.is_file()])

    def _path(self) -> Path:
        if not self.network or not self.weights:
            raise BenchmarkError(
                "encoder monai: say which network, and where its weights are: monai[network=resnet18,weights=/path]"
            )
        return weights_path(self.name, self.weights, f"{self.network}.pth", "where you trained or got the network")

    def _arguments(self) -> Path:
        path = self._path()
        return path.with_name(f"{path.name}.json")

    def _network(self) -> nn.Module:
        from monai.networks import nets

        path = self._arguments()
        factory = getattr(nets, self.network, None)
        if not callable(factory):
            raise UnknownNameError("network of MONAI", self.network, [name for name in dir(nets) if not name.startswith("_")])
        try:
            arguments = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            network: nn.Module = factory(**arguments)
        except (TypeError, ValueError) as error:
            raise BenchmarkError(f"encoder monai: {self.network} cannot be made of {path}: {error}") from error
        return loaded(network, self._path(), self.name)


def loaded(network: nn.Module, path: Path, encoder: str) -> nn.Module:
    """The network with the weights of a file, frozen; parameters of heads that it lacks are passed over.

    Raises `BenchmarkError` where a parameter is missing or of another shape: none is left as it was drawn.
    """
    state = _read(path, encoder)
    own = network.state_dict()
    missing = sorted(name for name in own if name not in state and not name.endswith("num_batches_tracked"))
    if missing:
        raise BenchmarkError(
            f"encoder {encoder}: {path} lacks {len(missing)} of the network's {len(own)} parameters, {missing[0]} for one: "
            "these are the weights of another network"
        )
    wrong = [name for name in own if name in state and state[name].shape != own[name].shape]
    if wrong:
        raise BenchmarkError(
            f"encoder {encoder}: {path}: {wrong[0]} has shape {tuple(state[wrong[0]].shape)}, the network's is "
            f"{tuple(own[wrong[0]].shape)}: these are the weights of another network"
        )
    network.load_state_dict({name: state.get(name, own[name]) for name in own})
    return network.eval().requires_grad_(False)


def _read(path: Path, encoder: str) -> Mapping[str, Tensor]:
    """Parameter -> tensor; what other wrappers put around them (`state_dict`, `module.`) is taken off. Nothing is unpickled."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise BenchmarkError(f"encoder {encoder}: {path} holds more than tensors: it is not loaded") from error
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise BenchmarkError(f"encoder {encoder}: {path} is no file of weights: {str(error).splitlines()[0]}") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BenchmarkError(f"encoder {encoder}: {path} is no state dict: save `network.state_dict()`")
    return {name.removeprefix("module."): value for name, value in state.items()}


class _Tapped:
    """A network of which the last feature map is kept: the last output (b, c, x, y, z) of a module that does not pool."""

    def __init__(self, network: nn.Module, encoder: str) -> None:
        self._network, self._encoder = network, encoder
        self._last: Tensor | None = None
        first = next((module for module in network.modules() if isinstance(module, nn.Conv3d)), None)
        if first is None:
            raise BenchmarkError(f"encoder {encoder}: {type(network).__name__} has no convolution over volumes")
        self._takes = first.in_channels
        for module in network.modules():
            if "Pool" not in type(module).__name__ and module is not network:
                module.register_forward_hook(self._keep)

    @torch.inference_mode()
    def last_map(self, volumes: Tensor) -> Tensor:
        """(b, channels, x, y, z), at most 4 cells along each axis. Raises `BenchmarkError` where there is none."""
        channels = volumes.shape[1]
        if self._takes not in (1, channels):
            raise BenchmarkError(
                f"encoder {self._encoder}: the network takes {self._takes} channels and the view has {channels}: choose another"
            )
        maps = [self._map(part) for part in (torch.split(volumes, 1, dim=1) if self._takes == 1 else (volumes,))]
        return torch.cat(maps, dim=1)

    def _map(self, volumes: Tensor) -> Tensor:
        self._last = None
        self._network(volumes)
        if self._last is None:
            raise BenchmarkError(f"encoder {self._encoder}: {type(self._network).__name__} gave no feature map (b, c, x, y, z)")
        cells = tuple(min(CELLS, length) for length in self._last.shape[2:])
        return nn.functional.adaptive_avg_pool3d(self._last, cells)

    def _keep(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 5:
            self._last = output
