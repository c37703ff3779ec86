"""Questions in suite files: rows in their one spelling, and what is wrong is named with file, question and row."""

from __future__ import annotations

import pytest

from benchmark.registry.catalogue import Catalogue
from benchmark.suites.questions import Question
from benchmark.suites.suite import load_suite, validated
from benchmark.system.errors import BenchmarkError
from tests.made_benchmark import MadeBenchmark

ASKED = """
[[questions]]
ask = "Is dicey better than the others?"
a = "dicey[noise=0.5]"
b = ["steady", "varied[width=9,features=image]"]
named = "a paper (2026)"

[[questions]]
ask = "Is steady better than blunt?"
a = "steady"
b = "blunt"
named = "us, 2026-11-28"
family = "plain"
exploratory = true
"""


@pytest.fixture
def made(made: MadeBenchmark) -> MadeBenchmark:
    made.edit('["steady", "dicey", "blunt"]', '["steady", "dicey", "blunt", "varied[features=image,width=9]"]', made.suite)
    made.suite.write_text(made.suite.read_text() + ASKED)
    return made


def test_questions_are_read_with_every_row_in_its_one_spelling(made: MadeBenchmark, catalogue: Catalogue) -> None:
    first, second = validated(load_suite(str(made.suite)), catalogue).questions
    assert first == Question(
        "Is dicey better than the others?", ("dicey",), ("steady", "varied[features=image,width=9]"), "a paper (2026)"
    )
    assert first.family == "questions" and not first.exploratory
    assert first.contrasts == (("dicey", "steady"), ("dicey", "varied[features=image,width=9]"))
    assert (second.family, second.exploratory) == ("plain", True)


def test_a_star_stands_for_every_other_ranked_row(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.edit('a = "steady"\nb = "blunt"', 'a = "*"\nb = "blunt"', made.suite)
    suite = validated(load_suite(str(made.suite)), catalogue)
    assert suite.questions[1].a == tuple(name for name in suite.ranked if name != "blunt")
    made.edit('a = "*"\nb = "blunt"', 'a = "*"\nb = "*"', made.suite)
    with pytest.raises(BenchmarkError, match=r"unknown method '\*'"):
        validated(load_suite(str(made.suite)), catalogue)


def test_a_suite_may_ask_nothing(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.edit(ASKED, "", made.suite)
    assert validated(load_suite(str(made.suite)), catalogue).questions == ()


def test_one_contrast_may_be_asked_in_two_families(made: MadeBenchmark, catalogue: Catalogue) -> None:
    made.edit('b = "blunt"', 'b = "dicey"', made.suite)
    families = {question.family for question in validated(load_suite(str(made.suite)), catalogue).questions}
    assert families == {"questions", "plain"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('b = "blunt"', 'b = "blnt"', ["'Is steady better than blunt?'", "unknown method 'blnt'", "did you mean 'blunt'"]),
        ('b = "blunt"', 'b = "steady[steepness=0.01]"', ["'Is steady", "'steady[steepness=0.01]' is descriptive"]),
        ('b = "blunt"', 'b = "of-text"', ["'Is steady", "'of-text' is not in the suite"]),
        ('b = "blunt"', 'b = "steady[steepness=1.0]"', ["'Is steady", "'steady' stands on both sides"]),
        ('b = "blunt"', 'b = ["blunt", "blunt"]', ["'Is steady", "'steady' against 'blunt' is asked twice", "'plain'"]),
        (
            'a = "steady"\nb = "blunt"\nnamed = "us, 2026-11-28"\nfamily = "plain"',
            'a = "steady"\nb = "dicey"\nnamed = "us"',
            ["'Is steady", "'steady' against 'dicey' is asked twice in family 'questions'"],
        ),
        ('b = "blunt"', "b = []", ["question 2", "'Is steady", "field 'b' must be a row or a list of rows, not []"]),
        ('b = "blunt"', "b = [3]", ["question 2", "field 'b' must be a row or a list of rows, not [3]"]),
        ('a = "steady"', "a = 3", ["question 2", "field 'a' must be a row or a list of rows, not 3"]),
        ('a = "steady"\n', "", ["question 2", "field 'a' is missing"]),
        ('ask = "Is steady better than blunt?"', "", ["question 2", "field 'ask' is missing"]),
        ('ask = "Is steady better than blunt?"', 'ask = " "', ["question 2", "field 'ask' must be words, not ' '"]),
        ('named = "us, 2026-11-28"', "named = 2026-11-28", ["question 2", "field 'named' must be words"]),
        ("exploratory = true", 'exploratory = "yes"', ["question 2", "field 'exploratory' must be true or false, not 'yes'"]),
        ("exploratory = true", "explorative = true", ["question 2", "unknown field 'explorative'", "'exploratory'"]),
        (ASKED, '[questions]\nask = "What?"\n', ["field 'questions' must be a list of tables: write [[questions]]"]),
    ],
)
def test_a_wrong_question_is_refused_with_the_file_the_question_and_the_row(
    made: MadeBenchmark, catalogue: Catalogue, old: str, new: str, said: list[str]
) -> None:
    made.edit(old, new, made.suite)
    with pytest.raises(BenchmarkError) as caught:
        validated(load_suite(str(made.suite)), catalogue)
    message = str(caught.value)
    assert message.startswith("suite file made-suite.toml: ") and "\n" not in message
    assert all(part in message for part in said), message
