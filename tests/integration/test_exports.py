"""`export` through the command line."""

from __future__ import annotations

import csv
import io

import pytest

from tests.integration.conftest import PLUGIN, SUITE, MadeBenchmark


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> MadeBenchmark:
    """The made benchmark, run once."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "made_plugin.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "made-suite.toml").write_text(SUITE, encoding="utf-8")
    benchmark = MadeBenchmark(folder)
    benchmark.run()
    return benchmark


def files(made: MadeBenchmark) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(made.output.rglob("*")) if path.is_file()}


def exported(made: MadeBenchmark, *words: str) -> str:
    return str(made.cli("export", *words, *made.options).stdout)


def test_every_format_is_printed_and_nothing_is_written(ranked: MadeBenchmark) -> None:
    before = files(ranked)
    assert exported(ranked, "md").encode() == ranked.leaderboard.read_bytes()
    rows = list(csv.DictReader(io.StringIO(exported(ranked, "csv"))))
    content = ranked.json("rank", *ranked.options, "--json")
    told = [
        (t["dataset"], t["protocol"], row["method"], row["metrics"]["auc"]["mean"])
        for t in content["tables"]
        for row in t["rows"]
    ]
    assert sorted(told) == sorted((row["dataset"], row["protocol"], row["method"], float(row["auc"])) for row in rows)
    pairs = list(csv.DictReader(io.StringIO(exported(ranked, "pairs"))))
    assert [float(pair["difference"]) for pair in pairs] == [p["difference"] for t in content["tables"] for p in t["pairs"]]
    assert exported(ranked, "latex").count(r"\begin{longtable}") == 2
    assert files(ranked) == before


def test_an_export_goes_to_the_file_that_is_named(ranked: MadeBenchmark, tmp_path) -> None:
    path = tmp_path / "paper" / "tables.tex"
    assert exported(ranked, "latex", "--output", str(path)) == f"{path}: written\n"
    assert path.read_text(encoding="utf-8") == exported(ranked, "latex")


def test_an_unknown_format_is_refused_with_those_that_exist(ranked: MadeBenchmark) -> None:
    error = ranked.cli("export", "xlsx", *ranked.options, code=2).stderr
    assert "invalid choice: 'xlsx'" in error and "latex" in error
