"""`tune`: search a method's hyper-parameters inside each split's training part, and rank the row of the chosen values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli import run as computing
from benchmark.cli.selection import Options, argument, chosen_suite
from benchmark.registry.budget import SAMPLERS, Budget, read_budget
from benchmark.registry.spelling import DEFAULT_BUDGET, TUNED, parse_spelling, spell
from benchmark.suites.members import members
from benchmark.suites.suite import load_suite
from benchmark.system.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.cells.store import CellRecord


ARGUMENTS = (
    argument("tuned_method", metavar="METHOD", help="a method with a search_space(); values given here are kept"),
    argument("--sampler", choices=SAMPLERS, help="what proposes the trials (default: tpe)"),
    argument("--trials", type=int, metavar="N", help="trials per split (default: 20; a smaller grid has fewer)"),
    argument("--timeout", type=int, metavar="S", help="start no new trial of a split after S seconds"),
    *computing.ARGUMENTS,
)


def run(options: Options) -> int:
    """Exit code 0, or 1 where some cells are not ok."""
    from benchmark.cells.rows import catalogue_of
    from benchmark.learning.tuning.search import method_of

    if options.method:
        raise BenchmarkError(f"--method {options.method[0]}: `tune` takes one method, its first argument")
    if not options.dataset:
        raise BenchmarkError("say which data to tune on: --dataset NAME")
    method = catalogue_of(options.suite, options.plugin).method(_with_budget(options))
    method_of(method)
    options.method = [method.spelled]
    same = {spelled for spelled in members(load_suite(options.suite).name).methods if _fixed(spelled) == _fixed(method.spelled)}
    replaced = sorted(spelled for spelled in same - {method.spelled} if TUNED in parse_spelling(spelled)[1])
    code = computing.run(options, replaced)
    if not options.dry_run:
        _report(options, method.spelled)
    return code


def _with_budget(options: Options) -> str:
    """The method's spelling with the budget of the options in it. Raises `BenchmarkError` where both give one."""
    name, parameters = parse_spelling(options.tuned_method)
    given = any(value is not None for value in (options.sampler, options.trials, options.timeout))
    if TUNED in parameters and given and parameters[TUNED] != DEFAULT_BUDGET:
        raise BenchmarkError(f"{options.tuned_method} has its budget: leave out --sampler, --trials and --timeout")
    if TUNED not in parameters or given:
        usual = read_budget(DEFAULT_BUDGET)
        trials = usual.trials if options.trials is None else options.trials
        parameters[TUNED] = str(Budget(options.sampler or usual.sampler, trials, options.timeout))
    return spell(name, parameters)


def _fixed(spelled: str) -> tuple[str, dict[str, object]]:
    """A spelling without its budget: tuned rows of a table have equal budgets, so one takes the place of another's."""
    name, parameters = parse_spelling(spelled)
    return name, {field: value for field, value in parameters.items() if field != TUNED}


def _report(options: Options, method: str) -> None:
    """Print what was chosen, split by split, and how often, for each table that the options name."""
    from benchmark.cells.store import Store
    from benchmark.cells.studies import journal_path

    suite, _ = chosen_suite(options)
    for dataset, protocol in suite.pairings:
        records = [record for record in Store().row(dataset, protocol, method).values() if record.outcome == "ok"]
        if records:
            print(f"\n{dataset}, {protocol}: values that {method} chose")
            print("\n".join(summary(records)))
            print(f"trials: optuna-dashboard '{journal_path(dataset, protocol, method)}'")


def summary(records: Sequence[CellRecord]) -> list[str]:
    """Lines: a table of the values, the inner AUC and the trials of each split, then how often each value was chosen."""
    names = sorted({name for record in records for name in record.chosen["values"]})
    rows = [["split", *names, "inner AUC", "complete", "pruned", "failed"]]
    for record in sorted(records, key=lambda record: (record.seed, record.address.split)):
        values = [_short(record.chosen["values"].get(name)) for name in names]
        trials = [str(record.chosen["trials"][state]) for state in ("complete", "pruned", "failed")]
        rows.append([record.address.split, *values, f"{record.chosen['inner_auc']:.3f}", *trials])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for column, name in enumerate(names, 1):
        counts = Counter(row[column] for row in rows[1:])
        lines.append(f"{name}: " + ", ".join(f"{value} in {count}" for value, count in counts.most_common(8)))
    return lines


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
