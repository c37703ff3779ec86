"""The autoencoder, and what every encoder that is trained on the pool may see of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.data.cohort import Cohort
from benchmark.data.features import bound_to_pool
from benchmark.data.modalities.image import ImageView
from benchmark.data.preparation import load_cohort
from benchmark.data.protocols.leave_one_site_out import LeaveOneSiteOut
from benchmark.data.protocols.repeated_cv import RepeatedCV
from benchmark.learning.encoders.autoencoder import Autoencoder, _cut, _join
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder
from datasets._soop_cohort import SLICES
from tests.made_benchmark import MadeBenchmark

GRID = (16, 16, 16)
FEW = Autoencoder(steps=40, learning_rate=1e-2, channels=8, code=8)
BRIEF = replace(FEW, steps=4)


def images(n: int, seed: int, slices: bool = False) -> Cohort:
    """Balls of lesion that are bright in the scan; with `slices` a view of soop's slices, which the first case lacks."""
    rng = np.random.default_rng(seed)
    grid = (40, 48, 34) if slices else GRID
    places = np.moveaxis(np.indices(grid), 0, -1) / np.array(grid)
    centres, radii = rng.uniform(0.3, 0.7, (n, 3)), rng.uniform(0.1, 0.3, n)
    distance = np.linalg.norm(places[None] - centres[:, None, None, None], axis=-1)
    masks = (distance < radii[:, None, None, None]).astype(np.float32)[:, None]
    views = {"mask": ImageView(masks)}
    if slices:
        flair = rng.uniform(0.5, 1, (n, 3, 189, 189)).astype(np.float32)
        flair[0] = 0
        views["flair"] = ImageView(flair, slices=SLICES)
    else:
        views["mri"] = ImageView((1 + masks + 0.1 * rng.random(masks.shape)).astype(np.float32))
    return Cohort(name="made", case_ids=np.array([f"c{i}" for i in range(n)]), images=views)


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[Any]]:
    return FEW.pretrain(images(30, 1))


@pytest.fixture(scope="module")
def brief() -> dict[str, NDArray[Any]]:
    return BRIEF.pretrain(images(30, 1))


@pytest.mark.slow
def test_training_brings_the_error_of_cases_held_back_below_that_of_the_mean_image(weights: Mapping[str, NDArray[Any]]) -> None:
    before, after = weights["error"]
    assert after < 0.8 * before


def test_the_same_pool_gives_the_same_bytes_whatever_the_state_of_torch(brief: Mapping[str, NDArray[Any]]) -> None:
    torch.manual_seed(5)
    before, strict = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled()
    again = BRIEF.pretrain(images(30, 1))
    assert {name: array.tobytes() for name, array in again.items()} == {name: array.tobytes() for name, array in brief.items()}
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_tokens_and_code_are_standardised_over_the_pool(weights: Mapping[str, NDArray[Any]]) -> None:
    features = FEW.encode(images(30, 1), weights)
    assert (features.tokens.shape, features.pooled.shape, features.grid) == ((30, 1, 64, 8), (30, 1, 8), (4, 4, 4))
    np.testing.assert_allclose(features.pooled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.pooled.std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(features.tokens.mean(axis=0), 0, atol=1e-4)


def test_lesion_share_is_the_masks_mean_in_each_cell(weights: Mapping[str, NDArray[Any]]) -> None:
    cases = images(3, 2)
    cells = cases.images["mask"].load().reshape(3, 4, 4, 4, 4, 4, 4).mean(axis=(2, 4, 6))
    np.testing.assert_allclose(FEW.encode(cases, weights).lesion_share, cells.reshape(3, 64), atol=1e-3)


def test_a_case_does_not_depend_on_the_others(weights: Mapping[str, NDArray[Any]]) -> None:
    cases = images(40, 2)
    whole, alone = FEW.encode(cases, weights), FEW.encode(cases.take([7]), weights)
    np.testing.assert_allclose(alone.pooled[0], whole.pooled[7], atol=1e-4)
    np.testing.assert_allclose(alone.tokens[0], whole.tokens[7], atol=1e-4)


def test_a_case_without_image_is_masked_and_zero(weights: Mapping[str, NDArray[Any]]) -> None:
    cases = replace(images(3, 2), present={"image": np.array([True, False, True])})
    features = FEW.encode(cases, weights)
    assert features.mask.any(axis=(1, 2)).tolist() == [True, False, True]
    assert not any(part[1].any() for part in (features.tokens, features.pooled, features.lesion_share))


def test_pool_cases_without_image_are_not_trained_on(brief: Mapping[str, NDArray[Any]]) -> None:
    black = np.zeros((8, 1, *GRID), np.float32)
    pool = images(30, 1)
    views = {name: ImageView(np.concatenate([view.load(), black])) for name, view in pool.images.items()}
    there = np.arange(38) < 30
    more = Cohort(name="more", case_ids=np.array([f"c{i}" for i in range(38)]), images=views, present={"image": there})
    assert all(array.tobytes() == brief[name].tobytes() for name, array in BRIEF.pretrain(more).items())


def test_slices_give_nine_tokens_each_and_a_case_without_them_zeros_before_standardisation() -> None:
    cases, encoder = images(12, 3, slices=True), Autoencoder(steps=2, channels=4, code=3)
    weights = encoder.pretrain(cases)
    features = encoder.encode(cases, weights)
    assert features.tokens.shape == (12, 1, 64 + 27, 4)
    assert features.lesion_share.shape == (12, 91)
    assert features.grid is None
    restored = features.tokens[0, 0, 64:] * weights["token_sd"] + weights["token_mean"][64:]
    np.testing.assert_allclose(restored, 0, atol=1e-6)
    # Lesion in the middle of the volume lies in the middle of the slices, which are padded to squares at their edges.
    assert features.lesion_share[:, 64:].reshape(12, 3, 3, 3)[:, 0, 1, 1].max() > 0


@pytest.mark.parametrize(("dimensions", "channels"), [(2, 1), (3, 2)])
def test_joining_patches_undoes_cutting_them(dimensions: int, channels: int) -> None:
    image = torch.arange(2 * channels * 6**dimensions).reshape(2, channels, *(6,) * dimensions)
    assert torch.equal(_join(_cut(image, 3), 3, dimensions), image)
    assert torch.equal(_cut(image, 3)[1, 0].flatten()[:3], image[1, 0].flatten()[:3])


# The pool, the whole pool, and nothing but the pool

ENCODER = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from benchmark import Features, register_encoder

HERE = Path(__file__).parent

@register_encoder("learning", modality="text", reference="none", weights="the pool")
@dataclass(frozen=True)
class Learning:
    pretrained_on_pool = True

    def weights_digest(self):
        return ""

    def pretrain(self, pool):
        with (HERE / "log").open("a") as log:
            print(*pool.case_ids, pool.labels, pool.sites, *sorted(pool.modalities), file=log)
        return {"mean": np.array([np.mean([len(drafts[0]) for drafts in pool.reports])])}

    def encode(self, cohort, weights):
        n = len(cohort)
        tokens = np.full((n, 1, 1, 1), weights["mean"][0])
        return Features(tokens, np.ones((n, 1, 1), bool), tokens[:, :, 0])
"""


@pytest.fixture
def learning(tmp_path: Path, made: MadeBenchmark) -> Catalogue:
    (tmp_path / "learning.py").write_text(ENCODER)
    return discover([str(made.plugin), str(tmp_path / "learning.py")])


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_a_pool_trained_encoder_sees_the_pools_cases_that_the_split_allows(learning: Catalogue, tmp_path: Path) -> None:
    cohort = load_cohort("made", learning)
    split = LeaveOneSiteOut().splits(cohort)[0]
    bound_to_pool(cohort, split.pool).features("text", "learning")
    allowed = [case for case, site in zip(cohort.pool.case_ids, cohort.pool.sites, strict=True) if site != split.site]
    assert 0 < len(allowed) < len(cohort.pool)
    assert log(tmp_path) == [" ".join([*allowed, "None", "None", "text"])]


def test_it_is_trained_once_for_each_pool_for_labelled_cases_and_pool_alike(learning: Catalogue, tmp_path: Path) -> None:
    cohort = load_cohort("made", learning)
    for split in RepeatedCV().splits(cohort)[:3]:
        bound = bound_to_pool(cohort, split.pool)
        bound.take(split.test).features("text", "learning")
        bound.pool.features("text", "learning")
    assert len(log(tmp_path)) == 1
    for split in LeaveOneSiteOut().splits(cohort):
        bound_to_pool(load_cohort("made", learning), split.pool).features("text", "learning")
    assert len(log(tmp_path)) == 1 + 3


def test_labelled_cases_change_no_weights(learning: Catalogue, made: MadeBenchmark, tmp_path: Path) -> None:
    cohort = load_cohort("made", learning)
    rows = np.arange(len(cohort.pool))
    one = bound_to_pool(cohort, rows).features("text", "learning").pooled[0, 0, 0]
    made.edit("labelled = self._draw(0, self.cases)\n", POISON)
    poisoned = load_cohort("made", made.catalogue(tmp_path / "learning.py"))
    assert poisoned.reports[0][0].startswith("poison")
    assert bound_to_pool(poisoned, rows).features("text", "learning").pooled[0, 0, 0] == one
    assert len(log(tmp_path)) == 1


POISON = """labelled = self._draw(0, self.cases)
        labelled = Cohort(**{**vars(labelled), "reports": tuple(("poison " * 99,) for _ in labelled.reports)})
"""


def test_it_is_trained_once_more_for_a_further_set_of_reports_and_reads_it_in_the_pool(
    made: MadeBenchmark, tmp_path: Path
) -> None:
    (tmp_path / "learning.py").write_text(ENCODER)
    made.edit('images={"scan":', """report_sets={"topics": (("four",),) * len(words)}, images={"scan":""")
    cohort = load_cohort("made", made.catalogue(tmp_path / "learning.py"))
    bound = bound_to_pool(cohort, np.arange(10))
    assert bound.reading("topics").features("text", "learning").pooled[0, 0, 0] == 4
    assert bound.pool.reading("topics").features("text", "learning").pooled[0, 0, 0] == 4
    assert len(log(tmp_path)) == 1
    assert bound.features("text", "learning").pooled[0, 0, 0] > 4
    assert len(log(tmp_path)) == 2


def test_without_a_split_it_is_refused(learning: Catalogue) -> None:
    with pytest.raises(BenchmarkError, match=r"trained on the pool that a split allows.*bound_to_pool"):
        load_cohort("made", learning).features("text", "learning")


def test_a_dataset_without_pool_is_refused(learning: Catalogue) -> None:
    cohort = load_cohort("made[pool=0]", learning)
    with pytest.raises(BenchmarkError, match=r"encoder learning is trained on a dataset's pool, and made\[pool=0\] has none"):
        bound_to_pool(cohort, np.arange(0)).features("text", "learning")


def test_a_split_that_leaves_nothing_of_the_pool_is_refused(learning: Catalogue) -> None:
    with pytest.raises(BenchmarkError, match="leaves no case of the pool"):
        bound_to_pool(load_cohort("made", learning), np.arange(0)).features("text", "learning")


def test_encoders_with_weights_of_their_own_have_the_same_features_whatever_the_pool(catalogue: Catalogue) -> None:
    cohort = load_cohort("made", catalogue)
    for rows in (np.arange(3), np.arange(5)):
        bound_to_pool(cohort, rows).features("image", "territories")
    assert len([path for path in (data_folder() / "features").rglob("territories-*") if path.is_dir()]) == 1


METHOD = """
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

@register_method("reads-learned", family="made", reference="none", fit_modalities={"text"}, predict_modalities={"text"})
@dataclass
class Reads:
    stochastic = False
    text_encoder: str = "learning"

    def fit(self, train, validation, seed):
        self.mean = float(train.features("text", self.text_encoder).pooled[0, 0, 0])
        self.of_pool = float(train.pool.features("text", self.text_encoder).pooled[0, 0, 0])

    def predict_proba(self, cases):
        if not cases.features("text", self.text_encoder).pooled[0, 0, 0] == self.mean == self.of_pool:
            raise ValueError("features of another pool")
        return np.full(len(cases), 0.5)
"""


@pytest.mark.slow
def test_a_run_trains_once_for_each_pool_and_each_cell_gets_its_own(
    learning: Catalogue, tmp_path: Path, made: MadeBenchmark
) -> None:
    (tmp_path / "reads.py").write_text(METHOD)
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'title = "Learned"\ndatasets = ["made"]\nprotocols = ["repeated-cv", "leave-one-site-out"]\n'
        'primary_metric = "auc"\nranked = ["reads-learned"]\n[limits]\nseconds = 30\nmemory_gib = 2\n'
    )
    plugins = [word for name in ("learning.py", "reads.py") for word in ("--plugin", str(tmp_path / name))]
    made.cli("run", "--suite", str(suite), "--no-sync", "--jobs", "2", "--seeds", "39", "--plugin", str(made.plugin), *plugins)
    assert len(log(tmp_path)) == 4  # the whole pool, and the pool without each of three sites
