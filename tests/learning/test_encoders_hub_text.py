"""Text encoders of the hub: tiny BERT models written to disk as the hub's files are, and loaded as those are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForPreTraining, BertModel, BertTokenizer

from benchmark.data.cohort import Cohort
from benchmark.data.features import encoder_identity
from benchmark.learning.encoders.text_models import BioBert, HubText
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import data_folder

WORDS = ["the", "infarct", "is", "large", "small", "left", "no", "haemorrhage", "ventricles", "are", "normal", ".", "!"]
REPORTS = (
    ("The infarct is large. No haemorrhage.", "No haemorrhage."),
    ("",),
    ("The ventricles are normal! No haemorrhage.",),
    (),
)

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save("name")` -> a folder with a tiny BERT, six layers of width 12."""

    def write(name: str, seed: int = 0, binary: bool = False, folder: Path | None = None) -> Path:
        folder = folder or tmp_path / name
        folder.mkdir(parents=True)
        (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
        BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=12,
            num_hidden_layers=6,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
        )
        if binary:  # as BioBERT's file on the hub: a pickle of tensors, of the model with its pre-training heads
            model = BertForPreTraining(config)
            config.save_pretrained(folder)
            torch.save(model.state_dict(), folder / "pytorch_model.bin")
        else:
            BertModel(config).save_pretrained(folder)
        return folder

    return write


def cohort(reports: tuple[tuple[str, ...], ...] = REPORTS) -> Cohort:
    return Cohort(name="made", case_ids=np.array([f"c{i}" for i in range(len(reports))]), reports=reports)


def test_pooled_is_the_cls_of_the_last_four_layers_and_a_token_the_mean_state_of_a_sentence(save: Save) -> None:
    folder = save("tiny")
    features = HubText(str(folder)).encode(cohort())
    assert (features.tokens.shape, features.pooled.shape) == ((4, 2, 2, 12), (4, 2, 48))
    assert features.mask.sum(axis=2).tolist() == [[2, 1], [0, 0], [2, 0], [0, 0]]
    model = BertModel.from_pretrained(folder).eval()
    tokenizer = BertTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        draft = model(**tokenizer("The infarct is large. No haemorrhage.", return_tensors="pt"), output_hidden_states=True)
        sentence = model(**tokenizer("No haemorrhage.", return_tensors="pt"))
    expected = np.concatenate([draft.hidden_states[layer][0, 0].numpy() for layer in (3, 4, 5, 6)])
    np.testing.assert_allclose(features.pooled[0, 0], expected, atol=1e-5)
    np.testing.assert_allclose(features.tokens[0, 0, 1], sentence.last_hidden_state[0].mean(0).numpy(), atol=1e-5)
    np.testing.assert_allclose(features.tokens[2, 0, 1], features.tokens[0, 1, 0], atol=1e-6)


def test_a_missing_report_is_masked_and_zero(save: Save) -> None:
    features = HubText(str(save("tiny"))).encode(cohort())
    for case in (1, 3):
        assert not any(part[case].any() for part in (features.tokens, features.mask, features.pooled))


def test_a_draft_longer_than_the_model_takes_is_cut(save: Save) -> None:
    long = HubText(str(save("tiny"))).encode(cohort((("large " * 99,), ("large " * 30,))))
    np.testing.assert_allclose(long.pooled[0], long.pooled[1], atol=1e-5)


def test_biobert_is_loaded_from_its_place_in_the_data_folder(save: Save) -> None:
    save("", folder=data_folder() / "weights" / "biobert-v1.1", binary=True)
    assert BioBert().encode(cohort()).pooled.shape == (4, 2, 48)


def test_biobert_tells_capitals_apart_where_no_tokenizer_config_says_otherwise(save: Save) -> None:
    folder = save("cased", binary=True)
    for name in ("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    words = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(words.replace("small", "The"))
    told = BioBert(str(folder)).encode(cohort((("The infarct",), ("the infarct",))))
    assert np.abs(told.tokens[0] - told.tokens[1]).max() > 0.01


def test_a_binary_of_the_pretraining_model_gives_the_same_as_safetensors(save: Save, tmp_path: Path) -> None:
    binary = save("binary", binary=True)
    safe = tmp_path / "safe"
    BertModel.from_pretrained(binary).save_pretrained(safe)
    BertTokenizer.from_pretrained(binary).save_pretrained(safe)
    np.testing.assert_allclose(
        BioBert(str(binary)).encode(cohort()).pooled, BioBert(str(safe)).encode(cohort()).pooled, atol=1e-6
    )


def test_biobert_takes_a_folder_within_a_spelling_and_other_weights_are_another_encoder(save: Save) -> None:
    first, second = (encoder_identity(f"biobert[weights={save(name, seed)}]", "text", discover()) for name, seed in CASES)
    assert first != second


CASES = (("one", 1), ("two", 2))


def test_the_same_files_elsewhere_have_the_same_digest(save: Save) -> None:
    assert BioBert(str(save("one"))).weights_digest() == BioBert(str(save("two"))).weights_digest()


def test_missing_weights_name_file_source_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))
    for given, wanted in (("", data_folder() / "weights" / "biobert-v1.1"), (str(tmp_path / "x"), tmp_path / "x")):
        with pytest.raises(BenchmarkError) as caught:
            BioBert(given).weights_digest()
        said = str(caught.value)
        assert str(wanted / "config.json") in said
        assert "hf download dmis-lab/biobert-v1.1" in said
        assert str(data_folder() / "weights" / "biobert-v1.1") in said
        assert "\n" not in said


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("", "say which model"),
        ("owner/never-downloaded", "hf download owner/never-downloaded"),
        ("/no/such/folder", "/no/such/folder/config.json is not there"),
    ],
)
def test_a_model_that_is_not_here_is_said_to_be_missing(model: str, said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        HubText(model).weights_digest()


def test_a_model_of_the_hubs_cache_is_found_by_its_id(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "cache" / "models--owner--tiny"
    save("", folder=repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert HubText("owner/tiny").encode(cohort()).pooled.shape == (4, 2, 48)


def test_a_folder_without_weights_is_refused(save: Save) -> None:
    folder = save("tiny")
    (folder / "model.safetensors").unlink()
    with pytest.raises(BenchmarkError, match="neither model.safetensors nor pytorch_model.bin"):
        HubText(str(folder)).weights_digest()


def test_weights_that_lack_a_parameter_are_refused_instead_of_drawn_at_random(save: Save) -> None:
    folder = save("tiny", binary=True)
    state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    del state["bert.encoder.layer.3.output.dense.weight"]
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(BenchmarkError, match=r"1 parameters are missing.*encoder.layer.3.output.dense.weight"):
        HubText(str(folder)).encode(cohort())


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("unpickled",))


def test_a_pickle_of_more_than_tensors_is_refused(save: Save, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save("tiny", binary=True)
    torch.save({"bert": Surprise()}, folder / "pytorch_model.bin")
    with pytest.raises(BenchmarkError, match="holds more than tensors"):
        HubText(str(folder)).encode(cohort())
    assert "unpickled" not in capsys.readouterr().out
