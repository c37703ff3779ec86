"""`figures`: draw the figures of the leaderboard for papers."""

from pathlib import Path

from benchmark.cli.selection import STORED, Options, argument, stored_suite

ARGUMENTS = (
    argument("folder", metavar="DIR", help="where the figures are written"),
    argument("--format", choices=("svg", "png"), default="svg", help="png has 300 dots per inch (default: svg)"),
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.figures import write_figures
    from benchmark.leaderboard.publication import rank

    suite, catalogue = stored_suite(options)
    tables = rank(suite, catalogue, local=not options.no_local)
    folder = Path(options.folder).expanduser()
    print(f"{folder}: {len(write_figures(folder, suite, tables, catalogue, options.format))} figures")
    return 0
