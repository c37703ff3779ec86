"""`figures`: draw the figures of the leaderboard for papers."""

from pathlib import Path

from benchmark.cli.selection import STORED, TABLES, Options, argument, chosen_tables, stored_suite
from benchmark.system.terminal import counted

FIGURES = ("forest", "matrix", "roc", "calibration", "decision", "sites", "ranks", "time", "labels")
ARGUMENTS = (
    argument("folder", metavar="DIR", help="where the figures are written"),
    argument(
        "--format",
        choices=("svg", "png", "pdf"),
        default="svg",
        help="svg has its texts as outlines, png 300 dots per inch (default: svg)",
    ),
    argument("--figure", action="append", default=[], choices=FIGURES, help="only this figure; may be given several times"),
    *TABLES,
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.figures import write_figures

    suite, catalogue = stored_suite(options)
    tables, rows = chosen_tables(options, suite, catalogue)
    folder = Path(options.folder).expanduser()
    paths = write_figures(folder, suite, tables, catalogue, options.format, rows, options.figure)
    print(f"{folder}: {counted(len(paths), 'figure')}")
    return 0
