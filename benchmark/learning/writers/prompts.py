"""Prompts of a vision-language model: five text files and the lists by which answers are checked, all of them editable.

A prompt holds `{images}` where the pictures are described, and may hold `{territories}`, the names of the dataset's atlas.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from benchmark.learning.writers.measurement import TOPICS
from benchmark.system.errors import BenchmarkError, UnknownNameError
from benchmark.system.provenance import digest

FOLDER = Path(__file__).with_name("prompts")
LISTS = "lists.toml"
IMAGES, TERRITORIES = "images", "territories"
NAME = re.compile(r"[\w-]{1,40}")
MOST_LETTERS = 4000


@dataclass(frozen=True)
class Prompt:
    """A prompt by its name: the topic that it asks about."""

    name: str
    text: str

    def filled(self, images: str, territories: Sequence[str]) -> str:
        """The prompt as it is sent, on one line."""
        named = ", ".join(territories) or "anterior, middle and posterior cerebral artery, vertebrobasilar"
        return " ".join(self.text.format(**{IMAGES: images, TERRITORIES: named}).split())


@dataclass(frozen=True)
class Lists:
    """White list, prompt -> terms of which one must occur; black list, heading -> phrases of which none may."""

    white: Mapping[str, tuple[str, ...]]
    black: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """Digest of both."""
        return digest([dict(self.white), dict(self.black)])[:16]


def read_prompts(folder: Path | None, names: Sequence[str], barred: Collection[str] = ()) -> tuple[Prompt, ...]:
    """The named prompts of a folder, by default the shipped ones; all of the folder where none is named.

    barred : words that the dataset's label is made of, in lower case. A prompt that asks for one is refused where it was named,
        and left out where all were meant. Raises `BenchmarkError` for that, and for a prompt that cannot be read or filled in.
    """
    place = folder or FOLDER
    files = {path.stem: path for path in place.glob("*.txt")}
    if not files:
        raise BenchmarkError(f"{place} holds no prompts: give a folder of NAME.txt files")
    order = [name for name in TOPICS if name in files] + sorted(files.keys() - set(TOPICS))
    chosen = []
    for name in names or order:
        if name not in files:
            raise UnknownNameError("prompt", name, order)
        prompt = _read(files[name])
        asked = _asked_for(prompt, barred)
        if asked and names:
            raise BenchmarkError(f"prompt {name} asks for {asked}, which the label is made of: leave it out of --prompts")
        if not asked:
            chosen.append(prompt)
    if not chosen:
        raise BenchmarkError(f"every prompt of {place} asks for what the label is made of")
    return tuple(chosen)


def read_lists(folder: Path | None, prompts: Collection[str]) -> Lists:
    """The lists beside the prompts, or the shipped ones where none lie there. Raises `BenchmarkError` for a wrong entry."""
    own = None if folder is None else folder / LISTS
    path = own if own is not None and own.is_file() else FOLDER / LISTS
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    if unknown := sorted(content.keys() - {"white", "black"}):
        raise BenchmarkError(f"{path}: unknown table [{unknown[0]}]: known are [white] and [black]")
    white, black = (_phrases(path, name, content.get(name, {})) for name in ("white", "black"))
    return Lists({name: terms for name, terms in white.items() if name in prompts}, black)


def _read(path: Path) -> Prompt:
    if not NAME.fullmatch(path.stem):
        raise BenchmarkError(f"{path}: a prompt's name has at most 40 letters, digits, - and _")
    try:
        text = path.read_text(encoding="utf-8")
        held = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error} (write {{{{ and }}}} for braces)") from error
    if len(text) > MOST_LETTERS:
        raise BenchmarkError(f"{path} has {len(text):,} letters: give a prompt of at most {MOST_LETTERS:,}")
    if IMAGES not in held:
        raise BenchmarkError(f"{path} has no placeholder {{{IMAGES}}}: write it where the pictures are to be described")
    if unknown := sorted(held - {IMAGES, TERRITORIES}):
        raise BenchmarkError(f"{path}: unknown placeholder {{{unknown[0]}}}: known are {{{IMAGES}}} and {{{TERRITORIES}}}")
    return Prompt(path.stem, text)


def _asked_for(prompt: Prompt, barred: Collection[str]) -> str:
    """What the label is made of, and the prompt speaks of; empty where nothing is."""
    spoken = f"{prompt.name} {prompt.text}".casefold()
    return next((word for word in sorted(barred) if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", spoken)), "")


def _phrases(path: Path, table: str, content: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(content, dict):
        raise BenchmarkError(f"{path}: [{table}] must be a table of lists")
    for name, phrases in content.items():
        if not isinstance(phrases, list) or not all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
            raise BenchmarkError(f"{path}: [{table}] {name} must be a list of phrases")
    return {name: tuple(phrases) for name, phrases in content.items()}
