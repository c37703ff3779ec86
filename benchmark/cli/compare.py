"""`compare`: two rows at every table that holds both, as one pair that was named in advance."""

from benchmark.cli.selection import JSON, STORED, Options, argument, narrowed, print_json, stored_suite
from benchmark.suites.suite import canonical
from benchmark.system.errors import check_known

ARGUMENTS = (
    argument("a", metavar="A", help="a row of the suite, ranked or descriptive"),
    argument("b", metavar="B", help="the row that it is compared with"),
    *(
        argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; repeatable")
        for name in ("dataset", "protocol")
    ),
    JSON,
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.one_pair import as_json, as_lines, compared

    suite, catalogue = stored_suite(options)
    a, b = (canonical("method", name, catalogue) for name in (options.a, options.b))
    datasets = tuple(canonical("dataset", name, catalogue) for name in options.dataset)
    protocols = tuple(canonical("protocol", name, catalogue) for name in options.protocol)
    check_known(f"dataset of suite {suite.name}", datasets, suite.datasets)
    check_known(f"protocol of suite {suite.name}", protocols, suite.protocols)
    pairs = compared(narrowed(suite, datasets, protocols, ()), catalogue, a, b, local=not options.no_local)
    if options.json:
        print_json(as_json(suite.name, pairs))
    else:
        print("\n\n".join("\n  ".join(as_lines(pair)) for pair in pairs))
    return 0
