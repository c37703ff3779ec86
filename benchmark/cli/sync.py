"""`sync`: bring MLflow level with the stored results."""

from benchmark.cli.selection import SUITE, Options, argument

ARGUMENTS = (*SUITE, argument("--reference", action="store_true", help="mirror the published rows as well"))


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.mlflow_mirror import mirror_results, why_away
    from benchmark.cells.rows import catalogue_of, current_suite
    from benchmark.leaderboard.mirrored import mirrored
    from benchmark.leaderboard.publication import rank

    if away := why_away():
        print(away)
        return 0
    catalogue = catalogue_of(options.suite, options.plugin)
    suite = current_suite(options.suite, catalogue)
    tables = rank(suite, catalogue, own=not options.reference)
    print(mirror_results(mirrored(suite, tables, catalogue, reference=options.reference)))
    return 0
