"""External validation through the command line: some datasets to learn from, another to be tested on."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.made_benchmark import MadeBenchmark
from tests.made_hospital import hospital

MAPPING = """\
name = "made-elsewhere"
train = ["made"]
test = "made[seed=5]"
same_label = "the same law draws both"
plugins = ["made_plugin.py"]
columns = "shared"
derived = "shared"
"""


@pytest.fixture
def mapping(made: MadeBenchmark) -> Path:
    assert made.plugin.is_file()
    return made.write("elsewhere.toml", MAPPING)


def splits(made: MadeBenchmark, mapping: Path, protocol: str = "external") -> list[dict[str, list[str]]]:
    words = ("--dataset", f"external:{mapping}", "--protocol", protocol, "--plugin", str(made.plugin))
    found: list[dict[str, list[str]]] = json.loads(made.cli("show", "splits", *words, "--json").stdout)
    return found


def test_nobody_of_the_test_set_is_learnt_from(made: MadeBenchmark, mapping: Path) -> None:
    cut = splits(made, mapping)
    assert [split["name"] for split in cut] == [f"external-seed{seed}" for seed in (39, 40, 41, 42)]
    for split in cut:
        assert {case[:2] for case in split["test"]} == {"1-"}
        assert {case[:2] for case in split["train"] + split["validation"]} == {"0-"}
        assert len(split["test"]) == len(split["train"]) + len(split["validation"]) == 60
    shown = made.cli("show", "case", cut[0]["test"][0], "--dataset", f"external:{mapping}", "--plugin", str(made.plugin))
    assert "made[seed=5]" in shown.stdout and "your own id" not in shown.stdout


@pytest.mark.slow
def test_a_row_predicts_what_it_does_when_it_is_fitted_by_hand(made: MadeBenchmark, mapping: Path) -> None:
    from benchmark.data.preparation import load_cohort
    from benchmark.registry.discovery import discover

    run = ("run", "--suite", "stroke-prognosis", "--no-sync", "--in-process", "--plugin", str(made.plugin))
    row = ("--dataset", f"external:{mapping}", "--protocol", "external", "--method", "logistic-regression")
    assert "made-elsewhere, external: 60 cases" in made.cli(*run, *row).stdout
    shown = ("--dataset", "made-elsewhere", "--protocol", "external", "--method", "logistic-regression")
    stored = json.loads(made.cli("show", "predictions", *shown, "--suite", "stroke-prognosis", "--json").stdout)
    given = {line["case"]: line["probability"] for line in stored}
    catalogue = discover([str(made.plugin), str(mapping)])
    cohort = load_cohort("made-elsewhere", catalogue)
    test = np.flatnonzero(cohort.sites == "made[seed=5]")
    method = catalogue.method("logistic-regression").make()
    train, validation = np.flatnonzero(cohort.sites == "made"), np.arange(0)
    method.fit(cohort.take(train).only({"table"}), cohort.take(validation).only({"table"}), 0)
    by_hand = method.predict_proba(cohort.take(test).only({"table"}).blind())
    assert [given[case] for case in cohort.case_ids[test]] == pytest.approx(by_hand.tolist(), abs=1e-9)


def test_it_applies_to_no_cohort_that_is_not_joined(made: MadeBenchmark) -> None:
    done = made.cli("show", "splits", "--dataset", "made", "--protocol", "external", "--plugin", str(made.plugin), code=2)
    assert "made: external is not possible: it gives no split" in done.stderr


@pytest.mark.slow
def test_a_folder_is_tested_on_by_its_own_names(made: MadeBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    hospital(tmp_path / "ward")
    text = MAPPING.replace('"made[seed=5]"', '"made-hospital"').replace('columns = "shared"\nderived = "shared"\n', "")
    text = text.replace('"made_plugin.py"', f'"ward", "{made.plugin}"')
    text += '[columns]\nage = { made = "age", made-hospital = "age" }\n'
    (tmp_path / "to-ward.toml").write_text(text)
    assert {len(split["test"]) for split in splits(made, tmp_path / "to-ward.toml")} == {24}
    (tmp_path / "ward" / "images" / "003" / "flair.nii.gz").unlink()
    text += "[derived]\nlesion_volume_ml = { made = 'lesion_volume_ml', made-hospital = 'lesion_volume_ml' }\n"
    (tmp_path / "to-ward.toml").write_text(text)
    run = ("run", "--suite", "stroke-prognosis", "--protocol", "external", "--no-sync", "--in-process")
    row = ("--dataset", f"external:{tmp_path / 'to-ward.toml'}", "--method", "lesion-volume", "--method", "majority")
    assert "lesion-volume is not applicable: of 84 cases 1 have no image" in made.cli(*run, *row).stdout
    noted = made.cli("check", f"external:{tmp_path / 'to-ward.toml'}", "--plugin", str(made.plugin)).stdout
    assert "made-hospital: 'nihss', 'sex', 'toast' is not mapped and left out" in noted
    listed = {entry["name"] for entry in json.loads(made.cli("list", "datasets", "--json").stdout)["datasets"]}
    assert "made-elsewhere" not in listed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('same_label = "the same law draws both"', "", "`same_label` is missing: say in a sentence that 1 means the same"),
        ('"made[seed=5]"', '"made"', "a dataset is named twice: what is tested on is never learnt from"),
        ('columns = "shared"', "", "[columns] maps nothing"),
        ('columns = "shared"', 'columns = "all"', "columns = 'all': give a table, or 'shared'"),
        ('derived = "shared"', '[derived]\nvolume = { made = "v" }', "[derived] volume: name its column in each dataset"),
        ('derived = "shared"', '[sites]\nmade = ["Nowhere"]', "made has no site 'Nowhere': it has"),
        ('derived = "shared"', "derive = 1", "unknown key 'derive'"),
        ('test = "made[seed=5]"', 'test = "made[attributes=False]"', "is in made and in made[attributes=False]: who is tested"),
        ('test = "made[seed=5]"', 'test = "mad"', "unknown dataset 'mad': did you mean 'made'"),
        ("train =", "train = 5 #", "give train = ["),
        ("name =", "name = 5 #", "lower-case words joined by hyphens"),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(made: MadeBenchmark, mapping: Path, old: str, new: str, message: str) -> None:
    assert old in MAPPING
    mapping.write_text(MAPPING.replace(old, new))
    words = ("show", "splits", "--dataset", f"external:{mapping}", "--protocol", "external", "--plugin", str(made.plugin))
    assert message in made.cli(*words, code=2).stderr


def test_the_shipped_example_can_be_read_and_names_hospitals_that_there_are(made: MadeBenchmark) -> None:
    from benchmark.registry.discovery import discover
    from benchmark.system.locations import ROOT
    from datasets.synthetic.hospitals import HOSPITALS

    path = ROOT / "docs" / "examples" / "synthetic-elsewhere.toml"
    catalogue = discover([str(path)])
    assert catalogue.dataset("synthetic-elsewhere").entry.error is None
    sites = tomllib.loads(path.read_text())["sites"]
    assert {name for named in sites.values() for name in named} == {hospital.name for hospital in HOSPITALS}
