"""`subgroups`: print the metrics of a suite's rows by subgroup of the cases."""

from __future__ import annotations

import argparse
import json

from benchmark.cli.selection import add_stored, narrowed, stored_suite
from benchmark.system.errors import UnknownNameError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `subgroups`."""
    parser.add_argument("attribute", help="site; or age, sex, ... read from the dataset on this machine")
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="only this dataset; repeatable")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    add_stored(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.subgroups import as_json, as_markdown, break_down
    from benchmark.suites.suite import canonical

    suite, catalogue = stored_suite(options)
    datasets = tuple(dict.fromkeys(canonical("dataset", name, catalogue) for name in options.dataset))
    for name in datasets:
        if name not in suite.datasets:
            raise UnknownNameError(f"dataset of suite {suite.name}", name, suite.datasets)
    found = break_down(narrowed(suite, datasets, (), ()), catalogue, options.attribute, local=not options.no_local)
    print(json.dumps(as_json(found), indent=1) + "\n" if options.json else as_markdown(found), end="")
    return 0
