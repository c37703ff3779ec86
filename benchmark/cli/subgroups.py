"""`subgroups`: print the metrics of a suite's rows by subgroup of the cases."""

from benchmark.cli.selection import STORED, Options, argument, narrowed, print_json, stored_suite
from benchmark.suites.suite import canonical
from benchmark.system.errors import check_known

ARGUMENTS = (
    argument("attribute", help="site; or age, sex, ... read from the dataset on this machine"),
    argument("--dataset", action="append", default=[], metavar="NAME", help="only this dataset; repeatable"),
    argument("--json", action="store_true", help="print JSON instead of Markdown"),
    *STORED,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.leaderboard.subgroups import as_json, as_markdown, break_down

    suite, catalogue = stored_suite(options)
    datasets = tuple(dict.fromkeys(canonical("dataset", name, catalogue) for name in options.dataset))
    check_known(f"dataset of suite {suite.name}", datasets, suite.datasets)
    found = break_down(narrowed(suite, datasets, (), ()), catalogue, options.attribute, local=not options.no_local)
    if options.json:
        print_json(as_json(found))
    else:
        print(as_markdown(found), end="")
    return 0
