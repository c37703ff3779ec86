"""`audit` through the command line: findings, exit codes, what is kept, and where `run` and the leaderboard show it."""

from __future__ import annotations

import json

import pytest

from tests.made_benchmark import MadeBenchmark

RETURN = '        return Cohort(**{**vars(labelled), "labels": labels, "pool": pool})\n'
PLANT = """\
        labelled.table["ward"] = 10.0 * labels + np.arange(self.cases) % 5
        pool.table["ward"] = 3.0
"""
TORN = """
from dataclasses import dataclass, replace

import numpy as np

from benchmark import register_protocol
from benchmark.data.splits import single_cut


@register_protocol("torn", description="a test part that the training part holds as well", inference="held-out")
@dataclass(frozen=True)
class Torn:
    def splits(self, cohort):
        once = single_cut(cohort, "torn", 39)
        return [replace(once, train=np.sort(np.r_[once.train, once.test]))]
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> MadeBenchmark:
    """The made benchmark with a column of the outcome, after a run of one row; what the run said is in `said.txt`."""
    made = MadeBenchmark(tmp_path_factory.mktemp("planted"))
    made.edit(RETURN, PLANT + RETURN)
    made.write("said.txt", made.run("--method", "steady").stdout)
    return made


def audit(made: MadeBenchmark, *words: str, code: int = 0) -> str:
    return made.cli("audit", "--dataset", "made", "--plugin", str(made.plugin), *words, code=code).stdout


def findings(made: MadeBenchmark, *words: str, code: int = 0) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(audit(made, *words, "--json", code=code))
    return found


@pytest.mark.slow
def test_a_cohort_without_a_leak_is_good(ran: MadeBenchmark) -> None:
    assert "invalidates" not in {finding["state"] for finding in findings(ran)}
    assert "**Audit**" not in ran.leaderboard.read_text()


def test_a_planted_column_ends_the_audit_with_1_and_says_what_to_do(planted: MadeBenchmark) -> None:
    out = audit(planted, "--short", code=1)
    assert "SB131 invalidates: column 'ward' of the table separates the classes" in out
    assert "AUC 1.000 by itself" in out and "mend: find out when it was recorded" in out
    (finding,) = [each for each in findings(planted, "--short", code=1) if each["code"] == "SB131"]
    assert set(finding) == {"code", "state", "dataset", "what", "why", "evidence", "mend", "protocol"}
    assert finding["dataset"] == "made"


def test_a_protocol_that_trains_on_test_cases_is_found_under_its_name(made: MadeBenchmark) -> None:
    torn = made.write("torn.py", TORN)
    found = findings(made, "--plugin", str(torn), "--short", code=1)
    assert {(each["code"], each["protocol"]) for each in found if each["state"] == "invalidates"} == {("SB101", "torn")}
    made.edit("np.r_[once.train, once.test]", "once.train", torn)
    assert "SB101" not in {each["code"] for each in findings(made, "--plugin", str(torn), "--short")}


def test_the_run_begins_with_the_findings(planted: MadeBenchmark) -> None:
    out = (planted.folder / "said.txt").read_text(encoding="utf-8").splitlines()
    (said,) = [number for number, line in enumerate(out) if line.startswith("audit: SB131 invalidates: made: column 'ward'")]
    assert said < next(number for number, line in enumerate(out) if "cells to compute" in line)


def test_leaderboard_and_page_show_the_findings_of_their_content_and_are_the_same_bytes_without(planted: MadeBenchmark) -> None:
    kept = planted.output / "results" / "audit" / "made.json"
    content = json.loads(kept.read_text(encoding="utf-8"))

    def ranked(*words: str) -> tuple[str, str]:
        planted.cli("rank", *planted.options, *words)
        return tuple(
            path.read_text(encoding="utf-8") for path in (planted.leaderboard, planted.leaderboard.with_suffix(".html"))
        )

    for shown in ranked():
        assert shown.count("SB131 invalidates: column 'ward' of the table") == 2  # in both tables
    kept.write_text(json.dumps({**content, "content": "of another cohort"}), encoding="utf-8")
    of_another = ranked()
    assert not any("SB131" in shown for shown in of_another)
    kept.unlink()
    assert ranked() == of_another
    kept.write_text(json.dumps(content), encoding="utf-8")


def test_an_audit_that_fails_ends_no_run(ran: MadeBenchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a check that stumbles")

    monkeypatch.setattr("benchmark.audit.leaks.checks.audit_dataset", broken)
    assert "audit of made not finished: ValueError: a check that stumbles" in ran.run("--method", "steady").stdout


@pytest.mark.slow
def test_a_method_is_audited_on_cohorts_of_its_own(made: MadeBenchmark) -> None:
    assert "at chance" in made.cli("audit", "--method", "majority").stdout
    done = made.cli("audit", "--method", "majority", "--dataset", "made", code=2)
    assert "leave out --dataset and --suite" in done.stderr
