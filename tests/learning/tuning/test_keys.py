"""Tuning: what a cell depends on."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import optuna

from benchmark.cells.planning import why_not_fresh
from benchmark.suites.suite import Limits
from benchmark.system.provenance import code_digest
from tests.learning.tuning.conftest import METHODS, CellOf

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
    record = SimpleNamespace(ingredients=dict(tuned.ingredients))
    methods.write_text(METHODS.replace("0.75, 1.0]", "0.8, 1.0]"))
    assert cell_of("weighing").key == plain.key
    after = cell_of("weighing[tuned]")
    assert after.key != tuned.key
    assert "tuning changed: space" in why_not_fresh(after, record)[0]


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
    assert (plain.method.stochastic, plain.fits) == (False, 1)
    assert (tuned.method.stochastic, tuned.fits) == (True, 8)


def test_a_cell_of_several_fits_has_so_many_times_the_limit() -> None:
    from benchmark.cells.executors import LocalProcesses

    with LocalProcesses(2, Limits(seconds=0.5, memory_gib=2)) as executor:
        executor.submit(time.sleep, 0, fits=None).result()
        plain, tuned = executor.submit(time.sleep, 60), executor.submit(time.sleep, 1.2, fits=100)
        assert isinstance(plain.exception(), TimeoutError)
        assert tuned.exception() is None
