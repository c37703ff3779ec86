"""`subgroups` through the command line, on a dataset with attributes beside one without."""

from __future__ import annotations

import re

import pytest

from tests.made_benchmark import CASES, MadeBenchmark


@pytest.fixture(scope="module")
def layered(tmp_path_factory):
    """The made benchmark, run once on the dataset with its attributes and on the same without them."""
    benchmark = MadeBenchmark(tmp_path_factory.mktemp("layered"))
    benchmark.edit('["made"]', '["made[attributes=False]", "made"]', benchmark.suite)
    benchmark.run()
    return benchmark


def files(made) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(made.output.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_metrics_by_subgroup_are_printed_and_nothing_is_written(layered):
    before = files(layered)
    text = layered.cli("subgroups", "Sex", *layered.options).stdout
    assert files(layered) == before
    assert text.startswith("# Made suite, by Sex\n") and "Descriptive: no tests are made." in text
    assert "- unknown attribute of made[attributes=False] 'Sex': known: site\n" in text
    assert text.count("## made, repeated-cv, by sex\n") == 1 and "## made[" not in text
    missing = next(line for line in text.splitlines() if line.startswith("| not known"))
    assert re.fullmatch(r"\| not known +\| 6 +\| \d \(\d+\.\d %\) +\| \d+ +\| small \|", missing)
    of_few = next(line for line in text.splitlines() if re.match(r"\| `steady` +\| not known ", line))
    assert of_few.count("n/a") == 3

    content = layered.json("subgroups", "sex", *layered.options, "--json")
    assert content["suite"] == "made-suite" and content["by"] == "sex"
    assert content["skipped"] == ["unknown attribute of made[attributes=False] 'sex': known: site"]
    assert [(item["dataset"], item["protocol"]) for item in content["tables"]] == [
        ("made", "repeated-cv"),
        ("made", "leave-one-site-out"),
    ]
    for item in content["tables"]:
        assert [group["group"] for group in item["groups"]] == ["female", "male", "not known"]
        assert [group["small"] for group in item["groups"]] == [False, False, True]
        assert sum(group["cases"] for group in item["groups"]) == CASES
        for group in item["groups"]:
            methods = {row["method"]: row for row in group["methods"]}
            assert set(methods) == {"steady", "dicey", "blunt", "steady[steepness=0.01]"}
            assert methods["steady"]["ranked"] and not methods["steady[steepness=0.01]"]["ranked"]
            assert all(0 <= value <= 1 for row in methods.values() for value in row["metrics"].values() if value is not None)


def test_each_kind_of_attribute_gives_its_subgroups_and_a_dataset_can_be_chosen(layered):
    where = [*layered.options, "--dataset", "made", "--json"]
    ages = layered.json("subgroups", "age", *where)["tables"][0]["groups"]
    assert [group["group"] for group in ages] == ["<55", "55-64", "65-74", "75-84", "85+"]
    field = layered.json("subgroups", "field-strength", *where)
    assert [group["group"] for group in field["tables"][0]["groups"]] == ["1.5", "3"] and field["skipped"] == []
    sites = layered.json("subgroups", "site", *layered.options, "--json")
    assert len(sites["tables"]) == 4 and sites["skipped"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sex", "--no-local"], "no predictions of made[attributes=False], made are stored"),
        (["sex", "--dataset", "maed"], "unknown dataset 'maed': did you mean 'made'"),
        (["sex", "--dataset", "soop"], "unknown dataset of suite made-suite 'soop'"),
    ],
)
def test_bad_input_is_one_line_with_code_2(layered, words, said):
    error = layered.cli("subgroups", *words, *layered.options, code=2).stderr
    assert re.fullmatch(r"error: [^\n]+\n", error), error
    assert said in error
