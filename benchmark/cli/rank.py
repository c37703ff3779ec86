"""`rank`: write the leaderboard and its page from stored predictions alone, or print it as JSON."""

from benchmark.cli.selection import STORED, Options, argument, print_json, stored_suite

ARGUMENTS = (*STORED, argument("--json", action="store_true", help="print the tables as JSON and write nothing"))


def run(options: Options) -> int:
    """Exit code 0."""
    from benchmark.cells.executors import default_jobs
    from benchmark.leaderboard.exports import as_json
    from benchmark.leaderboard.publication import leaderboard_path, page_path, rank, write_leaderboard, write_page
    from benchmark.leaderboard.unchanged import remember, said, state

    local = not options.no_local
    suite, catalogue = stored_suite(options)
    jobs = default_jobs()
    if options.json:
        print_json(as_json(suite.name, rank(suite, catalogue, local=local, jobs=jobs)))
        return 0
    files, stored = (leaderboard_path(suite), page_path(suite)), state(suite, catalogue, local=local, jobs=jobs)
    told = said(suite, stored, files)
    if told is None:
        tables = rank(suite, catalogue, local=local, jobs=jobs)
        write_leaderboard(suite, catalogue, tables, jobs=jobs)
        write_page(suite, catalogue, tables, local=local, jobs=jobs)
        rows = sum(len(table.rows.complete) for table in tables)
        told = f"{files[0]}: {len(tables)} tables, {rows} complete rows\npage: {files[1]}"
        remember(suite, stored, files, told)
    print(told)
    return 0
