"""The leaderboard as CSV and LaTeX: every figure of the tables, and a source that compiles whatever the names hold."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cells.task import Task, TaskSplit
from benchmark.leaderboard.exports import as_csv, as_json, pairs_as_csv
from benchmark.leaderboard.latex import NAMES, as_latex, escaped
from benchmark.leaderboard.standings import Standings
from benchmark.statistics import comparison, inflation
from benchmark.statistics.metric_names import METRICS
from tests.leaderboard.made_standings import made_task, row, table

AWKWARD = 'a_b & 50 % #1 {x} [y] $z$ ~^\\ <ü> "Øresund" ≥ 中'
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,longtable}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def cross_validated() -> Standings:
    """Two rows that do not differ, a far worse one, a descriptive one of an awkward name, and one that failed."""
    task = replace(made_task(), dataset=AWKWARD)
    rows = [row(task, "one[a=1,b=2]", 2.0), row(task, "two", 2.0), row(task, "weak", 0.0)]
    return table(task, [*rows, row(task, AWKWARD, 0.5), row(task, "broken", 2.0, splits=3, failed="x")], (AWKWARD,))


@pytest.fixture(scope="module")
def few_sites() -> Standings:
    task = made_task("leave-one-site-out", 4)
    return table(task, [row(task, "one", 2.0), row(task, "weak", 0.0)])


@pytest.fixture(scope="module")
def every_kind(cross_validated: Standings, few_sites: Standings) -> list[Standings]:
    """Tested and untested tables of each protocol, one of them without a complete row."""
    sites = made_task("leave-one-site-out", 7)
    parts = tuple(TaskSplit(f"holdout-{seed}", seed, "", np.arange(100), str(seed)) for seed in (39, 40))
    held_out = Task("made", "holdout", "d", made_task().case_ids, made_task().labels, None, parts, {})
    return [
        cross_validated,
        few_sites,
        table(sites, [row(sites, "one", 2.0), row(sites, "weak", 0.0)]),
        table(held_out, [row(held_out, "one", 2.0), row(held_out, "weak", 0.0)]),
        table(made_task(), [row(made_task(), "broken", 2.0, splits=3, failed="x")]),
    ]


def test_csv_has_every_figure_of_every_row_unrounded(cross_validated: Standings) -> None:
    found = cross_validated.comparison
    assert found is not None
    frame = pd.read_csv(io.StringIO(as_csv([cross_validated]))).set_index("method")
    assert list(frame.index) == [*cross_validated.ranked, AWKWARD, "broken"]
    assert set(frame["dataset"]) == {AWKWARD} and set(frame["protocol"]) == {"repeated-cv"}
    complete = frame.drop(index="broken")
    for metric in METRICS:
        for suffix, values in (("", found.metrics), ("_low", found.low), ("_high", found.high)):
            np.testing.assert_array_equal(complete[metric + suffix], values.loc[complete.index, metric])
    ranked = frame.loc[cross_validated.ranked]
    assert list(ranked["rank_low"]) == [1, 1, 3] and list(ranked["rank_high"]) == [2, 2, 3]
    assert list(ranked["best_set"]) == [True, True, False] and list(ranked["letters"]) == ["a", "a", "b"]


def test_csv_leaves_empty_what_is_undefined_and_all_metrics_of_an_incomplete_row(
    cross_validated: Standings, few_sites: Standings
) -> None:
    frame = pd.read_csv(io.StringIO(as_csv([cross_validated, few_sites]))).set_index(["protocol", "method"])
    broken = frame.loc[("repeated-cv", "broken")]
    assert (broken["cells_ok"], broken["cells"], broken["ranked"]) == (3, 20, False)
    assert broken[list(METRICS)].isna().all() and np.isnan(broken["rank_low"])
    assert frame.loc["leave-one-site-out", "auc"].notna().all()
    assert frame.loc["leave-one-site-out", ["auc_low", "rank_low", "best_set", "letters"]].isna().all(axis=None)
    assert "nan" not in as_csv([cross_validated, few_sites]).lower()
    assert ",1,2,a,true," in as_csv([cross_validated]), "ranks are whole numbers"


def test_the_csv_of_pairs_has_each_pair_of_ranked_rows_once(cross_validated: Standings, few_sites: Standings) -> None:
    found = cross_validated.comparison
    assert found is not None
    frame = pd.read_csv(io.StringIO(pairs_as_csv([cross_validated, few_sites])))
    tested = frame[frame.protocol == "repeated-cv"].reset_index(drop=True)
    assert len(tested) == 3 and len(frame) == 4
    assert {frozenset(pair) for pair in zip(tested.a, tested.b, strict=True)} == {
        frozenset(pair) for pair in (("one[a=1,b=2]", "two"), ("one[a=1,b=2]", "weak"), ("two", "weak"))
    }
    for column in ("difference", "low", "high", "p", "p_adjusted", "p_nadeau_bengio", "p_holm", "p_mcnemar"):
        np.testing.assert_array_equal(tested[column], found.pairs[column])
    assert frame[frame.protocol != "repeated-cv"]["p"].isna().all()


def test_of_many_rows_the_csv_of_pairs_has_the_listed_ones_and_every_pair_of_the_named_rows(
    cross_validated: Standings, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = cross_validated.task
    four = table(task, [row(task, name, strength) for name, strength in (("a", 3.0), ("b", 2.0), ("c", 1.0), ("d", 0.1))])
    assert pairs_as_csv([four]).count("\n") == 7
    monkeypatch.setattr(comparison, "MANY_ROWS", 3)
    assert pairs_as_csv([four]).count("\n") == 6, "b and d are neither first nor neighbours"
    assert pairs_as_csv([four], {"b", "d"}).count("\n") == 2
    assert len(as_json("made", [four])["tables"][0]["pairs"]) == 5


def test_without_tables_the_exports_have_their_heads_alone() -> None:
    assert as_csv([]).startswith("dataset,protocol,") and as_csv([]).count("\n") == 1
    assert pairs_as_csv([]) == "dataset,protocol,primary_metric\n"
    assert all(line.startswith("%") for line in as_latex([]).splitlines() if line)


def unescaped(source: str) -> str:
    """A LaTeX source without its comments, mathematics and escaped characters: what is left is plain or a command."""
    plain = re.sub(r"^%.*$", "", source, flags=re.MULTILINE)
    plain = re.sub(r"\\[%&#_{}$]", "", plain.replace(r"\\", "\n"))
    plain = re.sub(r"\\[\"'`^~=.](?=\{[A-Za-z]\})", "", plain)
    return re.sub(r"\$[^$\n]*\$", "", plain)


def test_latex_is_ascii_with_balanced_braces_and_environments_and_no_bare_special(every_kind: list[Standings]) -> None:
    source = as_latex(every_kind)
    assert source.isascii()
    left = unescaped(source)
    assert left.count("{") == left.count("}") > 0
    assert not re.search(r"[%#$<>|\"]|(?<!\\)[_~^]", left)
    environments = re.findall(r"\\(begin\{longtable\}|end\{longtable\}|begingroup|endgroup)", source)
    one = ["begingroup", "begin{longtable}", "end{longtable}", "endgroup"]
    assert environments == 4 * one, "one for each table with complete rows"


def test_every_latex_row_has_as_many_cells_as_its_table_has_columns(every_kind: list[Standings]) -> None:
    for part in as_latex(every_kind).split(r"\begin{longtable}")[1:]:
        columns = re.match(r"\{(\w+)\}", part.replace(NAMES, "l"))
        assert columns is not None
        rows = [line for line in part.splitlines() if line.endswith(r" \\")]
        assert len(rows) >= 4
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {len(columns[1])}


def test_latex_says_the_test_and_shows_interval_difference_p_and_best_set(cross_validated: Standings) -> None:
    found = cross_validated.comparison
    assert found is not None
    source = as_latex([cross_validated]).replace(r"\allowbreak{}", "")
    assert f"DeLong's test by patient, its covariance times {inflation.ALL_PAIRS:g}, over 20 test parts" in source
    assert "max-T over all 3 pairs" in source and "3 of 4 ranked rows are complete." in source
    first, second, last = cross_validated.ranked
    mean, low, high = (frame.at[first, "auc"] for frame in (found.metrics, found.low, found.high))
    assert rf"1--2 & \texttt{{{escaped(first)}}} $\bullet$ & ${mean:.3f}$ (${low:.3f}$ to ${high:.3f}$) &  & a &  \\" in source
    line = next(line for line in source.splitlines() if rf"\texttt{{{last}}}" in line)
    gap = found.metrics.at[last, "auc"] - found.metrics.at[first, "auc"]
    assert line.startswith(rf"3 & \texttt{{{last}}} & ") and f"& ${gap:+.3f}$ ($-" in line and r"& b & $<.001$ \\" in line
    assert source.index(rf"\texttt{{{escaped(second)}}}") < source.index(r"\midrule" + "\n & ") < source.rindex("{[}U+4E2D{]}")


def test_latex_makes_no_claim_of_tests_where_there_are_none(few_sites: Standings) -> None:
    source = as_latex([few_sites])
    assert "No tests are made." in source and "mean over 4 sites" in source
    assert "$p$" not in source and "bullet" not in source and "CI" not in source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a_b&c%d#e$f", r"a\_b\&c\%d\#e\$f"),
        ("x[y]", "x{[}y{]}"),
        ("{~^\\", r"\{\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("Zürich, Łódź, Ål", r"Z\"{u}rich, {[}U+0141{]}\'{o}d\'{z}, \r{A}l"),
        ("≥ 5 – 6", r"$\geq$ 5 -- 6"),
        ("e\u0301\n", r"\'{e} "),
    ],
)
def test_names_are_escaped(text: str, said: str) -> None:
    assert escaped(text) == said


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_the_latex_compiles(every_kind: list[Standings], tmp_path: Path, engine: str) -> None:
    if shutil.which(engine) is None or shutil.which("kpsewhich") is None:
        pytest.skip(f"{engine} is not installed (Debian: texlive-latex-base, texlive-latex-recommended)")
    if not subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, text=True).stdout:
        pytest.skip("LaTeX's package booktabs is not installed (Debian: texlive-latex-recommended)")
    (tmp_path / "tables.tex").write_text(DOCUMENT % as_latex(every_kind), encoding="utf-8")
    words = [engine, "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 1000
    assert "Missing character" not in (tmp_path / "tables.log").read_text(encoding="utf-8", errors="replace")
