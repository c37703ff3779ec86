"""`rank`: write the leaderboard and its page from stored predictions alone, or print it as JSON."""

from benchmark.cli.selection import STORED, Options, argument, print_json, stored_suite

ARGUMENTS = (*STORED, argument("--json", action="store_true", help="print the tables as JSON and write nothing"))


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.executors import default_jobs
    from benchmark.leaderboard.exports import as_json
    from benchmark.leaderboard.publication import rank, write_leaderboard, write_page

    local = not options.no_local
    suite, catalogue = stored_suite(options)
    jobs = default_jobs()
    tables = rank(suite, catalogue, local=local, jobs=jobs)
    if options.json:
        print_json(as_json(suite.name, tables))
        return 0
    path = write_leaderboard(suite, catalogue, tables, jobs=jobs)
    page = write_page(suite, catalogue, tables, local=local, jobs=jobs)
    rows = sum(len(table.rows.complete) for table in tables)
    print(f"{path}: {len(tables)} tables, {rows} complete rows\npage: {page}")
    return 0
