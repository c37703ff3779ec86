"""`merge`: results of several machines in one folder; and `clean`, of rows whose component is deleted."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.cells import merging
from benchmark.cells.store import Store
from benchmark.system.files import exclusive
from tests.made_benchmark import Done, MadeBenchmark


def other_machine(made: MadeBenchmark, name: str) -> MadeBenchmark:
    """The same components and data with an output folder of its own."""
    return MadeBenchmark(made.folder, {"STROKEBENCH_OUTPUT": str(made.folder / name)})


def output(machine: MadeBenchmark) -> Path:
    return Path(machine.environment["STROKEBENCH_OUTPUT"])


def files(machine: MadeBenchmark) -> dict[str, bytes]:
    cells = output(machine) / "results" / "cells"
    return {str(path.relative_to(cells)): path.read_bytes() for path in sorted(cells.rglob("*.json"))}


def merge(here: MadeBenchmark, *folders: Path, code: int = 0) -> Done:
    return here.cli("merge", *map(str, folders), code=code)


@pytest.fixture
def two(made: MadeBenchmark) -> tuple[MadeBenchmark, MadeBenchmark]:
    """Two machines of which each has computed two seeds of one row, one of them alike."""
    one, other = other_machine(made, "one"), other_machine(made, "other")
    for machine, seeds in ((one, ("39", "40")), (other, ("40", "41"))):
        machine.run("--method", "dicey", "--protocol", "leave-one-site-out", "--seeds", *seeds)
    return one, other


@pytest.mark.slow
def test_cells_of_two_machines_come_together_equal_ones_once(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    mine, theirs = files(one), files(other)
    done = merge(one, output(other))
    assert f"{output(other) / 'results'}: 3 cells taken, 3 were here, 0 conflicts" in done.stdout
    assert files(one) == {**theirs, **mine}
    assert len(list((output(one) / "results" / "runs").glob("*.json"))) == 2
    again = merge(one, output(other) / "results")
    assert "0 cells taken, 6 were here, 0 conflicts" in again.stdout
    one.run("--method", "dicey", "--protocol", "leave-one-site-out")
    assert len(files(one)) == 1 + 12, "merged cells were not taken as fresh"


def test_other_predictions_and_other_code_are_conflicts_and_what_is_here_stays(
    two: tuple[MadeBenchmark, MadeBenchmark],
) -> None:
    one, other = two
    store = Store(output(other) / "results" / "cells")
    changed, stale, *_ = [record for record in store.records() if record.seed == 40]
    store.write(type(changed)(**{**vars(changed), "probabilities": [0.5] * len(changed.probabilities)}))
    store.write(
        type(stale)(**{**vars(stale), "key": "0" * 64, "ingredients": {**stale.ingredients, "libraries": {"numpy": "1"}}})
    )
    mine = files(one)
    done = merge(one, output(other), code=1)
    conflicts = sorted(line for line in done.stdout.splitlines() if line.startswith("conflict: "))
    assert conflicts == sorted(
        [
            f"conflict: {changed.address}: other predictions under the same key: those here are kept (`verify` says more)",
            f"conflict: {stale.address}: computed with other libraries: the one here is kept",
        ]
    )
    assert {name: content for name, content in files(one).items() if name in mine} == mine


def test_a_good_cell_takes_the_place_of_one_that_failed_under_the_same_key(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    store = Store(output(one) / "results" / "cells")
    record = next(each for each in store.records() if each.seed == 40)
    store.write(type(record)(**{**vars(record), "probabilities": [], "outcome": "timeout", "reason": "slow"}))
    assert "4 cells taken, 2 were here, 0 conflicts" in merge(one, output(other)).stdout
    assert store.read(record.address).outcome == "ok"


def test_torn_cells_and_another_version_of_a_dataset_are_named_and_left_out(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    path = next((output(other) / "results" / "cells").rglob("*seed41*.json"))
    path.write_bytes(path.read_bytes()[:-40])
    done = merge(one, output(other), code=1)
    assert f"conflict: {path}: torn or edited: left out" in done.stdout
    assert "2 cells taken, 3 were here, 1 conflicts" in done.stdout
    one.edit("FLIPPED = ()", "FLIPPED = (1, 2)")
    third = other_machine(one, "third")
    third.run("--method", "dicey", "--protocol", "leave-one-site-out", "--seeds", "39")
    done = merge(one, output(third), code=1)
    assert "made/leave-one-site-out: another version of the dataset or its splits: none of its cells is taken" in done.stdout
    assert "0 cells taken, 0 were here" in done.stdout


def test_a_table_that_is_not_the_one_of_its_digest_is_left_out(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    """Of a forged `task.json` every published row would have other figures."""
    one, other = two
    path = output(other) / "results" / "cells" / "made" / "leave-one-site-out" / "task.json"
    task = json.loads(path.read_text())
    del task["sha256"]  # whoever forges leaves it out
    for change, told in (
        (
            {"labels": [1 - label for label in task["labels"]]},
            "edited: its cases, labels or splits are not those of its digest",
        ),
        ({"labels": task["labels"][1:]}, "no table: its labels are not those of its cases"),
        ({"labels": [2, *task["labels"][1:]]}, "no table: its labels are not those of its cases"),
        ({"splits": [{**task["splits"][0], "test": [10**6]}]}, "no table: its splits hold cases that it has not"),
        ({"dataset": "elsewhere"}, "task.json: is of another table: left out"),
    ):
        path.write_text(json.dumps({**task, **change}))
        done = merge(one, output(other), code=1)
        assert told in done.stdout and "0 cells taken, 0 were here" in done.stdout
    path.write_text(json.dumps({**task, "labels": [1 - label for label in task["labels"]]}))
    published = one.folder / "third" / "results" / "reference" / "made" / "leave-one-site-out" / "task.json"
    published.parent.mkdir(parents=True)
    published.write_text(json.dumps(task))
    third = other_machine(one, "third")
    assert "edited: its cases" in merge(third, output(other), code=1).stdout
    assert not (output(third) / "results" / "cells").exists()


def test_links_special_and_large_files_are_left_out(
    two: tuple[MadeBenchmark, MadeBenchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    secret = one.folder / "secret.json"
    secret.write_text("a password")
    results = output(other) / "results"
    (results / "runs" / "theirs.json").symlink_to(secret)
    os.mkfifo(results / "cells" / "made" / "leave-one-site-out" / "dicey" / "pipe.json")
    monkeypatch.setattr(merging, "LARGEST", 100_000)
    (results / "runs" / "large.json").write_bytes(bytes(200_000))
    done = merge(one, output(other), code=1)
    assert "3 cells taken, 3 were here, 3 conflicts" in done.stdout
    assert "theirs.json: is no file of this folder: left out" in done.stdout and "pipe.json: is no file" in done.stdout
    assert not (output(one) / "results" / "runs" / "theirs.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": "high"},
        {"measured": {"fit_seconds": "long", "predict_seconds": 1.0}},
        {"columns": {"rank": ["first"]}},
        {"columns": []},
        {"ingredients": "all"},
        {"probabilities": 5},
        {"address": {"dataset": 5, "protocol": "p", "method": "m", "split": "s"}},
    ],
    ids=str,
)
def test_a_cell_whose_fields_are_of_other_kinds_is_left_out(two: tuple[MadeBenchmark, MadeBenchmark], change: dict) -> None:
    one, other = two
    path = next((output(other) / "results" / "cells").rglob("*seed41*.json"))
    whole = json.loads(path.read_text())
    for part in ("deterministic", "measured"):
        whole[part].update({name: value for name, value in change.items() if name in whole[part] or name == "columns"})
    whole["measured"].pop("columns", None)
    body = f'"deterministic": {json.dumps(whole["deterministic"])},\n"measured": {json.dumps(whole["measured"])}}}\n'
    path.write_text(f'{{"digest": "{hashlib.sha256(body.encode()).hexdigest()}",\n{body}')
    done = merge(one, output(other), code=1)
    assert f"conflict: {path}: torn or edited: left out" in done.stdout and "2 cells taken" in done.stdout


def test_seeds_of_one_row_that_were_computed_with_other_libraries_are_named(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    store = Store(output(other) / "results" / "cells")
    for record in list(store.records()):
        if record.seed == 41:
            store.write(replace(record, key="1" * 64, ingredients={**record.ingredients, "libraries": {"numpy": "1"}}))
    done = merge(one, output(other), code=1)
    told = "its cells were computed with different libraries and cannot stand in one row: run it again"
    assert f"conflict: made/leave-one-site-out/dicey: {told}" in done.stdout


@pytest.mark.slow
def test_a_merge_that_was_killed_is_gone_on_with(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    expected = {**files(other), **files(one)}
    killed = (
        "import os, signal\nfrom benchmark.cells import merging\nwrite, count = merging.write_durably, []\n"
        "def then_die(*words):\n    write(*words)\n    count.append(1)\n"
        "    len(count) < 2 or os.kill(os.getpid(), signal.SIGKILL)\n"
        "merging.write_durably = then_die\nfrom benchmark.cli.main import main\n"
        f"main(['merge', {str(output(other))!r}])\n"
    )
    done = one.command()[:1]
    code = subprocess.run([*done, "-c", killed], env=one.environment, cwd=Path.cwd()).returncode
    assert code == -signal.SIGKILL
    assert len(files(one)) < len(expected)
    merge(one, output(other))
    assert files(one) == expected


@pytest.mark.parametrize("name", ["nowhere", "empty", "own"])
def test_a_folder_that_cannot_be_merged_is_one_line(two: tuple[MadeBenchmark, MadeBenchmark], name: str) -> None:
    one, _ = two
    folder = output(one) if name == "own" else one.folder / name
    if name == "empty":
        folder.mkdir()
    told = merge(one, folder, code=2).stderr
    assert told.count("\n") == 1
    assert ("is this output folder itself" if name == "own" else "holds no results/cells") in told


def test_journals_of_searches_are_taken_where_one_goes_on_with_the_other(two: tuple[MadeBenchmark, MadeBenchmark]) -> None:
    one, other = two
    for name, ours, theirs in (("new", None, b"a\n"), ("longer", b"a\n", b"a\nb\n"), ("apart", b"a\nc\n", b"a\nb\n")):
        for machine, content in ((one, ours), (other, theirs)):
            path = output(machine) / "results" / "tuning" / "made" / "repeated-cv" / f"{name}.journal"
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is not None:
                path.write_bytes(content)
    done = merge(one, output(other))
    found = {path.stem: path.read_bytes() for path in (output(one) / "results").rglob("*.journal")}
    assert found == {"new": b"a\n", "longer": b"a\nb\n", "apart": b"a\nc\n"}
    assert "made/repeated-cv/apart.journal: both folders searched" in done.stdout


def test_clean_takes_the_cells_of_a_method_that_was_deleted(ran: MadeBenchmark) -> None:
    plugin = ran.other
    ran.run("--plugin", str(plugin), "--method", "other", "--protocol", "leave-one-site-out")
    there = sorted((ran.output / "results" / "cells" / "made" / "leave-one-site-out" / "other").glob("*.json"))
    assert there
    kept = ran.cells()
    ran.cli("clean", *ran.options, "--stale", "--yes")
    assert ran.cells() == kept, "what is registered and fresh is not deleted"
    plugin.unlink()
    assert f"{len(there)} items" in ran.cli("clean", *ran.options, "--stale").stdout
    assert f"{len(there)} items" in ran.cli("clean", *ran.options, "--cells", "--method", "other").stdout
    ran.cli("clean", *ran.options, "--stale", "--method", "other", "--yes")
    assert not any(path.exists() for path in there)
    assert ran.cells() == {name: content for name, content in kept.items() if "/other/" not in name}
    assert "unknown method 'other'" in ran.cli("clean", *ran.options, "--stale", "--method", "other", code=2).stderr


def test_clean_waits_for_no_run_and_leaves_cells_of_another_device(ran: MadeBenchmark) -> None:
    store = Store(ran.output / "results" / "cells")
    record = next(store.records())
    store.write(replace(record, key="0" * 64, ingredients={**record.ingredients, "device": "cuda"}))
    assert "0 items" in ran.cli("clean", *ran.options, "--stale").stdout
    store.write(replace(record, key="0" * 64, ingredients={**record.ingredients, "device": "cuda", "data": "other"}))
    assert "1 items" in ran.cli("clean", *ran.options, "--stale").stdout
    with exclusive(ran.output / "results"):
        refused = ran.cli("clean", *ran.options, "--stale", "--yes", code=2).stderr
        assert refused.startswith("error: another run is writing to")
        assert "1 items" in ran.cli("clean", *ran.options, "--stale").stdout, "looking needs no lock"
    assert "1 items" in ran.cli("clean", *ran.options, "--stale", "--yes").stdout
