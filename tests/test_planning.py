"""From a suite to its cells: states, what makes a cell stale, order, seeds, and what does not apply."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.cells.planning import Cell, Plan, PlannedRow, describe_row, plan, training_seed, why_not_fresh
from benchmark.cells.store import CellRecord, Outcome, Store
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.splits import Split
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError

EMPTY = np.arange(0)
Planner = Callable[..., Plan]


@pytest.fixture
def planned(tiny_plugin: Path) -> Planner:
    """`planned(methods, protocols, ...)` -> the plan of the plug-in file as it stands now."""

    def make(
        methods: Sequence[str],
        protocols: Sequence[str] = ("repeated-cv",),
        dataset: str = "tiny",
        seeds: Sequence[int] = (),
        plugin: Path = tiny_plugin,
    ) -> Plan:
        catalogue = discover([str(plugin)])
        suite = Suite("s", "t", (dataset,), tuple(protocols), tuple(methods))
        return plan(suite, catalogue, {dataset: load_cohort(dataset, catalogue)}, Store(), seeds)

    return make


def describe(dataset: str, method: str, cohort: Cohort, catalogue: Catalogue) -> PlannedRow:
    """The row of two spellings."""
    return describe_row(catalogue.dataset(dataset), catalogue.method(method), cohort, catalogue)


def store(cells: Sequence[Cell], outcome: Outcome = "ok") -> None:
    """Write cells as if they had been computed."""
    for cell in cells:
        good = outcome == "ok"
        probabilities = [0.5] * len(cell.split.test) if good else []
        Store().write(
            CellRecord(cell.address, cell.split.seed, dict(cell.ingredients), cell.key, outcome, probabilities=probabilities)
        )


def states(made: Plan) -> dict[str, set[str]]:
    """Method -> the states of its cells."""
    found: dict[str, set[str]] = {}
    for cell in made.cells:
        found.setdefault(cell.address.method, set()).add(cell.state)
    return found


# States


def test_cells_are_missing_until_they_are_stored_and_then_fresh(planned: Planner) -> None:
    before = planned(["tiny-table"])
    assert states(before) == {"tiny-table": {"missing"}}
    store(before.cells[:3])
    after = planned(["tiny-table"])
    assert [cell.state for cell in after.cells] == ["fresh"] * 3 + ["missing"] * 17
    assert len(after.to_run()) == 17


def test_a_cell_that_failed_is_fresh(planned: Planner) -> None:
    store(planned(["tiny-table"]).cells, "failed")
    assert planned(["tiny-table"]).to_run() == []


def test_a_torn_cell_is_missing(planned: Planner) -> None:
    cell = planned(["tiny-table"]).cells[0]
    store([cell])
    path = Store().path(cell.address)
    path.write_bytes(path.read_bytes()[:-9])
    assert planned(["tiny-table"]).cells[0].state == "missing"


def two_methods(folder: Path, depth: int = 3) -> Path:
    """Two plug-in files beside the tiny one; returns the one whose constant is `depth`."""
    text = (
        "from dataclasses import dataclass\nfrom benchmark import register_method\n"
        '@register_method("{name}", family="f", reference="r", fit_modalities={{"table"}}, predict_modalities={{"table"}})\n'
        "@dataclass\nclass Mine:\n    DEPTH = {depth}  # layers\n"
    )
    (folder / "one.py").write_text(text.format(name="one", depth=depth))
    (folder / "two.py").write_text(text.format(name="two", depth=3))
    return folder / "one.py"


def test_a_change_of_one_methods_code_makes_its_cells_stale_and_no_others(tiny_plugin: Path, tmp_path: Path) -> None:
    def made() -> Plan:
        catalogue = discover([str(tiny_plugin), str(tmp_path / "one.py"), str(tmp_path / "two.py")])
        suite = Suite("s", "t", ("tiny",), ("repeated-cv",), ("one", "two"))
        return plan(suite, catalogue, {"tiny": load_cohort("tiny", catalogue)}, Store())

    two_methods(tmp_path)
    store(made().cells)
    assert states(made()) == {"one": {"fresh"}, "two": {"fresh"}}
    two_methods(tmp_path, depth=4)
    assert states(made()) == {"one": {"stale"}, "two": {"fresh"}}
    assert {reason.split(" changed")[0] for cell in made().cells[:1] for reason in why_not_fresh(cell)} == {"method code"}


def test_a_remark_in_the_code_leaves_cells_fresh(planned: Planner, tiny_plugin: Path) -> None:
    store(planned(["tiny-table"]).cells)
    tiny_plugin.write_text(tiny_plugin.read_text() + "\n# a remark\n")
    assert states(planned(["tiny-table"])) == {"tiny-table": {"fresh"}}


def test_changed_data_make_cells_stale_and_the_reason_is_given(planned: Planner, tiny_plugin: Path, tmp_path: Path) -> None:
    store(planned(["majority"]).cells)
    edited = tmp_path / "elsewhere" / tiny_plugin.name
    edited.parent.mkdir()
    edited.write_text(tiny_plugin.read_text().replace("BRIGHTER = ()", "BRIGHTER = (0,)"))
    cell = planned(["majority"], plugin=edited).cells[0]
    assert cell.state == "stale"
    assert [reason.split(" changed")[0] for reason in why_not_fresh(cell)] == ["data", "dataset code"]


def test_another_version_of_a_library_makes_cells_stale_and_names_it(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    store(planned(["tiny-table"]).cells)
    monkeypatch.setattr("benchmark.system.provenance._version", lambda name: "99.0")
    reasons = why_not_fresh(planned(["tiny-table"]).cells[0])
    assert any("libraries changed" in reason and "numpy" in reason and "99.0" in reason for reason in reasons)


def test_the_suite_is_not_part_of_a_cell(planned: Planner) -> None:
    alone, together = planned(["tiny-table"]), planned(["majority", "tiny-table"], ["holdout", "repeated-cv"])
    keys = {str(cell.address): cell.key for cell in together.cells}
    assert all(keys[str(cell.address)] == cell.key for cell in alone.cells)


def test_every_cell_of_a_plan_has_a_key_of_its_own(planned: Planner) -> None:
    cells = planned(
        ["majority", "tiny-table", "tiny-noisy", "tiny-noisy[noise=0.1]"], ["repeated-cv", "leave-one-site-out"]
    ).cells
    assert len({cell.key for cell in cells}) == len(cells)


def test_recompute_runs_fresh_cells_too_and_retry_only_the_named_outcomes(planned: Planner) -> None:
    cells = planned(["tiny-table"]).cells
    store(cells[:2], "failed")
    store(cells[2:5], "timeout")
    store(cells[5:10])
    made = planned(["tiny-table"])
    assert len(made.to_run(recompute=True)) == 20
    assert [cell.stored.outcome for cell in made.to_run(retry=["timeout"])] == ["timeout"] * 3
    assert len(made.to_run(retry=["timeout", "failed"])) == 5


def test_a_failed_cell_is_retried_after_its_method_was_mended(planned: Planner, tiny_plugin: Path) -> None:
    store(planned(["tiny-failing"]).cells, "failed")
    tiny_plugin.write_text(tiny_plugin.read_text().replace('raise ValueError("a deliberate failure")', "pass"))
    assert len(planned(["tiny-failing"]).to_run(retry=["failed"])) == 20


# Rows that do not apply


@pytest.mark.parametrize(
    ("method", "dataset", "said"),
    [
        ("tiny-text", "tiny[text=False]", "tiny[text=False] has no text"),
        ("tiny-small", "tiny", "60 cases, at most 20: memory grows with the square"),
        ("tiny-small", "tiny[cases=20,pool=0]", ""),
        ("tiny-table", "tiny[text=False]", ""),
    ],
)
def test_why_a_method_does_not_apply(catalogue: Catalogue, method: str, dataset: str, said: str) -> None:
    assert describe(dataset, method, load_cohort(dataset, catalogue), catalogue).not_applicable == said


def test_a_method_that_does_not_apply_is_listed_and_has_no_cell(planned: Planner) -> None:
    made = planned(["tiny-text", "majority"], dataset="tiny[text=False]")
    assert [row.method.spelled for row in made.not_applicable] == ["tiny-text"]
    assert {cell.address.method for cell in made.cells} == {"majority"}


def test_a_cohort_of_one_site_has_no_cells_of_leave_one_site_out(planned: Planner) -> None:
    assert planned(["majority"], ["leave-one-site-out"], dataset="tiny[sites=1]").cells == ()


# Order and number


def test_cells_run_breadth_first_seed_by_seed(planned: Planner) -> None:
    cells = planned(["tiny-table", "tiny-noisy"], ["repeated-cv", "leave-one-site-out"]).cells
    assert [cell.split.seed for cell in cells] == sorted(cell.split.seed for cell in cells)
    first = [cell for cell in cells if cell.split.seed == 39]
    assert {(cell.address.protocol, cell.address.method) for cell in first} == {
        (protocol, method) for protocol in ("repeated-cv", "leave-one-site-out") for method in ("tiny-table", "tiny-noisy")
    }


def test_seeds_narrow_the_plan(planned: Planner) -> None:
    cells = planned(["tiny-noisy"], ["repeated-cv", "holdout"], seeds=[40]).cells
    assert sorted(cell.address.split for cell in cells) == ["holdout-seed40", *(f"seed40-fold{fold}" for fold in range(5))]


@pytest.mark.parametrize(
    ("protocol", "deterministic", "stochastic"), [("repeated-cv", 20, 20), ("leave-one-site-out", 3, 12), ("holdout", 1, 4)]
)
def test_a_deterministic_method_runs_once_where_seeds_change_the_training_only(
    planned: Planner, protocol: str, deterministic: int, stochastic: int
) -> None:
    assert len(planned(["tiny-table"], [protocol]).cells) == deterministic
    assert len(planned(["tiny-noisy"], [protocol]).cells) == stochastic


# Seeds


def split(name: str = "seed39-fold0", seed: int = 39) -> Split:
    return Split(name, seed, EMPTY, EMPTY, EMPTY, EMPTY)


def test_the_training_seed_is_the_documented_one() -> None:
    names = ("soop", "repeated-cv", "seed39-fold0", "xgboost")
    sequence = np.random.SeedSequence([39, *(binascii.crc32(name.encode()) for name in names)])
    assert training_seed("soop", "repeated-cv", "xgboost", split()) == int(sequence.generate_state(1)[0]) // 2
    assert (
        training_seed("soop", "repeated-cv", "xgboost", split()) == 456356759
    )  # by the published algorithm of SeedSequence, step by step


def test_every_name_and_the_seed_change_the_training_seed() -> None:
    seeds = [
        training_seed("soop", "repeated-cv", "xgboost", split()),
        training_seed("tiny", "repeated-cv", "xgboost", split()),
        training_seed("soop", "holdout", "xgboost", split()),
        training_seed("soop", "repeated-cv", "majority", split()),
        training_seed("soop", "repeated-cv", "xgboost", split("seed39-fold1")),
        training_seed("soop", "repeated-cv", "xgboost", split(seed=40)),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


# Variants and encoders


def test_a_registered_variant_carries_its_own_modalities(planned: Planner, catalogue: Catalogue) -> None:
    cohort = load_cohort("tiny", catalogue)

    def modalities(method: str) -> frozenset[str]:
        row = describe("tiny", method, cohort, catalogue)
        to_fit, to_predict = row.method.modalities
        assert to_fit == to_predict
        return to_fit

    assert modalities("tiny-variants") == {"table"}
    assert modalities("tiny-variants[features=image]") == {"image"}
    assert modalities("tiny-variants[features=table+image,width=9]") == {"table", "image"}


def test_the_configuration_lists_every_hyper_parameter(catalogue: Catalogue) -> None:
    row = describe("tiny", "tiny-variants[width=9]", load_cohort("tiny", catalogue), catalogue)
    assert row.ingredients["configuration"] == {"features": "table", "width": 9}


def test_encoders_belong_to_rows_that_use_their_modality_alone(catalogue: Catalogue) -> None:
    cohort = load_cohort("tiny", catalogue)
    assert describe("tiny", "tiny-image", cohort, catalogue).encoders == {"image": "territories"}
    assert describe("tiny", "tiny-table", cohort, catalogue).encoders == {}


def test_a_row_without_its_encoders_weights_is_planned_and_says_so(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    cohort = replace(load_cohort("tiny", catalogue), encoders={"text": "minilm"})
    row = describe("tiny", "tiny-text", cohort, catalogue)
    assert "not installed" in row.ingredients["encoders"]["minilm"]


def test_a_row_whose_encoder_raises_whatever_it_likes_is_planned_beside_the_others(catalogue: Catalogue) -> None:
    def missing(self: object) -> str:
        raise FileNotFoundError(2, "No such file or directory", "w.pt")

    cohort = load_cohort("tiny", catalogue)
    encoder = catalogue.encoders.get("territories").load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "weights_digest", missing, raising=False)
        row = describe("tiny", "tiny-image", cohort, catalogue)
    assert "w.pt" in row.ingredients["encoders"]["territories"]


def test_what_gives_no_split_is_told_with_the_reason(catalogue: Catalogue) -> None:
    cohort = load_cohort("tiny", catalogue)
    suite = Suite("s", "t", ("tiny",), ("repeated-cv[repeats=0]", "repeated-cv"), ("majority",))
    made = plan(suite, catalogue, {"tiny": cohort}, Store())
    assert [task.protocol for task in made.tasks] == ["repeated-cv"]
    assert len(made.impossible) == 1
    assert "repeated-cv[repeats=0] is not possible: it gives no split" in made.impossible[0]
    with pytest.raises(BenchmarkError, match=r"repeated-cv\[repeats=two\]: "):
        plan(replace(suite, protocols=("repeated-cv[repeats=two]",)), catalogue, {"tiny": cohort}, Store())


def test_a_broken_method_is_planned_so_that_its_cells_say_what_is_wrong(tiny_plugin: Path) -> None:
    (tiny_plugin.parent / "bad.py").write_text("def broken(:\n")
    catalogue = discover([str(tiny_plugin), str(tiny_plugin.parent / "bad.py")])
    suite = Suite("s", "t", ("tiny",), ("holdout",), ("bad", "majority"))
    made = plan(suite, catalogue, {"tiny": load_cohort("tiny", catalogue)}, Store())
    assert {cell.address.method for cell in made.cells} == {"bad", "majority"}


def test_another_device_makes_other_cells_of_methods_that_train_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.audit.attempt import specimen, with_specimens

    catalogue = with_specimens(discover())
    cohort = specimen("complete", catalogue)

    def device(method: str) -> object:
        return describe("specimen", method, cohort, catalogue).ingredients.get("device")

    assert device("mlp") is None
    monkeypatch.setenv("STROKEBENCH_DEVICE", "cuda")
    assert device("mlp") == "cuda" and device("xgboost") is None


def test_a_device_that_torch_cannot_use_is_refused() -> None:
    from benchmark.system.errors import BenchmarkError
    from benchmark.system.threads import use_device

    with pytest.raises(BenchmarkError, match="--device nonsense: torch cannot use it here"):
        use_device("nonsense")


def test_rows_that_differ_at_prediction_alone_repeat_one_training() -> None:
    catalogue = discover()
    same = {
        "sparsemm": "joint-transformer",
        "sparsemm[scores=random]": "joint-transformer",
        "sparsemm[tokens=pooled]": "joint-transformer[tokens=pooled]",
        "vdafm[zeroed=text]": "vdafm",
        "vdafm[modalities=image]": "vdafm[modalities=image]",
        "xgboost[features=table+derived]": "xgboost[features=table+derived]",
    }
    assert {name: catalogue.method(name).trained_as for name in same} == same
