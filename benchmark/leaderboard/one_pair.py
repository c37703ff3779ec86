"""Two rows compared at a reader's wish: their pair alone at every table that holds both, and what its p is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.cells.rows import TableRows, gather, of_findings
from benchmark.leaderboard.answers import answers, short
from benchmark.leaderboard.answers_shown import as_records
from benchmark.leaderboard.further import further_suites
from benchmark.leaderboard.standings import Standings, standings
from benchmark.leaderboard.tables import p_value
from benchmark.registry.catalogue import Catalogue
from benchmark.statistics.multiplicity import POWER
from benchmark.suites.questions import Question
from benchmark.suites.suite import Suite
from benchmark.system.errors import BenchmarkError, check_known

FOUND = "would have been found"
"""Where the answer itself says it, the power is not said again."""
SOUGHT = 0.03
"""The true difference for which the number of patients is given."""


@dataclass(frozen=True)
class OnePair:
    """Two rows at one table: their means, the answer to whether `a` is better, and its p.

    `detectable` is the true difference that is found here with probability .8, NaN where the pair is not tested.
    `p` is 1 where neither AUC is shown to be above .5, and NaN where the pair is not tested. `p_of_all` is its p in the family
    of the `pairs` of ranked rows, NaN where it is not of that family. `patients` is about how many would show a true difference
    of `SOUGHT` with probability .8, NaN where it is not patients that are tested.
    """

    table: Standings
    a: str
    b: str
    means: tuple[float, float]
    answer: str
    p: float
    p_of_all: float
    pairs: int
    detectable: float
    patients: float


def compared(suite: Suite, catalogue: Catalogue, a: str, b: str, *, local: bool = True) -> list[OnePair]:
    """The pair at every table of the suite where both rows are complete; rows of its ablations are known too.

    Raises `BenchmarkError` where a row is not in the suite, both are one, or no table holds both.
    """
    suite = _with_ablations(suite, catalogue, (a, b), local=local)
    check_known(f"row of suite {suite.name}", (a, b), suite.methods)
    if a == b:
        raise BenchmarkError(f"{a} is compared with itself: name two rows")
    tables = [
        rows
        for whole in gather(suite, catalogue, local=local)
        for rows in (whole, *of_findings(whole))
        if {a, b} <= {row.method for row in rows.complete}
    ]
    if not tables:
        raise BenchmarkError(f"no table of suite {suite.name} holds complete rows of both {a} and {b}: run them first")
    return [pair_at(rows, suite.primary_metric, a, b) for rows in tables]


def _with_ablations(suite: Suite, catalogue: Catalogue, names: Sequence[str], *, local: bool) -> Suite:
    """The suite with those of the named rows that only its ablations have, as descriptive rows."""
    if set(names) <= set(suite.methods):
        return suite
    there = {name for other in further_suites(suite, catalogue, local=local) for name in other.methods}
    further = [name for name in names if name in there and name not in suite.methods]
    return replace(suite, descriptive=(*suite.descriptive, *further))


def patients_of(table: Standings) -> int | None:
    """The patients in a table's test parts, each with one case or several; None where the test is not over patients."""
    if table.rows.inference not in ("fold", "few-labels", "held-out"):
        return None
    task = table.task
    return len(task.tested) if task.groups is None else len(np.unique(task.groups[task.tested]))


def pair_at(rows: TableRows, metric: str, a: str, b: str) -> OnePair:
    """The pair at a table that holds both rows."""
    question = Question(f"is {a} better than {b}?", (a,), (b,), "whoever ran `compare`", "compare")
    table = standings(rows, metric, (question,))
    comparison, (answer,) = table.comparison, answers(table)
    assert comparison is not None
    (contrast,) = answer.contrasts.to_dict("records")
    both = comparison.pairs[["a", "b"]].isin((a, b)).all(axis=1)
    patients = patients_of(table)
    return OnePair(
        table,
        a,
        b,
        (comparison.metrics[table.metric][a], comparison.metrics[table.metric][b]),
        answer.verdict,
        contrast["p_adjusted"],
        next(iter(comparison.pairs["p_adjusted"][both]), np.nan),
        comparison.power.pairs,
        contrast["detectable"],
        np.nan if patients is None else patients_needed(patients, contrast["detectable"]),
    )


def patients_needed(patients: int, detectable: float) -> float:
    """About how many would show a true difference of `SOUGHT`, where so many show one of `detectable`.

    Standard errors shrink with the square root of the number; the share of either label is taken to stay.
    """
    return patients * (detectable / SOUGHT) ** 2


def as_lines(pair: OnePair) -> list[str]:
    """What is printed of a table; the page says the same."""
    table, names = pair.table, (pair.a, pair.b)
    means = ", ".join(f"`{name}` {short(mean)}" for name, mean in zip(names, pair.means, strict=True))
    lines = [
        f"{table.task.dataset}, {table.task.protocol} ({len(table.task.tested)} cases), {table.metric}: {means}",
        f"is `{pair.a}` better than `{pair.b}`? {pair.answer}",
    ]
    if np.isfinite(pair.p):
        lines.append(f"p {_p(pair.p)}: {_which_decides(pair)}")
    if pair.detectable > 0 and FOUND not in pair.answer:
        lines.append(f"power: a true difference of {short(pair.detectable)} is found here with probability {_power()}")
    if pair.patients > 0:
        lines.append(f"about {_about(pair.patients)} patients would be enough to see a difference of {_sought()}")
    return lines


def _which_decides(pair: OnePair) -> str:
    legitimate = "legitimate where the pair was chosen before the results were seen"
    if np.isfinite(pair.p_of_all):
        return f"{legitimate}; otherwise read the family's adjusted p: {_p(pair.p_of_all)} ({pair.pairs} pairs of ranked rows)"
    descriptive = " and ".join(f"`{name}`" for name in (pair.a, pair.b) if name not in pair.table.rows.ranked)
    return f"unadjusted, and {legitimate}; no adjusted p stands beside it, for {descriptive} is not ranked"


def _sought() -> str:
    return f"{SOUGHT:g}".replace("0.", ".", 1)


def _power() -> str:
    return f"{POWER:.1g}".replace("0.", ".", 1)


def _p(value: float) -> str:
    return p_value(value).replace("0.", ".", 1)


def _about(count: float) -> str:
    """A number to two digits: `1,900`."""
    return f"{float(f'{count:.2g}'):,.0f}"


def as_json(suite: str, pairs: Sequence[OnePair]) -> dict[str, Any]:
    """The pair at every table; null where undefined. `p` is its own, `p_adjusted` that of all pairs of ranked rows."""
    return {"suite": suite, "a": pairs[0].a, "b": pairs[0].b, "tables": [_table_json(pair) for pair in pairs]}


def _table_json(pair: OnePair) -> dict[str, Any]:
    task, (record,) = pair.table.task, as_records(pair.table)
    return {
        "dataset": task.dataset,
        "protocol": task.protocol,
        "primary_metric": pair.table.metric,
        "cases": len(task.tested),
        "means": list(pair.means),
        **{key: record[key] for key in ("difference", "ci", "inflation", "answer")},
        "p": pair.p if np.isfinite(pair.p) else None,
        "p_adjusted": pair.p_of_all if np.isfinite(pair.p_of_all) else None,
        "detectable": pair.detectable if np.isfinite(pair.detectable) else None,
        "patients": round(pair.patients) if np.isfinite(pair.patients) else None,
    }
