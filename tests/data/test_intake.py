"""The intake: what is malformed is refused by name, what has one reading is read alike, and order and types change nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import Cohort, DataError
from benchmark.data.intake import take_in
from benchmark.data.preparation import load_cohort, prepare
from benchmark.data.reading import opened_files
from benchmark.data.splits import single_cut
from benchmark.learning.fitting import fit_and_predict, views_of
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from tests.made_benchmark import MadeBenchmark
from tools.malformed_cohorts import BARRED, CHANGES, PAGE, changed_cohort, outcome, page, same

METHODS = ("logistic-regression", "random-forest[trees=5]", "svm", "lightgbm", "decision-tree")
DATASET = """
from dataclasses import dataclass
import pandas as pd
from benchmark import Cohort, register_dataset

@register_dataset("lab", title="t", source="s", license="l", citation="c", label="l", label_time="t", positive="p",
                  negative="n", site="s", inputs={{}}, barred={{"mrs_90": "the label is made of it"}}, scope="s",
                  modalities={{"table"}})
@dataclass(frozen=True)
class Lab:
    def build(self, sources):
        frame = pd.read_csv({csv!r})
        return Cohort(name="lab", case_ids=frame["id"], labels=frame["y"], table=frame{table})
{files}
"""


@pytest.mark.parametrize(("expected", "change"), CHANGES)
def test_a_changed_cohort_becomes_what_its_change_allows(expected: str, change: str) -> None:
    state, message = outcome(change)
    assert state == expected, message
    assert message or expected == "read alike"
    assert "Traceback" not in message


def test_the_page_on_malformed_cohorts_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8").splitlines() == list(line for text in page() for line in text.split("\n"))
    assert len(CHANGES) >= 60


def test_all_problems_come_in_one_go_a_line_each_with_column_and_cases() -> None:
    change = "labels=[None, *y[1:]], table=table.assign(mrs_90=1.0, age=table['age'].replace(table['age'].max(), np.inf))"
    with pytest.raises(DataError) as caught:
        take_in(changed_cohort(change), BARRED)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["lab-cohort", part] for part in ("labels", "table column 'age'", "table")
    ]
    assert "(case P000)" in lines[0]
    assert "(case P0" in lines[1]
    assert "'mrs_90'" in lines[2]


def test_ids_that_are_row_numbers_in_some_order_are_no_index() -> None:
    change = "case_ids=np.arange(n)[::-1], groups=None"
    taken, _ = take_in(changed_cohort(change), BARRED)
    assert taken.case_ids[:2].tolist() == ["0", "1"]
    assert taken.table["age"].iloc[0] == changed_cohort().table["age"].iloc[-1]


# Order, index and types


def rearranged(order: list[int], index: str, dtype: str) -> Cohort:
    """The good cohort with its cases in another order, under another index, its columns of another type."""
    good = changed_cohort().take(order)
    labels = {"range": range(len(order)), "shuffled": np.argsort(order) + 7, "ids": good.case_ids}[index]
    table = good.table.set_index(pd.Index(labels))
    derived = good.derived.set_index(pd.Index(labels))
    if dtype != "numpy":
        table, derived = (frame.convert_dtypes(dtype_backend=dtype) for frame in (table, derived))
    columns = {name: pd.Series(getattr(good, name), index=labels) for name in ("case_ids", "labels", "sites", "groups")}
    return replace(good, rows=None, table=table, derived=derived, **columns)


arrangements = st.tuples(
    st.permutations(range(60)),
    st.sampled_from(["range", "shuffled", "ids"]),
    st.sampled_from(["numpy", "numpy_nullable", "pyarrow"]),
)


@pytest.mark.slow
@given(arrangements)
@settings(max_examples=60)
def test_no_order_index_or_type_changes_a_byte_of_what_is_stored(arrangement: tuple[list[int], str, str]) -> None:
    assert same(take_in(rearranged(*arrangement), BARRED)[0], take_in(changed_cohort(), BARRED)[0])


def predictions(cohort: Cohort) -> dict[str, bytes]:
    """Method -> the bytes of its predictions of a cohort's test part, from the table."""
    taken, _ = take_in(cohort, BARRED)
    catalogue = discover()
    split = single_cut(replace(taken, rows=np.arange(len(taken))), "once", 39)
    modalities = (frozenset({"table"}), frozenset({"table"}))
    fitted = {}
    for name in METHODS:
        method = catalogue.method(name)
        views = views_of(replace(taken, rows=np.arange(len(taken))), split, modalities)
        fitted[name] = fit_and_predict(method, views, 39).probabilities.tobytes()
    return fitted


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    return predictions(changed_cohort())


@pytest.mark.slow
@given(arrangements)
@settings(max_examples=6)
def test_no_order_index_or_type_changes_a_byte_of_five_methods_predictions(
    undisturbed: dict[str, bytes], arrangement: tuple[list[int], str, str]
) -> None:
    assert len(set(undisturbed.values())) == len(METHODS)
    assert predictions(rearranged(*arrangement)) == undisturbed


def test_categories_with_codes_come_back_from_storage_as_categories(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [f"P{i:02d}" for i in range(30)], "y": [0, 1] * 15, "w": [3, 1, 2] * 10})
    table.to_csv(tmp_path / "lab.csv", index=False)
    catalogue = dataset(tmp_path, '[["w"]].astype("category")')
    for _ in ("built", "read from disk"):
        column = load_cohort("lab", catalogue).table["w"]
        assert isinstance(column.dtype, pd.CategoricalDtype)
        assert column.tolist() == ["3", "1", "2"] * 10


# Files that are read


def dataset(folder: Path, table: str = '[["x"]]', *, named: bool = True) -> Catalogue:
    """A dataset that reads `lab.csv`, which it names or not."""
    path, csv = folder / "lab_dataset.py", str(folder / "lab.csv")
    files = f"    def files(self):\n        return [{csv!r}]\n" if named else ""
    path.write_text(DATASET.format(csv=csv, table=table, files=files))
    return discover([str(path)])


def write_lab(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"id": [f"P{i:02d}" for i in range(30)], "y": [0, 1] * 15, "x": rng.normal(size=30)})
    frame.to_csv(folder / "lab.csv", index=False)


def test_a_file_that_is_read_and_not_named_is_refused_by_name(tmp_path: Path) -> None:
    write_lab(tmp_path, 1)
    with pytest.raises(DataError, match=r"build\(\) reads '.*lab.csv', which files\(\) does not name"):
        prepare("lab", dataset(tmp_path, named=False))


@pytest.mark.parametrize("kind", ["csv", "parquet", "feather", "json", "npy", "sqlite"])
def test_files_of_many_kinds_are_seen_when_they_are_read(tmp_path: Path, kind: str) -> None:
    frame, path = pd.DataFrame({"x": [1.0, 2.0]}), tmp_path / f"lab.{kind}"
    if kind == "npy":
        np.save(path, frame.to_numpy())
    elif kind == "sqlite":
        with sqlite3.connect(path) as database:
            frame.to_sql("lab", database)
    else:
        getattr(frame, f"to_{kind}")(path)
    with opened_files() as read:
        if kind == "npy":
            np.load(path, mmap_mode="r")
        elif kind == "sqlite":
            pd.read_sql("select * from lab", sqlite3.connect(path))
        else:
            getattr(pd, f"read_{kind}")(path)
        (tmp_path / "written.csv").write_text("x")
    assert read == [path]


def test_an_edited_file_has_its_cohort_prepared_anew(tmp_path: Path) -> None:
    write_lab(tmp_path, 1)
    catalogue = dataset(tmp_path)
    before = load_cohort("lab", catalogue)
    write_lab(tmp_path, 2)
    assert load_cohort("lab", catalogue).content_digest != before.content_digest


def test_a_build_that_returns_something_else_is_refused(tmp_path: Path) -> None:
    write_lab(tmp_path, 1)
    catalogue = dataset(tmp_path, '[["x"]]) and (None')
    with pytest.raises(DataError, match=r"lab: build\(\) gives a NoneType: return a Cohort"):
        prepare("lab", catalogue)


# Through the command line


def test_the_command_line_names_every_problem_and_shows_no_traceback(made: MadeBenchmark, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    glucose = [f"{x:.1f}".replace(".", ",") for x in rng.normal(6, 2, 30)]
    frame = pd.DataFrame({"id": [f"P{i:02d}" for i in range(30)], "y": [0, 1] * 15, "x": glucose})
    frame.assign(mrs_90=1).to_csv(tmp_path / "lab.csv", index=False)
    dataset(tmp_path, '[["x", "mrs_90"]]')
    done = made.cli("run", "--plugin", str(tmp_path / "lab_dataset.py"), "--dataset", "lab", "--no-sync", code=2)
    said = done.stdout + done.stderr
    assert said.count("lab: table") == 2
    assert "text that parses as numbers" in said
    assert "'mrs_90' is barred" in said
    assert "Traceback" not in said


def test_show_columns_tells_how_each_column_was_read(made: MadeBenchmark, tmp_path: Path) -> None:
    write_lab(tmp_path, 1)
    dataset(tmp_path)
    done = made.cli("show", "dataset", "lab", "--plugin", str(tmp_path / "lab_dataset.py"), "--columns", "--json")
    shown = json.loads(done.stdout)
    assert (shown["dataset"], shown["cases"]) == ("lab", 30)
    column = shown["columns"][0]
    assert {key: column[key] for key in ("part", "column", "given", "read_as", "missing")} == {
        "part": "table", "column": "x", "given": "float64", "read_as": "number", "missing": 0,
    }  # fmt: skip
    assert column["range"][0] < column["range"][1] < column["range"][2]


@pytest.mark.slow
def test_a_new_dataset_runs_as_it_is(made: MadeBenchmark, tmp_path: Path) -> None:
    made.cli("new", "dataset", "my-ward", "--folder", str(tmp_path))
    path = tmp_path / "my_ward.py"
    made.cli("new", "dataset", "my-ward", "--folder", str(tmp_path), code=2)
    words = ("--plugin", str(path), "--dataset", "my-ward", "--method", "logistic-regression", "--seeds", "39", "--no-sync")
    assert re.search(r"logistic-regression +0\.\d{3}", made.cli("run", *words).stdout)
