"""What the leaderboard says of a suite, as MLflow shows it: the same numbers, and the same sentences as descriptions."""

from collections.abc import Iterator, Sequence

from benchmark.cells.mlflow_mirror import MirroredRow, MirroredSuite, MirroredTable
from benchmark.cells.rows import Row
from benchmark.cells.studies import journal_path
from benchmark.leaderboard.columns import known
from benchmark.leaderboard.conclusions import conclusion, place
from benchmark.leaderboard.exports import measured
from benchmark.leaderboard.remarks import causes, scope
from benchmark.leaderboard.standings import Standings
from benchmark.registry.budget import budget_of
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.metric_names import metric_name
from benchmark.suites.suite import Suite
from benchmark.system.terminal import counted

BOUNDS = ("_low", "_high")
"""What is stated of the metric that is tested, besides its mean."""


def mirrored(suite: Suite, tables: Sequence[Standings], catalogue: Catalogue, *, reference: bool = False) -> MirroredSuite:
    """What to mirror: the rows of this machine, with `reference` the published ones too; a finding is no table of its own."""
    whole = [table for table in tables if not table.rows.finding]
    rows = [(table, list(_rows(table, reference))) for table in whole]
    return MirroredSuite(
        suite.name,
        [
            MirroredTable(table.task, of_table, f"{scope(table)}\n\n{conclusion(table, catalogue)}")
            for table, of_table in rows
            if of_table
        ],
        f"{suite.title}\n\nA run for each table, which unfolds into its methods. `{suite.primary_metric}` is the mean that the "
        f"leaderboard has, `split_{suite.primary_metric}` has the test parts by step. {suite.note}".rstrip(),
    )


def _rows(table: Standings, reference: bool) -> Iterator[MirroredRow]:
    for row in (*table.rows.complete, *table.rows.incomplete):
        if reference or row.source == "local":
            yield MirroredRow(row, _stated(table, row), _note(table, row))


def _stated(table: Standings, row: Row) -> dict[str, float]:
    """The row's metrics, with the interval of the one that is tested; nothing of an incomplete row, which has no mean."""
    estimates = table.estimates.get(row.method, {})
    names = [*measured(estimates), *(f"{table.metric}{part}" for part in BOUNDS)]
    return {name: float(estimates[name]) for name in names if known(estimates.get(name))}


def _note(table: Standings, row: Row) -> str:
    """What the leaderboard says of a row, and where the trials of its searches are."""
    if table.comparison is not None and row.method in table.estimates:
        text = f"{place(table, table.comparison, row.method)}{'' if row.method in table.ranked else '; it is descriptive'}."
    else:
        why = next(("; ".join(causes(partial)) for partial in table.partial if partial.row.method == row.method), "")
        text = f"{row.cells_ok} of {counted(row.cells, 'cell')}, so there is no mean {metric_name(table.metric)}: {why}."
    if budget_of(row.method) is None or row.source != "local":
        return text
    path = journal_path(table.task.dataset, table.task.protocol, row.method)
    return f"{text}\n\nEvery trial: `optuna-dashboard '{path}'`"
