"""Reads stored predictions, ranks them, and writes the leaderboard's files."""

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.cells.rows import TableRows, gathered, of_findings, pairings
from benchmark.leaderboard.drawn import drawn
from benchmark.leaderboard.further import further_suites
from benchmark.leaderboard.markdown import render
from benchmark.leaderboard.page import page
from benchmark.leaderboard.standings import Standings, standings
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.max_t import Remembered
from benchmark.suites.suite import DEFAULT, Suite
from benchmark.system.files import locked, store_error, write_if_changed
from benchmark.system.locations import output_folder, results_folder
from benchmark.system.parallel import mapped


def rank(
    suite: Suite, catalogue: Catalogue, *, local: bool = True, jobs: int = 1, part: bool = False, own: bool = False
) -> list[Standings]:
    """The tables of a suite from stored predictions, one of task retrieval before those of its findings.

    No training, the same result every time, whatever the number of processes (`jobs`). `part` says that the suite was narrowed
    to some of its tables; `own` narrows it to those with rows of this machine.
    """

    def tables_of(rows: TableRows) -> Sequence[TableRows]:
        return () if own and not _has_own(rows) else (rows, *of_findings(rows))

    return _ranked(suite, catalogue, tables_of, local=local, jobs=jobs, part=part or own)


def _has_own(rows: TableRows) -> bool:
    return any(row.source == "local" for row in (*rows.complete, *rows.incomplete))


def _ranked(
    suite: Suite,
    catalogue: Catalogue,
    tables_of: Callable[[TableRows], Sequence[TableRows]],
    *,
    local: bool,
    jobs: int,
    part: bool = False,
) -> list[Standings]:
    """The tables that are made of the rows of each pairing, which one process reads and tests.

    What max-T draws is remembered for the next time.
    """
    with drawn(suite.name, part=part) as remembered:

        def of(names: tuple[str, str]) -> tuple[list[Standings], Remembered]:
            own: ChainMap[str, list[float]] = ChainMap({}, remembered)
            rows = gathered(suite, catalogue, *names, local=local)
            tables = () if rows is None else tables_of(rows)
            return [standings(table, suite.primary_metric, suite.questions, own) for table in tables], own.maps[0]

        found = mapped(of, pairings(suite, catalogue), jobs)
        for _, own in found:
            remembered.update(own)
    return [table for tables, _ in found for table in tables]


@dataclass(frozen=True)
class File:
    """A file of a suite and what it is to hold."""

    path: Path
    content: bytes

    def write(self) -> Path:
        """Write it, unless it holds that already; returns its path. Raises `StoreError`."""
        write_if_changed(self.path, self.content)
        return self.path


@contextmanager
def writing() -> Iterator[None]:
    """Hold this machine's leaderboards from reading cells to writing files: no older one is written over a newer one.

    Raises `StoreError` where nothing can be written.
    """
    folder = results_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = locked(folder / ".leaderboards.lock")
    except OSError as error:
        raise store_error("write", folder, error) from error
    with held:
        yield


def leaderboard_file(suite: Suite, catalogue: Catalogue, tables: list[Standings], *, jobs: int = 1) -> File:
    """The leaderboard of a suite."""
    return File(leaderboard_path(suite), render(suite, tables, catalogue, jobs, brief=True).encode())


def page_file(suite: Suite, catalogue: Catalogue, tables: list[Standings], *, local: bool = True, jobs: int = 1) -> File:
    """The page of a suite. Raises `BenchmarkError` where the plotting library is missing."""
    return File(page_path(suite), whole_page(suite, catalogue, tables, local=local, jobs=jobs).encode())


def leaderboard_path(suite: Suite) -> Path:
    """Where the leaderboard of a suite lies: `leaderboard.md`, or `results/<suite>.md` for another one than the default."""
    return output_folder() / "leaderboard.md" if suite.name == DEFAULT else results_folder() / f"{suite.name}.md"


def page_path(suite: Suite) -> Path:
    """Where the page of a suite lies."""
    return results_folder() / f"{'leaderboard' if suite.name == DEFAULT else suite.name}.html"


def whole_page(suite: Suite, catalogue: Catalogue, tables: list[Standings], *, local: bool = True, jobs: int = 1) -> str:
    """The page of a suite, with its ablations and sensitivity where these are suites of their own and have results."""

    def compared(rows: TableRows) -> Sequence[TableRows]:
        return (rows,) if len(rows.complete) > 1 else ()

    further = [
        (other, _ranked(other, catalogue, compared, local=local, jobs=jobs))
        for other in further_suites(suite, catalogue, local=local)
    ]
    return page(suite, tables, catalogue, further, jobs)
