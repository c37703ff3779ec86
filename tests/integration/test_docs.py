"""The examples of the documents run as they stand: the table dataset, and the classifier in ten lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cli.main import VERBS
from benchmark.data.corpora import load_corpus
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT
from tests.made_benchmark import MadeBenchmark
from tools.notebook import FOLDER, executed, read


def block(document: str, containing: str) -> str:
    """The Python block of a document that holds the given words."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return next(code for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) if containing in code)


def register_of_patients(path: Path) -> None:
    rng = np.random.default_rng(5)
    severity = rng.normal(size=120)
    frame = pd.DataFrame(
        {
            "patient": [f"{number:04d}" for number in range(120)],
            "hospital": np.where(np.arange(120) % 3 == 0, "West", "East"),
            "age": np.round(70 + 8 * severity + rng.normal(size=120)),
            "nihss": np.clip(np.round(8 + 6 * severity), 0, 42),
            "glucose_mmol_l": 7 + rng.normal(size=120),
            "sex": np.where(rng.random(120) < 0.5, "female", "male"),
            "side": np.where(rng.random(120) < 0.5, "left", "right"),
            "mrs_90": np.where(
                np.arange(120) == 7, np.nan, np.clip(np.round(2.5 + 1.5 * severity + rng.normal(size=120)), 0, 6)
            ),
            "length_of_stay": 3,
        }
    )
    frame.loc[3, "glucose_mmol_l"] = np.nan
    frame.to_csv(path, index=False)


@pytest.fixture
def lab(made: MadeBenchmark) -> list[str]:
    plugin = made.folder / "lab_cohort.py"
    plugin.write_text(block("add-a-dataset.md", "lab-cohort"), encoding="utf-8")
    register_of_patients(made.folder / "lab.csv")
    suite = made.folder / "lab-suite.toml"
    suite.write_text(
        'title = "Lab"\ndatasets = ["lab-cohort"]\nprotocols = ["repeated-cv"]\n'
        'ranked = ["logistic-regression", "lesion-volume"]\n'
    )
    return ["--suite", str(suite), "--plugin", str(plugin)]


def test_the_example_dataset_is_a_file_of_under_60_lines_that_runs(made: MadeBenchmark, lab: list[str]):
    assert len((made.folder / "lab_cohort.py").read_text().splitlines()) < 60
    done = made.cli("run", *lab, "--no-sync", "--in-process")
    assert "lesion-volume is not applicable: lab-cohort has no image" in done.stdout
    table = made.json("rank", *lab, "--json")["tables"][0]
    assert table["cases"] == 119, "the patient without an outcome is left out"
    assert table["rows"][0]["metrics"]["auc"]["mean"] > 0.8
    predictions = made.json(
        "show", "predictions", *lab, "--dataset", "lab-cohort", "--protocol", "repeated-cv", "--method", "logistic-regression",
        "--json",
    )  # fmt: skip
    assert {row["case"] for row in predictions} >= {"0000", "0119"}, "ids keep their zeros"


def test_an_edited_file_of_the_datasets_own_makes_the_cohort_anew(made: MadeBenchmark, lab: list[str]):
    made.cli("run", *lab, "--no-sync", "--in-process", "--seeds", "39")
    frame = pd.read_csv(made.folder / "lab.csv", dtype={"patient": str})
    frame.assign(age=frame["age"] + 1).to_csv(made.folder / "lab.csv", index=False)
    done = made.cli("run", *lab, "--no-sync", "--in-process", "--seeds", "39")
    assert "preparing lab-cohort" in done.stdout
    assert "5 of 5 cells to compute" in done.stdout


def test_a_missing_file_of_the_datasets_own_is_named(made: MadeBenchmark, lab: list[str]):
    (made.folder / "lab.csv").unlink()
    done = made.cli("run", *lab, "--no-sync", code=2)
    assert f"lab-cohort: {made.folder}/lab.csv, which the dataset reads: No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("self.csv", "files() in lab_cohort.py: TypeError: it must return a list of paths, not '"),
        ("[Path(self.csv).parent]", "which the dataset reads: Is a directory"),
        ("[self.cvs]", "files() in lab_cohort.py: AttributeError: 'LabCohort' object has no attribute 'cvs'"),
    ],
)
def test_a_slip_in_files_is_told_in_one_line(made: MadeBenchmark, lab: list[str], gives: str, said: str):
    plugin = made.folder / "lab_cohort.py"
    plugin.write_text(plugin.read_text().replace("return [self.csv]", f"return {gives}"))
    done = made.cli("run", *lab, "--no-sync", code=2)
    assert said in done.stderr and "Traceback" not in done.stderr


def test_files_that_a_parent_class_names_count_as_well(made: MadeBenchmark, lab: list[str]):
    plugin = made.folder / "lab_cohort.py"
    code = plugin.read_text()
    parent = "class Reading:\n    def files(self):\n        return [self.csv]\n\n\n"
    code = code.replace("@register_dataset(", parent + "@register_dataset(", 1).replace(
        "class LabCohort:", "class LabCohort(Reading):"
    )
    code = code.replace("    def files(self) -> list[str]:", "    def not_files(self) -> list[str]:")
    plugin.write_text(code)
    made.cli("run", *lab, "--no-sync", "--in-process", "--seeds", "39")
    frame = pd.read_csv(made.folder / "lab.csv", dtype={"patient": str})
    frame.assign(age=frame["age"] + 1).to_csv(made.folder / "lab.csv", index=False)
    assert "preparing lab-cohort" in made.cli("run", *lab, "--no-sync", "--in-process", "--seeds", "39").stdout


@pytest.mark.slow
def test_subgroups_of_the_example_are_told_by_age(made: MadeBenchmark, lab: list[str]):
    made.cli("run", *lab, "--no-sync", "--in-process")
    found = json.loads(made.cli("subgroups", "age", *lab, "--dataset", "lab-cohort", "--json").stdout)
    assert sum(group["cases"] for group in found["tables"][0]["groups"]) == 119


def test_the_example_corpus_holds_each_letter_once(made: MadeBenchmark):
    plugin = made.write("letters.py", block("add-a-dataset.md", "letters:"))
    (plugin.parent / "letters").mkdir()
    for name, text in {"1": "No bleed. Summary: normal.", "2": "No bleed.\nSummary: normal.", "3": "Dear colleague"}.items():
        (plugin.parent / "letters" / f"{name}.txt").write_text(text, encoding="utf-8")
    corpus = load_corpus("letters", discover([str(plugin)]))
    assert sorted(document.summary for document in corpus.documents) == ["", "normal."] and corpus.repeated == 1
    assert "letters  not for distribution  here" in made.cli("list", "corpora", "--plugin", str(plugin)).stdout


@pytest.mark.slow
def test_a_scikit_learn_classifier_is_a_row_in_ten_lines(made: MadeBenchmark):
    code = block("add-a-method.md", "class HistBoosting")
    assert len([line for line in code.splitlines() if line.strip()]) < 10
    path = made.folder / "hist_boosting.py"
    path.write_text(code, encoding="utf-8")
    rows = ["hist-boosting", "hist-boosting[class_weight=balanced]", "hist-boosting[smote=1]"]
    words = [word for row in rows for word in ("--method", row)]
    made.run("--plugin", str(path), "--dataset", "made", "--protocol", "repeated-cv", "--seeds", "39", *words)
    stored = {name.split("/")[2] for name in made.cells()}
    assert len(stored) == 3


@pytest.mark.slow
def test_the_stage_of_the_guide_is_shared_by_the_rows_that_differ_after_it(made: MadeBenchmark):
    path = made.folder / "lesion_axes.py"
    path.write_text(block("add-a-method.md", "class LesionAxes"), encoding="utf-8")
    rows = ["lesion-axes", "lesion-axes[strength=0.1]", "lesion-axes[axes=1]"]
    words = [word for row in rows for word in ("--method", row)]
    made.run("--plugin", str(path), "--dataset", "made", "--protocol", "repeated-cv", "--seeds", "39", *words)
    shown = made.json("show", "stages", "--json")
    assert {each["method"]: len(each["used_by"]) for each in shown} == {"lesion-axes": 2, "lesion-axes[axes=1]": 1}
    assert "conforms" in made.cli("check", str(path), "--shape", "complete").stdout


@pytest.mark.slow
def test_a_network_on_images_is_a_row_in_40_lines(made: MadeBenchmark):
    code = block("add-a-method.md", "class MaskCNN(NeuralMethod)")
    assert len([line for line in code.splitlines() if line.strip()]) < 40
    path = made.folder / "mask_cnn.py"
    path.write_text(code, encoding="utf-8")
    checked = made.cli("check", str(path), "--shape", "complete")
    assert "conforms" in checked.stdout, checked.stdout


@pytest.mark.slow
def test_a_pytorch_module_is_a_row_in_40_lines_beyond_module_and_losses(made: MadeBenchmark):
    code = block("add-a-method.md", "class Bilinear(nn.Module)")
    module = code[code.index("class Bilinear(nn.Module)") : code.index("@register_method(")]
    assert len([line for line in code.replace(module, "").splitlines() if line.strip()]) <= 40
    path = made.folder / "bilinear.py"
    path.write_text(code, encoding="utf-8")
    checked = made.cli("check", str(path), "--shape", "complete")
    assert "conforms" in checked.stdout, checked.stdout


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_shows_and_the_leaderboards_numbers(path: Path):
    notebook = read(path)
    assert executed(notebook) == notebook, "`python -m tools.notebook` writes what the notebooks print now"
    printed = "".join(line for cell in notebook["cells"] for of in cell.get("outputs", ()) for line in of["text"])
    table = (ROOT / "leaderboard.md").read_text(encoding="utf-8").split("\n## soop, repeated-cv\n")[1].split("\n## ")[0]
    for method in ("vdafm", "logistic-regression"):
        (mean,) = re.findall(rf"^{method} +(0\.\d{{3}})$", printed, re.MULTILINE)
        assert re.search(rf"\| `{method}` \|.* {re.escape(mean)} \(", table), "the AUC is the leaderboard's"


README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def section(dataset_and_protocol: str) -> str:
    """A table of the committed leaderboard."""
    text = (ROOT / "leaderboard.md").read_text(encoding="utf-8")
    return text.split(f"\n## {dataset_and_protocol}\n")[1].split("\n## ")[0]


def test_the_readme_is_read_in_a_few_minutes():
    assert len(README.split()) <= 900


def test_the_readmes_table_and_picture_are_those_of_the_leaderboard():
    table, shown = section("soop, repeated-cv"), README.partition("## What it shows")[2].partition("## Add a method")[0]
    rows = re.findall(r"^\| (\S+) \| `([^`]+)`[^|]* \| (\S+) \| (.*?) \|$", shown, re.MULTILINE)
    assert len(rows) == 5
    for rank, method, inputs, estimate in rows:
        assert f"| {rank} | `{method}` | {inputs} | {estimate} |" in table
    (picture,) = re.findall(r"\]\((docs/pictures/\S+\.svg)\)", shown)
    drawn = re.findall(r"<title>([a-z-]+(?:\[.*?\])?)</title>", (ROOT / picture).read_text(encoding="utf-8"))
    order = [method for method in re.findall(r"^\| \S+ \| `([^`]+)`", table, re.MULTILINE) if method in drawn]
    assert [name for name in drawn if name in order] == order and len(order) == 11


@pytest.mark.slow
def test_the_readmes_method_is_eight_lines_that_run(made: MadeBenchmark):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert sum(map(bool, code.splitlines())) == 8
    path = made.write("hist_boosting.py", code)
    done = made.run("--plugin", str(path), "--method", "hist-boosting", "--dataset", "made", "--protocol", "repeated-cv")
    assert re.search(r"^> .*hist-boosting ", done.stdout, re.MULTILINE)


def test_the_readme_names_the_four_suites_and_what_a_rank_prints():
    suites = set(re.findall(r"^\| `([\w-]+)` \|.*\?", README, re.MULTILINE))
    assert suites == {"stroke-prognosis", "stroke-risk", "cardiovascular", "abnormality-detection"}
    tables = len(re.findall(r"^## .*, [a-z-]+$", (ROOT / "leaderboard.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert f"leaderboard.md: {tables} tables, " in README


@pytest.mark.parametrize("page", [*PAGES, ROOT / "leaderboard.md"], ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(page: Path):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "mailto")):
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), target
            if anchor:
                heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, target


def test_every_document_stands_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    files = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".ipynb")}
    missing = sorted(str(path) for path in files if f"]({path})" not in index and path.name != "README.md")
    assert not missing


def test_every_verb_stands_among_the_commands():
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    listed = {
        verb for line in text.splitlines() if line.startswith("| `") for verb in re.findall(r"`([a-z-]+)`", line.split("|")[1])
    }
    assert listed == set(VERBS)
