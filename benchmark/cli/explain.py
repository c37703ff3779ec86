"""`explain`: why a cell is fresh, stale or missing, and what its outcome was."""

from dataclasses import replace

from benchmark.cli.selection import PLUGIN, Options, argument
from benchmark.suites.suite import DEFAULT, canonical, load_suite
from benchmark.system.errors import BenchmarkError, check_known

ARGUMENTS = (
    argument("cell", help="DATASET/PROTOCOL/METHOD/SPLIT, or without the split for all cells of a row"),
    argument("--suite", default=DEFAULT, metavar="NAME|FILE", help="where plug-ins were remembered"),
    PLUGIN,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.planning import plan, why_not_fresh
    from benchmark.cells.rows import MEMBERS, catalogue_of
    from benchmark.cells.store import Store
    from benchmark.data.preparation import load_cohort

    parts = options.cell.split("/")
    if len(parts) not in (3, 4):
        raise BenchmarkError(f"'{options.cell}' is not DATASET/PROTOCOL/METHOD or DATASET/PROTOCOL/METHOD/SPLIT")
    catalogue = catalogue_of(options.suite, options.plugin)
    dataset, protocol, method = (canonical(kind, name, catalogue) for kind, name in zip(MEMBERS, parts, strict=False))
    suite = replace(
        load_suite(options.suite), datasets=(dataset,), protocols=(protocol,), ranked=(method,), descriptive=(), skipped={}
    )
    planned = plan(suite, catalogue, {dataset: load_cohort(dataset, catalogue)}, Store())
    if planned.not_applicable:
        print(f"{options.cell}: not applicable: {planned.not_applicable[0].not_applicable}")
        return 0
    if planned.impossible:
        raise BenchmarkError(planned.impossible[0])
    cells = [cell for cell in planned.cells if len(parts) == 3 or cell.address.split == parts[3]]
    check_known("split", parts[3:], [cell.address.split for cell in planned.cells])
    for cell in cells:
        print("\n  ".join([f"{cell.address}: {cell.state}, key {cell.key[:12]}", *why_not_fresh(cell)]))
        if cell.stored is not None:
            print(f"  stored outcome: {cell.stored.outcome} {cell.stored.reason}".rstrip())
            if cell.stored.traceback and len(cells) == 1:
                print("\n".join(f"    {line}" for line in cell.stored.traceback.splitlines()))
    return 0
