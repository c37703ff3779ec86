"""Frozen networks of MONAI with weights from a file: MedicalNet's 3-D ResNet-50, and any other by its name."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.learning.encoders._views import MASK, averaged, shapes_of
from benchmark.learning.encoders._weights import weights_path
from benchmark.registry.cards import register_encoder
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.provenance import digest

BATCH = 4
CELLS = 4
"""A feature map of more cells than this along an axis is averaged down to it."""


@dataclass(frozen=True)
class _Frozen(ABC):
    """What the encoders of this file have in common.

    tokens (n, 1, cells, channels of the network's last feature map); pooled (n, 1, channels): their mean. A network of one
    input channel sees the channels of a view one by one, and their features stand side by side. lesion_share (n, cells)
    where the cohort has a mask. Slices do not enter: a network for volumes has no use for three pictures.

    weights : the file; view : by default the first volume beside the mask, else the mask; spacing in mm and edge in voxels of
    the network's input, assumed [A].
    """

    name: ClassVar[str]
    weights: str = ""
    view: str = ""
    spacing: float = 2.0
    edge: int = 96

    def encode(self, cohort: Cohort) -> Features:
        """Features of every case; a case without image is masked and zero. Raises `BenchmarkError` where there is no volume."""
        names = [name for name, image in sorted(cohort.images.items()) if len(image.shape) == 5]
        view = self.view or next((name for name in names if name != MASK), MASK)
        if view not in names:
            held = shapes_of(cohort)
            raise BenchmarkError(f"encoder {self.name}: {cohort.name} has no volume '{view}': its views are {held}")
        last_map = _tapped(self._network(), self.name)
        maps = [last_map(batch) for batch in volumes(cohort, view, self.spacing, self.edge)]
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
    voxel = 1.0  # in mm, where no atlas on the same field of view says how large it is [A]
    if cohort.atlas is not None:
        voxel = float(cohort.atlas.voxel_mm * max(round(cohort.atlas.labels.shape[0] / image.shape[2]), 1))
    places = [*(-voxel if axis in "LPI" else voxel for axis in image.axes), 1.0]
    affine = torch.diag(torch.tensor(places, dtype=torch.float64))
    for start in range(0, len(image), BATCH):
        cases = image[np.arange(start, min(start + BATCH, len(image)))]
        yield torch.stack([transform(MetaTensor(torch.from_numpy(case), affine=affine)) for case in cases])


@register_encoder(
    "medicalnet-resnet50",
    modality="image",
    reference="MedicalNet 3-D ResNet-50 (Chen et al. 2019, arXiv 1904.00625), 23 data sets",
    weights="resnet_50_23dataset.pth of github.com/Tencent/MedicalNet, by default in weights/ in the data folder",
)
@dataclass(frozen=True)
class MedicalNet(_Frozen):
    """MedicalNet's ResNet-50 in MONAI: 2048 channels, shortcuts of type B, one input channel, a first stride of 2.

    MedicalNet itself dilates the last two stages instead of halving; the weights are the same. Its fields are those of every
    encoder of this file.
    """

    name = "medicalnet-resnet50"

    def weights_digest(self) -> str:
        """sha256 of the file. Raises `BenchmarkError` where it is missing."""
        return weights_digest(self._path())

    def _path(self) -> Path:
        source = "github.com/Tencent/MedicalNet (or huggingface.co/TencentMedicalNet/MedicalNet-Resnet50)"
        return weights_path(self.name, self.weights, "resnet_50_23dataset.pth", source)

    def _network(self) -> nn.Module:
        return loaded(medicalnet(), self._path(), f"encoder {self.name}").eval().requires_grad_(False)


def medicalnet() -> nn.Module:
    """MedicalNet's ResNet-50 with random weights, (n, 1, x, y, z) -> (n, 2048)."""
    from monai.networks.nets.resnet import resnet50

    network: nn.Module = resnet50(
        spatial_dims=3, n_input_channels=1, conv1_t_stride=2, feed_forward=False, shortcut_type="B", bias_downsample=False
    )
    return network


@register_encoder(
    "monai",
    modality="image",
    reference="any network of monai.networks.nets for volumes, with weights from a file",
    weights="monai[network=...,weights=/path]: a state dict (.pth, .pt, .safetensors)",
)
@dataclass(frozen=True)
class Monai(_Frozen):
    """A network of MONAI by the name of its class or function in `monai.networks.nets`.

    Its arguments are read from a JSON file beside the weights, with `.json` after their whole name; its other fields
    are those of every encoder of this file.
    """

    name = "monai"
    network: str = ""

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
        return Path(f"{self._path()}.json")

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
        return loaded(network, self._path(), f"encoder {self.name}").eval().requires_grad_(False)


def loaded(network: nn.Module, path: Path, owner: str) -> nn.Module:
    """The network with the weights of a file; parameters of heads that it lacks are passed over.

    `owner` is whose network it is, for messages. Raises `BenchmarkError` where a parameter is missing or of another shape: none
    is left as it was drawn.
    """
    state = _read(path, owner)
    own = network.state_dict()
    missing = sorted(name for name in own if name not in state and not name.endswith("num_batches_tracked"))
    if missing:
        raise BenchmarkError(
            f"{owner}: {path} lacks {len(missing)} of the network's {len(own)} parameters, {missing[0]} for one: "
            "these are the weights of another network"
        )
    wrong = [name for name in own if name in state and state[name].shape != own[name].shape]
    if wrong:
        raise BenchmarkError(
            f"{owner}: {path}: {wrong[0]} has shape {tuple(state[wrong[0]].shape)}, the network's is "
            f"{tuple(own[wrong[0]].shape)}: these are the weights of another network"
        )
    network.load_state_dict({name: state.get(name, own[name]) for name in own})
    return network


def _read(path: Path, owner: str) -> Mapping[str, Tensor]:
    """Parameter -> tensor; what other wrappers put around them (`state_dict`, `module.`) is taken off. Nothing is unpickled."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise BenchmarkError(f"{owner}: {path} holds more than tensors: it is not loaded") from error
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise BenchmarkError(f"{owner}: {path} is no file of weights: {str(error).splitlines()[0]}") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BenchmarkError(f"{owner}: {path} is no state dict: save `network.state_dict()`")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _tapped(network: nn.Module, encoder: str) -> Callable[[Tensor], Tensor]:
    """What makes of volumes the network's last feature map: the last output (b, c, x, y, z) of a module that does not pool.

    (b, channels, x, y, z), at most 4 cells along each axis. Both raise `BenchmarkError` where there is none.
    """
    first = next((module for module in network.modules() if isinstance(module, nn.Conv3d)), None)
    if first is None:
        raise BenchmarkError(f"encoder {encoder}: {type(network).__name__} has no convolution over volumes")
    takes, last = first.in_channels, dict[str, Tensor]()

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 5:
            last["map"] = output

    for module in network.modules():
        if "Pool" not in type(module).__name__ and module is not network:
            module.register_forward_hook(keep)

    @torch.inference_mode()
    def last_map(volumes: Tensor) -> Tensor:
        if takes not in (1, volumes.shape[1]):
            held = f"the network takes {takes} channels and the view has {volumes.shape[1]}"
            raise BenchmarkError(f"encoder {encoder}: {held}: choose another")
        maps = []
        for part in torch.split(volumes, 1, dim=1) if takes == 1 else (volumes,):
            last.clear()
            network(part)
            if not last:
                raise BenchmarkError(f"encoder {encoder}: {type(network).__name__} gave no feature map (b, c, x, y, z)")
            x, y, z = (min(CELLS, length) for length in last["map"].shape[2:])
            maps.append(nn.functional.adaptive_avg_pool3d(last["map"], (x, y, z)))
        return torch.cat(maps, dim=1)

    return last_map
