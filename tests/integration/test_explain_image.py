"""`explain-image`: what it writes and prints, and what it refuses by name."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmark import Cohort, ImageView
from benchmark.cells.explained import BranchMaps, Explained
from benchmark.leaderboard.brain_maps import OUTSIDE, correlation, shares, write_maps
from datasets.synthetic.brain import load_brain
from tests.made_benchmark import MadeBenchmark

PLUGIN = '''\
"""Blobs: a bright blob on the left is label 1; methods that can and cannot be explained."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from benchmark import Atlas, Batch, Cohort, ImageView, register_dataset, register_method


@register_dataset(
    "blobs",
    title="Blobs",
    source="made here",
    license="CC0",
    citation="none",
    label="blob",
    label_time="now",
    positive="blob",
    negative="none",
    site="hospital",
    inputs={"image": "a volume and two slices", "table": "noise"},
    barred={},
    scope="Made for tests.",
    modalities={"image", "table"},
)
@dataclass(frozen=True)
class Blobs:
    def build(self, sources):
        rng = np.random.default_rng(4)
        labels = rng.permutation(np.arange(60) % 2).astype(np.int8)
        volumes = rng.normal(90, 10, (60, 1, 12, 12, 12))
        volumes[labels == 1, :, 2:6, 4:8, 4:8] += 100
        slices = rng.integers(60, 120, (60, 2, 16, 16))
        atlas = np.zeros((12, 12, 12), np.uint8)
        atlas[2:6, 4:8, 4:8], atlas[8:] = 1, 2
        views = {"scan": ImageView(volumes.clip(0, 255).astype(np.uint8), scale=1 / 255, axes="LAS")}
        views["slices"] = ImageView(slices.astype(np.uint8), scale=1 / 255)
        ids = np.array([f"case-{i:02d}" for i in range(60)])
        table = pd.DataFrame({"noise": rng.normal(size=60)})
        place = Atlas(atlas, ("planted", "far"), 1.0)
        return Cohort("blobs", ids, labels, np.array(["a"] * 60), ids, table, images=views, atlas=place, source_digest="1")


@register_dataset(
    "tables",
    title="Tables",
    source="made here",
    license="CC0",
    citation="none",
    label="x",
    label_time="now",
    positive="x",
    negative="none",
    site="hospital",
    inputs={"table": "noise"},
    barred={},
    scope="Made for tests.",
    modalities={"table"},
)
@dataclass(frozen=True)
class Tables:
    def build(self, sources):
        whole = Blobs().build(sources)
        return Cohort("tables", whole.case_ids, whole.labels, whole.sites, whole.groups, whole.table, source_digest="1")


class Blob(torch.nn.Module):
    """A logit that is the mean of the planted blob, by a convolution that changes nothing."""

    def __init__(self):
        super().__init__()
        self.same = torch.nn.Conv3d(1, 1, 1, bias=False)
        torch.nn.init.ones_(self.same.weight)

    def forward(self, batch):
        return self.same(batch.views["scan"])[:, 0, 2:6, 4:8, 4:8].mean((1, 2, 3)) - 0.5


@register_method("own", family="made", reference="none", fit_modalities={"image"}, predict_modalities={"image"})
@dataclass
class Own:
    """Of a shape of its own; `bias` may have it predict label 0 for all. It may be slow, or fail."""

    bias: float = 0.0
    fails: bool = False

    def fit(self, train, validation, seed):
        if self.fails:
            raise ValueError("a deliberate failure")
        self.module = Blob()

    def explainable(self, cases):
        return self.module, Batch(None, None, None, {"scan": torch.from_numpy(cases.images["scan"].load())})

    def predict_proba(self, cases):
        module, batch = self.explainable(cases)
        return torch.sigmoid(20 * module(batch) + self.bias).detach().numpy()


@register_method("of-table", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class OfTable:
    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
'''


@pytest.fixture
def blobs(made: MadeBenchmark) -> list[str]:
    made.edit("seconds = 60", "seconds = 600", made.suite)
    return ["--suite", str(made.suite), "--plugin", str(made.write("blobs.py", PLUGIN)), "--dataset", "blobs"]


@pytest.mark.slow
def test_the_mean_map_lies_on_the_region_that_decides_and_is_written_in_every_form(
    made: MadeBenchmark, blobs: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    content = made.json("explain-image", "own", *blobs, "--output", str(folder), "--json")
    assert content["split"] == "seed39-fold0" and content["label"] == 1
    assert content["predicted_correctly"] == content["test_cases"] == len(content["cases"]) == 6
    assert "what this network used" in content["note"] and "not what causes" in content["note"]
    (shown,) = content["maps"]
    assert (shown["map"], shown["views"], shown["stage"], shown["space"]) == ("mean", ["scan"], "same", "voxels")
    assert shown["cells"] == [12, 12, 12] and shown["correlation"] > 0.6
    planted = next(row for row in shown["regions"] if row["region"] == "planted")
    assert planted["places"] == pytest.approx(64 / 12**3) and planted["grad_cam"] == pytest.approx(1)
    assert planted["occlusion"] > 5 * planted["places"], "boxes of 3 voxels that touch the region lie partly outside it"
    png, cam, occlusion, table = map(Path, shown["files"])
    assert {path.parent for path in (png, cam, occlusion, table)} == {folder}
    with Image.open(png) as picture:
        assert min(picture.size) > 300 and len(set(picture.convert("L").tobytes())) > 20
    values = nibabel.load(cam)
    assert values.shape == (12, 12, 12) and int(values.header["sform_code"]) == 2
    assert nibabel.aff2axcodes(values.affine) == ("L", "A", "S")
    data = values.get_fdata()
    assert data.max() <= 1 and data[2:6, 4:8, 4:8].sum() == pytest.approx(data.sum())
    with table.open() as file:
        assert [row["region"] for row in csv.DictReader(file)] == [row["region"] for row in shown["regions"]]
    assert {row["region"] for row in shown["regions"]} == {OUTSIDE, "planted", "far"}


@pytest.mark.slow
def test_a_single_case_has_maps_of_its_own_and_the_text_says_what_a_map_is(made: MadeBenchmark, blobs: list[str]) -> None:
    split = made.json("show", "splits", *blobs[2:], "--protocol", "repeated-cv", "--json")[3]
    first, second = split["test"][:2]
    words = ["own", *blobs, "--split", split["name"], "--case", second, "--case", first, "--label", "0", "--view", "scan"]
    out = made.cli("explain-image", *words).stdout
    for case in (first, second):
        assert f"case {case}, scan: maps of 12x12x12 cells (same), in voxels" in out
    assert split["name"] in out and "not what causes stroke" in out and "share of" in out
    written = sorted(path.name for path in (made.output / "results" / "explained").iterdir())
    assert len(written) == 8 and all(f"{split['name']}-label0-scan-case" in name for name in written)


@pytest.mark.slow
def test_a_shipped_network_is_explained_by_view_slices_and_volumes_apart(made: MadeBenchmark, blobs: list[str]) -> None:
    content = made.json("explain-image", "image-cnn[epochs=16]", *blobs, "--json")
    (volumes, slices) = sorted(content["maps"], key=lambda shown: shown["views"])
    assert volumes["views"] == ["scan"] and len(volumes["cells"]) == 3 and len(volumes["files"]) == 4
    assert slices["views"] == ["slices"] and len(slices["cells"]) == 2 and slices["regions"] == []
    assert [Path(path).suffix for path in slices["files"]] == [".png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["image-cn"], "unknown method 'image-cn': did you mean 'image-cnn'"),
        (["image-cnn", "--dataset", "blob"], "unknown dataset 'blob': did you mean 'blobs'?"),
        (["own", "--case", "case-6"], "unknown case of blobs 'case-6': did you mean"),
        (["own", "--split", "seed39-fold7"], "unknown split 'seed39-fold7': did you mean"),
        (["own", "--view", "scn"], "unknown image view of blobs 'scn': did you mean 'scan'?"),
        (["of-table"], "of-table: it has no image branch to explain"),
        (["text-net"], "blobs/repeated-cv/text-net: not applicable"),
        (["image-net"], "blobs/repeated-cv/image-net: not applicable: encoder lesion-grid: blobs has no view 'mask'"),
        (
            ["image-net[image_encoder=scan-grid]"],
            "it has no image branch to explain: it sees no image, or what an encoder made of it",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_cannot_be_explained_is_one_line_before_anything_is_fitted(
    made: MadeBenchmark, blobs: list[str], words: list[str], said: str
) -> None:
    done = made.cli("explain-image", *blobs, *words, code=2)
    assert said in done.stderr and re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr


def test_a_case_of_another_split_is_refused_with_the_split_that_tests_it(made: MadeBenchmark, blobs: list[str]) -> None:
    splits = made.json("show", "splits", *blobs[2:], "--protocol", "repeated-cv", "--json")
    case = splits[2]["test"][0]
    done = made.cli("explain-image", "own", *blobs, "--case", case, code=2)
    assert f"seed39-fold0 does not test case {case}" in done.stderr and f"--split {splits[2]['name']}" in done.stderr


def test_a_dataset_without_images_is_refused(made: MadeBenchmark, blobs: list[str]) -> None:
    done = made.cli("explain-image", "image-cnn", *blobs, "--dataset", "tables", code=2)
    assert "tables has no images to explain" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("own[bias=-1000.0]", "none of the 6 test cases of label 1 is predicted correctly"),
        ("own[fails=true]", "failed: ValueError: a deliberate failure"),
    ],
)
def test_a_fit_that_gives_no_map_says_why(made: MadeBenchmark, blobs: list[str], method: str, said: str) -> None:
    done = made.cli("explain-image", method, *blobs, code=2)
    assert f"blobs/repeated-cv/{method.replace('=true', '=True')}/seed39-fold0: {said}" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_fit_past_the_suites_limit_is_stopped(made: MadeBenchmark, blobs: list[str]) -> None:
    made.edit("seconds = 600", "seconds = 0.2", made.suite)
    done = made.cli("explain-image", "image-cnn", *blobs, code=2)
    assert "timeout: more time than the suite's limit per cell (0.2 s, 4 GiB)" in done.stderr


def explained(values: NDArray[np.float32], view: str = "mri") -> Explained:
    maps = {"mean": values}
    return Explained("seed39-fold0", 3, 2, ("a", "b"), (0.9, 0.8), (BranchMaps((view,), "layer", (3, 4, 4), maps, maps),))


def test_a_map_in_mni_space_has_the_templates_affine_and_code(tmp_path: Path) -> None:
    brain, ids = load_brain(), np.array(["a", "b", "c"])
    values = np.zeros((1, *brain.grey.shape), np.float32)
    values[0, 10, 20, 15] = 1
    cohort = Cohort("x", ids, images={"mri": ImageView(np.zeros((3, 1, *brain.grey.shape), np.uint8))}, atlas=brain.atlas)
    (shown,) = write_maps(tmp_path, "map", explained(values), cohort, "synthetic-stroke")
    image = nibabel.load(shown["files"][1])
    assert shown["space"] == "MNI152" and int(image.header["sform_code"]) == 4
    place = np.argwhere(image.get_fdata() == 1)
    np.testing.assert_allclose(image.affine @ [*place[0], 1], [-70 + 4 * 10, -114 + 4 * 20, -72 + 4 * 15, 1])
    assert shown["regions"][0]["grad_cam"] == 1 and shown["correlation"] == pytest.approx(1)
    (elsewhere,) = write_maps(tmp_path, "other", explained(values), cohort, "mine")
    assert elsewhere["space"] == "voxels"


def test_shares_and_correlation_equal_what_is_counted_by_hand() -> None:
    labels = np.array([[[1, 1, 2, 0]]], dtype=np.uint8)
    maps = {"grad_cam": np.array([[[1, 2, 5, 0]]], np.float32), "occlusion": np.zeros((1, 1, 4), np.float32)}
    rows = {row["region"]: row for row in shares(maps, labels, ("one", "two"))}
    assert rows["two"] == {"region": "two", "places": 0.25, "grad_cam": 0.625, "occlusion": None}
    assert rows["one"]["grad_cam"] == 0.375 and rows["one"]["places"] == 0.5 and rows[OUTSIDE]["grad_cam"] == 0
    assert correlation(*maps.values()) is None
    assert correlation(maps["grad_cam"], -2 * maps["grad_cam"]) == pytest.approx(-1)
