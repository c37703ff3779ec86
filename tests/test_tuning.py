"""Tuning: what a space may say, what a search sees and does, and what its cell depends on."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from benchmark.discovery import discover
from benchmark.errors import BenchmarkError
from benchmark.loading import load_cohort
from benchmark.planning import Cell, plan, why_not_fresh
from benchmark.provenance import code_digest
from benchmark.registry import forget
from benchmark.spelling import parse_spelling, spell
from benchmark.store import Store
from benchmark.suite import Limits, Suite, canonical, load_suite, validated
from benchmark.tuning.budget import Budget, read_budget
from benchmark.tuning.journal import end_interrupted, journal_path, open_study, study_name, trials_of
from benchmark.tuning.search import FULL_TRIALS, WARM_UP_EPOCHS, Tuned
from benchmark.tuning.space import Range, grid_size, read_space
from benchmark.worker import Job, compute, job
from tests.conftest import Run

METHODS = '''
import sys
from dataclasses import dataclass

import numpy as np

from benchmark import register_method
from benchmark.method import EstimatorMethod

SEEN = sys.__dict__.setdefault("seen_in_tuning", [])  # outlives the module, which each trial imports anew


def age(cases):
    return np.nan_to_num(cases.table["age"].to_numpy(dtype=float) - 70)


@register_method("weighing", family="f", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table"})
@dataclass
class Weighing:
    """The label falls with age: the more of it is negated, the better; the seed adds noise."""

    share: float = 0.5
    noise: float = 0.5
    hidden: str = "8:4"

    def search_space(self):
        noise = {"low": 0.1, "high": 10.0, "log": True}
        return {"share": [0.0, 0.25, 0.5, 0.75, 1.0], "noise": noise, "hidden": ["8:4", "4:2"]}

    def fit(self, train, validation, seed):
        SEEN.append(("fit", train, validation, (self.share, self.noise, self.hidden)))
        self.rng = np.random.default_rng(seed)

    def predict_proba(self, cases):
        SEEN.append(("predict", cases))
        x = age(cases) * (1 - 2 * self.share)
        return 1 / (1 + np.exp(-np.clip(x + self.noise * self.rng.normal(size=len(cases)), -30, 30)))


@register_method("gridded", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Gridded(Weighing):
    """Inherits all but its space."""

    def search_space(self):
        return {"share": [0.0, 0.5, 1.0], "hidden": ["8:4", "4:2"]}


@register_method("heir", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Heir(Gridded):
    """Inherits its space as well."""


@register_method("rooted", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Rooted(EstimatorMethod):
    """A forest whose parameters are no fields."""

    def search_space(self):
        return {"estimator.max_depth": [1, 2], "smote": [0, 1]}

    def estimator(self, seed):
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(5, random_state=seed)

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        SEEN.append(("depth", getattr(self._fitted, "max_depth", None), self.smote))


@register_method("stumbling", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Stumbling(Weighing):
    """Fails for some values."""

    how: str = "none"

    def search_space(self):
        return {"how": ["none", "raises", "quits", "nan"]}

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        if self.how == "raises":
            raise ValueError("a deliberate failure")
        if self.how == "quits":
            raise SystemExit(3)

    def predict_proba(self, cases):
        return super().predict_proba(cases) * (np.nan if self.how == "nan" else 1)


@register_method("epochal", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Epochal(Weighing):
    """Trains in 30 epochs, each as good as its `level`."""

    level: float = 0.5
    on_epoch = None

    def search_space(self):
        return {"level": [0.9, 0.8, 0.7, 0.6, 0.55, 0.52, 0.51, 0.3, 0.2, 0.1]}

    def fit(self, train, validation, seed):
        super().fit(train, validation, seed)
        self.history = {"epoch": []}
        self.threshold = 0.25
        self.chosen = {"best_epoch": 7}
        for epoch in range(30):
            if self.on_epoch is not None:
                self.on_epoch(epoch, self.level)
            self.history["epoch"].append(epoch)
            SEEN.append(("epoch", self.level, epoch, self.on_epoch is not None))


@register_method("spaceless", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Spaceless:
    share: float = 0.5

    def fit(self, train, validation, seed):
        pass

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
'''
CellOf = Callable[..., Cell]


@pytest.fixture
def methods(tmp_path: Path) -> Path:
    path = tmp_path / "tunable.py"
    path.write_text(METHODS)
    return path


@pytest.fixture
def seen() -> Iterator[list[Any]]:
    """What the methods noted, in order."""
    kept = sys.__dict__.setdefault("seen_in_tuning", [])
    kept.clear()
    yield kept
    kept.clear()


@pytest.fixture
def cell_of(tiny_plugin: Path, methods: Path) -> CellOf:
    """`cell_of(method)` -> its first cell, planned anew from the files as they are."""

    def make(method: str) -> Cell:
        catalogue = discover([str(tiny_plugin), str(methods)])
        forget(methods)
        suite = Suite("s", "t", ("tiny",), ("repeated-cv",), (canonical("method", method, catalogue),))
        return plan(suite, catalogue, {"tiny": load_cohort("tiny", catalogue)}, Store()).cells[0]

    return make


@pytest.fixture
def job_of(cell_of: CellOf, tiny_plugin: Path, methods: Path) -> Callable[..., Job]:
    """`job_of(method)` -> the job of its first cell."""
    return lambda method: job(cell_of(method), (str(tiny_plugin), str(methods)))


@pytest.fixture
def space_of(methods: Path) -> Callable[..., dict[str, Any]]:
    """`space_of("{...}")` -> the space of a method whose `search_space()` returns that expression."""

    def read(expression: str, name: str = "gridded", **fixed: Any) -> dict[str, Any]:
        path = methods.with_name(f"other{abs(hash(expression))}.py")
        old = '{"share": [0.0, 0.5, 1.0], "hidden": ["8:4", "4:2"]}'
        assert old in METHODS
        path.write_text(METHODS.replace(old, expression))
        return read_space(discover([str(path)]).methods.get(name), fixed)

    return read


# Spelling and budget


def test_a_tuned_row_of_the_default_budget_is_spelled_without_it(methods: Path) -> None:
    catalogue = discover([str(methods)])
    spelled = {
        "weighing[tuned]": "weighing[tuned]",
        "weighing[tuned=tpe-20]": "weighing[tuned]",
        "weighing[tuned, share=0.25]": "weighing[share=0.25,tuned]",
        "weighing[tuned,share=0.5]": "weighing[share=0.5,tuned]",
        "weighing[tuned=random-020]": "weighing[tuned=random-20]",
        "weighing[tuned=grid-7-60s]": "weighing[tuned=grid-7-60s]",
        "heir[tuned=grid-7]": "heir[tuned=grid-7]",
    }
    assert {given: canonical("method", given, catalogue) for given in spelled} == spelled
    for name in spelled.values():
        assert spell(*parse_spelling(name)) == name


@pytest.mark.parametrize("wrong", ["tpe", "tpe-0", "20", "tpe-20-0s", "tpe-20-5", "bayes-20", "true", "tpe-20-600s-", "-5"])
def test_a_budget_that_is_none_is_met_with_how_to_write_one(methods: Path, wrong: str) -> None:
    with pytest.raises(BenchmarkError, match="tuned=grid-50|give 1 or more"):
        canonical("method", f"weighing[tuned={wrong}]", discover([str(methods)]))


def test_a_budget_is_read_as_it_is_spelled() -> None:
    assert read_budget("tpe-20") == Budget("tpe", 20)
    assert read_budget("grid-50-600s") == Budget("grid", 50, 600)
    assert str(Budget("grid", 50, 600)) == "grid-50-600s"


def test_a_method_without_a_space_cannot_be_tuned(methods: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"spaceless has no search_space\(\)"):
        canonical("method", "spaceless[tuned]", discover([str(methods)]))


def test_tuned_rows_of_a_suite_have_equal_budgets(tiny_suite: Path, tiny_plugin: Path, methods: Path) -> None:
    catalogue = discover([str(tiny_plugin), str(methods)])
    old = '"tiny-noisy"'
    text = tiny_suite.read_text()
    tiny_suite.write_text(text.replace(old, '"weighing[tuned=tpe-9]", "gridded[tuned=random-9]"'))
    assert "gridded[tuned=random-9]" in validated(load_suite(str(tiny_suite)), catalogue).ranked
    tiny_suite.write_text(text.replace(old, old + ', "weighing[tuned=tpe-9]"').replace('["tiny-text"]', '["gridded[tuned]"]'))
    with pytest.raises(BenchmarkError, match=r"weighing\[tuned=tpe-9\] .*gridded\[tuned\] .*different budgets"):
        validated(load_suite(str(tiny_suite)), catalogue)
    tiny_suite.write_text(text.replace(old, '"weighing[tuned=tpe-9]", "gridded[tuned=tpe-9-60s]"'))
    with pytest.raises(BenchmarkError, match="different budgets"):
        validated(load_suite(str(tiny_suite)), catalogue)


# Spaces


def test_a_space_holds_lists_and_ranges_by_field_name(methods: Path) -> None:
    entry = discover([str(methods)]).methods.get("weighing")
    assert read_space(entry, {}) == {
        "hidden": ("8:4", "4:2"),
        "noise": Range(0.1, 10.0, log=True),
        "share": (0.0, 0.25, 0.5, 0.75, 1.0),
    }


def test_a_given_value_is_not_searched(methods: Path) -> None:
    entry = discover([str(methods)]).methods.get("weighing")
    assert set(read_space(entry, {"share": 0.25})) == {"hidden", "noise"}
    with pytest.raises(BenchmarkError, match="nothing of weighing is left to search"):
        read_space(entry, {"share": 0.25, "noise": 1.0, "hidden": "4:2"})


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ('{"shar": [1.0]}', "'shar': did you mean 'share'"),
        ('{"shares": {"low": 0, "high": 1}}', "'shares': did you mean 'share'"),
        ('{"share": 0.5}', "give a list of values, or low and high"),
        ('{"share": "0.5"}', "give a list of values, or low and high"),
        ('{"share": []}', "give a list of values, or low and high"),
        ('{"share": [0.5, {1}]}', "holds {1}"),
        ('{"share": [0.5, float("nan")]}', "holds nan"),
        ('{"share": [0.5, 0.5]}', "names a value twice"),
        ('{"share": {"low": 1, "high": 0}}', "low must lie below high"),
        ('{"share": {"low": 0, "high": 1, "log": True}}', "above 0 where log is True"),
        ('{"share": {"low": 0}}', "low and high are numbers"),
        ('{"share": {"low": 0, "high": 1, "lgo": True}}', "'lgo': did you mean 'low' or 'log'"),
        ('["share"]', "must return field -> values"),
        ("{}", "nothing of gridded is left to search"),
        ('{"estimator.C": [1.0]}', "gridded is no EstimatorMethod"),
    ],
)
def test_what_is_wrong_in_a_space_is_named_with_its_mend(space_of: Callable[..., Any], space: str, said: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        space_of(space)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_space_may_not_choose_which_data_is_seen(tiny_plugin: Path) -> None:
    space = 'def search_space(self):\n        return {"features": ["table", "image"]}'
    old = "    width: int = 8\n"
    tiny_plugin.write_text(tiny_plugin.read_text().replace(old, f"{old}\n    {space}\n"))
    with pytest.raises(BenchmarkError, match="decides which data the method sees"):
        read_space(discover([str(tiny_plugin)]).methods.get("tiny-variants"), {})


def test_an_unknown_parameter_of_an_estimator_is_met_with_the_nearest(methods: Path) -> None:
    methods.write_text(METHODS.replace("estimator.max_depth", "estimator.max_dept"))
    with pytest.raises(BenchmarkError, match=r"did you mean 'estimator.max_depth'"):
        read_space(discover([str(methods)]).methods.get("rooted"), {})


@pytest.mark.parametrize("method", [entry.name for entry in discover().methods if entry.has_search_space])
def test_every_shipped_space_is_sound_and_has_a_grid(method: str) -> None:
    entry = discover().methods.get(method)
    space = read_space(entry, {})
    assert not [name for name, domain in space.items() if isinstance(domain, Range)]
    for name, values in space.items():
        for value in values if not name.startswith("estimator.") else ():
            entry.configure({name: value})


# What a search sees


@pytest.mark.parametrize("sampler", ["grid", "tpe", "random"])
def test_a_search_is_given_no_test_case_and_the_test_part_comes_last_and_blind(
    job_of: Callable[..., Job], seen: list[Any], sampler: str
) -> None:
    made = job_of(f"gridded[tuned={sampler}-4]")
    assert compute(made).outcome == "ok"
    ids = load_cohort("tiny", discover(made.plugins)).case_ids
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


def test_other_test_labels_change_neither_the_values_chosen_nor_any_prediction(
    job_of: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job_of("weighing[tuned=tpe-12]")
    whole = load_cohort("tiny", discover(made.plugins))

    def computed_with_turned(part: str) -> tuple[Any, ...]:
        labels = np.array(whole.labels)
        rows = getattr(made.split, part)
        labels[rows] = 1 - labels[rows]
        monkeypatch.setattr("benchmark.worker._cohort", lambda folder, plugins: replace(whole, labels=labels))
        monkeypatch.setenv("STROKEBENCH_OUTPUT", str(tmp_path / part))
        told = compute(made)
        return told.outcome, told.chosen, told.probabilities, told.threshold, told.history

    told = compute(made)
    undisturbed = ("ok", told.chosen, told.probabilities, told.threshold, told.history)
    assert computed_with_turned("test") == undisturbed
    assert computed_with_turned("validation") != undisturbed
    assert computed_with_turned("train") == undisturbed, "this method learns nothing of its training labels"


def test_trials_of_grouped_cases_part_no_patient(methods: Path, tiny_plugin: Path, seen: list[Any]) -> None:
    catalogue = discover([str(tiny_plugin), str(methods)])
    cohort = load_cohort("tiny", catalogue)
    grouped = replace(cohort, groups=np.array([f"patient-{i // 2}" for i in range(len(cohort))]))
    tuned = Tuned(catalogue.methods.get("gridded"), {"tuned": "grid-2"})
    tuned.fit(grouped.take(np.arange(40)), grouped.take(np.arange(40, 60)), 1)
    for kind, *views in seen:
        if kind == "fit":
            assert not set(views[0].groups) & set(views[1].groups)


# What a search does


def chosen_of(made: Job) -> dict[str, Any]:
    record = compute(made)
    assert record.outcome == "ok", record.reason
    return record.chosen


def trials(made: Job) -> list[optuna.trial.FrozenTrial]:
    return trials_of(made.address, made.key)


def test_the_chosen_values_are_those_of_the_best_trial_and_the_refit_uses_them(
    job_of: Callable[..., Job], seen: list[Any]
) -> None:
    made = job_of("weighing[tuned=random-15]")
    chosen = chosen_of(made)
    best = max(trials(made), key=lambda trial: trial.value)
    assert chosen == {
        "values": best.params,
        "inner_auc": best.value,
        "trials": {"complete": 15, "pruned": 0, "failed": 0},
    }
    refit = [note[3] for note in seen if note[0] == "fit"][-1]
    assert refit == (best.params["share"], best.params["noise"], best.params["hidden"])


def test_the_inner_auc_is_scikit_learns_on_the_validation_part(job_of: Callable[..., Job], tiny_plugin: Path) -> None:
    from sklearn.metrics import roc_auc_score

    made = job_of("gridded[noise=0.0,tuned=grid-9]")
    compute(made)
    cohort = load_cohort("tiny", discover(made.plugins)).take(made.split.validation)
    x = np.nan_to_num(cohort.table["age"].to_numpy() - 70)
    aucs = {share: roc_auc_score(cohort.labels, x * (1 - 2 * share)) for share in (0.0, 0.5, 1.0)}
    assert {trial.params["share"]: trial.value for trial in trials(made)} == pytest.approx(aucs)


def test_a_grid_no_larger_than_the_budget_is_tried_whole_and_once(job_of: Callable[..., Job]) -> None:
    made = job_of("gridded[tuned=grid-50]")
    assert chosen_of(made)["trials"]["complete"] == 6
    tried = [(trial.params["share"], trial.params["hidden"]) for trial in trials(made)]
    assert sorted(tried) == sorted(itertools.product([0.0, 0.5, 1.0], ["8:4", "4:2"]))


def test_a_larger_grid_is_sampled_without_repeating_a_point(job_of: Callable[..., Job]) -> None:
    made = job_of("gridded[tuned=grid-4]")
    compute(made)
    tried = {(trial.params["share"], trial.params["hidden"]) for trial in trials(made)}
    assert len(tried) == 4


def test_a_range_has_no_grid(methods: Path) -> None:
    with pytest.raises(BenchmarkError, match="'noise' of weighing's search_space.. is a range"):
        discover([str(methods)]).methods.get("weighing").configure({"tuned": "grid-4"})


def test_values_that_were_tried_before_are_not_fitted_again(job_of: Callable[..., Job], seen: list[Any]) -> None:
    made = job_of("gridded[tuned=random-30]")
    assert chosen_of(made)["trials"]["complete"] == 30
    fits = [note[3] for note in seen if note[0] == "fit"]
    assert len(fits) <= 6 + 1
    assert len(set(fits[:-1])) == len(fits) - 1


def test_parameters_of_an_estimator_are_searched_beside_fields(job_of: Callable[..., Job], seen: list[Any]) -> None:
    chosen = chosen_of(job_of("rooted[tuned=grid-9]"))
    assert set(chosen["values"]) == {"estimator.max_depth", "smote"}
    plain = [note for note in seen if note[0] == "depth" and note[2] == 0]
    assert {depth for _, depth, _ in plain} == {1, 2}


def test_a_failing_trial_counts_with_its_reason_and_stops_no_other(job_of: Callable[..., Job]) -> None:
    made = job_of("stumbling[tuned=grid-4]")
    chosen = chosen_of(made)
    assert chosen["values"] == {"how": "none"}
    assert chosen["trials"] == {"complete": 1, "pruned": 0, "failed": 3}
    errors = {trial.params["how"]: trial.user_attrs.get("error", "") for trial in trials(made)}
    assert errors["raises"] == "ValueError: a deliberate failure"
    assert errors["quits"] == "SystemExit: 3"
    assert "NaN" in errors["nan"]


def test_where_every_trial_fails_the_cell_fails_and_says_why(job_of: Callable[..., Job], methods: Path) -> None:
    methods.write_text(METHODS.replace('["none", "raises", "quits", "nan"]', '["raises"]'))
    record = compute(job_of("stumbling[tuned=tpe-3]"))
    assert record.outcome == "failed"
    assert "none of 3 trials gave a score: ValueError: a deliberate failure" in record.reason


def test_trials_below_the_median_are_pruned_after_the_warm_up(job_of: Callable[..., Job], seen: list[Any]) -> None:
    made = job_of("epochal[tuned=grid-10]")
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


def test_after_the_time_given_no_further_trial_begins(job_of: Callable[..., Job], methods: Path) -> None:
    methods.write_text(METHODS.replace('SEEN.append(("fit",', "import time; time.sleep(0.4)\n        SEEN.append((" + '"fit",'))
    started = time.monotonic()
    made = job_of("weighing[tuned=random-99-1s]")
    assert chosen_of(made)["trials"]["complete"] == 3
    assert time.monotonic() - started < 10


def test_equal_jobs_give_equal_records_and_another_seed_another_search(job_of: Callable[..., Job], tmp_path: Path) -> None:
    made = job_of("weighing[tuned=tpe-14]")
    first = compute(made)
    again = compute(replace(made, anew=True))
    assert (again.chosen, again.probabilities) == (first.chosen, first.probabilities)
    other = replace(made, training_seed=made.training_seed + 1, key="other")
    assert compute(other).chosen["values"] != first.chosen["values"]


def test_a_space_that_was_edited_during_the_run_is_not_searched(job_of: Callable[..., Job], methods: Path) -> None:
    made = job_of("weighing[tuned=random-3]")
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    record = compute(made)
    assert record.outcome == "failed"
    assert "edited during the run" in record.reason


# Studies on disk


def test_an_interrupted_search_goes_on_and_ends_as_an_undisturbed_one(
    job_of: Callable[..., Job], seen: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for sampler in ("grid", "tpe", "random"):
        method = "gridded" if sampler == "grid" else "weighing"
        made = job_of(f"{method}[tuned={sampler}-13]")
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


def states(made: Job) -> list[str]:
    """How all trials of the row's journal stand."""
    path = journal_path(made.address.dataset, made.address.protocol, made.address.method)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return [trial.state.name for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]


def test_a_finished_search_is_not_repeated_for_a_refit_that_failed(job_of: Callable[..., Job], seen: list[Any]) -> None:
    made = job_of("weighing[tuned=random-6]")
    compute(made)
    seen.clear()
    compute(made)
    assert len([note for note in seen if note[0] == "fit"]) == 1
    seen.clear()
    compute(replace(made, anew=True))
    assert len([note for note in seen if note[0] == "fit"]) == 7


def test_another_space_searches_in_a_study_of_its_own_and_leaves_no_trial_running(
    job_of: Callable[..., Job], methods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = job_of("weighing[tuned=random-6]")
    with monkeypatch.context() as patch:
        patch.setitem(sys.__dict__, "seen_in_tuning", Bomb(2))
        with pytest.raises(KeyboardInterrupt):
            compute(before)
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    after = job_of("weighing[tuned=random-6]")
    assert study_name(before.address, before.key) != study_name(after.address, after.key)
    compute(after)
    assert len(trials(after)) == 6 and len(trials(before)) == 2
    assert "RUNNING" not in states(after)


def test_running_trials_of_a_row_are_ended_when_no_worker_is_left(job_of: Callable[..., Job]) -> None:
    made = job_of("weighing[tuned=random-6]")
    open_study(made.address, made.key).ask()
    assert states(made) == ["RUNNING"]
    end_interrupted([(made.address.dataset, made.address.protocol, made.address.method), ("no", "such", "row")])
    assert states(made) == ["FAIL"]
    assert trials(made) == []


def test_a_process_whose_search_was_taken_over_stops(job_of: Callable[..., Job], methods: Path) -> None:
    made = job_of("weighing[tuned=random-6]")
    catalogue = discover(made.plugins)
    cohort = load_cohort("tiny", catalogue)
    tuned = Tuned(catalogue.methods.get("weighing"), {"tuned": "random-6"})
    study = open_study(made.address, made.key)
    tuned.open_study = lambda: study

    def overtaken(*_: Any) -> None:
        open_study(made.address, made.key)

    study.tell = overtaken
    with pytest.raises(BenchmarkError, match="another process took this search over"):
        tuned.fit(cohort.take(made.split.train), cohort.take(made.split.validation), 1)


def test_a_line_that_a_killed_writer_left_unfinished_is_cut_off(job_of: Callable[..., Job]) -> None:
    made = job_of("weighing[tuned=random-3]")
    first = compute(made)
    path = journal_path(made.address.dataset, made.address.protocol, made.address.method)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":5,"worker_id":"' + b"x" * 9000)
    assert compute(made).probabilities == first.probabilities
    assert path.read_bytes().startswith(whole)
    assert len(trials(made)) == 3


WRITER = """
import sys
from benchmark.store import CellAddress
from benchmark.tuning.journal import open_study
study = open_study(CellAddress("d", "p", "m", sys.argv[1]), "key")
for number in range(25):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    for epoch in range(10):
        trial.report(0.5, epoch)
    study.tell(trial, number)
"""


def test_several_processes_write_one_journal_at_once(python: Run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from benchmark.store import CellAddress

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda name: python(f"import sys; sys.argv = ['', '{name}']\n{WRITER}"), "abcd"))
    assert [finished.returncode for finished in done] == [0] * 4, done[0].stderr
    assert not any("lock" in finished.stderr.lower() for finished in done)
    for name in "abcd":
        written = trials_of(CellAddress("d", "p", "m", name), "key")
        assert [trial.value for trial in written] == list(range(25))
        assert all(len(trial.intermediate_values) == 10 for trial in written)


# What a cell depends on


def test_the_key_depends_on_sampler_trials_and_time(cell_of: CellOf) -> None:
    keys = {
        cell_of(f"weighing[tuned={budget}]").key for budget in ("tpe-20", "random-20", "tpe-21", "tpe-20-60s", "tpe-20-61s")
    }
    assert len(keys) == 5
    ingredients = cell_of("weighing[tuned=random-20-60s]").ingredients["tuning"]
    assert (ingredients["sampler"], ingredients["trials"], ingredients["seconds"]) == ("random", 20, 60)
    assert ingredients["libraries"]["optuna"] == optuna.__version__
    assert ingredients["space"]["noise"] == {"low": 0.1, "high": 10.0, "log": True}


def test_an_edit_of_the_space_makes_the_tuned_cells_stale_and_the_plain_ones_not(cell_of: CellOf, methods: Path) -> None:
    plain, tuned = cell_of("weighing"), cell_of("weighing[tuned]")
    record = SimpleNamespace(ingredients=dict(tuned.ingredients), key=tuned.key, outcome="ok")
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    assert cell_of("weighing").key == plain.key
    after = replace(cell_of("weighing[tuned]"), stored=record)
    assert after.key != tuned.key
    assert why_not_fresh(after) and "tuning changed: space" in why_not_fresh(after)[0]


def test_a_plain_row_has_the_key_that_it_had_before_there_was_a_space(cell_of: CellOf, methods: Path) -> None:
    cell = cell_of("weighing")
    assert "tuning" not in cell.ingredients
    before, _, rest = METHODS.partition("    def search_space(self):\n        noise")
    methods.write_text(before + rest[rest.index("    def fit") :])
    assert "0.75" not in methods.read_text()
    assert cell_of("weighing").key == cell.key


def test_a_space_that_the_method_itself_asks_for_is_part_of_its_code(methods: Path) -> None:
    def digest_with(space: str, fit: str) -> str:
        path = methods.with_name("own.py")
        path.write_text(f"class A:\n    def search_space(self):\n        return {space}\n    def fit(self):\n        {fit}\n")
        return code_digest(path)

    assert digest_with("{1}", "pass") == digest_with("{2, 3}", "pass")
    assert digest_with("{1}", "self.search_space()") != digest_with("{2, 3}", "self.search_space()")


def test_a_tuned_row_is_stochastic_and_has_the_time_of_all_its_fits(cell_of: CellOf, methods: Path) -> None:
    methods.write_text(
        METHODS.replace("share: float = 0.5\n    noise", "stochastic = False\n    share: float = 0.5\n    noise")
    )
    plain, tuned = cell_of("weighing").row, cell_of("weighing[tuned=tpe-7]").row
    assert (plain.stochastic, plain.fits) == (False, 1)
    assert (tuned.stochastic, tuned.fits) == (True, 8)


def test_a_cell_of_several_fits_has_so_many_times_the_limit() -> None:
    from benchmark.executors import LocalProcesses

    with LocalProcesses(2, Limits(seconds=0.5, memory_gib=2)) as executor:
        executor.prepare(time.sleep, 0).result()
        plain, tuned = executor.submit(time.sleep, 1.2), executor.submit_for(8, time.sleep, 1.2)
        assert isinstance(plain.exception(), TimeoutError)
        assert tuned.exception() is None


def test_the_methods_of_the_published_comparison_can_be_tuned() -> None:
    tunable = {entry.name for entry in discover().methods if entry.has_search_space}
    assert {"vdafm", "concat", "joint-transformer", "mlp", "xgboost"} <= tunable


def test_the_space_of_vdafm_is_the_papers_grid_under_four_learning_rates() -> None:
    space = read_space(discover().methods.get("vdafm"), {})
    assert space["layers"] == (1, 2, 3)
    assert space["heads"] == (4, 8, 16, 32)
    assert space["hidden"] == ("128:64", "256:128", "512:256", "512:512")
    ends = {name: (min(values), max(values)) for name, values in space.items() if name.startswith(("lambda", "dropout"))}
    assert ends == {"lambda_contrastive": (0, 0.5), "lambda_semantic": (0, 0.1), "dropout": (0.3, 0.7)}
    assert space["learning_rate"] == (1e-4, 2e-4, 5e-4, 1e-3)
    assert grid_size(space, "vdafm") == 4 * 8640
