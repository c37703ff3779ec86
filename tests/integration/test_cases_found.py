"""The verbs that search the cases of a dataset, through the command line, on made scans and a made reader of them."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main

COMPONENTS = '''
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark import Cohort, ImageView, register_dataset, register_method, stage

N, POOL = 60, 6
SAID = {(0, 0): "The scan is normal.", (1, 0): "An infarct on the left.", (0, 1): "A bleed on the right.",
        (1, 1): "An infarct on the left and a bleed on the right."}


def drawn(first, last):
    found = [tuple(np.random.default_rng([3, i]).integers(0, 2, 2).tolist()) for i in range(first, last)]
    pixels = np.full((last - first, 1, 8, 12), 40, dtype=np.uint8)
    for row, (left, right) in zip(pixels, found):
        row[0, 2:6, 1:5] += np.uint8(160 * left)
        row[0, 2:6, 7:11] += np.uint8(80 * right)
    ids = [f"scan <{i:02d}>" for i in range(first, last)]
    there = np.array([i != 61 for i in range(first, last)])
    pixels[~there] = 0
    return found, dict(case_ids=ids, images={"axial": ImageView(pixels)}, reports=[(SAID[each],) for each in found],
                       present={"image": there})


@register_dataset("scans", title="Made scans", source="s", license="l", citation="c", label="any finding", label_time="t",
                  positive="abnormal", negative="normal", site="s", inputs={}, barred={}, scope="s", synthetic=True,
                  modalities={"image", "text"})
@dataclass(frozen=True)
class Scans:
    def build(self, sources):
        found, parts = drawn(0, N)
        findings = pd.DataFrame(found, columns=["infarct", "bleed"])
        return Cohort(
            "scans", labels=findings.any(axis=1).astype(np.int8), findings=findings,
            report_sets={"exchanged": [(SAID[1 - left, 1 - right],) for left, right in found]},
            queries={"infarct": ["there is an infarct"], "bleed": ["there is a bleed"], "normal": ["the scan is normal"]},
            pool=Cohort("p", **drawn(N, N + POOL)[1]), source_digest="1", **parts)


@register_method("reader", family="made", reference="r", fit_modalities={"image", "text"}, predict_modalities={"image"},
                 labels=False, accepts_missing=True)
@dataclass
class Reader:
    """Reads the brightness of either side; its stage is told which words it knows."""

    depth: int = 1
    stochastic = False

    def search_space(self):
        return {"depth": [1, 2]}

    @stage(sees={"train"})
    def words(self, seen, seed):
        text = " ".join(report for drafts in seen.train.reports for report in drafts).lower()
        return {"known": np.array([word in text for word in ("infarct", "bleed")], dtype=np.float32)}

    def fit(self, train, validation, seed):
        pass

    def image_vectors(self, cases):
        pixels = cases.images["axial"][np.arange(len(cases))][:, 0]
        left, right = pixels[:, 2:6, 1:5].mean((1, 2)) - 40, pixels[:, 2:6, 7:11].mean((1, 2)) - 40
        raw = np.stack([np.full(len(cases), 5.0), left, right], 1)
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)

    def text_vectors(self, texts):
        known = self.stages["words"]["known"]
        raw = np.array([[1.0, 8 * ("infarct" in t.lower()) * known[0], 8 * ("bleed" in t.lower()) * known[1]] for t in texts])
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)

    def similarity(self, cases, texts):
        return self.image_vectors(cases) @ self.text_vectors(texts).T

    def predict_proba(self, cases):
        return np.clip(1 - self.similarity(cases, ["the scan is normal"])[:, 0], 0, 1)


@register_method("blind", family="made", reference="r", fit_modalities={"image"}, predict_modalities={"image"})
@dataclass
class Blind:
    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
'''
SUITE = """
title = "Made"
datasets = ["scans"]
protocols = ["repeated-cv"]
ranked = ["reader"]
task = "retrieval"
threshold = "sensitivity-95"
"""


class Searched:
    """The verbs in a folder of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        (folder / "scans.py").write_text(COMPONENTS)
        (folder / "made.toml").write_text(SUITE)
        self.options = ["--suite", str(folder / "made.toml"), "--plugin", str(folder / "scans.py")]

    def __call__(self, verb: str, *words: str, method: str = "reader") -> tuple[int, str, str]:
        given = [] if verb == "run" else ["--method", method]
        code = main([verb, *words, "--dataset", "scans", *given, *self.options])
        return code, *self._capsys.readouterr()

    def json(self, verb: str, *words: str) -> dict:
        code, out, err = self(verb, *words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cohort and its archive lie, which the first test makes."""
    return tmp_path_factory.mktemp("searched")


@pytest.fixture
def search(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Searched:
    monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("STROKEBENCH_DATA", str(folder / "data"))
    return Searched(folder, capsys)


@pytest.mark.slow
def test_a_query_finds_the_cases_that_show_what_it_says(search: Searched) -> None:
    found = search.json("query", "there is an infarct on the left", "--top", "8")
    assert [case["rank"] for case in found["cases"]] == list(range(1, 9))
    assert {tuple(case["findings"]) for case in found["cases"] if not case["pool"]} == {("infarct",)}
    assert found["nearest_finding"]["finding"] == "infarct"
    assert found["searched"] == 66
    similar = [case["similarity"] for case in found["cases"]]
    assert similar == sorted(similar, reverse=True)


def test_a_query_is_printed_within_80_columns_and_says_what_it_is_not(search: Searched) -> None:
    code, out, _ = search("query", "a bleed", "--top", "3")
    assert code == 0
    table = [line for line in out.splitlines() if re.match(r" +\d+  scan", line)]
    assert len(table) == 3
    assert max(map(len, table)) <= 80
    assert "no diagnosis" in out


def test_a_second_query_reads_the_vectors_that_the_first_one_kept(search: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    first = search.json("query", "a bleed")
    monkeypatch.setattr("benchmark.cells.archive.computed", lambda *_, **__: pytest.fail("computed anew"))
    assert search.json("query", "a bleed") == first
    assert len(list((search.folder / "data" / "archives").glob("[!.]*"))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no word"),
        (" \U0001f9e0 \x07 ", "holds no word"),
        ("il y a un infarctus", "English"),
        ("xyzzy plugh", "2 of 2 words"),
    ],
)
def test_a_text_that_cannot_be_asked_is_refused(search: Searched, text: str, message: str) -> None:
    code, _, err = search("query", text)
    assert code == 2
    assert message in err


def test_a_word_that_no_report_holds_is_named(search: Searched) -> None:
    assert search.json("query", "an infarct on the left frobnicated")["unknown_words"] == ["frobnicated"]


def test_a_case_is_read_by_a_model_that_never_saw_it(search: Searched) -> None:
    from benchmark.cells.archive import open_archive
    from benchmark.cells.row_fits import row_cells
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.data.preparation import load_cohort

    catalogue = catalogue_of(search.options[1], [search.options[3]])
    suite, cohort = current_suite(search.options[1], catalogue), load_cohort("scans", catalogue)
    archive = open_archive(suite, "reader", "scans", cohort, catalogue)
    cells = list(row_cells(suite, "reader", "scans", cohort, catalogue).values())[:5]
    for row in range(len(cohort)):
        split = cells[archive.reader[row]].split
        assert row in split.test
        assert row not in np.concatenate([split.train, split.validation])


def test_cases_are_found_by_a_case_or_by_a_text(search: Searched) -> None:
    code, _, err = search("retrieve")
    assert (code, "either --case ID or --text FILE" in err) == (2, True)
    asked = search.json("query", "a bleed", "--top", "1")["cases"][0]["case"]
    found = search.json("retrieve", "--case", asked, "--top", "66")
    assert {asked, "scan <61>"}.isdisjoint(case["case"] for case in found["cases"])
    assert len(found["cases"]) == 64
    assert found["cases"][0]["similarity"] == pytest.approx(1, abs=1e-6)
    (search.folder / "report.txt").write_text("A bleed on the right.")
    by_text = search.json("retrieve", "--text", str(search.folder / "report.txt"), "--top", "3")
    assert {tuple(case["findings"]) for case in by_text["cases"] if not case["pool"]} <= {("bleed",)}
    code, _, err = search("retrieve", "--case", "scan <99>")
    assert (code, "scan <99>" in err) == (2, True)
    code, _, err = search("suggest", "--case", "scan <61>")
    assert (code, "scan <61> has no image" in err) == (2, True)


@pytest.mark.slow
def test_a_wrong_report_is_suspect_and_the_right_one_is_not(search: Searched) -> None:
    case = next(c for c in search.json("query", "an infarct", "--top", "60")["cases"] if c["findings"] == ["infarct"])
    right, wrong = search.folder / "right.txt", search.folder / "wrong.txt"
    right.write_text(case["report"])
    wrong.write_text("A bleed on the right.")
    assert not search.json("check-report", "--case", case["case"], "--text", str(right))["suspect"]
    found = search.json("check-report", "--case", case["case"], "--text", str(wrong))
    assert found["suspect"]
    assert found["share_below"] < 0.05
    assert search("run", "--no-sync", "--jobs", "1")[0] == 0
    assert search.json("check-report", "--case", case["case"], "--text", str(wrong))["error_auc"]["mean"] > 0.9
    wrong.write_bytes(b"\xff\xfe")
    code, _, err = search("check-report", "--case", case["case"], "--text", str(wrong))
    assert (code, "UTF-8" in err) == (2, True)


def test_an_unread_scan_of_the_pool_gets_its_findings_and_its_neighbours(search: Searched) -> None:
    found = search.json("suggest", "--case", "scan <60>")
    (case,) = [c for c in search.json("query", "a bleed", "--top", "66")["cases"] if c["case"] == "scan <60>"]
    assert (case["pool"], case["seen"]) == (True, False)
    assert case["findings"] is None
    assert {row["finding"] for row in found["findings"]} == {"infarct", "bleed"}
    best = found["findings"][0]["finding"]
    assert best in case["report"].lower()
    assert len(found["cases"]) == 3


@pytest.mark.slow
def test_the_worklist_follows_the_stored_predictions(search: Searched) -> None:
    code, _, err = search("triage")
    assert (code, "has no complete row on scans" in err) == (2, True)
    assert search("run", "--no-sync", "--jobs", "1")[0] == 0
    found = search.json("triage", "--top", "60")
    assert found["cases"][0]["called"]
    assert found["of"] == 60
    chances = [case["probability"] for case in found["cases"]]
    assert chances == sorted(chances, reverse=True)
    assert found["auc"]["mean"] == pytest.approx(1)
    assert found["recall"]["mean"] >= 0.95


@pytest.mark.slow
def test_an_answer_says_how_good_such_scores_were_once_the_suite_was_run(search: Searched) -> None:
    assert search("run", "--no-sync", "--jobs", "1")[0] == 0
    found = search.json("query", "an infarct on the left")
    assert found["nearest_finding"]["auc"]["mean"] == pytest.approx(1)
    areas = [row["auc"]["mean"] for row in search.json("suggest", "--case", "scan <60>")["findings"]]
    assert areas == pytest.approx([1, 1])


def test_a_row_that_compares_no_images_with_words_is_refused(search: Searched) -> None:
    code, _, err = search("query", "a bleed", method="blind")
    assert (code, "compares no images with words" in err) == (2, True)


def test_a_tuned_row_is_refused_whose_models_are_not_kept(search: Searched) -> None:
    code, _, err = search("query", "a bleed", method="reader[tuned=grid-2]")
    assert (code, "is a search" in err) == (2, True)


def test_the_page_needs_no_network_escapes_names_and_describes_every_picture(search: Searched) -> None:
    page = Path(search.json("query", "a bleed", "--top", "2")["page"]).read_text("utf-8")

    class Seen(HTMLParser):
        images: list[dict[str, str | None]] = []
        scripts = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.scripts += tag == "script"
            if tag == "img":
                self.images.append(dict(attrs))

    seen = Seen()
    seen.feed(page)
    assert len(seen.images) == 2
    assert all(image["alt"].startswith("axial of case scan <") for image in seen.images)
    assert all(image["src"].startswith("data:image/png;base64,") for image in seen.images)
    assert seen.scripts == 0
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert "scan <" not in page
