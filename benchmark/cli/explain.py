"""`explain`: why a cell is fresh, stale or missing, and what its outcome was."""

from dataclasses import replace

from benchmark.cli.selection import ADDRESS, PLUGIN, Options, addressed, argument
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import DEFAULT, Suite, load_suite
from benchmark.system.errors import BenchmarkError, check_known

ARGUMENTS = (
    argument("cell", help=ADDRESS),
    argument("--suite", default=DEFAULT, metavar="NAME|FILE", help="where plug-ins were remembered"),
    PLUGIN,
)


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.needs import learned
    from benchmark.cells.planning import plan, why_not_fresh
    from benchmark.cells.rows import catalogue_of
    from benchmark.cells.store import Store
    from benchmark.data.preparation import load_cohort

    catalogue = catalogue_of(options.suite, options.plugin)
    dataset, protocol, method, split = addressed(options.cell, catalogue)
    suite = load_suite(options.suite)
    methods = tuple(dict.fromkeys([method, *suite.methods]))  # whose trainings it may share
    suite = replace(suite, datasets=(dataset,), protocols=(protocol,), skipped={}, only={}, ranked=methods, descriptive=())
    store = Store()
    cohort = load_cohort(dataset, catalogue)
    planned = plan(suite, catalogue, {dataset: cohort}, store)
    skipped = [row for row in planned.not_applicable if row.method.spelled == method]
    if skipped:
        print(f"{options.cell}: not applicable: {skipped[0].not_applicable}")
        return 0
    if planned.impossible:
        raise BenchmarkError(planned.impossible[0])
    own = [cell for cell in planned.cells if cell.address.method == method]
    cells = [cell for cell in own if split in (None, cell.address.split)]
    check_known("split", [split] if split else [], [cell.address.split for cell in own])
    for cell in cells:
        stored = store.read(cell.address)
        print("\n  ".join([f"{cell.address}: {cell.state}, key {cell.key[:12]}", *why_not_fresh(cell, stored)]))
        for stage in (*learned(cell, cohort, catalogue), *(own.key for own in cell.stages)):
            state = "built" if stage.is_built else "not built"
            print(f"  builds on the {stage}, {state}: {stage.digest[:12]}, which sees {stage.sees} cases")
        if stored is not None:
            print(f"  stored outcome: {stored.outcome} {stored.reason}".rstrip())
            if stored.traceback and len(cells) == 1:
                print("\n".join(f"    {line}" for line in stored.traceback.splitlines()))
    if any(cell.state != "fresh" or cell.stored_outcome != "ok" for cell in cells) and _is_published(suite, catalogue, method):
        print("the leaderboard uses the published row, from results/reference/: nothing has to be computed for it")
    return 0


def _is_published(suite: Suite, catalogue: Catalogue, method: str) -> bool:
    """Whether the leaderboard takes the row from the published ones."""
    from benchmark.cells.rows import gather

    tables = gather(replace(suite, ranked=(method,)), catalogue)
    return any(row.source == "reference" for table in tables for row in table.complete if row.method == method)
