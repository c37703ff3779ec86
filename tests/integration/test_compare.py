"""`compare A B`: one pair by name at every table that holds both; and questions where a run shows its tables."""

from __future__ import annotations

import json
import re

import pytest
from scipy.optimize import brentq
from scipy.stats import nct, t

from benchmark.cells.rows import current_suite
from benchmark.leaderboard.publication import rank
from tests.made_benchmark import CASES, MadeBenchmark

ASKED = """
[[questions]]
ask = "Is steady better than a row that knows nothing?"
a = "steady"
b = "blunt"
named = "a paper"
"""


def test_a_pair_has_its_own_p_and_beside_it_that_of_all_pairs(ran: MadeBenchmark) -> None:
    content = ran.json("compare", "steady", "dicey", *ran.options, "--json")
    assert (content["suite"], content["a"], content["b"]) == ("made-suite", "steady", "dicey")
    cv, sites = content["tables"]
    catalogue = ran.catalogue()
    pairs = rank(current_suite(str(ran.suite), catalogue), catalogue)[0].comparison.pairs.set_index(["a", "b"])
    pair = pairs.loc[("steady", "dicey")]
    assert cv["difference"] == pytest.approx(pair["difference"]) == pytest.approx(cv["means"][0] - cv["means"][1])
    assert cv["p_adjusted"] == pytest.approx(pair["p_adjusted"])
    df = _smaller_class(ran) - 1
    error = (cv["ci"][1] - cv["ci"][0]) / 2 / t.ppf(0.975, df)
    assert cv["p"] == pytest.approx(2 * t.sf(abs(cv["difference"]) / error, df))
    assert sites["answer"] == "not tested here: fewer than 6 sites"
    assert sites["p"] is sites["p_adjusted"] is sites["ci"] is sites["patients"] is None


def test_the_other_way_round_everything_has_the_other_sign(ran: MadeBenchmark) -> None:
    one, other = (
        ran.json("compare", *names, *ran.options, "--json")["tables"][0] for names in (("steady", "dicey"), ("dicey", "steady"))
    )
    assert one["difference"] == -other["difference"] and one["ci"] == [-bound for bound in other["ci"][::-1]]
    assert one["p"] == pytest.approx(other["p"]) and one["p_adjusted"] == other["p_adjusted"]


def test_the_number_of_patients_is_that_at_which_a_difference_of_three_points_is_found(ran: MadeBenchmark) -> None:
    found = ran.json("compare", "steady", "dicey", *ran.options, "--json")["tables"][0]
    df = _smaller_class(ran) - 1
    error = (found["ci"][1] - found["ci"][0]) / 2 / t.ppf(0.975, df)
    needed = brentq(lambda shift: nct.sf(t.ppf(0.975, df), df, shift) - 0.8, 0.1, 20)
    assert found["patients"] == pytest.approx(CASES * (needed * error / 0.03) ** 2, abs=1)
    said = ran.cli("compare", "steady", "dicey", *ran.options).stdout
    about = f"{float(format(found['patients'], '.2g')):,.0f}"
    assert said.count("patients would be enough to see a difference of .03") == 1, "sites are not patients"
    assert f"about {about} patients" in said


def _smaller_class(ran: MadeBenchmark) -> int:
    labels = ran.cohort().labels
    return int(min(labels.sum(), len(labels) - labels.sum()))


def test_the_words_say_when_the_p_is_legitimate(ran: MadeBenchmark) -> None:
    cv, sites = ran.cli("compare", "steady", "blunt", *ran.options).stdout.split("\n\n")
    means, answer, *_ = cv.splitlines()
    assert re.fullmatch(rf"made, repeated-cv \({CASES} cases\), auc: `steady` \.\d+, `blunt` \.\d+", means)
    assert re.match(r"  is `steady` better than `blunt`\? not shown: \+\.\d+ \(-?\.\d+ to \.\d+\); ", answer)
    assert "legitimate where the pair was chosen before the results were seen; otherwise read the family's adjusted p: " in cv
    assert "(3 pairs of ranked rows)" in cv
    assert "not tested here: fewer than 6 sites" in sites and "legitimate" not in sites


def test_a_descriptive_row_is_compared_too_without_an_adjusted_p(ran: MadeBenchmark) -> None:
    words = ("compare", "steady", "steady[steepness=0.01]", *ran.options, "--protocol", "repeated-cv")
    (found,) = ran.json(*words, "--json")["tables"]
    assert found["p"] is not None and found["p_adjusted"] is None
    assert "no adjusted p stands beside it, for `steady[steepness=0.01]` is not ranked" in ran.cli(*words).stdout


def test_a_suite_that_ranks_a_single_row_still_compares_two(ran: MadeBenchmark) -> None:
    ran.edit('ranked = ["steady", "dicey", "blunt"]', 'ranked = ["steady"]', ran.suite)
    ran.edit('descriptive = ["', 'descriptive = ["blunt", "', ran.suite)
    found = ran.json("compare", "steady", "blunt", *ran.options, "--json")["tables"][0]
    assert found["answer"].startswith("not shown: +.") and found["p"] == 1 and found["p_adjusted"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["steady", "stedy"], "unknown method 'stedy': did you mean 'steady'"),
        (["steady", "steady[steepness=1.0]"], "steady is compared with itself: name two rows"),
        (["steady", "of-text"], "unknown row of suite made-suite 'of-text'"),
        (["steady", "dicey", "--dataset", "soop"], "unknown dataset of suite made-suite 'soop'"),
        (["steady", "dicey", "--protocol", "holdout"], "unknown protocol of suite made-suite 'holdout'"),
        (["steady", "dicey", "--no-local"], "no table of suite made-suite holds complete rows of both steady and dicey"),
    ],
)
def test_a_wrong_pair_is_one_line_and_code_2(ran: MadeBenchmark, words: list[str], said: str) -> None:
    done = ran.cli("compare", *words, *ran.options, code=2)
    assert said in done.stderr and re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr


def test_a_run_answers_the_suites_questions_first_in_every_format(ran: MadeBenchmark) -> None:
    ran.suite.write_text(ran.suite.read_text() + ASKED)
    said = " ".join(ran.run("--protocol", "repeated-cv").stdout.split())
    (answer,) = re.findall(r"\*Is steady better than a row that knows nothing\?\* (not shown: \+\.\d+ .*?)\. `", said)
    assert said.index(answer) > said.index("questions named by a paper:")
    markdown = ran.leaderboard.read_text()
    assert markdown.index(f"- *Is steady better than a row that knows nothing?* {answer}.") < markdown.index(
        "**What this shows.**"
    )
    page = (ran.output / "results" / "made-suite.html").read_text()
    assert json.dumps(f"*Is steady better than a row that knows nothing?* {answer}.") in page
    cv, sites = ran.json("rank", *ran.options, "--json")["tables"]
    assert [record["answer"] for record in cv["questions"]] == [answer]
    assert [record["answer"] for record in sites["questions"]] == ["not tested here: fewer than 6 sites"]


def test_a_question_about_a_row_that_is_not_ranked_stops_a_run_with_code_2(ran: MadeBenchmark) -> None:
    ran.suite.write_text(ran.suite.read_text() + ASKED.replace('"blunt"', '"steady[steepness=0.01]"'))
    done = ran.run(code=2)
    assert done.stderr == (
        "error: suite file made-suite.toml: question 'Is steady better than a row that knows nothing?': "
        "row 'steady[steepness=0.01]' is descriptive: questions are about ranked rows\n"
    )
