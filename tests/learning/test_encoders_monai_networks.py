"""MONAI's networks: tiny real weight files written to disk, and what becomes of volumes before they enter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.networks.nets.resnet import ResNet
from torch import nn

from benchmark.data.cohort import Cohort
from benchmark.data.features import encoder_identity
from benchmark.data.modalities.image import Atlas, ImageView
from benchmark.learning.encoders.monai_networks import MedicalNet, Monai, loaded, volumes
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder

TINY = {
    "block": "bottleneck",
    "layers": [1, 1, 1, 1],
    "block_inplanes": [2, 2, 4, 4],
    "n_input_channels": 1,
    "conv1_t_stride": 2,
    "feed_forward": False,
    "shortcut_type": "B",
    "bias_downsample": False,
}


def tiny(seed: int = 0) -> ResNet:
    """A ResNet of MedicalNet's form, four channels wide at the end times four."""
    torch.manual_seed(seed)
    return ResNet(**TINY).eval()


def write(path: Path, network: nn.Module) -> Path:
    """As MedicalNet's file is: wrapped twice, with a head for segmentation."""
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": {**state, "module.conv_seg.0.weight": torch.zeros(3)}}, path)
    path.with_name(f"{path.name}.json").write_text(json.dumps(TINY))
    return path


def cohort(n: int = 3, channels: int = 1) -> Cohort:
    """Masks and scans of 16 x 16 x 12 voxels of 4 mm."""
    rng = np.random.default_rng(0)
    views = {"mask": rng.random((n, 1, 16, 16, 12)) < 0.1, "mri": rng.uniform(1, 2, (n, channels, 16, 16, 12))}
    return Cohort(
        name="made",
        case_ids=np.array([f"c{i}" for i in range(n)]),
        images={name: ImageView(view.astype(np.float32)) for name, view in views.items()},
        atlas=Atlas(np.zeros((32, 32, 24), np.uint8), (), 2.0),
    )


@pytest.fixture
def encoder(tmp_path: Path) -> Monai:
    return Monai(network="ResNet", weights=str(write(tmp_path / "tiny.pth", tiny())), spacing=4.0, edge=32)


def test_pooled_is_what_the_network_itself_gives_and_tokens_are_its_last_cells(encoder: Monai) -> None:
    features = encoder.encode(cohort())
    assert (features.tokens.shape, features.pooled.shape, features.grid) == ((3, 1, 1, 16), (3, 1, 16), (1, 1, 1))
    (batch,) = volumes(cohort(), "mri", 4.0, 32)
    with torch.inference_mode():
        np.testing.assert_allclose(features.pooled[:, 0], tiny()(batch).numpy(), atol=1e-5)
    wider = Monai(network="ResNet", weights=encoder.weights, spacing=4.0, edge=64).encode(cohort())
    assert wider.grid == (2, 2, 2)
    np.testing.assert_allclose(wider.pooled, wider.tokens.mean(axis=2), atol=1e-6)


def test_channels_pass_one_by_one_through_a_network_of_one(encoder: Monai) -> None:
    both = encoder.encode(cohort(channels=2))
    first = cohort(channels=2)
    first.images["mri"].array = first.images["mri"].array[:, :1]
    assert both.pooled.shape == (3, 1, 32)
    np.testing.assert_allclose(both.pooled[..., :16], encoder.encode(first).pooled, atol=1e-5)


def test_a_view_is_chosen_by_name_and_slices_are_left_out(encoder: Monai) -> None:
    cases = cohort()
    sliced = Cohort(**{**vars(cases), "images": {"mask": cases.images["mask"], "flair": ImageView(np.zeros((3, 3, 9, 9)))}})
    masks = Monai(network="ResNet", weights=encoder.weights, view="mask", spacing=4.0, edge=32).encode(cases)
    np.testing.assert_array_equal(encoder.encode(sliced).pooled, masks.pooled)
    with pytest.raises(BenchmarkError, match="has no volume 'flair'"):
        Monai(network="ResNet", weights=encoder.weights, view="flair").encode(sliced)


def test_a_case_does_not_depend_on_the_others_and_one_without_image_is_zero(encoder: Monai) -> None:
    cases = cohort(6)
    whole = encoder.encode(Cohort(**{**vars(cases), "present": {"image": np.arange(6) != 2}}))
    np.testing.assert_allclose(encoder.encode(cases.take([5])).pooled[0], whole.pooled[5], atol=1e-5)
    assert whole.mask.any(axis=(1, 2)).tolist() == [True, True, False, True, True, True]
    assert not any(part[2].any() for part in (whole.tokens, whole.pooled, whole.lesion_share))


def test_volumes_are_oriented_spaced_normalised_and_sized() -> None:
    cases = cohort(1)
    (half,) = volumes(cases, "mri", 2.0, 48)
    assert half.shape == (1, 1, 48, 48, 48)  # 16 voxels of 4 mm are 31 or 32 of 2 mm, and padded
    (same,) = volumes(cases, "mri", 4.0, 12)
    inner = cases.images["mri"].load()[:, :, 2:14, 2:14]
    scan = cases.images["mri"].load()
    np.testing.assert_allclose(same.numpy(), (inner - scan.mean()) / scan.std(), atol=1e-4)
    (mask,) = volumes(cases, "mask", 4.0, 12)
    np.testing.assert_array_equal(mask.numpy(), cases.images["mask"].load()[:, :, 2:14, 2:14])


def test_a_volume_whose_first_axis_runs_to_the_left_is_turned() -> None:
    mask = np.zeros((1, 1, 40, 48, 34), dtype=np.float32)
    mask[0, 0, 0] = 1
    cases = Cohort(name="made", case_ids=np.array(["a"]), images={"mask": ImageView(mask, axes="LAS")})
    (turned,) = volumes(cases, "mask", 1.0, 48)
    assert turned[0, 0].sum(dim=(1, 2)).argmax() == 4 + 39  # the last plane, behind four of padding


def test_lesion_share_is_the_masks_mean_in_each_cell(encoder: Monai) -> None:
    cases = cohort()
    share = Monai(network="ResNet", weights=encoder.weights, spacing=4.0, edge=64).encode(cases).lesion_share
    (masks,) = volumes(cases, "mask", 4.0, 64)
    np.testing.assert_allclose(
        share, masks.numpy().reshape(3, 2, 32, 2, 32, 2, 32).mean(axis=(2, 4, 6)).reshape(3, 8), atol=1e-6
    )


# MedicalNet


def test_medicalnet_is_monais_resnet50_of_2048_channels_loaded_from_a_file_of_medicalnets_form(tmp_path: Path) -> None:
    from monai.networks.nets.resnet import resnet50

    torch.manual_seed(3)
    form = {"n_input_channels": 1, "conv1_t_stride": 2, "feed_forward": False, "shortcut_type": "B", "bias_downsample": False}
    network = resnet50(spatial_dims=3, **form).eval()
    path = write(tmp_path / "resnet_50_23dataset.pth", network)
    features = MedicalNet(str(path), spacing=4.0, edge=32).encode(cohort(1))
    assert features.pooled.shape == (1, 1, 2048)
    (batch,) = volumes(cohort(1), "mri", 4.0, 32)
    with torch.inference_mode():
        np.testing.assert_allclose(features.pooled[0, 0], network(batch)[0].numpy(), rtol=1e-3, atol=1e-4)


def test_missing_medicalnet_weights_name_file_source_and_place() -> None:
    with pytest.raises(BenchmarkError) as caught:
        MedicalNet().weights_digest()
    said = str(caught.value)
    assert str(data_folder() / "weights" / "resnet_50_23dataset.pth") in said
    assert "github.com/Tencent/MedicalNet" in said
    assert "medicalnet-resnet50[weights=/path]" in said
    assert "\n" not in said


# Weights


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.pth", tiny())
    with pytest.raises(BenchmarkError, match=r"lacks \d+ of the network's .* the weights of another network"):
        loaded(ResNet(**{**TINY, "layers": [1, 1, 1, 2]}), path, "monai")
    with pytest.raises(BenchmarkError, match=r"has shape \(.*\), the network's is \(.*\)"):
        loaded(ResNet(**{**TINY, "block_inplanes": [2, 2, 4, 8]}), path, "monai")


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("unpickled",))


def test_a_pickle_of_more_than_tensors_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Surprise()}, tmp_path / "bad.pth")
    with pytest.raises(BenchmarkError, match="holds more than tensors"):
        loaded(tiny(), tmp_path / "bad.pth", "monai")
    assert "unpickled" not in capsys.readouterr().out


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not weights")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    for name in ("text.pth", "list.pth"):
        with pytest.raises(BenchmarkError, match=f"{name} (is no|holds more)"):
            loaded(tiny(), tmp_path / name, "monai")


def test_safetensors_give_the_same(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(tiny(1).state_dict(), tmp_path / "tiny.safetensors")
    network = loaded(tiny(2), tmp_path / "tiny.safetensors", "monai")
    assert all(torch.equal(value, tiny(1).state_dict()[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("network", "said"), [("", "say which network"), ("Resnet", "unknown network of MONAI 'Resnet': did you mean 'resnet'")]
)
def test_a_network_that_monai_has_not_is_refused(network: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.pth", tiny())
    with pytest.raises(BenchmarkError, match=said):
        Monai(network=network, weights=str(path)).encode(cohort())


def test_other_weights_and_other_arguments_are_another_encoder(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.pth", tiny())
    spelled = f"monai[network=ResNet,weights={path}]"
    found = [encoder_identity(spelled, "image", discover())]
    path.with_name("tiny.pth.json").write_text(json.dumps({**TINY, "act": "elu"}))
    found.append(encoder_identity(spelled, "image", discover()))
    write(path, tiny(1))
    found.append(encoder_identity(spelled, "image", discover()))
    assert len(set(found)) == 3
