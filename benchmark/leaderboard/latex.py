r"""The leaderboard as LaTeX: one `longtable` per table, for a preamble with `\usepackage{booktabs,longtable}`."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from benchmark.leaderboard.columns import Column, Kind, Line, heading, lines, named, standing, written
from benchmark.leaderboard.conclusions import adjustment
from benchmark.leaderboard.standings import Standings
from benchmark.statistics.comparison import Comparison
from benchmark.statistics.inference import AREAS
from benchmark.statistics.metric_names import metric_name
from benchmark.system.terminal import counted

HEADER = r"""% Written by `python -m benchmark export latex`; \input it where the tables are to stand.
% The preamble needs \usepackage{booktabs,longtable}; pdfLaTeX, XeLaTeX and LuaLaTeX alike.
% Meant for a text 16 cm wide, such as \usepackage[margin=2.5cm]{geometry} gives on A4."""
NAMES = r"p{.23\textwidth}"
"""The column of methods, whose names may break after a bracket or a sign."""
BY_PATIENT = "DeLong's test by patient, its covariance times {:g},"
BY_FOLD = r"the corrected resampled $t$ test (Nadeau and Bengio 2003)"
PRIMARY_TEST = {
    "fold": r"{fold} over {splits} test parts",
    "few-labels": r"{fold} over {splits} test parts",
    "site": r"a $t$ test over the differences of {sites} sites",
    "held-out": r"DeLong's test, conditional on the trained models",
}
AUC_INTERVAL = {
    "fold": "DeLong's, over repeated cross-validation, on the logit scale",
    "few-labels": "DeLong's, over repeated cross-validation, on the logit scale",
    "site": "$t$ over sites",
    "held-out": "DeLong's, on the logit scale, conditional on the trained models",
}
OTHER_INTERVAL = {
    "fold": "by the corrected resampled variance",
    "few-labels": "by the corrected resampled variance",
    "site": "by $t$ over sites",
}
LETTERS = "Rows that share a letter are not shown to differ."
NUMBER = re.compile(r"[<+-]?\d*\.\d+")
SIDES: Mapping[Kind, str] = {"name": NAMES, "letters": "l"}

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a line's \\ a bare bracket would be its optional argument
    "]": "{]}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2026": r"\ldots{}",
    "\u00a0": "~",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u00b7": r"$\cdot$",
    "\u2264": r"$\leq$",
    "\u2265": r"$\geq$",
    "\u2212": "$-$",
    "\u2192": r"$\rightarrow$",
    "\u00b5": r"$\mu$",
    "\u03bc": r"$\mu$",
    "\u00df": r"\ss{}",
    "\u00e6": r"\ae{}",
    "\u00f8": r"\o{}",
    "\u00d8": r"\O{}",
    "\u0142": r"\l{}",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Combining accents and the command that sets each in LaTeX's first font encoding."""


def as_latex(tables: Sequence[Standings], wanted: Collection[str] = ()) -> str:
    """One `longtable` per table of the leaderboard that has complete rows: ranked rows, and descriptive ones below a rule.

    Of the `wanted` rows alone, if any are named; ranks, differences and p stay those of the whole table, as the caption says.

    ASCII only: special characters are escaped, accents set by commands, what LaTeX cannot set is named by its code point.
    """
    compared = [(table, table.comparison) for table in tables if table.comparison is not None]
    parts = [_table(*each, wanted) for each in compared if not wanted or set(wanted) & set(each[1].metrics.index)]
    return "\n\n".join([HEADER, *(parts or ["% No row is complete yet."])]) + "\n"


def escaped(text: str) -> str:
    """A text for LaTeX, as ASCII."""
    return "".join(_character(character) for character in unicodedata.normalize("NFC", text))


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isspace():
        return " "
    if " " < character <= "~":
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        return f"\\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"


def _table(table: Standings, comparison: Comparison, wanted: Collection[str]) -> str:
    rows = [row for row in lines(table) if not wanted or row["method"] in wanted]
    columns = standing(named("latex"), table, rows)
    head = [_heading(heading(column, table, rows)) for column in columns]
    blocks = ([_row(row, columns) for row in rows if row["ranked"] == ranked] for ranked in (True, False))
    body = "\n\\midrule\n".join("\n".join(block) for block in blocks if block)
    sides = "".join(SIDES.get(column.kind, "r") for column in columns)
    return rf"""\begingroup\footnotesize\setlength{{\LTcapwidth}}{{\textwidth}}\setlength{{\tabcolsep}}{{4pt}}
\begin{{longtable}}{{{sides}}}
\caption{{{_caption(table, comparison, rows)}}}\label{{{_label(table)}}}\\
\toprule
{_line(head)}
\midrule
\endfirsthead
\toprule
{_line(head)}
\midrule
\endhead
\bottomrule
\endfoot
{body}
\end{{longtable}}
\endgroup"""


def _heading(text: str) -> str:
    """A heading in a narrow column; the caption says from what the differences are."""
    short = escaped(text.replace(" from the first row", "")).replace(r"95 \%", r"95\,\%")
    return "$p$" + short[1:] if short.startswith("p ") else short


def _row(row: Line, columns: Sequence[Column]) -> str:
    return _line([_cell(column, row) for column in columns])


def _cell(column: Column, row: Line) -> str:
    """The cell that Markdown has, set for LaTeX; a dot marks the best set, and the SD over seeds is left out.

    A name may break after a bracket, a sign or a comma.
    """
    if column.kind == "name":
        name = "".join(escaped(each) + (r"\allowbreak{}" if each in "[,+=-_" else "") for each in row["method"])
        return rf"\texttt{{{name}}}" + (r" $\bullet$" if row.get("best_set") else "")
    text = written(column, row)
    if column.kind == "letters":
        return escaped(text)
    return NUMBER.sub(r"$\g<0>$", text.partition(", SD")[0]) if column.kind != "rank" else text.replace("-", "--")


def _caption(table: Standings, comparison: Comparison, rows: Sequence[Line]) -> str:
    task, inference, sites = table.task, table.rows.inference, comparison.counted_sites
    parts = len(set(task.first_with_test.values()))
    over = f"{parts} test parts" if parts > 1 else f"{counted(len(task.splits), 'training')}, one test part"
    over = over if sites is None else f"{sites} sites"
    lines = [
        f"{escaped(metric_name(table.metric))} on {escaped(task.dataset)}, {escaped(task.protocol)}: "
        f"{len(task.tested)} cases, mean over {over}."
    ]
    intervals = AUC_INTERVAL if table.metric in AREAS else OTHER_INTERVAL
    if np.isfinite(comparison.low[table.metric]).any() and inference in intervals:
        lines.append(f"Intervals: {intervals[inference]}.")
    if table.tested:
        fold = BY_PATIENT.format(comparison.inflation) if np.isfinite(comparison.inflation) else BY_FOLD
        test = PRIMARY_TEST[inference].format(splits=len(task.splits), sites=sites, fold=fold)
        lines.append(
            f"Differences are from the first row; $p$ by {test}, two-sided, adjusted by {adjustment(comparison)} over all "
            f"{comparison.power.pairs} "
            "pairs of ranked rows; a later step may call a pair whose simultaneous interval holds 0. "
            r"Rank: an interval, from these $p$. $\bullet$: best set, no row is significantly better. "
            f"{LETTERS if any(line.get('letters') for line in rows) else ''}"
        )
    else:
        lines.append("Interim: no tests until every ranked row is complete." if table.interim else "No tests are made.")
    applicable = set(table.rows.ranked) - {name for name, _ in table.rows.not_applicable}
    if len(table.ranked) < len(applicable):
        lines.append(f"{len(table.ranked)} of {len(applicable)} ranked rows are complete.")
    if len(rows) < len(comparison.metrics):
        first = rf", whose first is \texttt{{{escaped(table.ranked[0])}}}" if table.ranked else ""
        lines.append(f"{len(rows)} of {len(comparison.metrics)} rows; ranks, differences and tests are those of all{first}.")
    if len({row["ranked"] for row in rows}) == 2:
        lines.append("Below the rule: descriptive rows, never tested.")
    return "\n".join(lines)


def _label(table: Standings) -> str:
    return "tab:" + "-".join(re.findall("[A-Za-z0-9]+", f"{table.task.dataset}-{table.task.protocol}"))


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
