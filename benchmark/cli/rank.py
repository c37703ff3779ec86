"""`rank`: write the leaderboard and its page from stored predictions alone, or print it as JSON."""

from __future__ import annotations

import argparse
import json

from benchmark.cli.selection import add_stored, stored_suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rank`."""
    add_stored(parser)
    parser.add_argument("--json", action="store_true", help="print the tables as JSON and write nothing")


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.exports import as_json
    from benchmark.leaderboard.publication import rank, write_leaderboard, write_page

    local = not options.no_local
    suite, catalogue = stored_suite(options)
    tables = rank(suite, catalogue, local=local)
    if options.json:
        print(json.dumps(as_json(suite.name, tables), indent=1))
        return 0
    path = write_leaderboard(suite, catalogue, tables)
    page = write_page(suite, catalogue, tables, local=local)
    rows = sum(len(table.rows.complete) for table in tables)
    print(f"{path}: {len(tables)} tables, {rows} complete rows\npage: {page}")
    return 0
