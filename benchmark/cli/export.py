"""`export`: the leaderboard in another format, printed or written to a file."""

from functools import partial
from pathlib import Path

from benchmark.cli.selection import STORED, Options, argument, stored_suite

FORMATS = ("csv", "pairs", "latex", "md", "html")
ARGUMENTS = (
    argument(
        "format",
        choices=FORMATS,
        help="csv: a line per row of a table; pairs: a line per pair of ranked rows, as CSV; html: the page",
    ),
    argument("--output", metavar="FILE", help="write to this file instead of printing"),
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.exports import as_csv, pairs_as_csv
    from benchmark.leaderboard.latex import as_latex
    from benchmark.leaderboard.markdown import render
    from benchmark.leaderboard.publication import rank, whole_page
    from benchmark.system.files import write_if_changed
    from benchmark.system.terminal import print_utf8

    suite, catalogue = stored_suite(options)
    tables = rank(suite, catalogue, local=not options.no_local)
    exports = {
        "csv": partial(as_csv, tables),
        "pairs": partial(pairs_as_csv, tables),
        "latex": partial(as_latex, tables),
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
