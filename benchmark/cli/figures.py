"""`figures`: draw the figures of the leaderboard for papers."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.selection import add_stored, stored_suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `figures`."""
    parser.add_argument("folder", metavar="DIR", help="where the figures are written")
    parser.add_argument("--format", choices=("svg", "png"), default="svg", help="png has 300 dots per inch (default: svg)")
    add_stored(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.figures import write_figures
    from benchmark.leaderboard.publication import rank

    suite, catalogue = stored_suite(options)
    tables = rank(suite, catalogue, local=not options.no_local)
    folder = Path(options.folder).expanduser()
    paths = write_figures(folder, suite, tables, catalogue, options.format)
    print(f"{folder}: {len(paths)} figures")
    return 0
