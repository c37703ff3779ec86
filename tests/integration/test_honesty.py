"""Ways in which a leaderboard could lie, each tried through the command line."""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np
import pytest

from benchmark.cells.compute import compute
from benchmark.registry.entries import import_file
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import ROOT
from tests.made_benchmark import COMPONENTS


def second_version(made) -> None:
    """Another task under the same name: other labels, another source."""
    made.edit("FLIPPED = ()", "FLIPPED = (3, 7)")
    made.edit("made-1", "made-2")


@pytest.mark.slow
def test_rows_of_two_versions_of_a_dataset_never_stand_in_one_table(made):
    made.run("--method", "steady", "--method", "blunt")
    second_version(made)
    made.run("--method", "dicey")
    assert {row["method"] for row in made.table()["rows"]} == {"dicey"}


@pytest.mark.slow
def test_a_published_row_of_another_version_is_left_out_and_named(made):
    made.run("--method", "steady", "--method", "blunt")
    made.cli("publish", *made.options)
    second_version(made)
    made.run("--method", "dicey")
    made.cli("publish", *made.options, "--method", "dicey")
    shutil.rmtree(made.output / "results" / "cells")
    assert {row["method"] for row in made.table()["rows"]} == {"dicey"}
    made.cli("rank", *made.options)
    assert "published for another version of this task: `steady` and `blunt`" in made.leaderboard.read_text()


def test_a_published_row_of_a_deterministic_method_that_is_broken_here_stays(made):
    path = made.folder / "other.py"
    path.write_text(made.other.read_text().replace("class Other:", "class Other:\n    stochastic = False"))
    words = ["--plugin", str(path), "--protocol", "leave-one-site-out", "--method", "other", "--method", "dicey"]
    made.run(*words)
    made.cli("publish", *made.options, *words)
    shutil.rmtree(made.output / "results" / "cells")
    path.write_text("def broken(:\n")
    found = made.json("rank", *made.options, "--plugin", str(path), "--json")["tables"]
    assert {row["method"] for row in found[0]["rows"]} == {"other", "dicey"}


@pytest.mark.slow
def test_rows_of_another_version_are_named_where_no_row_is_complete_either(made):
    made.run("--method", "steady", "--method", "blunt")
    made.cli("publish", *made.options)
    second_version(made)
    shutil.rmtree(made.output / "results" / "cells")
    made.run("--method", "dicey", "--seeds", "39")
    text = made.leaderboard.read_text()
    assert "published for another version of this task: `steady` and `blunt`" in text
    assert "| `dicey` |" in text
    assert "not computed yet" in text


@pytest.mark.slow
def test_the_task_of_cells_that_were_deleted_hides_no_published_row(made):
    made.run("--method", "steady")
    made.cli("publish", *made.options)
    second_version(made)
    made.run("--method", "dicey", "--seeds", "39")
    made.cli("clean", *made.options, "--cells", "--yes")
    assert list((made.output / "results" / "cells").rglob("task.json"))
    assert {row["method"] for row in made.table()["rows"]} == {"steady"}


@pytest.mark.slow
def test_a_published_file_under_another_methods_name_is_not_taken_for_it(made):
    made.run("--method", "steady", "--method", "blunt")
    made.cli("publish", *made.options)
    shutil.rmtree(made.output / "results" / "cells")
    for folder in (made.output / "results" / "reference" / "made").iterdir():
        shutil.copy(folder / "steady.parquet", folder / "blunt.parquet")
    assert {row["method"] for row in made.table()["rows"]} == {"steady"}


@pytest.mark.slow
def test_code_that_is_edited_during_a_run_is_never_stored_as_the_code_before(made):
    made.edit("self.p = 0.4", "__import__('time').sleep(0.3)\n        self.p = 0.4", made.other)
    words = ["run", *made.options, "--plugin", str(made.other), "--no-sync", "--jobs", "1", "--method"]
    slow = ["dicey[pause=0.4]", "--method", "other"]
    child = subprocess.Popen(
        made.command(*words, *slow), cwd=ROOT, env=made.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 300
    while not made.cells():
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    made.edit("self.p = 0.4", "self.p = 0.9", made.other)
    out, _ = child.communicate(timeout=300)
    assert child.returncode == 1 and "was edited during the run: run again" in out
    assert not any("0.9" in cell.decode() for cell in made.cells().values() if b'"method":"other"' in cell)
    made.cli(*words, *slow)
    others = [cell for cell in made.cells().values() if b'"method":"other"' in cell]
    assert len(others) == 32 and all(b"0.9,0.9" in cell for cell in others)


@pytest.mark.slow
def test_a_method_that_changes_when_it_is_computed_again_is_marked(made):
    made.edit("self.random = np.random.default_rng(seed)", "self.random = np.random.default_rng()")
    made.run("--method", "dicey", "--method", "steady")
    assert "not reproducible" not in made.leaderboard.read_text()
    made.run("--recompute", "--seeds", "40")
    text = made.leaderboard.read_text()
    assert "dicey: not reproducible: 5 cells changed when they were computed again" in text
    assert "steady: not reproducible" not in text


def test_ranked_rows_that_are_missing_are_named_beside_the_conclusion(made):
    made.run("--method", "steady", "--method", "dicey")
    assert "2 of 3 ranked rows are complete; missing: `blunt`." in made.leaderboard.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("positives", [1, 4])
def test_a_cohort_with_too_few_cases_of_a_class_stops_no_other(made, positives):
    small = made.write("small.py", COMPONENTS.partition("def table_score")[0])
    made.edit('    "made",\n    title', '    "small",\n    title', small)
    made.edit("labels[list(FLIPPED)] ^= 1", f"labels[:] = np.arange(self.cases) < {positives}", small)
    made.edit('["made"]', '["small", "made"]', made.suite)
    done = made.run("--plugin", str(small), code=None)
    assert "Traceback" not in done.stdout + done.stderr
    assert "small: repeated-cv is not possible: too few cases of a class" in done.stdout or positives == 4
    assert any(path.startswith("made/") for path in made.cells())


@pytest.mark.slow
def test_a_reason_that_utf_8_cannot_hold_and_odd_fields_stop_no_run(made):
    made.edit("blunt fails on purpose", "no file \\udcff")
    made.edit("FAIL = False", "FAIL = True")
    made.edit("pause: float = 0.0", "pause: float = 0.0\n    odd: frozenset = frozenset({'b', 'a'})")
    done = made.run(code=1)
    assert "no file \\udcff" in done.stdout
    rows = {row["method"]: row["cells_ok"] for row in made.table()["rows"]}
    assert rows == {"steady": 20, "dicey": 20, "blunt": 0, "steady[steepness=0.01]": 20}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("cases.table['z'].sample(frac=1, random_state=1).clip(0, 1)", "a Series in an order of its own"),
        ("np.ma.masked_less(np.linspace(0, 1, len(cases)), 0.5)", "masked values"),
    ],
)
def test_answers_in_a_doubtful_form_are_invalid(made, answer, said):
    made.edit('return 1 / (1 + np.exp(-cases.table["z"].to_numpy()))', f"return {answer}")
    assert said in made.run("--method", "blunt", code=1).stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table.parquet", "case_ids.npy", "cohort.json"])
def test_damaged_prepared_data_are_named_with_the_mend(made, name):
    made.run("--method", "steady", "--seeds", "39")
    path = next((made.folder / "data" / "prepared" / "made").glob(f"*/{name}"))
    path.write_bytes(path.read_bytes()[:-20])
    done = made.run("--method", "steady", code=2)
    assert name in done.stderr and "clean --prepared --yes" in done.stderr
    made.cli("clean", *made.options, "--prepared", "--yes")
    made.run("--method", "steady")


@pytest.mark.slow
def test_damaged_features_are_mended_without_the_prepared_cohort(made):
    row = ("--method", "logistic-regression[features=table+image]", "--seeds", "39")
    made.run(*row)
    path = next((made.folder / "data" / "features").rglob("*.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    done = made.run(*row, "--recompute", code=2)
    assert path.name in done.stderr and "`clean --features --yes`, then run again" in done.stderr
    made.cli("clean", *made.options, "--features", "--yes")
    assert list((made.folder / "data" / "prepared").rglob("cohort.json"))
    made.run(*row, "--recompute")


def test_features_of_other_cases_or_modalities_cannot_be_had_from_a_view(made):
    """A table-only method tries the feature source of every view that it is given."""
    spy = made.write(
        "spy.py",
        "from dataclasses import dataclass\nimport numpy as np\nfrom benchmark import register_method\nSEEN = {}\n\n"
        "@register_method('spy', family='f', reference='r', fit_modalities={'table'}, predict_modalities={'table'})\n"
        "@dataclass\nclass Spy:\n    def fit(self, train, validation, seed):\n"
        "        SEEN['views'] = [train, validation, train.pool]\n\n"
        "    def predict_proba(self, cases):\n        SEEN['views'].append(cases)\n        return np.full(len(cases), 0.5)\n",
    )
    assert compute(made.cell("spy", plugins=[spy])).outcome == "ok"
    for view in import_file(spy).SEEN["views"]:
        for modality in ("image", "text", "table"):
            for rows in (None, np.arange(3), view.rows):
                with pytest.raises(BenchmarkError):
                    view.feature_source(modality, None, rows)


@pytest.mark.slow
def test_the_cells_of_a_row_come_from_one_code_and_the_stale_ones_can_be_deleted(made):
    made.run("--plugin", str(made.other), "--method", "other", "--method", "steady")
    made.edit("self.p = 0.4", "self.p = 0.3", made.other)
    made.run("--method", "other", "--seeds", "39")
    rows = {row["method"]: row for row in made.table()["rows"]}
    assert rows["other"]["cells_ok"] == 15 and not rows["other"]["ranked"]
    before = made.cells()
    out = made.cli("clean", *made.options, "--stale", "--protocol", "repeated-cv", "--method", "other", "--yes").stdout
    assert "deleted: 15 items" in out
    gone = set(before) - set(made.cells())
    assert len(gone) == 15 and all("repeated-cv/other/seed4" in path for path in gone)


def test_set_aside_files_and_caches_can_be_cleaned(made):
    made.run("--method", "steady", "--seeds", "39")
    torn = made.output / "results" / "cells" / "made" / "x.json.torn"
    torn.write_text("")
    assert "deleted: 1 items" in made.cli("clean", *made.options, "--torn", "--yes").stdout
    assert not torn.exists()
    assert "choose cells" in made.cli("clean", *made.options, "--prepared", "--dataset", "made", code=2).stderr


@pytest.mark.slow
def test_the_mirror_follows_a_suite_that_is_named_from_another_folder(made):
    row = ["--method", "steady", "--protocol", "repeated-cv", "--in-process"]
    words = ["run", "--suite", made.suite.name, "--plugin", made.plugin.name, *row]
    environment = {**made.environment, "PYTHONPATH": str(ROOT), "STROKEBENCH_OUTPUT": "elsewhere"}
    done = made.process(*words, cwd=made.folder, env=environment)
    assert done.returncode == 0, done.stderr
    assert "1 row written" in done.stdout or "1 was up to date" in done.stdout, done.stdout
    assert (made.folder / "elsewhere" / "results" / "mlflow" / "mlflow.db").is_file()
    assert [path.name for path in (made.folder / "elsewhere" / "results" / "cells").iterdir()] == ["made"]
