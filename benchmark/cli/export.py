"""`export`: the leaderboard in another format, printed or written to a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.selection import add_stored, stored_suite

if TYPE_CHECKING:
    from benchmark.leaderboard.standings import Standings
    from benchmark.registry.catalogue import Catalogue
    from benchmark.suites.suite import Suite

FORMATS = ("csv", "pairs", "latex", "md", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument(
        "format",
        choices=FORMATS,
        help="csv: a line per row of a table; pairs: a line per pair of ranked rows, as CSV; html: the page",
    )
    parser.add_argument("--output", metavar="FILE", help="write to this file instead of printing")
    add_stored(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.publication import rank
    from benchmark.system.files import write_if_changed

    local = not options.no_local
    suite, catalogue = stored_suite(options)
    text = _exported(options.format, suite, catalogue, rank(suite, catalogue, local=local), local=local)
    if options.output is None:
        print(text, end="")
        return 0
    path = Path(options.output).expanduser()
    write_if_changed(path, text.encode())
    print(f"{path}: written")
    return 0


def _exported(form: str, suite: Suite, catalogue: Catalogue, tables: list[Standings], *, local: bool) -> str:
    from benchmark.leaderboard.exports import as_csv, pairs_as_csv
    from benchmark.leaderboard.latex import as_latex
    from benchmark.leaderboard.markdown import render
    from benchmark.leaderboard.publication import whole_page

    if form == "html":
        return whole_page(suite, catalogue, tables, local=local)
    if form == "md":
        return render(suite, tables, catalogue)
    return {"csv": as_csv, "pairs": pairs_as_csv, "latex": as_latex}[form](tables)
