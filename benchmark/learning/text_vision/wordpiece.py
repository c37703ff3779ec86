"""WordPiece: words of a corpus as pieces of a vocabulary that is trained on it (Wu et al. 2016, arXiv 1609.08144)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.system.errors import BenchmarkError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
START, PAD, END, UNKNOWN, MASK = range(len(SPECIAL))
"""Their ids, as RoBERTa has them but for the mask's."""
CONTINUES = "##"
AT_ONCE = 256
"""Texts that are cut at a time: the tokenizer's own account of a text is many times larger than its pieces."""
RAREST = 2
"""How often a piece must occur in the corpus to enter the vocabulary [A]."""


class WordPieces:
    """A tokenizer of lower-cased words: the longest pieces of the vocabulary first; control characters are left out.

    vocabulary : the pieces in the order of their ids, the special ones first.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        from tokenizers.models import WordPiece
        from tokenizers.processors import TemplateProcessing

        self.vocabulary = tuple(vocabulary)
        ids = {piece: number for number, piece in enumerate(self.vocabulary)}
        self.tokenizer = _tokenizer(WordPiece(ids, unk_token=SPECIAL[UNKNOWN], max_input_chars_per_word=100))
        self.tokenizer.add_special_tokens(list(SPECIAL))
        ends = [(SPECIAL[START], START), (SPECIAL[END], END)]
        self.tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ends)

    @classmethod
    def trained(cls, texts: Iterable[str], size: int) -> WordPieces:
        """At most `size` pieces, fewer where the texts support no more; the same ones in every process.

        Raises `BenchmarkError` for texts without a word.
        """
        from tokenizers.models import WordPiece
        from tokenizers.trainers import WordPieceTrainer

        kept = list(texts)
        tokenizer = _tokenizer(WordPiece(unk_token=SPECIAL[UNKNOWN]))
        words = (word for text in kept for word in _words(tokenizer, text))
        letters = sorted({letter for word in words for letter in word})
        if not letters:
            raise BenchmarkError("a vocabulary cannot be trained: no text has a word")
        # the trainer numbers letters in an order that differs between processes, and breaks ties by these numbers
        numbered = [*SPECIAL, *letters, *(CONTINUES + letter for letter in letters)]
        trainer = WordPieceTrainer(
            vocab_size=max(size, len(numbered)), min_frequency=RAREST, special_tokens=numbered, show_progress=False
        )
        tokenizer.train_from_iterator(kept, trainer)
        found = tokenizer.get_vocab()
        return cls(sorted(found, key=found.__getitem__))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each text by number, without a start and an end."""
        batches = (list(texts[at : at + AT_ONCE]) for at in range(0, len(texts), AT_ONCE))
        return [encoding.ids for batch in batches for encoding in self.tokenizer.encode_batch(batch, add_special_tokens=False)]

    def unknown(self, text: str) -> list[str]:
        """The words of a text for which the vocabulary has no pieces, each once."""
        words = dict.fromkeys(_words(self.tokenizer, text))
        return [word for word, ids in zip(words, self.ids(list(words)), strict=True) if UNKNOWN in ids]

    def as_array(self) -> NDArray[np.uint8]:
        """The vocabulary, to be kept beside weights."""
        return np.frombuffer("\n".join(self.vocabulary).encode(), dtype=np.uint8)

    @classmethod
    def from_array(cls, array: NDArray[np.uint8]) -> WordPieces:
        """What `as_array` gave."""
        return cls(array.tobytes().decode().split("\n"))


def _tokenizer(model: Any) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _words(tokenizer: Any, text: str) -> list[str]:
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))]
