"""Options that several verbs share: which suite, which part of it, which plug-ins."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.registry.catalogue import Catalogue
from benchmark.registry.entries import Kind
from benchmark.registry.spelling import divided
from benchmark.suites.suite import DEFAULT, Suite, canonical, load_suite, validated
from benchmark.system.errors import BenchmarkError, check_known

if TYPE_CHECKING:
    from benchmark.leaderboard.standings import Standings

Options = argparse.Namespace


def argument(*names: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """A line of a verb's `ARGUMENTS`: what `ArgumentParser.add_argument` takes."""
    return names, settings


PLUGIN = argument("--plugin", action="append", default=[], metavar="FILE", help="a Python file with a component of yours")
SUITE = (argument("--suite", default=DEFAULT, metavar="NAME|FILE", help=f"the suite (default: {DEFAULT})"), PLUGIN)
STORED = (*SUITE, argument("--no-local", action="store_true", help="the committed reference rows only"))
PARTS = tuple(
    argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; may be given several times")
    for name in ("dataset", "protocol", "method")
)
TABLES = (
    *(
        argument(f"--{name}", action="append", default=[], metavar="NAME", help=f"only this {name}; may be given several times")
        for name in ("dataset", "protocol")
    ),
    argument("--rows", default="", metavar="A,B", help="only these rows; ranks and p stay those of the whole table"),
)
JOBS = argument("--jobs", type=int, default=None, metavar="N", help="worker processes (default: the cores)")
JSON = argument("--json", action="store_true", help="print JSON")


ADDRESS = "DATASET/PROTOCOL/METHOD/SPLIT, or without the split for the whole row"


def spelled_here(suite: Suite) -> str:
    """How a command on this machine names a suite, whatever folder it is typed in: one of a file of one's own by its path."""
    from benchmark.suites.members import read_members

    (path,) = read_members().get(suite.name, {}).get("file") or [suite.spelled]
    return str(path)


def print_json(content: Any) -> None:
    """What `--json` prints."""
    print(json.dumps(content, indent=1, default=str))


def stored_suite(options: Options) -> tuple[Suite, Catalogue]:
    """The suite with this machine's members, or as it is published with `--no-local`."""
    from benchmark.cells.rows import catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin, local=not options.no_local)
    return current_suite(options.suite, catalogue, local=not options.no_local), catalogue


def addressed(address: str, catalogue: Catalogue) -> tuple[str, str, str, str | None]:
    """Dataset, protocol and method of an address, in their one spelling, and the split if it names one.

    Raises `BenchmarkError` for what is not an address, and `UnknownNameError`.
    """
    from benchmark.cells.rows import MEMBERS

    parts = divided(address, "/")
    if len(parts) not in (3, 4):
        raise BenchmarkError(f"'{address}' is not DATASET/PROTOCOL/METHOD or DATASET/PROTOCOL/METHOD/SPLIT")
    dataset, protocol, method = (canonical(kind, name, catalogue) for kind, name in zip(MEMBERS, parts, strict=False))
    return dataset, protocol, method, parts[3] if len(parts) == 4 else None


def chosen_tables(options: Options, suite: Suite, catalogue: Catalogue) -> tuple[list[Standings], tuple[str, ...]]:
    """The tables of a suite that `TABLES` names, all without these, and the rows that it names. Raises `UnknownNameError`."""
    from benchmark.leaderboard.publication import rank

    datasets = tuple(canonical("dataset", name, catalogue) for name in options.dataset)
    protocols = tuple(canonical("protocol", name, catalogue) for name in options.protocol)
    check_known(f"dataset of suite {suite.name}", datasets, suite.datasets)
    check_known(f"protocol of suite {suite.name}", protocols, suite.protocols)
    part = narrowed(suite, datasets, protocols, ()) if datasets or protocols else suite
    named = (name.strip() for name in divided(options.rows))
    rows = tuple(dict.fromkeys(canonical("method", name, catalogue) for name in named if name))
    check_known(f"row of suite {suite.name}", rows, suite.methods)
    tables = rank(part, catalogue, local=not options.no_local, part=bool(datasets or protocols))
    complete = {row.method for table in tables for row in table.rows.complete}
    if missing := [name for name in rows if name not in complete]:
        raise BenchmarkError(f"{missing[0]} is complete in none of these tables: `python -m benchmark run` computes it")
    return tables, rows


def chosen_jobs(options: Options) -> int:
    """How many worker processes there may be. Raises `BenchmarkError` below 1."""
    from benchmark.cells.executors import default_jobs

    return at_least("jobs", default_jobs() if options.jobs is None else options.jobs, 1)


def at_least(option: str, value: int, least: int) -> int:
    """The value of a number option. Raises `BenchmarkError` where it is too small."""
    if value < least:
        raise BenchmarkError(f"--{option} {value}: give {least} or more")
    return value


def chosen_suite(options: Options) -> tuple[Suite, Catalogue]:
    """The part of the suite that the options name, members of this machine included; nothing joins by that."""
    from benchmark.cells.rows import catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin)
    validated(load_suite(options.suite), catalogue)
    named = named_parts(options, catalogue)
    return narrowed(current_suite(options.suite, catalogue), *named.values()), catalogue


def named_parts(options: Options, catalogue: Catalogue) -> dict[Kind, tuple[str, ...]]:
    """The datasets, protocols and methods that the options name, in their one spelling. Raises `UnknownNameError`."""
    from benchmark.cells.rows import MEMBERS

    return {kind: tuple(dict.fromkeys(canonical(kind, name, catalogue) for name in getattr(options, kind))) for kind in MEMBERS}


def narrowed(suite: Suite, datasets: tuple[str, ...], protocols: tuple[str, ...], methods: tuple[str, ...]) -> Suite:
    """The suite with just the named parts; an empty selection means all.

    What is named is not skipped; methods that are named together with datasets or protocols stand in all tables of these.
    """
    part = replace(
        suite,
        skipped={} if methods else suite.skipped,
        only={} if protocols else suite.only,
        datasets=datasets or suite.datasets,
        protocols=protocols or suite.protocols,
        ranked=suite.ranked + tuple(name for name in methods if name not in suite.methods),
        places={} if methods and (datasets or protocols) else suite.places,
    )
    there = {name for table in part.tables for name in table.methods if not methods or name in methods}
    ranked, descriptive = (tuple(name for name in names if name in there) for names in (part.ranked, part.descriptive))
    return replace(part, ranked=ranked, descriptive=descriptive)
