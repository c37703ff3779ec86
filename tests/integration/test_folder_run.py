"""A folder through the command line: it runs like any dataset, and nothing that is written names a patient."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cells.planning import splits_of
from benchmark.cells.rows import read_reference
from benchmark.cells.task import read_task
from benchmark.cli.folders import name_folders
from benchmark.data.cohort import Cohort
from benchmark.data.folder.cohort import FolderCohort
from benchmark.data.folder.writing import write_folder
from benchmark.data.intake import take_in
from benchmark.data.sources import Sources
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.discovery import discover
from benchmark.system.locations import ROOT
from tests.made_benchmark import MadeBenchmark
from tests.made_hospital import SURNAMES, hospital, table

ROWS = ("--method", "majority", "--method", "logistic-regression", "--method", "lightgbm[features=table+derived]")
RUN = ("run", "--suite", "stroke-prognosis", "--protocol", "repeated-cv", "--no-sync", "--in-process")


@pytest.fixture
def ward(made: MadeBenchmark, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and a key of the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    return hospital(tmp_path_factory.mktemp("ward"))


def own_words() -> list[str]:
    """What tells who somebody is."""
    own = table()
    return [*SURNAMES, *own["surname"], *own["born"], "Kardinalbau", "Elisabethhaus", "March 2024", "93 years"]


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, and what is in it."""
    return ((path, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_folder_runs_and_no_file_names_a_patient(made: MadeBenchmark, ward: Path) -> None:
    done = made.cli(*RUN, "--dataset", f"folder:{ward}", *ROWS)
    assert "made-hospital, repeated-cv: 24 cases" in done.stdout
    files = list(written(made.folder))
    assert any(b"made-hospital" in content for _, content in files)
    for path, content in files:
        assert not [name for name in own_words() if name.encode() in content], path
        assert not any(case in path.parts or path.stem == case for case in table()["case"]), path
    again = made.cli("rank", "--suite", "stroke-prognosis", "--json")
    tables = {entry["dataset"]: entry for entry in json.loads(again.stdout)["tables"]}
    assert {row["method"] for row in tables["made-hospital"]["rows"]} >= {"logistic-regression", "majority"}


def test_a_run_that_fails_writes_no_name_either(made: MadeBenchmark, ward: Path) -> None:
    frame = table()
    frame.loc[3, "age"] = "8O"
    frame.to_csv(ward / "clinical.csv", index=False)
    done = made.cli(*RUN, "--dataset", f"folder:{ward}", "--method", "majority", code=2)
    assert "(case 004)" in done.stderr + done.stdout
    for path, content in written(made.folder):
        assert not [name for name in own_words() if name.encode() in content], path


@pytest.mark.slow
def test_its_rows_are_never_published(made: MadeBenchmark, ward: Path) -> None:
    made.cli(*RUN, "--dataset", f"folder:{ward}", "--method", "majority")
    done = made.cli("publish", "--dataset", f"folder:{ward}", code=2)
    assert "made-hospital is a cohort of your own: its rows stay on this machine and are never published" in done.stderr
    assert "made-hospital" not in made.cli("publish", code=1).stdout


def test_a_pseudonym_leads_back_on_this_machine_alone(
    made: MadeBenchmark, ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = made.cli("show", "splits", "--dataset", f"folder:{ward}", "--protocol", "repeated-cv", "--json")
    case = json.loads(shown.stdout)[0]["test"][0]
    asked = ("show", "case", case, "--dataset", f"folder:{ward}")
    assert made.cli(*asked, "--json").stdout.startswith('{\n "your own id": "0')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert "unknown case" in made.cli(*asked, code=2).stderr


def test_check_lists_every_problem_in_the_users_own_ids(made: MadeBenchmark, ward: Path) -> None:
    assert "made-hospital conforms" in made.cli("check", f"folder:{ward}").stdout
    frame = table()
    frame.loc[3, "age"] = "8O"
    frame.to_csv(ward / "clinical.csv", index=False)
    (ward / "images" / "006" / "mask.nii.gz").write_bytes(b"torn")
    done = made.cli("check", f"folder:{ward}", code=1)
    assert "error   files: clinical.csv column 'age': '8O' is not a number of years (case 004)" in done.stdout
    assert "error   files: view 'mask': case 006: cannot be read as NIfTI" in done.stdout


@pytest.mark.slow
def test_rows_that_need_a_mask_are_not_applicable_without_one(made: MadeBenchmark, ward: Path) -> None:
    text = (ward / "cohort.toml").read_text()
    (ward / "cohort.toml").write_text(text.replace('mask = "images/{case}/mask.nii.gz"\n', ""))
    rows = ("concat", "lesion-volume", "random-forest[features=table+derived]", "logistic-regression[features=table+image]")
    done = made.cli(*RUN, "--dataset", f"folder:{ward}", *(word for row in rows for word in ("--method", row)))
    assert "encoder lesion-grid: made-hospital has no view 'mask'" in done.stdout
    assert "nothing is measured on the images of made-hospital: no mask" in done.stdout
    assert "lesion-volume is not applicable: no lesion_volume_ml is measured" in " ".join(done.stdout.split())
    board = json.loads(made.cli("rank", "--suite", "stroke-prognosis", "--json").stdout)
    here = next(entry for entry in board["tables"] if entry["dataset"] == "made-hospital")
    assert [row["method"] for row in here["rows"] if row["cells_ok"]] == ["logistic-regression[features=table+image]"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("folder:/nowhere", "there is no such folder: `python -m benchmark new cohort /nowhere` writes one"),
        ("folder:{tmp}", "there is no cohort.toml in it"),
        ("folder:{ward}", "name = 'Ward 3': lower-case words joined by hyphens, such as 'my-hospital'"),
    ],
)
def test_what_is_no_cohort_is_refused(made: MadeBenchmark, ward: Path, tmp_path: Path, named: str, message: str) -> None:
    text = (ward / "cohort.toml").read_text()
    (ward / "cohort.toml").write_text(text.replace('name = "made-hospital"', 'name = "Ward 3"'))
    (tmp_path / "empty").mkdir()
    done = made.cli(*RUN, "--dataset", named.format(tmp=tmp_path / "empty", ward=ward), code=2)
    assert message in done.stderr


@pytest.mark.slow
def test_any_dataset_is_written_as_a_folder_and_read_back(made: MadeBenchmark, ward: Path, tmp_path: Path) -> None:
    place = tmp_path / "written"
    done = made.cli("new", "cohort", str(place), "--from", "made", "--plugin", str(made.plugin))
    assert "not written" not in done.stdout
    assert "written conforms" in made.cli("check", f"folder:{place}").stdout
    own = made.cohort("made")
    back = pd.read_csv(place / "clinical.csv", dtype={"case": str})
    assert back["case"][: len(own)].tolist() == own.case_ids.tolist()
    assert back["label"][: len(own)].astype(int).tolist() == np.asarray(own.labels).tolist()
    assert "is there already" in made.cli("new", "cohort", str(place), code=2).stderr


def test_a_new_cohort_runs_as_it_is(made: MadeBenchmark, ward: Path, tmp_path: Path) -> None:
    place = tmp_path / "Ward 7"
    assert "It runs as it is" in made.cli("new", "cohort", str(place)).stdout
    assert "ward-7 conforms" in made.cli("check", f"folder:{place}").stdout


@pytest.mark.slow
def test_soop_as_a_folder_gives_the_published_predictions(
    real_cohort: Callable[[str], Cohort], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    catalogue = discover()
    write_folder(real_cohort("soop").only({"table"}), catalogue.dataset("soop").card, tmp_path / "ward", "ward")
    cohort, _ = take_in(FolderCohort(str(tmp_path / "ward")).build(Sources(Path("/"), {}, "digest")))
    protocol = catalogue.protocol("repeated-cv")
    splits = splits_of(protocol, cohort)
    folder = ROOT / "results" / "reference" / "soop" / "repeated-cv"
    task = read_task(folder / "task.json")
    for name in ("majority", "nihss", "span", "logistic-regression", "logistic-regression[class_weight=balanced]"):
        method = catalogue.method(name)
        published = read_reference(folder, name, task.expected(stochastic=False), None)
        for split in splits:
            fitted = fit_and_predict(method, views_of(cohort, split, method.modalities), 0, method.make)
            assert fitted.probabilities == pytest.approx(published.probabilities[split.name], abs=1e-9)


def test_a_terminal_shows_the_users_own_ids(made: MadeBenchmark, ward: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = made.cli("show", "splits", "--dataset", f"folder:{ward}", "--protocol", "repeated-cv", "--json")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", Terminal())
    name_folders(argparse.Namespace(verb="show", dataset=f"folder:{ward}", plugin=[]))
    print(shown.stdout, "c00000-0123456789")
    said = terminal.getvalue()
    assert set(re.findall(r'"(\d{3})"', said)) == set(table()["case"])
    assert re.findall(r"c\d{5}-\w+", said) == ["c00000-0123456789"], "of another cohort"
