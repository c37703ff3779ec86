"""`run`: compute what this machine's cells lack, mirror them, and write the leaderboard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from benchmark.cli.joining import joining, remember, suite_to_run
from benchmark.cli.progress import ConsoleReporter
from benchmark.cli.selection import JOBS, PARTS, SUITE, Options, argument, chosen_jobs
from benchmark.registry.catalogue import Catalogue
from benchmark.suites.suite import DEFAULT
from benchmark.system.errors import BenchmarkError, check_known
from benchmark.system.terminal import counted, wrapped

if TYPE_CHECKING:
    from benchmark.cells.planning import Cell, Plan
    from benchmark.cells.run import Request, Summary
    from benchmark.cells.store import CellRecord
    from benchmark.data.cohort import Cohort
    from benchmark.suites.members import Table
    from benchmark.suites.suite import Suite


ARGUMENTS = (
    *SUITE,
    *PARTS,
    argument("--descriptive", action="store_true", help="with --method: show the rows, and neither rank nor test them"),
    argument("--seeds", type=int, nargs="+", default=[], metavar="SEED", help="only splits of these seeds"),
    JOBS,
    argument("--scheduler", default="", metavar="ADDRESS", help="compute on a Dask cluster: its scheduler, or that one's file"),
    argument("--cluster", default="", metavar="local:N", help="start a Dask cluster of N workers here, and compute on it"),
    argument("--device", default="cpu", metavar="DEVICE", help="where neural methods compute: cpu, cuda or cuda:N"),
    argument("--in-process", action="store_true", help="no workers and no hard limits: for debugging a method"),
    argument("--retry", default="", metavar="OUTCOMES", help="only cells with these outcomes, e.g. failed,timeout"),
    argument("--recompute", action="store_true", help="compute fresh cells again as well"),
    argument("--dry-run", action="store_true", help="only print what would be computed and about how long it takes"),
    argument("--no-sync", action="store_true", help="do not mirror the results to MLflow"),
)
MIRRORED_AFTER = 120.0
"""Seconds of a run in which MLflow is left alone: the first tables come sooner so."""
CAUSES = 10
"""Different causes of failed cells that are printed."""


def run(options: Options, replaces: Sequence[str] = ()) -> int:
    """Exit code 0, or 1 where some cells are not ok; rows that a new one `replaces` leave the tables that it joins."""
    started = monotonic()
    from benchmark.cells import run as running
    from benchmark.cells.mlflow_mirror import Mirror
    from benchmark.cells.rows import current_suite
    from benchmark.leaderboard.publication import leaderboard_file, page_file, rank, writing
    from benchmark.leaderboard.terminal import shown
    from benchmark.system.background import Background
    from benchmark.system.files import exclusive
    from benchmark.system.locations import results_folder
    from benchmark.system.threads import use_device

    use_device(options.device)
    request_of = partial(
        running.Request,
        started=started,
        seeds=tuple(options.seeds),
        jobs=_jobs(options),
        cluster=_cluster(options),
        in_process=options.in_process,
        retry=_outcomes(options.retry),
        recompute=options.recompute,
        debug=options.debug,
    )
    if options.dry_run:
        suite, catalogue = suite_to_run(options, replaces)
        return _dry_run(request_of(suite), catalogue)
    reporter = ConsoleReporter()
    with exclusive(results_folder()):
        suite, catalogue = suite_to_run(options, replaces)
        request = request_of(suite)
        prepared = running.prepare_plan(suite, request.seeds, catalogue, reporter)
        _check_prepared(options, prepared[1])
        remember(options, joining(options, catalogue, replaces, prepared[1].cohorts), catalogue, prepared[0].tasks)
        _audit(suite.protocols, catalogue, prepared[1].cohorts)
        whole = current_suite(options.suite, catalogue)
        planned = prepared[0]
        touched = _touched(options, planned, planned.to_run(retry=request.retry, recompute=request.recompute))
        mirror = Mirror(options.suite, catalogue.plugins, enabled=not options.no_sync)

        board = Background(("rank", "--suite", options.suite), catalogue.plugins)

        def on_interim(seconds: float) -> None:
            board.start()
            if seconds > MIRRORED_AFTER:
                mirror.start()

        reporter.say(_published(whole))
        with mirror, board:
            summary = running.run(request, catalogue, reporter, on_interim, prepared)
            board.end()
            with writing():
                tables = rank(whole, catalogue)
                path = leaderboard_file(whole, catalogue, tables).write()
                try:
                    page = str(page_file(whole, catalogue, tables).write())
                except Exception as error:  # whatever it is: what was computed does not depend on the page
                    page = f"none: {error}" if isinstance(error, BenchmarkError) else f"none: {type(error).__name__}: {error}"
            for table in tables:
                if (rows := touched.get((table.task.dataset, table.task.protocol))) is not None:
                    reporter.say(shown(table, catalogue, rows, asked=not options.method))
            reporter.say(f"\nleaderboard: {path}\npage: {page}")
            if line := mirror.finish() if summary.computed else mirror.look():
                reporter.say(line)
    for line in _not_ok(summary.not_ok):
        reporter.say(line)
    for method, reason in summary.given_up.items():
        reporter.say(f"{method} failed alike on two datasets, and its other cells are not computed: {reason}")
    if summary.not_ok:
        outcomes = ",".join(sorted({record.outcome for record in summary.not_ok}))
        cells = f"{counted(len(summary.not_ok), 'cell')} {'is' if len(summary.not_ok) == 1 else 'are'} not ok"
        reporter.say(f"{cells}; `explain CELL` says more, `run --retry {outcomes}` tries again")
    for line in (*summary.broken.values(), *summary.skipped.values()):
        reporter.say(f"not run: {line}")
    return 1 if summary.not_ok or summary.broken else 0


def _jobs(options: Options) -> int | None:
    """Worker processes here, or cells at once on a cluster: there as many as it computes unless the options say how many."""
    return None if options.jobs is None and (options.scheduler or options.cluster) else chosen_jobs(options)


def _cluster(options: Options) -> str:
    """The cluster to compute on, "" for none. Raises `BenchmarkError` for options that contradict each other."""
    if sum(map(bool, (options.scheduler, options.cluster, options.in_process))) > 1:
        raise BenchmarkError("--scheduler, --cluster and --in-process: give one of them")
    if options.cluster and not re.fullmatch(r"local:[1-9]\d*", options.cluster):
        raise BenchmarkError(
            f"--cluster {options.cluster}: give local:N, such as local:4; for a running one --scheduler ADDRESS"
        )
    return str(options.scheduler or options.cluster)


def _published(suite: Suite) -> str:
    """Where the suite's published results stand, complete before anything is computed here."""
    from benchmark.cells.rows import published_rows

    rows = published_rows(suite)
    if not rows:
        return f"no results of {suite.name} are published yet"
    where = "leaderboard.md" if suite.name == DEFAULT else f"results/{suite.name}.md"
    are = f"{counted(rows, 'row')} of {suite.name} {'is' if rows == 1 else 'are'} published"
    return wrapped(f"{are}: {where} has them beside this machine's, `rank --no-local` them alone", hanging="  ")


def _audit(protocols: Sequence[str], catalogue: Catalogue, cohorts: Mapping[str, Cohort]) -> None:
    """Say what the short audit finds of each dataset; an audit that fails ends no run."""
    from benchmark.audit.leaks.checks import audit_dataset

    reporter = ConsoleReporter()
    for dataset, cohort in cohorts.items():
        try:
            audit = audit_dataset(cohort, catalogue, protocols, short=True)
        except Exception as error:  # what a check stumbles over is in somebody's cohort or protocol
            reporter.say(f"audit of {dataset} not finished: {type(error).__name__}: {error}")
            continue
        for finding in audit.findings:
            reporter.say(wrapped(f"audit: {finding}", hanging="  "))


def _check_prepared(options: Options, summary: Summary) -> None:
    """Raise `BenchmarkError` where a dataset that the options name cannot be prepared."""
    for dataset, line in summary.broken.items():
        if dataset in options.dataset:
            raise BenchmarkError(line)


def _not_ok(records: Sequence[CellRecord]) -> Iterator[str]:
    """The cells that are not ok, those with one outcome and cause in one line."""
    from benchmark.cells.schedule import described

    alike: dict[tuple[str, str, str], list[CellRecord]] = {}
    for record in records:
        alike.setdefault((record.address.method, record.outcome, described(record)[:300]), []).append(record)
    for (method, outcome, reason), cells in list(alike.items())[:CAUSES]:
        which = str(cells[0].address) if len(cells) == 1 else f"{method}: {len(cells)} cells, the first {cells[0].address}"
        yield f"not ok: {which}: {outcome}: {reason}"
    if len(alike) > CAUSES:
        yield f"not ok: and {len(alike) - CAUSES} other causes"


def _outcomes(named: str) -> tuple[str, ...]:
    """The outcomes of `--retry`. Raises `BenchmarkError` for what is not one."""
    from benchmark.cells.store import OUTCOMES

    names = tuple(name.strip() for name in named.split(",") if name.strip())
    check_known("outcome", names, OUTCOMES)
    if "ok" in names:
        raise BenchmarkError("--retry takes outcomes that are not ok; to compute everything again use --recompute")
    return names


def _touched(options: Options, planned: Plan, cells: Sequence[Cell]) -> dict[Table, list[str]]:
    """The tables that a run computes `cells` of, each with the rows named or computed; all tables where it computes none."""
    rows = dict.fromkeys(cell.address.row for cell in (planned.cells if options.method else cells))
    tables: dict[Table, list[str]] = {cell.address.row[:2]: [] for cell in cells or planned.cells}
    for dataset, protocol, method in rows:
        if (dataset, protocol) in tables:
            tables[dataset, protocol].append(method)
    return tables


def _dry_run(request: Request, catalogue: Catalogue) -> int:
    """Say what would be computed, and how long that takes by this machine's cells, else by the published rows'."""
    from benchmark.cells.forecast import forecast
    from benchmark.cells.run import duration, prepare_plan

    reporter = ConsoleReporter()
    planned, _ = prepare_plan(request.suite, request.seeds, catalogue, reporter)
    cells = planned.to_run(retry=request.retry, recompute=request.recompute)
    counts, expected = Counter(cell.address.row for cell in cells), forecast(planned.cells)
    for row, count in counts.items():
        seconds = expected.known.get(row)
        reporter.say(f"{'  '.join(row)}: {count} cells, {'time unknown' if seconds is None else f'{seconds:.2g} s each'}")
    timed = {row: expected.known[row] for row in counts if row in expected.known}
    own = request.cluster.removeprefix("local:") if request.cluster.startswith("local:") else "0"
    jobs = request.jobs or int(own)  # 0: as many as the workers of a cluster compute
    work = expected.work(cell for cell in cells if cell.address.row in timed) / max(min(jobs, len(cells)), 1)
    unknown = sum(counts[row] for row in counts if row not in timed)
    foreign = sum(counts[row] for row in timed if row in expected.foreign)
    by = counted(jobs, "job") if jobs else "one worker"
    length = f"about {duration(max([work, *timed.values()]))} with {by}"
    parts = [
        f"{len(cells)} of {len(planned.cells)} cells to compute",
        ("at least " if unknown else "") + length if unknown < len(cells) else "",
        f"{foreign} of them timed on the machine of the published rows" if foreign else "",
        f"{unknown} of rows that were never timed" if unknown else "",
    ]
    reporter.say(", ".join(filter(None, parts)))
    return 0
