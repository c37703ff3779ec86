"""`merge`: take the results of other machines into this folder."""

from pathlib import Path

from benchmark.cli.selection import Options, argument

ARGUMENTS = (argument("folders", nargs="+", metavar="DIR", help="output folders of other machines, or copies of them"),)


def run(options: Options) -> int:
    """Exit code 0, or 1 where something cannot stand in one folder with what is here."""
    from benchmark.cells.merging import merge, results_below
    from benchmark.system.files import exclusive
    from benchmark.system.locations import results_folder

    folders = [results_below(Path(name).expanduser().resolve()) for name in options.folders]
    conflicts = 0
    with exclusive(results_folder()):
        for folder in folders:
            merged = merge(folder)
            for line in (*merged.kept, *(f"conflict: {conflict}" for conflict in merged.conflicts)):
                print(line)
            print(f"{folder}: {merged.taken} cells taken, {merged.equal} were here, {len(merged.conflicts)} conflicts")
            conflicts += len(merged.conflicts)
    print("`rank` writes the leaderboard of what is here now; plug-ins and suites of other machines join by `run`")
    return 1 if conflicts else 0
