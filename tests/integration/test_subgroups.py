"""`subgroups` through the command line, on a dataset with attributes beside one without."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import PLUGIN, SUITE, MadeBenchmark

STRATA = """

@register_dataset(
    "layered", title="Layered", source="made here", license="none", citation="none", label="made", label_time="never",
    positive="good", negative="poor", site="hospital", inputs={"table": "x and z"}, barred={}, scope="Made for tests.",
    modalities={"table"}, cases=90, sites=3,
)
@dataclass(frozen=True)
class Layered:
    def build(self, sources):
        made = Made().build(sources)
        rng = np.random.default_rng(3)
        sex = np.where(rng.random(90) < 0.5, "female", "male").astype(object)
        sex[:6] = None
        age = rng.uniform(45, 95, 90)
        strata = pd.DataFrame({"sex": pd.Categorical(sex), "age": age, "field_strength": rng.choice([1.5, 3.0], 90)})
        return Cohort("layered", made.case_ids, made.labels, made.sites, made.groups, made.table, strata=strata)
"""


@pytest.fixture(scope="module")
def layered(tmp_path_factory):
    """The made benchmark, run once, with a second dataset that has attributes."""
    folder = tmp_path_factory.mktemp("layered")
    (folder / "made_plugin.py").write_text(PLUGIN + STRATA)
    (folder / "made-suite.toml").write_text(SUITE.replace('["made"]', '["made", "layered"]'))
    benchmark = MadeBenchmark(folder)
    benchmark.run()
    return benchmark


def files(made) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(made.output.rglob("*")) if path.is_file()}


def test_metrics_by_subgroup_are_printed_and_nothing_is_written(layered):
    before = files(layered)
    text = layered.cli("subgroups", "Sex", *layered.options).stdout
    assert files(layered) == before
    assert text.startswith("# Made suite, by Sex\n") and "Descriptive: no tests are made." in text
    assert "- unknown attribute of made 'Sex': known: site\n" in text
    assert text.count("## layered, repeated-cv, by sex\n") == 1 and "## made" not in text
    missing = next(line for line in text.splitlines() if line.startswith("| not known"))
    assert re.fullmatch(r"\| not known +\| 6 +\| \d \(\d+\.\d %\) +\| \d+ +\| small \|", missing)
    of_few = next(line for line in text.splitlines() if re.match(r"\| `steady` +\| not known ", line))
    assert of_few.count("n/a") == 3

    content = layered.json("subgroups", "sex", *layered.options, "--json")
    assert content["suite"] == "made-suite" and content["by"] == "sex"
    assert content["skipped"] == ["unknown attribute of made 'sex': known: site"]
    assert [(item["dataset"], item["protocol"]) for item in content["tables"]] == [
        ("layered", "repeated-cv"),
        ("layered", "leave-one-site-out"),
    ]
    for item in content["tables"]:
        assert [group["group"] for group in item["groups"]] == ["female", "male", "not known"]
        assert [group["small"] for group in item["groups"]] == [False, False, True]
        assert sum(group["cases"] for group in item["groups"]) == 90
        for group in item["groups"]:
            methods = {row["method"]: row for row in group["methods"]}
            assert set(methods) == {"steady", "dicey", "blunt", "steady[C=0.01]"}
            assert methods["steady"]["ranked"] and not methods["steady[C=0.01]"]["ranked"]
            assert all(0 <= value <= 1 for row in methods.values() for value in row["metrics"].values() if value is not None)


def test_each_kind_of_attribute_gives_its_subgroups_and_a_dataset_can_be_chosen(layered):
    where = [*layered.options, "--dataset", "layered", "--json"]
    ages = layered.json("subgroups", "age", *where)["tables"][0]["groups"]
    assert [group["group"] for group in ages] == ["<55", "55-64", "65-74", "75-84", "85+"]
    field = layered.json("subgroups", "field-strength", *where)
    assert [group["group"] for group in field["tables"][0]["groups"]] == ["1.5", "3"] and field["skipped"] == []
    sites = layered.json("subgroups", "site", *layered.options, "--json")
    assert len(sites["tables"]) == 4 and sites["skipped"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sex", "--no-local"], "no predictions of made, layered are stored"),
        (["sex", "--dataset", "layerd"], "unknown dataset 'layerd': did you mean 'layered'?"),
        (["sex", "--dataset", "soop"], "unknown dataset of suite made-suite 'soop'"),
    ],
)
def test_bad_input_is_one_line_with_code_2(layered, words, said):
    error = layered.cli("subgroups", *words, *layered.options, code=2).stderr
    assert re.fullmatch(r"error: [^\n]+\n", error), error
    assert said in error
