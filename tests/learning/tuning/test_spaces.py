"""Tuning: how a row and its budget are spelled, and what a space may say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.learning.tuning.space import Range, grid_size, read_space
from benchmark.registry.budget import Budget, read_budget
from benchmark.registry.discovery import discover
from benchmark.registry.spelling import parse_spelling, spell
from benchmark.suites.suite import canonical, load_suite, validated
from benchmark.system.errors import BenchmarkError
from tests.learning.tuning.conftest import METHODS
from tests.made_benchmark import MadeBenchmark

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


def test_tuned_rows_of_a_suite_have_equal_budgets(made: MadeBenchmark, methods: Path) -> None:
    catalogue = discover([str(made.plugin), str(methods)])
    old = '"dicey"'
    text = made.suite.read_text()
    made.suite.write_text(text.replace(old, '"weighing[tuned=tpe-9]", "gridded[tuned=random-9]"'))
    assert "gridded[tuned=random-9]" in validated(load_suite(str(made.suite)), catalogue).ranked
    made.suite.write_text(
        text.replace(old, old + ', "weighing[tuned=tpe-9]"').replace('["steady[steepness=0.01]"]', '["gridded[tuned]"]')
    )
    with pytest.raises(BenchmarkError, match=r"weighing\[tuned=tpe-9\] .*gridded\[tuned\] .*different budgets"):
        validated(load_suite(str(made.suite)), catalogue)
    made.suite.write_text(text.replace(old, '"weighing[tuned=tpe-9]", "gridded[tuned=tpe-9-60s]"'))
    with pytest.raises(BenchmarkError, match="different budgets"):
        validated(load_suite(str(made.suite)), catalogue)


# Spaces


def test_a_space_holds_lists_and_ranges_by_field_name(methods: Path) -> None:
    assert read_space(discover([str(methods)]).method("weighing")) == {
        "hidden": ("8:4", "4:2"),
        "noise": Range(0.1, 10.0, log=True),
        "share": (0.0, 0.25, 0.5, 0.75, 1.0),
    }


def test_a_given_value_is_not_searched(methods: Path) -> None:
    catalogue = discover([str(methods)])
    assert set(read_space(catalogue.method("weighing[share=0.25]"))) == {"hidden", "noise"}
    with pytest.raises(BenchmarkError, match="nothing of weighing is left to search"):
        read_space(catalogue.method("weighing[share=0.25,noise=1.0,hidden=4:2]"))


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


def test_a_space_may_not_choose_which_data_is_seen(made: MadeBenchmark) -> None:
    space = 'def search_space(self):\n        return {"features": ["table", "image"]}'
    old = "    width: int = 8\n"
    made.plugin.write_text(made.plugin.read_text().replace(old, f"{old}\n    {space}\n"))
    with pytest.raises(BenchmarkError, match="decides which data the method sees"):
        read_space(discover([str(made.plugin)]).method("varied"))


def test_an_unknown_parameter_of_an_estimator_is_met_with_the_nearest(methods: Path) -> None:
    methods.write_text(METHODS.replace("estimator.max_depth", "estimator.max_dept"))
    with pytest.raises(BenchmarkError, match=r"did you mean 'estimator.max_depth'"):
        read_space(discover([str(methods)]).method("rooted"))


@pytest.mark.parametrize("method", [entry.name for entry in discover().methods if entry.has_search_space])
def test_every_shipped_space_is_sound_and_has_a_grid(method: str) -> None:
    configured = discover().method(method)
    space = read_space(configured)
    assert not [name for name, domain in space.items() if isinstance(domain, Range)]
    for name, values in space.items():
        for value in values if not name.startswith("estimator.") else ():
            configured.entry.make({name: value})


def test_the_methods_of_the_published_comparison_can_be_tuned() -> None:
    tunable = {entry.name for entry in discover().methods if entry.has_search_space}
    assert {"vdafm", "concat", "joint-transformer", "mlp", "xgboost"} <= tunable


def test_the_space_of_vdafm_is_the_papers_grid_under_four_learning_rates() -> None:
    space = read_space(discover().method("vdafm"))
    assert space["layers"] == (1, 2, 3)
    assert space["heads"] == (4, 8, 16, 32)
    assert space["hidden"] == ("128:64", "256:128", "512:256", "512:512")
    ends = {name: (min(values), max(values)) for name, values in space.items() if name.startswith(("lambda", "dropout"))}
    assert ends == {"lambda_contrastive": (0, 0.5), "lambda_semantic": (0, 0.1), "dropout": (0.3, 0.7)}
    assert space["learning_rate"] == (1e-4, 2e-4, 5e-4, 1e-3)
    assert grid_size(space, "vdafm") == 4 * 8640
