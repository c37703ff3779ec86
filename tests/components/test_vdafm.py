"""VDAFM against its equations, written out on the parts of the network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import cosine_similarity  # noqa: E402

from benchmark.cells.store import Store  # noqa: E402
from benchmark.data.cohort import Cohort, Features  # noqa: E402
from benchmark.data.modalities.image import ImageView  # noqa: E402
from benchmark.learning.layers.losses import info_nce  # noqa: E402
from benchmark.learning.neural import Batch, Shapes, Tokens  # noqa: E402
from benchmark.learning.neural.inputs import CLIP, TokenShape  # noqa: E402
from benchmark.system.errors import BenchmarkError  # noqa: E402
from methods.vdafm import VDAFM, Network, alignment, angle, without  # noqa: E402
from tests.made_benchmark import MadeBenchmark  # noqa: E402

SHAPES = Shapes(4, TokenShape(6), TokenShape(5))


@pytest.fixture
def network() -> Network:
    torch.manual_seed(1)
    return Network(SHAPES, VDAFM(hidden="12:8", heads=2, dropout=0.0)).eval()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    image, text, table = (torch.randn(7, width, generator=generator) for width in (6, 5, 4))
    return Batch(table, Tokens(image), Tokens(text))


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def in_training(network: Network) -> Network:
    """In training mode, with every dropout off: the losses are computed, and nothing is drawn."""
    network.train()
    for layer in network.modules():
        if type(layer).__name__ in ("Dropout", "MultiheadAttention", "TransformerEncoderLayer", "TransformerEncoder"):
            layer.eval()
    return network


def test_the_semantic_loss_pairs_each_embedding_with_its_own_source(network: Network, batch: Batch) -> None:
    """L_sem = (1 - cos(v_e, v)) + (1 - cos(t_v, t)), t_v = MLP(t_e)."""
    terms = in_training(network)(batch).terms
    v, t = network.reduce_image(batch.image.pooled), network.reduce_text(batch.text.pooled)
    encoded = network.encoder(torch.stack([network.perceiver(v), t], dim=1))
    v_e, t_v = encoded[:, 0], network.text_to_vision(encoded[:, 1])
    expected = (1 - cosine(v_e, v)).mean() + (1 - cosine(t_v, t)).mean()
    torch.testing.assert_close(terms["semantic"], expected, rtol=1e-5, atol=1e-6)
    crossed = (1 - cosine(v_e, t)).mean() + (1 - cosine(t_v, v)).mean()
    assert abs((expected - crossed).item()) > 0.01, "the test would not see a crossed pairing"


def test_the_contrastive_loss_is_of_the_embeddings_before_the_encoder(network: Network, batch: Batch) -> None:
    terms = in_training(network)(batch).terms
    v, t = network.reduce_image(batch.image.pooled), network.reduce_text(batch.text.pooled)
    logits = torch.stack([cosine(row.expand_as(t), t) for row in v]) / 0.07
    rows, columns = (-torch.log_softmax(logits, dim).diagonal().mean() for dim in (1, 0))
    torch.testing.assert_close(terms["contrastive"], (rows + columns) / 2, rtol=1e-4, atol=1e-5)


def test_infonce_takes_the_place_of_the_cosines_where_it_is_asked_for(batch: Batch) -> None:
    torch.manual_seed(1)
    network = in_training(Network(SHAPES, VDAFM(hidden="12:8", heads=2, dropout=0.0, semantic="infonce")))
    seen = network.fuse(batch)
    t_v = network.text_to_vision(seen.t_e)
    expected = info_nce(seen.v_e, seen.v, 0.07) + info_nce(t_v, seen.t, 0.07)
    torch.testing.assert_close(network(batch).terms["semantic"], expected)


def test_the_contrastive_weight_decays_and_the_semantic_one_stays() -> None:
    for epoch in (0, 1, 30):
        weights = VDAFM().weights(epoch)
        assert weights["semantic"] == 0.02 and weights["contrastive"] == pytest.approx(0.2 * 0.95**epoch)


def test_the_raw_table_joins_after_the_fusion(network: Network, batch: Batch) -> None:
    other = Batch(batch.table + 1, batch.image, batch.text)
    before, after = network.fuse(batch), network.fuse(other)
    assert all(torch.equal(getattr(before, name), getattr(after, name)) for name in ("v", "t", "v_e", "t_e"))
    seen = network.fuse(batch)
    fused = network.fused(torch.relu(network.fusion(torch.cat([seen.v_e, seen.t_e], dim=1))))
    expected = network.classifier(torch.cat([fused, batch.table], dim=1)).squeeze(1)
    torch.testing.assert_close(network(batch).logits, expected)


def test_outside_training_no_losses_are_computed(network: Network, batch: Batch) -> None:
    assert network(batch).terms == {}


def parts(batch: Batch) -> Iterator[tuple[set[str], Batch, Shapes]]:
    """Every set of modalities, the batch of it, and its sizes."""
    for kept in ({"image"}, {"text"}, {"table"}, {"image", "text"}, {"image", "table"}, {"text", "table"}):
        given = {name: getattr(batch, name) if name in kept else None for name in ("table", "image", "text")}
        sizes = {name: getattr(SHAPES, name) if name in kept else None for name in ("table", "image", "text")}
        yield kept, Batch(**given), Shapes(**sizes)


def test_every_set_of_modalities_is_learnt_from_and_used(batch: Batch) -> None:
    for kept, given, shapes in parts(batch):
        torch.manual_seed(3)
        network = VDAFM(hidden="12:8", heads=2, dropout=0.0, modalities="+".join(sorted(kept))).module(shapes).eval()
        logits = network(given).logits
        assert logits.shape == (7,)
        for name in kept:
            assert not torch.allclose(logits, network(without(given, name)).logits), (kept, name)


def test_zeroed_inputs_are_zero_and_the_rest_is_as_it_was(batch: Batch) -> None:
    bare = without(batch, "table+text")
    assert not bare.table.any() and not bare.text.pooled.any() and torch.equal(bare.image.pooled, batch.image.pooled)
    assert without(batch, "") is batch


def test_the_angle_between_known_vectors_is_told_in_degrees() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    assert angle(a, b) == pytest.approx((45 + 90) / 2, abs=1e-3)


def test_alignment_is_one_for_a_rotated_copy_and_the_hsic_ratio_otherwise() -> None:
    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(30, 4, generator=generator), torch.randn(30, 4, generator=generator)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    assert alignment(a, 3 * a @ rotation + 5) == pytest.approx(1, abs=1e-5)
    centre = np.eye(30) - 1 / 30
    k, m = (centre @ (part.double().numpy() @ part.double().numpy().T) @ centre for part in (a, b))
    assert alignment(a, b) == pytest.approx(np.trace(k @ m) / math.sqrt(np.trace(k @ k) * np.trace(m @ m)), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modalities": "tabel"}, "modalities=tabel: join some of image, table and text"),
        ({"modalities": "text+text"}, "modalities=text\\+text"),
        ({"zeroed": "img"}, "zeroed=img"),
        ({"zeroed": "text", "modalities": "image+text"}, "zeroed is of the full model"),
        ({"semantic": "mse"}, "unknown semantic loss 'mse'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, str], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        VDAFM(**options)


def test_a_spelling_that_is_not_registered_is_not_trained_under_its_name() -> None:
    with pytest.raises(BenchmarkError, match="modalities=image\\+text, but it was given image\\+table\\+text"):
        VDAFM(modalities="image+text").module(SHAPES)


def test_cosines_of_torch_are_those_of_the_tests() -> None:
    a, b = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(cosine(a, b), cosine_similarity(a, b))


# Sets of reports

HEARD = """
import inspect
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from benchmark import Features, register_encoder

@register_encoder("heard", modality="text", reference="none", weights="none")
@dataclass(frozen=True)
class Heard:
    def weights_digest(self):
        return ""

    def encode(self, cohort):
        with (Path(__file__).parent / "log").open("a") as log:
            when = "late" if "fit_and_predict" in {frame.function for frame in inspect.stack()} else "early"
            print(when, cohort.reports[0][0].split()[0], file=log)
        lengths = np.array([len(drafts[0]) for drafts in cohort.reports], dtype=np.float32)
        tokens = lengths[:, None, None, None]
        return Features(tokens, np.ones((len(cohort), 1, 1), bool), tokens[:, :, 0])
"""
SMALL = "epochs=1,heads=2,hidden=8:4,image_encoder=territories"


@pytest.mark.slow
def test_topics_are_encoded_before_the_cells_and_predict_otherwise_than_own_drafts(made: MadeBenchmark) -> None:
    made.edit(
        'images={"scan":',
        """report_sets={"topics": tuple((f"topic {'x' * (j % 7)}",) for j in range(len(words)))},
            images={"scan":""",
    )
    made.write("heard.py", HEARD)
    rows = [f"vdafm[{SMALL},{more}text_encoder=heard]" for more in ("", "reports=wording,", "text=permuted,")]
    made.edit('ranked = ["steady", "dicey", "blunt"]', f"ranked = {json.dumps(rows)}", made.suite)
    made.edit('protocols = ["repeated-cv", "leave-one-site-out"]', 'protocols = ["holdout"]', made.suite)
    made.edit('descriptive = ["steady[steepness=0.01]"]', "descriptive = []", made.suite)
    made.run("--plugin", str(made.folder / "heard.py"), "--seeds", "39", "--jobs", "1")
    own = made.cohort().reports[0][0].split()[0]
    assert sorted((made.folder / "log").read_text().splitlines()) == sorted([f"early {own}", "early topic"])
    stored = list(Store().records())
    assert [cell.outcome for cell in stored] == ["ok"] * 3
    assert len({str(cell.probabilities) for cell in stored}) == 3


def features(modality: str, encoder: str | None, rows: np.ndarray | None, *reports: str) -> Features:
    """Pooled vectors of 40 cases: those of topics have four drafts, own drafts have one."""
    drafts = 4 if reports == ("topics",) else 1
    pooled = np.random.default_rng([drafts, modality == "text"]).normal(size=(40, drafts, 3)).astype(np.float32)
    whole = Features(pooled[:, :, None], np.ones((40, drafts, 1), dtype=bool), pooled)
    return whole if rows is None else whole.take(rows)


def test_predictions_see_the_mean_vector_of_a_cases_four_topics() -> None:
    cohort = Cohort(
        name="made",
        case_ids=np.array([f"case-{i:02}" for i in range(40)]),
        labels=(np.arange(40) % 2).astype(np.int8),
        table=pd.DataFrame({"age": np.arange(40.0) % 11}),
        images={"scan": ImageView(np.zeros((40, 1, 2, 2, 2), dtype=np.uint8))},
        reports=(("all",),) * 40,
        report_sets={"topics": (("core", "score", "areas", "mass"),) * 40},
        rows=np.arange(40),
        feature_source=features,
    )
    train, validation = cohort.take(np.arange(30)), cohort.take(np.arange(30, 40))
    seen = {}
    for reports in ("topics", "wording"):
        method = VDAFM(epochs=1, hidden="8:4", heads=2, reports=reports)
        method.fit(train, validation, 1)
        whole = features("text", None, None, *(["topics"] if reports == "topics" else []))
        own = whole.pooled[:30].reshape(-1, 3)
        expected = ((whole.pooled[30:] - own.mean(0)) / own.std(0)).clip(-CLIP, CLIP).mean(1)
        seen[reports] = method.inputs(validation).text.pooled.cpu().numpy()
        np.testing.assert_allclose(seen[reports], expected, atol=1e-5)
    assert VDAFM().reports == "topics"
    assert not np.allclose(seen["topics"], seen["wording"])
