"""A short form of the fault campaign: one trial of some kinds, and what the campaign counts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tools.faults import Bench, Campaign, Trial, _compare, _damage, summary

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A campaign whose benchmark has run undisturbed."""
    made = Campaign(tmp_path_factory.mktemp("faults"), 0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tools.faults.STEPS", {"run": ("run", "--in-process", "--no-sync"), "publish": ("publish",)})
        patch.setattr("tools.faults.PREPARED", ("run", "publish"))
        patch.setattr("tools.faults.can_fetch", lambda: False)
        made.prepare()
    return made


def test_kills_of_a_run_lose_no_result_and_the_same_bytes_come_in_the_end(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.faults.KILLS", 1)
    (trial,) = campaign.run("SIGKILL of run")
    assert trial.good, trial
    assert trial.kills == 1
    (kept,) = [json.loads(line) for line in campaign.log.read_text().splitlines()]
    assert kept["kind"] == "SIGKILL of run"
    assert campaign.run("SIGKILL of run") == [trial], "what is done is not done again"


def test_a_damaged_array_gives_no_wrong_number(campaign: Campaign) -> None:
    (trial,) = [each for each in campaign.run("damaged prepared array") if each.kind == "damaged prepared array"]
    assert trial.good, trial
    assert "byte" in trial.what


def test_a_wrong_number_and_a_missing_file_count(tmp_path: Path) -> None:
    trial = Trial("k", 0, "")
    _compare(trial, {"a.json": b"1", "b.json": b"2", "c.md": b"3"}, {"a.json": b"1", "b.json": b"9"})
    assert (trial.wrong, trial.equal, trial.good) == (1, False, False)
    assert summary([trial])[-1] == "| **all** | 1 | 0 | 0 | 1 | 1 | 1 |"


def test_harm_that_names_no_mend_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, trial = Bench(tmp_path), Trial("k", 0, "")
    path = bench.results / "cells" / "faulty" / "p" / "m" / "a.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(Bench, "do", lambda self, *words, **more: (2, "", "error: it does not work"))
    _damage("cell")(trial, bench, random.Random(1))
    assert "no mend is named" in trial.note
    assert not trial.good
