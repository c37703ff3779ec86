"""What joins a suite on this machine by being named in `run` or `tune`, what is refused, and what is said of it."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmark.cli.selection import Options, named_parts, narrowed, spelled_here
from benchmark.registry.catalogue import Catalogue, Configured
from benchmark.registry.spelling import TUNED
from benchmark.suites.members import Members, Place, Places, Standing, Table, members, remember_file, remember_members
from benchmark.suites.suite import Suite, joined, load_suite, validated
from benchmark.system.errors import BenchmarkError, place_of

if TYPE_CHECKING:
    from benchmark.cells.task import Task


@dataclass(frozen=True)
class Joining:
    """A suite before and after the components that a command names have joined it; `remember` makes it so.

    `named` are the user's methods that the command names, `leaving` the places that they take from rows of another budget,
    `absent` the datasets whose tables they do not join because these are not on this machine.
    """

    before: Suite
    after: Suite
    members: Members
    named: tuple[str, ...]
    leaving: Places
    absent: tuple[str, ...]

    def new_places(self, method: str) -> list[Place]:
        """The tables in which a method stands otherwise than before."""
        return [place for place in self.after.places[method] if place not in self.before.places.get(method, ())]


def suite_to_run(options: Options, replaces: Sequence[str] = ()) -> tuple[Suite, Catalogue]:
    """The part of the suite that the options name, as if what they name had joined it, and the catalogue.

    Raises `BenchmarkError` for a named component that is broken or cannot be made, for tuned rows of unequal budgets in one
    table, and for a ranked row that is named with `--descriptive`.
    """
    from benchmark.cells.rows import catalogue_of

    catalogue = catalogue_of(options.suite, options.plugin)
    validated(load_suite(options.suite), catalogue)
    named = named_parts(options, catalogue)
    for kind, names in named.items():
        for name in names:
            _check_made(catalogue.configured(kind, name))
    return narrowed(joining(options, catalogue, replaces).after, *named.values()), catalogue


def joining(
    options: Options, catalogue: Catalogue, replaces: Sequence[str] = (), at_hand: Collection[str] | None = None
) -> Joining:
    """What joins the suite by the options: the user's methods that they name, in the tables that they name.

    Methods join the tables of datasets `at_hand` alone, where these are given. Raises `BenchmarkError` as `suite_to_run`.
    """
    from benchmark.cells.rows import current_suite, registered

    own, named = validated(load_suite(options.suite), catalogue), named_parts(options, catalogue)
    before, known = current_suite(options.suite, catalogue), members(own.name)
    standing: Standing = "descriptive" if options.descriptive else "ranked"
    datasets = named["dataset"] or before.datasets
    absent = tuple(name for name in datasets if at_hand is not None and name not in at_hand)
    tables = [table for table in product(datasets, named["protocol"] or before.protocols) if table[0] not in absent]
    if options.descriptive:
        _check_never_ranked(own, before, named["method"], tables)
    new = {f"{kind}s": tuple(name for name in names if name not in getattr(own, f"{kind}s")) for kind, names in named.items()}
    places = {name: tuple(Place(*table, standing) for table in tables) for name in new["methods"]}
    there = {name: known.placed(before.pairings)[name] for name in replaces}
    leaving = {
        name: left
        for name, each in there.items()
        if (left := tuple(place for place in each if place.table in tables and standing in ("ranked", place.standing)))
    }
    staying = replace(known, places={**known.places, **there}).without(leaving)
    after = staying.joined_by(Members(**new, plugins=catalogue.plugins, places=places))
    return Joining(before, joined(own, registered(after, catalogue)), after, new["methods"], leaving, absent)


def _check_made(component: Configured[Any]) -> None:
    """Raise `BenchmarkError`, with file and line, where a component's file or its constructor fails."""
    try:
        component.make() if TUNED not in component.parameters else component.entry.load()
    except BenchmarkError:
        raise
    except Exception as error:  # somebody's code
        raise BenchmarkError(f"{component.spelled} cannot be made: {type(error).__name__}: {error}{place_of(error)}") from error


def _check_never_ranked(own: Suite, now: Suite, methods: Collection[str], tables: Collection[Table]) -> None:
    """Raise `BenchmarkError` where a method is ranked in one of the tables: nobody leaves a family after having looked."""
    if not methods:
        raise BenchmarkError("--descriptive tries rows of your own: say which, by --method NAME")
    for name in methods:
        if name in own.ranked:
            raise BenchmarkError(f"{name} is ranked by suite {own.name} itself: leave out --descriptive")
        ranked = [place for place in now.places.get(name, ()) if place.standing == "ranked" and place.table in tables]
        if ranked:
            raise BenchmarkError(
                f"{name} is ranked in {_listed(ranked)}, and a row does not leave a family by --descriptive once it has been "
                f"seen there: leave the option out, or take the row out of all tables by {_take_out(own, name)}"
            )


def remember(options: Options, joining: Joining, catalogue: Catalogue, tasks: Iterable[Task]) -> None:
    """Have what joins the suite be its members on this machine, and say what that changes of the tables of these tasks."""
    remember_members(joining.after.name, joining.members)
    remember_file(options.suite)
    known = {(task.dataset, task.protocol): task for task in tasks}
    suite = joining.after
    for name, places in joining.leaving.items():
        takes = f"its cells are kept: {', '.join(joining.named)} takes its place"
        print(f"{name} leaves {suite.name} on this machine, in {_listed(places)}; {takes}")
    for kind in ("datasets", "protocols"):
        for name in getattr(suite, kind):
            if name not in getattr(joining.before, kind):
                print(f"{name} joins {suite.name} on this machine\nto take it out: {_take_out(suite, name)}")
    for name in joining.named:
        if new := joining.new_places(name):
            print("\n".join(_said(joining, name, new, catalogue, known)))
            print(f"to take it out: {_take_out(suite, name)}")


def _said(
    joining: Joining, name: str, places: Sequence[Place], catalogue: Catalogue, known: Mapping[Table, Task]
) -> Iterator[str]:
    """That a method stands in these tables now, and what their families are by that."""
    suite = joining.after.name
    if places[0].standing == "descriptive":
        yield f"{name} is tried in {suite} on this machine: descriptive, neither ranked nor tested, in {_listed(places)}"
    else:
        yield f"{name} joins {suite} on this machine, and counts in the correction of these tables from now on"
        tables = [place.table for place in places]
        if tried := [place for place in joining.before.places.get(name, ()) if place.table in tables]:
            yield f"{name} was descriptive until now in {_listed(tried)}"
        yield from (line for table in tables if table in known for line in _of_family(joining, name, catalogue, known[table]))
    if joining.absent:
        yield f"  not in the tables of {', '.join(joining.absent)}, which cannot be run here: name it again when they can"


def _of_family(joining: Joining, name: str, catalogue: Catalogue, task: Task) -> Iterator[str]:
    """How many rows and pairs a table's family has now, and what it had before; nothing where the method does not apply."""
    from benchmark.cells.rows import family

    table, now = (task.dataset, task.protocol), family(joining.after, catalogue, task)
    if name not in now:
        return
    before = family(joining.before, catalogue, task) if table in joining.before.pairings else []
    others = [other for other in before if other in joining.before.places]
    change = f" ({_counted(before)} before)" if before else ""
    effect = f"; what is said there of {', '.join(others)} may change by that" if others else ""
    yield f"  joins {', '.join(table)}: {_counted(now)}{change}{effect}"


def _counted(family: Sequence[str]) -> str:
    rows = len(family)
    return f"{rows} ranked row{'s' if rows != 1 else ''}, {rows * (rows - 1) // 2} pair{'s' if rows != 2 else ''}"


def _listed(places: Iterable[Place]) -> str:
    return "; ".join(", ".join(place.table) for place in places)


def _take_out(suite: Suite, name: str) -> str:
    return shlex.join(["python", "-m", "benchmark", "clean", "--suite", spelled_here(suite), "--member", name])
