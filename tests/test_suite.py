"""Suite files: what is wrong in one is named with its mend; members are remembered and ranked."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from benchmark.cells.planning import plan
from benchmark.cells.rows import catalogue_of, current_suite
from benchmark.cells.store import Store
from benchmark.data.preparation import load_cohort
from benchmark.registry.catalogue import Catalogue
from benchmark.registry.discovery import discover
from benchmark.suites.suite import Limits, Members, join, joined, load_suite, members, suite_names, validated
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import results_folder
from tests.conftest import Run


@pytest.fixture
def edited(tiny_suite: Path, catalogue: Catalogue) -> Callable[[str, str], str]:
    """`edited(old, new)` -> the message with which the edited suite file is refused."""

    def refusal(old: str, new: str) -> str:
        text = tiny_suite.read_text()
        assert old in text
        tiny_suite.write_text(text.replace(old, new, 1))
        with pytest.raises(BenchmarkError) as caught:
            validated(load_suite(str(tiny_suite)), catalogue)
        return str(caught.value)

    return refusal


def test_every_shipped_suite_is_valid() -> None:
    assert "stroke-prognosis" in suite_names()
    for name in suite_names():
        assert validated(load_suite(name), discover()).name == name


def test_a_suite_file_is_read_as_written(tiny_suite: Path, catalogue: Catalogue) -> None:
    suite = validated(load_suite(str(tiny_suite)), catalogue)
    assert (suite.name, suite.title, suite.primary_metric) == ("tiny-suite", "A tiny suite", "auc")
    assert (suite.datasets, suite.protocols) == (("tiny",), ("repeated-cv", "leave-one-site-out"))
    assert suite.methods == ("majority", "tiny-table", "tiny-image", "tiny-noisy", "tiny-text")
    assert suite.limits == Limits(seconds=30, memory_gib=2)


def test_methods_stand_in_their_one_spelling(tiny_suite: Path, catalogue: Catalogue) -> None:
    tiny_suite.write_text(
        tiny_suite.read_text().replace('"tiny-noisy"', '"tiny-variants[width=9,features=image]", "tiny-noisy[noise=0.5]"')
    )
    suite = validated(load_suite(str(tiny_suite)), catalogue)
    assert suite.ranked[-2:] == ("tiny-variants[features=image,width=9]", "tiny-noisy")


def test_two_spellings_of_one_method_are_one_row(tiny_suite: Path, catalogue: Catalogue) -> None:
    tiny_suite.write_text(tiny_suite.read_text().replace('"tiny-noisy"', '"tiny-noisy", "tiny-noisy[noise=0.5]"'))
    assert validated(load_suite(str(tiny_suite)), catalogue).methods.count("tiny-noisy") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", 'name = "renamed"\ntitle =', ["'name'", "unknown field"]),
        ("ranked =", "rankd =", ["'rankd'", "did you mean 'ranked'"]),
        ("seconds = 30", "second = 30", ["limits", "'second'", "did you mean 'seconds'"]),
        ('title = "A tiny suite"\n', "", ["'title'", "missing"]),
        ('datasets = ["tiny"]\n', "", ["'datasets'", "missing"]),
        ('datasets = ["tiny"]', 'datasets = "tiny"', ["'datasets'", "list of strings", "'tiny'"]),
        ('datasets = ["tiny"]', 'datasets = ["tiny", 3]', ["'datasets'", "list of strings"]),
        ('title = "A tiny suite"', "title = 3", ["'title'", "string", "3"]),
        ("seconds = 30", 'seconds = "30"', ["'limits.seconds'", "positive number", "'30'"]),
        ("seconds = 30", "seconds = 0", ["'limits.seconds'", "positive number"]),
        ('title = "A tiny suite"', "title = ", ["line 1"]),
        ('"tiny-table"', '"tiny-tabel"', ["ranked", "'tiny-tabel'", "did you mean", "'tiny-table'"]),
        ('["tiny-text"]', '["tiny-txet"]', ["descriptive", "'tiny-txet'", "did you mean", "'tiny-text'"]),
        ('datasets = ["tiny"]', 'datasets = ["tinny"]', ["datasets", "'tinny'", "did you mean 'tiny'"]),
        ('"repeated-cv"', '"repeated-vc"', ["protocols", "'repeated-vc'", "did you mean 'repeated-cv'"]),
        ('"auc"', '"acu"', ["primary_metric", "'acu'", "did you mean", "'auc'"]),
        ('"tiny-noisy"', '"tiny-noisy[nois=1]"', ["ranked", "'nois'", "did you mean 'noise'"]),
    ],
)
def test_what_is_wrong_in_a_suite_file_is_named_with_file_field_and_mend(
    edited: Callable[[str, str], str], old: str, new: str, said: list[str]
) -> None:
    message = edited(old, new)
    assert all(part in message for part in said), message
    assert "tiny-suite" in message
    assert "\n" not in message


def test_limits_may_be_left_out(tiny_suite: Path) -> None:
    tiny_suite.write_text(tiny_suite.read_text().partition("[limits]")[0])
    assert load_suite(str(tiny_suite)).limits == Limits()


def test_an_unknown_suite_is_met_with_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match="unknown suite 'stroke-prognosi': did you mean 'stroke-prognosis'"):
        load_suite("stroke-prognosi")


# Members


def test_members_are_remembered_beside_the_results(tiny_suite: Path) -> None:
    suite = load_suite(str(tiny_suite))
    join(suite, Members(methods=("mine",), plugins=("/a/mine.py",)))
    join(suite, Members(methods=("yours", "mine")))
    assert members("tiny-suite") == Members(methods=("mine", "yours"), plugins=("/a/mine.py",))
    assert json.loads((results_folder() / "members.json").read_text())["tiny-suite"]["methods"] == ["mine", "yours"]


def test_members_of_one_suite_are_not_those_of_another(tiny_suite: Path) -> None:
    join(load_suite(str(tiny_suite)), Members(methods=("mine",)))
    assert members("stroke-prognosis") == Members()


def test_a_member_is_ranked(tiny_suite: Path, catalogue: Catalogue) -> None:
    suite = joined(validated(load_suite(str(tiny_suite)), catalogue), Members(methods=("tiny-variants",)))
    assert suite.ranked[-1] == "tiny-variants"
    assert suite.descriptive == ("tiny-text",)


def test_a_descriptive_row_named_again_is_not_ranked_for_that(tiny_suite: Path) -> None:
    suite = joined(load_suite(str(tiny_suite)), Members(methods=("tiny-text", "majority")))
    assert "tiny-text" not in suite.ranked
    assert suite.ranked.count("majority") == 1


def test_a_remembered_plugin_is_discovered_again(tiny_suite: Path, tiny_plugin: Path) -> None:
    join(load_suite(str(tiny_suite)), Members(plugins=(str(tiny_plugin),)))
    assert "tiny-table" in catalogue_of(str(tiny_suite)).methods


def test_a_remembered_plugin_that_is_gone_is_forgotten(tiny_suite: Path, tmp_path: Path) -> None:
    join(load_suite(str(tiny_suite)), Members(plugins=(str(tmp_path / "gone.py"),)))
    assert "majority" in catalogue_of(str(tiny_suite)).methods


def test_a_member_whose_parameter_is_gone_stops_no_ranking(tiny_suite: Path, catalogue: Catalogue) -> None:
    join(load_suite(str(tiny_suite)), Members(methods=("tiny-noisy[nois=1]", "tiny-variants")))
    suite = current_suite(str(tiny_suite), catalogue)
    assert "tiny-variants" in suite.ranked and "tiny-noisy[nois=1]" not in suite.methods


def test_a_ranking_without_local_rows_has_no_members(tiny_suite: Path, catalogue: Catalogue) -> None:
    join(load_suite(str(tiny_suite)), Members(methods=("tiny-variants",)))
    assert "tiny-variants" in current_suite(str(tiny_suite), catalogue).ranked
    assert "tiny-variants" not in current_suite(str(tiny_suite), catalogue, local=False).ranked


def test_a_members_file_that_is_not_json_says_how_to_mend_it() -> None:
    results_folder().mkdir(parents=True)
    (results_folder() / "members.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"members\.json is not JSON .*delete it"):
        members("tiny-suite")


def test_a_method_named_in_run_becomes_a_ranked_member(
    benchmark_cli: Run, tiny_suite: Path, tiny_plugin: Path, catalogue: Catalogue
) -> None:
    done = benchmark_cli(
        *("run", "--suite", tiny_suite, "--plugin", tiny_plugin, "--method", "tiny-variants[features=image]"),
        *("--protocol", "holdout", "--in-process", "--no-sync"),
    )
    assert done.returncode == 0, done.stderr
    assert members("tiny-suite").methods == ("tiny-variants[features=image]",)
    assert "tiny-variants[features=image]" in current_suite(str(tiny_suite), catalogue).ranked
    assert [path.name for path in (results_folder() / "cells/tiny/holdout").iterdir() if path.is_dir()] == [
        "tiny-variants[features=image]"
    ]


def test_what_a_paper_reports_is_read_row_by_row(tiny_suite: Path, catalogue: Catalogue) -> None:
    added = '[reported]\nsource = "a paper"\n[[reported.rows]]\nsaid = "All"\nmethods = ["tiny-table"]\nauc = "81.06 (1.97)"\n'
    tiny_suite.write_text(tiny_suite.read_text() + added)
    reported = validated(load_suite(str(tiny_suite)), catalogue).reported
    assert reported is not None and reported.source == "a paper"
    assert [(row.said, row.methods, dict(row.figures)) for row in reported.rows] == [
        ("All", ("tiny-table",), {"auc": "81.06 (1.97)"})
    ]
    tiny_suite.write_text(tiny_suite.read_text().replace('auc = "81', 'acu = "81'))
    with pytest.raises(BenchmarkError, match="unknown metric 'acu': did you mean 'auc'"):
        validated(load_suite(str(tiny_suite)), catalogue)
    tiny_suite.write_text(tiny_suite.read_text().replace("said = ", "saying = "))
    with pytest.raises(BenchmarkError, match="'reported' must have a source and rows"):
        load_suite(str(tiny_suite))


def test_a_row_that_a_suite_skips_is_not_applicable_there_unless_it_is_named(tiny_suite: Path, catalogue: Catalogue) -> None:
    from benchmark.cli.selection import narrowed

    tiny_suite.write_text(tiny_suite.read_text() + '[skipped.tiny]\ntiny-table = "takes hours"\n')
    suite = validated(load_suite(str(tiny_suite)), catalogue)
    made = plan(suite, catalogue, {"tiny": load_cohort("tiny", catalogue)}, Store())
    assert [(row.method.spelled, row.not_applicable) for row in made.not_applicable] == [("tiny-table", "takes hours")]
    assert "tiny-table" not in {cell.address.method for cell in made.cells}
    named = narrowed(suite, (), (), ("tiny-table",))
    cells = plan(named, catalogue, {"tiny": load_cohort("tiny", catalogue)}, Store()).cells
    assert {cell.address.method for cell in cells} == {"tiny-table"}


def test_names_in_skipped_may_be_spelled_like_any_other(tiny_suite: Path, catalogue: Catalogue) -> None:
    text = tiny_suite.read_text().replace("descriptive = [", 'descriptive = ["tiny-variants[width=9]", ', 1)
    tiny_suite.write_text(text + '[skipped.tiny]\n"tiny-variants[width=9,features=table]" = "slow"\n')
    assert validated(load_suite(str(tiny_suite)), catalogue).why_skipped("tiny", "tiny-variants[width=9]") == "slow"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('[skipped.tiny]\ntiny-tabel = "slow"\n', "field 'skipped': tiny-tabel is not in the suite"),
        ('[skipped.tinny]\ntiny-table = "slow"\n', "field 'skipped': tinny is not in the suite"),
        ('[reported]\nsource = "s"\n[[reported.rows]]\nsaid = "a"\nmethods = ["tiny-tabel"]\n', "did you mean 'tiny-table'"),
    ],
)
def test_a_misspelt_name_in_skipped_or_reported_is_refused(
    tiny_suite: Path, catalogue: Catalogue, added: str, said: str
) -> None:
    tiny_suite.write_text(tiny_suite.read_text() + added)
    with pytest.raises(BenchmarkError, match=said):
        validated(load_suite(str(tiny_suite)), catalogue)


def test_no_two_shipped_suites_rank_the_same_pair_on_the_same_data() -> None:
    catalogue = discover()
    families: dict[tuple[str, str, str, str], str] = {}
    for name in suite_names():
        suite = validated(load_suite(name), catalogue)
        for dataset in suite.datasets:
            for protocol in suite.protocols:
                for a, b in combinations(sorted(suite.ranked), 2):
                    first = families.setdefault((dataset, protocol, a, b), name)
                    assert first == name, f"{a} and {b} on {dataset}, {protocol}: ranked by {first} and {name}"
