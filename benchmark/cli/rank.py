"""`rank`: write the leaderboard from stored predictions alone, or print it by subgroup of the cases."""

from __future__ import annotations

import argparse
import json

from benchmark.cli.selection import add_suite
from benchmark.errors import BenchmarkError, UnknownNameError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rank`."""
    add_suite(parser)
    parser.add_argument("--no-local", action="store_true", help="the committed reference rows only")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON and write nothing")
    parser.add_argument(
        "--by",
        metavar="ATTRIBUTE",
        help="print metrics by subgroup (site; or age, sex, ... read from the dataset on this machine), write no leaderboard",
    )
    parser.add_argument(
        "--dataset", action="append", default=[], metavar="NAME", help="with --by: only this dataset; repeatable"
    )


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    if options.by is not None:
        return _by_subgroup(options)
    if options.dataset:
        raise BenchmarkError(f"--dataset {options.dataset[0]} goes with --by: the leaderboard holds the suite's every dataset")
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


def _by_subgroup(options: argparse.Namespace) -> int:
    from benchmark.cli.selection import narrowed
    from benchmark.leaderboard.subgroups import as_json, as_markdown, break_down
    from benchmark.predictions import catalogue_of, current_suite
    from benchmark.suite import canonical

    local = not options.no_local
    catalogue = catalogue_of(options.suite, options.plugin, local=local)
    suite = current_suite(options.suite, catalogue, local=local)
    asked = tuple(dict.fromkeys(canonical("dataset", name, catalogue) for name in options.dataset))
    for name in asked:
        if name not in suite.datasets:
            raise UnknownNameError(f"dataset of suite {suite.name}", name, suite.datasets)
    found = break_down(narrowed(suite, asked, (), ()), catalogue, options.by, local=local)
    print(json.dumps(as_json(found), indent=1) if options.json else as_markdown(found), end="\n" if options.json else "")
    return 0
