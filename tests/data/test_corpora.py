"""Corpora of plug-ins: how texts are cleaned, deduplicated, ordered, kept, and refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.data.corpora import Corpus, Document, load_corpus, plain
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError, DataError, NotFetchedError
from benchmark.system.locations import data_folder
from benchmark.system.provenance import digest
from tests.made_benchmark import MadeBenchmark

CORPUS = """
from dataclasses import dataclass
from benchmark import Document, register_corpus

@register_corpus(
    "few", title="Few", source="made here", license="CC0-1.0", citation="none", scope="Made: of no use.", documents=5
)
@dataclass(frozen=True)
class Few:
    def documents(self, sources):
        return {documents}
"""
SENTENCES = [f"No acute infarct in region {number}." for number in range(5)]


def corpus_of(folder: Path, documents: str, code: str = CORPUS) -> Corpus:
    path = folder / digest(documents) / "few.py"  # a file of its own: a process imports each once
    path.parent.mkdir(exist_ok=True)
    path.write_text(code.format(documents=documents), encoding="utf-8")
    return load_corpus("few", discover([str(path)]))


def test_a_corpus_of_five_texts_without_sections_is_loaded_as_it_is(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, f"[Document(text) for text in {SENTENCES}]")
    assert {document.text for document in corpus.documents} == {*SENTENCES}
    assert (corpus.paired, corpus.words, corpus.empty, corpus.repeated) == ((), 30, 0, 0)


def test_a_text_that_comes_again_is_one_document_with_every_subject(tmp_path: Path) -> None:
    given = (
        "[Document('a  b', subject='Surgery'), Document('a b\\n', 'found', 'so', 'Neurology'), Document('c'), Document(' ')]"
    )
    corpus = corpus_of(tmp_path, given)
    assert {*corpus.documents} == {Document("a b", "found", "so", "Neurology; Surgery"), Document("c")}
    assert (corpus.empty, corpus.repeated) == (1, 1)


def test_order_and_digest_are_those_of_the_texts_whatever_the_order_of_the_source(tmp_path: Path) -> None:
    one = corpus_of(tmp_path, f"[Document(text) for text in {SENTENCES}]")
    other = corpus_of(tmp_path, f"[Document(text) for text in {SENTENCES[::-1]}]")
    assert one.documents == other.documents and one.digest == other.digest
    assert [document.text for document in one.documents] not in (SENTENCES, SENTENCES[::-1])
    changed = corpus_of(tmp_path, f"[Document(text, subject='x') for text in {SENTENCES}]")
    assert changed.digest != one.digest


def test_a_document_has_both_sections_or_neither(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "[Document('a', 'found'), Document('b', summary='so'), Document('c', 'found', 'so')]")
    assert corpus.paired == (Document("c", "found", "so"),)
    assert all(not document.findings and not document.summary for document in corpus.documents if document.text != "c")


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("bleed 🧠 seen 👩‍⚕️", "bleed 🧠 seen 👩‍⚕️"),
        ("no\x00 acute\x07\tinfarct\x1b", "no acute infarct"),
        ("half \ud83d of a pair", "half of a pair"),
        ("œde\u0300me", "œd\u00e8me"),
        ("one\r\n\n two\u2009mm ", "one\ntwo mm"),
        ("word " * 5000, " ".join(["word"] * 5000)),
    ],
    ids=["emoji", "control characters", "lone surrogate", "combining", "lines", "5,000 words"],
)
def test_texts_come_clean_and_whole(tmp_path: Path, given: str, clean: str) -> None:
    assert plain(given) == clean == plain(clean)
    assert [document.text for document in corpus_of(tmp_path, f"[Document({given!r})]").documents] == [clean]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("[]", "few: 0 documents, none of which has a word: check its source files"),
        ("[Document(' '), Document('\\x00')]", "few: 2 documents, none of which has a word"),
        ("['text']", r"few: document 1 is a str: give benchmark.Document\(text\)"),
        ("[Document('a'), Document(None)]", "few: document 2: text is None, a NoneType: give a string"),
        ("[Document('a', subject=3)]", "few: document 1: subject is 3, a int: give a string"),
        ("1 / 0", r"few: documents\(\): ZeroDivisionError: division by zero \(few.py, line 11\)"),
    ],
)
def test_what_is_no_corpus_is_refused_by_name_and_leaves_nothing_behind(tmp_path: Path, documents: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        corpus_of(tmp_path, documents)
    assert [path.suffix for path in (data_folder() / "prepared" / "corpora" / "few").iterdir()] == [".lock"]


def test_a_corpus_is_read_once_and_anew_when_its_own_file_is_edited(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo", encoding="utf-8")
    own = CORPUS + f"\n    def files(self):\n        return [{str(texts)!r}]\n"
    read = f"[Document(line) for line in open({str(texts)!r}, encoding='utf-8')]"
    assert corpus_of(tmp_path, read, own).words == 2
    kept = list((data_folder() / "prepared" / "corpora" / "few").glob("*/documents.json"))
    written = kept[0].stat().st_mtime_ns
    assert corpus_of(tmp_path, read, own).words == 2 and kept[0].stat().st_mtime_ns == written
    texts.write_text("one\ntwo\nthree", encoding="utf-8")
    assert corpus_of(tmp_path, read, own).words == 3


def test_a_file_that_it_reads_and_does_not_name_is_refused(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("one", encoding="utf-8")
    with pytest.raises(DataError, match=r"few: documents\(\) reads .*texts.txt.*, which files\(\) does not name"):
        corpus_of(tmp_path, f"[Document(line) for line in open({str(texts)!r}, encoding='utf-8')]")


def test_a_kept_corpus_that_was_edited_is_refused(tmp_path: Path) -> None:
    corpus_of(tmp_path, "[Document('a')]")
    kept = next((data_folder() / "prepared" / "corpora" / "few").glob("*/documents.json"))
    content = json.loads(kept.read_text(encoding="utf-8"))
    content["documents"][0]["text"] = "b"
    kept.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(BenchmarkError, match="was edited: `clean --prepared --yes`"):
        corpus_of(tmp_path, "[Document('a')]")
    kept.write_text("{", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="is damaged: `clean --prepared --yes`"):
        corpus_of(tmp_path, "[Document('a')]")


def test_the_same_corpus_in_two_files_is_named_with_both(tmp_path: Path) -> None:
    paths = [tmp_path / "one.py", tmp_path / "two.py"]
    for path in paths:
        path.write_text(CORPUS.format(documents=[]), encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"corpus 'few' is broken: registered twice: .*one.py and .*two.py; rename one"):
        load_corpus("few", discover([str(path) for path in paths]))


def test_a_corpus_that_is_not_fetched_or_not_known_is_named() -> None:
    with pytest.raises(NotFetchedError, match="mtsamples is not fetched: run `python -m benchmark fetch mtsamples`"):
        load_corpus("mtsamples")
    with pytest.raises(BenchmarkError, match="unknown corpus 'mtsample': did you mean 'mtsamples'"):
        load_corpus("mtsample")


def test_list_shows_corpora_and_imports_none(made: MadeBenchmark) -> None:
    path = made.write("few.py", CORPUS.format(documents="[]") + "raise SystemExit\n")
    listed = {item["name"]: item for item in made.json("list", "corpora", "--json", "--plugin", str(path))["corpora"]}
    few = {"name": "few", "available": True, "reason": "", "documents": 5, "words": None, "licence": "CC0-1.0"}
    assert listed["few"] == few
    assert not listed["roco"]["available"] and listed["roco"]["reason"] == "not fetched: python -m benchmark fetch roco"
    shown = made.cli("list", "--plugin", str(path)).stdout
    lines = ["few  CC0-1.0  here", "mtsamples  2,355 documents, 1,103,275 words  CC0-1.0  not fetched: "]
    assert "\n  ".join(["corpora:", *lines]) in shown


def test_a_broken_corpus_stays_listed_with_its_error(made: MadeBenchmark) -> None:
    path = made.write("few.py", CORPUS.format(documents="[]").replace('citation="none", ', ""))
    listed = {item["name"]: item for item in made.json("list", "--json", "--plugin", str(path))["corpora"]}
    assert not listed["few"]["available"] and "@register_corpus('few') lacks citation" in listed["few"]["reason"]
