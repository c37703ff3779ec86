"""`run` and `rank` write the page beside the leaderboard; `export` prints it, `figures` draws its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.system.errors import BenchmarkError
from tests.leaderboard.page_reading import data_of
from tests.made_benchmark import MadeBenchmark


def test_run_and_rank_write_the_same_page_which_holds_what_rank_json_prints(ran: MadeBenchmark):
    path = ran.output / "results" / "made-suite.html"
    first = path.read_bytes()
    path.unlink()
    ran.cli("rank", *ran.options)
    assert path.read_bytes() == first
    assert ran.cli("export", "html", *ran.options).stdout.encode() == first
    tables = ran.json("rank", *ran.options, "--json")["tables"]
    for table, shown in zip(tables, data_of(first.decode())["suite"]["tables"], strict=True):
        assert (shown["dataset"], shown["protocol"]) == (table["dataset"], table["protocol"])
        rows = {row["method"]: row for row in table["rows"]}
        for place, method in enumerate(shown["rows"]["method"]):
            for metric, estimate in rows[method]["metrics"].items():
                assert shown["metrics"][metric]["mean"][place] == estimate["mean"]
        seconds = shown["rows"]["seconds"]
        assert all(each is not None and each >= 0 for each in seconds)


@pytest.mark.slow
def test_figures_are_drawn_into_a_folder_and_no_leaderboard_is_written(made: MadeBenchmark, tmp_path: Path):
    made.run("--protocol", "repeated-cv")
    made.leaderboard.unlink()
    done = made.cli("figures", str(tmp_path / "figures"), *made.options)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    drawn = ("intervals", "forest", "matrix", "roc", "calibration", "decision", "time")
    assert names == {f"made-repeated-cv-{name}.svg" for name in drawn}
    assert "7 figures" in done.stdout
    assert not made.leaderboard.exists()


def test_a_run_without_the_plotting_library_says_so_and_goes_on(made: MadeBenchmark, monkeypatch: pytest.MonkeyPatch):
    def missing() -> str:
        raise BenchmarkError("vl-convert-python is missing")

    monkeypatch.setattr("benchmark.leaderboard.page.browser_bundle", missing)
    done = made.run("--seeds", "39")
    assert "page: none: vl-convert-python is missing" in done.stdout
