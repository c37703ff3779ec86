"""Which answers of a model are kept as drafts, and why another is not.

Every reason is counted; none is a judgement of whether the answer is true, which `fidelity` measures.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from benchmark.data.folder.identities import DATE
from benchmark.learning.writers.prompts import Lists

MOST_WORDS = 300
FEWEST_ENGLISH = 0.15
"""Share of English function words, below which an answer of `LEAST_JUDGED` words or more is in another language."""
LEAST_JUDGED = 8
LATIN = 0.8
"""Share of letters that are Latin at least."""
_ENGLISH = "the of is in and with there an it are to on at by this that or not as from which for be seen about between likely"
ENGLISH = frozenset(_ENGLISH.split())
_FOREIGN = "el la los las del der die das und le les des du et il di della ein eine ist est es con der van het een och"
FOREIGN = frozenset(_FOREIGN.split())
"""Function words of other languages: one of them, and no English one, is enough in a short answer."""
MARKUP = re.compile(
    r"</?[a-zA-Z][^>]*>|```|\*\*|__|^\s*#{1,6} |^\s*[-*] |^\s*\|.*\||https?://|\[[^\]]*\]\(|^\s*[{\[].*[}\]]\s*$", re.MULTILINE
)
TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z][a-z]+")
NAMED = re.compile(
    r"\b(?:[Pp]atient|[Nn]ame|[Nn]amed)(?:'s name)?(?: is|,|:)? (?!The\b|This\b|There\b|No\b)[A-Z][a-z]+[ ,]+[A-Z][a-z]+"
)
REASONS = ("empty", "cut", "too long", "not text", "markup", "another language", "identity", "white list")
"""Headings besides those of the black list."""


def cleaned(answer: str) -> str:
    """The answer on one line, as a draft is stored: composed letters, blanks evened."""
    return " ".join(unicodedata.normalize("NFC", answer).split())


def reason_against(answer: str, prompt: str, lists: Lists, names: Collection[str] = (), *, cut: bool = False) -> str:
    """The heading under which an answer to a prompt is dropped; empty where it is kept.

    names : ids of the case, none of which an answer holds. cut : whether the endpoint broke it off.
    """
    words = re.findall(r"[^\W_]+", answer)
    if not words:
        return "empty"
    if len(words) > MOST_WORDS:
        return "too long"
    if cut:
        return "cut"
    if any(unicodedata.category(letter) in ("Cc", "Co", "Cn", "Cs") for letter in answer if letter not in "\n\r\t"):
        return "not text"
    if MARKUP.search(answer):
        return "markup"
    if is_foreign(answer, words):
        return "another language"
    if DATE.search(answer) or TITLED.search(answer) or NAMED.search(answer) or any(_holds(answer, name) for name in names):
        return "identity"
    for heading, phrases in lists.black.items():
        if any(_holds(answer, phrase) for phrase in phrases):
            return heading
    white = lists.white.get(prompt, ())
    return "white list" if white and not any(_holds(answer, term) for term in white) else ""


def is_foreign(answer: str, words: Collection[str]) -> bool:
    """Whether an answer is not in English, by its script and its function words."""
    letters = [letter for letter in answer if letter.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if letters and latin < LATIN * len(letters):
        return True
    english = sum(word.casefold() in ENGLISH for word in words)
    if not english and any(word.casefold() in FOREIGN for word in words):
        return True
    return len(words) >= LEAST_JUDGED and english < FEWEST_ENGLISH * len(words)


def _holds(answer: str, phrase: str) -> bool:
    """Whether it holds the phrase as whole words; a unit may follow its number at once ("12ml")."""
    evened = " ".join(answer.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    return bool(re.search(rf"(?:(?<!\w)|(?<=\d)){re.escape(phrase)}(?!\w)", evened, re.IGNORECASE))
