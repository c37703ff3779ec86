"""`rank`: write the leaderboard and its page from stored predictions alone, or print it as JSON."""

from benchmark.cli.selection import STORED, Options, argument, print_json, stored_suite
from benchmark.system.provenance import package_digest

ARGUMENTS = (*STORED, argument("--json", action="store_true", help="print the tables as JSON and write nothing"))


def run(options: Options) -> int:
    """Exit code 0."""
    code = package_digest()  # before the code is imported: what is saved from now on counts the next time
    from benchmark.cells.executors import default_jobs
    from benchmark.leaderboard.exports import as_json
    from benchmark.leaderboard.publication import leaderboard_file, leaderboard_path, page_file, page_path, rank, writing
    from benchmark.leaderboard.unchanged import remember, said, state

    local = not options.no_local
    suite, catalogue = stored_suite(options)
    jobs = default_jobs()
    if options.json:
        print_json(as_json(suite.name, rank(suite, catalogue, local=local, jobs=jobs)))
        return 0
    with writing():
        before = state(suite, catalogue, code, local=local)
        told = said(suite, before, (leaderboard_path(suite), page_path(suite)))
        if told is None:
            tables = rank(suite, catalogue, local=local, jobs=jobs)
            board = leaderboard_file(suite, catalogue, tables, jobs=jobs)
            board.write()
            page = page_file(suite, catalogue, tables, local=local, jobs=jobs)
            page.write()
            rows = sum(len(table.rows.complete) for table in tables)
            told = f"{board.path}: {len(tables)} tables, {rows} complete rows\npage: {page.path}"
            if state(suite, catalogue, code, local=local) == before:  # else cells came while it worked
                remember(suite, before, (board, page), told)
    print(told)
    return 0
