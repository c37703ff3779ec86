"""`export` through the command line."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

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


@pytest.mark.slow
def test_exports_and_figures_of_named_tables_and_rows_keep_the_figures_of_the_whole(
    run_once: MadeBenchmark, tmp_path: Path
) -> None:
    def rows(text: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(text)))

    part = ["--dataset", "made", "--protocol", "repeated-cv", "--rows", "steady, blunt"]
    whole = [row for row in rows(exported(run_once, "csv")) if row["protocol"] == "repeated-cv"]
    assert rows(exported(run_once, "csv", *part)) == [row for row in whole if row["method"] in ("steady", "blunt")]
    pairs = [row for row in rows(exported(run_once, "pairs")) if row["protocol"] == "repeated-cv"]
    (pair,) = rows(exported(run_once, "pairs", *part))
    assert {pair["a"], pair["b"]} == {"steady", "blunt"} and pair in pairs
    latex = exported(run_once, "latex", *part)
    assert latex.count(r"\begin{longtable}") == 1 and r"\texttt{dicey}} \\" not in latex
    assert f"2 of {len(whole)} rows; ranks, differences and tests are those of all" in latex
    done = run_once.cli("figures", str(tmp_path), *part, "--format", "pdf", *run_once.options)
    names = {path.name for path in tmp_path.iterdir()}
    assert "made-repeated-cv-roc.pdf" in names and not any("site" in name for name in names)
    assert done.stdout == f"{tmp_path}: {len(names)} figures\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["csv", "--rows", "stedy"], "did you mean 'steady'"),
        (["csv", "--dataset", "soop"], "unknown dataset of suite made-suite 'soop'"),
        (["md", "--rows", "steady"], "--rows goes with csv, pairs and latex"),
    ],
)
def test_what_cannot_be_exported_is_one_line(run_once: MadeBenchmark, words: list[str], said: str) -> None:
    error = run_once.cli("export", *words, *run_once.options, code=2).stderr
    assert said in error and re.fullmatch(r"error: [^\n]+\n", error), error
