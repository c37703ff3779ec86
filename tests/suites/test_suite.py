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
from benchmark.suites.members import Members, leave, members, remember_file, remember_members
from benchmark.suites.suite import Limits, joined, load_suite, suite_names, validated
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import results_folder
from tests.made_benchmark import MadeBenchmark


@pytest.fixture
def made(made: MadeBenchmark) -> MadeBenchmark:
    """With ranked rows of all modalities."""
    made.edit('["steady", "dicey", "blunt"]', '["majority", "steady", "of-image", "dicey"]', made.suite)
    made.edit('["steady[steepness=0.01]"]', '["of-text"]', made.suite)
    return made


@pytest.fixture
def edited(made: MadeBenchmark, catalogue: Catalogue) -> Callable[[str, str], str]:
    """`edited(old, new)` -> the message with which the edited suite file is refused."""

    def refusal(old: str, new: str) -> str:
        text = made.suite.read_text()
        assert old in text
        made.suite.write_text(text.replace(old, new, 1))
        with pytest.raises(BenchmarkError) as caught:
            validated(load_suite(str(made.suite)), catalogue)
        return str(caught.value)

    return refusal


def test_every_shipped_suite_is_valid() -> None:
    assert "stroke-prognosis" in suite_names()
    for name in suite_names():
        assert validated(load_suite(name), discover()).name == name


def test_a_suite_file_is_read_as_written(made: MadeBenchmark, catalogue: Catalogue) -> None:
    suite = validated(load_suite(str(made.suite)), catalogue)
    assert (suite.name, suite.title, suite.primary_metric) == ("made-suite", "Made suite", "auc")
    assert (suite.datasets, suite.protocols) == (("made",), ("repeated-cv", "leave-one-site-out"))
    assert suite.methods == ("majority", "steady", "of-image", "dicey", "of-text")
    assert suite.limits == Limits(seconds=60, memory_gib=4)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(made: MadeBenchmark) -> None:
    plain = load_suite(str(made.suite))
    made.suite.write_bytes(b"\xef\xbb\xbf" + made.suite.read_bytes().replace(b"\n", b"\r\n"))
    assert load_suite(str(made.suite)) == plain


def test_a_suite_file_in_another_encoding_is_refused_with_the_mend(made: MadeBenchmark) -> None:
    made.suite.write_bytes(made.suite.read_text().replace("Made suite", "Größe").encode("latin-1"))
    with pytest.raises(BenchmarkError, match=r"made-suite\.toml is not in UTF-8 .*: save it in that encoding"):
        load_suite(str(made.suite))


def test_another_suite_file_of_the_same_name_is_refused_while_the_first_is_there(made: MadeBenchmark) -> None:
    other = made.folder / "elsewhere" / made.suite.name
    other.parent.mkdir()
    other.write_text(made.suite.read_text())
    remember_file(str(made.suite))
    assert load_suite(str(made.suite)).name == "made-suite"
    with pytest.raises(BenchmarkError, match=f"bears the name of {made.suite}, whose results lie in"):
        load_suite(str(other))
    made.suite.unlink()
    remember_file(str(other))
    assert load_suite(str(other)).name == "made-suite"


def test_members_stay_when_the_file_is_remembered_and_the_file_when_members_come_and_go(made: MadeBenchmark) -> None:
    remember_file(str(made.suite))
    remember_members("made-suite", Members(methods=("of-image",)))
    remember_file(str(made.suite))
    assert members("made-suite").methods == ("of-image",)
    leave("made-suite", "of-image")
    assert members("made-suite").methods == ()
    assert json.loads((results_folder() / "members.json").read_text())["made-suite"]["file"] == [str(made.suite)]


def test_a_suite_whose_page_would_replace_the_default_one_is_refused(made: MadeBenchmark) -> None:
    path = made.folder / "leaderboard.toml"
    path.write_text(made.suite.read_text())
    with pytest.raises(BenchmarkError, match="rename the file"):
        load_suite(str(path))


def test_methods_stand_in_their_one_spelling(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.suite.write_text(made.suite.read_text().replace('"dicey"', '"varied[width=9,features=image]", "dicey[noise=0.5]"'))
    suite = validated(load_suite(str(made.suite)), catalogue)
    assert suite.ranked[-2:] == ("varied[features=image,width=9]", "dicey")


def test_two_spellings_of_one_method_are_one_row(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.suite.write_text(made.suite.read_text().replace('"dicey"', '"dicey", "dicey[noise=0.5]"'))
    assert validated(load_suite(str(made.suite)), catalogue).methods.count("dicey") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", 'name = "renamed"\ntitle =', ["'name'", "unknown field"]),
        ("ranked =", "rankd =", ["'rankd'", "did you mean 'ranked'"]),
        ("seconds = 60", "second = 60", ["limits", "'second'", "did you mean 'seconds'"]),
        ('title = "Made suite"\n', "", ["'title'", "missing"]),
        ('datasets = ["made"]\n', "", ["'datasets'", "missing"]),
        ('datasets = ["made"]', 'datasets = "made"', ["'datasets'", "list of strings", "'made'"]),
        ('datasets = ["made"]', 'datasets = ["made", 3]', ["'datasets'", "list of strings"]),
        ('title = "Made suite"', "title = 3", ["'title'", "string", "3"]),
        ("seconds = 60", 'seconds = "60"', ["'limits.seconds'", "positive number", "'60'"]),
        ("seconds = 60", "seconds = 0", ["'limits.seconds'", "positive number"]),
        ('title = "Made suite"', "title = ", ["line 1"]),
        ('"steady"', '"staedy"', ["ranked", "'staedy'", "did you mean", "'steady'"]),
        ('["of-text"]', '["of-txet"]', ["descriptive", "'of-txet'", "did you mean", "'of-text'"]),
        ('datasets = ["made"]', 'datasets = ["maed"]', ["datasets", "'maed'", "did you mean 'made'"]),
        ('"repeated-cv"', '"repeated-vc"', ["protocols", "'repeated-vc'", "did you mean 'repeated-cv'"]),
        ('"auc"', '"acu"', ["primary_metric", "'acu'", "did you mean", "'auc'"]),
        ('"dicey"', '"dicey[nois=1]"', ["ranked", "'nois'", "did you mean 'noise'"]),
    ],
)
def test_what_is_wrong_in_a_suite_file_is_named_with_file_field_and_mend(
    edited: Callable[[str, str], str], old: str, new: str, said: list[str]
) -> None:
    message = edited(old, new)
    assert all(part in message for part in said), message
    assert "made-suite" in message
    assert "\n" not in message


def test_limits_may_be_left_out(made: MadeBenchmark) -> None:
    made.suite.write_text(made.suite.read_text().partition("[limits]")[0])
    assert load_suite(str(made.suite)).limits == Limits()


def test_an_unknown_suite_is_met_with_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match="unknown suite 'stroke-prognosi': did you mean 'stroke-prognosis'"):
        load_suite("stroke-prognosi")


# Members


def test_members_are_remembered_beside_the_results(made: MadeBenchmark) -> None:
    first = Members(methods=("mine",), plugins=("/a/mine.py",))
    remember_members("made-suite", first.joined_by(Members(methods=("yours", "mine"))))
    assert members("made-suite") == Members(methods=("mine", "yours"), plugins=("/a/mine.py",))
    assert json.loads((results_folder() / "members.json").read_text())["made-suite"]["methods"] == ["mine", "yours"]


def test_members_of_one_suite_are_not_those_of_another(made: MadeBenchmark) -> None:
    remember_members("made-suite", Members(methods=("mine",)))
    assert members("stroke-prognosis") == Members()


def test_a_member_is_ranked(made: MadeBenchmark, catalogue: Catalogue) -> None:
    suite = joined(validated(load_suite(str(made.suite)), catalogue), Members(methods=("varied",)))
    assert suite.ranked[-1] == "varied"
    assert suite.descriptive == ("of-text",)


def test_a_descriptive_row_named_again_is_not_ranked_for_that(made: MadeBenchmark) -> None:
    suite = joined(load_suite(str(made.suite)), Members(methods=("of-text", "majority")))
    assert "of-text" not in suite.ranked
    assert suite.ranked.count("majority") == 1


def test_a_remembered_plugin_is_discovered_again(made: MadeBenchmark) -> None:
    remember_members("made-suite", Members(plugins=(str(made.plugin),)))
    assert "steady" in catalogue_of(str(made.suite)).methods


def test_a_remembered_plugin_that_is_gone_is_forgotten(made: MadeBenchmark, tmp_path: Path) -> None:
    remember_members("made-suite", Members(plugins=(str(tmp_path / "gone.py"),)))
    assert "majority" in catalogue_of(str(made.suite)).methods


def test_a_member_whose_parameter_is_gone_stops_no_ranking(made: MadeBenchmark, catalogue: Catalogue) -> None:
    remember_members("made-suite", Members(methods=("dicey[nois=1]", "varied")))
    suite = current_suite(str(made.suite), catalogue)
    assert "varied" in suite.ranked and "dicey[nois=1]" not in suite.methods


def test_a_ranking_without_local_rows_has_no_members(made: MadeBenchmark, catalogue: Catalogue) -> None:
    remember_members("made-suite", Members(methods=("varied",)))
    assert "varied" in current_suite(str(made.suite), catalogue).ranked
    assert "varied" not in current_suite(str(made.suite), catalogue, local=False).ranked


def test_a_members_file_that_is_not_json_says_how_to_mend_it() -> None:
    results_folder().mkdir(parents=True)
    (results_folder() / "members.json").write_text("{")
    with pytest.raises(BenchmarkError, match=r"members\.json is not JSON .*delete it"):
        members("made-suite")


def test_a_method_named_in_run_becomes_a_ranked_member(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.run("--method", "varied[features=image]", "--protocol", "holdout")
    assert members("made-suite").methods == ("varied[features=image]",)
    assert "varied[features=image]" in current_suite(str(made.suite), catalogue).ranked
    assert [path.name for path in (results_folder() / "cells/made/holdout").iterdir() if path.is_dir()] == [
        "varied[features=image]"
    ]


def test_what_a_paper_reports_is_read_row_by_row(made: MadeBenchmark, catalogue: Catalogue) -> None:
    added = '[reported]\nsource = "a paper"\n[[reported.rows]]\nsaid = "All"\nmethods = ["steady"]\nauc = "81.06 (1.97)"\n'
    made.suite.write_text(made.suite.read_text() + added)
    reported = validated(load_suite(str(made.suite)), catalogue).reported
    assert reported is not None and reported.source == "a paper"
    assert [(row.said, row.methods, dict(row.figures)) for row in reported.rows] == [
        ("All", ("steady",), {"auc": "81.06 (1.97)"})
    ]
    made.suite.write_text(made.suite.read_text().replace('auc = "81', 'acu = "81'))
    with pytest.raises(BenchmarkError, match="unknown metric 'acu': did you mean 'auc'"):
        validated(load_suite(str(made.suite)), catalogue)
    made.suite.write_text(made.suite.read_text().replace("said = ", "saying = "))
    with pytest.raises(BenchmarkError, match="'reported' must have a source and rows"):
        load_suite(str(made.suite))


def test_a_row_that_a_suite_skips_is_not_applicable_there_unless_it_is_named(made: MadeBenchmark, catalogue: Catalogue) -> None:
    from benchmark.cli.selection import narrowed

    made.suite.write_text(made.suite.read_text() + '[skipped.made]\nsteady = "takes hours"\n')
    suite = validated(load_suite(str(made.suite)), catalogue)
    planned = plan(suite, catalogue, {"made": load_cohort("made", catalogue)}, Store())
    assert [(row.method.spelled, row.not_applicable) for row in planned.not_applicable] == [("steady", "takes hours")]
    assert "steady" not in {cell.address.method for cell in planned.cells}
    named = narrowed(suite, (), (), ("steady",))
    cells = plan(named, catalogue, {"made": load_cohort("made", catalogue)}, Store()).cells
    assert {cell.address.method for cell in cells} == {"steady"}


def test_a_dataset_stands_under_its_own_protocols_alone_unless_others_are_named(
    made: MadeBenchmark, catalogue: Catalogue
) -> None:
    from benchmark.cells.rows import gather
    from benchmark.cli.selection import narrowed

    made.run("--protocol", "repeated-cv", "--protocol", "leave-one-site-out", "--method", "steady")
    made.suite.write_text(made.suite.read_text() + '[only]\nmade = ["repeated-cv"]\n')
    suite = validated(load_suite(str(made.suite)), catalogue)
    assert "leave-one-site-out" in suite.protocols and suite.pairings == [("made", "repeated-cv")]
    cohorts = {"made": load_cohort("made", catalogue)}
    assert {cell.address.protocol for cell in plan(suite, catalogue, cohorts, Store()).cells} == {"repeated-cv"}
    assert {rows.task.protocol for rows in gather(suite, catalogue)} == {"repeated-cv"}
    named = narrowed(suite, (), ("leave-one-site-out",), ())
    assert {cell.address.protocol for cell in plan(named, catalogue, cohorts, Store()).cells} == {"leave-one-site-out"}


def test_names_in_skipped_may_be_spelled_like_any_other(made: MadeBenchmark, catalogue: Catalogue) -> None:
    text = made.suite.read_text().replace("descriptive = [", 'descriptive = ["varied[width=9]", ', 1)
    made.suite.write_text(text + '[skipped.made]\n"varied[width=9,features=table]" = "slow"\n')
    assert validated(load_suite(str(made.suite)), catalogue).why_skipped("made", "varied[width=9]") == "slow"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('[skipped.made]\nstaedy = "slow"\n', "field 'skipped': staedy is not in the suite"),
        ('[skipped.maed]\nsteady = "slow"\n', "field 'skipped': maed is not in the suite"),
        ('[only]\nmaed = ["repeated-cv"]\n', "field 'only': maed is not in the suite"),
        ('[only]\nmade = ["repaeted-cv"]\n', "field 'only': repaeted-cv is not in the suite"),
        ('[reported]\nsource = "s"\n[[reported.rows]]\nsaid = "a"\nmethods = ["staedy"]\n', "did you mean 'steady'"),
    ],
)
def test_a_misspelt_name_in_skipped_or_reported_is_refused(
    made: MadeBenchmark, catalogue: Catalogue, added: str, said: str
) -> None:
    made.suite.write_text(made.suite.read_text() + added)
    with pytest.raises(BenchmarkError, match=said):
        validated(load_suite(str(made.suite)), catalogue)


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
