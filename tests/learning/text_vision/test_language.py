"""The language model: what is masked, what padding changes, what mean pooling is, and that it learns."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.learning.text_vision.corpora_language import Language
from benchmark.learning.text_vision.exporting import write_encoder
from benchmark.learning.text_vision.language import LanguageModel, Schedule, masked, padded, trained_language
from benchmark.learning.text_vision.wordpiece import MASK, PAD, SPECIAL, WordPieces
from benchmark.system.errors import BenchmarkError
from tests.learning.text_vision.made_reports import QUICK, SIZE, report

RNG = np.random.default_rng(0)
TEXTS = [report([], RNG) for _ in range(30)] + [report(["infarct", "mass"], RNG) for _ in range(30)]
TRAIN = """
import hashlib, numpy, torch
from tests.learning.text_vision.made_reports import QUICK, SIZE, report
from benchmark.learning.text_vision.language import trained_language
torch.set_num_threads(1)
rng = numpy.random.default_rng(0)
texts = [report([], rng) for _ in range(20)] + [report(["mass"], rng) for _ in range(20)]
model, perplexity = trained_language(texts, 200, SIZE, QUICK, 3)
print(hashlib.sha256(model.vectors(texts).numpy().tobytes() + perplexity.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.set_num_threads(1)
    return trained_language(TEXTS, 300, SIZE, QUICK, 5)[0]


def test_fifteen_percent_are_guessed_of_which_eight_tenths_are_masked_and_one_tenth_is_any_piece() -> None:
    ids = np.random.default_rng(1).integers(len(SPECIAL), 1000, size=(400, 100))
    shown, guessed = masked(ids, 1000, np.random.default_rng(2))
    among = ids[guessed], shown[guessed]
    assert guessed.mean() == pytest.approx(0.15, abs=0.005)
    assert (among[1] == MASK).mean() == pytest.approx(0.8, abs=0.015)
    assert ((among[1] != MASK) & (among[1] != among[0])).mean() == pytest.approx(0.1, abs=0.015)
    assert (among[1] == among[0]).mean() == pytest.approx(0.1, abs=0.015)
    assert (shown[~guessed] == ids[~guessed]).all() and shown[guessed].min() >= len(SPECIAL) - 1


def test_special_pieces_are_never_guessed_and_a_short_text_is_guessed_once_at_least() -> None:
    ids = np.array([[0, 7, 2, PAD]])
    for seed in range(20):
        shown, guessed = masked(ids, 10, np.random.default_rng(seed))
        assert guessed.tolist() == [[False, True, False, False]] and shown[0, [0, 2, 3]].tolist() == [0, 2, PAD]
    assert not masked(np.array([[0, 2]]), 10, np.random.default_rng(0))[1].any()


def test_padding_is_not_seen(model: LanguageModel) -> None:
    short, long = model.windows(["Acute infarct."])[0][0], model.windows([TEXTS[-1]])[0][0]
    with torch.no_grad():
        alone, beside = model.states(padded([short])), model.states(padded([short, long]))
    torch.testing.assert_close(beside[0, : len(short)], alone[0], atol=1e-5, rtol=1e-4)
    together = model.vectors(["Acute infarct.", TEXTS[-1]])
    torch.testing.assert_close(together[0], model.vectors(["Acute infarct."])[0], atol=1e-5, rtol=1e-4)


def test_texts_of_like_length_are_read_together_and_have_the_vectors_of_one_padded_batch(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["Acute infarct.", TEXTS[-1], "No bleed.", "infarct " * 90, TEXTS[0], "Mass.", TEXTS[40], "Normal brain."]
    windows, owners = model.windows(texts)
    with torch.no_grad():
        ids = padded(windows)
        states, there = model.states(ids), ids != PAD
    read: list[int] = []
    states_of = model.states
    monkeypatch.setattr(model, "states", lambda ids: (read.append(ids.numel()), states_of(ids))[1])
    with torch.no_grad():
        found = model.pooled(texts)
    for text, vector in enumerate(found):
        rows = torch.tensor(owners) == text
        torch.testing.assert_close(vector, states[rows][there[rows]].mean(0), atol=1e-5, rtol=1e-5)
    assert sum(map(len, windows)) <= sum(read) < 0.75 * ids.numel()


def test_mean_pooling_is_the_mean_of_the_states_over_all_pieces_start_and_end_included(model: LanguageModel) -> None:
    ids = model.pieces.tokenizer.encode("Acute infarct of the brain").ids
    with torch.no_grad():
        states = model.network.roberta(torch.tensor([ids])).last_hidden_state[0].numpy()
    by_hand = sum(states[place] for place in range(len(ids))) / len(ids)
    np.testing.assert_allclose(model.vectors(["Acute infarct of the brain"])[0].numpy(), by_hand, atol=1e-5)


def test_a_text_of_five_thousand_words_is_read_to_its_end(model: LanguageModel) -> None:
    long = "no sign of mass . " * 1000
    vectors = model.vectors([long, long + "acute infarct . " * 500])
    assert torch.isfinite(vectors).all() and float((vectors[0] - vectors[1]).abs().max()) > 1e-3
    room = SIZE.longest - 2
    assert len(model.windows([long])[0]) == -(-len(model.pieces.ids([long])[0]) // room)


def test_a_text_longer_than_the_network_reads_at_once_is_the_mean_over_its_stretches(model: LanguageModel) -> None:
    windows = model.windows(["no sign of mass . " * 20])[0]
    with torch.no_grad():
        states = [model.states(torch.tensor([window]))[0] for window in windows]
    by_hand = torch.cat(states).mean(0)
    torch.testing.assert_close(model.vectors(["no sign of mass . " * 20])[0], by_hand, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("empty", ["", "  \n", "\x00\x07"])
def test_a_text_without_a_word_is_refused_by_its_place(model: LanguageModel, empty: str) -> None:
    with pytest.raises(BenchmarkError, match="text 2 of 2 holds no word"):
        model.pooled(["infarct", empty])
    with pytest.raises(BenchmarkError, match="holds no word"):
        model.vectors(["infarct", empty])


def test_emoji_and_control_characters_have_a_vector(model: LanguageModel) -> None:
    vectors = model.vectors(["😀", "acute\x00 infarct\x07", "acute infarct"])
    assert torch.isfinite(vectors).all()
    torch.testing.assert_close(vectors[1], vectors[2])


def test_vectors_do_not_depend_on_their_company_and_come_in_the_order_asked_for(model: LanguageModel) -> None:
    texts = [TEXTS[-1], "Normal brain.", TEXTS[0], "Normal brain."]
    vectors = model.vectors(texts, batch=2)
    for row, text in enumerate(texts):
        torch.testing.assert_close(vectors[row], model.vectors([text])[0], atol=1e-5, rtol=1e-4)


def test_training_lowers_perplexity_on_texts_that_it_did_not_see() -> None:
    model, perplexity = trained_language(TEXTS, 300, SIZE, Schedule(15, 512, 3e-3), 5)
    assert len(perplexity) == 16
    assert perplexity[0] == pytest.approx(len(model.pieces), rel=0.3)  # before, every piece is as likely
    assert perplexity[-1] < perplexity[0] / 5


def test_a_held_back_text_enters_neither_vocabulary_nor_training() -> None:
    marker = "zyzzyva quokkaquokka zyzzyva quokkaquokka"
    for place in range(len(TEXTS)):
        texts = [*TEXTS[:place], marker, *TEXTS[place + 1 :]]
        pieces = trained_language(texts, 300, SIZE, Schedule(0, 512, 1e-3), 5)[0].pieces
        if "zyzzyva" not in pieces.vocabulary:
            return
    pytest.fail("no place of the text is held back")


@pytest.mark.slow
def test_every_process_gives_the_same_bytes() -> None:
    run = [subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert run[0] == run[1] and len(run[0].strip()) == len(hashlib.sha256().hexdigest())


def test_a_kept_model_gives_the_same_bytes(model: LanguageModel) -> None:
    again = LanguageModel.from_arrays(model.as_arrays(), SIZE)
    assert again.vectors(TEXTS).numpy().tobytes() == model.vectors(TEXTS).numpy().tobytes()


def test_one_text_is_too_few() -> None:
    with pytest.raises(BenchmarkError, match="two texts or more"):
        trained_language(TEXTS[:1], 300, SIZE, QUICK, 5)


def test_five_reports_are_enough() -> None:
    model, perplexity = trained_language(TEXTS[:3] + TEXTS[-2:], 300, SIZE, QUICK, 5)
    assert np.isfinite(perplexity).all() and torch.isfinite(model.vectors(TEXTS[:2])).all()


def test_transformers_loads_the_written_encoder_and_gives_the_same_vectors(model: LanguageModel, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer, RobertaModel

    write_encoder(model, tmp_path / "encoder")
    assert {path.name for path in (tmp_path / "encoder").iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder", local_files_only=True)
    loaded = AutoModel.from_pretrained(tmp_path / "encoder", local_files_only=True).eval()
    assert isinstance(loaded, RobertaModel)
    texts = ["Acute infarct.", "There is NO sign of mass, 😀."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = loaded(**batch).last_hidden_state
    weight = batch["attention_mask"][..., None].float()
    torch.testing.assert_close((states * weight).sum(1) / weight.sum(1), model.vectors(texts), atol=1e-5, rtol=1e-4)
    assert tokenizer.mask_token_id == MASK and tokenizer.pad_token_id == PAD
    with pytest.raises(BenchmarkError, match="not empty"):
        write_encoder(model, tmp_path / "encoder")


def test_the_papers_size_has_twelve_layers_of_768() -> None:
    size = Language(size="paper").text_size
    assert (size.width, size.layers, size.longest) == (768, 12, 512)
    network = LanguageModel(WordPieces([*SPECIAL, *map(str, range(95))]), size).network
    assert network.config.num_attention_heads == 12 and network.config.intermediate_size == 3072
    assert network.roberta.embeddings.position_embeddings.weight.shape == (514, 768)
