"""Questions that were named in advance are answered in words that say no more than their tests do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from benchmark.leaderboard.answers import Answer, answers
from benchmark.leaderboard.answers_shown import sentences
from benchmark.leaderboard.exports import as_json
from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.standings import Standings
from benchmark.registry.discovery import discover
from benchmark.statistics.delong import delong_test
from benchmark.suites.questions import Question
from benchmark.suites.suite import Suite
from tests.leaderboard.made_standings import made_task, row, table

STRENGTHS = {"strong": 3.0, "good": 1.0, "alike": 0.95, "weak": 0.3}
NAMES = tuple(STRENGTHS)


def question(a: str | tuple[str, ...], b: str | tuple[str, ...], family: str = "f", **others: object) -> Question:
    sides = [(side,) if isinstance(side, str) else side for side in (a, b)]
    return Question("Is it?", *sides, "us", family, **others)


def asked(*questions: Question, protocol: str = "repeated-cv", sites: int = 0, **how: object) -> Standings:
    task = made_task(protocol, sites)
    return table(task, [row(task, name, strength) for name, strength in STRENGTHS.items()], questions=questions, **how)


def only(found: Standings) -> Answer:
    (answer,) = answers(found)
    return answer


def short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".")


def numbers(found: Standings, family: str = "f") -> tuple[str, str, str, str]:
    """The first contrast's difference and interval, and what would have been found, as they are to be printed."""
    pair = found.comparison.families[family].iloc[0]
    sign = "+" if pair.difference > 0 else ""
    return sign + short(pair.difference), short(pair.low), short(pair.high), short(pair.detectable)


def test_a_better_row_is_a_yes_with_the_interval():
    found = asked(question("strong", "weak"))
    difference, low, high, _ = numbers(found)
    assert only(found).verdict == f"yes: {difference} ({low} to {high})"
    assert found.comparison.families["f"].low[0] > 0 and difference.startswith("+.")


def test_a_worse_row_is_a_no_with_the_reverse():
    found = asked(question("weak", "strong"))
    difference, low, high, _ = numbers(found)
    assert only(found).verdict == f"no: the reverse, {difference} ({low} to {high})"
    assert difference.startswith("-.") and low.startswith("-.") and high.startswith("-.")


def test_what_is_not_shown_comes_with_the_difference_that_would_have_been_found():
    found = asked(question("good", "alike"))
    difference, low, high, detectable = numbers(found)
    assert only(found).verdict == (
        f"not shown: {difference} ({low} to {high}); a difference of {detectable} would have been found (probability .8)"
    )


def test_against_a_list_the_better_and_the_worse_are_counted_and_named():
    found = asked(question("good", ("weak", "strong", "alike")))
    pairs = found.comparison.families["f"].set_index("b")
    over, under = (f"{pairs.difference[name]:+.3f}".replace("0.", ".") for name in ("weak", "strong"))
    missed = short(pairs.detectable["alike"])
    assert only(found).verdict == (
        f"better than 1 of 3 (`weak` {over}); worse than 1 (`strong` {under}); "
        f"the others not shown: a difference of {missed} would have been found (probability .8)"
    )


def test_of_a_list_against_one_row_the_rows_of_the_list_are_named_best_first():
    verdict = only(asked(question(("weak", "good", "alike"), "strong"))).verdict
    assert verdict.startswith("better: none of 3; worse: 3 (`weak` -.")
    verdict = only(asked(question(("alike", "strong"), "weak"))).verdict
    assert verdict.startswith("better: 2 of 2 (`strong` +.") and "`alike` +." in verdict


def test_of_two_lists_both_rows_of_a_contrast_are_named():
    verdict = only(asked(question(("strong", "weak"), ("good", "alike")))).verdict
    assert verdict.startswith("better: 2 of 4 (`strong` over `") and "worse: 2 (`weak` over `" in verdict


def test_one_of_many_contrasts_of_a_family_is_adjusted_for_all_of_them():
    alone = asked(question("good", "weak")).comparison.families["f"]
    among = asked(question("good", ("weak", "strong", "alike"))).comparison.families["f"]
    apart = asked(question("good", "weak"), question("good", ("strong", "alike"), "g")).comparison.families["f"]
    first = among[among.b == "weak"].iloc[0]
    assert first.p == pytest.approx(alone.p[0]) and alone.p_adjusted[0] == pytest.approx(alone.p[0])
    assert first.high - first.low > 1.05 * (alone.high[0] - alone.low[0])
    assert apart.p_adjusted[0] == pytest.approx(alone.p_adjusted[0])


def test_rows_that_do_not_apply_drop_out_and_a_question_without_any_left_does_not_apply():
    first, second, third = answers(
        asked(
            question("good", ("weak", "unseen")),
            question("unseen", ("good", "alike")),
            question("good", "unseen", "g"),
            not_applicable=("unseen",),
        )
    )
    assert first.verdict.startswith("better than 1 of 1 (`weak` +.")
    assert (second.verdict, third.verdict) == ("does not apply", "does not apply")
    assert second.contrasts.empty


def test_no_question_of_a_family_is_tested_before_all_its_rows_are_complete():
    task = made_task()
    done = [replace(row(task, name, STRENGTHS[name]), source="reference") for name in ("strong", "good", "alike")]
    questions = [question("strong", "good"), question("good", ("alike", "weak")), question("strong", "alike", "g")]
    found = table(task, [*done, row(task, "weak", 0.3, splits=7)], questions=questions)
    assert not found.interim
    first, second, third = answers(found)
    assert first.verdict == second.verdict == "waits for `weak`"
    assert third.verdict.startswith("yes: ")
    assert set(found.comparison.families) == {"g"}
    records = as_json("s", [found])["tables"][0]["questions"]
    assert [record["p"] is None for record in records] == [True, True, True, False]


def test_a_row_that_failed_holds_up_no_other_contrast_of_its_family():
    task = made_task()
    done = [row(task, name, STRENGTHS[name]) for name in ("strong", "good")]
    questions = [question("strong", ("good", "weak")), question("good", "weak")]
    first, second = answers(table(task, [*done, row(task, "weak", 0.3, splits=7, failed="time")], questions=questions))
    assert first.verdict.startswith("better than 1 of 2 (`good` +.") and first.verdict.endswith("; 1 not tested")
    assert second.verdict == "not tested here: cells of `weak` failed" and not second.tested


def test_an_interim_table_gives_no_answer():
    task = made_task()
    rows = [row(task, name, STRENGTHS[name]) for name in ("strong", "good")]
    found = table(task, [*rows, row(task, "weak", 0.3, splits=7)], questions=[question("strong", "good")])
    assert found.interim
    assert only(found).verdict == "waits until every ranked row is complete"
    assert np.isnan(only(found).contrasts.p[0])


def test_a_table_without_a_complete_row_waits():
    task = made_task()
    found = table(task, [row(task, name, 1.0, splits=1) for name in ("good", "weak")], questions=[question("good", "weak")])
    assert only(found).verdict == "waits for `good`, `weak`"


def test_few_sites_are_not_tested_and_six_are_by_holm():
    task = made_task("leave-one-site-out", 3)
    rows = [row(task, "strong", 3.0), row(task, "weak", 0.3, splits=2)]
    assert only(table(task, rows, questions=[question("strong", "weak")])).verdict == "not tested here: fewer than 6 sites"
    found = asked(question("strong", "weak"), protocol="leave-one-site-out", sites=3)
    assert only(found).verdict == "not tested here: fewer than 6 sites"
    found = asked(question("good", ("strong", "weak")), protocol="leave-one-site-out", sites=8)
    pairs = found.comparison.families["f"]
    assert only(found).verdict.startswith("better than 1 of 2 (`weak` +.")
    smaller = pairs.p.idxmin()
    assert pairs.p_adjusted[smaller] == pytest.approx(min(1.0, 2 * pairs.p[smaller]))


def test_a_descriptive_protocol_is_not_tested():
    found = asked(question("strong", "weak"), protocol="repeated-cv[repeats=1]", sites=4)
    assert only(found).verdict == "not tested here: `repeated-cv[repeats=1]` is descriptive"


def test_a_single_test_set_is_answered_conditional_on_the_trained_models():
    verdict = only(asked(question("strong", "weak"), protocol="holdout", sites=1)).verdict
    assert verdict.startswith("yes: +.") and verdict.endswith(") (conditional on the trained models)")


def test_where_lower_is_better_plus_still_favours_the_first_row():
    found = asked(question("strong", "weak"), metric="brier")
    pair = found.comparison.families["f"].iloc[0]
    assert pair.difference < 0
    difference, low, high = short(-pair.difference), short(-pair.high), short(-pair.low)
    assert only(found).verdict == f"yes: +{difference} ({low} to {high})"
    assert as_json("s", [found])["tables"][0]["questions"][0]["difference"] == pytest.approx(pair.difference)


def test_two_names_of_one_run_are_said_to_be_so():
    task = made_task()
    first = row(task, "first", 1.0)
    rows = [first, replace(first, method="second")]
    assert only(table(task, rows, questions=[question("first", "second")])).verdict == (
        "not shown: identical predictions, the same run"
    )


def test_where_all_rows_are_one_run_no_difference_is_shown_nor_a_power_made_up():
    task = made_task()
    rows = [replace(row(task, "first", 1.0), method=name) for name in ("first", "second", "third")]
    found = table(task, rows, questions=[question("first", ("second", "third"))])
    assert only(found).verdict == "better than none of 2; no difference shown"
    assert set(found.comparison.families["f"].p_adjusted) == {1.0}


def test_a_table_of_a_single_row_waits_for_the_other():
    task = made_task()
    rows = [replace(row(task, "good", 1.0), source="reference"), row(task, "weak", 0.3, splits=0)]
    assert only(table(task, rows, questions=[question("good", "weak")])).verdict == "waits for `weak`"


def test_rows_of_which_none_knows_anything_are_not_called():
    task = made_task()
    found = table(task, [row(task, "null", 0.0), row(task, "none", -0.02)], questions=[question("null", "none")])
    assert found.comparison.families["f"].near_chance[0]
    verdict = only(found).verdict
    assert verdict.startswith("not shown: ") and verdict.endswith("; neither AUC is shown to be above .5")
    rows = [row(task, name, 0.0) for name in ("null", "none", "naught")]
    verdict = only(table(task, rows, questions=[question("null", ("none", "naught"))])).verdict
    assert verdict == "better than none of 2; no difference shown: neither AUC is shown to be above .5"


def test_with_six_positives_the_answer_is_students_t_with_five_degrees_of_freedom():
    labels = np.zeros(200, dtype=np.int8)
    labels[1:12:2] = 1
    task = replace(made_task("holdout", 1), labels=labels)
    rows = [row(task, name, STRENGTHS[name]) for name in ("strong", "weak")]
    found = table(task, rows, questions=[question("strong", "weak")])
    scores = np.stack([item.probabilities["site-0-seed39"] for item in rows])
    statistic = delong_test(labels, scores)[2].statistic[0]
    assert only(found).contrasts.p[0] == pytest.approx(2 * t.sf(abs(statistic), 5), rel=1e-9)


def test_with_one_positive_nothing_is_tested():
    task = replace(made_task("holdout", 1), labels=np.eye(1, 200, 1, dtype=np.int8)[0])
    rows = [row(task, name, STRENGTHS[name]) for name in ("strong", "weak")]
    found = table(task, rows, questions=[question("strong", "weak")])
    assert only(found).verdict == "not tested here: the metric or its variance is undefined"


def test_the_answers_stand_before_what_the_table_shows_and_say_who_asked():
    found = asked(
        Question("Is strong better?", ("strong",), ("weak",), "a paper (2026)", "claim"),
        Question("Does it help?", ("good",), ("alike",), "us, 2026-11-28", "help", exploratory=True),
        Question("And with an image?", ("good",), ("unseen",), "us, 2026-11-28", "help", exploratory=True),
        not_applicable=("unseen",),
    )
    text = render(Suite("made", "Made", ("made",), ("repeated-cv",), ()), [found], discover())
    claim, after = text.split("**Questions** named by a paper (2026):\n\n- *Is strong better?* yes: +.")
    said = (
        "**Questions** named by us, 2026-11-28; written after results were seen: exploratory:\n\n- *Does it help?* not shown: "
    )
    assert said in after.partition("**What this shows.**")[0] and "**What this shows.**" not in claim
    assert "- *And with an image?* does not apply.\n" in after
    assert "<summary>Each contrast of these questions (2)</summary>" in after
    assert "| claim | `strong` | `weak` | +." in after and "| yes |" in after and "| not shown |" in after


def test_questions_that_are_open_for_one_reason_share_a_sentence():
    questions = [replace(question("good", "unseen"), ask=f"{i}?") for i in (1, 2, 3)]
    few, more = (asked(*questions[:count], question("good", "weak", "g"), not_applicable=("unseen",)) for count in (2, 3))
    said, many = (sentences(answers(found))["named by us"] for found in (few, more))
    assert len(said) == 2 and said[1] == "*1?* *2?* does not apply."
    assert len(many) == 2 and many[1] == "3 questions do not apply."


def test_json_has_an_entry_for_each_contrast_with_its_family_and_inflation():
    found = asked(
        question("good", ("weak", "strong")), question("good", "unseen", exploratory=True), not_applicable=("unseen",)
    )
    content = as_json("s", [found])["tables"][0]
    first, second, third = content["questions"]
    keys = ["ask", "family", "named", "exploratory", "inflation", "a", "b", "difference", "ci", "p", "p_adjusted", "answer"]
    assert list(first) == list(third) == keys
    assert (first["a"], first["b"], second["b"]) == ("good", "weak", "strong")
    assert first["answer"] == second["answer"] == answers(found)[0].verdict
    assert first["inflation"] == found.comparison.question_inflation and content["inflation"] == found.comparison.inflation
    means = {item["method"]: item["metrics"]["auc"]["mean"] for item in content["rows"]}
    for record in (first, second):
        assert record["difference"] == pytest.approx(means["good"] - means[record["b"]])
        assert record["ci"][0] < record["difference"] < record["ci"][1] and 0 <= record["p"] <= record["p_adjusted"] <= 1
    assert third["exploratory"] and third["answer"] == "does not apply" and third["a"] is third["p"] is third["ci"] is None


def test_a_table_of_few_sites_has_neither_inflation_nor_p():
    content = as_json("s", [asked(question("good", "weak"), protocol="leave-one-site-out", sites=3)])["tables"][0]
    (record,) = content["questions"]
    assert content["inflation"] is record["inflation"] is record["p"] is record["ci"] is None
    assert record["difference"] == pytest.approx(0.2, abs=0.2)


def test_contrasts_near_chance_are_counted_beside_those_that_would_have_been_found():
    task = made_task()
    rows = [row(task, "null", 0.0), row(task, "none", -0.02), row(task, "faint", 0.25)]
    found = table(task, rows, questions=[question("null", ("none", "faint"))])
    pairs = found.comparison.families["f"].set_index("b")
    assert pairs.near_chance.to_dict() == {"none": True, "faint": False} and pairs.p_adjusted["faint"] > 0.05
    assert only(found).verdict == (
        f"better than none of 2; no difference shown: a difference of {short(pairs.detectable['faint'])} would have been found "
        "(probability .8), but for 1 of them: neither AUC is shown to be above .5 there"
    )
