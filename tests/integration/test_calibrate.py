"""`calibrate` on the command line: it writes its document, goes on where it stopped, and refuses what cannot be calibrated."""

from __future__ import annotations

import json

import pytest

from tests.made_benchmark import MadeBenchmark


def journals(made: MadeBenchmark) -> dict[str, list[dict[str, object]]]:
    """World -> its journal's lines."""
    folder = made.output / "results" / "calibration"
    found = {path.name.rpartition("-")[0]: path.read_text().splitlines() for path in folder.glob("*.jsonl")}
    return {name: [json.loads(line) for line in lines] for name, lines in found.items()}


def copies(made: MadeBenchmark) -> list[str]:
    plugins = ["--plugin", str(made.plugin), "--plugin", str(made.broken)]
    words = ["calibrate", "--world", "copies", *plugins, "--dataset", "made", "--jobs", "1"]
    return [*words, "--output", str(made.output / "docs" / "calibration.md")]


@pytest.mark.slow
def test_a_run_goes_on_where_one_stopped_and_jobs_change_no_byte_of_the_document(made: MadeBenchmark):
    document = made.folder / "here.md"
    words = ["calibrate", "--world", "holdout", "--world", "sites", "--output", str(document)]
    assert "8 repetitions computed" in made.cli(*words, "--repetitions", "4", "--jobs", "1").stdout
    journal = next((made.output / "results" / "calibration").glob("holdout-*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-40])
    done = made.cli(*words, "--repetitions", "6", "--jobs", "1")
    assert "5 repetitions computed" in done.stdout, "two of each world and the one whose line was torn"
    interrupted = document.read_bytes()
    assert "0 repetitions computed" in made.cli(*words, "--repetitions", "6", "--jobs", "1").stdout
    assert document.read_bytes() == interrupted
    document.unlink()
    made.cli(*words, "--repetitions", "6", "--jobs", "2", STROKEBENCH_OUTPUT=str(made.folder / "elsewhere"))
    assert document.read_bytes() == interrupted
    assert "| holdout | DeLong, placements averaged over seeds |" in interrupted.decode()
    assert "No bar can be judged" in interrupted.decode()


def test_bars_on_few_repetitions_are_shown_as_provisional(made: MadeBenchmark):
    output = made.folder / "here.md"
    made.cli("calibrate", "--world", "s2", "--repetitions", "3", "--jobs", "1", "--output", str(output))
    document = output.read_text(encoding="utf-8")
    assert "**Provisional:**" in document and "(too few repetitions: 3 of 800)" in document
    assert document.count("\n| s2 |") == 6, "six bars of this world, none of the other"


@pytest.mark.slow
def test_copies_of_a_method_differ_by_their_seed_alone_and_are_compared_on_fresh_cohorts(made: MadeBenchmark):
    words = copies(made)
    done = made.cli(*words, "--method", "dicey", "--cohorts", "3")
    assert "3 repetitions computed" in done.stdout
    (lines,) = journals(made).values()
    differences = [line["differences"][0] for line in lines]  # type: ignore[index]
    assert all(0 < abs(difference) < 0.1 for difference in differences) and len(set(differences)) == 3
    document = (made.output / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert "| dicey on made | 3 | 0 of 3 [" in document


def test_a_part_of_the_campaign_does_not_overwrite_the_document_of_the_whole(made: MadeBenchmark):
    done = made.cli("calibrate", "--world", "s1", "--repetitions", "2", code=2)
    assert "give --output FILE" in done.stderr and not (made.output / "docs").exists()


def test_predictions_that_no_cell_would_accept_end_the_campaign_with_their_cause(made: MadeBenchmark):
    done = made.cli(*copies(made), "--method", "invalid", "--cohorts", "1", code=2)
    assert "invalid on made, repetition 0" in done.stderr and "seed39-fold0" in done.stderr and "NaN" in done.stderr


def test_what_cannot_be_calibrated_is_refused_in_one_line(made: MadeBenchmark):
    words = copies(made)
    for wrong, said in (
        (["--method", "logistic-regression"], "its seed changes nothing"),
        (["--method", "image-net"], "needs more than the table"),
        (["--dataset", "made[seed=1]", "--method", "dicey"], "need a dataset with a free field 'seed'"),
        (["--world", "s4"], "unknown world 's4': "),
        (["--repetitions", "1"], "--repetitions 1: give 2 or more"),
        (["--jobs", "0"], "--jobs 0: give 1 or more"),
    ):
        done = made.cli(*words, *wrong, code=2)
        assert said in done.stderr and "Traceback" not in done.stderr, wrong
