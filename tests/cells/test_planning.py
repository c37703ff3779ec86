"""From a suite to its cells: states, what makes a cell stale, order, seeds, and what does not apply."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.cells.planning import Cell, Plan, PlannedRow, describe_row, plan, splits_of, training_seed, why_not_fresh
from benchmark.cells.store import CellRecord, Outcome, Store
from benchmark.data.cohort import Cohort
from benchmark.data.preparation import load_cohort
from benchmark.data.splits import Split
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError
from tests.made_benchmark import MadeBenchmark

EMPTY = np.arange(0)
Planner = Callable[..., Plan]


@pytest.fixture
def planned(made: MadeBenchmark) -> Planner:
    """`planned(methods, protocols, ...)` -> the plan of the made components as they stand now."""
    return made.plan


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
    before = planned(["steady"])
    assert states(before) == {"steady": {"missing"}}
    store(before.cells[:3])
    after = planned(["steady"])
    assert [cell.state for cell in after.cells] == ["fresh"] * 3 + ["missing"] * 17
    assert len(after.to_run()) == 17


def test_a_cell_that_failed_is_fresh(planned: Planner) -> None:
    store(planned(["steady"]).cells, "failed")
    assert planned(["steady"]).to_run() == []


def test_a_torn_cell_is_missing(planned: Planner) -> None:
    cell = planned(["steady"]).cells[0]
    store([cell])
    path = Store().path(cell.address)
    path.write_bytes(path.read_bytes()[:-9])
    assert planned(["steady"]).cells[0].state == "missing"


def two_methods(folder: Path, depth: int = 3) -> Path:
    """Two plug-in files beside the made one; returns the one whose constant is `depth`."""
    text = (
        "from dataclasses import dataclass\nfrom benchmark import register_method\n"
        '@register_method("{name}", family="f", reference="r", fit_modalities={{"table"}}, predict_modalities={{"table"}})\n'
        "@dataclass\nclass Mine:\n    DEPTH = {depth}  # layers\n"
    )
    (folder / "one.py").write_text(text.format(name="one", depth=depth))
    (folder / "two.py").write_text(text.format(name="two", depth=3))
    return folder / "one.py"


def reasons(cell: Cell) -> list[str]:
    return why_not_fresh(cell, Store().read(cell.address))


def test_a_change_of_one_methods_code_makes_its_cells_stale_and_no_others(made: MadeBenchmark, tmp_path: Path) -> None:
    def planned() -> Plan:
        return made.plan(["one", "two"], plugins=[tmp_path / "one.py", tmp_path / "two.py"])

    two_methods(tmp_path)
    store(planned().cells)
    assert states(planned()) == {"one": {"fresh"}, "two": {"fresh"}}
    two_methods(tmp_path, depth=4)
    assert states(planned()) == {"one": {"stale"}, "two": {"fresh"}}
    assert {reason.split(" changed")[0] for cell in planned().cells[:1] for reason in reasons(cell)} == {"method code"}


def test_a_remark_in_the_code_leaves_cells_fresh(planned: Planner, made: MadeBenchmark) -> None:
    store(planned(["steady"]).cells)
    made.edit("SLOPE = 3.0", "SLOPE = 3.0  # a remark")
    assert states(planned(["steady"])) == {"steady": {"fresh"}}


def test_changed_data_make_cells_stale_and_the_reason_is_given(planned: Planner, made: MadeBenchmark) -> None:
    store(planned(["majority"]).cells)
    made.edit("BRIGHTER = ()", "BRIGHTER = (0,)")
    cell = planned(["majority"]).cells[0]
    assert cell.state == "stale"
    assert [reason.split(" changed")[0] for reason in reasons(cell)] == ["data", "dataset code"]


def test_another_version_of_a_library_makes_cells_stale_and_names_it(planned: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    store(planned(["steady"]).cells)
    monkeypatch.setattr("benchmark.system.provenance.version", lambda name: "99.0")
    said = reasons(planned(["steady"]).cells[0])
    assert any("libraries changed" in reason and "numpy" in reason and "99.0" in reason for reason in said)


def test_the_suite_is_not_part_of_a_cell(planned: Planner) -> None:
    alone, together = planned(["steady"]), planned(["majority", "steady"], ["holdout", "repeated-cv"])
    keys = {str(cell.address): cell.key for cell in together.cells}
    assert all(keys[str(cell.address)] == cell.key for cell in alone.cells)


def test_every_cell_of_a_plan_has_a_key_of_its_own(planned: Planner) -> None:
    cells = planned(["majority", "steady", "dicey", "dicey[noise=0.1]"], ["repeated-cv", "leave-one-site-out"]).cells
    assert len({cell.key for cell in cells}) == len(cells)


def test_recompute_runs_fresh_cells_too_and_retry_only_the_named_outcomes(planned: Planner) -> None:
    cells = planned(["steady"]).cells
    store(cells[:2], "failed")
    store(cells[2:5], "timeout")
    store(cells[5:10])
    made = planned(["steady"])
    assert len(made.to_run(recompute=True)) == 20
    assert [cell.stored_outcome for cell in made.to_run(retry=["timeout"])] == ["timeout"] * 3
    assert len(made.to_run(retry=["timeout", "failed"])) == 5


def test_a_failed_cell_is_retried_after_its_method_was_mended(planned: Planner, made: MadeBenchmark) -> None:
    broken = [made.broken]
    store(planned(["failing"], plugins=broken).cells, "failed")
    made.edit('raise ValueError("a deliberate failure")', "pass", made.broken)
    assert len(planned(["failing"], plugins=broken).to_run(retry=["failed"])) == 20


# Rows that do not apply


@pytest.mark.parametrize(
    ("method", "dataset", "said"),
    [
        ("of-text", "made[text=False]", "made[text=False] has no text"),
        ("limited", "made", "60 cases, at most 20: memory grows with the square"),
        ("limited", "made[cases=20,pool=0]", ""),
        ("steady", "made[text=False]", ""),
    ],
)
def test_why_a_method_does_not_apply(catalogue: Catalogue, method: str, dataset: str, said: str) -> None:
    assert describe(dataset, method, load_cohort(dataset, catalogue), catalogue).not_applicable == said


def test_a_method_that_does_not_apply_is_listed_and_has_no_cell(planned: Planner) -> None:
    made = planned(["of-text", "majority"], dataset="made[text=False]")
    assert [row.method.spelled for row in made.not_applicable] == ["of-text"]
    assert {cell.address.method for cell in made.cells} == {"majority"}


def test_a_cohort_of_one_site_has_no_cells_of_leave_one_site_out(planned: Planner) -> None:
    assert planned(["majority"], ["leave-one-site-out"], dataset="made[sites=1]").cells == ()


# Order and number


def test_cells_run_breadth_first_seed_by_seed(planned: Planner) -> None:
    cells = planned(["steady", "dicey"], ["repeated-cv", "leave-one-site-out"]).cells
    assert [cell.split.seed for cell in cells] == sorted(cell.split.seed for cell in cells)
    first = [cell for cell in cells if cell.split.seed == 39]
    assert {(cell.address.protocol, cell.address.method) for cell in first} == {
        (protocol, method) for protocol in ("repeated-cv", "leave-one-site-out") for method in ("steady", "dicey")
    }


def test_a_cohort_is_cut_once_and_another_one_anew(made: MadeBenchmark, catalogue: Catalogue) -> None:
    cohort, protocol = made.cohort(), catalogue.protocol("repeated-cv")
    cut = splits_of(protocol, cohort)
    assert splits_of(protocol, cohort) is cut
    fewer = cohort.take(np.arange(40))
    assert max(int(split.test.max()) for split in splits_of(protocol, fewer)) == 39
    assert splits_of(catalogue.protocol("holdout"), cohort) is not cut


def test_seeds_narrow_the_plan(planned: Planner) -> None:
    cells = planned(["dicey"], ["repeated-cv", "holdout"], seeds=[40]).cells
    assert sorted(cell.address.split for cell in cells) == ["holdout-seed40", *(f"seed40-fold{fold}" for fold in range(5))]


@pytest.mark.parametrize(
    ("protocol", "deterministic", "stochastic"), [("repeated-cv", 20, 20), ("leave-one-site-out", 3, 12), ("holdout", 1, 4)]
)
def test_a_deterministic_method_runs_once_where_seeds_change_the_training_only(
    planned: Planner, protocol: str, deterministic: int, stochastic: int
) -> None:
    assert len(planned(["steady"], [protocol]).cells) == deterministic
    assert len(planned(["dicey"], [protocol]).cells) == stochastic


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
        training_seed("made", "repeated-cv", "xgboost", split()),
        training_seed("soop", "holdout", "xgboost", split()),
        training_seed("soop", "repeated-cv", "majority", split()),
        training_seed("soop", "repeated-cv", "xgboost", split("seed39-fold1")),
        training_seed("soop", "repeated-cv", "xgboost", split(seed=40)),
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


# Variants and encoders


def test_a_registered_variant_carries_its_own_modalities(planned: Planner, catalogue: Catalogue) -> None:
    cohort = load_cohort("made", catalogue)

    def modalities(method: str) -> frozenset[str]:
        row = describe("made", method, cohort, catalogue)
        to_fit, to_predict = row.method.modalities
        assert to_fit == to_predict
        return to_fit

    assert modalities("varied") == {"table"}
    assert modalities("varied[features=image]") == {"image"}
    assert modalities("varied[features=table+image,width=9]") == {"table", "image"}


def test_the_configuration_lists_every_hyper_parameter(catalogue: Catalogue) -> None:
    row = describe("made", "varied[width=9]", load_cohort("made", catalogue), catalogue)
    assert row.ingredients["configuration"] == {"features": "table", "width": 9}


def test_encoders_belong_to_rows_that_use_their_modality_alone(catalogue: Catalogue) -> None:
    cohort = load_cohort("made", catalogue)
    assert describe("made", "of-image", cohort, catalogue).encoders == {"image": "territories"}
    assert describe("made", "steady", cohort, catalogue).encoders == {}


def test_a_row_without_its_encoders_weights_is_planned_and_says_so(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    cohort = replace(load_cohort("made", catalogue), encoders={"text": "minilm"})
    row = describe("made", "of-text", cohort, catalogue)
    assert "not installed" in row.ingredients["encoders"]["minilm"]


def test_a_row_whose_encoder_raises_whatever_it_likes_is_planned_beside_the_others(catalogue: Catalogue) -> None:
    def missing(self: object) -> str:
        raise FileNotFoundError(2, "No such file or directory", "w.pt")

    cohort = load_cohort("made", catalogue)
    encoder = catalogue.encoders.get("territories").load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "weights_digest", missing, raising=False)
        row = describe("made", "of-image", cohort, catalogue)
    assert "w.pt" in row.ingredients["encoders"]["territories"]


def test_what_gives_no_split_is_told_with_the_reason(catalogue: Catalogue) -> None:
    cohort = load_cohort("made[sites=1]", catalogue)
    suite = Suite("s", "t", ("made[sites=1]",), ("leave-one-site-out", "repeated-cv"), ("majority",))
    made = plan(suite, catalogue, {"made[sites=1]": cohort}, Store())
    assert [task.protocol for task in made.tasks] == ["repeated-cv"]
    assert len(made.impossible) == 1
    assert "leave-one-site-out is not possible: it gives no split" in made.impossible[0]


@pytest.mark.parametrize("repeats", ["0", "-1", "5", "2.5", "two"])
def test_a_number_of_repeats_that_there_is_not_is_refused(catalogue: Catalogue, repeats: str) -> None:
    suite = Suite("s", "t", ("made",), (f"repeated-cv[repeats={repeats}]",), ("majority",))
    with pytest.raises(BenchmarkError, match=f"repeats={repeats}: give a whole number from 1 to 4"):
        plan(suite, catalogue, {"made": load_cohort("made", catalogue)}, Store())


def test_a_broken_method_is_planned_so_that_its_cells_say_what_is_wrong(made: MadeBenchmark) -> None:
    bad = made.write("bad.py", "def broken(:\n")
    planned = made.plan(["bad", "majority"], ["holdout"], plugins=[bad])
    assert {cell.address.method for cell in planned.cells} == {"bad", "majority"}


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


# Sets of reports

READERS = ("vdafm", "vdafm[text=permuted]")
OTHERS = ("vdafm[reports=wording]", "vdafm[modalities=image]", "concat", "text-net", "logistic-regression", "of-text", "steady")


def with_topics(cohort: Cohort, words: str = "on a topic", theirs: str = "on a topic") -> Cohort:
    """The cohort and its pool with a further set of reports."""
    pool = replace(cohort.pool, report_sets={"topics": ((theirs,),) * len(cohort.pool)})
    return replace(cohort, report_sets={"topics": ((words,),) * len(cohort)}, pool=pool)


def keys(cohort: Cohort, catalogue: Catalogue, methods: Sequence[str]) -> dict[str, set[str]]:
    """Method -> the keys of its cells and of their stages."""
    suite = Suite("s", "t", ("made",), ("repeated-cv",), tuple(methods))
    found: dict[str, set[str]] = {}
    for cell in plan(suite, catalogue, {"made": cohort}, Store()).cells:
        found.setdefault(cell.address.method, set()).update({cell.key, *(stage.key.digest for stage in cell.stages)})
    return found


def with_mask(catalogue: Catalogue) -> Cohort:
    """The made cohort, whose image is a lesion mask: the usual encoder needs one."""
    cohort = load_cohort("made", catalogue)
    return replace(cohort, images={"mask": cohort.images["scan"]})


def test_a_further_set_of_reports_changes_the_keys_of_the_rows_that_read_it_and_of_no_others(catalogue: Catalogue) -> None:
    cohort, methods = with_mask(catalogue), (*READERS, *OTHERS)
    plain, further, other, in_pool = (
        keys(each, catalogue, methods)
        for each in (
            *(cohort, with_topics(cohort), with_topics(cohort, words="in other words")),
            with_topics(cohort, theirs="in other words"),
        )
    )
    assert plain.keys() == set(methods)
    for name in OTHERS:
        assert plain[name] == further[name] == other[name] == in_pool[name]
    for name in READERS:
        sets = (plain[name], further[name], other[name], in_pool[name])
        assert all(not one & another for i, one in enumerate(sets) for another in sets[:i])


def test_the_set_that_a_row_reads_is_an_ingredient_where_it_is_a_further_one(catalogue: Catalogue) -> None:
    plain = load_cohort("made", catalogue)
    further = with_topics(plain)
    read = {(name, each is further): describe("made", name, each, catalogue) for name in READERS for each in (plain, further)}
    read |= {(name, True): describe("made", name, further, catalogue) for name in OTHERS}
    assert {key for key, row in read.items() if row.reports == "topics"} == {(name, True) for name in READERS}
    assert {key for key, row in read.items() if "reports" in row.ingredients} == {(name, True) for name in READERS}
    assert read["vdafm", True].ingredients["reports"].keys() == {"topics"}


def test_a_row_of_a_set_of_reports_that_a_dataset_lacks_does_not_apply(catalogue: Catalogue) -> None:
    row = describe("made", "vdafm[reports=prompts]", with_topics(with_mask(catalogue)), catalogue)
    assert row.not_applicable == (
        "made: unknown set of reports 'prompts': known: topics, wording; `write-reports` makes further ones"
    )
    assert describe("made", "vdafm", with_mask(catalogue), catalogue).not_applicable == ""


def test_a_variant_shares_the_training_seed_of_the_row_that_it_varies(planned: Planner) -> None:
    varied = ("vdafm", "vdafm[heads=4]", "vdafm[modalities=image]", "vdafm[tuned=tpe-10]")
    assert {discover().method(name).seeded_as for name in varied} == {"vdafm"}
    cells = planned(["dicey", "dicey[noise=0.1]", "blunt"]).cells
    seeds = {(cell.address.method, cell.address.split): cell.training_seed for cell in cells}
    assert len(seeds) == 60
    for (method, split), seed in seeds.items():
        assert (seed == seeds["dicey", split]) == method.startswith("dicey")


def test_late_average_alone_combines_other_methods() -> None:
    combining = {method.spelled: method.members for method in discover().variants() if method.members}
    assert combining == {"late-average": ("image-net", "text-net", "mlp")}
