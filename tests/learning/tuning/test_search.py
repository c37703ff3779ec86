"""Tuning: what a search sees, and what it does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from benchmark.cells.compute import compute
from benchmark.data.preparation import load_cohort
from benchmark.learning.tuning.search import FULL_TRIALS, WARM_UP_EPOCHS, method_of
from benchmark.registry.discovery import discover
from benchmark.system.errors import BenchmarkError
from tests.learning.tuning.conftest import METHODS, CellOf, chosen_of, trials
from tests.made_benchmark import MadeBenchmark

# What a search sees


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["grid", "tpe", "random"])
def test_a_search_is_given_no_test_case_and_the_test_part_comes_last_and_blind(
    cell_of: CellOf, seen: list[Any], sampler: str
) -> None:
    made = cell_of(f"gridded[tuned={sampler}-4]")
    assert compute(made).outcome == "ok"
    ids = load_cohort("made", discover(made.row.plugins)).case_ids
    train, validation, test = (set(ids[getattr(made.split, part)]) for part in ("train", "validation", "test"))
    *searching, (kind, last) = seen
    assert kind == "predict" and set(last.case_ids) == test and last.labels is None
    given = [view for _, *views in searching for view in views if hasattr(view, "case_ids")]
    assert len(given) >= 2 + 1 + 2
    assert not any(test & set(view.case_ids) for view in given)
    fits = [(set(a.case_ids), set(b.case_ids)) for kind, a, b, _ in (note for note in searching if note[0] == "fit")]
    for learning, stopping in fits[:-1]:
        assert learning | stopping == train and not learning & stopping
        assert len(stopping) == pytest.approx(0.2 * len(train), abs=1)
    assert fits[-1] == (train, validation)
    scored = [view for kind, view in (note for note in searching if note[0] == "predict")]
    assert all(set(view.case_ids) == validation and view.labels is None and view.groups is None for view in scored)


@pytest.mark.slow
def test_other_test_labels_change_neither_the_values_chosen_nor_any_prediction(
    cell_of: CellOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cell_of("weighing[tuned=tpe-12]")
    whole = load_cohort("made", discover(made.row.plugins))

    def computed_with_turned(part: str) -> tuple[Any, ...]:
        labels = np.array(whole.labels)
        rows = getattr(made.split, part)
        labels[rows] = 1 - labels[rows]
        monkeypatch.setattr("benchmark.cells.compute._cohort", lambda folder, plugins: replace(whole, labels=labels))
        monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / part))
        told = compute(made)
        return told.outcome, told.chosen, told.probabilities, told.threshold, told.history

    told = compute(made)
    undisturbed = ("ok", told.chosen, told.probabilities, told.threshold, told.history)
    assert computed_with_turned("test") == undisturbed
    assert computed_with_turned("validation") != undisturbed
    assert computed_with_turned("train") == undisturbed, "this method learns nothing of its training labels"


def test_trials_of_grouped_cases_part_no_patient(methods: Path, made: MadeBenchmark, seen: list[Any]) -> None:
    catalogue = discover([str(made.plugin), str(methods)])
    cohort = load_cohort("made", catalogue)
    grouped = replace(cohort, groups=np.array([f"patient-{i // 2}" for i in range(len(cohort))]))
    tuned = method_of(catalogue.method("gridded[tuned=grid-2]"))
    tuned.fit(grouped.take(np.arange(40)), grouped.take(np.arange(40, 60)), 1)
    for kind, *views in seen:
        if kind == "fit":
            assert not set(views[0].groups) & set(views[1].groups)


# What a search does


def test_the_chosen_values_are_those_of_the_best_trial_and_the_refit_uses_them(cell_of: CellOf, seen: list[Any]) -> None:
    made = cell_of("weighing[tuned=random-15]")
    chosen = chosen_of(made)
    best = max(trials(made), key=lambda trial: trial.value)
    assert chosen == {
        "values": best.params,
        "inner_auc": best.value,
        "trials": {"complete": 15, "pruned": 0, "failed": 0},
    }
    refit = [note[3] for note in seen if note[0] == "fit"][-1]
    assert refit == (best.params["share"], best.params["noise"], best.params["hidden"])


def test_the_inner_auc_is_scikit_learns_on_the_validation_part(cell_of: CellOf) -> None:
    from sklearn.metrics import roc_auc_score

    made = cell_of("gridded[noise=0.0,tuned=grid-9]")
    compute(made)
    cohort = load_cohort("made", discover(made.row.plugins)).take(made.split.validation)
    x = np.nan_to_num(cohort.table["age"].to_numpy() - 70)
    aucs = {share: roc_auc_score(cohort.labels, x * (1 - 2 * share)) for share in (0.0, 0.5, 1.0)}
    assert {trial.params["share"]: trial.value for trial in trials(made)} == pytest.approx(aucs)


def test_a_grid_no_larger_than_the_budget_is_tried_whole_and_once(cell_of: CellOf) -> None:
    made = cell_of("gridded[tuned=grid-50]")
    assert chosen_of(made)["trials"]["complete"] == 6
    tried = [(trial.params["share"], trial.params["hidden"]) for trial in trials(made)]
    assert sorted(tried) == sorted(itertools.product([0.0, 0.5, 1.0], ["8:4", "4:2"]))


def test_a_larger_grid_is_sampled_without_repeating_a_point(cell_of: CellOf) -> None:
    made = cell_of("gridded[tuned=grid-4]")
    compute(made)
    tried = {(trial.params["share"], trial.params["hidden"]) for trial in trials(made)}
    assert len(tried) == 4


def test_a_range_has_no_grid(methods: Path) -> None:
    with pytest.raises(BenchmarkError, match="'noise' of weighing's search_space.. is a range"):
        method_of(discover([str(methods)]).method("weighing[tuned=grid-4]"))


def test_values_that_were_tried_before_are_not_fitted_again(cell_of: CellOf, seen: list[Any]) -> None:
    made = cell_of("gridded[tuned=random-30]")
    assert chosen_of(made)["trials"]["complete"] == 30
    fits = [note[3] for note in seen if note[0] == "fit"]
    assert len(fits) <= 6 + 1
    assert len(set(fits[:-1])) == len(fits) - 1


def test_parameters_of_an_estimator_are_searched_beside_fields(cell_of: CellOf, seen: list[Any]) -> None:
    chosen = chosen_of(cell_of("rooted[tuned=grid-9]"))
    assert set(chosen["values"]) == {"estimator.max_depth", "smote"}
    plain = [note for note in seen if note[0] == "depth" and note[2] == 0]
    assert {depth for _, depth, _ in plain} == {1, 2}


def test_a_failing_trial_counts_with_its_reason_and_stops_no_other(cell_of: CellOf) -> None:
    made = cell_of("stumbling[tuned=grid-4]")
    chosen = chosen_of(made)
    assert chosen["values"] == {"how": "none"}
    assert chosen["trials"] == {"complete": 1, "pruned": 0, "failed": 3}
    errors = {trial.params["how"]: trial.user_attrs.get("error", "") for trial in trials(made)}
    assert errors["raises"] == "ValueError: a deliberate failure"
    assert errors["quits"] == "SystemExit: 3"
    assert "NaN" in errors["nan"]


def test_where_every_trial_fails_the_cell_fails_and_says_why(cell_of: CellOf, methods: Path) -> None:
    methods.write_text(METHODS.replace('["none", "raises", "quits", "nan"]', '["raises"]'))
    record = compute(cell_of("stumbling[tuned=tpe-3]"))
    assert record.outcome == "failed"
    assert "none of 3 trials gave a score: ValueError: a deliberate failure" in record.reason


def test_trials_below_the_median_are_pruned_after_the_warm_up(cell_of: CellOf, seen: list[Any]) -> None:
    made = cell_of("epochal[tuned=grid-10]")
    record = compute(made)
    assert record.chosen["trials"]["pruned"] > 0
    full = [trial for trial in trials(made) if trial.state is TrialState.COMPLETE]
    for trial in trials(made):
        assert (trial.number >= FULL_TRIALS) or trial.state is TrialState.COMPLETE
        if trial.state is TrialState.PRUNED:
            assert max(trial.intermediate_values) == WARM_UP_EPOCHS
            others = [other.params["level"] for other in full if other.number < trial.number]
            assert trial.params["level"] < np.median(others)
    assert record.history == {"epoch": list(range(30))}
    assert (record.threshold, record.chosen["refit"]) == (0.25, {"best_epoch": 7})
    assert [note[3] for note in seen if note[0] == "epoch"][-30:] == [False] * 30, "the refit reports to nobody"


def test_after_the_time_given_no_further_trial_begins(cell_of: CellOf, methods: Path) -> None:
    methods.write_text(METHODS.replace('SEEN.append(("fit",', "import time; time.sleep(0.4)\n        SEEN.append((" + '"fit",'))
    made = cell_of("weighing[tuned=random-99-1s]")
    complete = chosen_of(made)["trials"]["complete"]
    *before, last = [trial.duration.total_seconds() for trial in trials(made) if trial.duration is not None]
    assert complete == len(before) + 1 <= 3
    assert sum(before) < 1 <= sum(before) + last


def test_equal_jobs_give_equal_records_and_another_seed_another_search(cell_of: CellOf, tmp_path: Path) -> None:
    made = cell_of("weighing[tuned=tpe-14]")
    first = compute(made)
    again = compute(replace(made, stored=first))
    assert (again.chosen, again.probabilities) == (first.chosen, first.probabilities)
    other = replace(made, training_seed=made.training_seed + 1, key="other")
    assert compute(other).chosen["values"] != first.chosen["values"]


def test_a_space_that_was_edited_during_the_run_is_not_searched(cell_of: CellOf, methods: Path) -> None:
    made = cell_of("weighing[tuned=random-3]")
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    record = compute(made)
    assert record.outcome == "failed"
    assert "edited during the run" in record.reason


# Stages


def test_trials_and_the_final_fit_build_on_stages_of_the_values_tried_each_built_once(cell_of: CellOf, seen: list[Any]) -> None:
    record = compute(cell_of("staged[tuned=grid-4]"))
    assert record.outcome == "ok", record.reason
    fits = [note[1:] for note in seen if note[0] == "staged fit"]
    assert len(fits) == 4 + 1
    assert all(of_stage == own for of_stage, own, _ in fits)
    assert {own for _, own, _ in fits[:-1]} == {1, 2}
    *of_trials, of_fit = [note for note in seen if note[0] == "stage"]
    assert sorted(depth for _, _, depth in of_trials) == [1, 2]
    assert len(of_fit[1]) > len(of_trials[0][1])
    assert of_fit[2] == record.chosen["values"]["depth"]
