"""Stages through the command line: built once, seen by nobody who must not, and what happens where one goes wrong."""

from __future__ import annotations

import errno
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.audit import made_cohorts
from benchmark.cells.executors import Folders
from benchmark.cells.needs import Needs
from benchmark.cells.rows import mean_seconds
from benchmark.cells.store import Store
from benchmark.cli import clean
from benchmark.data import stages
from benchmark.data.stages import ARRAYS, stored_stages
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import build_once
from tests.made_benchmark import MadeBenchmark

SHARING = """
import time
from dataclasses import dataclass

import numpy as np

from benchmark import register_method, stage


@register_method("sharing", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Sharing:
    depth: int = 1
    head: str = "plain"
    hidden: int = 0
    wait: float = 0.0

    @stage(sees={"train", "pool"}, fields=("depth", "wait"))
    def pretraining(self, seen, seed):
        BEGIN
        time.sleep(self.wait)
        drawn = np.random.normal(size=(self.depth, 1 + self.hidden))
        return {"drawn": drawn, "mean": np.array([seen.train.table["x"].mean(), len(seen.pool), seed])}

    def fit(self, train, validation, seed):
        kept = self.stages["pretraining"]
        self.p = float(1 / (1 + np.exp(-kept["drawn"].mean() - kept["mean"][0] - 0.01 * np.random.normal())))
        self.head == "plain" or BROKEN

    def predict_proba(self, cases):
        x = cases.table["x"].fillna(0).to_numpy()
        return 1 / (1 + np.exp(-x * (1 if self.head == "plain" else -1) - self.p))
"""
NETWORK = """
from dataclasses import dataclass

import torch
from torch import nn

from benchmark import NeuralMethod, register_method


@register_method("net", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"},
                 validation="early-stopping")
@dataclass
class Net(NeuralMethod):
    evaluation_only = ("turned",)
    epochs: int = 3
    turned: float = 0.0

    def module(self, shapes):
        return Linear(shapes.table, self.turned)

    def finish(self, module, train, validation):
        module.shift = float(torch.rand(())) * self.turned
        return {"shift": module.shift}


@register_method("net-too", family="made", reference="none", fit_modalities={"table"}, predict_modalities={"table"},
                 validation="early-stopping")
@dataclass
class NetToo(Net):
    trained_as = "net"
    turned: float = 0.5


class Linear(nn.Module):
    def __init__(self, width, turned):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.shift = 0.0

    def forward(self, batch):
        return self.layers(batch.table).squeeze(1) + self.shift
"""
ROWS = ("--method", "sharing", "--method", "sharing[head=other]")


def sharing(made: MadeBenchmark, begin: str = "", broken: str = "None") -> Path:
    return made.write("sharing.py", SHARING.replace("BEGIN", begin).replace("BROKEN", broken))


def run(made: MadeBenchmark, path: Path, *words: str, code: int = 0) -> Any:
    return made.run("--plugin", str(path), "--protocol", "leave-one-site-out", *words, code=code)


def built(made: MadeBenchmark) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = made.json("show", "stages", "--json")
    return shown


def test_rows_that_differ_after_a_stage_share_it_and_show_names_both(made: MadeBenchmark) -> None:
    run(made, sharing(made), *ROWS)
    shown = built(made)
    assert len(shown) == 12  # three hospitals, four seeds
    assert {(each["method"], each["stage"], each["dataset"]) for each in shown} == {("sharing", "pretraining", "made")}
    both = ["made/leave-one-site-out/sharing", "made/leave-one-site-out/sharing[head=other]"]
    assert all(each["used_by"] == both and each["seconds"] > 0 for each in shown)


@pytest.mark.slow
def test_a_row_that_shares_a_stage_gives_the_bytes_that_it_gives_alone(made: MadeBenchmark, tmp_path: Path) -> None:
    path = sharing(made)
    run(made, path, *ROWS)
    alone = MadeBenchmark(tmp_path / "alone")
    run(alone, sharing(alone), *ROWS[2:])
    mine = alone.cells()
    assert len(mine) == 12
    assert {name: made.cells()[name] for name in mine} == mine


def test_another_value_of_a_field_that_a_stage_depends_on_is_another_stage(made: MadeBenchmark) -> None:
    run(made, sharing(made), "--method", "sharing", "--method", "sharing[depth=2]", "--seeds", "39")
    assert [each["method"] for each in built(made)] == ["sharing"] * 3 + ["sharing[depth=2]"] * 3


def test_a_stage_does_not_depend_on_a_field_that_it_does_not_declare(made: MadeBenchmark) -> None:
    run(made, sharing(made), "--method", "sharing", "--method", "sharing[hidden=3]", "--seeds", "39")
    assert {each["method"] for each in built(made)} == {"sharing"}
    assert {stage["drawn"].shape for stage in (stages.StageKey.arrays(key) for key in keys())} == {(1, 1)}


def keys() -> list[Any]:
    """The stored stages as what can be read of them."""

    class Key:
        def __init__(self, digest: str) -> None:
            self.folder = stages.stages_folder() / digest

    return [Key(stage.digest) for stage in stored_stages()]


def test_no_stage_sees_a_validation_or_test_case_or_one_of_the_held_out_site(made: MadeBenchmark) -> None:
    run(made, sharing(made), "--method", "sharing")
    words = ("--dataset", "made", "--protocol", "leave-one-site-out", "--plugin", str(made.plugin), "--json")
    splits = made.json("show", "splits", *words)
    pool = {str(case) for case in made.cohort().pool.case_ids}
    seen = [set(each["cases_seen"]) for each in built(made)]
    assert len(seen) == len(splits) == 12
    for split in splits:
        of_this = [cases for cases in seen if set(split["train"]) <= cases]
        assert of_this
        assert all(not cases & {*split["validation"], *split["test"]} for cases in of_this)
        assert all(cases <= {*split["train"], *pool} and len(cases) < len(split["train"]) + len(pool) for cases in of_this)


def test_an_edit_of_the_code_makes_a_new_stage(made: MadeBenchmark) -> None:
    run(made, sharing(made), "--method", "sharing", "--seeds", "39")
    run(made, sharing(made, "self.depth + 1"), "--method", "sharing", "--seeds", "39")
    assert len(built(made)) == 6


@pytest.mark.slow
def test_mlflow_has_the_seconds_of_a_stage_and_its_name_at_every_row_that_used_it(made: MadeBenchmark) -> None:
    from mlflow import MlflowClient

    path = sharing(made)
    run(made, path, *ROWS)
    made.cli("sync", *made.options, "--plugin", str(path))
    client = MlflowClient(tracking_uri=f"sqlite:///{made.output}/results/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("made-suite")
    shown = built(made)
    for row in ROWS[1::2]:
        (mirrored,) = (each for each in client.search_runs([experiment.experiment_id]) if each.info.run_name == row)
        seconds = [point.value for point in client.get_metric_history(mirrored.info.run_id, "split_stage_seconds")]
        assert sorted(seconds) == pytest.approx(sorted(each["seconds"] for each in shown))
        path_of_cells = client.download_artifacts(mirrored.info.run_id, "cells.csv", str(made.folder))
        named = set(pd.read_csv(path_of_cells)["stages"])
        assert named == {f"pretraining of sharing ({each['digest'][:12]})" for each in shown}


def test_explain_names_the_stage_and_whether_it_is_built(made: MadeBenchmark) -> None:
    path = sharing(made)
    run(made, path, *ROWS, "--seeds", "39")
    words = ("explain", "made/leave-one-site-out/sharing", *made.options, "--plugin", str(path))
    lines = [line for line in made.cli(*words).stdout.splitlines() if "builds on" in line]
    assert [line.split(":")[0] for line in lines[:1]] == ["  builds on the stage pretraining of sharing, built"]
    assert [", built:" in line for line in lines] == [True] * 3 + [False] * 9


# What goes wrong


@pytest.mark.parametrize(
    ("begin", "outcome", "reason"),
    [
        ("raise KeyError('no such column')", "failed", "stage pretraining of sharing on made: KeyError: 'no such column'"),
        ("seen.validation", "failed", "BenchmarkError: stage pretraining reads validation cases without declaring it"),
        ("seen.train.labels[0]", "failed", "stage pretraining of sharing on made: TypeError: 'NoneType'"),
        ("__import__('pathlib').Path('/no').read_text()", "failed", "'/no' (sharing.py, line 20)"),
        ("raise MemoryError", "out-of-memory", "stage pretraining of sharing on made: more memory than the limit"),
    ],
)
def test_a_stage_that_fails_gives_its_cells_the_outcome_with_its_name(
    made: MadeBenchmark, begin: str, outcome: str, reason: str
) -> None:
    done = run(made, sharing(made, begin), *ROWS, "--method", "majority", "--seeds", "39", code=1)
    assert sum("/majority/" in name for name in made.cells()) == 3
    shared = {name: content for name, content in made.cells().items() if "/sharing" in name}
    assert len(shared) == 6
    assert all(f'"outcome":"{outcome}"'.encode() in content for content in shared.values())
    assert reason in done.stdout
    assert built(made) == []


@pytest.mark.slow
def test_a_stage_has_a_time_limit_of_its_own(made: MadeBenchmark) -> None:
    path = sharing(made, "import os; os.getpid()")
    made.edit('fields=("depth", "wait")', 'fields=("depth", "wait"), seconds=1', path)
    words = ("--method", "sharing[wait=30]", "--method", "majority", "--seeds", "39", "--jobs", "2")
    done = run(made, path, *words, code=1)
    assert "timeout: stage pretraining of sharing[wait=30] on made: more time than its limit" in done.stdout
    assert sum("/majority/" in name for name in made.cells()) == 3


@pytest.mark.slow
def test_a_stage_has_a_memory_limit_of_its_own(made: MadeBenchmark) -> None:
    path = sharing(made, "np.ones(2**27)")
    made.edit('fields=("depth", "wait")', 'fields=("depth", "wait"), memory_gib=0.5', path)
    done = run(made, path, "--method", "sharing", "--seeds", "39", "--jobs", "2", code=1)
    assert "out-of-memory: stage pretraining of sharing on made: more memory than the limit" in done.stdout


def test_a_stage_whose_file_is_cut_is_named_and_can_be_made_anew(made: MadeBenchmark) -> None:
    path = sharing(made)
    run(made, path, "--method", "sharing", "--seeds", "39")
    before = made.cells()
    for file in stages.stages_folder().glob(f"*/{ARRAYS}"):
        file.write_bytes(file.read_bytes()[:-1])
    done = run(made, path, "--method", "sharing", "--seeds", "39", "--recompute", code=2)
    assert "is damaged: `clean --stages --yes`, then run again" in done.stderr
    assert "is damaged" in made.cli("doctor", code=None).stdout
    assert "would delete" in made.cli("clean", "--stages").stdout
    assert len(built(made)) == 3
    made.cli("clean", "--stages", "--yes")
    run(made, path, "--method", "sharing", "--seeds", "39", "--recompute")
    assert made.cells() == before


def test_a_changed_byte_is_found_as_well(made: MadeBenchmark) -> None:
    path = sharing(made)
    run(made, path, "--method", "sharing", "--seeds", "39")
    for file in stages.stages_folder().glob(f"*/{ARRAYS}"):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(bytes(content))
    done = run(made, path, "--method", "sharing", "--seeds", "39", "--recompute", code=2)
    assert "is damaged: `clean --stages --yes`, then run again" in done.stderr


def test_a_full_disk_is_said_and_leaves_nothing_half_written(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    path = sharing(made)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        done = run(made, path, "--method", "sharing", "--seeds", "39", code=1)
    assert "stage pretraining of sharing cannot be kept in" in done.stdout
    assert "No space left on device" in done.stdout
    assert [each.name for each in stages.stages_folder().iterdir() if each.is_dir()] == []
    run(made, path, "--method", "sharing", "--seeds", "39", "--retry", "failed")
    assert len(built(made)) == 3


@pytest.mark.slow
def test_a_run_that_is_killed_in_a_stage_leaves_nothing_half_written(made: MadeBenchmark, tmp_path: Path) -> None:
    path = sharing(made)
    words = ["run", *made.options, "--plugin", str(path), "--no-sync", "--in-process", "--protocol", "leave-one-site-out"]
    words += ["--method", "sharing[wait=2]", "--seeds", "39"]
    child = subprocess.Popen(made.command(*words), env=made.environment, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    until = time.monotonic() + 120
    while not list(stages.stages_folder().glob(".*.[0-9]*")):
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert built(made) == []
    run(made, path, "--method", "sharing[wait=2]", "--seeds", "39")
    assert len(built(made)) == 3
    assert not list(stages.stages_folder().glob(".*.[0-9]*"))
    other = MadeBenchmark(tmp_path / "other")
    run(other, sharing(other), "--method", "sharing[wait=2]", "--seeds", "39")
    assert made.cells() == other.cells()


# The whole training


@pytest.mark.slow
def test_rows_that_are_trained_alike_train_once_and_give_the_bytes_of_separate_trainings(
    made: MadeBenchmark, tmp_path: Path
) -> None:
    path = made.write("net.py", NETWORK)
    rows = ("net", "net[turned=2]", "net-too")
    run(made, path, *(word for row in rows for word in ("--method", row)), "--seeds", "39")
    shown = built(made)
    assert [(each["method"], each["stage"]) for each in shown] == [("net", "training")] * 3
    assert {tuple(each["used_by"]) for each in shown} == {tuple(f"made/leave-one-site-out/{row}" for row in sorted(rows))}
    together = made.cells()
    for row in rows:
        alone = MadeBenchmark(tmp_path / row.replace("[", "-").replace("]", "-"))
        run(alone, alone.write("net.py", NETWORK), "--method", row, "--seeds", "39")
        assert built(alone) == []
        mine = alone.cells()
        assert len(mine) == 3
        assert {name: together[name] for name in mine} == mine


def test_a_training_that_no_other_row_shares_is_not_kept(made: MadeBenchmark) -> None:
    path = made.write("net.py", NETWORK)
    run(made, path, "--method", "net", "--method", "net[epochs=2]", "--seeds", "39")
    assert built(made) == []


def test_the_seconds_of_a_row_hold_the_training_that_it_shares(made: MadeBenchmark) -> None:
    path = made.write("net.py", NETWORK)
    run(made, path, "--method", "net", "--method", "net-too", "--seeds", "39")
    trained = {stage.digest: stage.seconds for stage in stored_stages()}
    assert len(trained) == 3 and min(trained.values()) > 0
    by_row: dict[str, list[float]] = {}
    for record in Store().records():
        own = record.measured["fit_seconds"] + record.measured["predict_seconds"]
        (stage,) = record.measured["stages"]
        by_row.setdefault(record.address.method, []).append(own + trained[stage])
    assert by_row.keys() == {"net", "net-too"}
    for row, seconds in by_row.items():
        assert {stored.seconds for stored in Store().known("made", "leave-one-site-out", row).values()} == set(seconds)
        assert mean_seconds(list(Store().row("made", "leave-one-site-out", row).values())) == pytest.approx(np.mean(seconds))


@pytest.mark.slow
def test_late_average_is_the_mean_of_the_three_rows_whose_trainings_it_shares(made: MadeBenchmark) -> None:
    members = ("image-net", "text-net", "mlp")
    rows = [word for row in ("late-average", *members) for word in ("--method", f"{row}")]
    words = ("--plugin", str(made_cohorts.__file__), "--dataset", "specimen", "--protocol", "holdout", "--seeds", "39")
    made.run(*words, *rows)
    by_row = {record.address.method: record for record in Store().records() if record.address.dataset == "specimen"}
    mean = np.mean([by_row[name].probabilities for name in members], axis=0)
    assert by_row["late-average"].probabilities == mean.tolist()
    assert {each["method"]: each["used_by"] for each in built(made)} == {
        name: [f"specimen/holdout/{row}" for row in sorted(("late-average", name))] for name in members
    }


def test_what_cannot_be_built_does_not_take_the_place_of_a_result(made: MadeBenchmark) -> None:
    words = ("--method", "sharing", "--seeds", "39")
    run(made, sharing(made), *words)
    before = made.cells()
    done = run(made, sharing(made, "raise OSError('the weights are not here')"), *words, code=1)
    assert "the weights are not here" in done.stdout
    assert made.cells() == before
    other = ("--method", "sharing[depth=2]", "--seeds", "39")
    run(made, sharing(made, "raise OSError('the weights are not here')"), *other, code=1)
    assert sum(b'"outcome":"failed"' in cell for cell in made.cells().values()) == 3, "without a result it is stored as failed"


def test_a_full_disk_under_a_stage_ends_the_run_and_no_cell_is_taken_for_failed(made: MadeBenchmark) -> None:
    path = sharing(made, "import errno; raise OSError(errno.ENOSPC, 'No space left on device')")
    done = run(made, path, "--method", "sharing", "--seeds", "39", code=2)
    assert "No space left on device" in done.stderr and "free some space" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert made.cells() == {}


@pytest.mark.parametrize(
    ("kind", "mend"), [("features", "features"), ("stages", "stages"), ("written", "written"), ("prepared", "prepared")]
)
def test_a_damaged_folder_is_mended_by_deleting_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mend: str
) -> None:
    monkeypatch.setenv("STROKEBENCH_DATA", str(tmp_path))
    folder = build_once(tmp_path / kind / "one", lambda aside: (aside / "a.npy").write_bytes(b"a" * 10))
    needs = Needs.__new__(Needs)
    needs._folders = {None: Folders((folder,))}
    needs.check()
    (folder / "a.npy").write_bytes(b"b" * 10)
    with pytest.raises(BenchmarkError, match=f"`clean --{mend} --yes`"):
        needs.check()
    assert any(f"--{mend}" in names for names, _ in clean.ARGUMENTS)
