"""The command line as users and scripts meet it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from benchmark.cli.main import VERBS
from benchmark.system.locations import ROOT
from tests.made_benchmark import CASES, COMPONENTS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(made, verb):
    assert made.cli(verb, "--help").stdout.startswith(f"usage: python -m benchmark {verb}")


@pytest.mark.parametrize("words", [["--help"], ["check", "--help"], ["list", "--help"], ["compare", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(made, words):
    code = (
        "import sys\nfrom benchmark.cli.main import main\n"
        f"try:\n    main({words})\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'torch', 'sklearn', 'rich', 'mlflow'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_list_json_has_the_documented_shape(made):
    content = made.json("list", "--json", "--plugin", str(made.plugin))
    assert set(content) == {"datasets", "methods", "protocols", "suites", "encoders", "corpora"}
    datasets = {item["name"]: item for item in content["datasets"]}
    assert datasets["made"] == {
        "name": "made",
        "available": True,
        "reason": "",
        "modalities": ["image", "table", "text"],
        "cases": CASES,
        "sites": 3,
    }
    assert not datasets["soop"]["available"] and "python -m benchmark fetch soop" in datasets["soop"]["reason"]
    assert datasets["soop"]["cases"] == 618 and datasets["soop"]["modalities"] == ["image", "table", "text"]
    methods = {item["name"]: item for item in content["methods"]}
    assert set(methods["lesion-volume"]) == {"name", "family", "fit_modalities", "predict_modalities", "reference"}
    assert methods["logistic-regression[features=table+image+text]"]["fit_modalities"] == ["image", "table", "text"]
    assert {"name": "stroke-prognosis"} in content["suites"]
    assert {item["name"] for item in content["encoders"]} >= {"minilm", "territories"}
    assert {item["name"] for item in content["protocols"]} == {
        "repeated-cv",
        "label-efficiency",
        "leave-one-site-out",
        "holdout",
        "own-folds",
        "external",
    }


def test_show_splits_and_predictions_have_the_documented_shape(ran):
    splits = ran.json("show", "splits", "--dataset", "made", "--protocol", "repeated-cv", "--plugin", str(ran.plugin), "--json")
    assert len(splits) == 20 and set(splits[0]) == {"name", "seed", "train", "validation", "test"}
    assert splits[0]["name"] == "seed39-fold0" and splits[0]["seed"] == 39
    for split in splits:
        ids = split["train"] + split["validation"] + split["test"]
        assert sorted(ids) == sorted(f"case-{k}" for k in range(CASES))
    where = ["--dataset", "made", "--protocol", "repeated-cv", "--method", "steady", "--suite", str(ran.suite)]
    rows = ran.json("show", "predictions", *where, "--json")
    assert len(rows) == 4 * CASES and set(rows[0]) == {"case", "split", "seed", "label", "probability"}
    tests = {split["name"]: split["test"] for split in splits}
    for name, ids in tests.items():
        assert [row["case"] for row in rows if row["split"] == name] == ids


def test_rank_json_has_each_unordered_pair_once_and_null_where_undefined(ran):
    content = ran.json("rank", *ran.options, "--json")
    assert set(content) == {"suite", "tables"} and content["suite"] == "made-suite"
    cv, sites = content["tables"]
    assert {frozenset((pair["a"], pair["b"])) for pair in cv["pairs"]} == {
        frozenset(pair) for pair in (("steady", "dicey"), ("steady", "blunt"), ("dicey", "blunt"))
    }
    means = {row["method"]: row["metrics"]["auc"]["mean"] for row in cv["rows"]}
    for pair in cv["pairs"]:
        assert pair["difference"] == pytest.approx(means[pair["a"]] - means[pair["b"]], abs=1e-12)
        assert 0 <= pair["p"] <= pair["p_adjusted"] <= 1 and pair["ci"][0] <= pair["difference"] <= pair["ci"][1]
    ranked = {row["method"] for row in cv["rows"] if row["ranked"]}
    assert ranked == {"steady", "dicey", "blunt"}
    descriptive = next(row for row in cv["rows"] if row["method"] == "steady[steepness=0.01]")
    assert descriptive["rank"] is None and descriptive["best_set"] is None
    for row in sites["rows"]:
        assert row["rank"] is None and row["best_set"] is None and row["metrics"]["auc"]["ci"] is None
    assert all(pair["p"] is None and pair["p_adjusted"] is None and pair["ci"] is None for pair in sites["pairs"])


def test_a_dataset_that_says_why_it_is_descriptive_is_shown_with_intervals_and_never_tested(ran):
    ran.edit('scope="Made for tests.",', 'scope="Made for tests.", descriptive="sixty patients are too few",')
    table = ran.json("rank", *ran.options, "--json")["tables"][0]
    assert table["pairs"] == [] and not any(row["ranked"] for row in table["rows"])
    assert all(row["metrics"]["auc"]["ci"] for row in table["rows"] if row["method"] != "steady[steepness=0.01]")
    ran.cli("rank", *ran.options)
    said = "Descriptive: sixty patients are too few. Nothing is tested; the order of the rows is not evidence of a difference."
    assert said in ran.leaderboard.read_text()
    words = ("compare", "steady", "blunt", *ran.options, "--protocol", "repeated-cv")
    assert "better than `blunt`? not tested here: sixty patients are too few" in ran.cli(*words).stdout


@pytest.mark.slow
def test_a_new_method_runs_as_it_is_and_only_its_cells_are_computed(ran):
    done = ran.cli("new", "method", "my-model", "--folder", str(ran.folder))
    path = ran.folder / "my_model.py"
    assert str(path) in done.stdout
    path.write_text(path.read_text().replace('{"table", "image"}', '{"table"}').replace("table+derived", "table"))
    assert "32 of 32 cells to compute" in ran.run("--plugin", str(path), "--method", "my-model").stdout
    table = ran.json("rank", *ran.options, "--json")["tables"][0]
    assert any(row["method"] == "my-model" and row["ranked"] for row in table["rows"])
    assert sum("my-model" in (pair["a"], pair["b"]) for pair in table["pairs"]) == 3
    again = ran.cli("new", "method", "my-model", "--folder", str(ran.folder), code=2)
    assert "exists already" in again.stderr
    path.unlink()
    ran.cli("rank", *ran.options)


def test_new_refuses_what_is_no_name_and_what_is_taken(made):
    assert "is no name" in made.cli("new", "method", "My Model", code=2).stderr
    assert "registered already" in made.cli("new", "method", "xgboost", code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--method", "stedy"], "unknown method 'stedy': did you mean 'steady'"),
        (["run", "--dataset", "mad"], "unknown dataset 'mad': did you mean 'made'?"),
        (["run", "--protocol", "repeated"], "unknown protocol 'repeated': did you mean 'repeated-cv'?"),
        (["run", "--method", "steady[steepnes=2]"], "unknown parameter of steady 'steepnes': did you mean 'steepness'?"),
        (["run", "--method", "steady[steepness=2"], "lacks its closing bracket"),
        (["run", "--jobs", "0"], "--jobs 0: give 1 or more"),
        (["run", "--retry", "faild"], "unknown outcome 'faild': did you mean 'failed'?"),
        (["explain", "made/repeated-cv/varied[weights=/x,features=a[n=1]]/f"], "unknown parameter of varied 'weights'"),
        (["explain", "made/repeated-cv"], "is not DATASET/PROTOCOL/METHOD or DATASET"),
        (["explain", "made/repeated-cv/steady/seed39-fold9"], "did you mean 'seed39-fold"),
        (["clean"], "say what to clean"),
    ],
)
def test_bad_input_is_one_line_with_the_mend_and_code_2(made, words, said):
    done = made.cli(words[0], *made.options, *words[1:], code=2)
    assert said in done.stderr
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr


def test_a_file_with_a_syntax_error_is_listed_with_it_beside_the_others(made):
    broken = made.folder / "broken.py"
    broken.write_text("@register_method('broken'\nclass Broken:\n    pass\n")
    out = made.cli("list", "--plugin", str(broken)).stdout
    assert "BROKEN" in out and "broken.py: line 1" in out and "xgboost" in out


@pytest.mark.slow
def test_the_cells_of_a_method_that_cannot_be_imported_fail_and_the_others_run(made):
    made.edit("import numpy as np", "import numpy as np\nimport not_installed_here", made.other)
    named = ("--plugin", str(made.other), "--method", "other")
    assert "other cannot be made: ModuleNotFoundError" in made.run(*named, code=2).stderr
    made.edit('ranked = ["steady"', 'ranked = ["other", "steady"', made.suite)
    done = made.run("--plugin", str(made.other), code=1)
    assert "No module named 'not_installed_here'" in done.stdout
    rows = {row["method"]: row for row in made.json("rank", *made.options, "--json")["tables"][0]["rows"]}
    assert rows["other"]["cells_ok"] == 0 and rows["steady"]["cells_ok"] == 20


def test_debug_shows_the_traceback(made):
    done = made.cli("rank", "--suite", "nonsense", "--debug", code=1)
    assert "Traceback" in done.stderr and "UnknownNameError" in done.stderr


@pytest.mark.slow
def test_clean_says_what_it_would_delete_and_deletes_only_with_yes(made):
    made.run("--method", "steady")
    count = len(made.cells())
    out = made.cli("clean", *made.options, "--cells").stdout
    assert f"would delete (give --yes to do it): {count} items" in out
    assert len(made.cells()) == count
    made.cli("clean", *made.options, "--cells", "--yes")
    assert made.cells() == {}


def test_doctor_warns_of_an_encoder_whose_weights_raise_whatever_they_like(made):
    path = made.folder / "weighty.py"
    path.write_text(
        "from pathlib import Path\nfrom benchmark import register_encoder\n\n"
        '@register_encoder("weighty", modality="text", reference="none", weights="a file")\n'
        'class Weighty:\n    def weights_digest(self):\n        return Path("/nowhere/w.pt").read_text()\n'
    )
    found = {item["check"]: item for item in made.json("doctor", "--json", "--plugin", str(path))}
    assert found["encoder weighty"]["state"] == "warning"
    assert "/nowhere/w.pt" in found["encoder weighty"]["message"]
    assert found["encoder lesion-grid"]["state"] == "good"


@pytest.mark.slow
def test_doctor_warns_of_another_package_named_datasets(made):
    good = {item["check"]: item for item in made.json("doctor", "--json")}
    assert good["package name"]["state"] == "good"
    info = made.folder / "site" / "datasets-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: datasets\nVersion: 9.9\n")
    found = made.process("doctor", "--json", env={**made.environment, "PYTHONPATH": str(made.folder / "site")})
    clash = next(item for item in json.loads(found.stdout) if item["check"] == "package name")
    assert clash["state"] == "warning" and "pip uninstall datasets" in clash["message"]


@pytest.mark.slow
def test_a_dataset_that_is_not_fetched_is_skipped_with_its_command_and_the_others_run(made):
    made.edit('["made"]', '["soop", "made"]', made.suite)
    done = made.run()
    assert "python -m benchmark fetch soop" in done.stdout
    assert len(made.cells()) > 100


@pytest.mark.slow
def test_a_dataset_that_cannot_be_prepared_is_told_and_the_others_run(made):
    extra = made.write("bad_data.py", COMPONENTS.partition("def table_score")[0])
    made.edit('    "made",\n    title', '    "unsound",\n    title', extra)
    made.edit('f"case-{i}"', 'f"case-{i // 2}"', extra)
    made.edit('["made"]', '["unsound", "made"]', made.suite)
    done = made.run("--plugin", str(extra), code=1)
    assert "case_ids: 'case-0', 'case-1'" in done.stdout
    assert len(made.cells()) > 100
    assert not list((made.folder / "data" / "prepared" / "unsound").glob("*/cohort.json"))


def test_a_closed_pipe_ends_without_a_traceback(made):
    done = subprocess.run(
        f"{shutil.which('bash')} -c '{sys.executable} -m benchmark list --json | head -1'",
        shell=True,
        cwd=ROOT,
        env=made.environment,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr and done.stdout.startswith("{")


def test_the_installed_folder_is_not_needed_as_working_directory(made):
    path = str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", "")
    done = made.process("list", "datasets", cwd=made.folder, env={**made.environment, "PYTHONPATH": path}, check=True)
    assert "soop" in done.stdout


@pytest.mark.slow
def test_a_member_can_be_taken_out_of_the_family_again(made):
    assert "other joins made-suite" in made.run("--plugin", str(made.other), "--method", "other", "--method", "steady").stdout
    names = {row["method"] for row in made.json("rank", *made.options, "--json")["tables"][0]["rows"]}
    assert names == {"steady", "other"}
    made.cli("clean", *made.options, "--member", "other")
    names = {row["method"] for row in made.json("rank", *made.options, "--json")["tables"][0]["rows"]}
    assert names == {"steady"}
    assert "unknown member of made-suite" in made.cli("clean", *made.options, "--member", "other", code=2).stderr


def test_debugging_in_process_lets_the_exception_through(made):
    made.edit("FAIL = False", "FAIL = True")
    done = made.run("--method", "blunt", "--in-process", "--debug", code=1)
    assert "ValueError: blunt fails on purpose" in done.stderr and "Traceback" in done.stderr


def test_a_suite_file_may_not_bear_the_name_of_a_shipped_suite(made):
    path = made.folder / "stroke-prognosis.toml"
    path.write_text(made.suite.read_text())
    assert "rename the file" in made.cli("rank", "--suite", str(path), code=2).stderr


def test_a_seed_that_no_protocol_uses_is_refused(made):
    assert "no split has seed 1: the protocols use 39, 40, 41, 42" in made.run("--seeds", "1", code=2).stderr


def test_explain_and_show_predictions_take_one_address(ran):
    address = "made/repeated-cv/steady/seed39-fold0"
    assert f"{address}: fresh" in ran.cli("explain", address, *ran.options).stdout
    of_cell = ran.json("show", "predictions", address, *ran.options, "--json")
    assert {row["split"] for row in of_cell} == {"seed39-fold0"} and len(of_cell) == CASES // 5
    of_row = ran.json("show", "predictions", "made/repeated-cv/steady", *ran.options, "--json")
    named = ["--dataset", "made", "--protocol", "repeated-cv", "--method", "steady"]
    assert len(of_row) == 4 * CASES and of_row == ran.json("show", "predictions", *named, *ran.options, "--json")
    for verb in (["explain"], ["show", "predictions"]):
        assert "'made/steady' is not DATASET/PROTOCOL/METHOD" in ran.cli(*verb, "made/steady", *ran.options, code=2).stderr
        assert "unknown split 'seed39'" in ran.cli(*verb, "made/repeated-cv/steady/seed39", *ran.options, code=2).stderr
    both = ran.cli("show", "predictions", address, "--method", "steady", *ran.options, code=2)
    assert "leave out --method" in both.stderr


def test_a_cell_of_a_table_that_the_suite_leaves_out_is_explained_too(made):
    made.suite.write_text(f'{made.suite.read_text()}\n[only]\nmade = ["leave-one-site-out"]\n')
    assert (
        "made/repeated-cv/steady/seed39-fold0: missing" in made.cli("explain", "made/repeated-cv/steady", *made.options).stdout
    )


def test_a_missing_cell_whose_row_is_published_says_that_this_row_counts(made):
    row = "made/repeated-cv/steady"
    assert "published" not in made.cli("explain", row, *made.options).stdout
    made.run("--method", "steady", "--protocol", "repeated-cv")
    made.cli("publish", *made.options)
    assert "published" not in made.cli("explain", row, *made.options).stdout
    shutil.rmtree(made.output / "results" / "cells")
    said = made.cli("explain", row, *made.options).stdout
    assert "missing" in said and "the leaderboard uses the published row" in said


def test_the_short_list_counts_variants_and_fits_80_columns(made):
    listed = {method["name"] for method in made.json("list", "methods", "--json")["methods"]}
    variants = sum(name.startswith("vdafm[") for name in listed)
    short = made.cli("list", "methods", "--short").stdout
    assert f"vdafm +{variants}" in short and "vdafm[" not in short
    assert max(map(len, short.splitlines())) <= 80
    names = set(re.findall(r"[a-z][\w-]+", short))
    assert names >= {name.partition("[")[0] for name in listed}


def test_the_version_is_that_of_the_package(made):
    import benchmark

    pinned = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert made.cli("--version").stdout == f"StrokeBench {benchmark.__version__}\n" and pinned[1] == benchmark.__version__


def test_the_installed_command_is_the_module(made):
    import tomllib
    from importlib import import_module

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["strokebench"].split(":")
    assert getattr(import_module(module), function) is import_module("benchmark.__main__").main


def test_dir_shows_the_public_names_and_each_exists():
    import benchmark

    assert dir(benchmark) == sorted(benchmark.__all__)
    assert all(getattr(benchmark, name) is not None for name in dir(benchmark))


@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("strokebench fig", {"figures"}, {"fetch"}),
        ("strokebench export csv --pro", {"--protocol"}, {"--dataset"}),
        ("strokebench compare vdafm lesion", {"lesion-volume"}, {"vdafm"}),
        ("strokebench run --suite stroke-r", {"stroke-risk", "stroke-risk-tuned"}, {"cardiovascular"}),
        ("strokebench figures out --format p", {"png", "pdf"}, {"svg"}),
    ],
)
def test_a_shell_completes_verbs_options_and_names(made, line, offered, not_offered):
    path = made.folder / "offered"
    shell = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(path), "_ARGCOMPLETE_IFS": "\n"}
    environment = {**made.environment, **shell, "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    subprocess.run([sys.executable, "-m", "benchmark"], cwd=ROOT, env=environment, check=True)
    found = {word.strip() for word in path.read_text().splitlines()}
    assert offered <= found and not found & not_offered


def test_a_new_suite_can_be_read_as_it_is_and_is_never_overwritten(made):
    folder = made.folder / "mine"
    said = made.cli("new", "suite", "volume-or-table", "--folder", str(folder)).stdout
    path = folder / "volume-or-table.toml"
    assert said == f"{path}\nIt runs as it is: python -m benchmark run --suite {path}\n"
    shown = made.cli("show", "suite", str(path)).stdout
    assert "Volume or table" in shown and "lesion-volume" in shown
    assert f"{path} exists already" in made.cli("new", "suite", "volume-or-table", "--folder", str(folder), code=2).stderr
    assert "is one of the checkout" in made.cli("new", "suite", "stroke-risk", "--folder", str(folder), code=2).stderr
    assert "is no name for a suite" in made.cli("new", "suite", "My Suite", code=2).stderr


def test_fetch_refuses_less_than_one_download_at_once(made):
    assert "error: --jobs 0: give 1 or more" in made.cli("fetch", "synthetic-stroke", "--jobs", "0", code=2).stderr
