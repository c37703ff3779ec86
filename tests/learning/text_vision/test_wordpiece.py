"""WordPiece: what enters a vocabulary, and that every process trains the same one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.learning.text_vision.wordpiece import SPECIAL, UNKNOWN, WordPieces
from benchmark.system.errors import BenchmarkError

TEXTS = ["acute infarct of the left hemisphere", "acute bleed in the right hemisphere", "no acute infarct"] * 3
TRAIN = """
import random
from benchmark.learning.text_vision.wordpiece import WordPieces
drawn = random.Random(0)
syllables = [a + b for a in "bcdfghklmnprst" for b in "aeiou"]
words = ["".join(drawn.choices(syllables, k=drawn.randint(1, 4))) for _ in range(400)]
print(WordPieces.trained([" ".join(drawn.choices(words, k=30)) for _ in range(300)], 2000).as_array().tobytes().hex())
"""


def test_every_process_trains_the_same_vocabulary() -> None:
    run = [subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True).stdout for _ in range(5)]
    assert len(set(run)) == 1 and len(bytes.fromhex(run[0].strip())) > 1000


def test_special_pieces_come_first_and_frequent_words_are_one_piece() -> None:
    pieces = WordPieces.trained(TEXTS, 10_000)
    assert pieces.vocabulary[: len(SPECIAL)] == SPECIAL
    assert [pieces.vocabulary[piece] for piece in pieces.ids(["Acute INFARCT"])[0]] == ["acute", "infarct"]


def test_many_texts_are_cut_some_at_a_time_into_the_pieces_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces, texts = WordPieces.trained(TEXTS, 10_000), [f"{TEXTS[number % 9]} {number}" for number in range(600)]
    whole, sizes = pieces.tokenizer, []

    class Counting:
        def encode_batch(self, batch: list[str], **options: bool) -> list[Any]:
            sizes.append(len(batch))
            return list(whole.encode_batch(batch, **options))

    monkeypatch.setattr(pieces, "tokenizer", Counting())
    assert pieces.ids(texts) == [whole.encode(text, add_special_tokens=False).ids for text in texts]
    assert sum(sizes) == 600 and max(sizes) <= 256


def test_a_word_that_is_not_in_the_corpus_is_read_by_its_pieces() -> None:
    pieces = WordPieces.trained(TEXTS, 10_000)
    (ids,) = pieces.ids(["infarction"])
    read = [pieces.vocabulary[piece] for piece in ids]
    assert read[0] == "infarct" and "".join(piece.removeprefix("##") for piece in read) == "infarction"


def test_the_vocabulary_is_no_larger_than_asked_for_and_than_the_corpus_supports() -> None:
    letters = {letter for text in TEXTS for letter in text if letter != " "}
    fewest = len(SPECIAL) + 2 * len(letters)
    assert len(WordPieces.trained(TEXTS, 0)) == fewest
    assert len(WordPieces.trained(TEXTS, fewest + 5)) == fewest + 5
    assert len(WordPieces.trained(TEXTS, 10_000)) < fewest + 100


def test_a_kept_vocabulary_reads_as_the_trained_one() -> None:
    pieces = WordPieces.trained(TEXTS, 200)
    again = WordPieces.from_array(np.frombuffer(pieces.as_array().tobytes(), dtype=np.uint8))
    assert again.vocabulary == pieces.vocabulary and again.ids(TEXTS) == pieces.ids(TEXTS)


def test_control_characters_are_left_out_and_emoji_are_unknown() -> None:
    pieces = WordPieces.trained(TEXTS, 200)
    assert pieces.ids(["acute\x00 \x07infarct"]) == pieces.ids(["acute infarct"])
    assert pieces.ids(["😀"]) == [[UNKNOWN]]
    assert pieces.unknown("acute 😀 日 infarct 😀") == ["😀", "日"]


def test_texts_without_a_word_are_refused() -> None:
    with pytest.raises(BenchmarkError, match="no text has a word"):
        WordPieces.trained(["", " \x00"], 100)


def test_a_word_of_the_corpus_may_be_spelled_like_a_special_piece(tmp_path: Path) -> None:
    pieces = WordPieces.trained([*TEXTS, "a <mask> and <s> in a text"], 200)
    assert pieces.vocabulary[: len(SPECIAL)] == SPECIAL and len(set(pieces.vocabulary)) == len(pieces)
