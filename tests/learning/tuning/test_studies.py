"""Tuning: studies on disk, interrupted and shared."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.cells.compute import compute
from benchmark.cells.studies import end_interrupted, journal_path, open_study, study_name, trials_of
from benchmark.data.preparation import load_cohort
from benchmark.learning.tuning.search import method_of
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from tests.conftest import Run
from tests.learning.tuning.conftest import METHODS, CellOf, states, trials

# Studies on disk


@pytest.mark.slow
def test_an_interrupted_search_goes_on_and_ends_as_an_undisturbed_one(
    cell_of: CellOf, seen: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for sampler in ("grid", "tpe", "random"):
        method = "gridded" if sampler == "grid" else "weighing"
        made = cell_of(f"{method}[tuned={sampler}-13]")
        monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / f"undisturbed-{sampler}"))
        undisturbed = compute(made)
        whole = [(trial.params, trial.value) for trial in trials(made)]
        monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / f"disturbed-{sampler}"))
        seen.clear()
        with monkeypatch.context() as patch:
            patch.setitem(sys.__dict__, "seen_in_tuning", Bomb(4))
            with pytest.raises(KeyboardInterrupt):
                compute(made)
        assert states(made).count("RUNNING") == 1
        resumed = compute(made)
        assert states(made).count("RUNNING") == 0
        assert states(made).count("FAIL") == 1
        assert [(trial.params, trial.value) for trial in trials(made)] == whole
        assert (resumed.chosen, resumed.probabilities) == (undisturbed.chosen, undisturbed.probabilities)


class Bomb(list):
    """Interrupts the fit after so many."""

    def __init__(self, fits: int) -> None:
        self.left = fits

    def append(self, note: Any) -> None:
        self.left -= note[0] == "fit"
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_finished_search_is_not_repeated_for_a_refit_that_failed(cell_of: CellOf, seen: list[Any]) -> None:
    made = cell_of("weighing[tuned=random-6]")
    first = compute(made)
    seen.clear()
    compute(made)
    assert len([note for note in seen if note[0] == "fit"]) == 1
    seen.clear()
    compute(replace(made, stored=first))
    assert len([note for note in seen if note[0] == "fit"]) == 7


def test_another_space_searches_in_a_study_of_its_own_and_leaves_no_trial_running(
    cell_of: CellOf, methods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cell_of("weighing[tuned=random-6]")
    with monkeypatch.context() as patch:
        patch.setitem(sys.__dict__, "seen_in_tuning", Bomb(2))
        with pytest.raises(KeyboardInterrupt):
            compute(before)
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    after = cell_of("weighing[tuned=random-6]")
    assert study_name(before.address, before.key) != study_name(after.address, after.key)
    compute(after)
    assert len(trials(after)) == 6 and len(trials(before)) == 2
    assert "RUNNING" not in states(after)


def test_running_trials_of_a_row_are_ended_when_no_worker_is_left(cell_of: CellOf) -> None:
    made = cell_of("weighing[tuned=random-6]")
    open_study(made.address, made.key).ask()
    assert states(made) == ["RUNNING"]
    end_interrupted([(made.address.dataset, made.address.protocol, made.address.method), ("no", "such", "row")])
    assert states(made) == ["FAIL"]
    assert trials(made) == []


def test_a_process_whose_search_was_taken_over_stops(cell_of: CellOf, methods: Path) -> None:
    made = cell_of("weighing[tuned=random-6]")
    catalogue = discover(made.row.plugins)
    cohort = load_cohort("made", catalogue)
    tuned = method_of(catalogue.method("weighing[tuned=random-6]"))
    study = open_study(made.address, made.key)
    tuned.open_study = lambda: study

    def overtaken(*_: Any) -> None:
        open_study(made.address, made.key)

    study.tell = overtaken
    with pytest.raises(BenchmarkError, match="another process took this search over"):
        tuned.fit(cohort.take(made.split.train), cohort.take(made.split.validation), 1)


def test_a_line_that_a_killed_writer_left_unfinished_is_cut_off(cell_of: CellOf) -> None:
    made = cell_of("weighing[tuned=random-3]")
    first = compute(made)
    path = journal_path(made.address.dataset, made.address.protocol, made.address.method)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":5,"worker_id":"' + b"x" * 9000)
    assert compute(made).probabilities == first.probabilities
    assert path.read_bytes().startswith(whole)
    assert len(trials(made)) == 3


@pytest.mark.parametrize("damage", [(b'"values":[0.', b'"values":[9.'), (b'"op_code":', b'"op_code"?')])
def test_a_journal_with_a_changed_record_is_set_aside_and_searched_anew(cell_of: CellOf, damage: tuple[bytes, bytes]) -> None:
    made = cell_of("weighing[tuned=random-3]")
    first = compute(made)
    path = journal_path(made.address.dataset, made.address.protocol, made.address.method)
    changed = path.read_bytes().replace(*damage, 1)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    assert trials_of(made.address, made.key) == []
    assert path.with_name(f"{path.name}.torn").read_bytes() == changed
    assert compute(made).probabilities == first.probabilities
    assert len(trials(made)) == 3


WRITER = """
import sys
from benchmark.cells.store import CellAddress
from benchmark.cells.studies import open_study
study = open_study(CellAddress("d", "p", "m", sys.argv[1]), "key")
for number in range(25):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for epoch in range(10):
        trial.report(0.5, epoch)
    study.tell(trial, number)
"""


@pytest.mark.slow
def test_several_processes_write_one_journal_at_once(python: Run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from benchmark.cells.store import CellAddress

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda name: python(f"import sys; sys.argv = ['', '{name}']\n{WRITER}"), "abcd"))
    assert [finished.returncode for finished in done] == [0] * 4, done[0].stderr
    assert not any("lock" in finished.stderr.lower() for finished in done)
    for name in "abcd":
        written = trials_of(CellAddress("d", "p", "m", name), "key")
        assert [trial.value for trial in written] == list(range(25))
        assert all(len(trial.intermediate_values) == 10 for trial in written)
