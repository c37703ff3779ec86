"""Corpora: texts with a licence and no cases, for language models; read once from the source files, kept on disk."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

from benchmark.data.preparation import check_named, sources_of
from benchmark.data.reading import opened_files
from benchmark.data.sources import Sources
from benchmark.registry.cards import CorpusCard
from benchmark.registry.catalogue import Catalogue, Configured
from benchmark.registry.discovery import discover
from benchmark.system import provenance
from benchmark.system.errors import BenchmarkError, DataError, place_of
from benchmark.system.files import build_once, check_sealed, safe
from benchmark.system.locations import data_folder

LAYOUT = 1
"""Version of the files in a prepared folder, and of how texts are cleaned."""
FILE = "documents.json"
MEND = "`clean --prepared --yes`"


@dataclass(frozen=True)
class Document:
    """A text of a corpus.

    `findings` and `summary` are two of its sections, both or neither; `subject` says what it is about, in the source's words,
    several joined by "; ".
    """

    text: str
    findings: str = ""
    summary: str = ""
    subject: str = ""


class TextSource(Protocol):
    """What the engine calls of a corpus: a dataclass whose fields are its parameters."""

    def documents(self, sources: Sources) -> Iterable[Document]:
        """Its texts, from the source files that `sources.toml` lists. Raises `DataError` where they are not as expected."""


@dataclass(frozen=True)
class Corpus:
    """The distinct texts of a corpus.

    Their order is fixed, whatever that of the source: by the sha256 of the text, so any part of it is a random one. `digest`
    covers everything in them. `empty` and `repeated` say how many of the source's texts were left out.
    """

    name: str
    documents: tuple[Document, ...]
    empty: int = 0
    repeated: int = 0

    @cached_property
    def digest(self) -> str:
        """sha256 of the documents."""
        return provenance.digest([asdict(document) for document in self.documents])

    @property
    def words(self) -> int:
        """Words of the texts, parted by white space."""
        return sum(len(document.text.split()) for document in self.documents)

    @property
    def paired(self) -> tuple[Document, ...]:
        """The documents with both sections."""
        return tuple(document for document in self.documents if document.findings)


def load_corpus(spelled: str, catalogue: Catalogue | None = None) -> Corpus:
    """The corpus of that name; read from its source files first where that was not done on this machine.

    Raises `NotFetchedError` where source files are missing, `DataError` where they are not as expected.
    """
    corpus = (catalogue or discover()).corpus(spelled)

    def write(folder: Path) -> None:
        built = read_corpus(corpus)
        kept = {**asdict(built), "digest": built.digest}
        (folder / FILE).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")

    folder = build_once(_folder(corpus), write)
    check_sealed(folder, MEND)
    kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    digest, documents = kept.pop("digest"), tuple(Document(**document) for document in kept.pop("documents"))
    loaded = Corpus(**kept, documents=documents)
    if loaded.digest != digest:
        raise BenchmarkError(f"{folder} was edited: {MEND}, then run again")
    return loaded


def _folder(corpus: Configured[CorpusCard]) -> Path:
    """Where it lies: a digest over the source files, the corpus's code and parameters, and the libraries that it uses."""
    path = corpus.entry.path
    code = [provenance.code_digest(path), provenance.library_versions(path)]
    inputs = [LAYOUT, corpus.spelled, sources_of(corpus).digest, *code]
    return data_folder() / "prepared" / "corpora" / safe(corpus.spelled) / provenance.digest(inputs)[:16]


def read_corpus(corpus: Configured[CorpusCard]) -> Corpus:
    """The corpus as its code reads it now: cleaned, each text once, in the fixed order. Raises `DataError`."""
    sources, source = sources_of(corpus), cast(TextSource, corpus.make())
    try:
        with opened_files() as read:
            given = list(source.documents(sources))
    except BenchmarkError:
        raise
    except Exception as error:  # a corpus is somebody's code
        raise DataError(f"{corpus.spelled}: documents(): {type(error).__name__}: {error}{place_of(error)}") from error
    check_named(corpus, sources, read)
    cleaned = [document for document in _cleaned(corpus.spelled, given) if document.text]
    if not cleaned:
        raise DataError(f"{corpus.spelled}: {len(given)} documents, none of which has a word: check its source files")
    distinct: dict[str, Document] = {}
    for document in cleaned:
        key = " ".join(document.text.split())
        distinct[key] = _joined(distinct[key], document) if key in distinct else document
    ordered = tuple(distinct[key] for key in sorted(distinct, key=provenance.digest))
    return Corpus(corpus.spelled, ordered, len(given) - len(cleaned), len(cleaned) - len(ordered))


def _cleaned(name: str, given: Iterable[Document]) -> Iterator[Document]:
    """The documents, every part of them as plain text. Raises `DataError` for what is none."""
    for number, document in enumerate(given, 1):
        if not isinstance(document, Document):
            raise DataError(f"{name}: document {number} is a {type(document).__name__}: give benchmark.Document(text)")
        parts = asdict(document)
        for part, value in parts.items():
            if not isinstance(value, str):
                raise DataError(f"{name}: document {number}: {part} is {value!r}, a {type(value).__name__}: give a string")
        clean = Document(**{part: plain(value) for part, value in parts.items()})
        yield clean if clean.findings and clean.summary else replace(clean, findings="", summary="")


def plain(text: str) -> str:
    """A text in composed Unicode (NFC): control characters and lone surrogates are blanks, lines hold single blanks."""
    unprintable = {ord(letter): " " for letter in set(text) - {"\n"} if unicodedata.category(letter) in ("Cc", "Cs")}
    lines = unicodedata.normalize("NFC", text.translate(unprintable)).split("\n")
    return "\n".join(filter(None, (" ".join(line.split()) for line in lines)))


def _joined(first: Document, again: Document) -> Document:
    """A text that came twice: its sections as they were found first, every subject once."""
    subjects = sorted({*first.subject.split("; "), *again.subject.split("; ")} - {""})
    sections = first if first.findings else again
    return replace(first, findings=sections.findings, summary=sections.summary, subject="; ".join(subjects))
