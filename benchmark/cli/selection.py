"""Options that several verbs share: which suite, which part of it, which plug-ins."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark.registry.catalogue import Catalogue, Configured
from benchmark.registry.spelling import TUNED
from benchmark.suites.suite import (
    DEFAULT,
    Members,
    Suite,
    canonical,
    join,
    joined,
    leave,
    load_suite,
    members,
    remember_file,
    validated,
)
from benchmark.system.errors import BenchmarkError, place_of

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
JOBS = argument("--jobs", type=int, default=None, metavar="N", help="worker processes (default: the cores)")
JSON = argument("--json", action="store_true", help="print JSON")


def print_json(content: Any) -> None:
    """What `--json` prints."""
    print(json.dumps(content, indent=1, default=str))


def stored_suite(options: Options) -> tuple[Suite, Catalogue]:
    """The suite with this machine's members, or as it is published with `--no-local`."""
    from benchmark.cells.rows import catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin, local=not options.no_local)
    return current_suite(options.suite, catalogue, local=not options.no_local), catalogue


def chosen_jobs(options: Options) -> int:
    """How many worker processes there may be. Raises `BenchmarkError` below 1."""
    from benchmark.cells.executors import default_jobs

    return at_least("jobs", default_jobs() if options.jobs is None else options.jobs, 1)


def at_least(option: str, value: int, least: int) -> int:
    """The value of a number option. Raises `BenchmarkError` where it is too small."""
    if value < least:
        raise BenchmarkError(f"--{option} {value}: give {least} or more")
    return value


def chosen_suite(options: Options, *, usable: bool = False) -> tuple[Suite, Catalogue]:
    """The part of the suite that the options name, members of this machine included; nothing is remembered.

    With `usable` it raises `BenchmarkError` for a named component that is broken, or cannot be made with its parameters.
    """
    from benchmark.cells.rows import MEMBERS, catalogue_of, current_suite

    catalogue = catalogue_of(options.suite, options.plugin)
    validated(load_suite(options.suite), catalogue)
    named = {
        kind: tuple(dict.fromkeys(canonical(kind, name, catalogue) for name in getattr(options, kind))) for kind in MEMBERS
    }
    for kind, names in named.items() if usable else ():
        for name in names:
            _check_made(catalogue.configured(kind, name))
    return narrowed(current_suite(options.suite, catalogue), *named.values()), catalogue


def _check_made(component: Configured[Any]) -> None:
    """Raise `BenchmarkError`, with file and line, where a component's file or its constructor fails."""
    try:
        component.make() if TUNED not in component.parameters else component.entry.load()
    except BenchmarkError:
        raise
    except Exception as error:  # somebody's code
        raise BenchmarkError(f"{component.spelled} cannot be made: {type(error).__name__}: {error}{place_of(error)}") from error


def remember(options: Options, catalogue: Catalogue, replaces: Sequence[str] = ()) -> None:
    """Have what the options name, and the suite lacks, become its members on this machine: later runs and rankings hold them.

    The members that they replace leave it. Raises `BenchmarkError` for tuned rows of unequal budgets.
    """
    from benchmark.cells.rows import MEMBERS

    own = validated(load_suite(options.suite), catalogue)
    named = {kind: [canonical(kind, name, catalogue) for name in getattr(options, kind)] for kind in MEMBERS}
    new = {f"{kind}s": tuple(name for name in named[kind] if name not in getattr(own, f"{kind}s")) for kind in MEMBERS}
    extra = Members(**new, plugins=catalogue.plugins)
    before = members(own.name)
    staying = replace(before, methods=tuple(name for name in before.methods if name not in replaces))
    joined(joined(own, staying), extra)
    remember_file(options.suite)
    for name in replaces:
        leave(own.name, name)
        print(f"{name} leaves {own.name} on this machine, its cells are kept: {', '.join(named['method'])} takes its place")
    for name in join(own, extra):
        print(f"{name} joins {own.name} on this machine, and counts in the correction of its tables from now on")
        print(f"to take it out: python -m benchmark clean --suite {options.suite} --member '{name}'")


def narrowed(suite: Suite, datasets: tuple[str, ...], protocols: tuple[str, ...], methods: tuple[str, ...]) -> Suite:
    """The suite with just the named parts; an empty selection means all. What is named is not skipped."""
    return replace(
        suite,
        skipped={} if methods else suite.skipped,
        datasets=datasets or suite.datasets,
        protocols=protocols or suite.protocols,
        ranked=tuple(name for name in suite.ranked if not methods or name in methods)
        + tuple(name for name in methods if name not in suite.methods),
        descriptive=tuple(name for name in suite.descriptive if not methods or name in methods),
    )
