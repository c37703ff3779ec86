"""What cannot work fails once, early, and says where; nothing joins a suite then."""

from __future__ import annotations

import re

import pytest

from benchmark.suites.members import members
from tests.made_benchmark import MadeBenchmark

METHOD = """
from dataclasses import dataclass
import numpy as np
from benchmark import register_method

@register_method("mine", family="mine", reference="r", fit_modalities={"table"}, predict_modalities={"table"})
@dataclass
class Mine:
    width: int = 1
    def __post_init__(self):
        if self.width < 1:
            raise ValueError("width must be at least 1")
    def fit(self, train, validation, seed):
        LINE
    def predict_proba(self, cases):
        return np.full(len(cases), 0.5)
"""


def joined(made: MadeBenchmark) -> tuple[str, ...]:
    own = members("made-suite")
    return own.datasets + own.methods


def test_a_file_with_a_syntax_error_is_one_line_with_file_and_line(made: MadeBenchmark) -> None:
    path = made.write("mine.py", METHOD.replace("LINE", "return (1"))
    done = made.run("--plugin", str(path), "--method", "mine", code=2)
    assert "mine.py: line" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert joined(made) == ()
    assert made.cells() == {}


def test_a_suite_that_names_a_method_of_a_broken_file_says_which_file_is_broken(made: MadeBenchmark) -> None:
    path = made.write("broken_here.py", METHOD.replace("LINE", "return (1"))
    made.edit('ranked = ["steady"', 'ranked = ["mine", "steady"', made.suite)
    error = made.run("--plugin", str(path), code=2).stderr
    assert "unknown method 'mine'" in error
    assert "broken_here.py: line" in error


def test_a_value_that_a_parameter_cannot_have_is_refused_before_any_cell(made: MadeBenchmark) -> None:
    done = made.run("--method", "logistic-regression[features=table+derivd]", code=2)
    assert "'derivd' is not one of table, derived, image, text" in done.stderr
    path = made.write("mine.py", METHOD.replace("LINE", "pass"))
    done = made.run("--plugin", str(path), "--method", "mine[width=0]", code=2)
    assert "mine[width=0] cannot be made: ValueError: width must be at least 1 (mine.py, line 12)" in done.stderr
    assert joined(made) == ()
    assert made.cells() == {}


def test_a_dataset_that_cannot_be_prepared_joins_nothing(made: MadeBenchmark) -> None:
    made.edit('"labels": labels,', '"labels": 1 + labels,')
    done = made.run("--dataset", "made[cases=48]", code=2)
    assert "made[cases=48]: labels: must be 0 or 1, and are 1, 2" in done.stdout + done.stderr
    assert joined(made) == ()


def test_methods_whose_file_is_broken_are_named_once_and_no_cell_of_theirs_is_computed(made: MadeBenchmark) -> None:
    twin = made.write("twin.py", made.plugin.read_text().replace('"made"', '"twin"'))
    done = made.run("--plugin", str(twin), code=1)
    lines = [line for line in done.stdout.splitlines() if line.startswith("steady is broken: registered twice: ")]
    assert len(lines) == 1
    assert made.cells() == {}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["--jobs", "2"]])
def test_a_method_that_fails_alike_on_two_datasets_is_given_up_after_its_first_cells(
    made: MadeBenchmark, workers: list[str]
) -> None:
    path = made.write("mine.py", METHOD.replace("LINE", 'raise KeyError("no such column")'))
    words = ("--plugin", str(path), "--method", "mine", "--protocol", "repeated-cv", "--dataset", "made")
    done = made.run(*words, "--method", "majority", "--dataset", "made[cases=48]", *workers, code=1)
    assert sum("/mine/" in name for name in made.cells()) == 2
    assert sum("/majority/" in name for name in made.cells()) == 40
    line = (
        "mine failed alike on two datasets, and its other cells are not computed: KeyError: 'no such column' (mine.py, line 14)"
    )
    assert line in done.stdout


def test_a_method_that_fails_on_one_dataset_only_is_computed_on_both(made: MadeBenchmark) -> None:
    path = made.write("mine.py", METHOD.replace("LINE", "assert len(train) + len(validation) < 40"))
    words = ("--plugin", str(path), "--method", "mine", "--protocol", "repeated-cv", "--dataset", "made")
    made.run(*words, "--dataset", "made[cases=48]", code=1)
    assert sum("/mine/" in name for name in made.cells()) == 40


def test_failed_cells_of_one_cause_are_one_line_with_their_number(made: MadeBenchmark) -> None:
    path = made.write("mine.py", METHOD.replace("LINE", 'raise KeyError("no such column")'))
    done = made.run("--plugin", str(path), "--method", "mine", "--protocol", "repeated-cv", code=1)
    lines = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
    assert len(lines) == 1
    assert lines[0].startswith("not ok: mine: 20 cells, the first made/repeated-cv/mine/")
    assert lines[0].endswith("failed: KeyError: 'no such column' (mine.py, line 14)")


ONE_CLASS_SITES = """
from dataclasses import dataclass
import numpy as np
import pandas as pd
from benchmark import Cohort, register_dataset

@register_dataset("split-wards", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="p",
                  negative="n", site="ward", inputs={}, barred={}, scope="s", modalities={"table"})
@dataclass(frozen=True)
class SplitWards:
    def build(self, sources):
        labels = np.arange(80) % 2
        x = np.random.default_rng(1).normal(size=80) + labels
        ids = [f"P{i:02d}" for i in range(80)]
        wards = np.where(np.arange(80) < 6, "West", np.where(labels == 1, "North", "South"))
        return Cohort("split-wards", ids, labels, wards, table=pd.DataFrame({"x": x}))
"""


def test_a_metric_that_is_undefined_is_said_to_be_and_never_nan(made: MadeBenchmark) -> None:
    path = made.write("wards.py", ONE_CLASS_SITES)
    words = ("--dataset", "split-wards", "--protocol", "leave-one-site-out", "--method", "logistic-regression")
    done = made.run("--plugin", str(path), *words)
    whole = made.cli("export", "md", *made.options).stdout
    assert "AUPRC of a constant: undefined" in whole
    assert not re.search(r"\bnan\b", done.stdout + made.leaderboard.read_text() + whole)
