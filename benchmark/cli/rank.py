"""`rank`: write the leaderboard from stored predictions alone."""

from __future__ import annotations

import argparse
import json

from benchmark.cli.selection import add_suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rank`."""
    add_suite(parser)
    parser.add_argument("--no-local", action="store_true", help="the committed reference rows only")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON and write nothing")


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.publication import rank, write_leaderboard
    from benchmark.leaderboard.standings import as_json
    from benchmark.predictions import catalogue_of, current_suite

    local = not options.no_local
    catalogue = catalogue_of(options.suite, options.plugin, local=local)
    suite = current_suite(options.suite, catalogue, local=local)
    tables = rank(suite, catalogue, local=local)
    if options.json:
        print(json.dumps(as_json(suite.name, tables), indent=1))
    else:
        path = write_leaderboard(suite, catalogue, tables)
        rows = sum(len(table.rows.complete) for table in tables)
        print(f"{path}: {len(tables)} tables, {rows} complete rows")
    return 0
