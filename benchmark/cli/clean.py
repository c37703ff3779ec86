"""`clean`: delete what can be made again (with --yes), or take a member out of a suite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.progress import ConsoleReporter
from benchmark.cli.selection import PARTS, SUITE, Options, argument, chosen_suite
from benchmark.suites.members import leave, read_members
from benchmark.suites.suite import load_suite
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import exclusive
from benchmark.system.locations import data_folder, results_folder

if TYPE_CHECKING:
    from benchmark.cells.planning import Cell
    from benchmark.cells.store import Store
    from benchmark.registry.entries import Kind

KINDS: tuple[Kind, ...] = ("dataset", "protocol", "method")
ARGUMENTS = (
    *SUITE,
    *PARTS,
    argument("--stale", action="store_true", help="cells of the suite that are stale, and those of deleted components"),
    argument("--cells", action="store_true", help="all cells of the suite"),
    argument("--torn", action="store_true", help="files that were set aside, and partly written files"),
    argument(
        "--prepared",
        action="store_true",
        help="prepared datasets and what is kept of folders of one's own (built again from their files)",
    ),
    argument("--features", action="store_true", help="the feature cache"),
    argument("--stages", action="store_true", help="trainings that rows share"),
    argument("--archives", action="store_true", help="what `query` and its like keep of each dataset's images"),
    argument(
        "--written", action="store_true", help="sets that `write-reports` made; the answers that they are made of are kept"
    ),
    argument("--member", metavar="NAME", help="take out of all tables what joined the suite by `run`; its cells are kept"),
    argument("--yes", action="store_true", help="delete; without it, only print what would be deleted"),
)


def run(options: Options) -> int:
    """Exit code 0."""
    with exclusive(results_folder()) if options.yes or options.member else nullcontext():
        return _cleaned(options)


def _cleaned(options: Options) -> int:
    if options.member:
        suite = load_suite(options.suite).name
        leave(suite, options.member)
        print(f"{options.member} is no longer a member of {suite}; `rank` writes the leaderboard without it")
        return 0
    targets = list(dict.fromkeys(_targets(options)))
    size = sum(item.stat().st_size for path in targets for item in (path, *path.rglob("*")) if item.is_file())
    for path in targets if options.yes else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    more = f" (and {len(targets) - 20} more)" if len(targets) > 20 else ""
    verb = "deleted" if options.yes else "would delete (give --yes to do it)"
    print("\n".join([*map(str, targets[:20]), f"{verb}: {len(targets)} items{more}, {size / 2**20:.1f} MiB"]))
    return 0


def _targets(options: Options) -> Iterator[Path]:
    folders = [name for name in ("prepared", "features", "stages", "archives", "written") if getattr(options, name)]
    if not any((options.stale, options.cells, options.torn, folders)):
        kinds = "--stale, --cells, --torn, --prepared, --features, --stages, --archives, --written or --member"
        raise BenchmarkError(f"say what to clean: {kinds}")
    if (folders or options.torn) and (options.dataset or options.protocol or options.method):
        whole = "--prepared, --features, --stages, --archives, --written and --torn take all"
        raise BenchmarkError(f"--dataset, --protocol and --method choose cells: {whole}")
    if options.stale or options.cells:
        yield from _cells(options)
    if options.torn:
        cells = results_folder() / "cells"
        yield from sorted([*cells.rglob("*.torn"), *cells.rglob(".*.part")])
    if options.prepared:
        folders += ["folders", "digests"]
    for folder in (data_folder() / name for name in folders):
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _cells(options: Options) -> Iterator[Path]:
    from benchmark.cells.run import prepare_plan
    from benchmark.cells.store import Store

    store = Store()
    gone = _deleted_rows(options, store)
    names = {name for row, _ in gone for name in row}
    named = [name for kind in KINDS for name in getattr(options, kind)]
    if named and names.issuperset(named):
        yield from (path for _, paths in gone for path in paths)
        return
    suite, catalogue = chosen_suite(options)
    if options.stale and not named:
        yield from (path for _, paths in gone for path in paths)
    if options.cells:
        for table in suite.tables:
            for row in product(table.datasets, table.protocols, table.methods):
                yield from sorted(store.row_folder(*row).glob("*.json"))
    else:
        planned, _ = prepare_plan(suite, (), catalogue, ConsoleReporter())
        stale = (cell for cell in planned.cells if cell.state == "stale")
        yield from (store.path(cell.address) for cell in stale if not _of_another_device(cell, store))


def _of_another_device(cell: Cell, store: Store) -> bool:
    """Whether a cell is stale here for nothing but the device on which it was computed."""
    record = store.read(cell.address)
    stored, planned = ({**of, "device": ""} for of in (record.ingredients if record else {}, cell.ingredients))
    return record is not None and stored == planned


def _deleted_rows(options: Options, store: Store) -> list[tuple[tuple[str, str, str], list[Path]]]:
    """Rows (dataset, protocol, method) with a component that is registered no more, and their files; of those named if any are.

    The plug-ins of every suite of this machine count, so far as their files are there.
    """
    from benchmark.cells.rows import is_registered
    from benchmark.registry.discovery import discover

    remembered = [path for each in read_members().values() for path in each.get("plugins", ())]
    catalogue = discover(tuple(dict.fromkeys(path for path in (*remembered, *options.plugin) if Path(path).is_file())))
    found = []
    for address, paths in store.rows():
        named = all(
            not getattr(options, kind) or name in getattr(options, kind) for kind, name in zip(KINDS, address, strict=True)
        )
        if named and not all(is_registered(kind, name, catalogue) for kind, name in zip(KINDS, address, strict=True)):
            found.append((address, paths))
    return found
