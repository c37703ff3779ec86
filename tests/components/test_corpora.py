"""The shipped corpora: their counts on the real files, and made files of their form that are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import rdata

from benchmark.data.corpora import Corpus, load_corpus
from benchmark.data.sources import Sources
from benchmark.registry.discovery import discover
from benchmark.system.errors import DataError
from datasets.corpora import mtsamples, roco
from tests.conftest import Once
from tests.made_benchmark import MadeBenchmark

Files = Callable[[str], Sources]
REPORT = (
    "EXAM: , CT of the head.,TECHNIQUE:,  Axial slices of 1,000 mm, no contrast.,FINDINGS: , There is no bleed.,VENTRICLES:,  "
    "Normal, e.g., not wide.,IMPRESSION:,1.  No bleed.,2.  Normal.,PLAN: , None."
)


@pytest.fixture(scope="session")
def loaded(source_files: Files, once: Once, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Corpus]:
    """`loaded("roco")` -> the corpus of its real files."""

    def load(name: str) -> Corpus:
        sources = source_files(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STROKEBENCH_DATA", str(tmp_path_factory.mktemp("corpora")))
            patch.setattr("benchmark.data.preparation.open_sources", lambda name: sources)
            return load_corpus(name)

    return lambda name: once(f"corpus-{name}", lambda: load(name))


def rows_of(folder: Path, *texts: str | None, **columns: list[str]) -> Sources:
    """A file of the given rows in R's form."""
    path = folder / mtsamples.FILE
    path.parent.mkdir(parents=True)
    frame = pd.DataFrame({"transcription": list(texts), "medical_specialty": [" Radiology"] * len(texts)}).assign(**columns)
    rdata.write_rda(path, {"mtsamples": frame.astype(object)})
    return Sources(folder, {mtsamples.FILE: ""}, "")


def captions_of(folder: Path, captions: str, licences: str) -> Sources:
    """Files of the given content for the validation part; the test part holds one caption."""
    for part in roco.PARTS:
        path = folder / roco.FOLDER / part / "radiology"
        path.mkdir(parents=True)
        given = (captions, licences) if part == "validation" else ("ROCO_9\t Chest.\n", "ROCO_ID,PMC_ID,CC\nROCO_9,a.jpg,CC0\n")
        (path / "captions.txt").write_bytes(given[0].encode("latin-1"))
        (path / "licences.txt").write_text(given[1])
    names = [f"{roco.FOLDER}{part}/radiology/{file}.txt" for part in roco.PARTS for file in ("captions", "licences")]
    return Sources(folder, dict.fromkeys(names, ""), "")


# mtsamples


@pytest.mark.slow
def test_mtsamples_has_4999_rows_of_2357_texts_and_33_without_one(source_files: Files) -> None:
    rows = mtsamples.read_rows(source_files("mtsamples"))
    texts = rows.loc[rows["transcription"] != "", "transcription"]
    assert (len(rows), len(rows) - len(texts), texts.nunique()) == (4999, 33, 2357)
    assert texts.drop_duplicates().str.split().str.len().sum() == 1_080_139


@pytest.mark.slow
def test_two_texts_of_mtsamples_differ_from_others_by_blanks_alone(loaded: Callable[[str], Corpus]) -> None:
    corpus = loaded("mtsamples")
    assert (len(corpus.documents), corpus.empty, corpus.repeated) == (2355, 33, 4999 - 33 - 2355)


def test_470_texts_of_mtsamples_are_neuro_radiological_and_116_of_them_have_both_sections(
    loaded: Callable[[str], Corpus],
) -> None:
    documents = loaded("mtsamples").documents
    neuro = [document for document in documents if {*mtsamples.NEURO} & {*document.subject.split("; ")}]
    assert (len(neuro), sum(bool(document.findings) for document in neuro)) == (470, 116)


def test_152_texts_of_mtsamples_name_findings_and_impression_and_give_both_sections(
    loaded: Callable[[str], Corpus],
) -> None:
    corpus = loaded("mtsamples")
    named = {document for document in corpus.documents if "FINDINGS" in document.text and "IMPRESSION" in document.text}
    assert len(named) == 152 and named == {*corpus.paired}
    assert all("IMPRESSION:" not in document.findings for document in corpus.paired)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mtsamples", "roco"])
def test_the_card_says_how_much_there_is(loaded: Callable[[str], Corpus], name: str) -> None:
    card, corpus = discover().corpora.get(name).card, loaded(name)
    assert (card.documents, card.words) == (len(corpus.documents), corpus.words)


def test_commas_that_stand_for_line_ends_become_lines_and_others_stay() -> None:
    assert mtsamples.lines(REPORT) == [
        *("EXAM:", "CT of the head.", "TECHNIQUE:", "Axial slices of 1,000 mm, no contrast.", "FINDINGS:"),
        *("There is no bleed.", "VENTRICLES:", "Normal, e.g., not wide.", "IMPRESSION:", "1.  No bleed.", "2.  Normal."),
        *("PLAN:", "None."),
    ]


def test_a_section_ends_at_the_next_one_and_holds_its_parts(tmp_path: Path) -> None:
    document = next(iter(mtsamples.MTSamples().documents(rows_of(tmp_path, REPORT))))
    assert document.findings == "There is no bleed.\nVENTRICLES:\nNormal, e.g., not wide."
    assert document.summary == "1.  No bleed.\n2.  Normal." and document.subject == "Radiology"


def test_a_text_without_sections_has_none(tmp_path: Path) -> None:
    document = next(iter(mtsamples.MTSamples().documents(rows_of(tmp_path, "The findings give no impression."))))
    assert (document.findings, document.summary) == ("", "")


def test_a_damaged_rda_is_named(tmp_path: Path) -> None:
    sources = rows_of(tmp_path, REPORT)
    whole = sources.path(mtsamples.FILE).read_bytes()
    for content in (whole[: len(whole) // 2], b"not R data", b"", whole[:40] + bytes([whole[40] ^ 255]) + whole[41:]):
        sources.path(mtsamples.FILE).write_bytes(content)
        with pytest.raises(DataError, match="mtsamples: mtsamples.rda cannot be read .*: fetch it again"):
            mtsamples.read_rows(sources)


def test_an_rda_without_the_texts_is_named(tmp_path: Path) -> None:
    rdata.write_rda(rows_of(tmp_path, REPORT).path(mtsamples.FILE), {"mtsamples": pd.DataFrame({"note_id": [1]})})
    with pytest.raises(DataError, match=r"mtsamples: mtsamples.rda cannot be read \(KeyError.*transcription"):
        mtsamples.read_rows(Sources(tmp_path, {mtsamples.FILE: ""}, ""))


# roco


def test_of_16359_captions_of_roco_6846_may_be_used_by_everybody(source_files: Files, loaded: Callable[[str], Corpus]) -> None:
    sources = source_files("roco")
    captions = [name for part in roco.PARTS for name in roco.read_captions(sources, part)]
    licences = [licence for part in roco.PARTS for licence in roco.read_licences(sources, part).values()]
    assert len(captions) == len(licences) == 16_359
    assert sum(licence in roco.FREE for licence in licences) == 6846
    corpus = loaded("roco")
    assert (len(corpus.documents), corpus.repeated, corpus.empty, corpus.paired) == (6815, 31, 0, ())


def test_354_distinct_captions_of_roco_have_a_word_of_the_brain(loaded: Callable[[str], Corpus]) -> None:
    """About the 343 that are known from a list of words that is not."""
    assert sum(document.subject == "brain" for document in loaded("roco").documents) == 354


@pytest.mark.parametrize(
    ("caption", "brain"),
    [
        ("CT of the brain", True),
        ("Intracranial bleed", True),
        ("Femoral head (arrow)", False),
        ("Cranio-caudal view", False),
    ],
)
def test_a_caption_is_of_the_brain_by_its_words(caption: str, brain: bool) -> None:
    assert bool(roco.BRAIN.search(caption)) == brain


def test_a_caption_of_another_licence_is_left_out(tmp_path: Path) -> None:
    licences = ["CC BY", "CC BY-NC", "CC BY-ND", "NO-CC CODE", "CC BY-SA"]
    sources = captions_of(
        tmp_path,
        "".join(f"ROCO_{number}\t Caption {number}.\n" for number in range(5)),
        "ROCO_ID,PMC_ID,CC\n" + "".join(f"ROCO_{number},x.jpg,{licence}\n" for number, licence in enumerate(licences)),
    )
    texts = [document.text.strip() for document in roco.Roco().documents(sources)]
    assert texts == ["Caption 0.", "Caption 4.", "Chest."]


HEADER = "ROCO_ID,PMC_ID,CC\n"


@pytest.mark.parametrize(
    ("captions", "licences", "message"),
    [
        ("ROCO_1 no tab\n", HEADER, r"roco: validation/captions.txt, line 1: 'ROCO_1 no tab' has no tab after the name"),
        ("ROCO_1\ta\nROCO_1\tb\n", HEADER, r"roco: validation/captions.txt, line 2: 'ROCO_1' comes twice"),
        ("ROCO_1\ta\n", HEADER, "roco: validation: ROCO_1 has a caption and no licence"),
        ("ROCO_1\ta\n", "id,licence\n", r"roco: validation/licences.txt has the columns \['id', 'licence'\]"),
        ("ROCO_1\t\xff\n", HEADER, "roco: validation/captions.txt cannot be read"),
    ],
)
def test_a_malformed_file_of_roco_is_named(tmp_path: Path, captions: str, licences: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(roco.Roco().documents(captions_of(tmp_path, captions, licences)))


# Both


def test_a_corpus_is_fetched_from_a_mirror_listed_and_refused_when_a_file_is_damaged(
    source_files: Files, made: MadeBenchmark, tmp_path: Path
) -> None:
    folder = source_files("roco").folder
    done = made.cli("fetch", "roco", "--mirror", str(folder))
    assert "roco: licence CC BY, CC BY-SA or CC0, by caption" in done.stdout
    assert "roco: 6,815 documents, 139,298 words; 0 without a word and 31 that say the same again are left out" in done.stdout
    assert next(item for item in made.json("list", "--json")["corpora"] if item["name"] == "roco")["available"]
    assert not next(item for item in made.json("list", "--json")["corpora"] if item["name"] == "mtsamples")["available"]
    damaged = tmp_path / "damaged"
    for file in source_files("mtsamples").files:
        (damaged / file).parent.mkdir(parents=True)
        shutil.copyfile(source_files("mtsamples").path(file), damaged / file)
        (damaged / file).write_bytes((damaged / file).read_bytes()[:-1])
    done = made.cli("fetch", "mtsamples", "--mirror", str(damaged), code=2)
    assert "mtsamples: " in done.stderr and "is truncated or wrong" in done.stderr


def test_fetch_offers_datasets_and_corpora_alike(made: MadeBenchmark) -> None:
    done = made.cli("fetch", "mtsample", code=2)
    assert "unknown dataset or corpus 'mtsample': did you mean 'mtsamples'" in done.stderr
