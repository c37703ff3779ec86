"""`export`: the leaderboard in another format, printed or written to a file."""

from functools import partial
from pathlib import Path

from benchmark.cli.selection import STORED, TABLES, Options, argument, chosen_tables, stored_suite
from benchmark.system.errors import BenchmarkError

FORMATS = ("csv", "pairs", "latex", "md", "html")
WHOLE = ("md", "html")
"""Formats that have every row of a table."""
ARGUMENTS = (
    argument(
        "format",
        choices=FORMATS,
        help="csv: a line per row of a table; pairs: a line per pair of ranked rows, as CSV; html: the page",
    ),
    argument("--output", metavar="FILE", help="write to this file instead of printing"),
    *TABLES,
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.exports import as_csv, pairs_as_csv
    from benchmark.leaderboard.latex import as_latex
    from benchmark.leaderboard.markdown import render
    from benchmark.leaderboard.publication import whole_page
    from benchmark.system.files import write_if_changed
    from benchmark.system.terminal import print_utf8

    if options.rows and options.format in WHOLE:
        raise BenchmarkError(f"--rows goes with csv, pairs and latex: {options.format} has whole tables")
    suite, catalogue = stored_suite(options)
    tables, rows = chosen_tables(options, suite, catalogue)
    exports = {
        "csv": partial(as_csv, tables, rows),
        "pairs": partial(pairs_as_csv, tables, rows),
        "latex": partial(as_latex, tables, rows),
        "md": partial(render, suite, tables, catalogue),
        "html": partial(whole_page, suite, catalogue, tables, local=not options.no_local),
    }
    text = exports[options.format]()
    if options.output is None:
        print_utf8()
        print(text, end="")
    else:
        path = Path(options.output).expanduser()
        write_if_changed(path, text.encode())
        print(f"{path}: written")
    return 0
