"""The verb `tune`: a row like any other, found by a search inside each split, that survives what befalls a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmark.system.locations import ROOT
from tests.made_benchmark import CASES, COMPONENTS, MadeBenchmark

TUNABLE = '''

@register_method("leaning", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Leaning:
    """Leans on x, on z, or on both; notes each fit in a file."""

    lean: float = 0.5
    pause: float = 0.0
    notes: str = ""

    def search_space(self):
        return {"lean": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]}

    def fit(self, train, validation, seed):
        time.sleep(self.pause)
        if self.notes:
            with open(self.notes, "a") as stream:
                stream.write(f"{seed} {self.lean}\\n")
        self.rng = np.random.default_rng(seed)

    def predict_proba(self, cases):
        x, z = cases.table["x"].to_numpy(), cases.table["z"].to_numpy()
        return 1 / (1 + np.exp(-self.lean * x - (1 - self.lean) * z - 0.3 * self.rng.normal(size=len(cases))))
'''
QUICK = ["--dataset", "made", "--no-sync"]


@pytest.fixture
def tunable(made: MadeBenchmark) -> MadeBenchmark:
    """The made benchmark with a method that can be tuned, in a suite of one protocol and two fast rows."""
    made.write(made.plugin.name, COMPONENTS + TUNABLE)
    made.edit('["repeated-cv", "leave-one-site-out"]', '["repeated-cv"]', made.suite)
    made.edit('"steady", "dicey", "blunt"', '"dicey", "blunt"', made.suite)
    made.edit('"steady[steepness=0.01]"', "", made.suite)
    return made


def chosen(made: MadeBenchmark) -> dict[str, dict]:
    return {
        path: json.loads("{" + line.decode().rstrip(",") + "}")["deterministic"]["chosen"]
        for path, line in made.cells().items()
    }


def states(made: MadeBenchmark) -> list[str]:
    """How the trials in all journals stand."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    found = []
    for path in (made.output / "results" / "tuning").rglob("*.journal"):
        storage = JournalStorage(JournalFileBackend(str(path)))
        for study in storage.get_all_studies():
            found += [trial.state.name for trial in storage.get_all_trials(study._study_id)]
    return found


@pytest.mark.slow
def test_a_tuned_row_joins_the_suite_and_is_run_ranked_explained_and_published_like_any_other(tunable):
    done = tunable.cli("tune", "leaning", *tunable.options, *QUICK, "--trials", "5", "--jobs", "1")
    assert "leaning[tuned=tpe-5] joins made-suite" in done.stdout
    assert "20 of 20 cells to compute" in done.stdout
    table = done.stdout.partition("values that leaning[tuned=tpe-5] chose")[2].splitlines()
    assert table[1].split() == ["split", "lean", "inner", "AUC", "complete", "pruned", "failed"]
    stored = chosen(tunable)
    assert len(stored) == 20
    for line in table[2:22]:
        split, lean, auc, *trials = line.split()
        told = stored[f"made/repeated-cv/leaning[tuned=tpe-5]/{split}.json"]
        assert (float(lean), auc, trials) == (told["values"]["lean"], f"{told['inner_auc']:.3f}", ["5", "0", "0"])
    counts = [float(value) for value in (told["values"]["lean"] for told in stored.values())]
    assert f"{max(set(counts), key=counts.count):g} in {max(map(counts.count, counts))}" in table[22]

    again = tunable.run()
    assert "40 of 60 cells to compute (20 are fresh)" in again.stdout
    rows = tunable.json("rank", *tunable.options, "--json")["tables"][0]["rows"]
    assert {row["method"]: row["ranked"] for row in rows} == {"dicey": True, "blunt": True, "leaning[tuned=tpe-5]": True}
    cell = "made/repeated-cv/leaning[tuned=tpe-5]/seed39-fold0"
    assert f"{cell}: fresh" in tunable.cli("explain", cell, *tunable.options).stdout
    shown = ["show", "predictions", "--method", "leaning[tuned=tpe-5]", "--dataset", "made", "--protocol", "repeated-cv"]
    assert len(tunable.json(*shown, *tunable.options, "--json")) == 4 * CASES
    assert "1 row published" in tunable.cli("publish", *tunable.options, "--method", "leaning[tuned=tpe-5]").stdout
    tunable.edit("0.8, 1.0]", "0.9, 1.0]")
    assert "tuning changed: space" in tunable.cli("explain", cell, *tunable.options).stdout


@pytest.mark.slow
def test_a_suite_file_may_name_a_tuned_row_and_run_computes_it(tunable):
    tunable.edit('"dicey", "blunt"', '"dicey", "leaning[tuned]"', tunable.suite)
    assert "5 of 5 cells to compute" in tunable.run("--method", "leaning[tuned=tpe-20]", "--seeds", "39").stdout
    assert all(path.startswith("made/repeated-cv/leaning[tuned]/") for path in tunable.cells())


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_deterministic_byte_and_the_workers_share_one_journal(tunable):
    words = ["tune", "leaning", *tunable.options, *QUICK, "--trials", "6", "--seeds", "39"]
    seen = []
    for options in (["--jobs", "1"], ["--jobs", "3"], ["--in-process"]):
        done = tunable.cli(*words, *options, "--recompute")
        assert "lock" not in done.stdout + done.stderr
        seen.append(tunable.cells())
    assert len(seen[0]) == 5
    assert seen[0] == seen[1] == seen[2]
    assert states(tunable) == ["COMPLETE"] * 30, "a recomputation searches anew"
    assert len(list((tunable.output / "results" / "tuning").rglob("*.journal"))) == 1


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_trials_that_lack_and_ends_as_an_undisturbed_one(tunable):
    notes = tunable.folder / "fits.txt"
    method = f"leaning[notes={notes},pause=0.1]"
    words = ["tune", method, *tunable.options, *QUICK, "--trials", "6", "--seeds", "39", "--jobs", "2"]
    tunable.cli(*words)
    undisturbed, fits = tunable.cells(), sorted(notes.read_text().splitlines())
    for path in tunable.output.rglob("*"):
        if path.is_file():
            path.unlink()
    notes.unlink()
    child = subprocess.Popen(
        tunable.command(*words), cwd=ROOT, env=tunable.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 300
    while not notes.exists() or len(notes.read_text().splitlines()) < 8:
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = notes.read_text().splitlines()
    running = states(tunable).count("RUNNING")
    assert 8 <= len(before) < len(fits)
    tunable.cli(*words)
    assert tunable.cells() == undisturbed
    assert "RUNNING" not in states(tunable)
    assert states(tunable).count("FAIL") == running
    again = notes.read_text().splitlines()
    assert set(again) == set(fits)
    assert len(again) <= len(fits) + running + 2, "a killed trial, or a refit, at most once more in each of two workers"


@pytest.mark.slow
def test_ctrl_c_leaves_no_trial_running(tunable):
    words = ["tune", "leaning[pause=0.3]", *tunable.options, *QUICK, "--trials", "6", "--jobs", "1"]
    child = subprocess.Popen(
        tunable.command(*words), cwd=ROOT, env=tunable.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 300
    while "COMPLETE" not in states(tunable):
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 130 and "interrupted" in errors
    assert "COMPLETE" in states(tunable) and "RUNNING" not in states(tunable)


@pytest.mark.slow
def test_a_search_past_the_limit_of_its_fits_is_a_timeout_and_leaves_no_trial_running(tunable):
    # Three fits of 3.5 s are more than one limit and less than three.
    tunable.edit("seconds = 60", "seconds = 10", tunable.suite)
    words = [
        *tunable.options,
        *QUICK,
        "--protocol",
        "holdout",
        "--sampler",
        "grid",
        "--trials",
        "2",
        "--seeds",
        "39",
        "--jobs",
        "1",
    ]
    tunable.cli("tune", "leaning[pause=3.5]", *words)
    tunable.edit("seconds = 10", "seconds = 4", tunable.suite)
    assert "timeout" in tunable.cli("tune", "leaning[pause=5]", *words, code=1).stdout
    assert "RUNNING" not in states(tunable)


@pytest.mark.slow
def test_tuned_rows_of_different_budgets_are_refused_by_name_and_nothing_joins(tunable):
    tunable.cli("tune", "leaning", *tunable.options, *QUICK, "--trials", "2", "--seeds", "39", "--in-process")
    refused = tunable.cli("tune", "leaning[pause=0.01]", *tunable.options, *QUICK, "--trials", "3", code=2)
    assert "leaning[tuned=tpe-2] (tpe-2) and leaning[pause=0.01,tuned=tpe-3] (tpe-3) have different budgets" in refused.stderr
    assert tunable.json("rank", *tunable.options, "--json")
    wrong = tunable.cli("tune", "leaning", *tunable.options, "--dataset", "mad", "--trials", "3", "--no-sync", code=2)
    assert "leaves" not in wrong.stdout
    kept = tunable.json("show", "suite", str(tunable.suite), "--json")["members on this machine"]["methods"]
    assert kept == ["leaning[tuned=tpe-2]"]
    replaced = tunable.cli("tune", "leaning", *tunable.options, *QUICK, "--trials", "3", "--seeds", "39", "--in-process")
    assert "leaning[tuned=tpe-2] leaves made-suite" in replaced.stdout
    rows = tunable.json("show", "suite", str(tunable.suite), "--json")["members on this machine"]["methods"]
    assert rows == ["leaning[tuned=tpe-3]"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["blunt", "--dataset", "made"], "blunt has no search_space()"),
        (["leening", "--dataset", "made"], "unknown method 'leening': did you mean 'leaning'"),
        (["leaning"], "--dataset"),
        (["leaning", "--dataset", "mad"], "did you mean 'made'"),
        (["leaning[tuned=tpe-5]", "--dataset", "made", "--trials", "6"], "has its budget"),
        (["leaning", "--dataset", "made", "--trials", "0"], "give 1 or more"),
        (["leaning", "--dataset", "made", "--timeout", "0"], "give 1 or more"),
        (["leaning[lean=0.5]", "--dataset", "made"], "nothing of leaning is left to search"),
        (["leaning", "--dataset", "made", "--method", "blunt"], "takes one method"),
    ],
)
def test_what_cannot_be_tuned_is_one_line_and_exit_code_2(tunable, words, said):
    done = tunable.cli("tune", *words, *tunable.options, "--no-sync", code=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert not tunable.cells()


def test_a_space_with_an_unknown_field_is_exit_code_2_in_tune_and_an_error_of_check(tunable):
    tunable.edit('{"lean": [', '{"leen": [')
    done = tunable.cli("tune", "leaning", *tunable.options, *QUICK, code=2)
    assert "unknown field in search_space() of leaning 'leen': did you mean 'lean'" in done.stderr
    checked = tunable.cli("check", "leaning", "--plugin", str(tunable.plugin), code=1)
    assert "'leen': did you mean 'lean'" in checked.stdout


@pytest.mark.slow
def test_mlflow_holds_a_run_per_search_with_its_trials_and_sync_is_idempotent(tunable):
    tunable.cli("tune", "leaning", *tunable.options, *QUICK, "--trials", "4", "--seeds", "39", "--in-process")
    assert "1 row written, 0 were up to date" in tunable.cli("sync", *tunable.options).stdout
    assert "0 rows written, 1 was up to date" in tunable.cli("sync", *tunable.options).stdout
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{tunable.output}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("made-suite")
    runs = client.search_runs([experiment.experiment_id])
    row = next(run for run in runs if run.info.run_name == "leaning[tuned=tpe-4]")
    searches = {run.info.run_name: run for run in runs if run.data.tags.get("mlflow.parentRunId") == row.info.run_id}
    assert len(searches) == 5 and len(runs) == 1 + 1 + 5
    told = chosen(tunable)["made/repeated-cv/leaning[tuned=tpe-4]/seed39-fold1.json"]
    search = searches["seed39-fold1"]
    journal = tunable.output / "results" / "tuning" / "made" / "repeated-cv" / "leaning[tuned=tpe-4].journal"
    assert row.data.tags["optuna journal"] == str(journal) and journal.is_file()
    assert f"optuna-dashboard '{journal}'" in row.data.tags["mlflow.note.content"]
    assert search.data.tags["optuna study"].startswith("made/repeated-cv/leaning[tuned=tpe-4]/seed39-fold1 #")
    assert search.data.params == {"lean": str(told["values"]["lean"])}
    aucs = client.get_metric_history(search.info.run_id, "inner_auc")
    assert [point.step for point in aucs] == [0, 1, 2, 3]
    assert max(point.value for point in aucs) == pytest.approx(told["inner_auc"])
    assert len(client.get_metric_history(search.info.run_id, "lean")) == 4
    path = client.download_artifacts(search.info.run_id, "trials.csv", str(tunable.folder))
    assert Path(path).read_text().splitlines()[0] == "trial,state,inner_auc,seconds,lean,error"
    tunable.edit("0.8, 1.0]", "0.9, 1.0]")
    tunable.cli("tune", "leaning", *tunable.options, *QUICK, "--trials", "4", "--seeds", "39", "--in-process")
    assert "1 row written" in tunable.cli("sync", *tunable.options).stdout
    assert len(client.search_runs([experiment.experiment_id])) == 1 + 1 + 5
