"""`publish`: pack this machine's complete rows into `results/reference/`, to be committed."""

from benchmark.cli.selection import PARTS, SUITE, Options, chosen_suite
from benchmark.system.errors import BenchmarkError
from benchmark.system.locations import results_folder
from benchmark.system.terminal import counted

ARGUMENTS = (*SUITE, *PARTS)


def run(options: Options) -> int:
    """Exit code 0, or 1 where no row of the selection is complete here."""
    from benchmark.cells.rows import complete_records, publish_row, publish_seconds
    from benchmark.cells.store import Store
    from benchmark.cells.task import read_task

    suite, catalogue = chosen_suite(options)
    for dataset in options.dataset:
        if catalogue.dataset(dataset).card.private:
            raise BenchmarkError(f"{dataset} is a cohort of your own: its rows stay on this machine and are never published")
    store = Store()
    published, incomplete = 0, []
    for dataset, protocol in suite.pairings:
        if catalogue.dataset(dataset).entry.error or catalogue.dataset(dataset).card.private:
            continue
        task = read_task(store.task_path(dataset, protocol))
        if task is None:
            continue
        modalities, cases, rows = catalogue.dataset(dataset).card.modalities, len(task.case_ids), {}
        for method in map(catalogue.method, suite.at(dataset, protocol).methods):
            records = complete_records(store, task, method.spelled, stochastic=method.stochastic, asks=suite.asks)
            if records is not None:
                publish_row(task, method.spelled, records)
                rows[method.spelled] = records
            elif not suite.why_skipped(dataset, method.spelled) and not method.why_not_applicable(
                dataset, modalities, task.absent, cases, task.columns
            ):
                incomplete.append(f"{dataset}/{protocol}/{method.spelled}")
        publish_seconds(task, rows)
        published += len(rows)
    place = results_folder() / "reference"
    print(f"{counted(published, 'row')} published to {place}: to be committed with the leaderboard that `rank` writes")
    for row in incomplete:
        print(f"not published: {row} is not complete here")
    return 0 if published else 1
