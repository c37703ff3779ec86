"""`export` through the command line."""

from __future__ import annotations

import csv
import io
import re

from tests.made_benchmark import MadeBenchmark


def files(made: MadeBenchmark) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(made.output.rglob("*")) if path.is_file()}


def exported(made: MadeBenchmark, *words: str) -> str:
    return str(made.cli("export", *words, *made.options).stdout)


def test_every_format_is_printed_and_nothing_is_written(run_once: MadeBenchmark) -> None:
    before = files(run_once)
    whole, brief = exported(run_once, "md"), run_once.leaderboard.read_text()
    for found in re.findall(r"^\|.*`(\w+)` \|.*?(\d\.\d{3} \(.*?\))", brief, re.MULTILINE):
        assert f"| `{found[0]}` | {found[1]} |" in whole
    assert "Secondary metrics" in whole and "Secondary metrics" not in brief
    rows = list(csv.DictReader(io.StringIO(exported(run_once, "csv"))))
    content = run_once.json("rank", *run_once.options, "--json")
    told = [
        (t["dataset"], t["protocol"], row["method"], row["metrics"]["auc"]["mean"])
        for t in content["tables"]
        for row in t["rows"]
    ]
    assert sorted(told) == sorted((row["dataset"], row["protocol"], row["method"], float(row["auc"])) for row in rows)
    pairs = list(csv.DictReader(io.StringIO(exported(run_once, "pairs"))))
    assert [float(pair["difference"]) for pair in pairs] == [p["difference"] for t in content["tables"] for p in t["pairs"]]
    assert exported(run_once, "latex").count(r"\begin{longtable}") == 2
    assert files(run_once) == before


def test_an_export_goes_to_the_file_that_is_named(run_once: MadeBenchmark, tmp_path) -> None:
    path = tmp_path / "paper" / "tables.tex"
    assert exported(run_once, "latex", "--output", str(path)) == f"{path}: written\n"
    assert path.read_text(encoding="utf-8") == exported(run_once, "latex")


def test_an_unknown_format_is_refused_with_those_that_exist(run_once: MadeBenchmark) -> None:
    error = run_once.cli("export", "xlsx", *run_once.options, code=2).stderr
    assert "invalid choice: 'xlsx'" in error and "latex" in error
