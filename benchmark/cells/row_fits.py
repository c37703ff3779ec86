"""Fits of one row outside a run: its cells are planned as ever, and computed in a worker under the limits of the suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from benchmark.cells.compute import outcome_of
from benchmark.cells.executors import LocalProcesses
from benchmark.cells.forecast import forecast
from benchmark.cells.needs import Needs
from benchmark.cells.planning import Cell, plan
from benchmark.cells.run import cut_short
from benchmark.cells.store import Store
from benchmark.data.cohort import Cohort
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError

R = TypeVar("R")
PROTOCOL = "repeated-cv"


class NotBuiltError(BenchmarkError):
    """What some cells need cannot be built."""


def row_cells(
    suite: Suite, method: str, dataset: str, cohort: Cohort, catalogue: Catalogue, protocol: str = PROTOCOL
) -> dict[str, Cell]:
    """Split -> cell of a row under a protocol. Raises `BenchmarkError` where the row does not apply."""
    alone = replace(
        suite, datasets=(dataset,), protocols=(protocol,), skipped={}, only={}, ranked=(method,), descriptive=(), places={}
    )
    planned = plan(alone, catalogue, {dataset: cohort}, Store())
    problems = [*(row.not_applicable for row in planned.not_applicable), *planned.impossible]
    if problems:
        raise BenchmarkError(f"{dataset}/{protocol}/{method}: not applicable: {problems[0]}")
    return {cell.address.split: cell for cell in planned.cells}


def computed(
    suite: Suite,
    cells: Sequence[Cell],
    cohort: Cohort,
    catalogue: Catalogue,
    function: Callable[..., R],
    *arguments: Any,
    say: Callable[[str], None] = lambda line: None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[R]:
    """What `function(cell, *arguments)` gives for each cell, in a worker, after all that the cells need is built.

    `say` receives a line for each step; `variables` are added to the worker's environment. Raises `BenchmarkError` for what
    fails or takes too much, `NotBuiltError` before any cell where what one of them needs cannot be built.
    """
    needs = Needs(cells, {cells[0].address.dataset: cohort}, catalogue, forecast(cells), debug=False)
    needs.check()
    with LocalProcesses(1, suite.limits, variables) as executor:
        for need in needs.by_key.values():
            say(f"building {need.name}")
            built = need.submit(executor).result()
            if built.outcome != "ok":
                raise NotBuiltError(f"{cells[0].address}: {need.name}: {built.reason}")
        for cell in cells:
            say(f"fitting {cell.address}")
            future = executor.submit(_sendable, function, cell, *arguments, fits=cell.row.fits)
            ended = future.exception()
            if isinstance(ended, BenchmarkError):
                raise BenchmarkError(f"{cell.address}: {ended}")
            if ended is not None:
                most = f"{suite.limits.seconds:g} s, {suite.limits.memory_gib:g} GiB"
                outcome, reason = cut_short(ended, f"the suite's limit per cell ({most})")
                raise BenchmarkError(f"{cell.address}: {outcome}: {reason}")
            yield future.result()


def _sendable(function: Callable[..., R], *arguments: Any) -> R:
    """Call the function in the worker. Raises `BenchmarkError` whatever goes wrong: not every exception can be sent back."""
    try:
        return function(*arguments)
    except MemoryError:
        raise
    except BenchmarkError as error:
        raise BenchmarkError(str(error)) from None
    except Exception as error:  # somebody's code
        raise BenchmarkError(": ".join(outcome_of(error))) from None
