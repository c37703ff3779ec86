"""`sync`: bring MLflow level with the stored results."""

from benchmark.cli.selection import SUITE, Options

ARGUMENTS = SUITE


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.mlflow_mirror import mirror_results
    from benchmark.cells.rows import catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin)
    print(mirror_results(current_suite(options.suite, catalogue), catalogue))
    return 0
