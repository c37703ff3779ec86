"""One cell in one process: what a method is given, what becomes of what it gives, and what it leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.cells.compute import compute, outcome_of
from benchmark.cells.planning import Cell
from benchmark.cells.store import CellRecord, Store
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.registry.discovery import discover
from benchmark.system.errors import UnknownNameError
from tests.conftest import Run
from tests.made_benchmark import MadeBenchmark

WATCHERS = """
import contextlib
import sys
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

KEPT = []
SEEN = sys.__dict__.setdefault("seen_by_watchers", {})  # outlives the module, which each cell imports anew

@register_method("spy", family="f", reference="r", fit_modalities={"table", "image"}, predict_modalities={"table"})
@dataclass
class Spy:
    def fit(self, train, validation, seed):
        SEEN.update(train=train, validation=validation, seed=seed, global_random=np.random.random())

    def predict_proba(self, cases):
        SEEN["test"] = cases
        return np.full(len(cases), 0.5)

EVERYTHING = {"table", "image", "text"}

@register_method("witness", family="f", reference="r", fit_modalities={"table", "image", "text"},
                 predict_modalities={"table", "image", "text"})
@dataclass
class Witness(Spy):
    pass

@register_method("vandal", family="f", reference="r", fit_modalities={"table", "image", "text"},
                 predict_modalities={"table", "image", "text"})
@dataclass
class Vandal:
    def fit(self, train, validation, seed):
        for cohort in (train, validation, train.pool):
            self.spoil(cohort)

    def predict_proba(self, cases):
        self.spoil(cases)
        return np.full(len(cases), 0.5)

    def spoil(self, cohort):
        arrays = [cohort.case_ids, cohort.labels, cohort.sites, cohort.groups, cohort.rows, *cohort.present.values()]
        arrays += [view.array for view in cohort.images.values()] + [view.rows for view in cohort.images.values()]
        arrays += [view.load() for view in cohort.images.values()] + [cohort.atlas.labels]
        arrays += [getattr(cohort.features("image"), name) for name in ("tokens", "mask", "pooled")]
        for array in arrays:
            with contextlib.suppress(Exception):
                array[:] = array[:1]
        for frame in (cohort.table, cohort.derived):
            for column in list(frame):
                with contextlib.suppress(Exception):
                    frame.loc[:, column] = frame[column].iloc[0]
                with contextlib.suppress(Exception):
                    frame[column].to_numpy()[:] = 0
            frame["more"] = 0
        for mapping in (cohort.facts, cohort.present, cohort.images, cohort.encoders):
            with contextlib.suppress(Exception):
                mapping.clear()

@register_method("hoarding", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Hoarding:
    kept = []

    def fit(self, train, validation, seed):
        self.before = len(self.kept) + len(KEPT)
        self.kept.append(train.labels)
        KEPT.append(train.labels)

    def predict_proba(self, cases):
        return np.full(len(cases), float(self.before > 0))

@register_method("remembering", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Remembering:
    gives: str = "plain"

    def fit(self, train, validation, seed):
        kinds = {"plain": {"C": 0.1}, "numpy": {"C": np.float64(0.1), "depth": np.int64(3)}, "object": {"C": {1, 2}}}
        self.chosen = kinds.get(self.gives, {})
        self.threshold = {"nan": float("nan"), "numpy": np.float32(0.25), "words": "half"}.get(self.gives, 0.25)

    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
"""
CellOf = Callable[..., Cell]


@pytest.fixture
def watchers(tmp_path: Path) -> Path:
    path = tmp_path / "watchers.py"
    path.write_text(WATCHERS)
    return path


@pytest.fixture
def seen(watchers: Path) -> dict[str, Any]:
    """What `spy` and `witness` were given last."""
    return sys.__dict__.setdefault("seen_by_watchers", {})


@pytest.fixture
def cell_of(made: MadeBenchmark, watchers: Path) -> CellOf:
    """`cell_of(method, protocol)` -> its first cell; planning imports every component anew."""
    return partial(made.cell, plugins=[made.broken, watchers])


def cohort(made: Cell) -> Cohort:
    return load_cohort(made.address.dataset, discover(made.row.plugins))


# What a method is given


def test_a_method_is_fitted_on_the_training_part_with_its_labels(cell_of: CellOf, seen: dict[str, Any]) -> None:
    made = cell_of("spy")
    compute(made)
    whole = cohort(made)
    for part in ("train", "validation"):
        rows = getattr(made.split, part)
        assert seen[part].case_ids.tolist() == whole.case_ids[rows].tolist()
        assert seen[part].labels.tolist() == whole.labels[rows].tolist()


def test_a_method_gets_only_the_modalities_that_it_declares(cell_of: CellOf, seen: dict[str, Any]) -> None:
    compute(cell_of("spy"))
    assert seen["train"].modalities == seen["validation"].modalities == seen["train"].pool.modalities == {"table", "image"}
    assert seen["test"].modalities == {"table"}
    assert (seen["train"].strata, seen["train"].pool.strata) == (None, None)
    with pytest.raises(Exception, match="holds no text"):
        seen["train"].features("text")


def test_at_prediction_there_are_no_labels_sites_groups_or_pool(cell_of: CellOf, seen: dict[str, Any]) -> None:
    made = cell_of("witness")
    compute(made)
    test = seen["test"]
    assert (test.labels, test.sites, test.groups, test.pool, dict(test.facts)) == (None, None, None, None, {})
    assert (test.folder, test.strata) == ("", None), "labels lie in the folder"
    assert test.case_ids.tolist() == cohort(made).case_ids[made.split.test].tolist()


def test_the_pool_is_that_of_the_split(cell_of: CellOf, seen: dict[str, Any]) -> None:
    made = cell_of("spy")
    compute(made)
    whole = cohort(made)
    assert seen["train"].pool.case_ids.tolist() == whole.pool.case_ids[made.split.pool].tolist()
    assert made.split.site not in set(seen["train"].pool.sites)
    assert seen["validation"].pool is None


def test_a_method_gets_the_cells_own_seed_and_numpys_global_state_follows_it(cell_of: CellOf, seen: dict[str, Any]) -> None:
    made = cell_of("spy")
    compute(made)
    assert seen["seed"] == made.training_seed
    assert seen["global_random"] == np.random.RandomState(made.training_seed).random_sample()  # noqa: NPY002


@pytest.mark.slow
def test_a_method_that_imports_torch_late_predicts_the_same_first_and_second(python: Run, made: MadeBenchmark) -> None:
    late = made.write(
        "late.py",
        "from dataclasses import dataclass\nfrom benchmark import register_method\n"
        '@register_method("late", family="f", reference="r", fit_modalities={"table"}, predict_modalities={"table"})\n'
        "@dataclass\nclass Late:\n"
        "    def fit(self, train, validation, seed):\n        import torch\n"
        "        self.value = float(torch.rand(1))\n        torch.set_default_dtype(torch.float64)\n"
        "    def predict_proba(self, cases):\n        return [self.value] * len(cases)\n",
    )
    done = python(
        "from benchmark.data.preparation import load_cohort\nfrom benchmark.cells.planning import plan\n"
        "from benchmark.registry.discovery import discover\nfrom benchmark.cells.store import Store\n"
        "from benchmark.suites.suite import Suite\n"
        "from benchmark.cells.compute import compute\n"
        f"catalogue = discover([{str(made.plugin)!r}, {str(late)!r}])\n"
        "suite = Suite('s', 't', ('made',), ('holdout',), ('late',))\n"
        "cell = plan(suite, catalogue, {'made': load_cohort('made', catalogue)}, Store()).cells[0]\n"
        "print(*[compute(cell).probabilities[0] for _ in range(2)])"
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.split()
    assert first == second


# What it leaves behind


def snapshot(view: Cohort) -> list[object]:
    """Every value that a view gives."""
    features = view.features("image")
    return [
        view.case_ids.tolist(),
        None if view.labels is None else view.labels.tolist(),
        view.table.to_dict("list").__repr__(),
        view.derived.to_dict("list"),
        view.reports,
        {name: images.load().tolist() for name, images in view.images.items()},
        {name: there.tolist() for name, there in view.present.items()},
        view.atlas.labels.tolist(),
        dict(view.encoders),
        dict(view.facts),
        [features.tokens.tolist(), features.mask.tolist(), features.pooled.tolist()],
        None if view.pool is None else snapshot(view.pool),
    ]


def test_what_one_method_does_to_its_inputs_does_not_reach_the_next_cell(cell_of: CellOf, seen: dict[str, Any]) -> None:
    witness, vandal = cell_of("witness"), cell_of("vandal")
    compute(witness)
    before = {part: snapshot(seen[part]) for part in ("train", "validation", "test")}
    assert compute(vandal).outcome == "ok"
    compute(witness)
    for part, values in before.items():
        for was, now in zip(values, snapshot(seen[part]), strict=True):
            assert now == was, part


def test_what_a_method_keeps_in_its_module_or_class_does_not_reach_the_next_cell(cell_of: CellOf) -> None:
    """A cell's predictions are the same whatever the worker computed before."""
    cell = cell_of("hoarding")
    alone = [compute(cell).probabilities for _ in range(2)]
    assert alone[0] == alone[1] == [0.0] * len(alone[0]), "how many fits came before it"


# What becomes of what it gives


def test_a_good_cell_holds_a_probability_for_each_test_case(cell_of: CellOf) -> None:
    made = cell_of("of-image")
    record = compute(made)
    assert (record.outcome, record.seed, record.key, record.address) == ("ok", 39, made.key, made.address)
    assert len(record.probabilities) == len(made.split.test)
    labels = cohort(made).labels[made.split.test]
    good, poor = (np.array(record.probabilities)[labels == label] for label in (1, 0))
    assert good.mean() > poor.mean() + 0.2
    assert {"fit_seconds", "predict_seconds", "peak_mib"} <= record.measured.keys()


def test_the_same_cell_gives_the_same_probabilities_again(cell_of: CellOf) -> None:
    first, second = compute(cell_of("dicey")), compute(cell_of("dicey"))
    assert first.probabilities == second.probabilities
    assert len(set(first.probabilities)) > 2


def test_an_exception_fails_the_cell_with_its_words_and_the_tracebacks_tail(cell_of: CellOf) -> None:
    record = compute(cell_of("failing"))
    assert (record.outcome, record.reason, record.probabilities) == ("failed", "ValueError: a deliberate failure", [])
    assert "in fit" in record.traceback
    assert len(record.traceback.splitlines()) <= 15


@pytest.mark.parametrize(
    ("gives", "said"),
    [
        ("nan", "1 of 20 probabilities are NaN or infinite"),
        ("infinite", "20 of 20 probabilities are NaN or infinite"),
        ("shape", r"shape (21,) for 20 cases"),
        ("column", r"shape (20, 1) for 20 cases"),
        ("above", "20 of 20 probabilities lie outside [0, 1], by up to 0.01"),
        ("below", "20 of 20 probabilities lie outside [0, 1], by up to 0.01"),
        ("text", "not numbers"),
        ("nothing", "shape () for 20 cases"),
    ],
)
def test_what_is_no_probability_is_invalid_and_says_why(cell_of: CellOf, gives: str, said: str) -> None:
    record = compute(cell_of(f"invalid[gives={gives}]"))
    assert (record.outcome, record.probabilities) == ("invalid", [])
    assert said in record.reason


def test_too_little_memory_is_an_outcome_of_its_own(cell_of: CellOf) -> None:
    assert compute(cell_of("hungry[gib=100000000]")).outcome == "out-of-memory"


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2.00 GiB", "std::bad_alloc", "can't allocate memory"])
def test_an_allocators_error_is_a_lack_of_memory(words: str) -> None:
    assert outcome_of(RuntimeError(words)) == ("out-of-memory", f"RuntimeError: {words}")
    assert outcome_of(RuntimeError("shapes differ"))[0] == "failed"


def test_an_unknown_parameter_is_refused_when_the_cell_is_planned(cell_of: CellOf) -> None:
    with pytest.raises(UnknownNameError, match="unknown parameter of dicey 'nois': did you mean 'noise'"):
        cell_of("dicey[nois=1]")


def test_a_method_that_calls_exit_fails_its_cell_alone(cell_of: CellOf) -> None:
    assert compute(cell_of("dying[by=quit]")).outcome == "failed"


def test_threshold_and_chosen_hyper_parameters_are_recorded(cell_of: CellOf) -> None:
    record = compute(cell_of("remembering"))
    assert (record.threshold, record.chosen) == (0.25, {"C": 0.1})
    assert compute(cell_of("steady")).threshold == 0.5


@pytest.mark.parametrize("gives", ["numpy", "nan", "words", "object"])
def test_whatever_a_method_says_of_itself_its_record_can_be_stored(cell_of: CellOf, gives: str) -> None:
    made = cell_of(f"remembering[gives={gives}]")
    record: CellRecord = compute(made)
    Store().write(record)
    stored = Store().read(made.address)
    assert stored is not None
    if gives == "numpy":
        assert (stored.outcome, stored.threshold, stored.chosen) == ("ok", 0.25, {"C": 0.1, "depth": 3})
    else:
        assert stored.outcome != "ok"
