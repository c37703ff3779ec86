"""`sync`: bring MLflow level with the stored results."""

from __future__ import annotations

import argparse

from benchmark.cli.selection import add_suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sync`."""
    add_suite(parser)


def run(options: argparse.Namespace) -> int:
    """Exit code 0."""
    from benchmark.cells.mlflow_mirror import mirror_results
    from benchmark.cells.rows import catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin)
    print(mirror_results(current_suite(options.suite, catalogue), catalogue))
    return 0
